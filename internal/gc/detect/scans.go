package detect

import (
	"context"
	"slices"
	"strings"
	"time"

	"cooper"
	"cooper/internal/ledger/gcfacts"
	"cooper/internal/query"
)

// looked are the scans that a detection looks at, all of the same database.
type looked struct {
	newest  string   // of those that count
	earlier []string // the others that count
	// now are the newest that counts, and all that were under way since it began: a link in these is a link.
	// before are the other ones that count, and those that were under way since the oldest of these began.
	now, before []string
	// clock is the time of the database when it began to be asked for the handles of the newest.
	clock cooper.Instant
}

// all are those whose links count.
func (l *looked) all() []string { return slices.Concat(l.now, l.before) }

// scans finds them.
func (d *detection) scans(ctx context.Context) error {
	counted := d.Standing.Counted
	if len(counted) == 0 {
		return &cooper.Error{Kind: cooper.KindRefused, Where: d.Scope, Message: "no scan counts: " + d.Standing.Waits, Remedy: "Scan first: cooper gc scan; cooper gc status tells how far the count has come."}
	}
	type one struct {
		id           string
		began, until cooper.Instant // the first and the last of its ranges, as they began
	}
	var all []one
	at := map[string]one{}
	// A range without the name of who answered may be of this database.
	err := d.ask(ctx, `SELECT scan, min(epoch_ms(began)), max(epoch_ms(began)), min(epoch_ms(clock)) FILTER (what = '`+gcfacts.OfKind+`') FROM gc_range
		GROUP BY scan HAVING bool_or(coalesce(server, '') IN ('', $1)) ORDER BY scan`, []any{d.Server}, func(f *fields) error {
		o := one{id: f.text(), began: f.moment(), until: f.moment()}
		if clock := f.moment(); o.id == counted[0] {
			d.looked.clock = clock
		}
		all = append(all, o)
		at[o.id] = o
		return nil
	})
	if err != nil {
		return err
	}
	l := &d.looked
	l.newest, l.earlier = counted[0], counted[1:]
	for _, id := range counted {
		if _, is := at[id]; !is {
			return &cooper.Error{Kind: cooper.KindMissing, Where: id, Message: "the facts of a scan that counts are not there"}
		}
	}
	oldest := slices.MinFunc(counted, func(a, b string) int { return int(at[a].began - at[b].began) })
	for _, o := range all {
		switch is := slices.Contains(counted, o.id); {
		case o.id == l.newest || !is && o.until >= at[l.newest].began:
			l.now = append(l.now, o.id)
		case is || o.until >= at[oldest].began:
			l.before = append(l.before, o.id)
		}
	}
	if l.clock == 0 {
		return &cooper.Error{Kind: cooper.KindInvalid, Where: l.newest, Message: "it is not known what the database's time was when its handles were read"}
	}
	return nil
}

// ago is the time of the scan less a time.
func (l *looked) ago(t time.Duration) cooper.Instant {
	return cooper.InstantOf(l.clock.Time().Add(-t))
}

// text is a literal of SQL.
func text(s string) string { return query.Text(s) }

// oneOf is a condition: a column is one of some texts.
func oneOf(column string, of []string) string {
	if len(of) == 0 {
		return "false"
	}
	if len(of) == 1 {
		return column + " = " + text(of[0])
	}
	quoted := make([]string, len(of))
	for i, s := range of {
		quoted[i] = text(s)
	}
	return column + " IN (" + strings.Join(quoted, ", ") + ")"
}
