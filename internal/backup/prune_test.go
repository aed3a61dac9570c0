package backup

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"cooper"
	"cooper/internal/plan"
	"cooper/internal/tree/catalog"
)

const year = 365 * 24 * time.Hour

var pruneNow = cooper.InstantOf(time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC))

// old makes a version in history, superseded so long ago; 0 is unknown.
func old(id string, ago time.Duration) catalog.Row {
	r := catalog.Row{Identity: cooper.Identity{Key: "k", VersionID: id, ETag: "e", Size: 10, LastModified: 5}, Place: catalog.History, Reason: catalog.Replaced,
		Shown: []int64{1, 2}, Check: cooper.Verified, Method: "md5"}
	if ago != 0 {
		r.Superseded = cooper.InstantOf(pruneNow.Time().Add(-ago))
	}
	return r
}

func changed(r catalog.Row, f func(r *catalog.Row)) catalog.Row {
	f(&r)
	return r
}

// modelThatFollowed is a tree that has followed its bucket.
func modelThatFollowed() *model {
	m := newModel()
	m.state.Observed = []catalog.Observed{{ID: "s-1", TakenAt: 1, Complete: true, Finished: true}}
	return m
}

// pruning plans to prune what was superseded longer than a year ago, and gives
// the version ids.
func pruning(t *testing.T, keep int, rows ...catalog.Row) (string, plan.Header) {
	t.Helper()
	var rec recorder
	h, err := PlanPrune(context.Background(), Prune{Catalog: rowsOf{model: modelThatFollowed(), rows: rows}, Dir: "/tree", Policy: Careful(), OlderThan: year, KeepLast: keep, ID: "p-1", Now: pruneNow}, &rec)
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, a := range rec.actions {
		ids = append(ids, a.Version.VersionID)
	}
	return strings.Join(ids, " "), h
}

func TestWhatIsPruned(t *testing.T) {
	shown := func(r *catalog.Row) { r.Shown = []int64{1} }
	inMirror := changed(old("m", 0), func(r *catalog.Row) { r.Place, r.Reason, r.Shown = catalog.Mirror, "", []int64{1} })
	pending := changed(inMirror, func(r *catalog.Row) { r.Place = catalog.Nowhere })
	for name, c := range map[string]struct {
		keep  int
		rows  []catalog.Row
		want  string
		skips string
	}{
		"by age":                                  {0, []catalog.Row{inMirror, old("a", year+time.Hour), old("b", year-time.Hour), old("c", year)}, "a", ""},
		"unknown age":                             {0, []catalog.Row{inMirror, old("a", 0)}, "", "undated"},
		"in the future":                           {0, []catalog.Row{inMirror, old("a", -5*year)}, "", ""},
		"shown until lately":                      {0, []catalog.Row{inMirror, changed(old("a", 4*year), func(r *catalog.Row) { r.Shown = []int64{1, int64(pruneNow) - 1000} })}, "", ""},
		"in the mirror until lately":              {0, []catalog.Row{inMirror, changed(old("a", 4*year), func(r *catalog.Row) { r.Shown, r.FirstSeen = nil, pruneNow-1000 })}, "", ""},
		"older when first seen, lately":           {0, []catalog.Row{inMirror, changed(old("a", 4*year), func(r *catalog.Row) { r.Shown, r.FirstSeen, r.Reason = nil, pruneNow-1000, catalog.Older })}, "a", ""},
		"the last one is the last that was shown": {1, []catalog.Row{inMirror, changed(old("a", 4*year), func(r *catalog.Row) { r.Shown = []int64{1, int64(pruneNow) - year.Milliseconds() - 1000} }), old("b", 2*year)}, "b", "last"},
		"no snapshot ever showed the key":         {0, []catalog.Row{changed(old("a", 4*year), func(r *catalog.Row) { r.Shown = nil }), changed(old("b", 2*year), func(r *catalog.Row) { r.Shown = nil })}, "a", "needed"},
		"still shown":                             {0, []catalog.Row{inMirror, changed(old("a", 2*year), shown)}, "", "shown"},
		"the last ones":                           {2, []catalog.Row{inMirror, old("a", 4*year), old("b", 2*year), old("c", 3*year), old("d", 5*year)}, "a d", "last"},
		"the last ones, of which one is young":    {2, []catalog.Row{inMirror, old("a", 4*year), old("b", time.Hour), old("c", 3*year)}, "a", "last"},
		"a corrupt one is none of the last":       {1, []catalog.Row{inMirror, changed(old("a", 2*year), func(r *catalog.Row) { r.Check = cooper.Corrupt }), old("b", 3*year), old("c", 4*year)}, "c", "last"},
		"the latest has no bytes":                 {0, []catalog.Row{pending, old("a", 4*year), old("b", 2*year)}, "a", "needed"},
		"the latest has no bytes, but the next":   {0, []catalog.Row{pending, old("a", 4*year), old("b", time.Hour)}, "a", ""},
		"the latest is corrupt":                   {0, []catalog.Row{changed(inMirror, func(r *catalog.Row) { r.Check = cooper.Corrupt }), old("a", 4*year)}, "", "needed"},
		"the mirror shows another in its stead":   {0, []catalog.Row{pending, changed(inMirror, func(r *catalog.Row) { r.VersionID, r.Shown = "n", []int64{1, 2} }), old("a", 4*year)}, "a", ""},
		"the key was deleted":                     {0, []catalog.Row{changed(pending, func(r *catalog.Row) { r.DeleteMarker = true }), old("a", 4*year)}, "a", ""},
		"deleted while its last bytes are older":  {0, []catalog.Row{changed(pending, func(r *catalog.Row) { r.Shown = []int64{1, 2} }), old("a", 4*year)}, "a", ""},
	} {
		got, h := pruning(t, c.keep, c.rows...)
		var skips []string
		for why := range h.Skipped {
			skips = append(skips, why)
		}
		if got != c.want || strings.Join(skips, " ") != c.skips {
			t.Errorf("%s: %q, skipped %q; want %q, %q", name, got, skips, c.want, c.skips)
		}
	}
}

func TestPrunePlanTellsWhatItFrees(t *testing.T) {
	_, h := pruning(t, 0, old("a", year+time.Hour), old("b", 6*year), changed(old("c", 7*year), func(r *catalog.Row) { r.Reason, r.Size = catalog.Deleted, 1000 }),
		changed(old("d", 0), func(r *catalog.Row) { r.Key, r.Place, r.Size = "l", catalog.Mirror, 5000 }))
	if got := fmt.Sprint(h.Ages); got != "[{1 to 2 years {1 10}} {5 years and more {2 1010}}]" {
		t.Errorf("ages %s", got)
	}
	if h.Reasons[catalog.Deleted] != (plan.Tally{Count: 1, Bytes: 1000}) || h.Reasons[catalog.Replaced].Count != 2 {
		t.Errorf("reasons %v", h.Reasons)
	}
	want := plan.Share{Deletes: true, Removed: 3, Scope: 4, RemovedBytes: 1020, ScopeBytes: 6020, Limit: 0.1}
	if h.Share != want || !h.Share.Exceeded() {
		t.Errorf("share %+v", h.Share)
	}
	if h.Estimate.Disk != 0 || h.Estimate.Bytes != 0 || !h.Partial || h.Source != "" {
		t.Errorf("%+v", h)
	}
}

func TestShareStopOfAPruneCountsBytesToo(t *testing.T) {
	rows := []catalog.Row{changed(old("big", 2*year), func(r *catalog.Row) { r.Size = 1000 })}
	for i := range 100 {
		rows = append(rows, changed(old(fmt.Sprint(i), time.Hour), func(r *catalog.Row) { r.Size = 50 }))
	}
	if _, h := pruning(t, 0, rows...); h.Share.Removed != 1 || !h.Share.Exceeded() {
		t.Errorf("%+v", h.Share)
	}
}

func TestAPruneMustMakeSense(t *testing.T) {
	for _, in := range []Prune{
		{Policy: Careful()},
		{Policy: Careful(), OlderThan: -time.Hour},
		{Policy: Careful(), OlderThan: time.Hour, KeepLast: -1},
		{OlderThan: time.Hour},
	} {
		in.Catalog, in.Now = newModel(), pruneNow
		if _, err := PlanPrune(context.Background(), in, &recorder{}); cooper.KindOf(err) != cooper.KindUsage {
			t.Errorf("%+v: %v", in, err)
		}
	}
	_, err := PlanPrune(context.Background(), Prune{Catalog: newModel(), Policy: Careful(), OlderThan: time.Hour, Now: pruneNow}, &recorder{})
	if cooper.KindOf(err) != cooper.KindRefused || !strings.Contains(err.Error(), "never followed its bucket") {
		t.Errorf("a tree that never followed its bucket: %v", err)
	}
	rolling := midway{modelThatFollowed(), MissionRollback}
	if _, err := PlanPrune(context.Background(), Prune{Catalog: rolling, Policy: Careful(), OlderThan: time.Hour, Now: pruneNow}, &recorder{}); cooper.KindOf(err) != cooper.KindRefused {
		t.Errorf("in the middle of a rollback: %v", err)
	}
}

func TestAPruneTellsThatItGivesABackupUp(t *testing.T) {
	h, err := PlanPrune(context.Background(), Prune{Catalog: midway{modelThatFollowed(), Mission}, Policy: Careful(), OlderThan: time.Hour, Now: pruneNow}, &recorder{})
	if err != nil || !strings.Contains(strings.Join(h.Warnings, "\n"), "p-1 is not finished") {
		t.Errorf("%q, %v", h.Warnings, err)
	}
}

func TestSamePolicy(t *testing.T) {
	in := Prune{Policy: Careful(), OlderThan: year, KeepLast: 2}
	h, err := header(MissionPrune, "p-1", pruneNow, in.policy())
	if err != nil || !in.SamePolicy(&h) {
		t.Fatalf("not the same: %s, %v", h.Policy, err)
	}
	for _, change := range []func(in *Prune){
		func(in *Prune) { in.KeepLast = 0 }, func(in *Prune) { in.OlderThan -= time.Second }, func(in *Prune) { in.Policy.Prefix = "a" }, func(in *Prune) { in.Policy.ShareLimit = 1 },
	} {
		other := in
		if change(&other); other.SamePolicy(&h) {
			t.Errorf("%+v is the same", other)
		}
	}
}

func TestStatusCountsPrunedApart(t *testing.T) {
	pruned := changed(old("a", year), func(r *catalog.Row) { r.Place, r.Reason, r.Check = catalog.Nowhere, catalog.Pruned, "" })
	s, err := StatusOf(context.Background(), "/tree", rowsOf{model: newModel(), rows: []catalog.Row{pruned}}, runList{}, pruneNow, true)
	if err != nil || s.Contents.Pruned.Count != 1 || s.Contents.Pending.Count+s.Contents.Lost.Count != 0 || !pruned.Pruned() {
		t.Errorf("%+v, %v", s.Contents, err)
	}
}
