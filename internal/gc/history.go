package gc

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"cooper"
	"cooper/internal/ledger/gcfacts"
	"cooper/internal/query"
)

// Scan is one that has ended, as it stands now: what a person has acknowledged since is
// taken into account.
type Scan struct {
	ID                  string
	Began, Ended, Clock cooper.Instant
	Server              string
	Digests             Digests
	Newest              cooper.Instant // of the handles
	Handles, Links      int64
	Malformed           int64
	// Counts are what was read of each association; "" is the phase of handles.
	Counts map[string]Count
	// Open are the reasons not to believe it that nobody has acknowledged. Unread is how many
	// values could not be read and are not acknowledged.
	Open   []gcfacts.Suspect
	Unread int64
}

// Complete tells whether a scan is: all of it was read, nothing is suspect, nothing unread,
// or a person has acknowledged what was.
func (s *Scan) Complete() bool { return len(s.Open) == 0 && s.Unread == 0 }

// Count is what was read of an association.
type Count struct {
	Ranges, Rows, Links, Malformed, Silent int64
	// Found are the links that lead to handles of the same scan.
	Found int64
}

// History is what the ledger knows of scans.
type History struct {
	Scans []Scan // in the order in which they were planned
	// Accepted is the last database that a person has accepted although it is another, or
	// older, than what was seen; the count begins anew with it.
	Accepted   string
	AcceptedAt cooper.Instant
}

// fields reads the columns of a row, one after the other.
type fields struct {
	row  []any
	next int
	err  error
}

func take[T any](f *fields) (v T) {
	if i := f.next; f.err == nil && f.row[i] != nil {
		var is bool
		if v, is = f.row[i].(T); !is {
			f.err = &cooper.Error{Kind: cooper.KindInternal, Message: fmt.Sprintf("facts of scans: column %d is %T", i, f.row[i])}
		}
	}
	f.next++
	return v
}

func (f *fields) text() string           { return take[string](f) }
func (f *fields) number() int64          { return take[int64](f) }
func (f *fields) bytes() []byte          { return take[[]byte](f) }
func (f *fields) moment() cooper.Instant { return cooper.InstantOf(take[time.Time](f)) }

// ask calls each with the rows of an answer.
func ask(ctx context.Context, e query.Engine, sql string, args []any, each func(*fields)) error {
	return query.Each(ctx, e, sql, args, func(row []any) error {
		f := &fields{row: row}
		each(f)
		return f.err
	})
}

// unacknowledged is a condition on malformed values, m; $1 is the time. Whoever has
// acknowledged a value has done so for a time, and for that value alone.
const unacknowledged = `NOT EXISTS (SELECT 1 FROM gc_acknowledged a WHERE a.what = '` + gcfacts.Value + `' AND a.association = m.association AND a.key = m.key AND a.hash = m.hash
	AND (a.until IS NULL OR a.until > $1))`

// HistoryOf reads what is known of scans, as it stands at a time.
func HistoryOf(ctx context.Context, e query.Engine, now cooper.Instant) (*History, error) {
	h := &History{}
	at := map[string]int{}
	err := ask(ctx, e, `SELECT scan, began, ended, clock, server, configuration_digest, schema_digest, newest_handle, handles, links, malformed FROM gc_scan ORDER BY scan`, nil, func(f *fields) {
		s := Scan{ID: f.text(), Began: f.moment(), Ended: f.moment(), Clock: f.moment(), Server: f.text(), Counts: map[string]Count{}}
		s.Digests = Digests{f.text(), f.text()}
		s.Newest, s.Handles, s.Links, s.Malformed = f.moment(), f.number(), f.number(), f.number()
		at[s.ID] = len(h.Scans)
		h.Scans = append(h.Scans, s)
	})
	if err != nil || len(h.Scans) == 0 {
		return h, errors.Join(err, h.accepted(ctx, e))
	}
	err = ask(ctx, e, `SELECT scan, a.association, a.ranges, a."rows", a.links, a.malformed, a.silent, a.found FROM (SELECT scan, unnest(associations) AS a FROM gc_scan)`, nil, func(f *fields) {
		scan, association := f.text(), f.text()
		h.Scans[at[scan]].Counts[association] = Count{f.number(), f.number(), f.number(), f.number(), f.number(), f.number()}
	})
	if err != nil {
		return nil, err
	}
	// Suspicions are accepted once, with the numbers.
	err = ask(ctx, e, `SELECT u.scan, s.association, s.what, s.before_count, s.now_count FROM (SELECT scan, unnest(suspects) AS s FROM gc_scan) u
		WHERE NOT EXISTS (SELECT 1 FROM gc_acknowledged a WHERE a.what IN ('`+gcfacts.Shrunk+`', '`+gcfacts.Silent+`') AND a.scan = u.scan AND a.association = s.association AND a.measure = s.what
			AND a.before_count = s.before_count AND a.now_count = s.now_count AND (a.until IS NULL OR a.until > $1)) ORDER BY ALL`, []any{now.Time()}, func(f *fields) {
		s := &h.Scans[at[f.text()]]
		s.Open = append(s.Open, gcfacts.Suspect{Association: f.text(), What: f.text(), Before: f.number(), Now: f.number()})
	})
	if err != nil {
		return nil, err
	}
	err = ask(ctx, e, `SELECT scan, count(*) FROM gc_malformed m WHERE `+unacknowledged+` GROUP BY scan`, []any{now.Time()}, func(f *fields) {
		if i, ended := at[f.text()]; ended {
			h.Scans[i].Unread = f.number()
		}
	})
	if err != nil {
		return nil, err
	}
	return h, h.accepted(ctx, e)
}

func (h *History) accepted(ctx context.Context, e query.Engine) error {
	return ask(ctx, e, `SELECT key, made FROM gc_acknowledged WHERE what = '`+gcfacts.Database+`' ORDER BY made, id`, nil, func(f *fields) {
		h.Accepted, h.AcceptedAt = f.text(), f.moment()
	})
}

// Last is the database that was seen last; nil if none was.
func (h *History) Last() *Seen {
	var seen *Seen
	if n := len(h.Scans); n > 0 {
		seen = &Seen{h.Scans[n-1].Server, h.Scans[n-1].Ended}
	}
	if h.Accepted != "" && (seen == nil || h.AcceptedAt >= seen.At) {
		seen = &Seen{h.Accepted, h.AcceptedAt}
	}
	return seen
}

// of are the scans of a database since it was last accepted, the newest first.
func (h *History) of(server string) (scans []*Scan) {
	for i := range slices.Backward(h.Scans) {
		if s := &h.Scans[i]; s.Server == server && s.Began >= h.AcceptedAt {
			scans = append(scans, s)
		}
	}
	return scans
}

// LastComplete is the newest complete scan of a database since it was last accepted; nil
// if there is none. What comes after is compared with it.
func (h *History) LastComplete(server string) *Scan {
	for _, s := range h.of(server) {
		if s.Complete() {
			return s
		}
	}
	return nil
}

// Droppable are scans whose facts nothing rests on any more: older than so many complete
// ones.
func (h *History) Droppable(complete int) (ids []string) {
	for i := range slices.Backward(h.Scans) {
		switch s := &h.Scans[i]; {
		case complete <= 0:
			ids = append(ids, s.ID)
		case s.Complete():
			complete--
		}
	}
	slices.Sort(ids)
	return ids
}
