package purge

import (
	"context"
	"path/filepath"
	"testing"

	"cooper"
	"cooper/internal/inventory/invtest"
	"cooper/internal/plan"
)

// TestDecision: a purge planned again, from another snapshot of the same, is the same
// decision.
func TestDecision(t *testing.T) {
	taken := func(change ...func(*invtest.Snapshot)) *invtest.Snapshot {
		s := snapOf(version("a", "2", 10*day, "latest"), version("a", "1", 50*day), version("b", "1", day, "latest"), version("c", "null", day, "latest"))
		for _, f := range change {
			f(s)
		}
		return s
	}
	planned := func(s *invtest.Snapshot, id string, now cooper.Instant, change ...func(*Inputs)) plan.Header {
		t.Helper()
		in := Inputs{Snapshot: s, Policy: Policy{Versions: All, ShareLimit: 0.1, OlderThan: 3600, Versioning: "Suspended", Endpoint: "https://s3.example.org"},
			Store: &cooper.Store{Endpoint: "https://s3.example.org"}, ID: id, Now: now, Moved: true}
		for _, f := range change {
			f(&in)
		}
		w, err := plan.Create(filepath.Join(t.TempDir(), id), id, plan.Limits{Actions: len(change) + 1})
		if err != nil {
			t.Fatal(err)
		}
		defer w.Abort()
		h, err := Plan(context.Background(), in, w)
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	later := taken(func(s *invtest.Snapshot) {
		s.Info.ID, s.Info.TakenAt, s.Info.Source = "s-2", s.Info.TakenAt+500, "another report"
	})
	one, again := planned(taken(), "p-1", now), planned(later, "p-2", now+12345)
	if one.Decision != again.Decision || one.Decision == "" || one.Digest == again.Digest || !one.Share.Exceeded() {
		t.Errorf("planned twice: decision %q and %q, digest %q and %q", one.Decision, again.Decision, one.Digest, again.Digest)
	}
	for name, h := range map[string]plan.Header{
		"a version less":    planned(taken(func(s *invtest.Snapshot) { s.Rows = s.Rows[:3] }), "p-3", now),
		"another version":   planned(taken(func(s *invtest.Snapshot) { s.Rows[2].VersionID = "2" }), "p-3", now),
		"another bucket":    planned(taken(func(s *invtest.Snapshot) { s.Info.Bucket = "other" }), "p-3", now),
		"a prefix":          planned(taken(), "p-3", now, func(in *Inputs) { in.Policy.Prefix = "a/" }),
		"another store":     planned(taken(), "p-3", now, func(in *Inputs) { in.Store = &cooper.Store{Endpoint: "https://elsewhere.example.org"} }),
		"another share":     planned(taken(), "p-3", now, func(in *Inputs) { in.Policy.ShareLimit = 1 }),
		"another age":       planned(taken(), "p-3", now, func(in *Inputs) { in.Policy.OlderThan = 7200 }),
		"without guard":     planned(taken(), "p-3", now, func(in *Inputs) { in.Policy.Unguarded = true }),
		"other versions":    planned(taken(), "p-3", now, func(in *Inputs) { in.Policy.Versions = Noncurrent }),
		"protected":         planned(taken(), "p-3", now, func(in *Inputs) { in.Policy.Protect = []string{"z/"} }),
		"of a list of keys": planned(taken(), "p-3", now, func(in *Inputs) { in.Policy.Chosen = "keys: lines with the SHA-256 00" }),
	} {
		if h.Decision == one.Decision {
			t.Errorf("%s: it is the same decision", name)
		}
	}
}
