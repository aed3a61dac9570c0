package backup

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"cooper"
	"cooper/internal/tree/catalog"
)

// The states of a known version, besides the reasons of the catalog (older,
// replaced, deleted, vanished, rolled-back, pruned).
const (
	StateLatest  = "latest"  // the bucket shows it, as far as is known
	StatePending = "pending" // its bytes have not arrived yet
	StateLost    = "lost"    // gone from the bucket before its bytes could be fetched
)

// Span is a time during which snapshots showed a version as the latest: from the
// first that did up to the first that did not any more. Until is 0 while it
// still is.
type Span struct {
	From  cooper.Instant `json:"from"`
	Until cooper.Instant `json:"until,omitempty"`
}

// Known is one version of a key, and what became of it.
type Known struct {
	Row   *catalog.Row
	State string
	Shown []Span // the first time first
}

// KnownVersions tells what became of each version of one key: the latest first,
// then by the time they last became the latest, so far as that was seen, and by
// when they were written otherwise. The rows are those of Catalog.Lookup.
func KnownVersions(rows []catalog.Row) []Known {
	known := make([]Known, len(rows))
	for i := range rows {
		k := &known[i]
		k.Row = &rows[i]
		for shown := rows[i].Shown; len(shown) > 0; {
			s := Span{From: cooper.Instant(shown[0])}
			shown = shown[1:]
			if len(shown) > 0 {
				s.Until = cooper.Instant(shown[0])
				shown = shown[1:]
			}
			k.Shown = append(k.Shown, s)
		}
		k.State = stateOf(&rows[i])
	}
	slices.SortStableFunc(known, func(a, b Known) int {
		return cmp.Or(cmp.Compare(rank(b.State), rank(a.State)), cmp.Compare(b.came(), a.came()))
	})
	return known
}

func rank(state string) int {
	if state == StateLatest {
		return 1
	}
	return 0
}

// came is when a version became the latest.
func (k *Known) came() cooper.Instant {
	if n := len(k.Shown); n > 0 {
		return k.Shown[n-1].From
	}
	return k.Row.LastModified
}

func stateOf(r *catalog.Row) string {
	noBytes := r.Place == catalog.Nowhere && !r.DeleteMarker
	// What an adopted tree had in its mirror, no snapshot has shown yet.
	adopted := r.Place == catalog.Mirror && len(r.Shown) == 0
	switch {
	case len(r.Shown)%2 == 1, adopted:
		return StateLatest
	case r.Reason != "":
		return r.Reason
	case noBytes && r.Gone != 0:
		return StateLost
	case noBytes:
		return StatePending
	case r.Gone != 0:
		return catalog.Vanished
	case len(r.Shown) > 0:
		return catalog.Replaced
	}
	return catalog.Older
}

// nearRows is how many rows are looked through for keys like one that is not
// known: a fraction of a second.
const nearRows = 50_000

// Near gives up to n keys that are like key and lie in the same directory, the
// most alike first. Of a very large directory it knows the beginning alone.
func Near(ctx context.Context, c Catalog, key string, n int) ([]string, error) {
	type candidate struct {
		key   string
		alike int
	}
	parent := key[:strings.LastIndexByte(strings.TrimSuffix(key, "/"), '/')+1]
	var found []candidate
	seen := 0
	err := eachKnown(ctx, c, parent, func(rows []catalog.Row) error {
		if seen += len(rows); seen > nearRows {
			return errEnough
		}
		other := rows[0].Key
		if n := alike(key[len(parent):], other[len(parent):]); n > 0 {
			found = append(found, candidate{other, n})
		}
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		return nil, err
	}
	slices.SortStableFunc(found, func(a, b candidate) int { return cmp.Compare(b.alike, a.alike) })
	var keys []string
	for _, f := range found[:min(n, len(found))] {
		keys = append(keys, f.key)
	}
	return keys, nil
}

// alike counts the letters that two names share at both ends, whatever their
// case; 0 if that is less than half of the longer one.
func alike(a, b string) int {
	a, b = strings.ToLower(a), strings.ToLower(b)
	short := min(len(a), len(b))
	head := 0
	for head < short && a[head] == b[head] {
		head++
	}
	tail := 0
	for tail < short-head && a[len(a)-1-tail] == b[len(b)-1-tail] {
		tail++
	}
	if 2*(head+tail) < max(len(a), len(b)) {
		return 0
	}
	return head + tail
}
