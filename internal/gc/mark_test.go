package gc

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"path/filepath"
	"slices"
	"testing"

	"cooper"
	"cooper/internal/gcop"
	"cooper/internal/gcstate"
	"cooper/internal/ledger/gcfacts"
	"cooper/internal/plan"
)

// recorded is a state that is only asked.
type recorded struct {
	gcstate.State

	status map[string]gcstate.Status // by id; absent: never changed
	asked  []int
}

func (r *recorded) Get(_ context.Context, handles []gcstate.Handle) (all []gcstate.Record, err error) {
	r.asked = append(r.asked, len(handles))
	for _, h := range handles {
		rec := gcstate.Record{Handle: h, Status: gcstate.Available}
		if s := r.status[h.ID]; s != "" {
			rec.Status, rec.Since = s, 7
		}
		all = append(all, rec)
	}
	return all, nil
}

func sequence[T any](all []T, last error) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for _, x := range all {
			if !yield(x, nil) {
				return
			}
		}
		if last != nil {
			var none T
			yield(none, last)
		}
	}
}

func marksOf(t *testing.T, in Marks) (h plan.Header, marks []string, err error) {
	t.Helper()
	in.Marking = gcop.Marking{Config: "/c", Declared: "x", Scope: "s/db", Server: "s/db", Detection: in.ID, Read: gcop.Reads{"p": {}}}
	dir := filepath.Join(t.TempDir(), "p")
	out, err := plan.Create(dir, "p", MarkLimits)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Abort()
	if h, err = PlanMarks(t.Context(), in, out); err != nil {
		return h, nil, err
	}
	p, err := plan.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	for n := range p.Shards() {
		actions, err := p.Shard(t.Context(), n)
		if err != nil {
			t.Fatal(err)
		}
		for i := range actions {
			c, err := gcop.ChangeOf(&actions[i])
			if err != nil {
				t.Fatal(err)
			}
			marks = append(marks, fmt.Sprintf("%s %s:%s %s@%d>%s (%s) %d", h.Phases[phaseAt(h.Phases, n)].Name, c.Kind, c.ID, c.From, c.Since, c.To, c.Reason, c.Bytes))
		}
	}
	return h, marks, nil
}

func phaseAt(all []plan.Phase, shard int) int {
	return slices.IndexFunc(all, func(p plan.Phase) bool { return shard >= p.First && shard < p.First+p.Shards })
}

// TestPlanMarks: what is marked, from what, and what is left and why.
func TestPlanMarks(t *testing.T) {
	state := &recorded{status: map[string]gcstate.Status{"2": gcstate.Unlinked, "3": gcstate.Unlinked, "4": gcstate.Archived, "5": gcstate.Restoring, "7": gcstate.Deleted}}
	in := Marks{
		ID: "d-1", State: state, Scans: 3, Confirm: []string{"much"},
		Relinked:   sequence([]gcfacts.Relinked{{Kind: "b", ID: "1", Status: "ARCHIVED"}, {Kind: "b", ID: "2", Scan: "p-1"}, {Kind: "b", ID: "4"}, {Kind: "b", ID: "5"}}, nil),
		Candidates: sequence([]gcfacts.Candidate{{Kind: "b", ID: "3"}, {Kind: "b", ID: "6", Alone: 12}, {Kind: "b", ID: "7"}, {Kind: "b", ID: "8", Alone: -1}}, nil),
	}
	h, marks, err := marksOf(t, in)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"relink b:2 UNLINKED@7>AVAILABLE (linked in p-1) 0",
		"unlink b:6 AVAILABLE@0>UNLINKED (no link in 3 complete scans) 12",
		"unlink b:8 AVAILABLE@0>UNLINKED (no link in 3 complete scans) 0",
	}
	if !slices.Equal(marks, want) {
		t.Errorf("%q", marks)
	}
	skipped := map[string]int64{}
	for why, n := range h.Skipped {
		skipped[why] = n.Count
	}
	if got, want := fmt.Sprint(skipped), fmt.Sprint(map[string]int64{SkippedOwner: 1, SkippedArchived: 1, SkippedMoved: 1, SkippedMarked: 1, SkippedChanged: 1}); got != want {
		t.Error(got)
	}
	if h.Mission != MissionDetect || h.Target.Path != "s/db" || !h.Stopped() || h.Totals[gcop.Mark] != (plan.Tally{Count: 3, Bytes: 12}) || h.Reasons[PhaseUnlink].Bytes != 12 {
		t.Errorf("%+v", h)
	}
	// Another detection that finds the same decides the same.
	in.ID = "d-2"
	again, _, err := marksOf(t, in)
	if err != nil || again.Decision != h.Decision || again.Digest == h.Digest {
		t.Errorf("%s, %s, %v", again.Decision, h.Decision, err)
	}
	// Without candidates there is but one phase.
	in.Candidates = nil
	h, marks, err = marksOf(t, in)
	if err != nil || len(marks) != 1 || len(h.Phases) != 1 {
		t.Errorf("%q, %+v, %v", marks, h.Phases, err)
	}
}

// TestPlanMany: the state is asked about many at once, and an error on the way is no shorter
// plan.
func TestPlanMany(t *testing.T) {
	state := &recorded{}
	many := make([]gcfacts.Candidate, 2*gcop.MarksAShard+1)
	for i := range many {
		many[i].ID = fmt.Sprint(i + 1)
	}
	h, marks, err := marksOf(t, Marks{ID: "d-1", State: state, Scans: 1, Relinked: sequence[gcfacts.Relinked](nil, nil), Candidates: sequence(many, nil)})
	if err != nil || len(marks) != len(many) || h.Phases[1].Shards != 3 || !slices.Equal(state.asked, []int{gcop.MarksAShard, gcop.MarksAShard, 1}) {
		t.Errorf("%d marks, %+v, %v, %v", len(marks), h.Phases, state.asked, err)
	}
	gone := &cooper.Error{Kind: cooper.KindMissing, Message: "gone"}
	if _, _, err := marksOf(t, Marks{ID: "d-1", State: state, Relinked: sequence[gcfacts.Relinked](nil, nil), Candidates: sequence(many, gone)}); !errors.Is(err, gone) {
		t.Error(err)
	}
}
