package gc

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"cooper"
	"cooper/internal/bucketop/bucketoptest"
	"cooper/internal/gcop"
	"cooper/internal/gcstate"
	"cooper/internal/inventory/invtest"
	"cooper/internal/plan"
	"cooper/internal/price"
)

const aDay = cooper.Instant(24 * time.Hour / time.Millisecond)

// since is a state in which statuses have a time.
type since struct {
	gcstate.State
	status map[string]gcstate.Status
	days   map[string]int // ago
}

func (s *since) Get(_ context.Context, handles []gcstate.Handle) (all []gcstate.Record, err error) {
	for _, h := range handles {
		r := gcstate.Record{Handle: h, Status: gcstate.Available}
		if st := s.status[h.ID]; st != "" {
			r.Status, r.Since = st, today-cooper.Instant(s.days[h.ID])*aDay
		}
		all = append(all, r)
	}
	return all, nil
}

// inArchive is a copy of some days ago, and what manifests tell of it.
func inArchive(key, id string, days int, handles ...StoredHandle) (cooper.Version, Stored) {
	v := stored("data/"+key, id, 1<<20)
	v.LastModified, v.StorageClass = today-cooper.Instant(days)*aDay, "STANDARD_IA"
	return v, Stored{Bucket: "data", Key: key, Handles: handles, Copies: []StoredCopy{{VersionID: id, Origin: "o", ETag: "e", Manifest: ".cooper/archive/r/00000.jsonl.zst", At: v.LastModified}}}
}

func holds(id string) StoredHandle {
	return StoredHandle{ID: id, Told: true, Named: true, Expired: true}
}

// forgets is what a plan says, in short.
func forgets(t *testing.T, change func(*Deletion), rows []cooper.Version, told []Stored, gone ...Gone) (plan.Header, string) {
	t.Helper()
	prices, err := price.Load("")
	if err != nil {
		t.Fatal(err)
	}
	in := Deletion{
		Forgetting: gcop.Forgetting{
			Marking: gcop.Marking{Config: "/c", Declared: "x", Scope: "s/db", Server: "s/db", Detection: "d-1", Read: gcop.Reads{"p": {}}},
			Bucket:  "archive", Buckets: []string{"data"}, Snapshot: "s-1", Taken: today, Keep: 100 * 86400, Versioning: "Enabled",
		},
		Archive: invtest.SnapshotOf("archive", 1, rows...), Stored: sequence(told, nil), Gone: sequence(gone, nil),
		State:  &since{status: map[string]gcstate.Status{"1": gcstate.Archived, "2": gcstate.Archived, "y": gcstate.Archived, "r": gcstate.Restoring, "u": gcstate.Unlinked, "d": gcstate.Deleted}, days: map[string]int{"1": 150, "2": 120, "y": 99, "r": 150, "u": 150, "d": 150}},
		Looked: today - 1, Limit: 1, Prices: &prices, ID: "p-1", Now: today,
	}
	if change != nil {
		change(&in)
	}
	var p bucketoptest.Plan
	h, err := PlanForget(t.Context(), in, &p)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := gcop.ForgettingOf(&h); err != nil || h.Mission != MissionForget {
		t.Errorf("%+v: %v", h, err)
	}
	var parts []string
	for i := range p.Actions {
		a := &p.Actions[i]
		if a.Verb == gcop.Vanish {
			x, err := gcop.VanishedOf(a)
			if err != nil {
				t.Fatal(err)
			}
			parts = append(parts, fmt.Sprintf("%s %s %d", x.Event, a.Version.Key, len(x.Handles)))
			continue
		}
		x, err := gcop.ForgottenOf(a)
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, fmt.Sprintf("%s %s@%s", x.Class, a.Version.Key, a.Version.VersionID))
	}
	if s := p.Skipped(); s != "" {
		parts = append(parts, s)
	}
	return h, strings.Join(parts, "; ")
}

// TestPlanForget: what goes, and why what stays does.
func TestPlanForget(t *testing.T) {
	restored := func(in *Deletion) { in.Forgetting.Restored = true }
	for _, c := range []struct {
		days    int
		change  func(*Deletion)
		handles []StoredHandle
		want    string
	}{
		{150, nil, []StoredHandle{holds("1"), holds("2")}, "unlinked data/k@v"},
		{99, nil, []StoredHandle{holds("1")}, "1 " + SkippedEarly},
		{150, nil, []StoredHandle{holds("1"), holds("y")}, "1 " + SkippedEarly},
		{150, nil, []StoredHandle{holds("1"), {ID: "2", Told: true, Named: true}}, "1 " + SkippedKept},
		{150, nil, []StoredHandle{holds("1"), holds("r")}, "1 " + SkippedMixed},
		{150, nil, []StoredHandle{holds("1"), holds("u")}, "1 " + SkippedMixed},
		{150, nil, []StoredHandle{holds("1"), holds("a")}, "1 " + SkippedMixed},
		{150, restored, []StoredHandle{holds("1"), holds("a")}, "1 " + SkippedMixed},
		{150, nil, []StoredHandle{holds("1"), holds("d")}, "1 " + SkippedMixed},
		{150, nil, []StoredHandle{holds("1"), {ID: "2", Told: true, Expired: true}}, "1 " + SkippedElsewhere},
		{150, nil, []StoredHandle{{ID: "1", Named: true, Expired: true}}, "1 " + SkippedNamed},
		{150, nil, []StoredHandle{{ID: "a", Named: true}}, "1 " + SkippedNamed},
		{150, nil, nil, "unindexed data/k@v"},
		{99, nil, nil, "1 " + SkippedEarly},
		{150, nil, []StoredHandle{holds("a"), holds("u")}, "1 " + SkippedBack},
		{1, restored, []StoredHandle{holds("a"), holds("u")}, "restored data/k@v"},
		{150, restored, []StoredHandle{holds("r")}, "1 " + SkippedMixed},
		{150, func(in *Deletion) { in.Looked = 0 }, []StoredHandle{holds("1")}, "1 " + SkippedRestated},
		{150, func(in *Deletion) { in.Archive = invtest.SnapshotOf("archive", 1, stored("data/k", "w", 1)) }, []StoredHandle{holds("1")}, "1 " + SkippedForeign},
		{150, func(in *Deletion) { in.Stored = sequence([]Stored(nil), nil) }, nil, "1 " + SkippedForeign},
		{150, func(in *Deletion) {
			in.Archive = invtest.SnapshotOf("archive", 1, stored(".cooper/archive/x", "w", 1))
		}, nil, ""},
	} {
		v, s := inArchive("k", "v", c.days, c.handles...)
		if _, got := forgets(t, c.change, []cooper.Version{v}, []Stored{s}); got != c.want {
			t.Errorf("%d days, %+v: %q, want %q", c.days, c.handles, got, c.want)
		}
	}
	v, s := inArchive("k", "v", 150, holds("1"))
	s.Returning = true
	if _, got := forgets(t, nil, []cooper.Version{v}, []Stored{s}); got != "1 "+SkippedReturning {
		t.Error(got)
	}
	s.Returning, s.Other = false, true
	if _, got := forgets(t, nil, []cooper.Version{v}, []Stored{s}); got != "1 "+SkippedOther {
		t.Error(got)
	}
	s.Other = false
	if _, got := forgets(t, func(in *Deletion) { in.Forgetting.Buckets = []string{"more"} }, []cooper.Version{v}, []Stored{s}); got != "1 "+SkippedOther {
		t.Error(got)
	}
	marker := older(v, "m")
	marker.DeleteMarker, marker.ETag, marker.Size, marker.Latest, marker.LastModified = true, "", 0, true, today
	v.Latest = false
	if _, got := forgets(t, nil, []cooper.Version{marker, v}, []Stored{s}); got != "2 "+SkippedHidden {
		t.Error(got)
	}
}

// TestPlanForgetVersions: all of them, the oldest first, or none; a null version as it can be kept apart.
func TestPlanForgetVersions(t *testing.T) {
	v, s := inArchive("k", "v", 150, holds("1"))
	w := older(v, "w")
	s.Copies = append(s.Copies, StoredCopy{VersionID: "w", Origin: "o", ETag: "e", Manifest: s.Copies[0].Manifest, At: 1})
	if _, got := forgets(t, nil, []cooper.Version{v, w}, []Stored{s}); got != "unlinked data/k@w; unlinked data/k@v" {
		t.Error(got)
	}
	if _, got := forgets(t, nil, []cooper.Version{v, older(v, "x")}, []Stored{s}); got != "2 "+SkippedForeign {
		t.Error(got)
	}
	n, s := inArchive("k", "null", 150, holds("1"))
	s.Copies[0].VersionID = ""
	if _, got := forgets(t, func(in *Deletion) { in.Forgetting.Versioning = "" }, []cooper.Version{n}, []Stored{s}); got != "unlinked data/k@null" {
		t.Error(got)
	}
}

// TestPlanForgetTold: what it saves, and what a person must confirm.
func TestPlanForgetTold(t *testing.T) {
	v, s := inArchive("k", "v", 10, holds("a"))
	other := stored("data/z", "v", 1)
	h, _ := forgets(t, func(in *Deletion) { in.Forgetting.Restored, in.Limit = true, 0.1 }, []cooper.Version{v, other}, []Stored{s})
	if len(h.Confirm) != 1 || h.Estimate.SavedUSD <= 0 || h.Estimate.USD < h.Estimate.SavedUSD/2 || !strings.Contains(strings.Join(h.Warnings, "\n"), "charged for longer") {
		t.Errorf("%v, %+v, %v", h.Confirm, h.Estimate, h.Warnings)
	}
	// A month of a mebibyte in STANDARD_IA.
	if got := h.Estimate.SavedUSD * 1024; got < 0.0124 || got > 0.0126 {
		t.Errorf("saves %v a GiB", got)
	}
}

// TestPlanVanished: who nobody here has deleted is told, and much of it wants a word; what has changed since the inventory does not.
func TestPlanVanished(t *testing.T) {
	gone := func(id string, event gcstate.Event, ours bool) Gone {
		return Gone{Bucket: "data", Key: "g", ID: id, Event: event, Ours: ours}
	}
	h, got := forgets(t, func(in *Deletion) { in.Limit = 0.1 }, nil, nil, gone("1", gcstate.Vanish, false), gone("2", gcstate.Vanish, false), gone("d", gcstate.Reappear, false))
	if got != "vanish data/g 2; seen-again data/g 1" || len(h.Confirm) != 1 || len(h.Warnings) == 0 {
		t.Errorf("%s, %v, %v", got, h.Confirm, h.Warnings)
	}
	if h, got = forgets(t, func(in *Deletion) { in.Limit = 0.1 }, nil, nil, gone("1", gcstate.Vanish, true)); got != "vanish data/g 1" || len(h.Confirm) != 0 {
		t.Errorf("%s, %v", got, h.Confirm)
	}
	if _, got = forgets(t, nil, nil, nil, gone("r", gcstate.Vanish, true), gone("a", gcstate.Vanish, true)); got != "" {
		t.Error(got)
	}
	if _, got = forgets(t, func(in *Deletion) { in.Forgetting.Taken = today - 130*aDay }, nil, nil, gone("2", gcstate.Vanish, true)); got != "" {
		t.Error(got)
	}
}
