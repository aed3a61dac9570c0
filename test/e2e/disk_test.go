package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"cooper/internal/store/mem"
)

// tmpfs mounts a small file system for the length of the test.
func tmpfs(t *testing.T, options string) string {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("only root can mount a small file system")
	}
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, options); err != nil {
		t.Skipf("a small file system cannot be mounted here: %v", err)
	}
	t.Cleanup(func() {
		// Lazily: a process that is just being started may hold files of ours.
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmounting: %v", err)
		}
	})
	return dir
}

// grow gives a tmpfs more room.
func grow(t *testing.T, dir, options string) {
	t.Helper()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT, options); err != nil {
		t.Fatal(err)
	}
}

// TestFullFileSystem runs out of bytes, and of inodes, where that can be
// foreseen and where it happens in the middle of a run: a clean stop with the
// kind full, and with more room the next run goes on.
func TestFullFileSystem(t *testing.T) {
	t.Parallel()
	const objects = 400
	w := newWorld(t, "Enabled")
	for i := range objects {
		w.server.Put("lab", key(i), append(make([]byte, 20_000), content(1, i)...), mem.PutOptions{})
	}
	report := w.report("now") // some 9 MB in 400 files
	dir, ws := pair(t)
	must(t, w.url, ws, backupArgs(dir, report)...)
	want := canonical(t, dir)

	for _, c := range []struct{ name, small, large string }{
		{"bytes", "size=6m", "size=64m"},
		{"inodes", "size=64m,nr_inodes=300", "size=64m,nr_inodes=9000"},
	} {
		t.Run("foreseen "+c.name, func(t *testing.T) {
			disk := tmpfs(t, c.small)
			_, ws := pair(t)
			dir := filepath.Join(disk, "tree")
			w.server.ResetCounts()
			full(t, cooper(t, w.url, ws, backupArgs(dir, report, "--json")...))
			if n := w.server.Counts()["GetObject"]; n != 0 {
				t.Errorf("%d objects were fetched, though they could not fit", n)
			}
			full(t, cooper(t, w.url, ws, backupArgs(dir, report, "--json", "--no-space-check")...))
			grow(t, disk, c.large)
			must(t, w.url, ws, backupArgs(dir, report)...)
			same(t, canonical(t, dir), want)
		})
		t.Run("surprising "+c.name, func(t *testing.T) {
			disk := tmpfs(t, c.large)
			_, ws := pair(t)
			dir := filepath.Join(disk, "tree")
			g := newGate(t, w, 200)
			p := start(t, g.url, ws, backupArgs(dir, report, "--json")...)
			p.at(t, g)
			fill(t, disk, c.name)
			g.release()
			r := p.wait()
			full(t, r)
			// What is there is sound, and nothing is half a file.
			must(t, w.url, ws, "backup", "status", dir)
			if err := os.RemoveAll(filepath.Join(disk, "filler")); err != nil {
				t.Fatal(err)
			}
			w.server.ResetCounts()
			must(t, w.url, ws, backupArgs(dir, report, "--moved")...) // the gate was another store
			if n := w.server.Counts()["GetObject"]; n > objects-50 {
				t.Errorf("%d of %d objects were fetched again", n, objects)
			}
			same(t, canonical(t, dir), want)
		})
	}
}

// full checks how a run ends that finds no room.
func full(t *testing.T, r result) {
	t.Helper()
	if r.code != 2 || !strings.Contains(r.stderr, `"kind":"full"`) || strings.Contains(r.stderr, `"remedy":""`) {
		t.Fatalf("%v", r)
	}
}

// fill takes what is left of a file system, but for a little.
func fill(t *testing.T, disk, what string) {
	t.Helper()
	dir := filepath.Join(disk, "filler")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	var err error
	for i := 0; err == nil; i++ {
		b := []byte{}
		if what == "bytes" {
			b = make([]byte, 1<<20)
		}
		err = os.WriteFile(filepath.Join(dir, fmt.Sprint(i)), b, 0o644)
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
}

// TestTreeOnTwoFileSystems: renaming would not work there, so it is refused.
func TestTreeOnTwoFileSystems(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "Enabled")
	w.fill(10, 1)
	report := w.report("now")
	dir, ws := pair(t)
	must(t, w.url, ws, backupArgs(dir, report)...)
	history := filepath.Join(dir, "history")
	other := tmpfs(t, "size=1m")
	if err := syscall.Mount(other, history, "", syscall.MS_BIND, ""); err != nil {
		t.Skipf("cannot bind: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(history, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	r := cooper(t, w.url, ws, backupArgs(dir, report)...)
	if r.code != 4 || !strings.Contains(r.stderr, history) {
		t.Fatalf("%v", r)
	}
}

// TestUnchangedRunTouchesNoFile has every system call that names a file looked
// at: an unchanged run names none of mirror and history, and lists no directory
// there.
func TestUnchangedRunTouchesNoFile(t *testing.T) {
	t.Parallel()
	strace := needStrace(t)
	w := newWorld(t, "Enabled")
	const objects = 300
	w.fill(objects, 1)
	w.change(objects, 2)
	dir, ws := pair(t)
	must(t, w.url, ws, backupArgs(dir, w.report("before"))...)
	traced := func(args ...string) (touched []string) {
		t.Helper()
		log := filepath.Join(t.TempDir(), "trace")
		cmd := command(t.Context(), w.url, ws, args...)
		cmd.Args = append([]string{strace, "-f", "-qq", "-y", "-o", log, "-e", "trace=%file,getdents64,utimensat,fchmod,ftruncate", binary}, cmd.Args[1:]...)
		cmd.Path = strace
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		b, err := os.ReadFile(log)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(b), ".cooper") {
			t.Fatal("the trace shows nothing of the run")
		}
		for line := range strings.Lines(string(b)) {
			if strings.Contains(line, "zarr") || strings.Contains(line, "getdents64") && (strings.Contains(line, dir+"/mirror") || strings.Contains(line, dir+"/history")) {
				touched = append(touched, line)
			}
		}
		return touched
	}
	// Another report of the same, sorted and split differently.
	r := report{date: "2026-01-01T00-00Z", columns: s3Columns, files: 3, seed: 5}
	inv := t.TempDir()
	if err := r.write(inv, w.server.Versions("lab")); err != nil {
		t.Fatal(err)
	}
	w.server.ResetCounts()
	if lines := traced(backupArgs(dir, inv, "--older")...); len(lines) > 0 {
		t.Errorf("%d calls about files of the tree, the first: %s", len(lines), lines[0])
	}
	if n := w.server.Counts()["GetObject"]; n != 0 {
		t.Errorf("%d objects were fetched", n)
	}
	// The same look at a command that has to touch them all.
	if lines := traced("backup", "verify", dir); len(lines) < objects {
		t.Errorf("verify was seen touching %d files: the test sees nothing", len(lines))
	}
}

// TestEstimate compares a plan's requests with those the server then counts:
// at most a twentieth apart.
func TestEstimate(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "Enabled")
	for i := range 200 {
		o := mem.PutOptions{}
		body := content(3, i)
		switch {
		case i%10 == 1:
			o.PartSize = 1 << 20 // found without asking
			body = make([]byte, 3<<20+i)
		case i%10 == 2:
			o.PartSize = 999 // asked for
			body = make([]byte, 60_000+i)
		case i%10 == 3:
			o.Encryption = "SSE-KMS"
		case i%10 == 4:
			o.Class = "DEEP_ARCHIVE"
		}
		w.server.Put("lab", key(i), body, o)
	}
	w.change(200, 4)
	report := w.report("now")
	dir, ws := pair(t)
	for _, more := range [][]string{nil, {"--archived", "restore"}} {
		args := append([]string{"backup", "plan", "s3://lab", dir, "--inventory", report, "--json"}, more...)
		p := object(t, must(t, w.url, ws, args...))["plan"].(map[string]any)
		planned := p["estimate"].(map[string]any)["requests"].(map[string]any)
		w.server.ResetCounts()
		must(t, w.url, ws, "apply", "latest")
		counted := w.server.Counts()
		for class, operation := range map[string]string{"GET": "GetObject", "HEAD": "HeadObject", "RESTORE": "RestoreObject"} {
			want, _ := planned[class].(float64)
			got := float64(counted[operation])
			if diff := got - want; diff > 0.05*got+0.5 || -diff > 0.05*got+0.5 {
				t.Errorf("%v: %v %s requests were planned, the server counted %v", more, want, class, got)
			}
		}
		t.Logf("planned %v, counted %v", planned, counted)
	}
}

// TestReadOnlyTree restores from, and verifies, a tree that cannot be written:
// one on a read-only mount, as snapshots and copies of a backup often are.
func TestReadOnlyTree(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "Enabled")
	w.fill(10, 1)
	report := w.report("now")
	disk := tmpfs(t, "size=16m")
	dir, ws := filepath.Join(disk, "tree"), filepath.Join(t.TempDir(), "ws")
	must(t, w.url, ws, backupArgs(dir, report, "--quiet")...)
	if err := syscall.Mount("tmpfs", disk, "tmpfs", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	if r := must(t, w.url, ws, "backup", "verify", dir, "--content"); !strings.Contains(r.stderr, "without its lock") {
		t.Errorf("%v", r)
	}
	out := filepath.Join(t.TempDir(), "out")
	must(t, w.url, ws, "backup", "restore", dir, "--to", out, "--plan-only")
	must(t, w.url, ws, "apply", "latest") // as a restore that is taken up again
	must(t, w.url, ws, "backup", "restore", dir, "--to", out)
	got, err := os.ReadFile(filepath.Join(out, filepath.FromSlash(key(3))))
	if err != nil || !bytes.Equal(got, content(1, 3)) {
		t.Errorf("%v, %d bytes", err, len(got))
	}
	if r := cooper(t, w.url, ws, backupArgs(dir, report)...); r.code != 2 {
		t.Errorf("a backup to it: %v", r)
	}
}
