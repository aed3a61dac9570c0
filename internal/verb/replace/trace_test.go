package replace

import (
	"context"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cooper"
	"cooper/internal/bucketop"
	"cooper/internal/store/mem"
)

var update = flag.Bool("update", false, "write what the trace is now")

// TestTrace compares every request and every file operation with
// testdata/trace.txt: what the bucket has, then all that is done, in order, then
// what the bucket has in the end and what each action came to.
func TestTrace(t *testing.T) {
	var out strings.Builder
	for _, c := range []struct {
		name, versioning string
		rw               bucketop.Rewriting
		fill             func(w *world)
		at               string // an operation before which something happens
		meanwhile        func(w *world)
		crash            int // the event after which it dies, and goes on
	}{
		{name: "beside, versioned", versioning: "Enabled", rw: suffixed, fill: two},
		{name: "beside, never versioned", rw: suffixed, fill: two},
		{name: "beside, suspended", versioning: "Suspended", rw: suffixed, fill: two},
		{name: "beside, originals are kept", versioning: "Enabled", rw: keeping, fill: two},
		{name: "in place, versioned", versioning: "Enabled", rw: inPlace, fill: two},
		{name: "in place, never versioned", rw: inPlace, fill: two},
		{name: "unguarded", rw: bucketop.Rewriting{Mode: bucketop.Suffix, Unguarded: true}, fill: two},
		{name: "an older application has compressed it", versioning: "Enabled", rw: suffixed, fill: func(w *world) {
			w.put("p/a", "1")
			w.srv.Put("lab", "p/a.zst", []byte(compressed("1")), mem.PutOptions{})
		}},
		{name: "something else is there", versioning: "Enabled", rw: suffixed, fill: func(w *world) { w.put("p/a", "1"); w.put("p/a.zst", "2") }},
		{name: "a newer upload", rw: suffixed, fill: two, at: "ListObjectVersions", meanwhile: func(w *world) { w.put("p/b", "new") }},
		{name: "a newer upload in the instant of the removal", rw: suffixed, fill: two, at: "DeleteObjects", meanwhile: func(w *world) { w.put("p/b", "new") }},
		{name: "deleted in the instant of the removal", rw: suffixed, fill: two, at: "DeleteObjects", meanwhile: func(w *world) { w.srv.Delete("lab", "p/b") }},
		{name: "the replacement is overwritten", versioning: "Enabled", rw: suffixed, fill: two, at: "ListObjectVersions", meanwhile: func(w *world) { w.put("p/b.zst", "new") }},
		{name: "killed after the removals", versioning: "Enabled", rw: suffixed, fill: two, crash: 21},
		{name: "a key that XML cannot carry", rw: suffixed, fill: func(w *world) { w.put("p/\x01", "1"); w.put("p/a", "1") }},
	} {
		w := newWorld(t, c.versioning, c.rw, mem.Options{})
		c.fill(w)
		fmt.Fprintf(&out, "# %s\n%s----\n", c.name, w.left())
		p := w.fakePlan(w.plan())
		read := false
		w.before = func(op string) {
			// Not before the probes.
			if read = read || op == "GetObject"; read && op == c.at {
				w.before = nil
				c.meanwhile(w)
			}
		}
		w.crashAt = c.crash
		if c.crash > 0 {
			ctx, cancel := context.WithCancelCause(context.Background())
			w.cancel = cancel
			if _, err := w.run(ctx, p); err == nil {
				t.Errorf("%s: it has not died", c.name)
			}
			cancel(nil)
			w.crashAt, w.dead = 0, false
			w.mu.Lock()
			w.trace = append(w.trace, "(killed)")
			w.mu.Unlock()
		}
		outs := w.must(p)
		out.WriteString(strings.Join(w.trace, "\n") + "\n----\n" + w.left())
		for _, o := range outs {
			fmt.Fprintf(&out, "%q: %s %s %s\n", o.Key, o.Status, o.Kind, o.Message)
		}
		out.WriteString("\n")
		text := w.named(out.String())
		out.Reset()
		out.WriteString(text)
	}
	const file = "testdata/trace.txt"
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(out.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), out.String()); d != "" {
		t.Error(d)
	}
}

func two(w *world) { w.put("p/a", "1"); w.put("p/b", "2") }

// named gives version ids short names, in the order in which they come.
func (w *world) named(text string) string {
	var ids []string
	for word := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == ' ' || r == '\n' }) {
		if _, id, ok := strings.Cut(word, "@"); ok && len(id) == 32 && id != cooper.NullVersion && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	for i, id := range ids {
		text = strings.ReplaceAll(text, id, fmt.Sprint("v", i+1))
	}
	return text
}
