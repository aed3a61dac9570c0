package compress

import (
	"context"
	"fmt"
	"io"
	"testing"

	"cooper"
	"cooper/internal/bucketop"
	"cooper/internal/inventory"
	"cooper/internal/inventory/invtest"
)

// many gives n versions below many folders, without holding them.
type many struct {
	n, i int
	v    cooper.Version
}

func (m *many) Next() (*cooper.Version, error) {
	if m.i == m.n {
		return nil, io.EOF
	}
	m.v = current(fmt.Sprintf("5d1000000000000000000be1/p%04d/accel/%09d.csv", m.i/10_000, m.i), "1", sized(int64(1000+m.i%100_000)))
	m.i++
	return &m.v, nil
}

func (m *many) Close() error { return nil }

type manySnap struct {
	invtest.Snapshot
	n int
}

func (s *manySnap) Versions(context.Context, string) inventory.Iterator { return &many{n: s.n} }

// BenchmarkSample is what deciding and drawing takes for each version.
func BenchmarkSample(b *testing.B) {
	s := &manySnap{Snapshot: *snapOf(), n: b.N}
	in := Inputs{Snapshot: s, Prices: prices(b), ID: "p-1", Now: now,
		Policy: usual(func(p *Policy) {
			p.Protect = bucketop.Protection{"*/keys/"}
			p.Sampling = &Sampling{Objects: 1000, Bytes: 1 << 30, Try: []string{"zstd:3"}}
		})}
	b.ReportAllocs()
	b.ResetTimer()
	var r recorder
	if _, err := Sample(context.Background(), in, &r); err != nil {
		b.Fatal(err)
	}
}
