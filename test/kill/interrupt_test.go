package kill

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"cooper/internal/store/mem"
	"cooper/test/e2etest"
)

// TestSignalsStopCleanly sends SIGTERM, as a batch scheduler does, and SIGINT in
// the middle of a run: exit code 130, and the next run goes on with what was
// fetched.
func TestSignalsStopCleanly(t *testing.T) {
	t.Parallel()
	const objects = 1000
	w := e2etest.NewWorld(t, "Enabled")
	w.Fill(objects, 1)
	report := w.Report("now")
	dir, ws := e2etest.Pair(t)
	e2etest.Must(t, w.URL, ws, e2etest.BackupArgs(dir, report, "--quiet")...)
	want := e2etest.Canonical(t, dir)
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		t.Run(sig.String(), func(t *testing.T) {
			dir, ws := e2etest.Pair(t)
			g := e2etest.NewGate(t, w, 400)
			p := e2etest.Start(t, g.URL, ws, e2etest.BackupArgs(dir, report, "--json")...)
			p.At(t, g)
			if err := p.Cmd.Process.Signal(sig); err != nil {
				t.Fatal(err)
			}
			r := p.Wait()
			if r.Code != 130 || !strings.Contains(r.Stderr, `"kind":"interrupted"`) || !strings.Contains(r.Stderr, "goes on from there") {
				t.Fatalf("%v", r)
			}
			have := e2etest.Staged(t, dir)
			if have < 300 {
				t.Errorf("only %d of 400 objects were kept", have)
			}
			g.Release()
			w.Server.ResetCounts()
			e2etest.Must(t, g.URL, ws, e2etest.BackupArgs(dir, report, "--json")...)
			if n := w.Server.Counts()["GetObject"]; n != int64(objects-have) {
				t.Errorf("%d objects were fetched, of %d with %d staged", n, objects, have)
			}
			e2etest.Same(t, e2etest.Canonical(t, dir), want)
		})
	}
}

// TestNewerPlanReusesWhatIsStaged kills a run, changes the bucket, and runs on
// a newer report: the unfinished plan is given up, its bytes are not.
func TestNewerPlanReusesWhatIsStaged(t *testing.T) {
	t.Parallel()
	const objects = 1000
	w := e2etest.NewWorld(t, "Enabled")
	w.Fill(objects, 1)
	before := w.Report("before")
	dir, ws := e2etest.Pair(t)
	g := e2etest.NewGate(t, w, 400)
	p := e2etest.Start(t, g.URL, ws, e2etest.BackupArgs(dir, before)...)
	p.At(t, g)
	if err := p.Cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	p.Wait()
	g.Release()
	have := e2etest.Staged(t, dir)
	if have < 300 {
		t.Fatalf("only %d of 400 objects were staged", have)
	}
	if s := e2etest.Must(t, w.URL, ws, "backup", "status", dir, "--json").Object(t); s["unfinished"] == nil {
		t.Errorf("status does not tell of the unfinished run: %v", s)
	}
	w.Change(objects, 2)
	after := w.Report("after")
	versions := 0
	for _, v := range w.Server.Versions("lab") {
		if !v.DeleteMarker {
			versions++
		}
	}
	w.Server.ResetCounts()
	e2etest.Must(t, w.URL, ws, e2etest.BackupArgs(dir, after, "--moved")...) // the gate was another store
	if n := w.Server.Counts()["GetObject"]; n != int64(versions-have) {
		t.Errorf("%d objects were fetched, of %d versions with %d staged", n, versions, have)
	}
	if n := e2etest.Staged(t, dir); n != 0 {
		t.Errorf("%d files are staged still", n)
	}
	e2etest.Must(t, w.URL, ws, "backup", "verify", dir, "--content")
}

// TestStagedBytesThatNobodyWants kills a run in the middle of large bodies, and
// has its versions erased: once a run is through, nothing of them is left.
func TestStagedBytesThatNobodyWants(t *testing.T) {
	t.Parallel()
	w := e2etest.NewWorld(t, "Enabled")
	w.Fill(200, 1)
	before := w.Report("before")
	dir, ws := e2etest.Pair(t)
	g := e2etest.NewGate(t, w, 100)
	p := e2etest.Start(t, g.URL, ws, e2etest.BackupArgs(dir, before)...)
	p.At(t, g)
	if err := p.Cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	p.Wait()
	g.Release()
	if n := e2etest.Staged(t, dir); n < 20 { // but for those in flight
		t.Fatalf("only %d objects were staged", n)
	}
	// As a kill while bytes arrive leaves it, now and in earlier versions.
	half := strings.Repeat("0123", 10)
	for _, name := range []string{half, half + ".part"} {
		if err := e2etest.Save(filepath.Join(dir, ".cooper", "staging", name), []byte("half")); err != nil {
			t.Fatal(err)
		}
	}
	for _, v := range w.Server.Versions("lab") {
		w.Server.DeleteVersion("lab", v.Key, v.VersionID)
	}
	w.Server.Put("lab", "other", []byte("one"), mem.PutOptions{})
	e2etest.Must(t, w.URL, ws, e2etest.BackupArgs(dir, w.Report("after"), "--moved")...) // likewise
	for _, line := range e2etest.Canonical(t, dir) {
		if strings.HasPrefix(line, "left ") {
			t.Error(line)
		}
	}
}

// TestTwoRunsOnOneTree: the second refuses and names the first, wherever it was
// started and whatever it calls the tree; who only looks is let in.
func TestTwoRunsOnOneTree(t *testing.T) {
	t.Parallel()
	w := e2etest.NewWorld(t, "Enabled")
	w.Fill(100, 1)
	report := w.Report("now")
	dir, ws := e2etest.Pair(t)
	g := e2etest.NewGate(t, w, 50)
	first := e2etest.Start(t, g.URL, ws, e2etest.BackupArgs(dir, report)...)
	first.At(t, g)
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(t.TempDir(), "cwd", "ws") // commands run beside their workspace
	if err := os.Mkdir(filepath.Dir(other), 0o755); err != nil {
		t.Fatal(err)
	}
	rel, err := filepath.Rel(filepath.Dir(other), dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		ws   string
		args []string
	}{
		{ws, e2etest.BackupArgs(dir, report)},
		{other, e2etest.BackupArgs(rel, report)},
		{other, e2etest.BackupArgs(link, report)},
		{other, []string{"backup", "verify", rel}},
		{other, []string{"backup", "restore", rel, "--to", "out"}},
		{other, []string{"backup", "rollback", rel, "--to", "latest"}},
		{ws, []string{"apply", "latest"}},
	} {
		r := e2etest.Run(t, w.URL, c.ws, c.args...)
		holder := fmt.Sprintf("process %d", first.Cmd.Process.Pid)
		if r.Code != 4 || !strings.Contains(r.Stderr, holder) || !strings.Contains(r.Stderr, "backup run (run r-") {
			t.Errorf("cooper %s: want code 4 and %q: %v", strings.Join(c.args, " "), holder, r)
		}
	}
	e2etest.Must(t, w.URL, other, "backup", "status", rel)
	e2etest.Must(t, w.URL, other, "backup", "plan", "s3://lab", rel, "--inventory", report)
	g.Release()
	if r := first.Wait(); r.Code != 0 {
		t.Fatalf("the first run: %v", r)
	}
	e2etest.Must(t, w.URL, other, "backup", "verify", rel, "--content")
}

// TestUndoTakesAnInterruptedShardBack kills a run between two renames of one
// commit, by a tracer that sends SIGKILL there.
func TestUndoTakesAnInterruptedShardBack(t *testing.T) {
	t.Parallel()
	strace := e2etest.Strace(t)
	const objects = 300
	w := e2etest.NewWorld(t, "Enabled")
	w.Fill(objects, 1)
	before := w.Report("before")
	w.Change(objects, 2)
	after := w.Report("after")
	dir, ws := e2etest.Pair(t)
	e2etest.Must(t, w.URL, ws, e2etest.BackupArgs(dir, before)...)
	first := e2etest.Canonical(t, dir)
	want := func() []string {
		dir, ws := e2etest.Pair(t)
		e2etest.Must(t, w.URL, ws, e2etest.BackupArgs(dir, before)...)
		e2etest.Must(t, w.URL, ws, e2etest.BackupArgs(dir, after, "--moved")...) // the gate was another store
		return e2etest.Canonical(t, dir)
	}()
	e2etest.Must(t, w.URL, ws, "backup", "plan", "s3://lab", dir, "--inventory", after, "--share-stop", "20%")
	took := 0
	for rename := 4; took < 3; rename += 9 { // of one thread; those that stage count, too
		cmd := e2etest.Command(t.Context(), w.URL, ws, "apply", "latest")
		e2etest.KilledAt(cmd, strace, "renameat2", rename)
		if out, err := cmd.CombinedOutput(); err == nil {
			t.Fatalf("not killed at rename %d, after %d shards were taken back: %s", rename, took, out)
		}
		r := e2etest.Must(t, w.URL, ws, "apply", "latest", "--undo")
		if strings.Contains(r.Stderr, "took back 1 shard") {
			took++
		}
		e2etest.Same(t, onlyFiles(e2etest.Canonical(t, dir)), onlyFiles(first))
	}
	e2etest.Must(t, w.URL, ws, "apply", "latest")
	e2etest.Same(t, e2etest.Canonical(t, dir), want)
}

// onlyFiles picks what lies in mirror and history out of canonical lines.
func onlyFiles(lines []string) []string {
	return slices.DeleteFunc(slices.Clone(lines), func(l string) bool { return !strings.HasPrefix(l, "file ") })
}

// TestFailuresOfEarlierRunsAreNotForgotten interrupts a plan after a shard in
// which an object failed: applying the rest must not end as if all were well.
func TestFailuresOfEarlierRunsAreNotForgotten(t *testing.T) {
	t.Parallel()
	const objects = 5000 // two shards
	w := e2etest.NewWorld(t, "Enabled")
	w.Fill(objects, 1)
	w.Server.Deny("lab", e2etest.Key(0)) // in the first
	report := w.Report("now")
	dir, ws := e2etest.Pair(t)
	e2etest.Must(t, w.URL, ws, "backup", "plan", "s3://lab", dir, "--inventory", report)
	g := e2etest.NewGate(t, w, objects-1)
	p := e2etest.Start(t, g.URL, ws, "apply", "latest", "--json")
	p.At(t, g)
	if err := p.Cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if r := p.Wait(); r.Code != 130 {
		t.Fatalf("%v", r)
	}
	g.Release()
	r := e2etest.Run(t, g.URL, ws, "apply", "latest", "--json")
	if r.Code != 3 || r.Object(t)["applied"].(map[string]any)["finished"] != true {
		t.Errorf("%v", r)
	}
}
