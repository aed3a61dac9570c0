package kill

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"cooper/test/e2etest"
)

// TestKill kills backups with SIGKILL at instants spread over all they do, and
// takes them up again, until they end; the trees must be those of undisturbed
// runs. An instant is a number of write system calls: kills fall into fetching,
// syncing, renaming and catalog work alike, however fast the machine is.
func TestKill(t *testing.T) {
	t.Parallel()
	const objects = 5000  // two shards
	kills, trees := 25, 5 // of each layout
	if os.Getenv("COOPER_SOAK") != "" {
		kills, trees = 2500, 500
	}
	if testing.Short() {
		kills, trees = 3, 1
	}
	w := e2etest.NewWorld(t, "Enabled")
	w.Fill(objects, 1)
	before := w.Report("before")
	w.Change(objects, 2)
	after := w.Report("after")
	seed := uint64(1)
	if s := os.Getenv("COOPER_SEED"); s != "" {
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		seed = n
	}
	for i, layout := range []string{"sidecar", "inline"} {
		t.Run(layout, func(t *testing.T) {
			t.Parallel()
			want, writes := undisturbed(t, w, layout, before, after)
			t.Logf("an undisturbed run makes %d and %d write calls", writes[0], writes[1])
			r := rand.New(rand.NewPCG(seed, uint64(i)))
			done := 0
			for n := 0; n < trees || done < kills; n++ {
				// What a kill leaves is the same on every file system, and disks are slow.
				base := e2etest.Memory(t)
				if n%5 == 0 {
					base = t.TempDir()
				}
				dir, ws := filepath.Join(base, "tree"), filepath.Join(base, "ws")
				for i, report := range []string{before, after} {
					// Several kills in a row: recovery is killed as well.
					for range 1 + r.IntN(4) {
						if killed(t, w.URL, ws, dir, layout, report, r.Int64N(writes[i]+1)) {
							done++
						}
					}
					e2etest.Must(t, w.URL, ws, "backup", "run", "s3://lab", dir, "--layout", layout, "--inventory", report, "--share-stop", "20%")
				}
				e2etest.Same(t, e2etest.Canonical(t, dir), want)
				if t.Failed() {
					t.Fatalf("tree %d of seed %d", n, seed)
				}
				if err := os.RemoveAll(dir); err != nil {
					t.Fatal(err)
				}
			}
			t.Logf("%d kills", done)
		})
	}
}

// undisturbed makes the tree that all others must equal, and counts the write
// calls of both runs.
func undisturbed(t *testing.T, w *e2etest.World, layout string, reports ...string) (want []string, writes []int64) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "tree")
	ws := filepath.Join(filepath.Dir(dir), "ws")
	for _, report := range reports {
		cmd := e2etest.Command(t.Context(), w.URL, ws, "backup", "run", "s3://lab", dir, "--layout", layout, "--inventory", report, "--share-stop", "20%", "--quiet")
		var n int64
		if err := watch(cmd, func(calls int64) bool { n = calls; return false }); err != nil {
			t.Fatalf("%v", err)
		}
		writes = append(writes, n)
	}
	return e2etest.Canonical(t, dir), writes
}

// killed runs a backup and kills it once it has made so many write calls; false
// if it was over before.
func killed(t *testing.T, url, ws, dir, layout, report string, at int64) bool {
	t.Helper()
	cmd := e2etest.Command(t.Context(), url, ws, "backup", "run", "s3://lab", dir, "--layout", layout, "--inventory", report, "--share-stop", "20%", "--quiet")
	err := watch(cmd, func(calls int64) bool { return calls >= at })
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return !cmd.ProcessState.Exited()
}

// watch starts cmd and looks at its count of write calls again and again, until
// it ends or stop says to kill it. It looks a few times each millisecond, so as not to
// take the processor away from what it watches.
func watch(cmd *exec.Cmd, stop func(calls int64) bool) error {
	var errs strings.Builder
	cmd.Stderr = &errs
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	proc := fmt.Sprintf("/proc/%d/io", cmd.Process.Pid)
	look := time.NewTicker(300 * time.Microsecond)
	defer look.Stop()
	for {
		select {
		case err := <-ended:
			if err != nil {
				return fmt.Errorf("%w\n%s", err, errs.String())
			}
			return nil
		case <-look.C:
		}
		if calls, ok := writeCalls(proc); ok && stop(calls) {
			if err := cmd.Process.Kill(); err != nil {
				return fmt.Errorf("killing: %w", err)
			}
			return <-ended
		}
	}
}

func writeCalls(proc string) (int64, bool) {
	b, err := os.ReadFile(proc)
	if err != nil {
		return 0, false
	}
	for _, line := range strings.Split(string(b), "\n") {
		if n, ok := strings.CutPrefix(line, "syscw: "); ok {
			calls, err := strconv.ParseInt(n, 10, 64)
			return calls, err == nil
		}
	}
	return 0, false
}
