package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"cooper/internal/store/mem"
)

// behind is the newest run in the background, as cooper runs shows it.
type behind struct {
	ID      string   `json:"id"`
	Status  string   `json:"status"`
	Now     []string `json:"now"`
	Plan    string   `json:"plan"`
	Starts  int      `json:"starts"`
	Exit    int      `json:"exit"`
	Process struct {
		PID int `json:"pid"`
	} `json:"process"`
}

func lastRun(t *testing.T, url, ws string) (b behind) {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(must(t, url, ws, "runs", "--json").stdout), "\n")
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &b); err != nil {
		t.Fatalf("%v\n%s", err, lines)
	}
	return b
}

// startRun starts a run in the background, and sees to it that none stays behind.
func startRun(t *testing.T, url, ws string, args ...string) behind {
	t.Helper()
	must(t, url, ws, append([]string{"start", "--"}, args...)...)
	b := lastRun(t, url, ws)
	if b.Status != "running" || b.Process.PID == 0 {
		t.Fatalf("%+v", b)
	}
	killAtEnd(t, url, ws)
	return b
}

func killAtEnd(t *testing.T, url, ws string) {
	t.Cleanup(func() {
		// The test's own context is over.
		r, err := command(context.WithoutCancel(t.Context()), url, ws, "runs", "--json").Output()
		for line := range strings.Lines(string(r)) {
			var b behind
			if json.Unmarshal([]byte(line), &b) == nil && err == nil && b.Status == "running" {
				_ = syscall.Kill(b.Process.PID, syscall.SIGKILL)
			}
		}
	})
}

// followed waits for the end of a run, as a person would.
func followed(t *testing.T, url, ws string) behind {
	t.Helper()
	must(t, url, ws, "logs", "-f", "latest")
	return lastRun(t, url, ws)
}

// TestBackgroundOutlivesItsTerminal kills everything that was started from a
// terminal, the shell first. The run goes on.
func TestBackgroundOutlivesItsTerminal(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "Enabled")
	w.fill(50, 1)
	dir, ws := pair(t)
	g := newGate(t, w, 10)
	shell := exec.CommandContext(t.Context(), "sh", "-c", `"$0" start --json -- backup run s3://lab "$1" --list; cat`, binary, dir)
	shell.Env, shell.Dir = env(g.url, ws), filepath.Dir(ws)
	shell.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if _, err := shell.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := shell.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := shell.Start(); err != nil {
		t.Fatal(err)
	}
	killAtEnd(t, g.url, ws)
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || !strings.Contains(line, `"working":true`) {
		t.Fatalf("%v %s", err, line)
	}
	g.reachedBy(t, ws)
	for _, sig := range []syscall.Signal{syscall.SIGHUP, syscall.SIGINT, syscall.SIGKILL} {
		if err := syscall.Kill(-shell.Process.Pid, sig); err != nil {
			t.Fatal(err)
		}
	}
	_ = shell.Wait()
	if b := lastRun(t, g.url, ws); b.Status != "running" {
		t.Fatalf("%+v", b)
	}
	g.release()
	if b := followed(t, g.url, ws); b.Status != "finished" || b.Exit != 0 {
		t.Errorf("%+v", b)
	}
	if n := len(filesOf(t, filepath.Join(dir, "mirror"))); n != 50 {
		t.Errorf("%d files", n)
	}
}

// TestBackgroundIsKilledAndGoesOn kills a run with SIGKILL in the middle of its plan;
// it goes on with that very plan, and takes no other snapshot.
func TestBackgroundIsKilledAndGoesOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "Enabled")
	w.fill(60, 1)
	dir, ws := pair(t)
	g := newGate(t, w, 20)
	b := startRun(t, g.url, ws, "backup", "run", "s3://lab", dir, "--list", "--jobs", "4", "--ignore", "denied,missing")
	g.reachedBy(t, ws)
	if err := syscall.Kill(b.Process.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	must(t, g.url, ws, "logs", "-f", "latest") // ends with the run
	if b = lastRun(t, g.url, ws); b.Status != "cut off" || b.Plan == "" {
		t.Fatalf("%+v", b)
	}
	plan := b.Plan
	g.release()
	w.server.ResetCounts()
	must(t, g.url, ws, "resume", "--all")
	b = followed(t, g.url, ws)
	if b.Status != "finished" || b.Plan != plan || b.Starts != 2 || b.Now[0] != "apply" || !slices.Contains(b.Now, "--jobs=4") || !slices.Contains(b.Now, "--ignore=missing") {
		t.Errorf("%+v", b)
	}
	if n := w.server.Counts()["ListObjectVersions"]; n != 0 {
		t.Errorf("the bucket was listed again, %d times", n)
	}
	if n := len(filesOf(t, filepath.Join(dir, "mirror"))); n != 60 {
		t.Errorf("%d files", n)
	}
	must(t, g.url, ws, "backup", "verify", dir, "--content")
	log := must(t, g.url, ws, "logs", "latest").stdout
	for _, want := range []string{"began: cooper backup run", "taken up again: cooper apply " + plan, "ended with exit code 0"} {
		if !strings.Contains(log, want) {
			t.Errorf("%q is not in the log:\n%s", want, log)
		}
	}
}

// TestManyResume takes up a run that was killed by several commands at once: one of them
// does, and the others say so.
func TestManyResume(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "Enabled")
	w.fill(30, 1)
	dir, ws := pair(t)
	g := newGate(t, w, 10)
	b := startRun(t, g.url, ws, "backup", "run", "s3://lab", dir, "--list")
	g.reachedBy(t, ws)
	if err := syscall.Kill(b.Process.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	must(t, g.url, ws, "logs", "-f", "latest")
	var all []*process
	for range 6 {
		all = append(all, start(t, g.url, ws, "resume", "--all"))
	}
	took := 0
	for _, p := range all {
		r := p.wait()
		switch {
		case r.code == 0 && strings.Contains(r.stdout, b.ID+" runs in the background"):
			took++
		case r.code != 0, !strings.Contains(r.stderr, b.ID+": already taken up") && !strings.Contains(r.stderr, "no run was cut off"):
			t.Errorf("%v", r)
		}
	}
	if took != 1 {
		t.Errorf("%d took it up", took)
	}
	g.release()
	if b = followed(t, g.url, ws); b.Status != "finished" || b.Starts != 2 {
		t.Errorf("%+v", b)
	}
}

// TestBackgroundIsStopped stops a run of a purge, and goes on with it. What was removed
// by both halves is listed in the end.
func TestBackgroundIsStopped(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "Enabled")
	const objects = 25_000 // three shards
	for i := range objects {
		w.server.Put("lab", fmt.Sprintf("scratch/%05d", i), nil, mem.PutOptions{})
	}
	_, ws := pair(t)
	g := newGateFor(t, w, "DeleteObjects", 12)
	list := filepath.Join(t.TempDir(), "deleted.jsonl")
	startRun(t, g.url, ws, "purge", "run", "s3://lab/scratch/", "--list", "--share-stop", "100%", "--yes", "--deleted", list)
	g.reachedBy(t, ws)
	p := start(t, g.url, ws, "stop", "latest")
	// What is under way is finished first: so the gate opens once the wish is known.
	for lastRun(t, g.url, ws).Status == "running" {
		select {
		case <-p.ended:
			t.Fatalf("it did not wait: %v", p.result())
		default:
		}
	}
	g.release()
	if r := p.wait(); r.code != 0 || !strings.Contains(r.stdout, "is stopped") {
		t.Fatalf("%v", r)
	}
	b := lastRun(t, g.url, ws)
	left := len(w.server.Versions("lab"))
	if b.Status != "stopped" || left == 0 || left == objects {
		t.Fatalf("%+v, %d versions left", b, left)
	}
	if r := must(t, g.url, ws, "resume", "--all"); !strings.Contains(r.stderr, "no run was cut off") {
		t.Errorf("%v", r)
	}
	must(t, g.url, ws, "resume", b.ID[:len(b.ID)-2])
	if b = followed(t, g.url, ws); b.Status != "finished" || b.Exit != 0 {
		t.Errorf("%+v\n%s", b, must(t, g.url, ws, "logs", "latest").stdout)
	}
	if n := len(w.server.Versions("lab")); n != 0 {
		t.Errorf("%d versions are left", n)
	}
	got, err := os.ReadFile(list)
	if n := strings.Count(string(got), "\n"); err != nil || n != objects {
		t.Errorf("%d versions are listed, %v", n, err)
	}
}

// TestBackgroundCutOffBeforeThePlan: a run that was killed before there was a plan begins anew.
func TestBackgroundCutOffBeforeThePlan(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "Enabled")
	w.fill(5, 1)
	dir, ws := pair(t)
	g := newGateFor(t, w, "ListObjectVersions", 0)
	p := start(t, g.url, ws, "start", "--", "backup", "run", "s3://lab", dir, "--list")
	killAtEnd(t, g.url, ws)
	p.at(t, g)
	if err := syscall.Kill(lastRun(t, g.url, ws).Process.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if r := p.wait(); r.code != 2 || !strings.Contains(r.stderr, "ended at once") {
		t.Errorf("%v", r)
	}
	g.release()
	must(t, g.url, ws, "resume", "latest")
	if b := followed(t, g.url, ws); b.Status != "finished" || b.Now[0] != "backup" {
		t.Errorf("%+v", b)
	}
}

// TestBackgroundCompresses kills a run that compresses in the middle of its work, and
// goes on with it at once.
func TestBackgroundCompresses(t *testing.T) {
	t.Parallel()
	const objects = 200
	w := newWorld(t, "Enabled")
	for i := range objects {
		w.server.Put("lab", fmt.Sprintf("csv/%03d.csv", i), []byte(strings.Repeat(fmt.Sprintf("%d,0.25,0.75,1.0\n", i), 500)), mem.PutOptions{})
	}
	_, ws := pair(t)
	g := newGateFor(t, w, "PutObject", 90)
	b := startRun(t, g.url, ws, "compress", "run", "s3://lab/csv/", "--list", "--yes")
	g.reachedBy(t, ws)
	if err := syscall.Kill(b.Process.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	must(t, g.url, ws, "logs", "-f", "latest")
	g.release()
	must(t, g.url, ws, "resume", "--all")
	if b = followed(t, g.url, ws); b.Status != "finished" || b.Exit != 0 || b.Now[0] != "apply" {
		t.Fatalf("%+v\n%s", b, must(t, g.url, ws, "logs", "latest").stdout)
	}
	all := w.server.Versions("lab")
	for _, v := range all {
		if !strings.HasSuffix(v.Key, ".csv.zst") {
			t.Errorf("%s is left", v.Key)
		}
	}
	if len(all) != objects {
		t.Errorf("%d versions of %d", len(all), objects)
	}
}

// TestBackgroundWaits: a run outside of its hours waits for them, says so, asks the
// store for nothing, and can be stopped at once.
func TestBackgroundWaits(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "Enabled")
	w.fill(5, 1)
	dir, ws := pair(t)
	opens := time.Now().Add(2 * time.Hour).Format("15:04")
	between := opens + "-" + time.Now().Add(3*time.Hour).Format("15:04")
	must(t, w.url, ws, "start", "--", "backup", "run", "s3://lab", dir, "--list", "--between", between)
	killAtEnd(t, w.url, ws)
	if r := must(t, w.url, ws, "runs"); !strings.Contains(r.stdout, "waiting until "+opens) {
		t.Errorf("%v", r)
	}
	if r := must(t, w.url, ws, "logs", "latest"); !strings.Contains(r.stdout, "waiting until "+opens) {
		t.Errorf("%v", r)
	}
	if n := w.server.Counts()["ListObjectVersions"]; n != 0 {
		t.Errorf("%d requests", n)
	}
	if r := must(t, w.url, ws, "stop", "latest", "--json"); object(t, r)["status"] != "stopped" {
		t.Errorf("%v", r)
	}
}
