package recall

import (
	"context"
	"slices"
	"strings"
	"testing"

	"cooper/internal/verb/verbtest"

	"cooper"
	"cooper/internal/bucketop/bucketoptest"
	"cooper/internal/gcop"
	"cooper/internal/gcstate"
	"cooper/internal/manifest"
	"cooper/internal/store/mem"
	"cooper/internal/tree/safefs/memfs"
)

// scene has an object of each sort: several versions and two handles, compressed, not gone yet, in the way, gone from the
// archive, to be asked for.
func scene(t *testing.T, versioning string) *world {
	w := newWorld(t, versioning, "Enabled", "STANDARD_IA")
	bodies := []string{"a1"}
	if versioning == "Enabled" {
		bodies = []string{"a1", "a2"}
	}
	w.has("a", bodies, "1", "2")
	w.has("b.zst", []string{"b1"}, "3")
	w.has("c", []string{"c1"}, "4", "5")
	w.has("d", []string{"d1"}, "6")
	w.has("e", []string{"e1"}, "7")
	w.archived()
	w.has("f", []string{"f1"}, "8", "9")
	w.Server.Put(lab, "c", []byte("c9"), mem.PutOptions{})
	for _, v := range w.Server.Versions(depot) {
		switch v.Key {
		case "lab/d":
			w.Server.DeleteVersion(depot, v.Key, v.VersionID)
		case "lab/e":
			w.Server.SetClass(depot, v.Key, v.VersionID, "GLACIER", "")
		}
	}
	return w
}

// comes tells what runs came to.
func (w *world) comes() string {
	told := slices.Clone(w.state.Heard)
	slices.Sort(told)
	return strings.Join([]string{w.lists(lab), w.lists(depot), w.owner.Tells(), bucketoptest.Statuses(w.Outcomes(w.plan)), strings.Join(slices.Compact(told), ", ")}, "\n")
}

// TestCrashes dies of every request, of every step at the owner's and in the state, and of every file operation, come to it
// or not, and goes on: what it comes to is what an undisturbed run comes to.
func TestCrashes(t *testing.T) {
	for _, versioning := range []string{"Enabled", "", "Suspended"} {
		if testing.Short() && versioning != "Enabled" {
			continue
		}
		w := scene(t, versioning)
		w.wants("1", "3", "4", "6", "7", "8")
		w.must()
		undisturbed, steps := w.comes(), len(w.Trace)
		t.Logf("%d steps:\n%s", steps, undisturbed)
		for at := 1; at <= steps; at++ {
			for _, deaf := range []bool{false, true} {
				w := scene(t, versioning)
				w.wants("1", "3", "4", "6", "7", "8")
				w.dies(at, deaf)
				w.Restart()
				verbtest.Must(t, w.process(context.Background()))
				verbtest.Want(t, "it comes to", w.comes(), undisturbed)
				if t.Failed() {
					t.Fatalf("versioning %q, step %d of %d: %s; deaf %v", versioning, at, steps, w.Trace[at-1], deaf)
				}
			}
		}
	}
}

// dies carries the plan out until a step.
func (w *world) dies(at int, deaf bool) {
	w.t.Helper()
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	w.Cancel, w.CrashAt, w.Deaf = cancel, at, deaf
	err := w.process(ctx)
	died := false
	w.Alone(func() { died = w.Dead })
	if !died && err != nil {
		w.t.Error(err)
	}
	w.CrashAt = 0
}

// TestWorkspaceLost: of every step it dies, its disk and its state are gone, and what the archive alone tells brings all
// back, here and at the owner's.
func TestWorkspaceLost(t *testing.T) {
	for _, versioning := range []string{"Enabled", ""} {
		w := scene(t, versioning)
		w.fromArchive()
		w.must()
		undisturbed := w.lists(lab) + "\n" + w.lists(depot) + "\n" + w.owners()
		w = scene(t, versioning)
		w.wants("1", "3", "4", "6", "7", "8")
		w.must()
		steps := len(w.Trace)
		for at := 1; at <= steps; at++ {
			w := scene(t, versioning)
			w.wants("1", "2", "3", "4", "6", "7")
			w.dies(at, at%2 == 0)
			w.Restart()
			w.Alone(func() {
				w.Disk = memfs.New()
				w.state.Records = map[gcstate.Handle]gcstate.Record{}
			})
			w.fromArchive()
			verbtest.Must(t, w.process(context.Background()))
			verbtest.Want(t, "it comes to", w.lists(lab)+"\n"+w.lists(depot)+"\n"+w.owners(), undisturbed)
			if t.Failed() {
				t.Fatalf("versioning %q, step %d of %d: %s", versioning, at, steps, w.Trace[at-1])
			}
		}
	}
}

// owners are the statuses that the owner has; what could not come back may be RESTORING or ARCHIVED there: readable it is
// not, and that it says.
func (w *world) owners() string {
	var all []string
	for _, id := range []string{"1", "2", "3", "4", "6", "7", "8"} {
		s := string(w.owner.Statuses[verbtest.Handle(id)])
		if s == string(gcstate.Restoring) {
			s = string(gcstate.Archived)
		}
		all = append(all, id+" "+s)
	}
	return strings.Join(all, ", ")
}

// TestFind: manifests tell of all handles, copies of one.
func TestFind(t *testing.T) {
	tell := func(w *world, wants func(bucket, key string) bool) string {
		from, done := w.BeginAt(depot)
		defer done()
		found, err := Find(t.Context(), from, wants)
		verbtest.Must(t, err)
		var all []string
		for _, f := range found {
			text := f.Bucket + "/" + f.Key
			for _, h := range f.Handles {
				text += " " + gcop.Handle(h.Kind, h.ID)
			}
			all = append(all, text+" "+f.Scope)
		}
		return strings.Join(all, "; ")
	}
	w := scene(t, "Enabled")
	w.Server.Put(depot, "lab/theirs", []byte("x"), mem.PutOptions{})
	const all = "lab/a 1 2 uuid/db; lab/b 3 uuid/db; lab/c 4 5 uuid/db; lab/e 7 uuid/db"
	verbtest.Want(t, "found", tell(w, nil), all)
	verbtest.Want(t, "some of it", tell(w, func(_, key string) bool { return key == "b" }), "lab/b 3 uuid/db")
	for _, v := range w.Server.Versions(depot) {
		if strings.HasPrefix(v.Key, manifest.Prefix) {
			w.Server.DeleteVersion(depot, v.Key, v.VersionID)
		}
	}
	verbtest.Want(t, "without manifests", tell(w, nil), "lab/a 1 ; lab/b.zst 3 ; lab/c 4 ; lab/e 7 ")
	w.Server.Put(depot, manifest.Prefix+"r-9/00000.jsonl.zst", []byte("no manifest"), mem.PutOptions{})
	from, done := w.BeginAt(depot)
	defer done()
	if _, err := Find(t.Context(), from, nil); cooper.KindOf(err) != cooper.KindCorrupt {
		t.Errorf("a manifest that is none: %v", err)
	}
}
