package detect

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"cooper"
	"cooper/internal/gcstate"
	"cooper/internal/ledger/gcfacts"
)

// ripeConfig has two kinds, of which the owner of one tells a status.
const ripeConfig = `version: 1
database: mysql:env:APP
buckets: [data, more]
handles:
  new: {table: files, id: id, bucket: bucket, key: key, modified: at, status: {column: status%s}}
  old: {table: old, id: id, bucket: bucket, key: key, modified: at}
protect: [{prefix: keep/}]
associations:
  posts: {table: posts, object: id, handle: file}
detect: {settle: 0h}
archive: {bucket: archive, smallest: 500}
`

func ripeWorld(t *testing.T, status string, records ...gcstate.Record) *world {
	w := newWorld(t, fmt.Sprintf(ripeConfig, status))
	for i := range records {
		if records[i].Kind == "" {
			records[i].Kind = "new"
		}
	}
	w.state = &memory{records: records}
	return w
}

// newOf is a handle of the kind new, with its key.
func newOf(id, key, status string, change ...func(*gcfacts.Handle)) gcfacts.Handle {
	return file(id, append(change, func(h *gcfacts.Handle) { h.Kind, h.Key, h.Status = "new", key, status })...)
}

func oldOf(id, key string) gcfacts.Handle {
	return file(id, func(h *gcfacts.Handle) { h.Kind, h.Key, h.Status = "old", key, "" })
}

func (f *found) wantRipe(t *testing.T, archive, delayed, small, missing string) {
	t.Helper()
	for list, want := range map[string]string{"archive": archive, "archive_delayed": delayed, "archive_small": small, "archive_missing": missing} {
		var got []string
		for _, line := range f.lists[list] {
			c := strings.Split(line, "\t")
			if list == "archive" {
				c = c[:2]
			}
			got = append(got, strings.Join(c[1:], ":"))
		}
		if s := strings.Join(got, " "); s != want {
			t.Errorf("%s: %q, want %q", list, s, want)
		}
	}
}

// TestRipe: an object may go when each of its handles may, whatever kind it is of, and nothing keeps one of them.
func TestRipe(t *testing.T) {
	w := ripeWorld(t, "", record("1", gcstate.Unlinked, 31), record("2", gcstate.Unlinked, 29), record("3", gcstate.Unlinked, 40), record("4", gcstate.Unlinked, 40), record("5", gcstate.Unlinked, 40),
		record("6", gcstate.Unlinked, 40), record("7", gcstate.Unlinked, 40), record("8", gcstate.Unlinked, 40), record("9", gcstate.Unlinked, 40), record("10", gcstate.Archived, 40), record("11", gcstate.Unlinked, 40),
		record("12", gcstate.Archived, 40), record("13", gcstate.Unlinked, 40), record("14", gcstate.Unlinked, 40), record("15", gcstate.Unlinked, 40), record("16", gcstate.Restoring, 40), record("17", gcstate.Unlinked, 40))
	w.scans(func(r *reading) {
		r.handles(newOf("1", "a", "AVAILABLE"), newOf("2", "young", "AVAILABLE"), newOf("3", "shared", "AVAILABLE"), oldOf("30", "shared"), newOf("4", "b", "AVAILABLE"), newOf("5", "b", "AVAILABLE"),
			newOf("6", "keep/x", "AVAILABLE"), newOf("7", "held", "AVAILABLE"), newOf("8", "small", "AVAILABLE", func(h *gcfacts.Handle) { h.Size = 499 }), newOf("9", "with archived", "AVAILABLE"), newOf("10", "with archived", "AVAILABLE"),
			newOf("11", "with linked archived", "AVAILABLE"), newOf("12", "with linked archived", "AVAILABLE"), newOf("13", "gone", "AVAILABLE"), newOf("14", "left out", "AVAILABLE"),
			newOf("140", "left out", "AVAILABLE", func(h *gcfacts.Handle) { h.Candidate = false }), newOf("15", "with restoring", "AVAILABLE"), newOf("16", "with restoring", "AVAILABLE"), newOf("17", "derived", "AVAILABLE"), newOf("18", "source", "AVAILABLE"))
		must(t, r.Link("posts", "1", gcfacts.Target{Kind: "new", ID: "12"}))
		must(t, r.Hold(gcfacts.Hold{Role: gcfacts.Protected, Table: "h", Kind: "new", ID: "7"}))
		must(t, r.Derived(gcfacts.Derived{Name: "d", Kind: "new", ID: "17", Source: "18"}))
	})
	var all []object
	for _, key := range []string{"a", "young", "shared", "keep/x", "held", "small", "with archived", "with linked archived", "left out", "with restoring", "derived", "source"} {
		all = append(all, object{key: key, days: 300})
	}
	w.inventory("data", 0, append(all, object{key: "b.zst", days: 300})...)
	f := w.detect()
	f.wantRipe(t, "a b with archived", "left out:new:140 shared:old:30 with linked archived:new:12 with restoring:new:16", "small", "gone")
	// A copy of the state by which one was linked lately counts.
	must(t, w.facts.KeepByHand(ctx, []gcfacts.KeptByHand{{Scope: scope, Kind: "new", ID: "1", Keep: true}}))
	w.detect().wantRipe(t, "b with archived", "left out:new:140 shared:old:30 with linked archived:new:12 with restoring:new:16", "small", "gone")
}

// TestRipeWithoutInventory: nothing is known to be there, or not.
func TestRipeWithoutInventory(t *testing.T) {
	w := ripeWorld(t, "", record("1", gcstate.Unlinked, 40), record("2", gcstate.Unlinked, 40))
	w.scans(func(r *reading) { r.handles(newOf("1", "a", "AVAILABLE"), newOf("2", "b", "AVAILABLE")) })
	f := w.detect()
	f.wantRipe(t, "", "", "", "")
	said := false
	for _, u := range f.Unknown {
		said = said || u.List == gcfacts.Ripes && u.Bucket == "data"
	}
	if !said {
		t.Errorf("%+v", f.Unknown)
	}
	// An inventory that is older than the handle cannot tell that its object is not there.
	w.inventory("data", 401, object{key: "a", days: 500})
	w.detect().wantRipe(t, "a", "", "", "")
}

// TestRipeByItsOwner: what a column says that Cooper writes must agree; since when, in a column that nobody
// reads, is not known.
func TestRipeByItsOwner(t *testing.T) {
	scans := func(w *world) *found {
		w.scans(func(r *reading) {
			r.handles(newOf("1", "a", "AVAILABLE"), newOf("2", "b", "UNLINKED"), newOf("3", "c", "UNLINKED"))
		})
		w.inventory("data", 0, object{key: "a", days: 300}, object{key: "b", days: 300}, object{key: "c", days: 300})
		return w.detect()
	}
	scans(ripeWorld(t, "", record("1", gcstate.Unlinked, 40), record("2", gcstate.Unlinked, 40))).wantRipe(t, "a b c", "", "", "")
	scans(ripeWorld(t, ", write: true", record("1", gcstate.Unlinked, 40), record("2", gcstate.Unlinked, 40))).wantRipe(t, "b c", "", "", "")
	scans(ripeWorld(t, ", write: true, changed: since", record("1", gcstate.Unlinked, 40), record("2", gcstate.Unlinked, 40))).wantRipe(t, "b", "", "", "")
	scans(ripeWorld(t, ", write: true, changed: at", record("2", gcstate.Unlinked, 10))).wantRipe(t, "c", "", "", "")
}

// TestIncidentOldWordOfItsOwner: a column that Cooper writes still had a file as UNLINKED, from before it was linked again: an old
// database had been put back. Without a link for some days it was taken to be without one since it was uploaded, and moved. It begins anew.
func TestIncidentOldWordOfItsOwner(t *testing.T) {
	w := ripeWorld(t, ", write: true", record("1", gcstate.Available, 200), record("2", gcstate.Unlinked, 40))
	w.scans(func(r *reading) { r.handles(newOf("1", "a", "UNLINKED"), newOf("2", "b", "UNLINKED")) })
	w.inventory("data", 0, object{key: "a", days: 300}, object{key: "b", days: 300})
	f := w.detect()
	f.wantRipe(t, "b", "", "", "")
	f.want(t, "kept", "new:1 not-in-all-scans") // like any that is AVAILABLE
}

// TestFenced: one that is ARCHIVING may go, and whether a scan has begun since is told; a link that was seen since keeps it,
// and so does a key that was written since.
func TestFenced(t *testing.T) {
	soon := record("2", gcstate.Archiving, 0)
	soon.Since = cooper.InstantOf(ago(0).Time().Add(-margin + time.Minute))
	w := ripeWorld(t, "", record("1", gcstate.Archiving, 1), soon, record("3", gcstate.Archiving, 1), record("4", gcstate.Archiving, 1))
	w.scans(func(r *reading) {
		r.handles(newOf("1", "a", "AVAILABLE"), newOf("2", "b", "AVAILABLE"), newOf("3", "c", "AVAILABLE"), newOf("4", "written again", "AVAILABLE"))
		must(t, r.Link("posts", "1", gcfacts.Target{Kind: "new", ID: "3"}))
	})
	w.inventory("data", 0, object{key: "a", days: 300}, object{key: "b", days: 300}, object{key: "c", days: 300}, object{key: "written again", days: 2})
	f := w.detect()
	f.wantRipe(t, "a b", "", "", "")
	f.want(t, "relinked", "new:3 ARCHIVING")
	if got := strings.Join(f.lists["cleared"], " "); got != "new:1" {
		t.Errorf("cleared are %q", got)
	}
}

// TestAskedFor: what a guard was asked for since the newest scan began may not go, nor may its object.
func TestAskedFor(t *testing.T) {
	w := ripeWorld(t, "", record("1", gcstate.Unlinked, 40), record("2", gcstate.Unlinked, 40), record("3", gcstate.Archiving, 1), record("4", gcstate.Unlinked, 40))
	w.scans(func(r *reading) {
		r.handles(newOf("1", "a", "AVAILABLE"), newOf("2", "b", "AVAILABLE"), newOf("3", "c", "AVAILABLE"), newOf("4", "b", "AVAILABLE"))
	})
	w.inventory("data", 0, object{key: "a", days: 300}, object{key: "b", days: 300}, object{key: "c", days: 300})
	w.detect().wantRipe(t, "a b c", "", "", "")
	w.change = func(in *Inputs) {
		in.Asked = func(kind, id string) bool {
			return kind == "new" && (id == "2" || id == "3") || kind == "old" && id == "1"
		}
	}
	w.detect().wantRipe(t, "a", "b:new:2", "", "")
}

// TestIncidentArchivedSinceTheScan: what we have done since the newest scan is newer than what its owner said in it: an object
// that was moved is not missing because of that, and one that came back is not linked again.
func TestIncidentArchivedSinceTheScan(t *testing.T) {
	lately := func(id string, s gcstate.Status) gcstate.Record {
		r := record(id, s, 0)
		r.Since = cooper.InstantOf(ago(0).Time().Add(time.Hour))
		return r
	}
	w := ripeWorld(t, ", write: true", lately("1", gcstate.Archived), lately("2", gcstate.Available), record("3", gcstate.Archived, 10), lately("4", gcstate.Available))
	w.scans(func(r *reading) {
		r.handles(newOf("1", "a", "UNLINKED"), newOf("2", "b", "ARCHIVED"), newOf("3", "c", "UNLINKED"), newOf("4", "d", "ARCHIVED"))
		must(t, r.Link("posts", "1", gcfacts.Target{Kind: "new", ID: "4"}))
	})
	w.inventory("data", 0, object{key: "b", days: 300}, object{key: "c", days: 300}, object{key: "d", days: 300})
	f := w.detect()
	f.wantRipe(t, "", "", "", "") // what its owner has said since is as young as our own word
	f.want(t, "relinked")
	f.want(t, "kept", "new:2 young")
	for _, r := range f.Refusals {
		if r.What == Lost {
			t.Errorf("refused: %s", r.Why)
		}
	}
}

// TestExpired: what has been in the archive for long enough may be deleted when each of its handles has, and nothing keeps one of them.
func TestExpired(t *testing.T) {
	config := strings.Replace(ripeConfig, "smallest: 500", "smallest: 500, keep: 100d", 1)
	records := []gcstate.Record{record("1", gcstate.Archived, 101), record("2", gcstate.Archived, 99), record("3", gcstate.Archived, 200), record("4", gcstate.Archived, 200), record("5", gcstate.Archived, 50), record("6", gcstate.Archived, 200),
		record("7", gcstate.Archived, 200), record("8", gcstate.Archived, 200), record("9", gcstate.Restoring, 200), record("10", gcstate.Archived, 200), record("11", gcstate.Archived, 200), record("12", gcstate.Unlinked, 200),
		record("13", gcstate.Archived, 200), record("14", gcstate.Archived, 200), record("15", gcstate.Archived, 200), record("16", gcstate.Archived, 200), record("17", gcstate.Deleted, 200), record("18", gcstate.Archived, 200)}
	scans := func(config string) *world {
		w := newWorld(t, fmt.Sprintf(config, ""))
		for i := range records {
			records[i].Kind = "new"
		}
		w.state = &memory{records: records}
		w.scans(func(r *reading) {
			r.handles(newOf("1", "a", "AVAILABLE"), newOf("2", "young", "AVAILABLE"), newOf("3", "shared", "AVAILABLE"), oldOf("30", "shared"), newOf("4", "half", "AVAILABLE"), newOf("5", "half", "AVAILABLE"), newOf("6", "linked", "AVAILABLE"),
				newOf("7", "held", "AVAILABLE"), newOf("8", "restoring", "AVAILABLE"), newOf("9", "restoring", "AVAILABLE"), newOf("10", "keep/x", "AVAILABLE"), newOf("11", "beside", "AVAILABLE"), newOf("12", "beside", "AVAILABLE"),
				newOf("13", "asked", "AVAILABLE"), newOf("14", "kept", "AVAILABLE"), newOf("15", "back", "AVAILABLE"), newOf("16", "deleted", "AVAILABLE"), newOf("17", "deleted", "AVAILABLE"), newOf("18", "b", "AVAILABLE"))
			must(t, r.Link("posts", "1", gcfacts.Target{Kind: "new", ID: "6"}))
			must(t, r.Hold(gcfacts.Hold{Role: gcfacts.Protected, Table: "h", Kind: "new", ID: "7"}))
		})
		w.inventory("data", 0, object{key: "back", days: 300}, object{key: "beside", days: 300})
		w.change = func(in *Inputs) { in.Asked = func(_, id string) bool { return id == "13" } }
		must(t, w.facts.KeepByHand(ctx, []gcfacts.KeptByHand{{Scope: scope, Kind: "new", ID: "14", Keep: true}}))
		return w
	}
	f := scans(config).detect()
	f.want(t, "delete", "data a", "data b")
	f.want(t, "delete_delayed", "data back", "data deleted", "data deleted new:17", "data half", "data half new:5", "data restoring", "data restoring new:9", "data shared", "data shared old:30")
	f.wantRipe(t, "beside", "", "", "")
	f = scans(ripeConfig).detect()
	f.want(t, "delete")
	f.want(t, "delete_delayed")
}

// TestExpiredUnknown: without an inventory of the bucket nobody knows whether the object is in its place.
func TestExpiredUnknown(t *testing.T) {
	w := newWorld(t, fmt.Sprintf(strings.Replace(ripeConfig, "smallest: 500", "keep: 100d", 1), ""))
	r := record("1", gcstate.Archived, 200)
	r.Kind = "new"
	w.state = &memory{records: []gcstate.Record{r}}
	w.scans(func(r *reading) { r.handles(newOf("1", "a", "AVAILABLE")) })
	f := w.detect()
	f.want(t, "delete")
	f.want(t, "delete_delayed")
}

// TestDerivedAfterSource: what was made from others goes once all of these were proven in the archive, by Cooper's own word, which
// their owner does not contradict: it becomes a candidate first, and may go as any other afterwards.
func TestDerivedAfterSource(t *testing.T) {
	look := func(status string, source string, records ...gcstate.Record) *found {
		t.Helper()
		w := ripeWorld(t, status, records...)
		w.scans(func(r *reading) {
			r.handles(newOf("1", "source", source), newOf("2", "other source", "AVAILABLE"), newOf("3", "preview", "AVAILABLE"), newOf("4", "preview of a preview", "AVAILABLE"), newOf("5", "of two", "AVAILABLE"))
			for _, pair := range [][2]string{{"3", "1"}, {"4", "3"}, {"5", "1"}, {"5", "2"}, {"3", "999"}} {
				must(t, r.Derived(gcfacts.Derived{Name: "d", Kind: "new", ID: pair[0], Source: pair[1]}))
			}
			must(t, r.Link("posts", "1", gcfacts.Target{Kind: "new", ID: "6"}))
		})
		w.inventory("data", 0, object{key: "preview", days: 300}, object{key: "preview of a preview", days: 300}, object{key: "of two", days: 300}, object{key: "other source", days: 300})
		return w.detect()
	}
	const goes = " " + DerivedGoes
	archived := record("1", gcstate.Archived, 2)
	f := look("", "ARCHIVED", archived)
	f.want(t, "candidates", "new:2 1000", "new:3 1000")
	f.want(t, "kept", "new:4"+goes, "new:5"+goes)
	look("", "ARCHIVED", archived, record("3", gcstate.Unlinked, 31), record("2", gcstate.Deleted, 1)).wantRipe(t, "preview", "", "", "")
	f = look("", "ARCHIVED", archived, record("3", gcstate.Archived, 2), record("2", gcstate.Deleted, 1))
	f.want(t, "candidates", "new:4 1000", "new:5 1000")
	for status, source := range map[string]string{"": "UNLINKED", ", write: true": "AVAILABLE"} {
		look(status, source, archived).want(t, "kept", "new:3"+goes, "new:4"+goes, "new:5"+goes)
	}
	look("", "ARCHIVED").want(t, "kept", "new:3"+goes, "new:4"+goes, "new:5"+goes) // by its owner's word alone
	look("", "AVAILABLE", archived).want(t, "kept", "new:4"+goes, "new:5"+goes)    // whom nobody tells
}

// TestIncidentOwnerWithoutAWord: a column that has no value for ARCHIVING or RESTORING says ARCHIVED instead. What is closed
// and waits may go all the same, and needs its object; what is on its way back is not in the archive for good.
func TestIncidentOwnerWithoutAWord(t *testing.T) {
	w := ripeWorld(t, ", write: true", record("1", gcstate.Archiving, 1), record("2", gcstate.Unlinked, 40), record("3", gcstate.Restoring, 1), record("4", gcstate.Archiving, 1))
	w.scans(func(r *reading) {
		r.handles(newOf("1", "a", "ARCHIVED"), newOf("2", "b", "UNLINKED"), newOf("3", "b", "ARCHIVED"), newOf("4", "c", "ARCHIVED"))
		must(t, r.Link("posts", "1", gcfacts.Target{Kind: "new", ID: "4"}))
	})
	w.inventory("data", 0, object{key: "a", days: 300}, object{key: "b", days: 300}, object{key: "c", days: 300})
	f := w.detect()
	f.wantRipe(t, "a", "b:new:3", "", "")
	f.want(t, "relinked", "new:4 ARCHIVING")
	if got := strings.Join(f.lists["cleared"], " "); got != "new:1" {
		t.Errorf("cleared are %q", got)
	}
}

// TestIncidentOneForTwo: KEY was compressed to KEY.zst, which has a handle of its own. When that could go, it went, and with it
// the only bytes of a file that was AVAILABLE. Each keeps the object for the other until that is in the archive.
func TestIncidentOneForTwo(t *testing.T) {
	look := func(records []gcstate.Record, objects ...object) *found {
		t.Helper()
		w := ripeWorld(t, "", records...)
		w.scans(func(r *reading) {
			r.handles(newOf("1", "a", "AVAILABLE"), newOf("2", "a.zst", "AVAILABLE"), newOf("3", "b.zst", "AVAILABLE"))
		})
		w.inventory("data", 0, append(objects, object{key: "b.zst", days: 300})...)
		return w.detect()
	}
	compressed, both := object{key: "a.zst", days: 300}, []object{{key: "a", days: 300}, {key: "a.zst", days: 300}}
	unlinked := func(id string) gcstate.Record { return record(id, gcstate.Unlinked, 40) }
	look([]gcstate.Record{unlinked("2"), unlinked("3")}, compressed).wantRipe(t, "b.zst", "a.zst:new:1", "", "")
	look([]gcstate.Record{unlinked("1"), unlinked("3")}, compressed).wantRipe(t, "b.zst", "a:new:2", "", "")
	look([]gcstate.Record{unlinked("1"), unlinked("2")}, compressed).wantRipe(t, "", "a:new:2 a.zst:new:1", "", "")
	look([]gcstate.Record{unlinked("2"), record("1", gcstate.Archived, 40)}, compressed).wantRipe(t, "a.zst", "", "", "")
	// Where both are there, they are two objects.
	look([]gcstate.Record{unlinked("2")}, both...).wantRipe(t, "a.zst", "", "", "")
	look([]gcstate.Record{unlinked("1")}, both...).wantRipe(t, "a", "", "", "")
}
