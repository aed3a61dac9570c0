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
	"cooper/test/e2etest"
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
	lines := strings.Split(strings.TrimSpace(e2etest.Must(t, url, ws, "runs", "--json").Stdout), "\n")
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &b); err != nil {
		t.Fatalf("%v\n%s", err, lines)
	}
	return b
}

// startRun starts a run in the background, and sees to it that none stays behind.
func startRun(t *testing.T, url, ws string, args ...string) behind {
	t.Helper()
	e2etest.Must(t, url, ws, append([]string{"start", "--"}, args...)...)
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
		r, err := e2etest.Command(context.WithoutCancel(t.Context()), url, ws, "runs", "--json").Output()
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
	e2etest.Must(t, url, ws, "logs", "-f", "latest")
	return lastRun(t, url, ws)
}

// TestBackgroundOutlivesItsTerminal kills everything that was started from a
// terminal, the shell first. The run goes on.
func TestBackgroundOutlivesItsTerminal(t *testing.T) {
	t.Parallel()
	w := e2etest.NewWorld(t, "Enabled")
	w.Fill(50, 1)
	dir, ws := e2etest.Pair(t)
	g := e2etest.NewGate(t, w, 10)
	shell := exec.CommandContext(t.Context(), "sh", "-c", `"$0" start --json -- backup run s3://lab "$1" --list; cat`, e2etest.Binary(), dir)
	shell.Env, shell.Dir = e2etest.Env(g.URL, ws), filepath.Dir(ws)
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
	killAtEnd(t, g.URL, ws)
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || !strings.Contains(line, `"working":true`) {
		t.Fatalf("%v %s", err, line)
	}
	g.ReachedBy(t, ws)
	for _, sig := range []syscall.Signal{syscall.SIGHUP, syscall.SIGINT, syscall.SIGKILL} {
		if err := syscall.Kill(-shell.Process.Pid, sig); err != nil {
			t.Fatal(err)
		}
	}
	_ = shell.Wait()
	if b := lastRun(t, g.URL, ws); b.Status != "running" {
		t.Fatalf("%+v", b)
	}
	g.Release()
	if b := followed(t, g.URL, ws); b.Status != "finished" || b.Exit != 0 {
		t.Errorf("%+v", b)
	}
	if n := len(e2etest.FilesOf(t, filepath.Join(dir, "mirror"))); n != 50 {
		t.Errorf("%d files", n)
	}
}

// TestBackgroundIsKilledAndGoesOn kills a run with SIGKILL in the middle of its plan;
// it goes on with that very plan, and takes no other snapshot.
func TestBackgroundIsKilledAndGoesOn(t *testing.T) {
	t.Parallel()
	w := e2etest.NewWorld(t, "Enabled")
	w.Fill(60, 1)
	dir, ws := e2etest.Pair(t)
	g := e2etest.NewGate(t, w, 20)
	b := startRun(t, g.URL, ws, "backup", "run", "s3://lab", dir, "--list", "--jobs", "4", "--ignore", "denied,missing")
	g.ReachedBy(t, ws)
	if err := syscall.Kill(b.Process.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	e2etest.Must(t, g.URL, ws, "logs", "-f", "latest") // ends with the run
	if b = lastRun(t, g.URL, ws); b.Status != "cut off" || b.Plan == "" {
		t.Fatalf("%+v", b)
	}
	plan := b.Plan
	g.Release()
	w.Server.ResetCounts()
	e2etest.Must(t, g.URL, ws, "resume", "--all")
	b = followed(t, g.URL, ws)
	if b.Status != "finished" || b.Plan != plan || b.Starts != 2 || b.Now[0] != "apply" || !slices.Contains(b.Now, "--jobs=4") || !slices.Contains(b.Now, "--ignore=missing") {
		t.Errorf("%+v", b)
	}
	if n := w.Server.Counts()["ListObjectVersions"]; n != 0 {
		t.Errorf("the bucket was listed again, %d times", n)
	}
	if n := len(e2etest.FilesOf(t, filepath.Join(dir, "mirror"))); n != 60 {
		t.Errorf("%d files", n)
	}
	e2etest.Must(t, g.URL, ws, "backup", "verify", dir, "--content")
	log := e2etest.Must(t, g.URL, ws, "logs", "latest").Stdout
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
	w := e2etest.NewWorld(t, "Enabled")
	w.Fill(30, 1)
	dir, ws := e2etest.Pair(t)
	g := e2etest.NewGate(t, w, 10)
	b := startRun(t, g.URL, ws, "backup", "run", "s3://lab", dir, "--list")
	g.ReachedBy(t, ws)
	if err := syscall.Kill(b.Process.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	e2etest.Must(t, g.URL, ws, "logs", "-f", "latest")
	var all []*e2etest.Process
	for range 6 {
		all = append(all, e2etest.Start(t, g.URL, ws, "resume", "--all"))
	}
	took := 0
	for _, p := range all {
		r := p.Wait()
		switch {
		case r.Code == 0 && strings.Contains(r.Stdout, b.ID+" runs in the background"):
			took++
		case r.Code != 0, !strings.Contains(r.Stderr, b.ID+": already taken up") && !strings.Contains(r.Stderr, "no run was cut off"):
			t.Errorf("%v", r)
		}
	}
	if took != 1 {
		t.Errorf("%d took it up", took)
	}
	g.Release()
	if b = followed(t, g.URL, ws); b.Status != "finished" || b.Starts != 2 {
		t.Errorf("%+v", b)
	}
}

// TestBackgroundIsStopped stops a run of a purge, and goes on with it. What was removed
// by both halves is listed in the end.
func TestBackgroundIsStopped(t *testing.T) {
	t.Parallel()
	w := e2etest.NewWorld(t, "Enabled")
	const objects = 25_000 // three shards
	for i := range objects {
		w.Server.Put("lab", fmt.Sprintf("scratch/%05d", i), nil, mem.PutOptions{})
	}
	_, ws := e2etest.Pair(t)
	g := e2etest.NewGateFor(t, w, "DeleteObjects", 12)
	list := filepath.Join(t.TempDir(), "deleted.jsonl")
	startRun(t, g.URL, ws, "purge", "run", "s3://lab/scratch/", "--list", "--share-stop", "100%", "--yes", "--deleted", list)
	g.ReachedBy(t, ws)
	p := e2etest.Start(t, g.URL, ws, "stop", "latest")
	// What is under way is finished first: so the gate opens once the wish is known.
	for lastRun(t, g.URL, ws).Status == "running" {
		select {
		case <-p.Ended:
			t.Fatalf("it did not wait: %v", p.Wait())
		default:
		}
	}
	g.Release()
	if r := p.Wait(); r.Code != 0 || !strings.Contains(r.Stdout, "is stopped") {
		t.Fatalf("%v", r)
	}
	b := lastRun(t, g.URL, ws)
	left := len(w.Server.Versions("lab"))
	if b.Status != "stopped" || left == 0 || left == objects {
		t.Fatalf("%+v, %d versions left", b, left)
	}
	if r := e2etest.Must(t, g.URL, ws, "resume", "--all"); !strings.Contains(r.Stderr, "no run was cut off") {
		t.Errorf("%v", r)
	}
	e2etest.Must(t, g.URL, ws, "resume", b.ID[:len(b.ID)-2])
	if b = followed(t, g.URL, ws); b.Status != "finished" || b.Exit != 0 {
		t.Errorf("%+v\n%s", b, e2etest.Must(t, g.URL, ws, "logs", "latest").Stdout)
	}
	if n := len(w.Server.Versions("lab")); n != 0 {
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
	w := e2etest.NewWorld(t, "Enabled")
	w.Fill(5, 1)
	dir, ws := e2etest.Pair(t)
	g := e2etest.NewGateFor(t, w, "ListObjectVersions", 0)
	p := e2etest.Start(t, g.URL, ws, "start", "--", "backup", "run", "s3://lab", dir, "--list")
	killAtEnd(t, g.URL, ws)
	p.At(t, g)
	if err := syscall.Kill(lastRun(t, g.URL, ws).Process.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if r := p.Wait(); r.Code != 2 || !strings.Contains(r.Stderr, "ended at once") {
		t.Errorf("%v", r)
	}
	g.Release()
	e2etest.Must(t, g.URL, ws, "resume", "latest")
	if b := followed(t, g.URL, ws); b.Status != "finished" || b.Now[0] != "backup" {
		t.Errorf("%+v", b)
	}
}

// TestBackgroundCompresses kills a run that compresses in the middle of its work, and
// goes on with it at once.
func TestBackgroundCompresses(t *testing.T) {
	t.Parallel()
	const objects = 200
	w := e2etest.NewWorld(t, "Enabled")
	for i := range objects {
		w.Server.Put("lab", fmt.Sprintf("csv/%03d.csv", i), []byte(strings.Repeat(fmt.Sprintf("%d,0.25,0.75,1.0\n", i), 500)), mem.PutOptions{})
	}
	_, ws := e2etest.Pair(t)
	g := e2etest.NewGateFor(t, w, "PutObject", 90)
	b := startRun(t, g.URL, ws, "compress", "run", "s3://lab/csv/", "--list", "--yes")
	g.ReachedBy(t, ws)
	if err := syscall.Kill(b.Process.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	e2etest.Must(t, g.URL, ws, "logs", "-f", "latest")
	g.Release()
	e2etest.Must(t, g.URL, ws, "resume", "--all")
	if b = followed(t, g.URL, ws); b.Status != "finished" || b.Exit != 0 || b.Now[0] != "apply" {
		t.Fatalf("%+v\n%s", b, e2etest.Must(t, g.URL, ws, "logs", "latest").Stdout)
	}
	all := w.Server.Versions("lab")
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
	w := e2etest.NewWorld(t, "Enabled")
	w.Fill(5, 1)
	dir, ws := e2etest.Pair(t)
	opens := time.Now().Add(2 * time.Hour).Format("15:04")
	between := opens + "-" + time.Now().Add(3*time.Hour).Format("15:04")
	e2etest.Must(t, w.URL, ws, "start", "--", "backup", "run", "s3://lab", dir, "--list", "--between", between)
	killAtEnd(t, w.URL, ws)
	if r := e2etest.Must(t, w.URL, ws, "runs"); !strings.Contains(r.Stdout, "waiting until "+opens) {
		t.Errorf("%v", r)
	}
	if r := e2etest.Must(t, w.URL, ws, "logs", "latest"); !strings.Contains(r.Stdout, "waiting until "+opens) {
		t.Errorf("%v", r)
	}
	if n := w.Server.Counts()["ListObjectVersions"]; n != 0 {
		t.Errorf("%d requests", n)
	}
	if r := e2etest.Must(t, w.URL, ws, "stop", "latest", "--json"); r.Object(t)["status"] != "stopped" {
		t.Errorf("%v", r)
	}
}
