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
// showed. Behind the last snapshot it is what that one showed; before the first,
// the newest version written by t.
func At(rows []catalog.Row, t cooper.Instant, observed []catalog.Observed) (row *catalog.Row, exact bool) {
	if len(rows) == 0 {
		return nil, false
	}
	tl := newTimeline(t, observed)
	return tl.at(rows)
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

func (tl *timeline) at(rows []catalog.Row) (row *catalog.Row, exact bool) {
	before, after := tl.around(rows[0].Key)
	if before == 0 {
		return newest(rows, 0, tl.t), false
	}
	was := shownAt(rows, before)
	if before == tl.t || after == 0 {
		return was, before == tl.t
	}
	if next := shownAt(rows, after); next != nil && next.LastModified <= tl.t {
		return next, false
	}
	if between := newest(rows, before, tl.t); between != nil {
		return between, false
	}
	return was, false
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

// newest gives the version last written after from, up to until.
func newest(rows []catalog.Row, from, until cooper.Instant) *catalog.Row {
	var best *catalog.Row
	for i := range rows {
		r := &rows[i]
		if r.LastModified > from && r.LastModified <= until && (best == nil || r.LastModified > best.LastModified) {
			best = r
		}
	}
	return best
}
