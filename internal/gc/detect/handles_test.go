package detect

import (
	"testing"

	"cooper"
	"cooper/internal/gc"
	"cooper/internal/gcstate"
	"cooper/internal/ledger/gcfacts"
)

// TestReasons: each handle without a link is kept for the first reason that holds.
func TestReasons(t *testing.T) {
	w := newWorld(t, plainConfig)
	read := func(r *reading) {
		at := func(days int) func(*gcfacts.Handle) { return func(h *gcfacts.Handle) { h.Modified = ago(days) } }
		key := func(bucket, key string) func(*gcfacts.Handle) {
			return func(h *gcfacts.Handle) { h.Bucket, h.Key = bucket, key }
		}
		out := func(h *gcfacts.Handle) { h.Candidate = false }
		r.handles(
			file("1"), file("2", out), file("3", key("", "")), file("4", key("foreign", "x")), file("5"), file("6", key("data", "keep/6")), file("7", key("data", "keep/")), file("8", key("data", "keeping/8")),
			file("9", key("more", "only/9")), file("10", key("more", "only")), file("11", key("more", "only1")), file("12", key("data", "only/12")),
			file("13", at(29)), file("14", at(31)), file("15", func(h *gcfacts.Handle) { h.Modified = 0 }), file("16", func(h *gcfacts.Handle) { h.Created = ago(5) }),
			file("17", func(h *gcfacts.Handle) { h.Modified, h.Created = 0, ago(400) }), file("18", at(30)),
			file("20", out, key("foreign", "x")), file("21", key("foreign", "y")), file("22", key("data", "keep/22"), at(3)), file("23", at(3)),
			file("24", key("data", "keep/24\xff")), file("25", key("data", "no\xffkeep/25")), file("26", key("data", "uploads/tmp/26")),
		)
		r.held(gcfacts.Protected, "5")
		r.held(gcfacts.InFlight, "21") // other-bucket comes first
		r.held(gcfacts.Protected, "22")
		r.derived("23", "1")
	}
	w.scans(read)
	f := w.detect()
	f.want(t, "candidates", "1 1000", "8 1000", "11 1000", "12 1000", "14 1000", "25 1000", "26 1000")
	f.want(t, "kept", "2 not-an-object", "3 not-an-object", "4 other-bucket", "5 held", "6 protected-prefix", "7 protected-prefix", "9 protected-prefix", "10 protected-prefix", "13 young", "15 time-unknown",
		"16 young", "17 time-unknown", "18 young", "20 not-an-object", "21 other-bucket", "22 held", "23 derived-goes-with-its-source", "24 protected-prefix")
	if g := f.figure(FigureUnlinked); g.Count != int64(len(f.lists["candidates"])+len(f.lists["kept"])) {
		t.Error(g)
	}
}

// TestLinks: what counts as one.
func TestLinks(t *testing.T) {
	const uuid = "6b8d5a2e-0d0c-4b7a-9a53-5b0d5c1e0f11"
	for _, c := range []struct {
		name  string
		after func(w *world)
		read  func(r *reading)
		want  []string // of candidates
		kept  []string
	}{
		{name: "by id, in each form of an id", read: func(r *reading) {
			r.files("1", "-7", uuid, "a b", "01", "2")
			r.links("1", "-7", uuid, "a b", "01")
		}, want: []string{"2 1000"}},
		{name: "ids are not what they look like", read: func(r *reading) {
			r.files("1", "01", "A", "a", "x", "x ")
			r.links("01", "a", "x ", "9")
		}, want: []string{"1 1000", "A 1000", "x 1000"}},
		{name: "by key, of the kind or of any", read: func(r *reading) {
			r.files("1", "2", "3", "4", "5")
			for _, to := range []gcfacts.Target{
				{Bucket: "data", Key: "files/1"}, {Kind: "other", Bucket: "data", Key: "files/2"}, {Bucket: "more", Key: "files/3"}, {Bucket: "data", Key: "FILES/4"},
			} {
				must(r.t, r.Link("posts", "1", to))
			}
		}, want: []string{"2 1000", "3 1000", "4 1000", "5 1000"}},
		{name: "by keys that are no text", read: func(r *reading) {
			r.handles(file("1", func(h *gcfacts.Handle) { h.Key = "\xff1" }), file("2", func(h *gcfacts.Handle) { h.Key = "\xff2" }))
			must(r.t, r.Link("posts", "1", gcfacts.Target{Bucket: "data", Key: "\xff1"}))
		}, want: []string{"2 1000"}},
		{name: "each reading", read: func(r *reading) {
			r.files("1", "2", "3")
			must(r.t, r.Link("posts", "1", gcfacts.Target{Bucket: "data", Key: "files/9"}, gcfacts.Target{Bucket: "data", Key: "files/1"}, gcfacts.Target{ID: "2"}))
		}, want: []string{"3 1000"}},
		{
			name: "in a scan that did not end", read: func(r *reading) { r.files("1", "2"); r.links("9") },
			after: func(w *world) { w.begun(-1, func(r *reading) { r.links("1") }) }, want: []string{"2 1000"},
		},
		{
			name: "in a scan between, and in one before the oldest", read: func(r *reading) { r.files("1", "2") },
			after: func(w *world) {
				w.between(2, func(r *reading) { r.links("1") })
				w.begun(9, func(r *reading) { r.links("2") })
			}, want: []string{"2 1000"}, kept: []string{"1 not-in-all-scans"},
		},
		{
			name: "by hand, until it is taken back", read: func(r *reading) { r.files("1", "2", "3") },
			after: func(w *world) {
				by := func(scope, id, object string, linked bool) {
					must(w.t, w.facts.LinkByHand(ctx, []gcfacts.LinkedByHand{{Scope: scope, Association: "posts", Object: object, ID: id, Linked: linked}}))
				}
				by(scope, "1", "a", true)
				by(scope, "1", "b", true)
				by(scope, "1", "b", false)
				by(scope, "2", "a", true)
				by(scope, "2", "a", false)
				by("elsewhere", "3", "a", true)
			}, want: []string{"2 1000", "3 1000"},
		},
		{
			name: "kept by hand, until it is released", read: func(r *reading) { r.files("1", "2", "3") },
			after: func(w *world) {
				by := func(id string, keep bool) {
					must(w.t, w.facts.KeepByHand(ctx, []gcfacts.KeptByHand{{Scope: scope, ID: id, Keep: keep}}))
				}
				by("1", true)
				by("2", true)
				by("2", false)
			}, want: []string{"2 1000", "3 1000"}, kept: []string{"1 kept-by-hand"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, plainConfig)
			w.scans(c.read)
			if c.after != nil {
				c.after(w)
			}
			f := w.detect()
			f.want(t, "candidates", c.want...)
			f.want(t, "kept", c.kept...)
		})
	}
}

// TestEachScan: a candidate was there, and unlinked, in each scan that counts; holds and sources of any
// count.
func TestEachScan(t *testing.T) {
	w := newWorld(t, plainConfig)
	w.scan(2, func(r *reading) {
		r.files("1", "2", "3", "4", "5", "6", "7", "8")
		r.links("2")
		must(t, r.Link("posts", "7", gcfacts.Target{Bucket: "data", Key: "files/7"}))
		r.held(gcfacts.Protected, "5")
		r.derived("6", "8")
	})
	w.scan(1, func(r *reading) { r.files("1", "2", "4", "5", "6", "7", "8"); r.links("8") })
	w.scan(0, func(r *reading) { r.files("1", "2", "3", "4", "5", "6", "7") })
	f := w.detect()
	f.want(t, "candidates", "1 1000", "4 1000")
	f.want(t, "kept", "2 not-in-all-scans", "3 not-in-all-scans", "5 held", "6 derived-of-living", "7 not-in-all-scans")
}

// TestThen: what an earlier scan says of a handle is what it was then: by the key that it had, and by what its
// owner said.
func TestThen(t *testing.T) {
	w := newWorld(t, plainConfig)
	moved := file("1", func(h *gcfacts.Handle) { h.Key = "old/1" })
	again := file("5", func(h *gcfacts.Handle) { h.Key = "new/5" })
	w.scan(2, func(r *reading) {
		r.handles(moved, file("2", func(h *gcfacts.Handle) { h.Status = "ARCHIVED" }), file("3"), file("4"), file("5"))
		must(t, r.Link("posts", "1", gcfacts.Target{Bucket: "data", Key: "old/1"}))
	})
	w.scan(1, func(r *reading) { r.files("1", "2", "3", "4", "5") })
	w.scan(0, func(r *reading) { r.files("1", "2", "3", "4", "5") })
	w.begun(-1, func(r *reading) {
		r.handles(again)
		must(t, r.Link("posts", "1", gcfacts.Target{Bucket: "data", Key: "new/5"}))
	})
	w.state = &memory{records: []gcstate.Record{record("4", gcstate.Unlinked, 40)}}
	f := w.detect()
	f.want(t, "candidates", "3 1000")
	f.want(t, "kept", "1 not-in-all-scans", "2 not-in-all-scans")
}

// TestDerived: chains, cycles, several sources, sources that are gone, and what is its own.
func TestDerived(t *testing.T) {
	for _, c := range []struct {
		name    string
		files   string
		derived []string // of a source, each
		links   []string
		held    []string
		want    []string // of 1 to 9, what becomes of each
	}{
		{name: "of a living one", derived: []string{"2<1"}, links: []string{"1"}, want: []string{"2 derived-of-living"}},
		{name: "of one without a link", derived: []string{"2<1"}, want: []string{"1 candidate", "2 derived-goes-with-its-source"}},
		{name: "with a link of its own", derived: []string{"2<1"}, links: []string{"2"}, want: []string{"1 candidate"}},
		{name: "a chain", derived: []string{"2<1", "3<2", "4<3"}, links: []string{"1"}, want: []string{"2 derived-of-living", "3 derived-of-living", "4 derived-of-living"}},
		{name: "a chain from a dead one", derived: []string{"2<1", "3<2", "4<3"}, want: []string{"1 candidate", "2 derived-goes-with-its-source", "3 derived-goes-with-its-source", "4 derived-goes-with-its-source"}},
		{name: "a chain whose middle is linked", derived: []string{"2<1", "3<2", "4<3"}, links: []string{"3"}, want: []string{"1 candidate", "2 derived-goes-with-its-source", "4 derived-of-living"}},
		{name: "one of two sources lives", derived: []string{"3<1", "3<2"}, links: []string{"2"}, want: []string{"1 candidate", "3 derived-of-living"}},
		{name: "both are dead", derived: []string{"3<1", "3<2"}, want: []string{"1 candidate", "2 candidate", "3 derived-goes-with-its-source"}},
		{name: "a source that is held", derived: []string{"2<1", "3<2"}, held: []string{"1"}, want: []string{"1 held", "2 derived-of-living", "3 derived-of-living"}},
		{name: "its own", derived: []string{"1<1", "2<2", "2<1"}, want: []string{"1 candidate", "2 derived-goes-with-its-source"}},
		{name: "its source is gone", derived: []string{"1<77", "2<77", "2<3"}, want: []string{"1 candidate", "2 derived-goes-with-its-source", "3 candidate"}},
		{name: "its source is gone, though linked", derived: []string{"1<77"}, links: []string{"77"}, want: []string{"1 candidate"}},
		{name: "a circle that nothing links", derived: []string{"1<2", "2<3", "3<1"}, want: []string{"1 derived-goes-with-its-source", "2 derived-goes-with-its-source", "3 derived-goes-with-its-source"}},
		{name: "a circle with a link", derived: []string{"1<2", "2<3", "3<1"}, links: []string{"2"}, want: []string{"1 derived-of-living", "3 derived-of-living"}},
		{name: "a circle that hangs on a living one", derived: []string{"1<2", "2<1", "2<3"}, links: []string{"3"}, want: []string{"1 derived-of-living", "2 derived-of-living"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, plainConfig)
			w.scans(func(r *reading) {
				r.files("1", "2", "3", "4")
				r.links(c.links...)
				for _, d := range c.derived {
					r.derived(d[:1], d[2:])
				}
				for _, id := range c.held {
					r.held(gcfacts.Protected, id)
				}
			})
			f := w.detect()
			var candidates, kept []string
			said := map[string]bool{}
			for _, line := range c.want {
				said[line[:1]] = true
				if line[2:] == "candidate" {
					candidates = append(candidates, line[:1]+" 1000")
				} else {
					kept = append(kept, line)
				}
			}
			for _, id := range []string{"1", "2", "3", "4"} { // of the others, those without a link are candidates
				linked := false
				for _, l := range c.links {
					linked = linked || l == id
				}
				if !said[id] && !linked {
					candidates = append(candidates, id+" 1000")
				}
			}
			sortLines(candidates)
			f.want(t, "candidates", candidates...)
			f.want(t, "kept", kept...)
		})
	}
}

// TestStatuses: the owner's word, where it says something else than AVAILABLE, else ours; what is linked again is
// told, and what is neither is left alone.
func TestStatuses(t *testing.T) {
	w := newWorld(t, plainConfig)
	of := func(id, status string) gcfacts.Handle {
		return file(id, func(h *gcfacts.Handle) { h.Status = status })
	}
	w.scan(2, func(r *reading) {
		r.handles(of("1", "UNLINKED"), of("2", "UNLINKED"), of("3", "ARCHIVED"), of("4", "AVAILABLE"), of("5", "AVAILABLE"), of("6", "strange"), of("7", ""), of("8", "DELETED"), of("9", "AVAILABLE"), of("10", "AVAILABLE"), of("11", "ARCHIVING"), of("12", "strange"), of("13", "DELETED"), of("14", "strange"))
		r.links("3", "5", "8", "11", "12")
	})
	for _, days := range []int{1, 0} {
		w.scan(days, func(r *reading) {
			r.handles(of("1", "UNLINKED"), of("2", "UNLINKED"), of("3", "ARCHIVED"), of("4", "AVAILABLE"), of("5", "AVAILABLE"), of("6", "strange"), of("7", ""), of("8", "DELETED"), of("9", "AVAILABLE"), of("10", "AVAILABLE"), of("11", "ARCHIVING"), of("12", "strange"), of("13", "DELETED"), of("14", "strange"))
			r.links("2", "5", "8", "12", "13", "14")
		})
	}
	w.state = &memory{records: []gcstate.Record{
		record("4", gcstate.Unlinked, 40), record("5", gcstate.Unlinked, 40), record("9", gcstate.Available, 10), record("10", gcstate.Available, 40), record("77", gcstate.Unlinked, 40),
		record("13", gcstate.Unlinked, 40), record("14", gcstate.Unlinked, 40), // and linked: a mark of ours that is not true, whatever their owner says
		{Handle: gcstate.Handle{Scope: "another", ID: "1"}, Status: gcstate.Deleted},
	}}
	f := w.detect()
	f.want(t, "relinked", "2 UNLINKED", "3 ARCHIVED", "5 UNLINKED", "11 ARCHIVING", "13 UNLINKED", "14 UNLINKED")
	f.want(t, "candidates", "10 1000")
	f.want(t, "kept", "9 young")
	if n := f.figure(FigureStrange).Count; n != 2 {
		t.Errorf("%d handles of a status that nobody knows", n)
	}
	if n := f.figure(FigureGone).Count; n != 1 {
		t.Errorf("%d handles that are deleted and linked", n)
	}
}

// TestCameBack: a handle that was restored or linked again is young, also where the state is lost.
func TestCameBack(t *testing.T) {
	w := newWorld(t, plainConfig)
	w.scans(func(r *reading) { r.files("1", "2", "3") })
	back := func(id string, days int) gcfacts.Transition {
		return gcfacts.Transition{ID: "t" + id, Scope: scope, Handle: id, From: "ARCHIVED", To: "AVAILABLE", Since: ago(days)}
	}
	must(t, w.facts.Tell(ctx, gcfacts.Batch{State: "x", Number: 1, Transitions: []gcfacts.Transition{back("1", 5), back("2", 50)}}))
	f := w.detect()
	f.want(t, "candidates", "2 1000", "3 1000")
	f.want(t, "kept", "1 young")
}

// TestKinds: ids of kinds are apart, and forms of ids may be mixed.
func TestKinds(t *testing.T) {
	w := newWorld(t, `version: 1
database: mysql:env:APP
buckets: [data]
handles:
  new: {table: files, id: id, bucket: =data, key: key, modified: at}
  old: {table: old, id: id, bucket: =data, key: key, modified: at}
associations:
  posts: {table: posts, object: id, handle: file}
`)
	kind := func(k string) func(*gcfacts.Handle) {
		return func(h *gcfacts.Handle) { h.Kind, h.Status, h.Key = k, "", k+"/"+h.ID }
	}
	w.scans(func(r *reading) {
		r.handles(file("1", kind("new")), file("2", kind("new")), file("10", kind("new")), file("x", kind("old")), file("1", kind("old")), file("2", kind("old")))
		must(t, r.Link("posts", "1", gcfacts.Target{Kind: "new", ID: "1"}))
		must(t, r.Link("posts", "1", gcfacts.Target{Kind: "old", ID: "2"}))
		must(t, r.Derived(gcfacts.Derived{Kind: "old", ID: "x", Source: "2"}))
		must(t, r.Hold(gcfacts.Hold{Role: gcfacts.Protected, Table: "h", Kind: "old", ID: "1"}))
	})
	f := w.detect()
	f.want(t, "candidates", "new:2 1000", "new:10 1000")
	f.want(t, "kept", "old:1 held", "old:x derived-of-living")
}

// TestReadings: a handle whose address can be read in several ways is one; a link to any of its objects
// is one to it, and its object is missing only where none is there.
func TestReadings(t *testing.T) {
	w := newWorld(t, plainConfig)
	w.config.Handles[0].Location = "address"
	second := func(id, key string) gcfacts.Handle {
		return file(id, func(h *gcfacts.Handle) { h.Key, h.Candidate = key, false })
	}
	w.scans(func(r *reading) {
		r.handles(file("1"), second("1", "other/1"), file("2"), second("2", "other/2"), second("3", "only"), file("4"), second("4", "other/4"), file("5"), second("5", "other/5"), file("6"), file("7"), second("7", "keep/7"))
		must(t, r.Link("posts", "1", gcfacts.Target{Bucket: "data", Key: "other/1"}))
		r.links("6")
	})
	w.inventory("data", 0, object{key: "other/2", days: 5}, object{key: "files/4", days: 100}, object{key: "files/1", days: 100}, object{key: "files/6", days: 100})
	f := w.detect()
	f.want(t, "candidates", "4 1000", "5 1000")
	f.want(t, "kept", "2 young", "3 not-an-object", "7 protected-prefix")
	f.want(t, "missing", "5 data files/5", "7 data files/7")
}

// TestAlone: bytes that several handles hold are nobody's alone.
func TestAlone(t *testing.T) {
	w := newWorld(t, plainConfig)
	w.scans(func(r *reading) {
		shared := func(h *gcfacts.Handle) { h.Key = "shared" }
		r.handles(file("1"), file("2", shared), file("3", shared))
		r.links("3")
	})
	got := &alone{found: found{lists: map[string][]string{}}, of: map[string]int64{}}
	_, err := Detect(ctx, w.inputs(w.engine()), got)
	must(t, err)
	if got.of["1"] != 1000 || got.of["2"] != 0 || len(got.of) != 2 {
		t.Error(got.of)
	}
}

type alone struct {
	found
	of map[string]int64
}

func (a *alone) Candidate(c gcfacts.Candidate) error {
	a.of[c.ID] = c.Alone
	return nil
}

// TestIncomplete: what no registry could see proves nothing.
func TestIncomplete(t *testing.T) {
	w := newWorld(t, plainConfig)
	w.scans(func(r *reading) {
		r.handles(file("1", func(h *gcfacts.Handle) { h.Created = ago(500) }), file("2", func(h *gcfacts.Handle) { h.Created = ago(420) }), file("3"))
	})
	w.change = func(in *Inputs) {
		in.Incomplete = func(_ string, created cooper.Instant) bool { return created < ago(450) }
	}
	f := w.detect()
	f.want(t, "candidates", "2 1000")
	f.want(t, "kept", "1 registry-incomplete", "3 registry-incomplete")
}

// TestNoScan: without one that counts nothing is looked at.
func TestNoScan(t *testing.T) {
	w := newWorld(t, plainConfig)
	w.change = func(in *Inputs) { in.Standing = gc.Standing{Waits: "3 more complete scans"} }
	if _, err := w.look(); cooper.KindOf(err) != cooper.KindRefused {
		t.Error(err)
	}
	w.scan(0, func(r *reading) { r.files("1") })
	w.change = func(in *Inputs) { in.Standing.Waits = "2 more complete scans" }
	if f := w.detect(); f.Waits == "" || len(f.lists["candidates"]) != 1 {
		t.Errorf("%+v", f)
	}
}
