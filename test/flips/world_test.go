package flips

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"cooper"
	"cooper/internal/background"
	"cooper/internal/inventory"
	"cooper/internal/ledger"
	"cooper/internal/plan"
	"cooper/internal/workspace"
)

// The ids of what is in the workspace of these tests.
const (
	snapshot = "s-20261120T010000Z-4f1c"
	backup   = "p-20261120T020000Z-4f1c"
	purge    = "p-20261120T020000Z-4f1d"
	run      = "r-20261120T030000Z-4f1c"
	folded   = "r-20261120T040000Z-4f1c"
	started  = "b-20261120T050000Z-4f1c"
)

var day = time.Date(2026, 11, 20, 1, 0, 0, 0, time.UTC)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// versions are what the snapshot holds.
func versions() []cooper.Version {
	var vs []cooper.Version
	for i := range 20 {
		key := fmt.Sprintf("%s/%c/%02d", []string{"images", "tables"}[i%2], 'a'+i/5, i)
		for k := range 1 + i%3 {
			v := cooper.Version{
				Identity: cooper.Identity{
					Key: key, VersionID: fmt.Sprintf("%032d", 100*i+k), ETag: fmt.Sprintf("%032x", 7919*(100*i+k)), Size: int64(1000*i + k),
					LastModified: cooper.InstantOf(day.Add(-time.Duration(i*60+k) * time.Minute)),
				},
				Latest: k == 0, StorageClass: "STANDARD",
			}
			if v.DeleteMarker = i%7 == 5 && k == 0; v.DeleteMarker {
				v.ETag, v.Size = "", 0
			}
			vs = append(vs, v)
		}
	}
	slices.SortFunc(vs, func(v, w cooper.Version) int { return v.Compare(&w) })
	return vs
}

// source is the inventory of them, with rows that make no sense.
type source struct{}

func (source) Meta() inventory.Meta {
	return inventory.Meta{Source: "s3://reports/lab/manifest.json", Bucket: "lab", TakenAt: cooper.InstantOf(day), Columns: []string{"Key", "Size"}}
}
func (s source) Parts() []inventory.Part { return []inventory.Part{s} }
func (source) Name() string              { return "part-0.csv" }
func (source) Read(_ context.Context, to inventory.Sink) error {
	for _, v := range versions() {
		if err := to.Version(&v); err != nil {
			return err
		}
	}
	for i := range 5 {
		if err := to.Reject(inventory.Rejected{File: "part-0.csv", Row: int64(i + 1), Key: fmt.Appendf(nil, "odd/%d", i), Reason: "the size is no number"}); err != nil {
			return err
		}
	}
	return nil
}

// made is a workspace with a file of every kind. Its numbers depend on nothing.
func made(t *testing.T) *workspace.Workspace {
	t.Helper()
	ctx := t.Context()
	ws, err := workspace.Open(filepath.Join(t.TempDir(), "workspace"), workspace.Options{})
	must(t, err)
	t.Cleanup(func() { must(t, ws.Close()) })
	meta, err := inventory.Build(ctx, ws.SnapshotDir(snapshot), source{}, inventory.BuildOptions{Clock: func() time.Time { return day }})
	must(t, err)
	meta.Files = nil
	makePlan(t, ws.PlanDir(backup), backup, "fetch", &meta)
	makePlan(t, ws.PlanDir(purge), purge, "remove", &meta)

	facts := ledger.Open(ws.LedgerDir())
	for shard := range 3 {
		must(t, facts.WriteOutcomes(ctx, folded, shard, purge, "s3://lab", outcomes(shard)))
	}
	must(t, facts.Compact(ctx))
	must(t, facts.WriteOutcomes(ctx, run, 0, backup, "/data/tree", outcomes(0)))
	for _, r := range []ledger.RunFact{
		{ID: run, Plan: backup, Mission: "backup", Target: "/data/tree", Began: cooper.InstantOf(day), Ended: cooper.InstantOf(day.Add(time.Hour)), Status: ledger.Finished, Counts: map[string]int64{"done": 9, "failed/denied": 1}, Bytes: 12345, Requests: 10},
		{ID: folded, Plan: purge, Mission: "purge", Target: "s3://lab", Began: cooper.InstantOf(day), Status: ledger.Interrupted, Counts: map[string]int64{"done": 30}, Message: "asked to stop"},
	} {
		must(t, facts.WriteRun(ctx, r))
	}

	// A run that ended: nothing about it depends on processes.
	dir := ws.BackgroundDir(started)
	must(t, os.MkdirAll(filepath.Dir(dir), 0o755))
	args := []string{"backup", "run", "s3://lab", "/data/tree", "--list"}
	release, err := background.Create(dir, background.State{
		ID: started, Args: args, Now: args, Dir: "/data", Plan: backup, Began: cooper.InstantOf(day), Starts: 1, Started: cooper.InstantOf(day),
		Ended: cooper.InstantOf(day.Add(time.Hour)), Exit: 3, Message: "some objects failed",
	})
	must(t, err)
	must(t, release())
	must(t, background.Note(dir, background.Progress{At: cooper.InstantOf(day), Phase: "tree", Objects: 22, TotalObjects: 44, Bytes: 1000, TotalBytes: 2000, Failed: 1, ETA: 60}))
	return ws
}

func makePlan(t *testing.T, dir, id, verb string, meta *inventory.Meta) {
	t.Helper()
	w, err := plan.Create(dir, id, plan.Limits{Actions: 15})
	must(t, err)
	must(t, w.Phase(verb))
	for i, v := range versions() {
		must(t, w.Add(cooper.Action{Verb: verb, Version: v, Args: map[string]string{"to": "mirror", "row": fmt.Sprint(i)}}, true))
	}
	_, err = w.Finish(plan.Header{
		Mission: verb, Created: cooper.InstantOf(day), Source: "s3://lab", Target: plan.Target{Kind: "tree", Path: "/data/tree", Generation: 7}, Snapshot: meta,
		Policy: json.RawMessage(`{"tree":"/data/tree"}`), Reasons: map[string]plan.Tally{"new": {Count: 40, Bytes: 1}},
		Estimate: plan.Estimate{Requests: map[string]int64{"GET": 40}, USD: 0.25, Prices: "us-east-1 2025-06-01"}, Share: plan.Share{Removed: 1, Scope: 40, Limit: 0.1},
		Warnings: []string{"a warning"},
	})
	must(t, err)
}

// outcomes are those of a shard.
func outcomes(shard int) []cooper.Outcome {
	var outs []cooper.Outcome
	for i, v := range versions()[6*shard : 6*shard+6] {
		o := cooper.Outcome{Action: int64(6*shard + i), Verb: "rewrite", Identity: v.Identity, Status: cooper.Done, At: cooper.InstantOf(day), Bytes: v.Size, Requests: 1, Check: cooper.Verified, Method: "md5"}
		switch i % 4 {
		case 0:
			o.Status, o.Kind, o.Message = cooper.Failed, cooper.KindDenied, "no rights"
		case 1:
			stored := cooper.Identity{Key: v.Key + ".zst", VersionID: "null", ETag: "e", Size: 3}
			o.Content = &cooper.Content{State: cooper.Rewritten, PlainSize: v.Size, StoredSize: 3, SHA256: []byte{1, 2}, SHA1: []byte{3}, Codec: "zstd:3", Format: "text", Stored: stored, Trials: []cooper.Trial{{Codec: "zstd:3", Stored: 4, Nanos: 5}}}
		}
		outs = append(outs, o)
	}
	return outs
}
