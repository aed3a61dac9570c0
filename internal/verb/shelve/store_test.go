package shelve

import (
	"strings"
	"testing"

	"cooper"
	"cooper/internal/plan"
	"cooper/internal/treeop"
)

// A tree learns its store from the first run that knows it, and refuses bytes and
// plans of another until it is told that the bucket has moved.
func TestATreeRemembersItsStore(t *testing.T) {
	w := newWorld(t)
	w.store["v1"] = "one"
	here, elsewhere := &cooper.Store{Endpoint: "http://here"}, &cooper.Store{Endpoint: "http://elsewhere", Owner: "x"}
	known := func() *cooper.Store {
		tr := w.open()
		defer tr.Close()
		return tr.State().Store
	}
	mustBe := func(when string, want *cooper.Store) {
		t.Helper()
		if got := known(); (got == nil) != (want == nil) || got != nil && *got != *want {
			t.Errorf("%s: %v, want %v", when, got, want)
		}
	}
	do := func(id string) error {
		_, err := w.apply(id, treeop.MissionBackup, day1)
		return err
	}
	if _, err := w.apply("p-1", treeop.MissionBackup, day1, w.shown(version("k", "v1", "one"), day1)); err != nil {
		t.Fatal(err)
	}
	mustBe("nobody knew", nil)
	w.from = here
	if err := do("p-2"); err != nil {
		t.Fatal(err)
	}
	mustBe("learnt", here)
	w.from = nil
	if err := do("p-3"); err != nil {
		t.Fatal(err)
	}
	mustBe("kept", here)
	w.from = elsewhere
	if err := do("p-4"); cooper.KindOf(err) != cooper.KindRefused || !strings.Contains(err.Error(), "http://here, and this is the one at http://elsewhere") {
		t.Errorf("another store: %v", err)
	}
	mustBe("refused", here)
	w.moved = true
	if err := do("p-5"); err != nil {
		t.Fatal(err)
	}
	mustBe("moved", elsewhere)

	// The plan's own store counts, too.
	tr := w.open()
	defer tr.Close()
	for _, c := range []struct {
		plan, from *cooper.Store
		moved, ok  bool
	}{
		{nil, nil, false, true},
		{elsewhere, nil, false, true},
		{elsewhere, elsewhere, false, true},
		{here, nil, false, false},       // as of an old snapshot
		{here, elsewhere, false, false}, // made for another than it is applied at
		{elsewhere, here, false, false},
		{here, here, true, true},
	} {
		h := plan.Header{ID: "p-6", Target: plan.Target{Kind: Kind, Path: tr.Dir(), Generation: tr.State().Generation}, Store: c.plan}
		if err := New(tr).From(c.from, c.moved).Check(h); (err == nil) != c.ok || err != nil && cooper.KindOf(err) != cooper.KindRefused {
			t.Errorf("a plan for %v with bytes of %v: %v", c.plan, c.from, err)
		}
	}
}

// A run that was begun before the store was known learns it when it is taken up
// again.
func TestARunTakenUpAgainLearnsTheStore(t *testing.T) {
	w := newWorld(t)
	w.store["v1"] = "one"
	tr := w.open()
	h := plan.Header{ID: "p-1", Mission: treeop.MissionBackup, Target: plan.Target{Kind: Kind, Path: tr.Dir(), Generation: tr.State().Generation}, Phases: []plan.Phase{{Shards: 1}}}
	if err := tr.Close(); err != nil {
		t.Fatal(err)
	}
	p := &actions{header: h, list: []cooper.Action{w.shown(version("k", "v1", "one"), day1)}}
	p.list[0].Verb = "melt"
	if _, err := w.run(p); cooper.KindOf(err) != cooper.KindInvalid {
		t.Fatal(err)
	}
	p.list[0].Verb, w.from = "fetch", &cooper.Store{Endpoint: "http://here"}
	if _, err := w.run(p); err != nil {
		t.Fatal(err)
	}
	tr = w.open()
	defer tr.Close()
	if s := tr.State().Store; s == nil || *s != *w.from {
		t.Errorf("%v", s)
	}
}
