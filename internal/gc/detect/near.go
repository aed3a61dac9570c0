package detect

import (
	"cmp"
	"context"
	"slices"

	"cooper/internal/ledger/gcfacts"
)

// mostNear bounds the near misses that are listed: where there are more, it is no handle that is wrong, but what
// handles and objects are called. All are counted.
const mostNear = 100_000

func (d *detection) near(n gcfacts.NearMiss) {
	if d.figures.near++; len(d.nearly) < mostNear {
		d.nearly = append(d.nearly, n)
	}
}

// nearMisses lists the handles whose key is in another bucket: where the object should be missing, as objects
// noted, or where a link looks for it.
func (d *detection) nearMisses(ctx context.Context) error {
	if d.size.byKey {
		newest := text(d.looked.newest)
		err := d.ask(ctx, `WITH l AS MATERIALIZED (SELECT DISTINCT bucket, key_bytes FROM gc_link WHERE scan = `+newest+` AND bucket IS NOT NULL AND reading IS NULL),
			lost AS MATERIALIZED (SELECT l.* FROM l ANTI JOIN (SELECT bucket, key_bytes FROM gc_handle WHERE scan = `+newest+` AND bucket IS NOT NULL) h ON h.bucket = l.bucket AND h.key_bytes = l.key_bytes)
			SELECT h.kind, h.id, h.bucket, h.key_bytes, lost.bucket FROM lost JOIN (SELECT kind, id, bucket, key_bytes FROM gc_handle WHERE scan = `+newest+` AND bucket IS NOT NULL) h ON h.key_bytes = lost.key_bytes
			ORDER BY ALL`, nil, func(f *fields) error {
			d.near(gcfacts.NearMiss{Kind: f.text(), ID: f.text(), Bucket: f.text(), Key: string(f.bytes()), Other: f.text()})
			return nil
		})
		if err != nil {
			return err
		}
	}
	slices.SortStableFunc(d.nearly, func(a, b gcfacts.NearMiss) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(len(a.ID), len(b.ID)), cmp.Compare(a.ID, b.ID), cmp.Compare(a.Other, b.Other))
	})
	for i, n := range d.nearly {
		if i > 0 && n == d.nearly[i-1] {
			continue
		}
		if err := d.to.NearMiss(n); err != nil {
			return err
		}
	}
	return nil
}
