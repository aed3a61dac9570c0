package detect

import (
	"cmp"
	"context"
	"fmt"

	"cooper"
	"cooper/internal/gcstate"
	"cooper/internal/ledger/gcfacts"
)

// branch are the handles of a kind whose ids have one form: they are compared by the column
// that holds it, which is much faster than by texts.
type branch struct {
	n    int // its number
	kind int // the kind's, in the order of names
	name string
	form form
}

type form struct{ name, column, has string }

// forms of ids, in the order of lists; see docs/formats/gc.md.
var forms = []form{
	{"number", "id_number", "id_number IS NOT NULL"},
	{"uuid", "id_uuid", "id_uuid IS NOT NULL"},
	{"text", "id", "id_number IS NULL AND id_uuid IS NULL AND id IS NOT NULL"},
}

// of are the rows of a table of some scans that are of the branch.
func (b *branch) of(table, columns string, scans ...string) string {
	return fmt.Sprintf("SELECT %s FROM %s WHERE %s AND kind = %s AND %s", columns, table, oneOf("scan", scans), text(b.name), b.form.has)
}

// size is what there is to be looked at: it makes branches, and says which questions have no
// answer.
type size struct {
	branches []branch
	handles  int64
	bytes    int64 // that handles in owned buckets have
	byKey    bool  // there are links by key
	derived  bool  // there are handles made from others
}

func (d *detection) measure(ctx context.Context) error {
	kinds := map[string]bool{}
	var owned []string
	for _, b := range d.Config.Buckets {
		owned = append(owned, b.Name)
	}
	err := d.ask(ctx, `SELECT kind, CAST(count(*) AS BIGINT), CAST(count(id_number) AS BIGINT), CAST(count(id_uuid) AS BIGINT), CAST(least(coalesce(sum(size) FILTER (`+oneOf("bucket", owned)+`), 0), 9223372036854775807) AS BIGINT)
		FROM gc_handle WHERE scan = $1 GROUP BY kind ORDER BY kind`, []any{d.looked.newest}, func(f *fields) error {
		name := f.text()
		all, numbers, uuids, bytes := f.number(), f.number(), f.number(), f.number()
		d.size.handles += all
		d.size.bytes += bytes
		for i, n := range []int64{numbers, uuids, all - numbers - uuids} {
			if n > 0 {
				d.size.branches = append(d.size.branches, branch{len(d.size.branches), len(kinds), name, forms[i]})
			}
		}
		kinds[name] = true
		return nil
	})
	if err != nil {
		return err
	}
	err = d.ask(ctx, "SELECT CAST(count(bucket) AS BIGINT) FROM gc_link WHERE "+oneOf("scan", d.looked.all()), nil, func(f *fields) error {
		d.size.byKey = f.number() > 0
		return nil
	})
	if err != nil {
		return err
	}
	return d.ask(ctx, "SELECT CAST(count(*) AS BIGINT) FROM gc_derived WHERE "+oneOf("scan", d.looked.all()), nil, func(f *fields) error {
		d.size.derived = f.number() > 0
		return nil
	})
}

// unlinkedHandles asks for all rows of handles of the newest scan that no link leads to, in order.
func (d *detection) unlinkedHandles() string {
	q := &question{}
	d.unlinked(q)
	l := &d.looked
	q.table("holds", "SELECT DISTINCT kind, id FROM gc_hold WHERE "+oneOf("scan", l.all()))
	about := []string{
		fmt.Sprintf("SELECT kind, id, %d AS flags FROM holds", isHeld),
		fmt.Sprintf("SELECT kind, id, %d AS flags FROM (SELECT * FROM gc_kept_by_hand WHERE scope = %s QUALIFY row_number() OVER (PARTITION BY kind, id ORDER BY number DESC) = 1) WHERE keep", isKept, text(d.Scope)),
	}
	about = append(about, d.earlier(q)...)
	about = append(about, d.derived(q)...)
	if d.past.baseline != "" {
		about = append(about, fmt.Sprintf("SELECT kind, id, %d AS flags FROM gc_candidate WHERE detection = %s", wasKnown, text(d.past.baseline)))
	}
	for i := range about {
		about[i] = "SELECT kind, id, flags, NULL::VARCHAR AS status, NULL::BIGINT AS since FROM (" + about[i] + ")"
	}
	// Restored and linked again are in the facts, too: a state may be lost.
	about = append(about,
		"SELECT kind, id, 0, status, since FROM "+d.state,
		"SELECT kind, id, 0, NULL, epoch_ms(max(since)) FROM gc_transition WHERE scope = "+text(d.Scope)+" AND to_status = '"+string(gcstate.Available)+"' GROUP BY kind, id")
	q.table("about", "SELECT kind, id, CAST(bit_or(flags) AS INTEGER) AS flags, max(status) AS status, max(since) AS since FROM ("+union("", about...)+") GROUP BY kind, id")
	q.table("common", "SELECT hash(bucket, key_bytes) AS x FROM gc_handle WHERE scan = "+text(l.newest)+" AND bucket IS NOT NULL GROUP BY x HAVING count(*) > 1")
	objects := d.objectTimes(q)
	var parts []string
	for _, b := range d.size.branches {
		sql := fmt.Sprintf(`SELECT %d AS n, h.id_number, h.id_uuid, h.id, h.candidate, h.bucket, h.key_bytes, h.size, epoch_ms(h.modified) AS modified, epoch_ms(h.created) AS created, h.status AS said, a.flags, a.status, a.since, c.x IS NOT NULL AS common`, b.n)
		if objects != "" {
			sql += ", o.written"
		} else {
			sql += ", NULL::BIGINT AS written"
		}
		sql += fmt.Sprintf("\nFROM (%s) h SEMI JOIN %s u ON u.x = h.%s\nLEFT JOIN (SELECT * FROM about WHERE kind = %s) a ON a.id = h.id\nLEFT JOIN common c ON c.x = hash(h.bucket, h.key_bytes)",
			b.of(gcfacts.Handles, "id_number, id_uuid, id, candidate, bucket, key, key_bytes, size, modified, created, status", l.newest), b.called("u"), b.form.column, text(b.name))
		if objects != "" {
			sql += "\nLEFT JOIN " + objects + " o ON o.bucket = h.bucket AND o.key = h.key"
		}
		parts = append(parts, sql)
	}
	return q.ask("SELECT n, id, candidate, bucket, key_bytes, size, modified, created, said, flags, status, since, common, written FROM (" + union("", parts...) + ") ORDER BY n, id_number, id_uuid, id")
}

// handle is a handle without a link, as its rows say: one for each way in which its address can be
// read, of which the first may be a candidate.
type handle struct {
	branch            *branch
	id                string
	candidate         bool
	bucket, key       string
	size              int64
	modified, created cooper.Instant
	said              string // by its owner
	flags             int64
	status            gcstate.Status // ours
	since             cooper.Instant // of the status, or when it was last restored or linked again
	common            bool           // there are others of the same key
	written           cooper.Instant // its object was
	protected         bool           // whichever way its address is read, one lies below a prefix of `protect`
}

func (d *detection) handles(ctx context.Context) error {
	var h handle
	some := false
	err := d.ask(ctx, d.unlinkedHandles(), nil, func(f *fields) error {
		r := handle{branch: &d.size.branches[f.number()], id: f.text()}
		r.candidate, r.bucket, r.key, r.size, r.modified, r.created = f.flag(), f.text(), string(f.bytes()), f.natural(), f.moment(), f.moment()
		r.said, r.flags, r.status, r.since, r.common, r.written = f.text(), f.number(), gcstate.Status(f.text()), f.moment(), f.flag(), f.moment()
		if f.err != nil {
			return f.err
		}
		r.protected = guarded(d.Config.Protect, r.bucket, r.key)
		if some && r.branch == h.branch && r.id == h.id {
			h.join(&r)
			return nil
		}
		if some {
			if err := d.judge(&h); err != nil {
				return err
			}
		}
		h, some = r, true
		return nil
	})
	if err == nil && some {
		err = d.judge(&h)
	}
	return err
}

// join takes another row of a handle into account: the one that may be a candidate says what it is;
// of times the later count, and a prefix that protects one protects the handle.
func (h *handle) join(o *handle) {
	written, protected := max(h.written, o.written), h.protected || o.protected
	switch {
	case o.candidate && !h.candidate:
		*h = *o
	case o.candidate: // it stands twice: what one row says against it holds
		h.bucket, h.key = cmp.Or(h.bucket, o.bucket), cmp.Or(h.key, o.key)
		h.size = max(h.size, o.size)
		h.common = h.common || o.common
		if h.modified != 0 {
			h.modified = max(h.modified, o.modified)
		}
		if o.modified == 0 {
			h.modified = 0
		}
		if h.said != o.said {
			h.said = "" // nobody knows
		}
	}
	h.written, h.protected = written, protected
}
