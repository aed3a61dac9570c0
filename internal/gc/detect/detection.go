package detect

import (
	"context"
	"errors"

	"cooper"
	"cooper/internal/ledger/gcfacts"
)

// detection is one under way.
type detection struct {
	*Inputs
	to      Sink
	looked  looked
	size    size
	past    past
	state   string // the table of SQL
	records int    // in it
	buckets []*bucket
	shares  []share
	nearly  []gcfacts.NearMiss
	ripe    ripening
	figures figures
	found   gcfacts.Detection
}

// amount counts, and sums bytes as far as they are known.
type amount struct{ count, bytes int64 }

func (a *amount) add(bytes int64) {
	a.count++
	a.bytes = cooper.AddBytes(a.bytes, max(bytes, 0))
}

// figures are what is counted on the way.
type figures struct {
	unlinked, strange, gone, near int64
	// missing are handles without an object, away those of them that may be in the archive, settled are all of
	// which an inventory can tell.
	settled, unsettled, missing, away int64
	candidates, fresh                 amount
	ripe                              map[string]amount // objects, by verdict
	// asked are the objects about whose origin stores were asked, told those of which they knew one.
	asked, told int64
}

func (d *detection) run(ctx context.Context) (err error) {
	if err := d.scans(ctx); err != nil {
		return err
	}
	if err := d.snapshots(ctx); err != nil {
		return err
	}
	if err := d.before(ctx); err != nil {
		return err
	}
	done, err := d.handOver(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	forget, err := d.ripe.open(d.TempDir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, forget()) }()
	for _, step := range []func(context.Context) error{d.measure, d.handles, d.relinked, d.archivable, d.objects, d.nearMisses, d.overlap} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	d.conclude()
	return nil
}
