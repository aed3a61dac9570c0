package abort

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"cooper"
	"cooper/internal/store"
	"cooper/internal/store/mem"
	"cooper/internal/verb/verbtest"
)

// TestTrace compares every request with testdata/trace.txt: what is done between plan and
// aborting, then all requests in order, then what each action came to.
func TestTrace(t *testing.T) {
	var out strings.Builder
	for _, c := range []struct {
		name      string
		fill      func(w *world) []store.Upload
		meanwhile func(w *world, us []store.Upload)
	}{
		{"two of a key, one of another", func(w *world) []store.Upload {
			return []store.Upload{w.begin("p/a", long, "one", "two"), w.begin("p/a", long), w.begin("p/b", long, "x"), w.begin("q", long)}
		}, nil},
		{"a part comes", func(w *world) []store.Upload { return []store.Upload{w.begin("p/a", long, "one")} }, func(w *world, us []store.Upload) { w.part(us[0], 2, "two") }},
		{"one has ended", func(w *world) []store.Upload {
			return []store.Upload{w.begin("p/a", long, "one"), w.begin("p/b", long, "one")}
		}, func(w *world, us []store.Upload) { w.send("DELETE", us[0].Key, "uploadId="+us[0].UploadID, "") }},
		{"too young", func(w *world) []store.Upload {
			return []store.Upload{w.begin("p/a", w.Now().Add(-29*24*time.Hour))}
		}, nil},
		{"protected", func(w *world) []store.Upload { return []store.Upload{w.begin("p/keep/a", long)} }, nil},
		{"nobody may", func(w *world) []store.Upload {
			return []store.Upload{w.begin("p/a", long), w.begin("p/b", long)}
		}, func(w *world, _ []store.Upload) { w.Server.Deny("lab", "p/a") }},
		{"a key that XML cannot carry", func(w *world) []store.Upload { return []store.Upload{w.begin("p/\x01 +%41&ü", long, "x")} }, nil},
	} {
		w := newWorld(t, mem.Options{})
		us := c.fill(w)
		actions := w.actions()
		if c.meanwhile != nil {
			c.meanwhile(w, us)
		}
		outs, err := w.commit(context.Background(), w.target(t.TempDir()), actions)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&out, "# %s\n", c.name)
		for _, line := range w.Trace {
			out.WriteString(line + "\n")
		}
		out.WriteString("----\n")
		// Ids are by chance, and so is the order of those of one key.
		slices.SortFunc(outs, func(a, b cooper.Outcome) int {
			return cmp.Or(strings.Compare(a.Key, b.Key), cmp.Compare(b.Size, a.Size))
		})
		for _, o := range outs {
			fmt.Fprintf(&out, "%q %s: %s %s %s%s\n", o.Key, o.VersionID, o.Status, o.Kind, o.Method, o.Message)
		}
		out.WriteString("\n")
		text := strings.ReplaceAll(out.String(), strings.TrimPrefix(w.URL, "http://"), "HOST")
		for i, u := range us {
			text = strings.ReplaceAll(text, u.UploadID, fmt.Sprint("u", i))
		}
		out.Reset()
		out.WriteString(text)
	}
	verbtest.Golden(t, "testdata/trace.txt", out.String())
}
