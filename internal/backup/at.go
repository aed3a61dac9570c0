package backup

import (
	"cooper"
	"cooper/internal/tree/catalog"
)

// At tells which version the key of rows, which is one, showed at t. The row is
// nil if it showed none; it may be that of a delete marker.
//
// At the instant of an observed snapshot the answer is exact. Between two of
// them, a before t and b behind it, it is a best effort: what b showed if that
// was written by t, else the newest of what came in between by t, else what a
// showed. But what was seen counts for more than times: what a showed was not
// superseded before a, so that a version dated against that came some time in
// between. Behind the last snapshot it is what that one showed; before the first,
// the newest version written by t.
func At(rows []catalog.Row, t cooper.Instant, observed []catalog.Observed) (row *catalog.Row, exact bool) {
	if len(rows) == 0 {
		return nil, false
	}
	tl := newTimeline(t, observed)
	row, exact, _ = tl.at(rows)
	return row, exact
}

// timeline holds, for each prefix that snapshots spoke of, those around t.
type timeline struct {
	t    cooper.Instant
	near []neighbours
}

type neighbours struct {
	prefix        string
	before, after cooper.Instant // the last up to t, the first behind it; 0 for none
}

func newTimeline(t cooper.Instant, observed []catalog.Observed) *timeline {
	tl := &timeline{t: t}
	for i := range observed {
		if o := &observed[i]; o.Complete && o.Finished {
			n := tl.of(o.Prefix)
			switch {
			case o.TakenAt <= t:
				n.before = max(n.before, o.TakenAt)
			case n.after == 0 || o.TakenAt < n.after:
				n.after = o.TakenAt
			}
		}
	}
	return tl
}

func (tl *timeline) of(prefix string) *neighbours {
	for i := range tl.near {
		if tl.near[i].prefix == prefix {
			return &tl.near[i]
		}
	}
	tl.near = append(tl.near, neighbours{prefix: prefix})
	return &tl.near[len(tl.near)-1]
}

// around gives the snapshots around t that covered key.
func (tl *timeline) around(key string) (before, after cooper.Instant) {
	for i := range tl.near {
		n := &tl.near[i]
		if !cooper.HasPrefix(key, n.prefix) {
			continue
		}
		before = max(before, n.before)
		if n.after != 0 && (after == 0 || n.after < after) {
			after = n.after
		}
	}
	return before, after
}

// at tells which row was shown. against: what times say of the key contradicts what
// was seen, and what was seen is given.
func (tl *timeline) at(rows []catalog.Row) (row *catalog.Row, exact, against bool) {
	before, after := tl.around(rows[0].Key)
	var was *catalog.Row
	if before != 0 {
		was = shownAt(rows, before)
	}
	if before != 0 && (before == tl.t || after == 0) {
		return was, before == tl.t, false
	}
	var next *catalog.Row
	if after != 0 {
		next = shownAt(rows, after)
	}
	seen := before
	if was == nil { // that it was not listed may be the report's delay
		seen = 0
	}
	best := was
	for i := range rows {
		r := &rows[i]
		switch known := before != 0 && r.FirstSeen != 0 && r.FirstSeen <= before; {
		case r == was, r.LastModified > tl.t, r != next && (known || r.LastModified <= before):
			// It is shown, came afterwards, or is older than what was shown.
		case misdated(rows, r, seen):
			against = true
		case r == next:
			return next, false, against
		case best == was || r.LastModified > best.LastModified:
			best = r
		}
	}
	return best, false, against
}

// misdated tells whether a version cannot have become the latest at the time at which
// it was written, as a store has it: at seen, a snapshot showed another; or it hides
// one that is no older. S3 dates an upload in parts by its beginning, and versitygw a
// delete marker by the version it hides.
func misdated(rows []catalog.Row, r *catalog.Row, seen cooper.Instant) bool {
	if r.LastModified <= seen {
		return true
	}
	if len(r.Shown) == 0 {
		return false
	}
	shown := r.Shown[0]
	for i := range rows {
		q := &rows[i]
		if q == r || q.FirstSeen == 0 || int64(q.FirstSeen) > shown || len(q.Shown) > 0 && q.Shown[0] > shown {
			continue // it may have come afterwards
		}
		if q.LastModified > r.LastModified || r.DeleteMarker && !q.DeleteMarker && q.LastModified == r.LastModified {
			return true
		}
	}
	return false
}

// shownAt gives the row that snapshots showed as the latest at t: of several,
// which a snapshot that was followed late leaves behind, the last to be shown.
func shownAt(rows []catalog.Row, t cooper.Instant) *catalog.Row {
	var shown *catalog.Row
	var since int64
	for i := range rows {
		n := 0
		for n < len(rows[i].Shown) && rows[i].Shown[n] <= int64(t) {
			n++
		}
		if n%2 == 1 && (shown == nil || rows[i].Shown[n-1] > since) {
			shown, since = &rows[i], rows[i].Shown[n-1]
		}
	}
	return shown
}
