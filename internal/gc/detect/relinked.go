package detect

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"cooper/internal/gcstate"
	"cooper/internal/ledger/gcfacts"
)

// goesBack are the statuses of which a link makes AVAILABLE again, or an alarm.
var goesBack = []gcstate.Status{gcstate.Unlinked, gcstate.Archiving, gcstate.Archived}

// relinked lists handles that have a link, and a status that says they have none.
func (d *detection) relinked(ctx context.Context) error {
	q := &question{}
	q.inline("hand", d.linkedByHand())
	var parts []string
	for _, b := range d.size.branches {
		changed := b.called("c")
		of := "SELECT " + b.form.column + " AS x, id, bucket, key_bytes, status FROM gc_handle WHERE scan = " + text(d.looked.newest) + " AND kind = " + text(b.name) + " AND " + b.form.has
		var some []string
		if h := d.kind(b.name); h != nil && h.Status != nil && d.size.changed {
			some = append(some, of+" AND status IS NOT NULL AND status <> "+text(h.Status.Value(string(gcstate.Available))))
		}
		if d.records > 0 {
			some = append(some, "SELECT h.* FROM ("+of+") h SEMI JOIN ("+b.fromText(d.state)+" AND status <> '"+string(gcstate.Available)+"') s USING (x)")
		}
		if len(some) == 0 {
			continue
		}
		q.table(changed, strings.Join(some, " UNION "))
		links := []string{
			b.of(gcfacts.Links, b.form.column+" AS x, scan", d.looked.all()...),
			"SELECT x, '' FROM (" + b.fromText("hand") + ")",
		}
		if d.size.byKey {
			links = append(links, fmt.Sprintf("SELECT c.x, k.scan FROM %s c JOIN (SELECT bucket, key_bytes, scan FROM gc_link WHERE %s AND bucket IS NOT NULL AND kind IN ('', %s)) k ON k.bucket = c.bucket AND k.key_bytes = c.key_bytes",
				changed, oneOf("scan", d.looked.all()), text(b.name)))
			if then := without(d.looked.all(), d.looked.newest); len(then) > 0 {
				links = append(links, b.byKeyThen(then))
			}
		}
		parts = append(parts, fmt.Sprintf("SELECT %d AS n, c.id, any_value(c.status) AS said, max(l.scan) AS scan FROM %s c JOIN (%s) l USING (x) GROUP BY c.id", b.n, changed, union("", links...)))
	}
	if len(parts) == 0 {
		return nil
	}
	var kinds []string
	for _, b := range d.size.branches {
		kinds = append(kinds, fmt.Sprintf("WHEN %d THEN %s", b.n, text(b.name)))
	}
	sql := q.ask("SELECT f.n, f.id, f.said, f.scan, s.status, s.since FROM (" + union("", parts...) + ") f LEFT JOIN " + d.state + " s ON s.id = f.id AND s.kind = CASE f.n " + strings.Join(kinds, " ") + " END ORDER BY f.n, TRY_CAST(f.id AS BIGINT), f.id")
	return d.ask(ctx, sql, nil, func(f *fields) error {
		b := &d.size.branches[f.number()]
		r := gcfacts.Relinked{Kind: b.name, ID: f.text()}
		said := f.text()
		r.Scan = f.text()
		ours := gcstate.Status(f.text())
		status := d.statusOf(d.kind(b.name), said, ours, f.moment())
		if ours == gcstate.Unlinked && !slices.Contains(goesBack, status) {
			status = ours // whatever its owner says: the mark is not true any more
		}
		switch {
		case f.err != nil:
			return f.err
		case slices.Contains(goesBack, status):
			r.Status = string(status)
			return d.to.Relinked(r)
		case status == gcstate.Deleted:
			d.figures.gone++
		}
		return nil
	})
}
