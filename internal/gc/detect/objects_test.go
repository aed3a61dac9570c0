package detect

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"cooper"
	"cooper/internal/gcstate"
	"cooper/internal/inventory"
	"cooper/internal/ledger/gcfacts"
)

// TestUnknown: of a bucket without an inventory, or with one that tells too little, nothing is empty.
func TestUnknown(t *testing.T) {
	w := newWorld(t, plainConfig)
	w.scans(func(r *reading) { r.files("1"); r.links("1") })
	f := w.detect()
	if len(f.Unknown) != 4 || f.Unknown[0] != (gcfacts.Unknown{List: gcfacts.Missings, Bucket: "data", Why: "there is no inventory"}) {
		t.Errorf("%+v", f.Unknown)
	}
	w.build(&listed{
		meta:     inventory.Meta{Bucket: "data", TakenAt: ago(0)},
		rejected: []inventory.Rejected{{File: "f", Row: 1, Torn: true, Reason: "cut"}},
		versions: []cooper.Version{{Identity: cooper.Identity{Key: "a"}, Latest: true}, {Identity: cooper.Identity{Key: "b"}, Latest: true}},
	})
	w.inventory("more", -1)
	f = w.detect()
	var got []string
	for _, u := range f.Unknown {
		got = append(got, u.List+" "+u.Bucket)
	}
	if s := strings.Join(got, ", "); s != "gc_missing data, gc_unindexed more" {
		t.Errorf("%+v", f.Unknown)
	}
	f.want(t, "missing")
}

// TestSnapshots: those that make no sense are refused.
func TestSnapshots(t *testing.T) {
	for name, meta := range map[string]inventory.Meta{
		"of a prefix": {Bucket: "data", TakenAt: ago(0), Scope: inventory.Scope{Prefix: "a/"}}, "of another bucket": {Bucket: "foreign", TakenAt: ago(0)},
	} {
		w := newWorld(t, plainConfig)
		w.scan(0, func(r *reading) { r.files("1") })
		w.build(&listed{meta: meta})
		if _, err := w.look(); cooper.KindOf(err) != cooper.KindUsage {
			t.Errorf("%s: %v", name, err)
		}
	}
	w := newWorld(t, plainConfig)
	w.scan(0, func(r *reading) { r.files("1") })
	w.inventory("data", 0)
	w.inventory("data", 1)
	if _, err := w.look(); cooper.KindOf(err) != cooper.KindUsage {
		t.Error(err)
	}
}

// TestMissing: a handle's object is missing if it was there to be seen, in whatever form.
func TestMissing(t *testing.T) {
	w := newWorld(t, plainConfig)
	w.config.Detect.Settle = 48 * time.Hour
	read := func(r *reading) {
		r.files("1", "2", "3", "4", "5", "6", "7", "8")
		r.handles(
			file("20", func(h *gcfacts.Handle) { h.Modified = ago(4) }),                    // too young for an inventory of three days ago
			file("21", func(h *gcfacts.Handle) { h.Modified = 0 }),                         // nobody knows
			file("22", func(h *gcfacts.Handle) { h.Modified = ago(6) }),                    //
			file("23", func(h *gcfacts.Handle) { h.Status = "DELETED" }),                   // it has none
			file("24", func(h *gcfacts.Handle) { h.Status = "ARCHIVED" }),                  // in the archive
			file("25", func(h *gcfacts.Handle) { h.Status = "ARCHIVED" }),                  // not there either
			file("26", func(h *gcfacts.Handle) { h.Candidate = false }),                    // `where` leaves it out
			file("27", func(h *gcfacts.Handle) { h.Bucket = "more" }),                      // without an inventory
			file("28", func(h *gcfacts.Handle) { h.Key = "no\xfftext" }),                   //
			file("29", func(h *gcfacts.Handle) { h.Created, h.Modified = ago(4), ago(9) }), // made later
		)
	}
	w.scans(read)
	w.inventory("data", 3, object{key: "files/1", days: 100}, object{key: "files/2", days: 100, marker: true}, object{key: "FILES/3", days: 100}, object{key: "files/4.zst", days: 100},
		object{key: "files/5", days: 100, old: true}, object{key: "files/6", days: 90, marker: true}, object{key: "files/6", days: 100, old: true}, object{key: "files/7 ", days: 100}, object{key: "files/8/", days: 100})
	w.inventory("archive", 3, object{key: "data/files/24.zst", days: 100}, object{key: "files/25", days: 100})
	f := w.detect()
	f.want(t, "missing", "2 data files/2", "3 data files/3", "6 data files/6", "7 data files/7", "8 data files/8", "22 data files/22", "25 data files/25", `28 data no\ufffdtext`)
	f.refused(t, Overlap, Overlap, Lost)
	if n := f.figure(FigureUnsettled).Count; n != 3 {
		t.Errorf("%d handles are unsettled", n)
	}
}

// TestMissingRejected: a key of which nobody knows what is there is not missing.
func TestMissingRejected(t *testing.T) {
	w := newWorld(t, plainConfig)
	w.scans(func(r *reading) { r.files("1", "2") })
	w.build(&listed{
		meta: inventory.Meta{Bucket: "data", TakenAt: ago(0)}, rejected: []inventory.Rejected{{File: "f", Row: 1, Key: []byte("files/1"), Reason: "a size that is none"}},
		versions: []cooper.Version{{Identity: cooper.Identity{Key: "x", LastModified: ago(1)}, Latest: true}},
	})
	w.detect().want(t, "missing", "2 data files/2")
}

// TestUnindexed: what no handle names, and what Cooper made of what one names.
func TestUnindexed(t *testing.T) {
	w := newWorld(t, plainConfig)
	w.scans(func(r *reading) {
		r.files("1", "2", "3", "4", "5", "6")
		r.handles(file("9", func(h *gcfacts.Handle) { h.Candidate = false }), file("10", func(h *gcfacts.Handle) { h.Key = "root" }))
		r.links("1", "2", "3", "4", "5", "6")
	})
	w.stored("data", "files/2", 300, "files/2.zst", "22")
	w.stored("data", "files/nobody", 300, "files/nobody.zst", "23")
	w.inventory("data", 0,
		object{key: "files/1", days: 100}, object{key: "files/2", days: 100}, object{key: "files/2.zst", days: 100, etag: "22"}, object{key: "files/3.zst", days: 100}, object{key: "files/4", days: 100}, object{key: "files/4.zst", days: 100},
		object{key: "files/5", days: 100}, object{key: "files/6", days: 100}, object{key: "files/9", days: 100}, object{key: "root", days: 100}, object{key: "files/nobody.zst", days: 100},
		object{key: "files/x", days: 31}, object{key: "files/young", days: 29}, object{key: "files/deleted", days: 100, marker: true}, object{key: "files/old", days: 100, old: true},
		object{key: "keep/x", days: 3}, object{key: "keep.x", days: 100}, object{key: "uploads/tmp/x", days: 3}, object{key: "uploads/tmporary/x", days: 100},
		object{key: "files/.cooper-probe-r-1", days: 100}, object{key: ".cooper/lease", days: 100}, object{key: "files/FILES", days: 100}, object{key: "top", days: 100},
	)
	f := w.detect()
	f.want(t, "unindexed", "data files/FILES 500", "data files/nobody.zst 500", "data files/x 500", "data keep.x 500", "data top 500", "data uploads/tmporary/x 500")
	f.want(t, "apart", "data uploads/tmporary/x no-handle-here")
	f.want(t, "unindexed_kept", "data .cooper/lease ours", "data files/.cooper-probe-r-1 ours", "data files/3.zst made-of", "data files/4.zst made-of", "data files/young young", "data keep/x protected-prefix", "data uploads/tmp/x in-flight-prefix")
	f.want(t, "missing")
}

// TestCompressed: what Cooper stored anew is as old as what it was made of, so that compressing and looking for
// garbage may come in any order.
func TestCompressed(t *testing.T) {
	for _, c := range []struct {
		name    string
		stored  func(w *world)
		objects []object
		want    []string
		kept    []string
	}{
		{name: "before", objects: []object{{key: "files/1", days: 100}}, want: []string{"1 1000"}},
		{name: "in place", stored: func(w *world) { w.stored("data", "files/1", 100, "files/1", "9") }, objects: []object{{key: "files/1", days: 1, etag: "9"}}, want: []string{"1 500"}},
		{name: "in place, and written again", stored: func(w *world) { w.stored("data", "files/1", 100, "files/1", "9") }, objects: []object{{key: "files/1", days: 1, etag: "8"}}, kept: []string{"1 young"}},
		{name: "beside it", stored: func(w *world) { w.stored("data", "files/1", 100, "files/1.zst", "9") }, objects: []object{{key: "files/1", days: 100}, {key: "files/1.zst", days: 1, etag: "9"}}, want: []string{"1 1000"}},
		{name: "in its place under another key", stored: func(w *world) { w.stored("data", "files/1", 100, "files/1.zst", "9") }, objects: []object{{key: "files/1.zst", days: 1, etag: "9"}}, want: []string{"1 500"}},
		{name: "by its name alone", objects: []object{{key: "files/1.zst", days: 1}}, kept: []string{"1 young"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, plainConfig)
			w.scans(func(r *reading) { r.files("1") })
			if c.stored != nil {
				c.stored(w)
			}
			w.inventory("data", 0, c.objects...)
			f := w.detect()
			f.want(t, "candidates", c.want...)
			f.want(t, "kept", c.kept...)
			f.want(t, "missing")
			f.want(t, "unindexed")
		})
	}
}

// TestAmbiguous: an inventory that contradicts itself about a key tells nothing of it.
func TestAmbiguous(t *testing.T) {
	w := newWorld(t, plainConfig)
	w.scans(func(r *reading) { r.files("1") })
	objects := []object{{key: "files/two", days: 100}, {key: "files/two", days: 101}, {key: "files/marked", days: 100}, {key: "files/marked", days: 101, marker: true}}
	for i := range 4000 {
		objects = append(objects, object{key: fmt.Sprintf("keep/%d", i), days: 100})
	}
	w.inventory("data", 0, objects...)
	f := w.detect()
	f.want(t, "unindexed")
	kept := f.lists["unindexed_kept"]
	f.lists["unindexed_kept"] = kept[:2]
	f.want(t, "unindexed_kept", "data files/marked ambiguous", "data files/two ambiguous")
}

// many are handles, links to some of them, and others.
func many(r *reading, from, to int) {
	for i := from; i < to; i++ {
		r.files(fmt.Sprint(i))
	}
}

// TestRefusals: what the numbers say.
func TestRefusals(t *testing.T) {
	small := func(h *gcfacts.Handle) { h.Size = 1 }
	linked := func(r *reading, n int) {
		for i := range n {
			id := fmt.Sprint(1_000_000 + i)
			r.handles(file(id, func(h *gcfacts.Handle) { h.Size = 1_000_000 }))
			r.links(id)
		}
	}
	free := func(r *reading, n int) {
		for i := range n {
			r.handles(file(fmt.Sprint(i+1), small))
		}
	}
	past := func(days int, refusals []gcfacts.Refusal, fresh int64) gcfacts.Detection {
		return gcfacts.Detection{ID: detectionID(days), Scope: scope, Made: ago(days), Refusals: refusals, Figures: []gcfacts.Figure{{Name: FigureNew, Count: fresh}}}
	}
	jump := []gcfacts.Refusal{{What: Jump}}
	for _, c := range []struct {
		name   string
		links  int // to handles
		lost   int // to none
		free   int
		past   []gcfacts.Detection
		marked int // days ago
		want   []string
	}{
		{name: "few, the first time", links: 10, free: 999},
		{name: "many, the first time", links: 10, free: 1000, want: []string{First}},
		{name: "half of the links known", links: 10, lost: 10},
		{name: "fewer than half", links: 10, lost: 11, want: []string{Overlap}},
		{name: "as usual", links: 10, free: 1200, past: []gcfacts.Detection{past(40, nil, 5000), past(30, nil, 500), past(20, nil, 600), past(10, nil, 700)}},
		{name: "over twice as many", links: 10, free: 1201, past: []gcfacts.Detection{past(40, nil, 5000), past(30, nil, 500), past(20, nil, 600), past(10, nil, 700)}, want: []string{Jump}},
		{name: "the first does not count, a thousand do not either", links: 10, free: 1000, past: []gcfacts.Detection{past(40, nil, 5000)}},
		{name: "the second", links: 10, free: 1001, past: []gcfacts.Detection{past(40, nil, 5000)}, want: []string{Jump}},
		{name: "a jump that stood", links: 10, free: 1500, past: []gcfacts.Detection{past(40, nil, 5000), past(30, nil, 10), past(20, jump, 1500), past(10, jump, 1500)}, want: []string{Jump}},
		{name: "a jump that was marked", links: 10, free: 1500, past: []gcfacts.Detection{past(40, nil, 5000), past(30, nil, 10), past(20, jump, 1500)}, marked: 19},
		{name: "only the first, which was not marked", links: 10, free: 1000, past: []gcfacts.Detection{past(40, []gcfacts.Refusal{{What: First}}, 5000)}, want: []string{First}},
		{name: "another's", links: 10, free: 1000, past: []gcfacts.Detection{{ID: detectionID(40), Scope: "other", Made: ago(40)}}, want: []string{First}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, plainConfig)
			w.scan(0, func(r *reading) {
				linked(r, c.links)
				for i := range c.lost {
					r.links(fmt.Sprint(2_000_000 + i))
				}
				free(r, c.free)
			})
			w.change = func(in *Inputs) { in.Past = c.past }
			if c.marked > 0 {
				must(t, w.facts.Tell(ctx, gcfacts.Batch{State: "x", Number: 1, Transitions: []gcfacts.Transition{{ID: "t", Scope: scope, Handle: "77", From: "AVAILABLE", To: "UNLINKED", Since: ago(c.marked)}}}))
			}
			f := w.detect()
			f.refused(t, c.want...)
			if len(f.lists["candidates"]) != c.free {
				t.Errorf("%d candidates", len(f.lists["candidates"]))
			}
		})
	}
}

// TestJumpOfBytes: over one in a hundred of all bytes is a jump, however few handles it is; what is large is the
// first time, too.
func TestJumpOfBytes(t *testing.T) {
	of := func(id string, size int64) gcfacts.Handle {
		return file(id, func(h *gcfacts.Handle) { h.Size = size })
	}
	for _, c := range []struct {
		size int64
		past []gcfacts.Detection
		want []string
	}{
		{9_999_999_999, nil, nil}, {10_000_000_000, nil, []string{First}},
		{10_000_000_000, []gcfacts.Detection{{ID: detectionID(4), Scope: scope, Made: ago(4)}}, nil},
		{10_200_000_000, []gcfacts.Detection{{ID: detectionID(4), Scope: scope, Made: ago(4)}}, []string{Jump}},
	} {
		w := newWorld(t, plainConfig)
		w.scan(0, func(r *reading) { r.handles(of("1", c.size), of("2", 1_000_000_000_000)); r.links("2") })
		w.change = func(in *Inputs) { in.Past = c.past }
		w.detect().refused(t, c.want...)
	}
}

// TestNew: what was a candidate when the last were let through is not new.
func TestNew(t *testing.T) {
	w := newWorld(t, plainConfig)
	w.scan(0, func(r *reading) { many(r, 1, 6); r.links("5") })
	to, err := w.facts.Detection(ctx, detectionID(3))
	must(t, err)
	for _, id := range []string{"1", "2", "77"} {
		must(t, to.Candidate(gcfacts.Candidate{ID: id}))
	}
	must(t, to.Commit(ctx, gcfacts.Detection{ID: detectionID(3), Scope: scope, Made: ago(3)}))
	f := w.detect()
	if n := f.figure(FigureNew); n.Count != 2 || n.Bytes != 2000 {
		t.Error(n)
	}
}

// TestNearMisses: the same key in another bucket.
func TestNearMisses(t *testing.T) {
	w := newWorld(t, plainConfig)
	w.scans(func(r *reading) {
		r.files("1", "2", "3", "4")
		r.links("1", "2", "3")
		must(t, r.Link("posts", "1", gcfacts.Target{Bucket: "more", Key: "files/4"}))
		must(t, r.Link("posts", "1", gcfacts.Target{Bucket: "more", Key: "files/none"}))
		must(t, r.Link("posts", "1", gcfacts.Target{Bucket: "data", Key: "files/3"}))
	})
	w.inventory("data", 0, object{key: "files/2", days: 100}, object{key: "files/3", days: 100}, object{key: "files/4", days: 100})
	w.inventory("more", 0, object{key: "files/1", days: 100}, object{key: "files/2", days: 100})
	f := w.detect()
	f.want(t, "near", "1 data files/1 more", "4 data files/4 more")
	f.want(t, "missing", "1 data files/1")
}

// TestRepeats: the same facts give the same.
func TestRepeats(t *testing.T) {
	w := newWorld(t, plainConfig)
	w.state = &memory{records: []gcstate.Record{record("3", gcstate.Unlinked, 4)}}
	w.scans(func(r *reading) { many(r, 1, 300); r.links("1", "2", "3") })
	w.inventory("data", 0, object{key: "files/1", days: 100}, object{key: "x", days: 100})
	a, b := w.detect(), w.detect()
	if fmt.Sprint(a) != fmt.Sprint(b) {
		t.Error("two looks differ")
	}
}
