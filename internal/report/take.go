package report

import (
	"context"
	"runtime"

	"cooper"
	"cooper/internal/inventory"
	"cooper/internal/price"
)

// Options say what to report.
type Options struct {
	// Prefix narrows the report, with the boundaries of cooper.HasPrefix.
	Prefix string
	// Depth is how many levels of prefixes are told apart; < 0 for all, of which
	// the largest are kept.
	Depth  int
	Prices price.Table
	// Duplicates asks for them: the snapshot is read twice, and TempDir, an
	// existing directory, has to hold some hundred bytes for each duplicate that
	// does not fit in Memory bytes (64 MiB if 0).
	Duplicates bool
	TempDir    string
	Memory     int64
	// Workers is how many parts are read at once; one for each CPU if 0. The
	// report does not depend on it.
	Workers int
	// Progress is called now and then, by several goroutines, with how many more
	// versions were read; it may be nil.
	Progress func(read int64)

	partRows int64 // rows of a part, at least
	nodes    int   // of the tree
}

func (o *Options) fill() {
	if o.Workers <= 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	if o.Memory <= 0 {
		o.Memory = 64 * mib
	}
	if o.partRows == 0 {
		o.partRows = 2 << 20
	}
	if o.nodes == 0 {
		o.nodes = keptNodes
	}
	if o.Progress == nil {
		o.Progress = func(int64) {}
	}
}

// Take reads a snapshot and reports on it. Uploads, Growth and Compare are left
// to the caller. Errors are those of reading the snapshot, and KindFull where
// duplicates do not fit on the disk.
//
// A prefix below which there is nothing is KindUsage.
func Take(ctx context.Context, s *inventory.Snapshot, opt Options) (*Report, error) {
	opt.fill()
	meta := s.Meta()
	omit := inventory.FieldVersionID
	var dups *finder
	if opt.Duplicates {
		dups = newFinder(meta.Versions, &opt)
	} else {
		omit |= inventory.FieldETag
	}
	var all *aggregate
	err := inParts(ctx, s, inventory.IterOptions{Prefix: opt.Prefix, Omit: omit}, &opt, func(next each) (*aggregate, error) {
		a := newAggregate(&opt, meta.TakenAt)
		err := next(func(v *cooper.Version) error {
			a.add(v)
			if dups != nil {
				dups.see(v)
			}
			return nil
		})
		a.finish()
		return a, err
	}, func(a *aggregate) {
		if all == nil {
			all = a
			return
		}
		all.merge(a)
		prune([]*node{all.root}, 2*opt.nodes)
	})
	if err != nil {
		return nil, err
	}
	all.root.noEdges()
	prune([]*node{all.root}, opt.nodes)
	r, err := describe(all, &meta, &opt)
	if err != nil {
		return nil, err
	}
	if dups != nil {
		if r.Duplicates, err = dups.find(ctx, s); err != nil {
			return nil, err
		}
	}
	r.Savings = savings(all, &opt, &meta, r.Duplicates)
	return r, nil
}
