package backup

import (
	"context"
	"math"
	"strings"

	"cooper"
	"cooper/internal/tree/catalog"
)

// Browse says what of a tree shall be listed, and as of when.
type Browse struct {
	Catalog Catalog
	// Prefix and Match narrow the keys.
	Prefix, Match string
	// Recursive lists every object; otherwise what lies deeper than one level
	// below Prefix is counted under its directory.
	Recursive bool
	// At asks for what the bucket showed then; 0: as of the last complete
	// snapshot.
	At cooper.Instant
}

// Moment says on which snapshots an answer about a time rests.
type Moment struct {
	At cooper.Instant `json:"at"`
	// Exact: a complete snapshot was taken at that very instant.
	Exact bool `json:"exact"`
	// Before is the last complete snapshot up to At, After the first behind it,
	// of those that speak of the prefix asked for; nil where there is none.
	Before *catalog.Observed `json:"before,omitempty"`
	After  *catalog.Observed `json:"after,omitempty"`
	// Warnings say what may be missing altogether.
	Warnings []string `json:"warnings,omitempty"`
}

// Entry is an object, or a directory: keys that share what stands before the
// next slash.
type Entry struct {
	// Key ends with a slash if it is that of a directory; an object's can too.
	Key       string
	Directory bool
	// Row is an object's.
	Row *catalog.Row
	// Exact: the object was shown at that very instant, for all that is known.
	Exact bool
	// Below counts a directory's objects, or the object itself.
	Below Count
}

// Count counts objects.
type Count struct {
	Objects int64 `json:"objects"`
	Bytes   int64 `json:"bytes"`
	// Missing are those whose bytes the tree does not have (not fetched yet, or
	// pruned), Inexact those chosen by the snapshots around the time.
	Missing int64 `json:"missing"`
	Inexact int64 `json:"inexact"`
}

func (c *Count) add(r *catalog.Row, exact bool) {
	c.Objects++
	c.Bytes = cooper.AddBytes(c.Bytes, r.Size)
	if r.Place == catalog.Nowhere {
		c.Missing++
	}
	if !exact {
		c.Inexact++
	}
}

// Listing lists what a bucket showed, out of a tree's catalog.
type Listing struct {
	in       Browse
	filter   filter
	timeline *timeline // nil: what is shown now, since no snapshot is complete
	last     bool      // no time was asked for
	state    catalog.State
}

// NewListing checks what is asked for. KindUsage for an expression that is none.
func NewListing(in Browse) (*Listing, error) {
	f, err := newFilter(in.Prefix, in.Match)
	if err != nil {
		return nil, err
	}
	l := &Listing{in: in, filter: f, last: in.At == 0, state: in.Catalog.State()}
	if l.last {
		for i := range l.state.Observed {
			if o := &l.state.Observed[i]; o.Complete && o.Finished {
				l.in.At = max(l.in.At, o.TakenAt)
			}
		}
	}
	if l.in.At != 0 {
		l.timeline = newTimeline(l.in.At, l.state.Observed)
	}
	return l, nil
}

// Moment says what the listing rests on; At is 0 where no snapshot was complete
// and none was asked for.
func (l *Listing) Moment() Moment {
	m := Moment{At: l.in.At}
	for i := range l.state.Observed {
		o := &l.state.Observed[i]
		speaks := cooper.HasPrefix(l.in.Prefix, o.Prefix) || cooper.HasPrefix(o.Prefix, l.in.Prefix)
		switch {
		case !o.Complete || !o.Finished || !speaks:
		case o.TakenAt <= m.At && (m.Before == nil || o.TakenAt >= m.Before.TakenAt):
			m.Before = o
		case o.TakenAt > m.At && (m.After == nil || o.TakenAt < m.After.TakenAt):
			m.After = o
		}
	}
	m.Exact = m.Before != nil && (m.Before.TakenAt == m.At || l.last)
	if !l.last {
		m.Warnings = forgotten(&l.state, m.At)
	}
	return m
}

// Each calls fn for each entry, in key order, and counts all of them; an entry is
// good until the next. known is false where the catalog has no key at all under
// the prefix.
func (l *Listing) Each(ctx context.Context, fn func(*Entry) error) (all Count, known bool, err error) {
	var dir Entry // the directory that is being counted, none if its key is empty
	var one Entry // what fn is given: one for all, since there can be 10^8
	flush := func() error {
		if dir.Below.Objects == 0 {
			return nil
		}
		one, dir = dir, Entry{}
		return fn(&one)
	}
	err = eachKnown(ctx, l.in.Catalog, l.filter.prefix, func(rows []catalog.Row) error {
		known = true
		key := rows[0].Key
		if !l.filter.keeps(key) {
			return nil
		}
		row, exact := l.at(rows)
		if row == nil || row.DeleteMarker {
			return nil
		}
		all.add(row, exact)
		name, deeper := l.directory(key)
		if name != dir.Key {
			if err := flush(); err != nil {
				return err
			}
		}
		if deeper {
			dir.Key, dir.Directory = name, true
			dir.Below.add(row, exact)
			return nil
		}
		one = Entry{Key: key, Row: row, Exact: exact}
		one.Below.add(row, exact)
		return fn(&one)
	})
	if err == nil {
		err = flush()
	}
	return all, known, err
}

// at gives the version of a key that the bucket showed.
func (l *Listing) at(rows []catalog.Row) (row *catalog.Row, exact bool) {
	if l.timeline == nil {
		if row = shownAt(rows, math.MaxInt64); row == nil {
			// A tree that was adopted has seen nothing yet, and has a mirror.
			row = mirrored(rows)
		}
		return row, false
	}
	row, exact, _ = l.timeline.at(rows)
	if l.last && !exact {
		// The last snapshot that spoke of the key is an earlier one.
		before, _ := l.timeline.around(rows[0].Key)
		exact = before != 0
	}
	return row, exact
}

func mirrored(rows []catalog.Row) *catalog.Row {
	for i := range rows {
		if rows[i].Place == catalog.Mirror {
			return &rows[i]
		}
	}
	return nil
}

// directory gives the directory that key is counted under, if it is.
func (l *Listing) directory(key string) (dir string, deeper bool) {
	base := Base(l.in.Prefix)
	if l.in.Recursive || len(key) <= len(base) {
		return "", false
	}
	i := strings.IndexByte(key[len(base):], '/')
	if i < 0 {
		return "", false
	}
	return key[:len(base)+i+1], true
}

// Base is what the names in a listing of prefix have in common: the prefix with
// a slash at its end.
func Base(prefix string) string {
	if prefix == "" || strings.HasSuffix(prefix, "/") {
		return prefix
	}
	return prefix + "/"
}
