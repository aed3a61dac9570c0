package replace

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"cooper/internal/bucketop"
	"cooper/internal/store/mem"
	"cooper/internal/verb/verbtest"
)

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
			w.Server.Put("lab", "p/a.zst", []byte(compressed("1")), mem.PutOptions{})
		}},
		{name: "something else is there", versioning: "Enabled", rw: suffixed, fill: func(w *world) { w.put("p/a", "1"); w.put("p/a.zst", "2") }},
		{name: "a newer upload", rw: suffixed, fill: two, at: "ListObjectVersions", meanwhile: func(w *world) { w.put("p/b", "new") }},
		{name: "a newer upload in the instant of the removal", rw: suffixed, fill: two, at: "DeleteObjects", meanwhile: func(w *world) { w.put("p/b", "new") }},
		{name: "deleted in the instant of the removal", rw: suffixed, fill: two, at: "DeleteObjects", meanwhile: func(w *world) { w.Server.Delete("lab", "p/b") }},
		{name: "the replacement is overwritten", versioning: "Enabled", rw: suffixed, fill: two, at: "ListObjectVersions", meanwhile: func(w *world) { w.put("p/b.zst", "new") }},
		{name: "killed after the removals", versioning: "Enabled", rw: suffixed, fill: two, crash: 21},
		{name: "a key that XML cannot carry", rw: suffixed, fill: func(w *world) { w.put("p/\x01", "1"); w.put("p/a", "1") }},
	} {
		w := newWorld(t, c.versioning, c.rw, mem.Options{})
		c.fill(w)
		fmt.Fprintf(&out, "# %s\n%s----\n", c.name, w.left())
		p := w.planOf(w.plan())
		read := false
		w.Before = func(op string) {
			// Not before the probes.
			if read = read || op == "GetObject"; read && op == c.at {
				w.Before = nil
				c.meanwhile(w)
			}
		}
		w.CrashAt = c.crash
		if c.crash > 0 {
			ctx, cancel := context.WithCancelCause(context.Background())
			w.Cancel = cancel
			if _, err := w.run(ctx, p); err == nil {
				t.Errorf("%s: it has not died", c.name)
			}
			cancel(nil)
			w.CrashAt, w.Dead = 0, false
			w.Alone(func() { w.Trace = append(w.Trace, "(killed)") })
		}
		outs := w.must(p)
		out.WriteString(strings.Join(w.Trace, "\n") + "\n----\n" + w.left())
		for _, o := range outs {
			fmt.Fprintf(&out, "%q: %s %s %s\n", o.Key, o.Status, o.Kind, o.Message)
		}
		out.WriteString("\n")
		text := verbtest.Named(out.String())
		out.Reset()
		out.WriteString(text)
	}
	verbtest.Golden(t, "testdata/trace.txt", out.String())
}

func two(w *world) { w.put("p/a", "1"); w.put("p/b", "2") }
