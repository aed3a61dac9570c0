package backup

import (
	"cooper"
	"cooper/internal/tree/catalog"
)

// matcher finds, within one key, the catalog's row of each listed version.
type matcher struct {
	rowOf []int  // by listed version: the index of its row, or -1
	taken []bool // by row: it belongs to a listed version

	exact map[cooper.Identity]int
	loose map[cooper.Identity][]int
	byID  map[string]int // those with an id of their own
}

// many is the number of comparisons beyond which a key is matched by tables.
const many = 1024

// match fills in rowOf and taken. A row with the very identity goes first; then
// one that differs in its time alone, if a version id says that it is the same
// all the same: some stores (versitygw) date a version anew when another takes
// its place, and it keeps the time under which it is known; then one whose
// version id is unknown, or any where the listed one is unknown.
func (m *matcher) match(listed []cooper.Version, known []catalog.Row) {
	m.rowOf, m.taken = m.rowOf[:0], m.taken[:0]
	for range listed {
		m.rowOf = append(m.rowOf, -1)
	}
	for range known {
		m.taken = append(m.taken, false)
	}
	if len(listed)*len(known) > many {
		m.matchByTable(listed, known)
		return
	}
	for _, fits := range []func(*cooper.Version, *catalog.Row) bool{identical, redated, same} {
		for i := range listed {
			for j := range known {
				if m.rowOf[i] < 0 && !m.taken[j] && fits(&listed[i], &known[j]) {
					listed[i].LastModified = known[j].LastModified
					m.pair(i, j)
				}
			}
		}
	}
}

func identical(v *cooper.Version, r *catalog.Row) bool { return v.Identity == r.Identity }

func same(v *cooper.Version, r *catalog.Row) bool { return v.Same(r.Identity) }

// redated tells whether a listed version is the known one under another time.
// An id that a store gave names one version for ever; null does not. Where
// another program said which version the bytes are, and no snapshot bore it out,
// the time has to fit as well.
func redated(v *cooper.Version, r *catalog.Row) bool {
	return !onHearsay(r) && v.VersionID == r.VersionID && v.VersionID != "" && v.VersionID != cooper.NullVersion &&
		v.ETag == r.ETag && v.Size == r.Size && v.DeleteMarker == r.DeleteMarker
}

// onHearsay tells whether only another program's word says which version a
// row's bytes are: they were not verified, and no snapshot showed the version with
// their size and time.
func onHearsay(r *catalog.Row) bool { return r.Adopted() && len(r.Shown) == 0 }

func (m *matcher) pair(i, j int) { m.rowOf[i], m.taken[j] = j, true }

func (m *matcher) matchByTable(listed []cooper.Version, known []catalog.Row) {
	m.exact = make(map[cooper.Identity]int, len(known))
	m.loose, m.byID = map[cooper.Identity][]int{}, map[string]int{}
	for j := range known {
		id := known[j].Identity
		m.exact[id] = j
		id.VersionID = ""
		m.loose[id] = append(m.loose[id], j)
		if !onHearsay(&known[j]) { // of which two may have one id
			m.byID[known[j].VersionID] = j
		}
	}
	for i := range listed {
		if j, ok := m.exact[listed[i].Identity]; ok && !m.taken[j] {
			m.pair(i, j)
		}
	}
	for i := range listed {
		j, ok := m.byID[listed[i].VersionID]
		if m.rowOf[i] < 0 && ok && !m.taken[j] && redated(&listed[i], &known[j]) {
			listed[i].LastModified = known[j].LastModified
			m.pair(i, j)
		}
	}
	for i := range listed {
		id := listed[i].Identity
		id.VersionID = ""
		for _, j := range m.loose[id] {
			if m.rowOf[i] < 0 && !m.taken[j] && same(&listed[i], &known[j]) {
				m.pair(i, j)
			}
		}
	}
	m.exact, m.loose, m.byID = nil, nil, nil
}

// latestOf gives the index of the latest version; -1 if none is, so that the key
// shows nothing: some stores (Swift, where versioning is suspended) delete without a
// marker and keep the versions. ok is false where the snapshot contradicts itself:
// several latest ones, or two rows for one identity; such a key is left alone.
func latestOf(listed []cooper.Version, currentOnly bool) (latest int, ok bool) {
	if currentOnly {
		return 0, len(listed) == 1
	}
	latest = -1
	for i := range listed {
		if listed[i].Latest {
			if latest >= 0 {
				return -1, false
			}
			latest = i
		}
	}
	// Sorted, equal identities stand side by side, but for the latest's.
	for i := range listed {
		if i != latest && (latest >= 0 && listed[i].Identity == listed[latest].Identity ||
			i > 0 && i-1 != latest && listed[i].Identity == listed[i-1].Identity) {
			return -1, false
		}
	}
	return latest, true
}
