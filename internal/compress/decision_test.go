package compress

import (
	"context"
	"path/filepath"
	"testing"

	"cooper"
	"cooper/internal/codec"
	"cooper/internal/inventory/invtest"
	"cooper/internal/plan"
)

// mission is Plan or Sample.
type mission func(ctx context.Context, in Inputs, w plan.Sink) (plan.Header, error)

// written makes a plan on disk.
func (f mission) written(t *testing.T, id, seed string, s *invtest.Snapshot, p Policy, now cooper.Instant, change ...func(*Inputs)) plan.Header {
	t.Helper()
	in := Inputs{Snapshot: s, Policy: p, Prices: prices(t), ID: seed, Now: now, Store: &cooper.Store{Endpoint: "https://s3.example.org"}, Moved: true}
	for _, f := range change {
		f(&in)
	}
	w, err := plan.Create(filepath.Join(t.TempDir(), id), id, plan.Limits{Actions: len(change) + 1})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	h, err := f(context.Background(), in, w)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func later(s *invtest.Snapshot) *invtest.Snapshot {
	s.Info.ID, s.Info.TakenAt, s.Info.Source = "s-2", s.Info.TakenAt+500, "another report"
	return s
}

func differ(t *testing.T, one, again plan.Header, others map[string]plan.Header) {
	t.Helper()
	if one.Decision != again.Decision || one.Decision == "" || one.Digest == again.Digest || len(one.Totals) == 0 {
		t.Errorf("planned twice: decision %q and %q, digest %q and %q", one.Decision, again.Decision, one.Digest, again.Digest)
	}
	for name, h := range others {
		if h.Decision == one.Decision {
			t.Errorf("%s: it is the same decision", name)
		}
	}
}

// TestDecision: what is planned again, from another snapshot of the same, is the same
// decision.
func TestDecision(t *testing.T) {
	taken := func() *invtest.Snapshot {
		return snapOf(current("a", "1"), current("b", "1", class("STANDARD_IA")), current("c.zst", "1"), current("d", "null"))
	}
	less, other := taken(), taken()
	less.Rows, other.Rows[0].ETag = less.Rows[1:], "other"
	week := cooper.Instant(7 * 24 * 3600 * 1000)
	f := mission(Plan)
	differ(t, f.written(t, "p-1", "p-1", taken(), usual(), now), f.written(t, "p-2", "p-2", later(taken()), usual(), now+week, func(in *Inputs) { in.Share = 0.3 }), map[string]plan.Header{
		"an object less":  f.written(t, "p-3", "p-3", less, usual(), now),
		"another content": f.written(t, "p-3", "p-3", other, usual(), now),
		"in place":        f.written(t, "p-3", "p-3", taken(), usual(inPlace), now),
		"kept originals":  f.written(t, "p-3", "p-3", taken(), usual(keep), now),
		"another level":   f.written(t, "p-3", "p-3", taken(), usual(func(p *Policy) { p.Rewriting.Codec.Compress = codec.Compression{Method: codec.Zstd, Level: 9} }), now),
		"another store":   f.written(t, "p-3", "p-3", taken(), usual(), now, func(in *Inputs) { in.Store = &cooper.Store{Endpoint: "https://elsewhere.example.org"} }),
		"what was left":   f.written(t, "p-3", "p-3", taken(), usual(func(p *Policy) { p.Again = true }), now),
	})
}

// TestDecisionOfASample: which objects are read follows from the id, and is decided by
// it; what compressing everything would take, as things stand, is not.
func TestDecisionOfASample(t *testing.T) {
	taken := func() *invtest.Snapshot { return bucketful(600) }
	sampling := func(objects int, try ...string) Policy {
		return usual(func(p *Policy) { p.Sampling = &Sampling{Objects: objects, Bytes: 1 << 30, Try: try} })
	}
	cool := func(s *invtest.Snapshot) *invtest.Snapshot { // classes charge for what goes early, less from day to day
		for i := range s.Rows {
			if i%3 == 0 {
				s.Rows[i].StorageClass = "STANDARD_IA"
			}
		}
		return s
	}
	week := cooper.Instant(7 * 24 * 3600 * 1000)
	f := mission(Sample)
	one := f.written(t, "p-1", "p-1", cool(taken()), sampling(50, "zstd:3"), now)
	again := f.written(t, "p-2", "p-1", cool(later(taken())), sampling(50, "zstd:3"), now+week)
	early := func(h *plan.Header) float64 {
		p, err := PolicyOf(h)
		if err != nil {
			t.Fatal(err)
		}
		return p.Sampling.EarlyUSD
	}
	if early(&one) == early(&again) {
		t.Errorf("a week later as much is charged for what goes early: %g", early(&one))
	}
	differ(t, one, again, map[string]plan.Header{
		"another sample":    f.written(t, "p-3", "p-3", cool(taken()), sampling(50, "zstd:3"), now),
		"a larger one":      f.written(t, "p-3", "p-1", cool(taken()), sampling(51, "zstd:3"), now),
		"another level":     f.written(t, "p-3", "p-1", cool(taken()), sampling(50, "zstd:9"), now),
		"another threshold": f.written(t, "p-3", "p-1", cool(taken()), func() Policy { p := sampling(50, "zstd:3"); p.MinSize = 513; return p }(), now),
	})
}
