package backup

import (
	"context"
	"strings"
	"testing"
	"time"

	"cooper"
	"cooper/internal/inventory"
	"cooper/internal/plan"
	"cooper/internal/tree/catalog"
)

// A tree that knows its store refuses a snapshot of a bucket of that name in another
// one; what neither knows contradicts nothing.
func TestSnapshotOfAnotherStore(t *testing.T) {
	here, elsewhere, owned := &cooper.Store{Endpoint: "http://here"}, &cooper.Store{Endpoint: "http://elsewhere"}, &cooper.Store{Endpoint: "http://here", Owner: "x"}
	for _, c := range []struct {
		tree, snapshot, plan *cooper.Store
		moved, refused       bool
	}{
		{nil, nil, nil, false, false},
		{nil, here, here, false, false},
		{here, nil, here, false, false},
		{here, here, here, false, false},
		{here, owned, owned, false, false},
		{owned, here, owned, false, false},
		{here, elsewhere, nil, false, true},
		{owned, &cooper.Store{Endpoint: "http://here", Owner: "y"}, nil, false, true},
		{here, elsewhere, elsewhere, true, false},
	} {
		b := newBucket("Enabled")
		b.put("a", b.now, "e1")
		s, tree := b.list(), newModel()
		s.meta.Store, tree.state.Store = c.snapshot, c.tree
		p := Careful()
		p.Moved = c.moved
		h, err := Plan(context.Background(), Inputs{Snapshot: s, Catalog: tree, Dir: "/tree", Policy: p, ID: "p-1", Now: 1 << 40}, &recorder{})
		if c.refused {
			if cooper.KindOf(err) != cooper.KindRefused || !strings.Contains(err.Error(), "elsewhere") && !strings.Contains(err.Error(), "that y owns") || !strings.Contains(cooper.RemedyOf(err), "--moved") {
				t.Errorf("%v %v: %v", c.tree, c.snapshot, err)
			}
			continue
		}
		if err != nil || (h.Store == nil) != (c.plan == nil) || h.Store != nil && *h.Store != *c.plan {
			t.Errorf("%v %v: %v, %v", c.tree, c.snapshot, h.Store, err)
		}
		if Moved(&h) != c.moved {
			t.Errorf("moved: %v", !c.moved)
		}
	}
}

// A snapshot of a time that has not come is refused, by the store's clock where it
// told; so is a plan that an earlier version of the program made of one.
func TestSnapshotFromTheFuture(t *testing.T) {
	b := newBucket("Enabled")
	b.put("a", b.now, "e1")
	s := b.list()
	taken := s.meta.TakenAt
	later := func(d time.Duration) cooper.Instant { return taken + cooper.Instant(d.Milliseconds()) }
	for _, c := range []struct {
		now, clock cooper.Instant
		refused    bool
	}{
		{taken, 0, false},
		{later(-10 * time.Minute), 0, false},
		{later(-16 * time.Minute), 0, true},
		{later(-time.Hour), taken, false}, // ours is slow
		{taken, later(-time.Hour), true},  // the store's counts
		{later(-time.Hour), later(-time.Minute), false},
	} {
		_, err := Plan(context.Background(), Inputs{Snapshot: s, Catalog: newModel(), Policy: Careful(), ID: "p-1", Now: c.now, Clock: c.clock}, &recorder{})
		if (cooper.KindOf(err) == cooper.KindRefused) != c.refused || err != nil && !c.refused {
			t.Errorf("%s %s: %v", c.now, c.clock, err)
		}
	}
	h := plan.Header{Mission: Mission, Snapshot: &inventory.Meta{ID: "s-1", TakenAt: taken}}
	if err := NotFromTheFuture(&h, later(-time.Hour)); cooper.KindOf(err) != cooper.KindRefused {
		t.Errorf("a plan: %v", err)
	}
	if err := NotFromTheFuture(&h, taken); err != nil {
		t.Error(err)
	}
	h.Mission = MissionRollback
	if err := NotFromTheFuture(&h, later(-time.Hour)); err != nil {
		t.Errorf("a rollback shows what was seen: %v", err)
	}
}

// Repairs and rollbacks fetch from the store that the tree knows.
func TestPlansRememberTheStore(t *testing.T) {
	tree := newModel()
	tree.state.Store = &cooper.Store{Endpoint: "http://here"}
	tree.state.Observed = []catalog.Observed{{ID: "s-1", TakenAt: 100, Bucket: "lab", Complete: true, Finished: true}}
	id := cooper.Identity{Key: "a", VersionID: "v1", ETag: "e", Size: 3, LastModified: 50}
	tree.rows[id] = catalog.Row{Identity: id, Shown: []int64{100}, FirstSeen: 100}
	h, err := PlanRollback(context.Background(), Rollback{Catalog: tree, Dir: "/tree", Snapshot: "s-1", Policy: Careful(), Fetch: true, ID: "p-1", Now: 200}, &recorder{})
	if err != nil || h.Store == nil || *h.Store != *tree.state.Store {
		t.Errorf("rollback: %v, %v", h.Store, err)
	}
	m, err := NewMender(Repair{Catalog: tree, Dir: "/tree", Policy: Careful(), ID: "p-2", Now: 200}, &recorder{})
	if err != nil {
		t.Fatal(err)
	}
	if h, err = m.Finish(); err != nil || h.Store == nil || *h.Store != *tree.state.Store {
		t.Errorf("repair: %v, %v", h.Store, err)
	}
}
