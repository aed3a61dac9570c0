package gc

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"cooper"
	"cooper/internal/bucketop/bucketoptest"
	"cooper/internal/gcop"
	"cooper/internal/gcstate"
)

// closedState has each handle as its id says, since 7.
type closedState struct{ gcstate.State }

func (closedState) Get(_ context.Context, hs []gcstate.Handle) (all []gcstate.Record, err error) {
	for _, h := range hs {
		status, _, _ := strings.Cut(h.ID, "-")
		all = append(all, gcstate.Record{Handle: h, Status: gcstate.Status(status), Since: 7})
	}
	return all, nil
}

// TestPlanBack: what is given back comes first, with all versions of what stands for the key; what is no more ARCHIVING, or was
// closed since the scan, is left.
func TestPlanBack(t *testing.T) {
	back := func(key, id string) Ripe {
		return Ripe{Bucket: "data", Key: key, Why: BackLinked, Shared: true, Handles: []RipeHandle{{ID: id, Status: gcstate.Archiving, Linked: true}}}
	}
	in := archivable(t, stored("a", "v2", large), older(stored("a", "", large), "v1"), stored("b.zst", "v1", 3), stored("d", "v1", large), stored("e", "v1", large))
	in.State, in.Scanned, in.Looked = closedState{}, 8, 100
	in.Back = sequence([]Ripe{back("a", "ARCHIVING-1"), back("b", "ARCHIVING-2"), back("c", "ARCHIVING-3"), back("d", "UNLINKED-4")}, nil)
	in.Ripe = sequence([]Ripe{ripe("e", "UNLINKED-5")}, nil)
	var p bucketoptest.Plan
	h, err := PlanArchive(t.Context(), in, &p)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for i := range p.Actions {
		a := &p.Actions[i]
		s := a.Verb + " " + a.Version.Key + "@" + a.Version.VersionID
		if a.Verb == gcop.GiveBack {
			g, err := gcop.GivenBackOf(a)
			if err != nil || p.Cuts[i] != (g.Versions > 0) {
				t.Error(p.Cuts[i], err)
			}
			s += fmt.Sprintf(" %d", g.Versions)
			for _, h := range g.Handles {
				s += fmt.Sprintf(" %s %d %v", h.ID, h.Since, h.Linked)
			}
		}
		got = append(got, s)
	}
	if s := strings.Join(got, "; "); s != "give-back a@v1 2 ARCHIVING-1 7 true; give-back a@v2 0; give-back b.zst@v1 1 ARCHIVING-2 7 true; archive e@v1" {
		t.Error(s)
	}
	if s := p.Skipped(); s != "1 "+SkippedRestated+", 1 "+SkippedGone {
		t.Error(s)
	}
	if len(h.Phases) != 2 || h.Phases[0].Name != gcop.GiveBack || h.Reasons[BackLinked].Count != 3 || h.Reasons["unlinked"].Count != 1 {
		t.Errorf("%+v, %v", h.Phases, h.Reasons)
	}
	in.Scanned = 7
	in.Back = sequence([]Ripe{back("a", "ARCHIVING-1")}, nil)
	in.Ripe = sequence[Ripe](nil, nil)
	p = bucketoptest.Plan{}
	if h, err = PlanArchive(t.Context(), in, &p); err != nil || len(p.Actions) > 0 || len(h.Phases) != 1 || p.Skipped() != "1 "+SkippedClosedSince {
		t.Errorf("%v, %v", p.Skipped(), err)
	}
	in.Back = sequence([]Ripe{back("b", "ARCHIVING-1"), back("a", "ARCHIVING-1")}, nil)
	if _, err = PlanArchive(t.Context(), in, &bucketoptest.Plan{}); cooper.KindOf(err) != cooper.KindInternal {
		t.Error(err)
	}
}
