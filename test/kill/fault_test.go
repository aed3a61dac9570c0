package kill

import (
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"testing"

	"cooper/internal/store/fault"
	"cooper/test/e2etest"
)

// TestFaults backs up through a proxy that answers 500 and 503, cuts bodies,
// flips bits, repeats requests and loses answers. The tree must be that of a
// run without any of it.
func TestFaults(t *testing.T) {
	t.Parallel()
	w := e2etest.NewWorld(t, "Enabled")
	const objects = 2000
	w.Fill(objects, 1)
	before := w.Report("before")
	w.Change(objects, 2)
	after := w.Report("after")
	want, _ := undisturbed(t, w, "sidecar", before, after)

	target, err := url.Parse(w.URL)
	if err != nil {
		t.Fatal(err)
	}
	proxy, err := fault.New(target, fault.Plan{Seed: 7, Burst: 5, Rates: map[fault.Kind]float64{
		fault.Error: 0.02, fault.SlowDown: 0.005, fault.TooMany: 0.005, fault.Drop: 0.01, fault.Cut: 0.03, fault.Flip: 0.02, fault.Twice: 0.02, fault.Lost: 0.02,
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(proxy.Close)
	h := httptest.NewServer(proxy)
	t.Cleanup(h.Close)
	dir := filepath.Join(t.TempDir(), "tree")
	ws := filepath.Join(filepath.Dir(dir), "ws")
	for _, report := range []string{before, after} {
		e2etest.Must(t, h.URL, ws, "backup", "run", "s3://lab", dir, "--inventory", report, "--share-stop", "20%", "--quiet")
	}
	e2etest.Same(t, e2etest.Canonical(t, dir), want)
	if n := len(proxy.Log()); n < 50 {
		t.Errorf("only %d faults were injected", n)
	}
}
