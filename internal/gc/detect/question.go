package detect

import (
	"fmt"
	"slices"
	"strings"

	"cooper/internal/gcstate"
	"cooper/internal/ledger/gcfacts"
)

// What is known about a handle beside its row, as bits.
const (
	isHeld      = 1 << iota // by a row of a table
	isDerived               // it has a source
	lives                   // it has one that lives
	isReleased              // all that it has are in the archive, or have gone from it
	wasAbsent               // from a scan that counts
	wasLinked               // by a scan that counts, or one beside it, but not lately
	isKept                  // by hand
	wasKnown                // it was a candidate when candidates were last let through
	isCommon                // there are others of the same key
	isCandidate             // `where` takes it
	isOther                 // than AVAILABLE, by its owner
	isAnew                  // its object was stored anew by Cooper: the inventory knows its size
	isBeside                // that is under another key
	isShared                // which another handle names

	flagged // more than all flags together
)

// question is a statement that is put together from common tables.
type question struct {
	tables []string
}

// table adds a common table. What is used several times is kept.
func (q *question) table(name, sql string) {
	q.tables = append(q.tables, name+" AS MATERIALIZED ("+sql+")")
}

// inline adds one that is used once, or costs nothing.
func (q *question) inline(name, sql string) {
	q.tables = append(q.tables, name+" AS ("+sql+")")
}

func (q *question) ask(sql string) string {
	if len(q.tables) == 0 {
		return sql
	}
	return "WITH RECURSIVE " + strings.Join(q.tables, ",\n") + "\n" + sql
}

// union puts statements together; none give rows of the columns of the empty one.
func union(empty string, parts ...string) string {
	if len(parts) == 0 {
		return empty
	}
	return strings.Join(parts, "\nUNION ALL ")
}

// linkedByHand are handles that a person has linked: the last word about each link counts.
func (d *detection) linkedByHand() string {
	return `SELECT kind, id FROM (SELECT * FROM gc_linked_by_hand WHERE scope = ` + text(d.Scope) + ` QUALIFY row_number() OVER (PARTITION BY association, object, kind, id ORDER BY number DESC) = 1) WHERE linked`
}

// unlinked adds, for each branch, a table of the ids of handles of the newest scan to which no link leads
// now. It is what everything else is asked of: most handles are done with here.
func (d *detection) unlinked(q *question) {
	l := &d.looked
	q.inline("hand", d.linkedByHand())
	for _, b := range d.size.branches {
		links := []string{
			b.of(gcfacts.Links, b.form.column+" AS x", l.now...),
			b.fromText("hand"),
		}
		if d.size.byKey {
			links = append(links, b.byKey(l.newest, l.now))
			if then := without(l.now, l.newest); len(then) > 0 {
				links = append(links, "SELECT x FROM ("+b.byKeyThen(then)+")")
			}
		}
		q.table(b.called("u"), fmt.Sprintf("SELECT x FROM (%s) h ANTI JOIN (%s) l USING (x)", b.of(gcfacts.Handles, b.form.column+" AS x", l.newest), union("", links...)))
	}
}

// called names a table of the branch.
func (b *branch) called(name string) string { return fmt.Sprintf("%s%d", name, b.n) }

// fromText are the ids of the branch in a table that has them as texts.
func (b *branch) fromText(table string) string {
	switch b.form.name {
	case "number":
		return "SELECT TRY_CAST(id AS BIGINT) AS x FROM " + table + " WHERE kind = " + text(b.name) + ` AND regexp_full_match(id, '-?[0-9]{1,19}') AND CAST(TRY_CAST(id AS BIGINT) AS VARCHAR) = id`
	case "uuid":
		return "SELECT TRY_CAST(id AS UUID) AS x FROM " + table + " WHERE kind = " + text(b.name) + ` AND CAST(TRY_CAST(id AS UUID) AS VARCHAR) = id`
	}
	return "SELECT id AS x FROM " + table + " WHERE kind = " + text(b.name)
}

// byKey are the ids of handles whose object the links of some scans lead to by its key: each row of
// the handle, whichever way its address is read.
func (b *branch) byKey(handles string, links []string) string {
	return fmt.Sprintf("SELECT h.x FROM (%s) h SEMI JOIN (SELECT bucket, key_bytes FROM %s WHERE %s AND bucket IS NOT NULL AND kind IN ('', %s)) k ON k.bucket = h.bucket AND k.key_bytes = h.key_bytes",
		b.of(gcfacts.Handles, b.form.column+" AS x, bucket, key_bytes", handles), gcfacts.Links, oneOf("scan", links), text(b.name))
}

// byKeyThen are the ids of handles, and the scans, in which a link led to their object by the key that they had
// then: one that has moved since had a link all the same.
func (b *branch) byKeyThen(scans []string) string {
	return fmt.Sprintf("SELECT h.x, h.scan FROM (%s) h SEMI JOIN (SELECT scan, bucket, key_bytes FROM %s WHERE %s AND bucket IS NOT NULL AND kind IN ('', %s)) k ON k.scan = h.scan AND k.bucket = h.bucket AND k.key_bytes = h.key_bytes",
		b.of(gcfacts.Handles, b.form.column+" AS x, scan, bucket, key_bytes", scans...), gcfacts.Links, oneOf("scan", scans), text(b.name))
}

// without are all scans but one.
func without(scans []string, one string) []string {
	return slices.DeleteFunc(slices.Clone(scans), func(s string) bool { return s == one })
}

// earlier adds what scans before the newest say of the unlinked: that they were not there, or were something else than
// AVAILABLE by what their owner says, or had a link. The unlinked are fewer than handles and links of all these scans,
// so that these go past them, all at once, and none of them is ever held in memory as a whole.
func (d *detection) earlier(q *question) (about []string) {
	l := &d.looked
	if len(l.earlier) == 0 && len(l.before) == 0 {
		return nil
	}
	scans, there, linked := "0", int64(0), int64(1)<<len(l.earlier)
	if len(l.earlier) > 0 {
		scans = "CASE scan"
		for i, scan := range l.earlier {
			scans += fmt.Sprintf(" WHEN %s THEN %d", text(scan), int64(1)<<i)
		}
		scans += " END"
		there = linked - 1
	}
	for _, b := range d.size.branches {
		u, available := b.called("u"), ""
		if h := d.kind(b.name); h != nil && h.Status != nil {
			available = " AND status = " + text(h.Status.Value(string(gcstate.Available)))
		}
		seen := []string{fmt.Sprintf("SELECT x, CAST(%s AS BIGINT) AS seen FROM (%s)", scans, b.of(gcfacts.Handles, b.form.column+" AS x, scan", l.earlier...)+available)}
		links := []string{b.of(gcfacts.Links, b.form.column+" AS x", l.before...)}
		if d.size.byKey && len(l.before) > 0 {
			links = append(links, b.byKey(l.newest, l.before), "SELECT x FROM ("+b.byKeyThen(l.before)+")")
		}
		for _, of := range links {
			seen = append(seen, fmt.Sprintf("SELECT x, CAST(%d AS BIGINT) FROM (%s)", linked, of))
		}
		about = append(about, fmt.Sprintf(`SELECT %s AS kind, CAST(x AS VARCHAR) AS id, CASE WHEN coalesce(seen, 0) & %d <> %[2]d THEN %d ELSE 0 END | CASE WHEN coalesce(seen, 0) & %d <> 0 THEN %d ELSE 0 END AS flags
			FROM %s LEFT JOIN (SELECT x, bit_or(seen) AS seen FROM (%s) SEMI JOIN %[6]s USING (x) GROUP BY x) USING (x) WHERE coalesce(seen, 0) <> %[2]d`,
			text(b.name), there, wasAbsent, linked, wasLinked, u, union("", seen...)))
	}
	return about
}

// archived are the handles that Cooper has moved to the archive, and proven there, unless their owner says something else in
// the newest scan. His word alone proves nothing.
func (d *detection) archived() string {
	var contradicted []string
	for _, b := range d.size.branches {
		c := d.kind(b.name)
		if c == nil || c.Status == nil {
			continue
		}
		agrees := []string{c.Status.Value(string(gcstate.Archived)), c.Status.Value(string(gcstate.Deleted))}
		if !c.Status.Write { // nobody tells him
			agrees = append(agrees, c.Status.Value(string(gcstate.Available)))
		}
		contradicted = append(contradicted, b.of(gcfacts.Handles, "kind, id", d.looked.newest)+" AND NOT coalesce("+oneOf("status", agrees)+", false)")
	}
	return fmt.Sprintf("SELECT kind, id FROM %s WHERE status IN ('%s', '%s') EXCEPT SELECT s.kind, s.id FROM %[1]s s SEMI JOIN (%[4]s) c ON c.kind = s.kind AND c.id = s.id WHERE s.since <= %[5]d",
		d.state, gcstate.Archived, gcstate.Deleted, union("SELECT NULL::VARCHAR AS kind, NULL::VARCHAR AS id WHERE false", contradicted...), int64(d.looked.clock))
}

// derived adds what the unlinked are made from. A source that has a link, or is held, lives; one that is in
// no scan is gone, and makes nobody wait. A handle is no source of its own.
func (d *detection) derived(q *question) (about []string) {
	if !d.size.derived {
		return nil
	}
	scans := oneOf("scan", d.looked.all())
	var all, there []string
	kinds := map[string]bool{}
	for _, b := range d.size.branches {
		all = append(all, fmt.Sprintf("SELECT %s AS kind, CAST(x AS VARCHAR) AS id FROM %s", text(b.name), b.called("u")))
		if kinds[b.name] {
			continue
		}
		kinds[b.name] = true
		for _, f := range forms {
			of := branch{name: b.name, form: f}
			source := map[string]string{"id_number": "source_number", "id_uuid": "source_uuid", "id": "source"}[f.column]
			there = append(there, fmt.Sprintf("SELECT kind, source FROM pair p SEMI JOIN (%s) h ON h.x = p.%s WHERE p.kind = %s", of.of(gcfacts.Handles, f.column+" AS x", d.looked.all()...), source, text(b.name)))
		}
	}
	q.inline("free", union("", all...))
	q.table("pair", "SELECT DISTINCT d.kind, d.id, d.source, d.source_number, d.source_uuid FROM gc_derived d SEMI JOIN free ON free.kind = d.kind AND free.id = d.id WHERE "+scans+" AND d.id <> d.source")
	q.table("there", "SELECT DISTINCT kind, source FROM ("+union("", there...)+")")
	q.table("waits", "SELECT DISTINCT kind, source FROM pair SEMI JOIN free ON free.kind = pair.kind AND free.id = pair.source ANTI JOIN holds ON holds.kind = pair.kind AND holds.id = pair.source")
	q.inline("living", `SELECT kind, id FROM pair SEMI JOIN there USING (kind, source) ANTI JOIN waits USING (kind, source)
		UNION SELECT pair.kind, pair.id FROM living JOIN pair ON pair.kind = living.kind AND pair.source = living.id`)
	q.inline("archived", d.archived())
	return []string{
		fmt.Sprintf("SELECT p.kind, p.id, CASE WHEN bool_and(a.id IS NOT NULL) THEN %d ELSE %d END AS flags FROM pair p SEMI JOIN there USING (kind, source) LEFT JOIN archived a ON a.kind = p.kind AND a.id = p.source GROUP BY p.kind, p.id", isDerived|isReleased, isDerived),
		fmt.Sprintf("SELECT kind, id, %d AS flags FROM living", isDerived|lives),
	}
}
