package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"cooper/internal/store/mem"
)

// TestSignalsStopCleanly sends SIGTERM, as a batch scheduler does, and SIGINT in
// the middle of a run: exit code 130, and the next run goes on with what was
// fetched.
func TestSignalsStopCleanly(t *testing.T) {
	t.Parallel()
	const objects = 1000
	w := newWorld(t, "Enabled")
	w.fill(objects, 1)
	report := w.report("now")
	dir, ws := pair(t)
	must(t, w.url, ws, backupArgs(dir, report, "--quiet")...)
	want := canonical(t, dir)
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		t.Run(sig.String(), func(t *testing.T) {
			dir, ws := pair(t)
			g := newGate(t, w, 400)
			p := start(t, g.url, ws, backupArgs(dir, report, "--json")...)
			p.at(t, g)
			if err := p.cmd.Process.Signal(sig); err != nil {
				t.Fatal(err)
			}
			r := p.wait()
			if r.code != 130 || !strings.Contains(r.stderr, `"kind":"interrupted"`) || !strings.Contains(r.stderr, "goes on from there") {
				t.Fatalf("%v", r)
			}
			have := staged(t, dir)
			if have < 300 {
				t.Errorf("only %d of 400 objects were kept", have)
			}
			g.release()
			w.server.ResetCounts()
			must(t, g.url, ws, backupArgs(dir, report, "--json")...)
			if n := w.server.Counts()["GetObject"]; n != int64(objects-have) {
				t.Errorf("%d objects were fetched, of %d with %d staged", n, objects, have)
			}
			same(t, canonical(t, dir), want)
		})
	}
}

// TestNewerPlanReusesWhatIsStaged kills a run, changes the bucket, and runs on
// a newer report: the unfinished plan is given up, its bytes are not.
func TestNewerPlanReusesWhatIsStaged(t *testing.T) {
	t.Parallel()
	const objects = 1000
	w := newWorld(t, "Enabled")
	w.fill(objects, 1)
	before := w.report("before")
	dir, ws := pair(t)
	g := newGate(t, w, 400)
	p := start(t, g.url, ws, backupArgs(dir, before)...)
	p.at(t, g)
	if err := p.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	p.wait()
	g.release()
	have := staged(t, dir)
	if have < 300 {
		t.Fatalf("only %d of 400 objects were staged", have)
	}
	if s := object(t, must(t, w.url, ws, "backup", "status", dir, "--json")); s["unfinished"] == nil {
		t.Errorf("status does not tell of the unfinished run: %v", s)
	}
	w.change(objects, 2)
	after := w.report("after")
	versions := 0
	for _, v := range w.server.Versions("lab") {
		if !v.DeleteMarker {
			versions++
		}
	}
	w.server.ResetCounts()
	must(t, w.url, ws, backupArgs(dir, after, "--moved")...) // the gate was another store
	if n := w.server.Counts()["GetObject"]; n != int64(versions-have) {
		t.Errorf("%d objects were fetched, of %d versions with %d staged", n, versions, have)
	}
	if n := staged(t, dir); n != 0 {
		t.Errorf("%d files are staged still", n)
	}
	must(t, w.url, ws, "backup", "verify", dir, "--content")
}

// TestStagedBytesThatNobodyWants kills a run in the middle of large bodies, and
// has its versions erased: once a run is through, nothing of them is left.
func TestStagedBytesThatNobodyWants(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "Enabled")
	w.fill(200, 1)
	before := w.report("before")
	dir, ws := pair(t)
	g := newGate(t, w, 100)
	p := start(t, g.url, ws, backupArgs(dir, before)...)
	p.at(t, g)
	if err := p.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	p.wait()
	g.release()
	if n := staged(t, dir); n < 20 { // but for those in flight
		t.Fatalf("only %d objects were staged", n)
	}
	// As a kill while bytes arrive leaves it, now and in earlier versions.
	half := strings.Repeat("0123", 10)
	for _, name := range []string{half, half + ".part"} {
		if err := save(filepath.Join(dir, ".cooper", "staging", name), []byte("half")); err != nil {
			t.Fatal(err)
		}
	}
	for _, v := range w.server.Versions("lab") {
		w.server.DeleteVersion("lab", v.Key, v.VersionID)
	}
	w.server.Put("lab", "other", []byte("one"), mem.PutOptions{})
	must(t, w.url, ws, backupArgs(dir, w.report("after"), "--moved")...) // likewise
	for _, line := range canonical(t, dir) {
		if strings.HasPrefix(line, "left ") {
			t.Error(line)
		}
	}
}

// TestTwoRunsOnOneTree: the second refuses and names the first, wherever it was
// started and whatever it calls the tree; who only looks is let in.
func TestTwoRunsOnOneTree(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "Enabled")
	w.fill(100, 1)
	report := w.report("now")
	dir, ws := pair(t)
	g := newGate(t, w, 50)
	first := start(t, g.url, ws, backupArgs(dir, report)...)
	first.at(t, g)
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
		{ws, backupArgs(dir, report)},
		{other, backupArgs(rel, report)},
		{other, backupArgs(link, report)},
		{other, []string{"backup", "verify", rel}},
		{other, []string{"backup", "restore", rel, "--to", "out"}},
		{other, []string{"backup", "rollback", rel, "--to", "latest"}},
		{ws, []string{"apply", "latest"}},
	} {
		r := cooper(t, w.url, c.ws, c.args...)
		holder := fmt.Sprintf("process %d", first.cmd.Process.Pid)
		if r.code != 4 || !strings.Contains(r.stderr, holder) || !strings.Contains(r.stderr, "backup run (run r-") {
			t.Errorf("cooper %s: want code 4 and %q: %v", strings.Join(c.args, " "), holder, r)
		}
	}
	must(t, w.url, other, "backup", "status", rel)
	must(t, w.url, other, "backup", "plan", "s3://lab", rel, "--inventory", report)
	g.release()
	if r := first.wait(); r.code != 0 {
		t.Fatalf("the first run: %v", r)
	}
	must(t, w.url, other, "backup", "verify", rel, "--content")
}

// TestUndoTakesAnInterruptedShardBack kills a run between two renames of one
// commit, by a tracer that sends SIGKILL there.
func TestUndoTakesAnInterruptedShardBack(t *testing.T) {
	t.Parallel()
	strace := needStrace(t)
	const objects = 300
	w := newWorld(t, "Enabled")
	w.fill(objects, 1)
	before := w.report("before")
	w.change(objects, 2)
	after := w.report("after")
	dir, ws := pair(t)
	must(t, w.url, ws, backupArgs(dir, before)...)
	first := canonical(t, dir)
	want := func() []string {
		dir, ws := pair(t)
		must(t, w.url, ws, backupArgs(dir, before)...)
		must(t, w.url, ws, backupArgs(dir, after, "--moved")...) // the gate was another store
		return canonical(t, dir)
	}()
	must(t, w.url, ws, "backup", "plan", "s3://lab", dir, "--inventory", after, "--share-stop", "20%")
	took := 0
	for rename := 4; took < 3; rename += 9 { // of one thread; those that stage count, too
		cmd := command(t.Context(), w.url, ws, "apply", "latest")
		cmd.Args = append([]string{strace, "-f", "-qq", "-o", os.DevNull, "-e", "trace=renameat2",
			"-e", fmt.Sprintf("inject=renameat2:signal=SIGKILL:when=%d", rename), binary}, cmd.Args[1:]...)
		cmd.Path = strace
		if out, err := cmd.CombinedOutput(); err == nil {
			t.Fatalf("not killed at rename %d, after %d shards were taken back: %s", rename, took, out)
		}
		r := must(t, w.url, ws, "apply", "latest", "--undo")
		if strings.Contains(r.stderr, "took back 1 shard") {
			took++
		}
		same(t, onlyFiles(canonical(t, dir)), onlyFiles(first))
	}
	must(t, w.url, ws, "apply", "latest")
	same(t, canonical(t, dir), want)
}

// needStrace gives the path of strace, or skips.
func needStrace(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("strace is not installed")
	}
	if out, err := exec.Command(path, "-qq", "-o", os.DevNull, "true").CombinedOutput(); err != nil {
		t.Skipf("strace may not trace here: %v: %s", err, out)
	}
	return path
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
	w := newWorld(t, "Enabled")
	w.fill(objects, 1)
	w.server.Deny("lab", key(0)) // in the first
	report := w.report("now")
	dir, ws := pair(t)
	must(t, w.url, ws, "backup", "plan", "s3://lab", dir, "--inventory", report)
	g := newGate(t, w, objects-1)
	p := start(t, g.url, ws, "apply", "latest", "--json")
	p.at(t, g)
	if err := p.cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if r := p.wait(); r.code != 130 {
		t.Fatalf("%v", r)
	}
	g.release()
	r := cooper(t, g.url, ws, "apply", "latest", "--json")
	if r.code != 3 || object(t, r)["applied"].(map[string]any)["finished"] != true {
		t.Errorf("%v", r)
	}
}
