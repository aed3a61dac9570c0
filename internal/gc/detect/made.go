package detect

import (
	"context"
	"fmt"
	"regexp"

	"cooper"
)

// suffix is that of what Cooper makes of an object beside it.
const suffix = ".zst"

// ours are names of objects that Cooper writes for itself: probes, and what a folder of its own holds.
var ours = regexp.MustCompile(`(^|/)\.cooper(-[^/]*)?(/|$)`)

// made are what Cooper has stored anew, by the ledger: which object it is, and when that was
// last written.
func made(bucket string) string {
	return "SELECT key, stored_key, stored_etag, epoch_ms(max(last_modified)) AS made_at FROM content WHERE state = 'rewritten' AND starts_with(target, " + text("s3://"+bucket+"/") + ") GROUP BY ALL"
}

// mostAsked bounds the objects about which a detection asks stores.
const mostAsked = 1000

// origins tells of which objects their store knows that Cooper made them, by key. It is asked about those that
// a name alone tells of.
func (d *detection) origins(ctx context.Context, bucket string, all []stranger) (map[string]bool, error) {
	if d.Made == nil {
		return nil, nil
	}
	var ask []Object
	for i := range all {
		if o := &all[i]; o.why == MadeOf && d.figures.asked+int64(len(ask)) < mostAsked {
			ask = append(ask, Object{Key: o.Key, Version: o.Version})
		}
	}
	if len(ask) == 0 {
		return nil, nil
	}
	answers, err := d.Made(ctx, bucket, ask)
	if err != nil {
		return nil, err
	}
	if len(answers) != len(ask) {
		return nil, &cooper.Error{Kind: cooper.KindInternal, Where: bucket, Message: fmt.Sprintf("of %d objects the store told what %d were made of", len(ask), len(answers))}
	}
	d.figures.asked += int64(len(ask))
	known := map[string]bool{}
	for i, made := range answers {
		if made {
			known[ask[i].Key] = true
			d.figures.told++
		}
	}
	return known, nil
}

// objectsThere is a table of the objects of owned buckets, by the key that they are named by: when
// they were written (by somebody, and not by Cooper, which stored them anew), their size, and as bits what they
// are. A key and what Cooper made of it beside it are two rows. It is empty if no inventory tells.
func (d *detection) objectsThere(q *question) string {
	var parts []string
	for i, b := range d.buckets {
		if !b.owned {
			continue
		}
		m := fmt.Sprintf("made%d", i)
		q.inline(m, "SELECT stored_key, stored_etag, min(made_at) AS made_at FROM ("+made(b.name)+") GROUP BY ALL")
		// A handle may name by itself what was made of another's object, or looks so.
		named := fmt.Sprintf("named%d", i)
		q.inline(named, "SELECT DISTINCT key FROM gc_handle WHERE scan = "+text(d.looked.newest)+" AND bucket = "+text(b.name)+" AND ends_with(key, '"+suffix+"')")
		const columns = "key, etag, size, epoch_ms(last_modified) AS made_at"
		parts = append(parts,
			fmt.Sprintf("SELECT %s AS bucket, v.key, coalesce(m.made_at, v.made_at) AS written, v.size, CASE WHEN m.stored_key IS NULL THEN 0 ELSE %d END AS flags FROM (%s) v LEFT JOIN %s m ON m.stored_key = v.key AND m.stored_etag = v.etag",
				text(b.name), isAnew, shown(columns, b.id, ""), m),
			fmt.Sprintf("SELECT %s AS bucket, left(v.key, -4) AS key, coalesce(m.made_at, v.made_at) AS written, v.size, CASE WHEN n.key IS NULL THEN %d ELSE %d END AS flags FROM (%s) v LEFT JOIN %s m ON m.stored_key = v.key AND m.stored_etag = v.etag LEFT JOIN %s n ON n.key = v.key",
				text(b.name), isAnew|isBeside, isAnew|isBeside|isShared, shown(columns, b.id, " AND ends_with(key, '"+suffix+"')"), m, named))
	}
	if len(parts) == 0 {
		return ""
	}
	q.inline("objects", union("", parts...))
	return "objects"
}

// standsIn are the handles, by hash of their key, that name what stands in for the object of another
// handle, which is not there as it was.
func (d *detection) standsIn() string {
	var parts []string
	newest := "gc_handle WHERE scan = " + text(d.looked.newest)
	for _, b := range d.buckets {
		if b.owned {
			in := newest + " AND bucket = " + text(b.name)
			parts = append(parts, "SELECT hash(z.bucket, z.key_bytes) AS x FROM (SELECT bucket, key_bytes, left(key, -4) AS plain FROM "+in+" AND ends_with(key, '"+suffix+"')) z SEMI JOIN (SELECT key FROM "+in+") h ON h.key = z.plain ANTI JOIN ("+shown("key", b.id, "")+") o ON o.key = z.plain")
		}
	}
	return union("SELECT NULL::UBIGINT AS x WHERE false", parts...)
}
