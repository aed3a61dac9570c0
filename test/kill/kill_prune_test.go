package kill

import (
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"cooper/test/e2etest"
)

// TestKillPrune kills prunes with SIGKILL at renamings, deletions and syncs, by a
// tracer that counts them, takes them back or goes on, kills those as well, and
// goes on to the end. The trees must be those of an undisturbed prune, whatever
// is deleted must be deleted for good, and the ledger must tell it once.
func TestKillPrune(t *testing.T) {
	t.Parallel()
	strace := e2etest.Strace(t)
	objects, trees := 300, 12
	if os.Getenv("COOPER_SOAK") != "" {
		objects, trees = 2300, 300 // two shards
	}
	if testing.Short() {
		trees = 2
	}
	w := e2etest.NewWorld(t, "Enabled")
	base, ws := e2etest.Pair(t)
	for seed := range 4 {
		// The times of the server are long past; those of the reports have to be, too,
		// but for the last, which shows nothing new: a backup that has stopped keeps a
		// prune from working unasked.
		if seed < 3 {
			w.Fill(objects, uint64(seed))
		}
		date := time.Now().UTC().AddDate(0, 0, seed-4).Format("2006-01-02T15-04Z")
		r := e2etest.NewReport(date)
		if err := r.Write(w.Reports, w.Server.Versions("lab")); err != nil {
			t.Fatal(err)
		}
		e2etest.Must(t, w.URL, ws, e2etest.BackupArgs(base, w.Reports, "--quiet")...)
	}
	prune := func(dir string, more ...string) []string {
		return append([]string{"backup", "prune", dir, "--older-than", "36h", "--share-stop", "100%", "--yes", "--quiet"}, more...)
	}
	want, wantWS := e2etest.Pair(t)
	copyTree(t, base, want)
	e2etest.Must(t, w.URL, wantWS, prune(want)...)
	undisturbed := pruned(t, want)

	r := rand.New(rand.NewPCG(5, 0))
	kills := 0
	for n := range trees {
		dir, ws := e2etest.Pair(t)
		copyTree(t, base, dir)
		for round := range 1 + r.IntN(3) {
			args := prune(dir)
			undo := round > 0 && r.IntN(2) == 0
			if undo {
				args = []string{"apply", "latest", "--undo", "--quiet"}
			}
			// Each thread counts its own: few make all the changes.
			call := []string{"renameat2", "unlinkat", "syncfs", "fsync"}[r.IntN(4)]
			when := 1 + r.IntN(map[string]int{"renameat2": objects, "unlinkat": objects, "syncfs": 6, "fsync": 6}[call])
			cmd := e2etest.Command(t.Context(), w.URL, ws, args...)
			e2etest.KilledAt(cmd, strace, call, when)
			out, err := cmd.CombinedOutput()
			switch {
			case err == nil:
			case !cmd.ProcessState.Exited(): // the tracer dies of what killed the other
				kills++
			case undo && strings.Contains(string(out), "no plan"): // killed before there was one
			default:
				t.Fatalf("tree %d: not killed, but %v: %s", n, err, out)
			}
		}
		// Whatever happened: what the catalog has is there, and nothing else.
		e2etest.Must(t, w.URL, ws, "backup", "verify", dir, "--quiet")
		e2etest.Must(t, w.URL, ws, prune(dir)...)
		e2etest.Same(t, pruned(t, dir), undisturbed)
		r := e2etest.Must(t, w.URL, ws, "ledger", "sql", "--json", "SELECT count(*) AS n, count(DISTINCT key || version_id) AS d FROM outcome WHERE verb = 'prune' AND status = 'done'")
		if o := r.Object(t); o["n"] != float64(2*objects) || o["d"] != o["n"] {
			t.Errorf("the ledger tells of %v prunes of %v versions, want %d", o["n"], o["d"], 2*objects)
		}
		if t.Failed() {
			t.Fatalf("tree %d", n)
		}
		if err := os.RemoveAll(filepath.Dir(dir)); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d kills", kills)
	if kills < trees/2 {
		t.Errorf("only %d kills of %d trees", kills, trees)
	}
}

func copyTree(t *testing.T, from, to string) {
	t.Helper()
	if out, err := exec.Command("cp", "-a", from, to).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

var prunedOn = regexp.MustCompile(`pruned \d{4}-\d\d-\d\d`)

// pruned is the canonical form of a tree without the days on which something was
// pruned, but with what was set aside: nothing should be.
func pruned(t *testing.T, dir string) []string {
	t.Helper()
	lines := e2etest.Canonical(t, dir)
	for i := range lines {
		lines[i] = prunedOn.ReplaceAllString(lines[i], "pruned")
	}
	err := filepath.WalkDir(filepath.Join(dir, ".cooper", "aside"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			lines = append(lines, "aside "+path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return lines
}
