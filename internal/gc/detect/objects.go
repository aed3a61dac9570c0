package detect

import (
	"context"
	"fmt"
	"strings"

	"cooper/internal/gcstate"
	"cooper/internal/inventory"
	"cooper/internal/ledger/gcfacts"
)

// share is how many of some were found.
type share struct {
	what       string
	found, all int64
}

// objects compares handles with what is in the buckets.
func (d *detection) objects(ctx context.Context) error {
	if err := d.missing(ctx); err != nil {
		return err
	}
	for _, b := range d.judged(gcfacts.Unindexeds) {
		if err := d.unindexed(ctx, b); err != nil {
			return err
		}
	}
	return nil
}

// missing lists handles whose object is not there.
func (d *detection) missing(ctx context.Context) error {
	buckets := d.judged(gcfacts.Missings)
	if len(buckets) == 0 {
		return nil
	}
	if err := d.settled(ctx, buckets); err != nil {
		return err
	}
	q := &question{}
	d.lost(q, buckets)
	var others []string
	for _, b := range d.buckets {
		if b.owned {
			others = append(others, "SELECT "+text(b.name)+" AS bucket, key FROM ("+shown("key", b.id, "")+")")
		}
	}
	q.inline("elsewhere", "SELECT lost.kind, lost.id, o.bucket FROM lost JOIN ("+union("", others...)+") o ON o.key = lost.key AND o.bucket <> lost.bucket")
	sql := q.ask(`SELECT lost.kind, lost.id, lost.bucket, lost.key_bytes, epoch_ms(lost.modified), epoch_ms(lost.created), lost.status, s.status, s.since, e.bucket
		FROM lost LEFT JOIN ` + d.state + ` s ON s.kind = lost.kind AND s.id = lost.id LEFT JOIN elsewhere e ON e.kind = lost.kind AND e.id = lost.id
		ORDER BY lost.kind, lost.id_number, lost.id_uuid, lost.id, e.bucket`)
	var last gcfacts.Missing
	return d.ask(ctx, sql, nil, func(f *fields) error {
		m := gcfacts.Missing{Kind: f.text(), ID: f.text(), Bucket: f.text(), Key: string(f.bytes())}
		modified, created, said, ours, since, other := f.moment(), f.moment(), f.text(), gcstate.Status(f.text()), f.moment(), f.text()
		b := d.bucket(m.Bucket)
		written := max(modified, created, since)
		status := d.statusOf(d.kind(m.Kind), said, ours, since)
		switch {
		case f.err != nil, b == nil, modified == 0, written > b.settled, status == gcstate.Deleted, b.rejected[m.Key], b.meta.Unnamed > 0 && inventory.Untellable(m.Key):
			return f.err
		}
		if m != last {
			last = m
			switch status {
			case gcstate.Archiving, gcstate.Archived, gcstate.Restoring: // it may be in the archive, of which there is no inventory
				d.figures.away++
			default:
				d.figures.missing++
			}
			if err := d.to.Missing(m); err != nil {
				return err
			}
		}
		if other == "" {
			return nil
		}
		d.near(gcfacts.NearMiss{Kind: m.Kind, ID: m.ID, Bucket: m.Bucket, Key: m.Key, Other: other})
		return nil
	})
}

// settled counts the handles of which the inventories can tell whether their object is there.
func (d *detection) settled(ctx context.Context, buckets []*bucket) error {
	var cases []string
	for _, b := range buckets {
		cases = append(cases, fmt.Sprintf("bucket = %s AND epoch_ms(greatest(modified, created)) <= %d", text(b.name), int64(b.settled)))
	}
	settled := "modified IS NOT NULL AND (" + strings.Join(cases, " OR ") + ")"
	var names []string
	for _, b := range buckets {
		names = append(names, b.name)
	}
	return d.ask(ctx, "SELECT CAST(count(*) FILTER ("+settled+") AS BIGINT), CAST(count(*) AS BIGINT) FROM gc_handle WHERE candidate AND scan = "+text(d.looked.newest)+" AND "+oneOf("bucket", names), nil, func(f *fields) error {
		d.figures.settled = f.number()
		d.figures.unsettled = f.number() - d.figures.settled
		return nil
	})
}

// lost adds the handles whose object is not there. Of one whose address can be read in several
// ways, none may lead to an object, nor to a bucket of which nothing is known.
func (d *detection) lost(q *question, buckets []*bucket) {
	const columns = "kind, id_number, id_uuid, id, bucket, key, key_bytes, modified, created, status"
	rows := func(more string) string {
		return "SELECT " + columns + " FROM gc_handle WHERE scan = " + text(d.looked.newest) + more
	}
	var parts, others, names []string
	for _, b := range buckets {
		in := " AND bucket = " + text(b.name)
		present := "(" + d.present(b) + ") p ON p.key = h.key"
		parts = append(parts, "SELECT h.* FROM ("+rows(in+" AND candidate AND key_bytes IS NOT NULL")+") h ANTI JOIN "+present)
		others = append(others, "SELECT h.kind, h.id FROM ("+rows(in+" AND NOT candidate")+" AND "+d.readInWays()+") h SEMI JOIN "+present)
		names = append(names, b.name)
	}
	if d.readInWays() == "(false)" {
		q.table("lost", union("", parts...))
		return
	}
	others = append(others, "SELECT kind, id FROM gc_handle WHERE scan = "+text(d.looked.newest)+" AND NOT candidate AND "+d.readInWays()+" AND bucket IS NOT NULL AND NOT "+oneOf("bucket", names))
	q.inline("found", union("", others...))
	q.table("lost", "SELECT * FROM ("+union("", parts...)+") h ANTI JOIN found ON found.kind = h.kind AND found.id = h.id")
}

// readInWays is a condition: handles are of a kind whose addresses may be read in several ways.
func (d *detection) readInWays() string {
	var kinds []string
	for _, h := range d.Config.Handles {
		if h.Location != "" {
			kinds = append(kinds, h.Kind)
		}
	}
	return "(" + oneOf("kind", kinds) + ")"
}
