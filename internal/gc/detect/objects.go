package detect

import (
	"context"
	"fmt"
	"regexp"
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
		status := statusOf(d.kind(m.Kind), said, ours)
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

// ours are names of objects that Cooper writes for itself: probes, and what a folder of its own holds.
var ours = regexp.MustCompile(`(^|/)\.cooper(-[^/]*)?(/|$)`)

// unindexed lists the objects of a bucket that no handle names.
func (d *detection) unindexed(ctx context.Context, b *bucket) error {
	q := &question{}
	handles := "gc_handle WHERE " + oneOf("scan", d.looked.now)
	q.inline("named", "SELECT key FROM "+handles+" AND bucket = "+text(b.name)+" AND key IS NOT NULL")
	q.inline("object", "SELECT key, version_id, size, epoch_ms(last_modified) AS made_at, is_delete_marker FROM version WHERE snapshot = "+text(b.id)+" AND is_latest")
	q.table("free", "SELECT key, min(version_id) AS version_id, max(size) AS size, max(made_at) AS made_at, count(*) AS latest FROM object ANTI JOIN named USING (key) GROUP BY key HAVING bool_or(NOT is_delete_marker)")
	q.inline("top", "SELECT DISTINCT CASE WHEN contains(key, '/') THEN left(key, strpos(key, '/')) ELSE '' END AS folder FROM named")
	q.inline("made", made(b.name))
	// Keys of which Cooper has made something, by the ledger or by the name.
	q.table("packed", "SELECT key, left(key, -4) AS plain FROM free WHERE ends_with(key, '"+suffix+"')")
	q.inline("of_handle", "SELECT packed.key, packed.plain FROM packed SEMI JOIN named ON named.key = packed.plain")
	q.inline("plain_there", "SELECT of_handle.key FROM of_handle SEMI JOIN (SELECT key FROM object WHERE NOT is_delete_marker) o ON o.key = of_handle.plain")
	q.inline("indexed", "SELECT made.stored_key AS key FROM made SEMI JOIN named ON named.key = made.key WHERE made.stored_key <> made.key")
	sql := q.ask(`SELECT free.key, free.version_id, free.size, free.made_at, CAST(free.latest AS BIGINT), of_handle.key IS NOT NULL AND plain_there.key IS NULL, top.folder IS NOT NULL
		FROM free ANTI JOIN indexed USING (key) LEFT JOIN of_handle USING (key) LEFT JOIN plain_there USING (key)
		LEFT JOIN top ON top.folder = CASE WHEN contains(free.key, '/') THEN left(free.key, strpos(free.key, '/')) ELSE '' END
		ORDER BY free.key`)
	known := share{what: "objects of " + b.name, found: b.meta.Latest, all: b.meta.Latest}
	err := d.ask(ctx, sql, nil, func(f *fields) error {
		o := gcfacts.Unindexed{Bucket: b.name, Key: f.text(), Version: f.text(), Size: f.natural(), Modified: f.moment()}
		latest, madeOf, lived := f.number(), f.flag(), f.flag()
		if f.err != nil {
			return f.err
		}
		known.found--
		if why := d.leaves(b, &o, latest, madeOf); why != "" {
			if why != Young {
				known.all--
			}
			return d.to.UnindexedKept(gcfacts.UnindexedKept{Bucket: b.name, Key: o.Key, Reason: why})
		}
		if !lived {
			o.How = NoHandleHere
			known.all--
		}
		return d.to.Unindexed(o)
	})
	d.shares = append(d.shares, known)
	return err
}

// leaves is the first reason for which an object without a handle is left alone; empty if there is
// none.
func (d *detection) leaves(b *bucket, o *gcfacts.Unindexed, latest int64, madeOf bool) string {
	switch {
	case guarded(d.Config.Protect, b.name, o.Key):
		return ProtectedPrefix
	case guarded(d.Config.InFlight, b.name, o.Key):
		return InFlightPrefix
	case o.Modified == 0 || o.Modified >= d.looked.ago(d.Config.Detect.Unmodified):
		return Young
	case ours.MatchString(o.Key):
		return Ours
	case madeOf:
		return MadeOf
	case latest > 1, b.rejected[o.Key], b.meta.Unnamed > 0 && strings.ContainsRune(o.Key, '\uFFFD'):
		return Ambiguous
	}
	return ""
}
