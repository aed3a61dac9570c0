package detect

import (
	"fmt"
	"testing"

	"cooper/internal/gcstate"
	"cooper/internal/ledger/gcfacts"
)

// The incidents of docs/gc-incidents.md that a detection decides.

// TestIncident01NoOverlap: links that lead to nothing that is there, as they are written in another way, refuse: to
// each handle nothing would lead.
func TestIncident01NoOverlap(t *testing.T) {
	w := newWorld(t, plainConfig)
	w.scans(func(r *reading) {
		for i := range 20 {
			id := fmt.Sprint(i)
			r.files(id)
			must(t, r.Link("posts", id, gcfacts.Target{Bucket: "data", Key: "/files/" + id}))
		}
	})
	f := w.detect()
	f.refused(t, Overlap)
	if len(f.lists["candidates"]) != 20 {
		t.Error("what was found is not written down")
	}
	for _, r := range f.Refusals {
		if Confirmable(&r) {
			t.Errorf("a person may confirm %v", r)
		}
	}
}

// TestIncident02SameKeyOtherBucket: handles and objects that name different buckets stop, and each is told.
func TestIncident02SameKeyOtherBucket(t *testing.T) {
	w := newWorld(t, plainConfig)
	var objects []object
	w.scans(func(r *reading) {
		for i := range 9 {
			r.files(fmt.Sprint(i + 1))
		}
		r.links("1", "2", "3", "4", "5", "6", "7", "8")
	})
	for i := range 9 {
		objects = append(objects, object{key: fmt.Sprintf("files/%d", i+1), days: 100})
	}
	w.inventory("data", 0)
	w.inventory("more", 0, objects...)
	f := w.detect()
	f.refused(t, Overlap, Lost)
	if n := f.lists["near"]; len(n) != 9 || n[0] != "1\tdata\tfiles/1\tmore" {
		t.Error(n)
	}
	if len(f.lists["apart"]) != 9 {
		t.Errorf("%v", f.lists["apart"])
	}
}

// TestIncident03TwoOwnersOneBucket: objects in a folder where no handle lives are listed apart.
func TestIncident03TwoOwnersOneBucket(t *testing.T) {
	w := newWorld(t, plainConfig)
	w.scans(func(r *reading) { r.files("1", "2"); r.links("1", "2") })
	w.inventory("data", 0, object{key: "files/1", days: 100}, object{key: "files/2", days: 100}, object{key: "files/lost", days: 100}, object{key: "theirs/1", days: 100}, object{key: "theirs/2", days: 100}, object{key: "theirs/3", days: 100})
	f := w.detect()
	f.want(t, "unindexed", "data files/lost 500", "data theirs/1 500", "data theirs/2 500", "data theirs/3 500")
	f.want(t, "apart", "data theirs/1 no-handle-here", "data theirs/2 no-handle-here", "data theirs/3 no-handle-here")
	f.refused(t)
}

// TestIncident04PrefixBoundary: a prefix ends where it ends.
func TestIncident04PrefixBoundary(t *testing.T) {
	w := newWorld(t, plainConfig)
	at := func(bucket, key string) func(*gcfacts.Handle) {
		return func(h *gcfacts.Handle) { h.Bucket, h.Key = bucket, key }
	}
	w.scans(func(r *reading) {
		r.handles(file("1", at("more", "only/x")), file("2", at("more", "only_2/x")), file("3", at("data", "keep/x")), file("4", at("data", "keeper/x")), file("5", at("data", "a/keep/x")))
	})
	w.inventory("data", 0, object{key: "uploads/tmp/1", days: 100}, object{key: "uploads/tmporary-name/1", days: 100})
	f := w.detect()
	f.want(t, "kept", "1 protected-prefix", "3 protected-prefix")
	f.want(t, "candidates", "2 1000", "4 1000", "5 1000")
	f.want(t, "unindexed_kept", "data uploads/tmp/1 in-flight-prefix")
	f.want(t, "unindexed", "data uploads/tmporary-name/1 500")
}

// TestIncident05RelinkedAfterUnlinked: what is UNLINKED and has a link in any scan since, though it broke off, goes
// back, and one that went back is as young as new.
func TestIncident05RelinkedAfterUnlinked(t *testing.T) {
	w := newWorld(t, plainConfig)
	w.scans(func(r *reading) { r.files("1", "2", "3") })
	w.state = &memory{records: []gcstate.Record{record("1", gcstate.Unlinked, 0), record("2", gcstate.Archived, 0), record("3", gcstate.Available, 1)}}
	f := w.detect()
	f.want(t, "relinked")
	w.begun(-1, func(r *reading) {
		r.links("1")
		must(t, r.Link("posts", "x", gcfacts.Target{Bucket: "data", Key: "files/2"}))
	})
	f = w.detect()
	f.want(t, "relinked", "1 UNLINKED", "2 ARCHIVED")
	f.want(t, "kept", "3 young")
	f.want(t, "candidates")
}

// TestIncident05LinkedByAnOlderScanOnly: two scans without a link are not three.
func TestIncident05LinkedByAnOlderScanOnly(t *testing.T) {
	w := newWorld(t, plainConfig)
	w.scan(2, func(r *reading) { r.files("1"); r.links("1") })
	for _, days := range []int{1, 0} {
		w.scan(days, func(r *reading) { r.files("1") })
	}
	f := w.detect()
	f.want(t, "candidates")
	f.want(t, "kept", "1 not-in-all-scans")
}

// TestIncident06UploadedNotYetLinked: age counts from the later of handle and object; a time that nobody knows is young.
func TestIncident06UploadedNotYetLinked(t *testing.T) {
	w := newWorld(t, plainConfig)
	w.scans(func(r *reading) {
		r.handles(file("1", func(h *gcfacts.Handle) { h.Modified = ago(2) }), file("2"), file("3", func(h *gcfacts.Handle) { h.Modified = 0 }), file("4"))
	})
	w.inventory("data", 0, object{key: "files/1", days: 400}, object{key: "files/2", days: 2}, object{key: "files/3", days: 400}, object{key: "files/4", days: 400}, object{key: "files/finished", days: 2})
	f := w.detect()
	f.want(t, "candidates", "4 1000")
	f.want(t, "kept", "1 young", "2 young", "3 time-unknown")
	f.want(t, "unindexed_kept", "data files/finished young")
}

// TestIncident06HandlesOlderThanTheInventory: an object may have a handle that was made after the handles were
// read, and a handle an object that came after the inventory.
func TestIncident06HandlesOlderThanTheInventory(t *testing.T) {
	w := newWorld(t, plainConfig)
	w.config.Detect.Settle = 48 * 3600 * 1e9
	w.scans(func(r *reading) {
		r.handles(file("1", func(h *gcfacts.Handle) { h.Modified = ago(2) }), file("2"))
	})
	w.inventory("data", 1, object{key: "files/x", days: 100}, object{key: "files/2", days: 100})
	f := w.detect()
	f.want(t, "missing")
	f.want(t, "unindexed")
	why := ""
	for _, u := range f.Unknown {
		if u.Bucket == "data" && u.List == gcfacts.Unindexeds {
			why = u.Why
		}
	}
	if want := "the handles were read 24h0m0s after the time of the inventory, and detect.settle is 48h0m0s: a later scan tells"; why != want {
		t.Errorf("%q", why)
	}
}

// TestIncident10SuddenJump: ten times as much as usual is written down, and not marked unasked.
func TestIncident10SuddenJump(t *testing.T) {
	w := newWorld(t, plainConfig)
	w.scan(0, func(r *reading) {
		r.handles(file("99999", func(h *gcfacts.Handle) { h.Size = 1 << 40 }))
		r.links("99999")
		many(r, 1, 2301)
	})
	for days, fresh := range map[int]int64{40: 90_000, 30: 230, 20: 210, 10: 250} {
		d := gcfacts.Detection{ID: detectionID(days), Scope: scope, Made: ago(days), Figures: []gcfacts.Figure{{Name: FigureNew, Count: fresh}}}
		to, err := w.facts.Detection(ctx, d.ID)
		must(t, err)
		must(t, to.Commit(ctx, d))
	}
	f := w.detect()
	f.refused(t, Jump)
	if len(f.lists["candidates"]) != 2300 || !Confirmable(&f.Refusals[0]) {
		t.Error("what was found is not written down, or nobody can confirm it")
	}
	if want := "2,300 handles are new since the detection " + detectionID(10) + "; usual are 230"; f.Refusals[0].Why != want {
		t.Error(f.Refusals[0].Why)
	}
}

// TestIncident11SharedKey: bytes that a living handle holds too are no gain, and their object is nobody's to lose,
// across kinds as well.
func TestIncident11SharedKey(t *testing.T) {
	w := newWorld(t, `version: 1
database: mysql:env:APP
buckets: [data]
handles:
  new: {table: files, id: id, bucket: =data, key: key, modified: at}
  old: {table: old, id: id, bucket: =data, key: key, modified: at}
associations:
  posts: {table: posts, object: id, handle: file}
`)
	w.scans(func(r *reading) {
		for _, kind := range []string{"new", "old"} {
			r.handles(file("1", func(h *gcfacts.Handle) { h.Kind, h.Key, h.Status = kind, "shared", "" }))
		}
		must(t, r.Link("posts", "1", gcfacts.Target{Kind: "old", ID: "1"}))
	})
	got := &alone{found: found{lists: map[string][]string{}}, of: map[string]int64{}}
	_, err := Detect(ctx, w.inputs(w.engine()), got)
	must(t, err)
	if n, is := got.of["1"]; !is || n != 0 {
		t.Error(got.of)
	}
}

// TestIncident15BucketAnswers404ForAll: handles without objects, over one in a hundred, stop; no row is judged
// by it.
func TestIncident15BucketAnswers404ForAll(t *testing.T) {
	for lost, want := range map[int][]string{1: nil, 2: {Lost}, 99: {Overlap, Lost}} {
		w := newWorld(t, plainConfig)
		var objects []object
		w.scans(func(r *reading) {
			many(r, 1, 101)
			for i := range 99 {
				r.links(fmt.Sprint(i + 1))
			}
		})
		for i := lost; i < 100; i++ {
			objects = append(objects, object{key: fmt.Sprintf("files/%d", i+1), days: 100})
		}
		w.inventory("data", 0, objects...)
		f := w.detect()
		f.refused(t, want...)
		if len(f.lists["missing"]) != lost || len(f.lists["candidates"]) != 1 {
			t.Errorf("%d lost: %d, %v", lost, len(f.lists["missing"]), f.lists["candidates"])
		}
	}
}

// TestIncidentNoHandlesAtAll: a table of handles that is empty is something to be told of, and no mistake.
func TestIncidentNoHandlesAtAll(t *testing.T) {
	w := newWorld(t, plainConfig)
	w.scans(func(r *reading) { r.links("1") })
	w.state = &memory{records: []gcstate.Record{record("1", gcstate.Unlinked, 40)}}
	f := w.detect()
	for _, list := range []string{"candidates", "kept", "relinked"} {
		f.want(t, list)
	}
}

// TestIncidentReadingsAreNoStrangers: of an address in a text that may end with a bracket, or before it, one reading is
// no object. That is not to be taken for keys of another platform; addresses of which no reading is there are.
func TestIncidentReadingsAreNoStrangers(t *testing.T) {
	w := newWorld(t, plainConfig)
	read := func(r *reading, id, bucket string) {
		must(t, r.Link("posts", "p"+id, gcfacts.Target{Bucket: bucket, Key: "files/" + id + "),"}, gcfacts.Target{Bucket: bucket, Key: "files/" + id + ")"}, gcfacts.Target{Bucket: bucket, Key: "files/" + id}))
	}
	w.scans(func(r *reading) {
		r.files("1", "2", "3", "4")
		for _, id := range []string{"1", "2", "3"} {
			read(r, id, "data")
		}
	})
	f := w.detect()
	f.want(t, "candidates", "4 1000")
	f.refused(t)
	w = newWorld(t, plainConfig)
	w.scans(func(r *reading) {
		r.files("1", "2", "3", "4")
		read(r, "1", "data")
		read(r, "2", "other")
		read(r, "3", "other")
	})
	w.detect().refused(t, Overlap)
}
