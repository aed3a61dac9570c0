package gc

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"cooper"
	"cooper/internal/bucketop/bucketoptest"
	"cooper/internal/gcop"
	"cooper/internal/gcstate"
)

// recalled is what a plan says, in short.
func recalled(t *testing.T, in Recall, objects ...Wanted) (string, error) {
	t.Helper()
	in.Recalling.Scope, in.Recalling.Bucket, in.Recalling.Days, in.Recalling.Tier, in.ID = "s/db", "depot", 7, "Standard", "p-1"
	in.Wanted = func(yield func(Wanted, error) bool) {
		for _, x := range objects {
			if !yield(x, nil) {
				return
			}
		}
	}
	var p bucketoptest.Plan
	h, err := PlanRecall(t.Context(), in, &p)
	if err != nil {
		return "", err
	}
	if _, err := gcop.RecallingOf(&h); err != nil || h.Mission != MissionRecall {
		t.Errorf("%+v: %v", h, err)
	}
	var parts []string
	for i := range p.Actions {
		r, err := gcop.RecalledOf(&p.Actions[i])
		if err != nil {
			t.Fatal(err)
		}
		text := r.Bucket + "/" + r.Key + " " + r.Reason
		if r.Stays {
			text += ", stays"
		}
		for _, w := range r.Handles {
			text += fmt.Sprintf(" %s:%s", w.ID, w.Status)
			if w.Asked {
				text += "!"
			}
		}
		parts = append(parts, text)
	}
	if s := p.Skipped(); s != "" {
		parts = append(parts, "skipped "+s)
	}
	return strings.Join(parts, "; "), nil
}

// wanted is an object; handles with an exclamation mark are asked for.
func wanted(key string, ids ...string) Wanted {
	x := Wanted{Bucket: "data", Key: key, Bytes: 7}
	for _, id := range ids {
		bare, asked := strings.CutSuffix(id, "!")
		x.Handles = append(x.Handles, WantedHandle{ID: bare, Asked: asked})
	}
	return x
}

func TestPlanRecall(t *testing.T) {
	state := &recorded{status: map[string]gcstate.Status{
		"u": gcstate.Unlinked, "g": gcstate.Archiving, "a": gcstate.Archived, "b": gcstate.Archived, "r": gcstate.Restoring, "d": gcstate.Deleted,
	}}
	for _, c := range []struct {
		ids  []string
		want string
	}{
		{[]string{"a!"}, "data/k wanted a:ARCHIVED!"},
		{[]string{"a!", "b"}, "data/k wanted a:ARCHIVED! b:ARCHIVED"},
		{[]string{"a!", "r"}, "data/k asked for before a:ARCHIVED! r:RESTORING!"},
		{[]string{"a", "r!"}, "data/k asked for before a:ARCHIVED r:RESTORING!"},
		{[]string{"u!"}, "data/k not gone yet, stays u:UNLINKED!"},
		{[]string{"g!", "u"}, "data/k not gone yet, stays g:ARCHIVING!"},
		{[]string{"u!", "a!"}, "data/k not gone yet, stays u:UNLINKED!; skipped 1 something else is in its place"},
		{[]string{"a!", "u"}, "data/k wanted a:ARCHIVED!"},
		{[]string{"n!"}, "skipped 1 AVAILABLE already"},
		{[]string{"d!", "n"}, "skipped 1 deleted for good"},
		{[]string{"a", "u"}, ""},
		{nil, ""},
	} {
		if got, err := recalled(t, Recall{State: state}, wanted("k", c.ids...)); err != nil || got != c.want {
			t.Errorf("%v: %s, %v\nwant %s", c.ids, got, err, c.want)
		}
	}
}

// TestPlanRecallFromArchive: what the archive has comes back, whoever names it, and though nobody does.
func TestPlanRecallFromArchive(t *testing.T) {
	got, err := recalled(t, Recall{Recalling: gcop.Recalling{FromArchive: true}}, wanted("a", "1!", "2!"), wanted("b"))
	if want := "data/a in the archive 1:ARCHIVED! 2:ARCHIVED!; data/b in the archive"; err != nil || got != want {
		t.Errorf("%s, %v\nwant %s", got, err, want)
	}
	if _, err := recalled(t, Recall{}, wanted("a", "1!")); cooper.KindOf(err) != cooper.KindInternal {
		t.Errorf("nobody is asked: %v", err)
	}
}

// TestPlanRecallOrder: many are asked for in steps, and what is not in order would be in a plan twice.
func TestPlanRecallOrder(t *testing.T) {
	var many []Wanted
	for i := range gcop.RecallsAShard + 3 {
		many = append(many, wanted(fmt.Sprintf("%05d", i), "a!"))
	}
	state := &recorded{status: map[string]gcstate.Status{"a": gcstate.Archived}}
	got, err := recalled(t, Recall{State: state}, many...)
	if n := strings.Count(got, "wanted"); err != nil || n != len(many) {
		t.Errorf("%d of %d, %v", n, len(many), err)
	}
	for _, at := range []int{1, gcop.RecallsAShard, gcop.RecallsAShard + 1} {
		twice := slices.Insert(slices.Clone(many), at, many[at-1])
		if _, err := recalled(t, Recall{State: state}, twice...); cooper.KindOf(err) != cooper.KindInternal {
			t.Errorf("one twice, at %d: %v", at, err)
		}
	}
}
