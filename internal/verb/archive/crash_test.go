package archive

import (
	"context"
	"slices"
	"strings"
	"testing"

	"cooper"
	"cooper/internal/bucketop/bucketoptest"
	"cooper/internal/gcop"
	"cooper/internal/gcstate"
	"cooper/internal/store/mem"
	"cooper/internal/verb/verbtest"
)

// scene has an object of each sort: whole, of two handles, linked again, blind, in the way, gone.
func scene(t testing.TB, versioning, archive string) *world {
	w := newWorld(t, versioning, archive, mem.Options{PageSize: 3})
	for _, key := range []string{"a", "b", "c", "d", "e", "f"} {
		w.Server.Put(lab, key, []byte(key+"1"), mem.PutOptions{Metadata: map[string]string{"own": key}, Tags: map[string]string{"t": key}})
	}
	if versioning == "Enabled" && archive == "Enabled" {
		w.Server.Put(lab, "a", []byte("a2"), mem.PutOptions{})
		w.Server.Delete(lab, "b")
		w.Server.Put(lab, "b", []byte("b2"), mem.PutOptions{})
	}
	w.Server.Put(depot, "lab/e", []byte("theirs"), mem.PutOptions{})
	w.archives("a", w.unlinked("1")...)
	w.archives("b", w.unlinked("2", "3")...)
	w.archives("c", w.unlinked("4", "5")...)
	w.archives("d", w.unlinked("6")...)
	w.archives("e", w.unlinked("7")...)
	w.archives("f", w.unlinked("8")...)
	w.owner.sights["5"] = Sight{Why: "named in a row of links", Linked: true}
	w.owner.sights["6"] = Sight{Blind: "blobs"}
	w.owner.Statuses[verbtest.Handle("8")] = gcstate.Available
	w.planned()
	return w
}

// comes tells what a run came to.
func (w *world) comes() string {
	outs := w.Outcomes(w.plan)
	told := slices.Clone(w.state.Heard)
	slices.Sort(told)
	return strings.Join([]string{w.objects(lab), w.objects(depot), w.owner.Tells(), bucketoptest.Statuses(outs), strings.Join(slices.Compact(told), ", ")}, "\n")
}

// TestCrashes dies of every request, of every step at the owner's and in the state, and of every file operation, come to it
// or not, and goes on: what it comes to is what an undisturbed run comes to.
func TestCrashes(t *testing.T) {
	for _, c := range [][2]string{{"Enabled", "Enabled"}, {"", ""}, {"Suspended", "Enabled"}} {
		if testing.Short() && c[0] != "Enabled" {
			continue
		}
		w := scene(t, c[0], c[1])
		w.must()
		undisturbed, steps := w.comes(), len(w.Trace)
		t.Logf("%d steps:\n%s", steps, undisturbed)
		for at := 1; at <= steps; at++ {
			for _, deaf := range []bool{false, true} {
				crash(t, c, at, deaf, undisturbed)
				if t.Failed() {
					t.Fatalf("versioning %q, step %d of %d: %s; deaf %v", c, at, steps, w.Trace[at-1], deaf)
				}
			}
		}
	}
}

func crash(t *testing.T, c [2]string, at int, deaf bool, undisturbed string) {
	w := scene(t, c[0], c[1])
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	w.Cancel, w.CrashAt, w.Deaf = cancel, at, deaf
	w.owner.At = func(string) { w.safe(t) }
	err := w.process(ctx)
	died := false
	w.Alone(func() { died = w.Dead })
	if !died && err != nil {
		t.Error(err)
		return
	}
	w.safe(t)
	w.CrashAt = 0
	w.Restart()
	if err := w.process(context.Background()); err != nil {
		t.Fatal(err)
	}
	w.safe(t)
	verbtest.Want(t, "it comes to", w.comes(), undisturbed)
}

// safe tells whether each content is somewhere, and each handle that is not ARCHIVED has its object.
func (w *world) safe(t *testing.T) {
	t.Helper()
	here, there := w.objects(lab), w.objects(depot)
	for _, key := range []string{"a1", "b1", "c1", "d1", "e1", "f1"} {
		if !strings.Contains(here+there, key) {
			t.Errorf("%s is nowhere", key)
		}
	}
	for id, key := range map[string]string{"4": "c", "5": "c", "6": "d", "7": "e", "8": "f"} {
		if !strings.Contains(here, key+"1!") || w.state.Of(verbtest.Handle(id)).Status == gcstate.Archived {
			t.Errorf("%s has gone, or its handle says so: %s\n%s", key, here, w.owner.Tells())
		}
	}
	for id, key := range map[string]string{"1": "lab/a", "2": "lab/b", "3": "lab/b"} {
		if w.owner.Statuses[verbtest.Handle(id)] == gcstate.Archived && !strings.Contains(there, key) {
			t.Errorf("%s says that it is archived, and it is not", id)
		}
	}
}

// TestGone: an original had gone when the process died. Whatever is known by then, its handle becomes ARCHIVED: anything else
// would be said of an object that is not there. What had not gone is given back.
func TestGone(t *testing.T) {
	for why, c := range map[string]struct {
		change func(w *world)
		b      string // what becomes of the other handle
	}{
		"linked":  {func(w *world) { w.owner.sights["1"] = Sight{Why: "link", Linked: true} }, "2 ARCHIVED/ARCHIVED"},
		"held":    {func(w *world) { w.held["1"], w.held["2"] = "asked for", "asked for" }, "2 UNLINKED/UNLINKED"},
		"a word":  {func(w *world) { w.words++ }, "2 UNLINKED/UNLINKED"},
		"read":    {func(w *world) { w.read = gcop.Reads{"p-1": {Ranges: 4}} }, "2 UNLINKED/UNLINKED"},
		"settled": {func(w *world) { w.owner.settle = &cooper.Error{Kind: cooper.KindTimeout} }, "2 UNLINKED/UNLINKED"},
	} {
		for _, versioning := range []string{"", "Enabled"} {
			w := newWorld(t, versioning, "", mem.Options{})
			for _, key := range []string{"a", "b"} {
				w.Server.Put(lab, key, []byte(key+"1"), mem.PutOptions{})
			}
			w.archives("a", w.unlinked("1")...)
			w.archives("b", w.unlinked("2")...)
			w.planned()
			ctx, cancel := context.WithCancelCause(context.Background())
			w.Cancel = cancel
			w.Harm = func(request string) string {
				if strings.HasPrefix(request, "DeleteObjects a@") { // it dies before this comes to the store, and one of both has gone
					w.Server.DeleteVersion(lab, "a", w.Latest("a").VersionID)
					w.CrashAt, w.Deaf, w.Dead = len(w.Trace), true, true
					cancel(verbtest.ErrDead)
					return verbtest.Busy
				}
				return ""
			}
			if err := w.process(ctx); err == nil {
				t.Fatal("it lives on")
			}
			cancel(nil)
			w.Harm, w.CrashAt = nil, 0
			w.Restart()
			verbtest.Want(t, why, w.objects(lab), "b=b1!")
			c.change(w)
			if err := w.process(context.Background()); err != nil {
				t.Fatalf("%s: %v", why, err)
			}
			verbtest.Want(t, why, w.owner.Tells(), "1 ARCHIVED/ARCHIVED, "+c.b)
			there := ""
			if strings.Contains(c.b, "UNLINKED") {
				there = "b=b1!"
			}
			verbtest.Want(t, why, w.objects(lab), there)
		}
	}
}
