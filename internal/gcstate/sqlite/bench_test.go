package sqlite

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"cooper/internal/gcstate"
)

// BenchmarkChange makes changes in batches of some thousands, as shards of marks are.
func BenchmarkChange(b *testing.B) {
	s := open(b, filepath.Join(b.TempDir(), "state.db"))
	defer func() { must(b, s.Close()) }()
	const batch = 5000
	n := 0
	began := time.Now()
	for b.Loop() {
		changes := make([]gcstate.Change, batch)
		for i := range changes {
			changes[i] = gcstate.Change{Handle: gcstate.Handle{Scope: "9f8e/db", Kind: "blob", ID: fmt.Sprint(10_000_000 + 7*n)}, From: gcstate.Available, To: gcstate.Unlinked, At: 1_790_000_000_000, Reason: "no link in 3 scans", Run: "r-20261120T010000Z-4f1c"}
			n++
		}
		results, err := s.Change(ctx, changes)
		must(b, err)
		if !results[0].Changed {
			b.Fatalf("%+v", results[0])
		}
	}
	b.ReportMetric(float64(n)/time.Since(began).Seconds(), "changes/s")
	began = time.Now()
	walked := 0
	must(b, s.Walk(ctx, "9f8e/db", nil, func(*gcstate.Record) error { walked++; return nil }))
	b.ReportMetric(float64(walked)/time.Since(began).Seconds(), "records-walked/s")
	began = time.Now()
	told := 0
	for {
		batch, err := s.Untold(ctx)
		must(b, err)
		if batch.Number == 0 {
			break
		}
		told += len(batch.Transitions)
		must(b, s.Told(ctx, batch.Number))
	}
	b.ReportMetric(float64(told)/time.Since(began).Seconds(), "told/s")
}
