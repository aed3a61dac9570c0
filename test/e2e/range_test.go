package e2e

import (
	"math/rand/v2"
	"path/filepath"
	"testing"
)

// TestKillInARange kills runs over several reports at instants spread over all
// they do; the same command, given again, must come to the tree of one run for
// each report.
func TestKillInARange(t *testing.T) {
	const objects = 600
	w := newWorld(t, "Enabled")
	reports := filepath.Join(w.reports, "daily")
	dates := []string{"2026-01-02T01-00Z", "2026-01-03T01-00Z", "2026-01-04T01-00Z"}
	w.fill(objects, 1)
	for i, date := range dates {
		r := report{date: date, columns: s3Columns, files: 1, seed: -1}
		if err := r.write(reports, w.server.Versions("lab")); err != nil {
			t.Fatal(err)
		}
		w.change(objects, uint64(i+2))
	}
	args := func(dir string, more ...string) []string {
		return append([]string{"backup", "run", "s3://lab", dir, "--inventory", reports, "--share-stop", "50%", "--quiet"}, more...)
	}
	one := filepath.Join(t.TempDir(), "tree")
	for _, date := range dates {
		must(t, w.url, filepath.Join(filepath.Dir(one), "ws"), args(one, "--date", date)...)
	}
	want := canonical(t, one)

	whole := filepath.Join(t.TempDir(), "tree")
	var writes int64
	cmd := command(t.Context(), w.url, filepath.Join(filepath.Dir(whole), "ws"), args(whole, "--from", "2026-01-01")...)
	if err := watch(cmd, func(calls int64) bool { writes = calls; return false }); err != nil {
		t.Fatal(err)
	}
	same(t, canonical(t, whole), want)

	trees := 4
	if testing.Short() {
		trees = 1
	}
	r := rand.New(rand.NewPCG(1, 0))
	for range trees {
		dir := filepath.Join(t.TempDir(), "tree")
		ws := filepath.Join(filepath.Dir(dir), "ws")
		for range 3 {
			at := r.Int64N(writes + 1)
			cmd := command(t.Context(), w.url, ws, args(dir, "--from", "2026-01-01")...)
			if err := watch(cmd, func(calls int64) bool { return calls >= at }); cmd.ProcessState == nil {
				t.Fatal(err)
			}
		}
		must(t, w.url, ws, args(dir, "--from", "2026-01-01")...)
		same(t, canonical(t, dir), want)
	}
}
