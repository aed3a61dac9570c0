package uploads

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"cooper"
	"cooper/internal/bucketop"
	"cooper/internal/bucketop/bucketoptest"
	"cooper/internal/plan"
)

var now = time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)

func ago(d time.Duration) cooper.Instant { return cooper.InstantOf(now.Add(-d)) }

const day = 24 * time.Hour

// old is an upload that goes.
func old(key string) Upload {
	return Upload{Key: key, ID: "id of " + key, Initiated: ago(40 * day), Told: true, Parts: 2, Bytes: 100, Newest: ago(39 * day)}
}

func policy() Policy { return Policy{OlderThan: (30 * day).Seconds(), ShareLimit: 1} }

func planOf(t *testing.T, p Policy, us ...Upload) (*bucketoptest.Plan, error) {
	t.Helper()
	var w bucketoptest.Plan
	_, err := Plan(t.Context(), Inputs{
		Bucket: "lab", Policy: p, ID: "p-1", Now: cooper.InstantOf(now.Add(time.Hour)), Clock: cooper.InstantOf(now), Store: &cooper.Store{},
		Each: func(_ context.Context, f func(*Upload) error) error {
			for i := range us {
				if err := f(&us[i]); err != nil {
					return err
				}
			}
			return nil
		},
		Judged: func(*Upload, string) {},
	}, &w)
	return &w, err
}

// TestLeaves: each reason to leave an upload, alone, keeps one that would go without it.
func TestLeaves(t *testing.T) {
	p := policy()
	p.Protect = bucketop.Protection{"keep/", "*/held/"}
	for name, c := range map[string]struct {
		change func(u *Upload)
		want   string
	}{
		"nothing":                 {func(*Upload) {}, ""},
		"no parts":                {func(u *Upload) { u.Parts, u.Bytes, u.Newest = 0, 0, 0 }, ""},
		"just old enough":         {func(u *Upload) { u.Initiated = ago(30*day + time.Millisecond) }, ""},
		"not quite":               {func(u *Upload) { u.Initiated = ago(30 * day) }, SkippedYoung},
		"from the future":         {func(u *Upload) { u.Initiated = ago(-time.Hour) }, SkippedYoung},
		"no time":                 {func(u *Upload) { u.Initiated = 0 }, SkippedUntold},
		"a part of today":         {func(u *Upload) { u.Newest = ago(day) }, SkippedActive},
		"a part of yesterday":     {func(u *Upload) { u.Newest = ago(day + time.Millisecond) }, ""},
		"a part from the future":  {func(u *Upload) { u.Newest = ago(-day) }, SkippedActive},
		"parts without a time":    {func(u *Upload) { u.Newest = 0 }, SkippedUntold},
		"parts that are not told": {func(u *Upload) { u.Told, u.Parts, u.Bytes, u.Newest = false, 0, 0, 0 }, SkippedUntold},
		"protected":               {func(u *Upload) { u.Key = "keep/x" }, SkippedProtected},
		"protected by a star":     {func(u *Upload) { u.Key = "any/held/x" }, SkippedProtected},
		"a sibling":               {func(u *Upload) { u.Key = "keeper/x" }, ""},
		"ours":                    {func(u *Upload) { u.Ours = true }, SkippedOurs},
		"unnamed":                 {func(u *Upload) { u.Unnamed = true }, SkippedUnnamed},
		"no text":                 {func(u *Upload) { u.Key = "\xff" }, SkippedUnnamed},
		"an id that is no text":   {func(u *Upload) { u.ID = "\xff" }, SkippedUnnamed},
		"no id":                   {func(u *Upload) { u.ID = "" }, SkippedUnnamed},
	} {
		u := old("a")
		c.change(&u)
		if got := p.leaves(&u, cooper.InstantOf(now)); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestPlan(t *testing.T) {
	young := old("a/young")
	young.Initiated = ago(day)
	again := old("a/old")
	again.ID, again.Parts, again.Bytes, again.Newest = "other", 0, 0, 0
	p := policy()
	p.Prefix, p.ShareLimit, p.Protect = "a/", 0.5, bucketop.Protection{"b/"}
	w, err := planOf(t, p, old("a/old"), again, young, old("ab"), old("b/c"))
	if err != nil {
		t.Fatal(err)
	}
	h := w.Head
	if len(w.Actions) != 2 || h.Totals[bucketop.Abort] != (plan.Tally{Count: 2, Bytes: 100}) || w.Skipped() != "1 young" {
		t.Fatalf("%+v, %s", w.Actions, w.Skipped())
	}
	a := w.Actions[0]
	if a.Version.Key != "a/old" || a.Version.VersionID != "id of a/old" || a.Version.Size != 100 || a.Version.LastModified != ago(40*day) || a.Args["parts"] != "2" || !w.Cuts[1] {
		t.Errorf("%+v", a)
	}
	if h.Target.Path != "s3://lab/a/" || h.Mission != Mission || h.Reasons[ReasonParts].Count != 1 || h.Reasons[ReasonEmpty].Count != 1 {
		t.Errorf("%+v", h)
	}
	if !h.Share.Exceeded() || h.Share.Removed != 2 || h.Share.Scope != 3 || h.Share.What() != "uploads" {
		t.Errorf("%+v", h.Share)
	}
	if text := strings.Join(h.Warnings, "\n"); !strings.Contains(text, "--protect b/ covers nothing") || !strings.Contains(text, "2 of 3") {
		t.Error(text)
	}
	if !SamePolicy(&h, p) || SamePolicy(&h, policy()) {
		t.Error("the policy")
	}
	if _, err := PolicyOf(&plan.Header{ID: "p-9", Mission: "purge", Policy: h.Policy}); cooper.KindOf(err) != cooper.KindInvalid {
		t.Error(err)
	}
}

// TestNoPlan: a listing that fails makes none, and wrong parameters are refused.
func TestNoPlan(t *testing.T) {
	failed := errors.New("501")
	var w bucketoptest.Plan
	_, err := Plan(t.Context(), Inputs{Policy: policy(), Judged: func(*Upload, string) {}, Each: func(_ context.Context, f func(*Upload) error) error {
		u := old("a")
		return errors.Join(f(&u), failed)
	}}, &w)
	if !errors.Is(err, failed) || w.Head.ID != "" {
		t.Errorf("%+v, %v", w.Head, err)
	}
	for name, change := range map[string]func(*Policy){
		"a day is the least": func(p *Policy) { p.OlderThan = 86399 },
		"no age":             func(p *Policy) { p.OlderThan = 0 },
		"no slash":           func(p *Policy) { p.Prefix = "a" },
		"share":              func(p *Policy) { p.ShareLimit = 2 },
		"protect":            func(p *Policy) { p.Protect = bucketop.Protection{""} },
	} {
		p := policy()
		change(&p)
		if _, err := planOf(t, p); cooper.KindOf(err) != cooper.KindUsage {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestMany: nothing is kept of what went by.
func TestMany(t *testing.T) {
	n := 0
	var w counting
	h, err := Plan(t.Context(), Inputs{Bucket: "lab", Policy: policy(), Clock: cooper.InstantOf(now), Judged: func(*Upload, string) {}, Each: func(_ context.Context, f func(*Upload) error) error {
		for n = range 1_000_000 {
			u := old("a")
			u.ID = fmt.Sprint(n)
			if err := f(&u); err != nil {
				return err
			}
		}
		return nil
	}}, &w)
	if err != nil || w != 1_000_000 || h.Share.RemovedBytes != 100_000_000 {
		t.Errorf("%d, %+v, %v", w, h.Share, err)
	}
}

// counting is a sink that keeps nothing.
type counting int

func (c *counting) Phase(string) error                        { return nil }
func (c *counting) Add(cooper.Action, bool) error             { *c++; return nil }
func (c *counting) Finish(h plan.Header) (plan.Header, error) { return h, nil }

func TestRule(t *testing.T) {
	p := policy()
	p.Prefix, p.OlderThan = "a/", (36 * time.Hour).Seconds()
	r, differs, err := RuleOf(p)
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(r)
	want := `{"Rules":[{"ID":"abort-unfinished-uploads-2d","Status":"Enabled","Filter":{"Prefix":"a/"},"AbortIncompleteMultipartUpload":{"DaysAfterInitiation":2}}]}`
	if err != nil || string(b) != want || len(differs) == 0 {
		t.Errorf("%s, %v, %v", b, differs, err)
	}
	p.Protect = bucketop.Protection{"a/b/"}
	if _, _, err := RuleOf(p); cooper.KindOf(err) != cooper.KindUsage {
		t.Error(err)
	}
}
