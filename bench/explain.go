package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"

	"cooper"
	"cooper/internal/gc"
	"cooper/internal/gcop"
	"cooper/internal/plan"
	"cooper/internal/workspace"
)

// detectConfigName is that of the configuration in the workspace of the detection.
const detectConfigName = "cooper.yaml"

// makeWorkspace makes the workspace of the detection.
func makeWorkspace(dir string) error {
	w, err := workspace.Open(dir, workspace.Options{})
	if err != nil {
		return err
	}
	return w.Close()
}

// makePlan writes as much of the plan of a scan as one needs to look at what it has read.
func makePlan(ws string, scan int) error {
	id := detectScan(scan)
	w, err := plan.Create(filepath.Join(ws, "plan", id), id, gc.Limits)
	if err != nil {
		return err
	}
	defer w.Abort()
	policy, err := json.Marshal(gc.Policy{Ranges: map[string]int{"": 1, "FileEntity": 1}, Scanning: gcop.Scanning{
		Config: filepath.Join(ws, detectConfigName), Configuration: "bench", Schema: "bench", Server: detectServer, Engine: "mysql", Time: cooper.InstantOf(detectClock)}})
	if err != nil {
		return err
	}
	_, err = w.Finish(plan.Header{Mission: gc.Mission, Created: cooper.InstantOf(detectClock), Policy: policy, Partial: true, Target: plan.Target{Kind: gcop.TargetKind, Path: detectServer}})
	return err
}

// explains measures the command that tells all that is known of a handle, for handles at random, linked or not, in
// what the detection has left.
func (s *setup) explains(ctx context.Context, ws string) error {
	const times = 25
	at := rand.New(rand.NewPCG(5, 6))
	was := map[string]int{}
	var wall, cpu []float64
	var most int64
	for range times {
		cmd := exec.CommandContext(ctx, s.cooper, "gc", "explain", strconv.FormatInt(1+at.Int64N(s.detect.handles), 10), "--config", filepath.Join(ws, detectConfigName), "--workspace", ws, "--json")
		cmd.Env = s.environment("")
		u, err := measured(cmd)
		if err != nil {
			return err
		}
		var r struct{ Verdict struct{ Is string } }
		if err := json.Unmarshal([]byte(u.out), &r); err != nil {
			return err
		}
		was[r.Verdict.Is]++
		wall, cpu, most = append(wall, u.wall), append(cpu, u.cpu), max(most, u.rss)
	}
	fmt.Printf("\ncooper gc explain, of %d handles: %.0f ms in the median, %.0f ms at most, %.0f ms of CPU in the median, %d MB; %v\n", times, 1000*median(wall), 1000*slices.Max(wall), 1000*median(cpu), most>>20, was)
	return nil
}
