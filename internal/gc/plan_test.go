package gc

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	"cooper"
	"cooper/internal/database"
	"cooper/internal/gcop"
	"cooper/internal/plan"
)

func planned(t *testing.T, o *owner, text string, at cooper.Instant) (*plan.Plan, plan.Header, error) {
	t.Helper()
	c := configOf(t, text)
	s := survey(t, o, c)
	dir := filepath.Join(t.TempDir(), "p-1")
	w, err := plan.Create(dir, "p-1", Limits)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	h, err := Plan(context.Background(), Inputs{Config: c, Path: "/etc/cooper.yaml", Database: c.Database.Text, Survey: s, Findings: Check(c, s, &Around{}), Asker: o, ID: "p-1", Now: at}, w)
	if err != nil {
		return nil, h, err
	}
	p, err := plan.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return p, h, nil
}

// TestPlan: handles first, what links to them after, each range a shard of its own; a table
// has all of its ranges.
func TestPlan(t *testing.T) {
	o := newOwner()
	key := []string{"id"}
	o.ranges = map[string][]database.Range{
		"posts": {{Key: key, To: database.Bound{[]byte("10")}, Rows: 10}, {Key: key, After: database.Bound{[]byte("10")}, Rows: 3}},
		"files": {{Key: key, Rows: 100}},
	}
	p, h, err := planned(t, o, declared1, now)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for n := range h.Phases[0].Shards + h.Phases[1].Shards {
		actions, err := p.Shard(context.Background(), n)
		if err != nil || len(actions) != 1 || actions[0].ID != int64(n) {
			t.Fatalf("shard %d: %v, %v", n, actions, err)
		}
		task, err := gcop.TaskOf(&actions[0])
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%s: %s %s %s.%s%s %d %s..%s %d", actions[0].Verb, task.What, task.Name, task.Schema, task.Table, task.Column, task.Number, task.After, task.To, task.Rows))
	}
	same(t, "tasks", got,
		"handles: kind file public.files 0 []..[] 100",
		"handles: kind old public.old 0 []..[] 100",
		"handles: derived variant . 0 []..[] -1",
		"handles: hold protect public.holdsfile_id 0 []..[] 100",
		"links: association posts public.posts 0 []..[10] 10",
		"links: association posts public.posts 1 [10]..[] 3",
		"links: association bodies public.posts 0 []..[10] 10",
		"links: association bodies public.posts 1 [10]..[] 3",
		"links: association tenants tenant_a.uploads 0 []..[] 100",
		"links: association tenants tenant_b.uploads 0 []..[] 100")
	if len(h.Phases) != 2 || h.Phases[0].Name != gcop.Handles || h.Phases[1].Name != gcop.Links || h.Estimate.Rows != 526 || len(h.Estimate.Requests) != 0 || len(h.Warnings) != 1 {
		t.Errorf("%+v", h)
	}
	policy, err := PolicyOf(&h)
	if err != nil || policy.Ranges[""] != 4 || policy.Ranges["posts"] != 2 || policy.Ranges["tenants"] != 2 || policy.Scanning.Time != now || policy.Scanning.Server != "pg-1" || policy.Scanning.Config != "/etc/cooper.yaml" {
		t.Errorf("%+v, %v", policy, err)
	}
	if err := gcop.CheckTarget(h, "postgres:env:APP", "pg-1", policy.Scanning.Configuration); err != nil {
		t.Error(err)
	}
	o.server.Clock = o.server.Clock.AddDate(0, 0, 1)
	if _, again, err := planned(t, o, declared1, now+day); err != nil || again.Decision != h.Decision {
		t.Errorf("planned again it is another decision: %v", err)
	}
}

// TestRefusedPlansNothing: what a check refuses is not planned, and neither is a table of
// which the database gives no range.
func TestRefusedPlansNothing(t *testing.T) {
	o := newOwner()
	o.find("posts").RowSecurity = true
	if _, _, err := planned(t, o, declared1, now); cooper.KindOf(err) != cooper.KindRefused {
		t.Error(err)
	}
	o = newOwner()
	o.ranges = map[string][]database.Range{"posts": {}}
	if _, _, err := planned(t, o, declared1, now); cooper.KindOf(err) != cooper.KindInternal {
		t.Error(err)
	}
	if _, err := PolicyOf(&plan.Header{ID: "p-9", Mission: "purge"}); cooper.KindOf(err) != cooper.KindInvalid {
		t.Error(err)
	}
}

// TestRangeRows: a range is a minute of what the owner allows and a connection does.
func TestRangeRows(t *testing.T) {
	c := configOf(t, declared1+"limits: {rows_per_second: 10000, connections: 5}\n")
	var got []int64
	for _, p := range partsOf(c) {
		got = append(got, rangeRows(c, p))
	}
	if want := []int64{120_000, 120_000, 120_000, 120_000, 120_000, 120_000, 120_000}; !slices.Equal(got, want) {
		t.Errorf("%v", got)
	}
	c = configOf(t, declared1)
	if n := rangeRows(c, partsOf(c)[5]); n != 300_000 {
		t.Errorf("of values: %d", n)
	}
}
