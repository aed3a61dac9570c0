package backup

import (
	"slices"

	"cooper"
	"cooper/internal/tree/catalog"
)

// sightings are the snapshots that a tree has seen, by the prefix they spoke
// of: when a key was last looked at, before some instant.
type sightings []sighting

type sighting struct {
	prefix string
	any    []cooper.Instant // in order
	whole  []cooper.Instant // of them, those that listed every version, and were followed to the end
}

func newSightings(state *catalog.State) sightings {
	var s sightings
	add := func(o *catalog.Observed) {
		i := slices.IndexFunc(s, func(x sighting) bool { return x.prefix == o.Prefix })
		if i < 0 {
			i = len(s)
			s = append(s, sighting{prefix: o.Prefix})
		}
		s[i].any = append(s[i].any, o.TakenAt)
		if o.Finished && o.Complete && !o.CurrentOnly {
			s[i].whole = append(s[i].whole, o.TakenAt)
		}
	}
	for i := range state.Observed {
		add(&state.Observed[i])
	}
	if r := state.Run; r != nil && r.Snapshot != nil {
		add(r.Snapshot)
	}
	for i := range s {
		slices.Sort(s[i].any)
		slices.Sort(s[i].whole)
	}
	return s
}

// before is the newest snapshot of key's prefix before t; 0 if there is none.
func (s sightings) before(key string, t cooper.Instant, whole bool) (last cooper.Instant) {
	for i := range s {
		if !cooper.HasPrefix(key, s[i].prefix) {
			continue
		}
		seen := s[i].any
		if whole {
			seen = s[i].whole
		}
		if n, _ := slices.BinarySearch(seen, t); n > 0 {
			last = max(last, seen[n-1])
		}
	}
	return last
}

// since tells from when on a version counts as superseded, of which written, the
// time when its successor was written, is all that S3 says: r is its row, nil
// if it is new. What was deleted for good leaves an old version behind as the
// latest, and an upload in parts is dated by its beginning: so written counts
// only if it is later than the last snapshot that showed the version, or that
// did not list it yet. Else it is when it was first seen to be superseded,
// which is never too early. Of a version that no snapshot showed, and which may
// have been superseded before the first one, what S3 says is all there is.
func (d *decider) since(key string, r *catalog.Row, written cooper.Instant) cooper.Instant {
	seen, last := d.at, cooper.Instant(0)
	switch {
	case r == nil:
		last = d.sightings.before(key, seen, true)
	case len(r.Shown) > 0:
		end := cooper.Instant(r.Shown[len(r.Shown)-1])
		if len(r.Shown)%2 == 0 {
			seen = end
			end = cooper.Instant(r.Shown[len(r.Shown)-2])
		}
		seen = max(seen, end)
		last = max(end, d.sightings.before(key, seen, false))
	case r.Place == catalog.Mirror: // taken over from another program, which does not say since when it was there
		return max(seen, written)
	case r.FirstSeen != 0:
		seen = r.FirstSeen
		last = d.sightings.before(key, seen, true)
	}
	if written > last {
		return written
	}
	return seen
}

// after is the first snapshot of key's prefix behind t; 0 if there is none.
func (s sightings) after(key string, t cooper.Instant, whole bool) (first cooper.Instant) {
	for i := range s {
		if !cooper.HasPrefix(key, s[i].prefix) {
			continue
		}
		seen := s[i].any
		if whole {
			seen = s[i].whole
		}
		if n, _ := slices.BinarySearch(seen, t+1); n < len(seen) && (first == 0 || seen[n] < first) {
			first = seen[n]
		}
	}
	return first
}
