// Package invtest makes inventories for tests and benchmarks: synthetic
// buckets of any size, the same for the same seed, in any order and split in
// any way. Nothing is stored: every row is computed from its number.
package invtest

import (
	"context"
	"fmt"

	"cooper"
	"cooper/internal/inventory"
)

// Options shape a synthetic inventory. The zero value gives all versions, in
// the order of a snapshot, in one part.
type Options struct {
	// Parts is how many parts the rows are split over; 1 if 0.
	Parts int
	// Shuffle delivers the rows in another order for each value; 0 keeps them
	// sorted.
	Shuffle uint64
	// Change is the share of objects that have a newer version than without it.
	Change float64
	// TakenAt is when the inventory was taken; 2026-11-20 if 0.
	TakenAt cooper.Instant
	// CurrentOnly leaves out older versions, delete markers and version ids.
	CurrentOnly bool
}

// Synthetic is an inventory of about n versions, with keys as those of chunked
// arrays: one object in forty has two versions, and a third of these are
// deleted.
func Synthetic(n int64, seed uint64, opt Options) inventory.Source {
	opt.Parts = max(opt.Parts, 1)
	if opt.TakenAt == 0 {
		opt.TakenAt = takenAt
	}
	return &source{n: n, opt: opt, rows: newRows(n, seed, opt)}
}

// takenAt is 2026-11-20T01:00:00Z.
const takenAt cooper.Instant = 1795136400000

type source struct {
	n    int64
	opt  Options
	rows *rows
}

// Meta describes the inventory.
func (s *source) Meta() inventory.Meta {
	return inventory.Meta{
		Source: "synthetic", Bucket: "synthetic", TakenAt: s.opt.TakenAt,
		Scope: inventory.Scope{CurrentOnly: s.opt.CurrentOnly},
	}
}

// Parts splits the rows evenly.
func (s *source) Parts() []inventory.Part {
	var parts []inventory.Part
	for i := range int64(s.opt.Parts) {
		parts = append(parts, &part{
			s: s, name: fmt.Sprintf("part-%03d", i),
			from: s.n * i / int64(s.opt.Parts), to: s.n * (i + 1) / int64(s.opt.Parts),
		})
	}
	return parts
}

type part struct {
	s        *source
	name     string
	from, to int64
}

// Name is the part's number.
func (p *part) Name() string { return p.name }

// Read computes the rows.
func (p *part) Read(ctx context.Context, to inventory.Sink) error {
	order := newPermutation(p.s.n, p.s.opt.Shuffle)
	w := writer{rows: p.s.rows, to: to}
	for i := p.from; i < p.to; i++ {
		if i%1024 == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := w.row(order.at(i)); err != nil {
			return err
		}
	}
	return nil
}
