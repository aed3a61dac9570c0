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
	"cooper/test/e2etest"
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
	w := e2etest.NewWorld(t, "Enabled")
	for i := range objects {
		w.Server.Put("lab", e2etest.Key(i), append(make([]byte, 20_000), e2etest.Content(1, i)...), mem.PutOptions{})
	}
	report := w.Report("now") // some 9 MB in 400 files
	dir, ws := e2etest.Pair(t)
	e2etest.Must(t, w.URL, ws, e2etest.BackupArgs(dir, report)...)
	want := e2etest.Canonical(t, dir)

	for _, c := range []struct{ name, small, large string }{
		{"bytes", "size=6m", "size=64m"},
		{"inodes", "size=64m,nr_inodes=300", "size=64m,nr_inodes=9000"},
	} {
		t.Run("foreseen "+c.name, func(t *testing.T) {
			disk := tmpfs(t, c.small)
			_, ws := e2etest.Pair(t)
			dir := filepath.Join(disk, "tree")
			w.Server.ResetCounts()
			full(t, e2etest.Run(t, w.URL, ws, e2etest.BackupArgs(dir, report, "--json")...))
			if n := w.Server.Counts()["GetObject"]; n != 0 {
				t.Errorf("%d objects were fetched, though they could not fit", n)
			}
			full(t, e2etest.Run(t, w.URL, ws, e2etest.BackupArgs(dir, report, "--json", "--no-space-check")...))
			grow(t, disk, c.large)
			e2etest.Must(t, w.URL, ws, e2etest.BackupArgs(dir, report)...)
			e2etest.Same(t, e2etest.Canonical(t, dir), want)
		})
		t.Run("surprising "+c.name, func(t *testing.T) {
			disk := tmpfs(t, c.large)
			_, ws := e2etest.Pair(t)
			dir := filepath.Join(disk, "tree")
			g := e2etest.NewGate(t, w, 200)
			p := e2etest.Start(t, g.URL, ws, e2etest.BackupArgs(dir, report, "--json")...)
			p.At(t, g)
			fill(t, disk, c.name)
			g.Release()
			r := p.Wait()
			full(t, r)
			// What is there is sound, and nothing is half a file.
			e2etest.Must(t, w.URL, ws, "backup", "status", dir)
			if err := os.RemoveAll(filepath.Join(disk, "filler")); err != nil {
				t.Fatal(err)
			}
			w.Server.ResetCounts()
			e2etest.Must(t, w.URL, ws, e2etest.BackupArgs(dir, report, "--moved")...) // the gate was another store
			if n := w.Server.Counts()["GetObject"]; n > objects-50 {
				t.Errorf("%d of %d objects were fetched again", n, objects)
			}
			e2etest.Same(t, e2etest.Canonical(t, dir), want)
		})
	}
}

// full checks how a run ends that finds no room.
func full(t *testing.T, r e2etest.Result) {
	t.Helper()
	if r.Code != 2 || !strings.Contains(r.Stderr, `"kind":"full"`) || strings.Contains(r.Stderr, `"remedy":""`) {
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
	w := e2etest.NewWorld(t, "Enabled")
	w.Fill(10, 1)
	report := w.Report("now")
	dir, ws := e2etest.Pair(t)
	e2etest.Must(t, w.URL, ws, e2etest.BackupArgs(dir, report)...)
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
	r := e2etest.Run(t, w.URL, ws, e2etest.BackupArgs(dir, report)...)
	if r.Code != 4 || !strings.Contains(r.Stderr, history) {
		t.Fatalf("%v", r)
	}
}

// TestUnchangedRunTouchesNoFile has every system call that names a file looked
// at: an unchanged run names none of mirror and history, and lists no directory
// there.
func TestUnchangedRunTouchesNoFile(t *testing.T) {
	t.Parallel()
	strace := e2etest.Strace(t)
	w := e2etest.NewWorld(t, "Enabled")
	const objects = 300
	w.Fill(objects, 1)
	w.Change(objects, 2)
	dir, ws := e2etest.Pair(t)
	e2etest.Must(t, w.URL, ws, e2etest.BackupArgs(dir, w.Report("before"))...)
	traced := func(args ...string) (touched []string) {
		t.Helper()
		log := filepath.Join(t.TempDir(), "trace")
		cmd := e2etest.Command(t.Context(), w.URL, ws, args...)
		e2etest.Traced(cmd, strace, "-y", "-o", log, "-e", "trace=%file,getdents64,utimensat,fchmod,ftruncate")
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
	r := e2etest.NewReport("2026-01-01T00-00Z")
	r.Files, r.Seed = 3, 5
	inv := t.TempDir()
	if err := r.Write(inv, w.Server.Versions("lab")); err != nil {
		t.Fatal(err)
	}
	w.Server.ResetCounts()
	if lines := traced(e2etest.BackupArgs(dir, inv, "--older")...); len(lines) > 0 {
		t.Errorf("%d calls about files of the tree, the first: %s", len(lines), lines[0])
	}
	if n := w.Server.Counts()["GetObject"]; n != 0 {
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
	w := e2etest.NewWorld(t, "Enabled")
	for i := range 200 {
		o := mem.PutOptions{}
		body := e2etest.Content(3, i)
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
		w.Server.Put("lab", e2etest.Key(i), body, o)
	}
	w.Change(200, 4)
	report := w.Report("now")
	dir, ws := e2etest.Pair(t)
	for _, more := range [][]string{nil, {"--archived", "restore"}} {
		args := append([]string{"backup", "plan", "s3://lab", dir, "--inventory", report, "--json"}, more...)
		p := e2etest.Must(t, w.URL, ws, args...).Object(t)["plan"].(map[string]any)
		planned := p["estimate"].(map[string]any)["requests"].(map[string]any)
		w.Server.ResetCounts()
		e2etest.Must(t, w.URL, ws, "apply", "latest")
		counted := w.Server.Counts()
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
	w := e2etest.NewWorld(t, "Enabled")
	w.Fill(10, 1)
	report := w.Report("now")
	disk := tmpfs(t, "size=16m")
	dir, ws := filepath.Join(disk, "tree"), filepath.Join(t.TempDir(), "ws")
	e2etest.Must(t, w.URL, ws, e2etest.BackupArgs(dir, report, "--quiet")...)
	if err := syscall.Mount("tmpfs", disk, "tmpfs", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	if r := e2etest.Must(t, w.URL, ws, "backup", "verify", dir, "--content"); !strings.Contains(r.Stderr, "without its lock") {
		t.Errorf("%v", r)
	}
	out := filepath.Join(t.TempDir(), "out")
	e2etest.Must(t, w.URL, ws, "backup", "restore", dir, "--to", out, "--plan-only")
	e2etest.Must(t, w.URL, ws, "apply", "latest") // as a restore that is taken up again
	e2etest.Must(t, w.URL, ws, "backup", "restore", dir, "--to", out)
	got, err := os.ReadFile(filepath.Join(out, filepath.FromSlash(e2etest.Key(3))))
	if err != nil || !bytes.Equal(got, e2etest.Content(1, 3)) {
		t.Errorf("%v, %d bytes", err, len(got))
	}
	if r := e2etest.Run(t, w.URL, ws, e2etest.BackupArgs(dir, report)...); r.Code != 2 {
		t.Errorf("a backup to it: %v", r)
	}
}
