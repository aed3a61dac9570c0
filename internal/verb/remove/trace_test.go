package remove

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"cooper/internal/store/mem"
	"cooper/internal/verb/verbtest"
)

// TestTrace compares every request with testdata/trace.txt: what the bucket has,
// what is done to it between plan and removal, then all requests in order, then
// what each action came to.
func TestTrace(t *testing.T) {
	var out strings.Builder
	for _, c := range []struct {
		name, versioning string
		fill, meanwhile  func(w *world)
	}{
		{"two keys, one of them deleted", "Enabled", func(w *world) {
			w.put("p/a", "1")
			w.put("p/a", "2")
			w.put("p/b", "1")
			w.Server.Delete("lab", "p/b")
		}, nil},
		{"a newer upload", "Enabled", func(w *world) { w.put("p/a", "1"); w.put("p/a", "2") }, func(w *world) { w.put("p/a", "3") }},
		{"never versioned, one overwritten", "", func(w *world) { w.put("p/a", "1"); w.put("p/b", "2") }, func(w *world) { w.put("p/b", "new") }},
		{"an older version cannot be removed", "Enabled", func(w *world) { w.put("p/a", "1"); w.put("p/a", "2"); w.put("p/b", "1") }, func(w *world) { w.Server.Deny("lab", "p/a") }},
		{"a key that XML cannot carry", "Enabled", func(w *world) { w.put("p/\x01", "1"); w.put("p/a", "1") }, nil},
	} {
		w := newWorld(t, c.versioning, mem.Options{})
		c.fill(w)
		actions := w.actions("p/", c.versioning)
		names := map[string]string{}
		for i := range actions {
			v := &actions[i].Version
			if v.VersionID != "null" {
				names[v.VersionID] = fmt.Sprint("v", i)
			}
		}
		fmt.Fprintf(&out, "# %s\n%s", c.name, w.left())
		if c.meanwhile != nil {
			c.meanwhile(w)
			fmt.Fprintf(&out, "meanwhile\n%s", w.left())
		}
		outs, err := w.commit(context.Background(), w.target(t.TempDir(), c.versioning), actions)
		if err != nil {
			t.Fatal(err)
		}
		out.WriteString("----\n")
		for _, line := range w.Trace {
			out.WriteString(line + "\n")
		}
		for _, o := range outs {
			fmt.Fprintf(&out, "%q %s: %s %s %s\n", o.Key, o.VersionID, o.Status, o.Kind, o.Method)
		}
		out.WriteString("\n")
		text := out.String()
		for id, name := range names {
			text = strings.ReplaceAll(text, id, name)
		}
		out.Reset()
		out.WriteString(text)
	}
	verbtest.Golden(t, "testdata/trace.txt", out.String())
}

// BenchmarkPurge removes 100,000 versions of 50,000 keys.
func BenchmarkPurge(b *testing.B) {
	const keys = 50_000
	for b.Loop() {
		b.StopTimer()
		w := newWorld(b, "Enabled", mem.Options{})
		for i := range 2 * keys {
			w.put(fmt.Sprintf("p/%06d", i%keys), "x")
		}
		actions := w.actions("p/", "Enabled")
		tg := w.target(b.TempDir(), "Enabled")
		tg.opt.Jobs = defaultJobs
		b.StartTimer()
		outs, err := w.commit(context.Background(), tg, actions)
		if err != nil || len(outs) != 2*keys || len(w.Server.Versions("lab")) > 0 {
			b.Fatalf("%v, %d left", err, len(w.Server.Versions("lab")))
		}
	}
	b.ReportMetric(float64(2*keys*b.N)/b.Elapsed().Seconds(), "versions/s")
}
