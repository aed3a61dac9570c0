package recall

import (
	"net/http"
	"strings"
	"testing"

	"cooper/internal/gcop"
	"cooper/internal/verb/verbtest"

	"cooper"
	"cooper/internal/bucketop/bucketoptest"
	"cooper/internal/gcstate"
	"cooper/internal/store"
	"cooper/internal/store/mem"
)

// TestBack: objects come back with all their versions; who was asked for is AVAILABLE, the others UNLINKED as of now; the
// copies stay.
func TestBack(t *testing.T) {
	for _, versioning := range []string{"", "Enabled"} {
		w := newWorld(t, versioning, "Enabled", "STANDARD_IA")
		bodies := []string{"1"}
		if versioning == "Enabled" {
			bodies = []string{"1", "2", "3"}
		}
		w.has("a", bodies, "1", "2")
		w.has("b.zst", []string{"z"}, "3")
		w.has("c", []string{""}, "4")
		w.has("d", []string{"d"}, "5")
		before := w.lists(lab)
		w.archived()
		there := w.lists(depot)
		verbtest.Want(t, "archived", w.lists(lab), "")
		w.wants("2", "3", "4", "5")
		verbtest.Want(t, "outcomes", bucketoptest.Statuses(w.must()), "done done done done")
		verbtest.Want(t, "back", w.lists(lab), before)
		verbtest.Want(t, "archive", w.lists(depot), there)
		verbtest.Want(t, "statuses", w.owner.Tells(), "1 UNLINKED/UNLINKED, 2 AVAILABLE/AVAILABLE, 3 AVAILABLE/AVAILABLE, 4 AVAILABLE/AVAILABLE, 5 AVAILABLE/AVAILABLE")
		if since := w.state.Of(verbtest.Handle("1")).Since; since < 1e12 {
			t.Errorf("UNLINKED since %s, which is not now", since)
		}
		lab, done := w.Begin()
		defer done()
		tags, err := lab.Tags(t.Context(), ref("d"))
		verbtest.Must(t, err)
		o, err := lab.Head(t.Context(), ref("d"), 0)
		verbtest.Must(t, err)
		if len(o.Metadata) != 1 || o.Metadata["own"] != "d" || o.ContentType != "text/x" || tags["t"] != "d" || o.StorageClass != "" && o.StorageClass != "STANDARD" {
			t.Errorf("it has become another: %+v, %v", o, tags)
		}
		// Again: there is nothing to do.
		w.wants("2", "3", "4", "5")
		verbtest.Want(t, "again", bucketoptest.Statuses(w.must())+w.plan.Skipped(), "4 AVAILABLE already")
	}
}

// TestStays: what has not gone yet stays, and says so at its owner's, too.
func TestStays(t *testing.T) {
	w := newWorld(t, "", "", "STANDARD_IA")
	w.has("a", []string{"1"}, "1", "2")
	w.has("b", []string{"1"}, "3")
	w.has("c", []string{"1"}, "4")
	w.has("d", []string{"1"}, "5")
	w.state.Records[verbtest.Handle("3")] = gcstate.Record{Handle: verbtest.Handle("3"), Status: gcstate.Archiving, Since: 9}
	w.owner.Statuses[verbtest.Handle("3")] = gcstate.Archiving
	w.Server.DeleteVersion(lab, "c", cooper.NullVersion)
	w.Server.DeleteVersion(lab, "d", cooper.NullVersion)
	w.Server.Put(depot, "lab/d", []byte("1"), mem.PutOptions{Metadata: map[string]string{gcop.NoteVersion: "null", gcop.NoteETag: "x"}})
	w.wants("1", "3", "4", "5")
	outs := w.must()
	verbtest.Want(t, "outcomes", bucketoptest.Statuses(outs), "done done missing conflict")
	verbtest.Want(t, "statuses", w.owner.Tells(), "1 AVAILABLE/AVAILABLE, 2 UNLINKED/UNLINKED, 3 AVAILABLE/AVAILABLE, 4 UNLINKED/UNLINKED, 5 UNLINKED/UNLINKED")
}

// TestHalfGone: what was stopped on its way, with some versions gone, does not stay as if nothing had been.
func TestHalfGone(t *testing.T) {
	w := newWorld(t, "Enabled", "Enabled", "STANDARD_IA")
	w.has("a", []string{"1", "2"}, "1")
	w.state.Records[verbtest.Handle("1")] = gcstate.Record{Handle: verbtest.Handle("1"), Status: gcstate.Archiving, Since: 9}
	w.owner.Statuses[verbtest.Handle("1")] = gcstate.Archiving
	w.Server.Put(depot, "lab/a", []byte("1"), mem.PutOptions{Metadata: map[string]string{gcop.NoteVersion: "gone", gcop.NoteETag: "x"}})
	w.wants("1")
	verbtest.Want(t, "outcomes", bucketoptest.Statuses(w.must()), "conflict")
	verbtest.Want(t, "statuses", w.owner.Tells(), "1 ARCHIVING/ARCHIVING")
}

// TestClasses: what has to be asked for is RESTORING until it can be read: with days out of GLACIER and DEEP_ARCHIVE,
// without out of Intelligent-Tiering.
func TestClasses(t *testing.T) {
	for _, c := range []struct{ class, tier, asked string }{
		{"GLACIER", "", "<Days>7</Days>"}, {"DEEP_ARCHIVE", "", "<Days>7</Days>"}, {"INTELLIGENT_TIERING", "DEEP_ARCHIVE", ""},
	} {
		w := newWorld(t, "Enabled", "Enabled", c.class)
		w.has("a", []string{"1", "2"}, "1", "2")
		w.archived()
		for _, v := range w.Server.Versions(depot) {
			if v.Key == "lab/a" && c.tier != "" {
				w.Server.SetClass(depot, v.Key, v.VersionID, c.class, c.tier)
			}
		}
		for range 2 { // asked for; asked for already
			w.wants("1")
			verbtest.Want(t, c.class, bucketoptest.Statuses(w.must()), "deferred")
			verbtest.Want(t, c.class, w.owner.Tells()+w.lists(lab), "1 RESTORING/RESTORING, 2 ARCHIVED/ARCHIVED")
		}
		asked := strings.Join(w.Trace, "\n")
		if strings.Count(asked, "RestoreObject") != 2 || strings.Contains(asked, "Days") != (c.asked != "") || !strings.Contains(asked, c.asked) {
			t.Errorf("%s: asked for by\n%s", c.class, asked)
		}
		w.brings("lab/a")
		w.wants("1")
		verbtest.Want(t, c.class, bucketoptest.Statuses(w.must()), "done")
		verbtest.Want(t, c.class, w.owner.Tells()+" "+w.lists(lab), "1 AVAILABLE/AVAILABLE, 2 UNLINKED/UNLINKED a=2! a=1")
	}
}

// TestInTheWay: nothing that is in the place by now is overwritten, whatever it is; the same bytes are taken up.
func TestInTheWay(t *testing.T) {
	const archived = "1 ARCHIVED/ARCHIVED"
	for name, c := range map[string]struct {
		versioning string
		there      func(w *world)
		outcome    string
		left       string
	}{
		"something newer": {"Enabled", func(w *world) { w.Server.Put(lab, "a", []byte("9"), mem.PutOptions{}) }, "conflict", "a=9!"},
		"not versioned":   {"", func(w *world) { w.Server.Put(lab, "a", []byte("9"), mem.PutOptions{}) }, "conflict", "a=9!"},
		"a deletion":      {"Enabled", func(w *world) { w.Server.Delete(lab, "a") }, "conflict", "a deleted!"},
		"other metadata":  {"", func(w *world) { w.Server.Put(lab, "a", []byte("1"), mem.PutOptions{ContentType: "text/x"}) }, "conflict", "a=1!"},
		"other tags": {"", func(w *world) {
			w.Server.Put(lab, "a", []byte("1"), mem.PutOptions{ContentType: "text/x", Metadata: map[string]string{"own": "1"}})
		}, "conflict", "a=1!"},
		"the same": {"", func(w *world) { w.has("a", []string{"1"}) }, "done", "a=1!"},
		"other bytes": {"", func(w *world) {
			w.Server.Put(lab, "a", []byte("9"), mem.PutOptions{ContentType: "text/x", Metadata: map[string]string{"own": "1"}, Tags: map[string]string{"t": "a"}})
		}, "conflict", "a=9!"},
		"the same, and newer": {"Enabled", func(w *world) { w.has("a", []string{"1", "2"}) }, "conflict", "a=2! a=1"},
		"while it is copied": {"", func(w *world) {
			w.Before = func(op string) {
				if op == "CopyObject" {
					w.Server.Put(lab, "a", []byte("9"), mem.PutOptions{})
				}
			}
		}, "conflict", "a=9!"},
	} {
		w := newWorld(t, c.versioning, "", "STANDARD_IA")
		w.has("a", []string{"1"}, "1")
		w.archived()
		c.there(w)
		w.objects["a"] = []string{"1"}
		w.wants("1")
		verbtest.Want(t, name, bucketoptest.Statuses(w.must()), c.outcome)
		verbtest.Want(t, name, w.lists(lab), c.left)
		verbtest.Want(t, name, w.lists(depot), "lab/a=1!")
		if c.outcome == "done" {
			continue
		}
		verbtest.Want(t, name, w.owner.Tells(), archived)
		if r := w.state.Of(verbtest.Handle("1")); !strings.Contains(r.Reason, "in its place") {
			t.Errorf("%s: withheld because %q", name, r.Reason)
		}
	}
}

// TestCannot: what cannot come back stays ARCHIVED, and says why.
func TestCannot(t *testing.T) {
	for name, c := range map[string]struct {
		harm    func(w *world)
		outcome string
	}{
		"gone": {func(w *world) { w.Server.DeleteVersion(depot, "lab/a", cooper.NullVersion) }, "missing"},
		"another's": {func(w *world) {
			w.Server.DeleteVersion(depot, "lab/a", cooper.NullVersion)
			w.Server.Put(depot, "lab/a", []byte("1"), mem.PutOptions{})
		}, "missing"},
		"not whole": {func(w *world) { // what is copied has other bytes than its sum says
			w.Before = func(op string) {
				if op == "CopyObject" {
					w.Server.OverwriteNull(depot, "lab/a", []byte("9"), mem.PutOptions{Metadata: map[string]string{gcop.NoteVersion: "null", gcop.NoteETag: "x", "own": "1"}, ContentType: "text/x"})
				}
			}
		}, "changed"},
	} {
		w := newWorld(t, "", "", "STANDARD_IA")
		w.has("a", []string{"1"}, "1")
		w.archived()
		c.harm(w)
		w.wants("1")
		verbtest.Want(t, name, bucketoptest.Statuses(w.must()), c.outcome)
		verbtest.Want(t, name, w.owner.Tells()+w.lists(lab), "1 ARCHIVED/ARCHIVED")
		w.Before = nil
		if r := w.state.Of(verbtest.Handle("1")); r.Before != gcstate.Restoring || !strings.Contains(r.Reason, "(q-1)") {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

// TestChangedMeanwhile: a handle that is not what the plan says is left, with its object.
func TestChangedMeanwhile(t *testing.T) {
	w := newWorld(t, "", "", "STANDARD_IA")
	w.has("a", []string{"1"}, "1", "2")
	w.archived()
	w.wants("1")
	r := w.state.Of(verbtest.Handle("1"))
	r.Since++
	w.state.Records[verbtest.Handle("1")] = r
	verbtest.Want(t, "outcomes", bucketoptest.Statuses(w.must()), "changed")
	verbtest.Want(t, "statuses", w.owner.Tells()+w.lists(lab), "1 ARCHIVED/ARCHIVED, 2 ARCHIVED/ARCHIVED")

	// Another of its object that was changed is left alone, and nothing else.
	w.wants("1")
	w.state.Records[verbtest.Handle("2")] = gcstate.Record{Handle: verbtest.Handle("2"), Status: gcstate.Deleted, Since: 99}
	verbtest.Want(t, "outcomes", bucketoptest.Statuses(w.must()), "done")
	verbtest.Want(t, "statuses", w.owner.Tells()+w.lists(lab), "1 AVAILABLE/AVAILABLE, 2 DELETED/ARCHIVEDa=1!")
}

// TestNobodyIsTold: without an owner the state is all there is.
func TestNobodyIsTold(t *testing.T) {
	w := newWorld(t, "", "", "STANDARD_IA")
	w.has("a", []string{"1"}, "1")
	w.archived()
	w.mute = true
	w.wants("1")
	verbtest.Want(t, "outcomes", bucketoptest.Statuses(w.must()), "done")
	verbtest.Want(t, "statuses", w.owner.Tells(), "1 AVAILABLE/ARCHIVED")
}

// TestNotProven: what was copied back and has other bytes is not said to be back.
func TestNotProven(t *testing.T) {
	w := newWorld(t, "", "", "STANDARD_IA")
	w.has("a", []string{"1"}, "1")
	w.archived()
	w.Before = func(string) {
		if b, _ := w.Server.Body(lab, "a", ""); string(b) == "1" {
			w.Server.OverwriteNull(lab, "a", []byte("9"), mem.PutOptions{ContentType: "text/x", Metadata: map[string]string{"own": "1"}, Tags: map[string]string{"t": "a"}})
		}
	}
	w.wants("1")
	verbtest.Want(t, "outcomes", bucketoptest.Statuses(w.must()), "corrupt")
	verbtest.Want(t, "statuses", w.owner.Tells(), "1 ARCHIVED/ARCHIVED")
}

// TestClassOfTheOriginal: what comes back has the class that it had, if it can be read at once in it and the store takes it.
func TestClassOfTheOriginal(t *testing.T) {
	for _, c := range []struct {
		class, back string
		refused     bool
	}{
		{"STANDARD", "", false}, {"STANDARD_IA", "STANDARD_IA", false}, {"GLACIER_IR", "GLACIER_IR", false}, {"INTELLIGENT_TIERING", "INTELLIGENT_TIERING", false}, {"EXPRESS_ONEZONE", "", false}, {"STANDARD_IA", "", true},
	} {
		w := newWorld(t, "Enabled", "", "ONEZONE_IA")
		w.has("a", []string{"1"}, "1")
		w.Server.SetClass(lab, "a", w.Server.Versions(lab)[0].VersionID, c.class, "")
		w.archived()
		if c.refused {
			line := w.Line
			w.Line = func(op string, r *http.Request, body []byte) string {
				if r.Header.Get("X-Amz-Storage-Class") != "" {
					r.Header.Set("X-Amz-Storage-Class", "CHEAP")
				}
				return line(op, r, body)
			}
		}
		w.wants("1")
		verbtest.Want(t, c.class, bucketoptest.Statuses(w.must())+" "+w.lists(lab), "done a=1!")
		for _, v := range w.Server.Versions(lab) {
			if !store.SameClass(v.StorageClass, c.back) {
				t.Errorf("%+v: is back in %q", c, v.StorageClass)
			}
		}
	}
}

// TestColder: what was taken out of a class that can be read, after it was looked at, is asked for like the others.
func TestColder(t *testing.T) {
	w := newWorld(t, "", "", "STANDARD_IA")
	w.has("a", []string{"1"}, "1")
	w.archived()
	w.Before = func(op string) {
		if op == "CopyObject" {
			w.Server.SetClass(depot, "lab/a", cooper.NullVersion, "GLACIER", "")
		}
	}
	w.wants("1")
	verbtest.Want(t, "outcomes", bucketoptest.Statuses(w.must()), "deferred")
	verbtest.Want(t, "statuses", w.owner.Tells()+w.lists(lab), "1 RESTORING/RESTORING")
	if asked := strings.Join(w.Trace, "\n"); strings.Count(asked, "RestoreObject") != 1 {
		t.Errorf("asked for by\n%s", asked)
	}
	w.Before = nil
	w.brings("lab/a")
	w.wants("1")
	verbtest.Want(t, "outcomes", bucketoptest.Statuses(w.must()), "done")
	verbtest.Want(t, "statuses", w.owner.Tells()+w.lists(lab), "1 AVAILABLE/AVAILABLEa=1!")
}
