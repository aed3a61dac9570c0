package detect

import (
	"context"
	"fmt"
	"strconv"

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
	changed  bool  // handles have a status other than AVAILABLE, by their owner
	byKey    bool  // there are links by key
	readings bool  // there are links that can be read in several ways
	derived  bool  // there are handles made from others
}

func (d *detection) measure(ctx context.Context) error {
	kinds := map[string]bool{}
	var owned []string
	for _, b := range d.Config.Buckets {
		owned = append(owned, b.Name)
	}
	changed := ""
	for _, h := range d.Config.Handles {
		if h.Status != nil {
			changed += " OR kind = " + text(h.Kind) + " AND status <> " + text(h.Status.Value(string(gcstate.Available)))
		}
	}
	err := d.ask(ctx, `SELECT kind, CAST(count(*) AS BIGINT), CAST(count(id_number) AS BIGINT), CAST(count(id_uuid) AS BIGINT), coalesce(bool_or(false`+changed+`), false), CAST(least(coalesce(sum(size) FILTER (`+oneOf("bucket", owned)+`), 0), 9223372036854775807) AS BIGINT)
		FROM gc_handle WHERE scan = $1 GROUP BY kind ORDER BY kind`, []any{d.looked.newest}, func(f *fields) error {
		name := f.text()
		all, numbers, uuids := f.number(), f.number(), f.number()
		d.size.changed = f.flag() || d.size.changed
		bytes := f.number()
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
	err = d.ask(ctx, "SELECT CAST(count(bucket) AS BIGINT), CAST(count(reading) AS BIGINT) FROM gc_link WHERE "+oneOf("scan", d.looked.all()), nil, func(f *fields) error {
		d.size.byKey, d.size.readings = f.number() > 0, f.number() > 0
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
	q.table("common", "SELECT hash(bucket, key_bytes) AS x FROM gc_handle WHERE scan = "+text(l.newest)+" AND bucket IS NOT NULL GROUP BY x HAVING count(*) > 1 UNION "+d.standsIn())
	objects := d.objectsThere(q)
	var parts []string
	for _, b := range d.size.branches {
		sql := fmt.Sprintf(`SELECT %d AS n, h.id_number, h.id_uuid, h.id, h.bucket, h.key_bytes, h.size, epoch_ms(h.modified) AS modified, epoch_ms(h.created) AS created, CASE WHEN %s THEN h.status END AS said, a.status, a.since,
			coalesce(a.flags, 0) | CASE WHEN c.x IS NULL THEN 0 ELSE %d END | CASE WHEN h.candidate THEN %d ELSE 0 END | CASE WHEN %[2]s THEN %[5]d ELSE 0 END`, b.n, d.other(b.name)+fmt.Sprintf(" AND coalesce(a.since, 0) <= %d", int64(d.looked.clock)), isCommon, isCandidate, isOther)
		if objects != "" {
			sql += " | coalesce(o.flags, 0) AS flags, o.written, CASE WHEN o.flags <> 0 OR h.size IS NULL THEN o.size END AS stored"
		} else {
			sql += " AS flags, NULL::BIGINT AS written, NULL::BIGINT AS stored"
		}
		sql += fmt.Sprintf("\nFROM (%s) h SEMI JOIN %s u ON u.x = h.%s\nLEFT JOIN (SELECT * FROM about WHERE kind = %s) a ON a.id = h.id\nLEFT JOIN common c ON c.x = hash(h.bucket, h.key_bytes)",
			b.of(gcfacts.Handles, "id_number, id_uuid, id, candidate, bucket, key, key_bytes, size, modified, created, status", l.newest), b.called("u"), b.form.column, text(b.name))
		if objects != "" {
			sql += "\nLEFT JOIN " + objects + " o ON o.bucket = h.bucket AND o.key = h.key"
		}
		parts = append(parts, sql)
	}
	created := "NULL::BIGINT"
	if d.Incomplete != nil {
		created = "created"
	}
	return q.ask("SELECT n * " + strconv.Itoa(flagged) + " + flags, id, bucket, key_bytes, size, stored, CASE WHEN modified IS NOT NULL THEN greatest(modified, created, since, written) END, written, " + created + ", said, status FROM (" + union("", parts...) + ") ORDER BY n, id_number, id_uuid, id")
}

// other is a condition: the owner of a kind says something else of a handle, h, than that it is AVAILABLE.
func (d *detection) other(kind string) string {
	if c := d.kind(kind); c != nil && c.Status != nil {
		return "h.status IS DISTINCT FROM " + text(c.Status.Value(string(gcstate.Available)))
	}
	return "false"
}

// handle is a handle without a link, as its rows say: one for each way in which its address can be
// read, of which the first may be a candidate.
type handle struct {
	branch      *branch
	id          string
	bucket, key string
	size        int64 // as its row says; negative: unknown
	// stored is how large its object is by the inventory, where Cooper stored that anew, or the row does not
	// tell; negative: the row's size holds.
	stored int64
	// changed is when it or its object was last written, or it came back; 0 if nobody knows. created is 0 where
	// nobody asks.
	changed, created cooper.Instant
	// written is when its object was, by somebody; 0 if no inventory tells.
	written   cooper.Instant
	said      string // by its owner, where it is something else than AVAILABLE
	flags     int64
	status    gcstate.Status // ours
	protected bool           // whichever way its address is read, one lies below a prefix of `protect`
}

func (d *detection) handles(ctx context.Context) error {
	if len(d.size.branches) == 0 {
		return nil // there are no handles
	}
	var h handle
	some := false
	err := d.askBeside(ctx, d.unlinkedHandles(), func(f *fields) error {
		flags := f.number()
		r := handle{branch: &d.size.branches[flags/flagged], flags: flags % flagged, id: f.text()}
		r.bucket, r.key, r.size, r.stored, r.changed, r.written, r.created, r.said, r.status = f.text(), string(f.bytes()), f.natural(), f.natural(), f.moment(), f.moment(), f.moment(), f.text(), gcstate.Status(f.text())
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
// of times the later count, and one that nobody knows before all; a prefix that protects one protects the handle.
func (h *handle) join(o *handle) {
	a, b := *h, *o
	if b.flags&isCandidate != 0 && a.flags&isCandidate == 0 {
		a, b = b, a
	}
	a.stands(&b)
	both := b.flags & a.flags & isCandidate
	if b.changed == 0 && both != 0 || a.changed == 0 {
		a.changed = 0
	} else {
		a.changed = max(a.changed, b.changed)
	}
	if both != 0 { // it stands twice: what one row says against it holds
		a.size = max(a.size, b.size)
		a.said = max(a.said, b.said)
	}
	a.written = max(a.written, b.written)
	a.flags |= b.flags
	a.protected = a.protected || b.protected
	*h = a
}

// stands settles which object stands for the handle, of one that is there under its own key and one that
// was made of it: the former; of those of several keys nobody knows.
func (h *handle) stands(o *handle) {
	const beside = isAnew | isBeside | isShared
	switch same := h.bucket == o.bucket && h.key == o.key; {
	case !same:
		h.stored, o.stored = -1, -1
	case h.flags&isBeside == 0:
		o.flags &^= beside
	case o.flags&isBeside == 0:
		h.stored = o.stored
		h.flags &^= beside
	}
}
