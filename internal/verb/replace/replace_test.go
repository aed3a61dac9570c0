package replace

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"cooper"
	"cooper/internal/bucketop"
	"cooper/internal/bucketop/bucketoptest"
	"cooper/internal/permit"
	"cooper/internal/store"
	"cooper/internal/store/mem"
	"cooper/internal/verb/verbtest"
)

var (
	suffixed = bucketop.Rewriting{Mode: bucketop.Suffix}
	inPlace  = bucketop.Rewriting{Mode: bucketop.InPlace}
	keeping  = bucketop.Rewriting{Mode: bucketop.Suffix, Originals: bucketop.KeepOriginals}
)

// versions is what the bucket has, in short: for each version its key, what it
// holds, Z for compressed, and ! for the current ones.
func (w *world) versions() string {
	var all []string
	for _, v := range w.Server.Versions("lab") {
		body, _ := w.Server.Body("lab", v.Key, v.VersionID)
		s := strings.TrimPrefix(v.Key, "p/") + "="
		if isCompressed(body) {
			s += "Z:"
		}
		s += plainOf(body)
		if v.DeleteMarker {
			s = strings.TrimPrefix(v.Key, "p/") + "=gone"
		}
		if v.Latest {
			s += "!"
		}
		all = append(all, s)
	}
	return strings.Join(all, " ")
}

// body is what is stored under a key.
func (w *world) body(key string) []byte {
	b, _ := w.Server.Body("lab", key, "")
	return b
}

func TestWhatHappensBetweenProofAndRemoval(t *testing.T) {
	const look, removal = "ListObjectVersions", "DeleteObjects"
	for name, c := range map[string]struct {
		versioning string
		rw         bucketop.Rewriting
		before     string // an operation, before which it happens
		meanwhile  func(w *world)
		want       string // the outcome
		left       string
	}{
		"nothing":                              {"Enabled", suffixed, look, nil, "done", "k.zst=Z:1!"},
		"nothing, suspended":                   {"Suspended", suffixed, look, nil, "done", "k.zst=Z:1!"},
		"nothing, never versioned":             {"", suffixed, look, nil, "done", "k.zst=Z:1!"},
		"nothing, kept":                        {"Enabled", keeping, look, nil, "done", "k=1! k.zst=Z:1!"},
		"nothing, kept, never versioned":       {"", keeping, look, nil, "done", "k=1! k.zst=Z:1!"},
		"nothing, kept, suspended":             {"Suspended", keeping, look, nil, "done", "k=1! k.zst=Z:1!"},
		"nothing, in place":                    {"Enabled", inPlace, look, nil, "done", "k=Z:1!"},
		"nothing, in place, kept":              {"Enabled", bucketop.Rewriting{Mode: bucketop.InPlace, Originals: bucketop.KeepOriginals}, look, nil, "done", "k=Z:1! k=1"},
		"nothing, in place, never versioned":   {"", inPlace, look, nil, "done", "k=Z:1!"},
		"a newer upload":                       {"Enabled", suffixed, look, func(w *world) { w.put("p/k", "2") }, "changed", "k=2! k=1 k.zst=Z:1!"},
		"a newer upload, never versioned":      {"", suffixed, look, func(w *world) { w.put("p/k", "2") }, "changed", "k=2! k.zst=Z:1!"},
		"a newer upload, kept":                 {"Enabled", keeping, look, func(w *world) { w.put("p/k", "2") }, "changed", "k=2! k=1 k.zst=Z:1!"},
		"a newer upload, in place":             {"Enabled", inPlace, look, func(w *world) { w.put("p/k", "2") }, "changed", "k=2! k=Z:1 k=1"},
		"a newer upload, in place, no others":  {"", inPlace, look, func(w *world) { w.put("p/k", "2") }, "changed", "k=2!"},
		"the same bytes again":                 {"", suffixed, look, func(w *world) { w.put("p/k", "1") }, "changed", "k=1! k.zst=Z:1!"},
		"deleted":                              {"Enabled", suffixed, look, func(w *world) { w.Server.Delete("lab", "p/k") }, "changed", "k=gone! k=1 k.zst=Z:1!"},
		"deleted, never versioned":             {"", suffixed, look, func(w *world) { w.Server.Delete("lab", "p/k") }, "done", "k.zst=Z:1!"},
		"deleted, in place":                    {"Enabled", inPlace, look, func(w *world) { w.Server.Delete("lab", "p/k") }, "changed", "k=gone! k=Z:1 k=1"},
		"replacement overwritten":              {"Enabled", suffixed, look, func(w *world) { w.put("p/k.zst", "other") }, "changed", "k=1! k.zst=other! k.zst=Z:1"},
		"replacement overwritten by the same":  {"", suffixed, look, func(w *world) { w.Server.Put("lab", "p/k.zst", w.body("p/k.zst"), mem.PutOptions{}) }, "done", "k.zst=Z:1!"},
		"replacement deleted":                  {"Enabled", suffixed, look, func(w *world) { w.Server.Delete("lab", "p/k.zst") }, "changed", "k=1! k.zst=gone! k.zst=Z:1"},
		"replacement deleted, never versioned": {"", suffixed, look, func(w *world) { w.Server.Delete("lab", "p/k.zst") }, "changed", "k=1!"},
		"both deleted, never versioned":        {"", suffixed, look, func(w *world) { w.Server.Delete("lab", "p/k.zst"); w.Server.Delete("lab", "p/k") }, "missing", ""},
		"upload right before removal":          {"Enabled", suffixed, removal, func(w *world) { w.put("p/k", "2") }, "done", "k=2! k.zst=Z:1!"},
		"upload right before, never versioned": {"", suffixed, removal, func(w *world) { w.put("p/k", "2") }, "changed", "k=2! k.zst=Z:1!"},
		"upload right before, in place":        {"Enabled", inPlace, removal, func(w *world) { w.put("p/k", "2") }, "done", "k=2! k=Z:1"},
		"deleted right before":                 {"Enabled", suffixed, removal, func(w *world) { w.Server.Delete("lab", "p/k") }, "done", "k=gone! k.zst=Z:1!"},
		"deleted right before, suspended":      {"Suspended", suffixed, removal, func(w *world) { w.Server.Delete("lab", "p/k") }, "done", "k=gone! k.zst=Z:1!"},
		"deleted right before, no versions":    {"", suffixed, removal, func(w *world) { w.Server.Delete("lab", "p/k") }, "done", "k.zst=Z:1!"},
		"denied":                               {"Enabled", suffixed, removal, func(w *world) { w.Server.Deny("lab", "p/k") }, "denied", "k=1! k.zst=Z:1!"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, c.versioning, c.rw, mem.Options{})
			w.put("p/k", "1")
			p := w.planOf(w.plan())
			probed := false
			w.Before = func(op string) {
				// Not before the probes.
				if probed = probed || op == "GetObject"; probed && op == c.before && c.meanwhile != nil {
					c.meanwhile(w)
					w.Before = nil
				}
			}
			outs := w.must(p)
			if got := bucketoptest.Statuses(outs); got != c.want {
				t.Errorf("came to %q, want %q: %+v", got, c.want, outs)
			}
			if got := w.versions(); got != c.left {
				t.Errorf("left: %s\nwant: %s\n%s", got, c.left, strings.Join(w.Trace, "\n"))
			}
			if outs[0].Content == nil || outs[0].Content.State != cooper.Rewritten {
				t.Errorf("what was learnt is forgotten: %+v", outs[0])
			}
			if outs[0].Status == cooper.Done && outs[0].Content.Stored.LastModified == 0 {
				t.Error("nobody asked when the replacement was written")
			}
		})
	}
}

// TestOlderVersions: one that the plan's inventory missed would become current.
func TestOlderVersions(t *testing.T) {
	for _, c := range []struct {
		fill       func(w *world)
		want, left string
	}{
		{func(w *world) { w.put("p/k", "0"); w.put("p/k", "1") }, "conflict", "k=1! k=0 k.zst=Z:1!"},
		{func(w *world) { w.put("p/k", "0"); w.Server.Delete("lab", "p/k"); w.put("p/k", "1") }, "conflict", "k=1! k=gone k=0 k.zst=Z:1!"},
		{func(w *world) { w.Server.Delete("lab", "p/k"); w.put("p/k", "1") }, "done", "k=gone! k.zst=Z:1!"},
	} {
		w := newWorld(t, "Enabled", keeping, mem.Options{})
		c.fill(w)
		p := w.planOf(w.plan())
		w.rw.Originals = bucketop.RemoveOriginals
		if got := bucketoptest.Statuses(w.must(p)); got != c.want || w.versions() != c.left {
			t.Errorf("came to %q, left: %s; want %q, %s", got, w.versions(), c.want, c.left)
		}
	}
}

// TestWhatIsWrittenWhileAskingAgain: a removal of a null version came to nothing,
// or its answer was lost, and before it is sent again somebody uploads the key
// anew. That upload must stay, whether its bytes are others or the same.
func TestWhatIsWrittenWhileAskingAgain(t *testing.T) {
	for _, unguarded := range []bool{false, true} {
		for _, harm := range []string{"lost", "busy", "failing"} {
			for _, body := range []string{"", "1", "other"} {
				for _, key := range []string{"p/k", "p/k\t"} { // the latter goes by a request of its own
					t.Run(fmt.Sprintf("%v %s %q %q", unguarded, harm, body, key), func(t *testing.T) {
						w := newWorld(t, "", bucketop.Rewriting{Mode: bucketop.Suffix, Unguarded: unguarded}, mem.Options{})
						w.put(key, "1")
						harmed, written := false, false
						w.Harm = func(request string) string {
							if harmed || !strings.HasPrefix(request, "DeleteObject") || !strings.Contains(request, key+"@") {
								return ""
							}
							harmed = true
							return harm
						}
						w.Before = func(string) {
							if harmed && !written && body != "" {
								written = true
								w.put(key, body)
							}
						}
						outs := w.must(w.planOf(w.plan()))
						got, there := w.current(key)
						if there != (body != "") || got != body {
							t.Errorf("%s shows %q, %v\n%s", key, got, there, strings.Join(w.Trace, "\n"))
						}
						// The same bytes under the same id: nobody can tell that it is another version.
						if same := body == "1"; harm == "lost" && (outs[0].Status == cooper.Done) == same || same && outs[0].Kind != cooper.KindChanged {
							t.Errorf("%+v", outs[0])
						}
					})
				}
			}
		}
	}
}

// TestAskingAgainAndAgain: a store that fails for long, and then not, or never.
func TestAskingAgainAndAgain(t *testing.T) {
	for failures, want := range map[int]string{3: "done", 1000: "store"} {
		w := newWorld(t, "", bucketop.Rewriting{Mode: bucketop.Suffix, Unguarded: true}, mem.Options{})
		w.put("p/k", "1")
		n := 0
		w.Harm = func(request string) string {
			if !strings.HasPrefix(request, "DeleteObjects p/k@") || n == failures {
				return ""
			}
			n++
			return "failing"
		}
		if got := bucketoptest.Statuses(w.must(w.planOf(w.plan()))); got != want {
			t.Errorf("%d failures: %q", failures, got)
		}
		trace := strings.Join(w.Trace, "\n")
		if looks, removals := strings.Count(trace, "ListObjectVersions"), strings.Count(trace, "DeleteObjects p/k@"); looks < removals {
			t.Errorf("%d removals after %d looks", removals, looks)
		}
	}
}

// TestNothingProvenIsReadAgain: after a crash in the middle of a shard.
func TestNothingProvenIsReadAgain(t *testing.T) {
	w := newWorld(t, "", suffixed, mem.Options{})
	for _, key := range []string{"p/a", "p/b", "p/c"} {
		w.put(key, key)
	}
	p := w.planOf(w.plan())
	w.Harm = func(request string) string { return "" }
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	w.Cancel = cancel
	w.Before = func(op string) {
		if op == "DeleteObjects" && w.Server.Counts()["GetObject"] == 2 {
			w.CrashAt = len(w.Trace) + 1
		}
	}
	if _, err := w.run(ctx, p); !errors.Is(err, verbtest.ErrDead) {
		t.Fatal(err)
	}
	if got := w.versions(); got != "a.zst=Z:p/a! b.zst=Z:p/b! c=p/c!" {
		t.Fatal(got)
	}
	w.Before, w.CrashAt = nil, 0
	w.Restart()
	w.Server.ResetCounts()
	outs := w.must(p)
	if got := bucketoptest.Statuses(outs); got != "done done done" || w.versions() != "a.zst=Z:p/a! b.zst=Z:p/b! c.zst=Z:p/c!" {
		t.Error(got, w.versions())
	}
	if n := w.Server.Counts()["GetObject"]; n != 1 {
		t.Errorf("%d objects were read, of which one was to be", n)
	}
}

// TestWhatIsNotedIsNotReadAgain: killed in the middle of a shard, before anything
// of it is committed. What was compressed costs no request but the look, with
// what was left for good reason; and counts as done at once.
func TestWhatIsNotedIsNotReadAgain(t *testing.T) {
	for _, c := range []struct {
		versioning string
		rw         bucketop.Rewriting
	}{{"Enabled", suffixed}, {"Suspended", suffixed}, {"", suffixed}, {"", keeping}, {"Enabled", inPlace}, {"", inPlace}} {
		for _, powerless := range []bool{false, true} {
			w := newWorld(t, c.versioning, c.rw, mem.Options{})
			w.size = 100
			const objects, before = 20, 12
			for i := 1; i < objects; i++ {
				w.put(fmt.Sprintf("p/%02d", i), fmt.Sprint(i))
			}
			w.Server.Put("lab", "p/00", []byte("GIF89a and so on"), mem.PutOptions{}) // left
			p := w.planOf(w.plan())
			ctx, cancel := context.WithCancelCause(context.Background())
			w.Cancel = cancel
			w.Before = func(op string) {
				if op == "GetObject" && w.Server.Counts()["GetObject"] == before {
					w.CrashAt = len(w.Trace) + 1
				}
			}
			if _, err := w.run(ctx, p); !errors.Is(err, verbtest.ErrDead) {
				t.Fatal(err)
			}
			cancel(nil)
			w.Before, w.CrashAt = nil, 0
			w.Runs = 1
			if !powerless {
				w.Runs = 2
			}
			w.Restart()
			w.Server.ResetCounts()
			left := len(w.Trace)
			outs := w.must(p)
			gets, puts := w.Server.Counts()["GetObject"], w.Server.Counts()["PutObject"]
			if !powerless && (gets != objects-before || puts > objects-before+3) { // with those of probes
				t.Errorf("%q %s: %d objects were read and %d written, %d were to be\n%s", c.versioning, c.rw.Mode, gets, puts, objects-before, strings.Join(w.Trace[left:], "\n"))
			}
			if gets > 2*objects {
				t.Errorf("%d objects were read", gets)
			}
			for i, o := range outs {
				if o.Status != cooper.Done || o.Content == nil || (o.Content.State == cooper.Rewritten) != (i > 0) {
					t.Errorf("%+v", o)
				}
			}
			for i := 1; i < objects; i++ {
				key := fmt.Sprintf("p/%02d", i)
				if c.rw.Mode == bucketop.Suffix {
					key += suffix
				}
				if got, _ := w.current(key); got != fmt.Sprint(i) || !isCompressed(w.body(key)) {
					t.Errorf("%s holds %q", key, got)
				}
			}
			if files := w.Disk.Files(); len(files) > 3 { // two directories, and what is done
				t.Errorf("%v", files)
			}
		}
	}
}

// TestUploadsThatWereLeft are discarded by the next run, of whatever plan.
func TestUploadsThatWereLeft(t *testing.T) {
	w := newWorld(t, "Enabled", suffixed, mem.Options{})
	w.put("p/k", "1")
	b, done := w.open()
	defer done()
	killed := w.target(b)
	if err := killed.Begin(context.Background(), permit.Issue("r-0"), w.planOf(w.plan()).Head); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		parts, err := b.Begin(context.Background(), store.Put{Key: fmt.Sprint("p/other", i, suffix), Size: 100 << 20})
		if err == nil {
			err = killed.NoteUpload(fmt.Sprint("p/other", i, suffix), parts.UploadID())
		}
		if err == nil {
			err = parts.Part(context.Background(), make([]byte, parts.PartSize()))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	left := func() (n int) {
		if err := b.Uploads(context.Background(), "", func(us []store.Upload) error { n += len(us); return nil }); err != nil {
			t.Fatal(err)
		}
		return n
	}
	w.Restart()
	w.swap = func(b realBucket) realBucket { return undiscarding{b} }
	if _, err := w.run(context.Background(), w.planOf(w.plan())); cooper.KindOf(err) != cooper.KindDenied || !strings.Contains(err.Error(), "cannot be discarded") || left() != 3 {
		t.Errorf("the right to discard is missing: %v, %d uploads", err, left())
	}
	w.swap = nil
	w.must(w.planOf(w.plan()))
	if n := left(); n > 0 {
		t.Errorf("%d uploads are left", n)
	}
	w.Server.ResetCounts()
	w.put("p/l", "1")
	w.must(w.planOf(w.plan()))
	if n := w.Server.Counts()["AbortMultipartUpload"]; n > 0 {
		t.Errorf("%d were discarded again", n)
	}
}

type undiscarding struct{ realBucket }

func (undiscarding) Discard(context.Context, string, string) error {
	return &cooper.Error{Kind: cooper.KindDenied, Message: "no"}
}
