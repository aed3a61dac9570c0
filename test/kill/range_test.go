package kill

import (
	"math/rand/v2"
	"path/filepath"
	"testing"

	"cooper/test/e2etest"
)

// TestKillInARange kills runs over several reports at instants spread over all
// they do; the same command, given again, must come to the tree of one run for
// each report.
func TestKillInARange(t *testing.T) {
	t.Parallel()
	const objects = 600
	w := e2etest.NewWorld(t, "Enabled")
	reports := filepath.Join(w.Reports, "daily")
	dates := []string{"2026-01-02T01-00Z", "2026-01-03T01-00Z", "2026-01-04T01-00Z"}
	w.Fill(objects, 1)
	for i, date := range dates {
		r := e2etest.NewReport(date)
		if err := r.Write(reports, w.Server.Versions("lab")); err != nil {
			t.Fatal(err)
		}
		w.Change(objects, uint64(i+2))
	}
	args := func(dir string, more ...string) []string {
		return append([]string{"backup", "run", "s3://lab", dir, "--inventory", reports, "--share-stop", "50%", "--quiet"}, more...)
	}
	one := filepath.Join(t.TempDir(), "tree")
	for _, date := range dates {
		e2etest.Must(t, w.URL, filepath.Join(filepath.Dir(one), "ws"), args(one, "--date", date)...)
	}
	want := e2etest.Canonical(t, one)

	whole := filepath.Join(t.TempDir(), "tree")
	var writes int64
	cmd := e2etest.Command(t.Context(), w.URL, filepath.Join(filepath.Dir(whole), "ws"), args(whole, "--from", "2026-01-01")...)
	if err := watch(cmd, func(calls int64) bool { writes = calls; return false }); err != nil {
		t.Fatal(err)
	}
	e2etest.Same(t, e2etest.Canonical(t, whole), want)

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
			cmd := e2etest.Command(t.Context(), w.URL, ws, args(dir, "--from", "2026-01-01")...)
			if err := watch(cmd, func(calls int64) bool { return calls >= at }); cmd.ProcessState == nil {
				t.Fatal(err)
			}
		}
		e2etest.Must(t, w.URL, ws, args(dir, "--from", "2026-01-01")...)
		e2etest.Same(t, e2etest.Canonical(t, dir), want)
	}
}
