package forget

import (
	"context"
	"fmt"
	"math/rand/v2"
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

// scene has an object of each sort: several versions and two handles, what was compressed, linked, in its place, of nobody, back,
// and handles that have vanished or were seen again.
func scene(t *testing.T, archived string) *world {
	w := newWorld(t, archived)
	bodies := []string{"a1"}
	if archived == "Enabled" {
		bodies = []string{"a1", "a2", "a3"}
	}
	w.forgetting.Restored = true
	w.owner.Is(gcstate.Archived, "1", "2", "3", "4", "5", "7")
	w.owner.Is(gcstate.Available, "6")
	w.owner.Is(gcstate.Deleted, "8")
	w.gone(gcstate.Vanish, "v", "7")
	w.gone(gcstate.Reappear, "w", "8")
	w.Server.Put(depot, "lab/w", []byte("w"), mem.PutOptions{})
	w.has(gcop.Forgotten{Key: "a", Class: gcop.Expired}, bodies, "1", "2")
	w.has(gcop.Forgotten{Key: "b.zst", For: "b", Class: gcop.Expired}, []string{"b1"}, "3")
	w.has(gcop.Forgotten{Key: "c", Class: gcop.Expired}, []string{"c1"}, "4")
	w.has(gcop.Forgotten{Key: "d", Class: gcop.Expired}, []string{"d1"}, "5")
	w.has(gcop.Forgotten{Key: "e", Class: gcop.Returned}, []string{"e1"}, "6")
	w.has(gcop.Forgotten{Key: "tmp/x", Class: gcop.Orphaned}, []string{"x1"})
	w.owner.sights["4"] = Sight{Why: "named in a row of links"}
	w.Server.Put(lab, "d", []byte("d2"), mem.PutOptions{})
	w.Server.Put(lab, "e", []byte("e1"), mem.PutOptions{Metadata: map[string]string{"own": "e1"}})
	w.planned()
	return w
}

// comes tells what runs came to.
func (w *world) comes() string {
	told := slices.Clone(w.state.Heard)
	slices.Sort(told)
	return strings.Join([]string{w.lists(lab), w.lists(depot), w.owner.Tells(), bucketoptest.Statuses(w.Outcomes(w.plan)), strings.Join(slices.Compact(told), ", ")}, "\n")
}

// TestForget: what may go goes, with all its versions, and nothing else; the state says nothing of it.
func TestForget(t *testing.T) {
	w := scene(t, "Enabled")
	w.must()
	verbtest.Want(t, "it comes to", w.comes(), `d=d2! e=e1!
lab/c=c1! lab/d=d1! lab/w=w!
1 ARCHIVED/ARCHIVED, 2 ARCHIVED/ARCHIVED, 3 ARCHIVED/ARCHIVED, 4 ARCHIVED/ARCHIVED, 5 ARCHIVED/ARCHIVED, 6 AVAILABLE/AVAILABLE, 7 DELETED/DELETED, 8 ARCHIVED/ARCHIVED
done done done done done done conflict conflict done done
7 ARCHIVED>DELETED, 8 DELETED>ARCHIVED`)
	if _, there := w.Server.Body(depot, manifest, w.latestOf(manifest).VersionID); !there {
		t.Error("the manifest has gone")
	}
}

func (w *world) latestOf(key string) (v cooper.Version) {
	for _, v = range w.Server.Versions(depot) {
		if v.Key == key && v.Latest {
			return v
		}
	}
	return cooper.Version{}
}

// TestTrace compares everything that happens, in its order, with testdata/trace.txt.
func TestTrace(t *testing.T) {
	var out strings.Builder
	for _, archived := range []string{"Enabled", ""} {
		w := scene(t, archived)
		names := map[string]string{}
		for i, v := range w.Server.Versions(depot) {
			if v.VersionID != cooper.NullVersion {
				names[v.VersionID] = fmt.Sprint("depot", i)
			}
		}
		for i, v := range w.Server.Versions(lab) {
			names[v.VersionID] = fmt.Sprint("lab", i)
		}
		outs := w.must()
		text := fmt.Sprintf("# versioning %q\n%s\n", archived, strings.Join(w.Trace, "\n"))
		for _, o := range outs {
			text += fmt.Sprintf("%q: %s %s %s %s\n", o.Key, o.Status, o.Kind, o.Method, o.Message)
		}
		for id, name := range names {
			text = strings.ReplaceAll(text, id, name)
		}
		out.WriteString(text + "\n")
	}
	verbtest.Golden(t, "testdata/trace.txt", out.String())
}

// TestCrashes dies of every request, of every step at the owner's and in the state, and of every file operation, come to it
// or not, and goes on: what it comes to is what an undisturbed run comes to.
func TestCrashes(t *testing.T) {
	for _, archived := range []string{"Enabled", ""} {
		if testing.Short() && archived == "" {
			continue
		}
		w := scene(t, archived)
		w.must()
		undisturbed, steps := w.comes(), len(w.Trace)
		t.Logf("%d steps:\n%s", steps, undisturbed)
		for at := 1; at <= steps; at++ {
			for _, deaf := range []bool{false, true} {
				w := scene(t, archived)
				ctx, cancel := context.WithCancelCause(context.Background())
				w.Cancel, w.CrashAt, w.Deaf = cancel, at, deaf
				err := w.process(ctx)
				died := false
				w.Alone(func() { died = w.Dead })
				if !died && err != nil {
					t.Error(err)
				}
				cancel(nil)
				w.CrashAt = 0
				w.Restart()
				verbtest.Must(t, w.process(context.Background()))
				verbtest.Want(t, "it comes to", w.comes(), undisturbed)
				if t.Failed() {
					t.Fatalf("versioning %q, step %d of %d: %s; deaf %v", archived, at, steps, w.Trace[at-1], deaf)
				}
			}
		}
	}
}

// TestKept: each of what keeps an object.
func TestKept(t *testing.T) {
	for name, change := range map[string]func(w *world){
		"the state": func(w *world) {
			w.owner.Is(gcstate.Restoring, "2")
			w.owner.Statuses[verbtest.Handle("2")] = gcstate.Archived
		},
		"since when": func(w *world) {
			r := w.state.Of(verbtest.Handle("2"))
			r.Since++
			w.state.Records[verbtest.Handle("2")] = r
		},
		"the owner":        func(w *world) { w.owner.Statuses[verbtest.Handle("2")] = gcstate.Unlinked },
		"the owner, gone":  func(w *world) { delete(w.owner.Statuses, verbtest.Handle("2")) },
		"a link":           func(w *world) { w.owner.sights["2"] = Sight{Why: "linked"} },
		"blind":            func(w *world) { w.owner.sights["2"] = Sight{Blind: "blobs"} },
		"asked for":        func(w *world) { w.held["2"] = "asked for" },
		"in its place":     func(w *world) { w.Server.Put(lab, "a", []byte("new"), mem.PutOptions{}) },
		"another copy":     func(w *world) { w.Server.Put(depot, "lab/a", []byte("new"), mem.PutOptions{}) },
		"hidden":           func(w *world) { w.Server.Delete(depot, "lab/a") },
		"another metadata": nil,
	} {
		w := newWorld(t, "Enabled")
		w.owner.Is(gcstate.Archived, "1", "2")
		w.has(gcop.Forgotten{Key: "a", Class: gcop.Expired}, []string{"a1", "a2"}, "1", "2")
		if change == nil { // the plan means another version
			w.plan.Actions[1].Args["origin"] = "v9"
			change = func(*world) {}
		}
		w.planned()
		change(w)
		had := w.lists(depot)
		for _, o := range w.must() {
			if o.Status != cooper.Failed {
				t.Errorf("%s: %+v", name, o)
			}
		}
		verbtest.Want(t, name, w.lists(depot), had)
	}
	w := newWorld(t, "Enabled")
	w.owner.Is(gcstate.Archived, "1")
	w.has(gcop.Forgotten{Key: "a", Class: gcop.Expired}, []string{"a1"}, "1")
	w.planned()
	w.words++
	if err := w.process(t.Context()); cooper.KindOf(err) != cooper.KindRefused {
		t.Errorf("a word since: %v", err)
	}
	verbtest.Want(t, "a word since", w.lists(depot), "lab/a=a1!")
}

// TestReturned: a copy goes only if its original is there, the newest as what can be read.
func TestReturned(t *testing.T) {
	own := func(s string) mem.PutOptions { return mem.PutOptions{Metadata: map[string]string{"own": s}} }
	for name, c := range map[string]struct {
		there func(w *world)
		goes  bool
	}{
		"whole": {func(w *world) {
			w.Server.Put(lab, "a", []byte("a1"), own("a1"))
			w.Server.Put(lab, "a", []byte("a2"), own("a2"))
		}, true},
		"nothing":          {func(*world) {}, false},
		"the newest alone": {func(w *world) { w.Server.Put(lab, "a", []byte("a2"), own("a2")) }, false},
		"other bytes": {func(w *world) {
			w.Server.Put(lab, "a", []byte("a1"), own("a1"))
			w.Server.Put(lab, "a", []byte("a3"), own("a2"))
		}, false},
		"other metadata": {func(w *world) {
			w.Server.Put(lab, "a", []byte("a1"), own("a1"))
			w.Server.Put(lab, "a", []byte("a2"), own("x"))
		}, false},
		"the other way": {func(w *world) {
			w.Server.Put(lab, "a", []byte("a2"), own("a2"))
			w.Server.Put(lab, "a", []byte("a1"), own("a1"))
		}, false},
		"deleted": {func(w *world) {
			w.Server.Put(lab, "a", []byte("a1"), own("a1"))
			w.Server.Put(lab, "a", []byte("a2"), own("a2"))
			w.Server.Delete(lab, "a")
		}, false},
	} {
		w := newWorld(t, "Enabled")
		w.forgetting.Restored = true
		w.owner.Is(gcstate.Available, "1")
		w.has(gcop.Forgotten{Key: "a", Class: gcop.Returned}, []string{"a1", "a2"}, "1")
		w.planned()
		c.there(w)
		w.must()
		if gone := w.lists(depot) == ""; gone != c.goes {
			t.Errorf("%s: left is %q", name, w.lists(depot))
		}
	}
}

// TestVanish: a handle is DELETED only if a look does not find a copy either, and if nobody has made something else of it.
func TestVanish(t *testing.T) {
	for name, c := range map[string]struct {
		event  gcstate.Event
		change func(w *world)
		want   string
	}{
		"gone":        {gcstate.Vanish, func(*world) {}, "1 DELETED/DELETED"},
		"there":       {gcstate.Vanish, func(w *world) { w.Server.Put(depot, "lab/v", nil, mem.PutOptions{}) }, "1 ARCHIVED/ARCHIVED"},
		"compressed":  {gcstate.Vanish, func(w *world) { w.Server.Put(depot, "lab/v.zst", nil, mem.PutOptions{}) }, "1 ARCHIVED/ARCHIVED"},
		"the owner's": {gcstate.Vanish, func(w *world) { w.owner.Statuses[verbtest.Handle("1")] = gcstate.Restoring }, "1 ARCHIVED/RESTORING"},
		"the state's": {gcstate.Vanish, func(w *world) { w.owner.Is(gcstate.Restoring, "1") }, "1 RESTORING/RESTORING"},
		"seen":        {gcstate.Reappear, func(w *world) { w.Server.Put(depot, "lab/v", nil, mem.PutOptions{}) }, "1 ARCHIVED/ARCHIVED"},
		"not seen":    {gcstate.Reappear, func(*world) {}, "1 DELETED/DELETED"},
	} {
		w := newWorld(t, "")
		w.owner.Is(map[gcstate.Event]gcstate.Status{gcstate.Vanish: gcstate.Archived, gcstate.Reappear: gcstate.Deleted}[c.event], "1")
		w.gone(c.event, "v", "1")
		w.planned()
		c.change(w)
		w.must()
		verbtest.Want(t, name, w.owner.Tells(), c.want)
	}
}

// TestNothingIsLost: whatever has happened to handles since the plan was made, none that is linked, held, asked for, on its way
// back, or anything else than ARCHIVED to its owner loses a byte; and what nothing of it has happened to goes.
func TestNothingIsLost(t *testing.T) {
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 1))
		w := newWorld(t, []string{"", "Enabled"}[r.IntN(2)])
		n := 0
		of := map[string][]string{}
		for i := range 6 {
			key := string(rune('a' + i))
			for range 1 + r.IntN(3) {
				n++
				of[key] = append(of[key], fmt.Sprint(n))
			}
			w.owner.Is(gcstate.Archived, of[key]...)
			w.has(gcop.Forgotten{Key: key, Class: gcop.Expired}, []string{key + "1"}, of[key]...)
		}
		w.planned()
		keeps := map[string]string{}
		for key, ids := range of {
			for _, id := range ids {
				if r.IntN(4) > 0 {
					continue
				}
				switch why := []string{"linked", "asked", "restoring", "available", "owner", "place", "blind"}[r.IntN(7)]; why {
				case "linked":
					w.owner.sights[id] = Sight{Why: why}
				case "blind":
					w.owner.sights[id] = Sight{Blind: why}
				case "asked":
					w.held[id] = why
				case "restoring":
					w.state.Records[verbtest.Handle(id)] = gcstate.Record{Handle: verbtest.Handle(id), Status: gcstate.Restoring, Since: lately + 1}
				case "available":
					w.state.Records[verbtest.Handle(id)] = gcstate.Record{Handle: verbtest.Handle(id), Status: gcstate.Available, Since: lately + 1}
				case "owner":
					w.owner.Statuses[verbtest.Handle(id)] = gcstate.Statuses[r.IntN(3)]
				case "place":
					w.Server.Put(lab, key, []byte("x"), mem.PutOptions{})
				}
				keeps[key] += id + " "
			}
		}
		w.must()
		there := w.lists(depot)
		for key := range of {
			if got := strings.Contains(there, "lab/"+key+"="); got != (keeps[key] != "") {
				t.Errorf("seed %d: %s is there: %v; kept by %q", seed, key, got, keeps[key])
			}
		}
	}
}
