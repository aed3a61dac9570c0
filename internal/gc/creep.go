package gc

import (
	"fmt"
	"maps"
	"slices"

	"cooper/internal/ledger/gcfacts"
)

// Crept says, of a scan, which associations have become smaller little by little: by a step
// that is suspect from the most that a complete scan of the same database has had, among those
// that the ledger still knows, though no step may have been one. It is no suspicion: a person
// is told.
func Crept(h *History, of *Scan) (all []string) {
	most := map[string]Count{}
	var scans []*Scan
	for _, s := range h.of(of.Server) {
		if s.Complete() && s.ID < of.ID {
			scans = append(scans, s)
		}
	}
	for _, s := range scans {
		for a, c := range s.Counts {
			m := most[a]
			most[a] = Count{Rows: max(m.Rows, c.Rows), Links: max(m.Links, c.Links), Found: max(m.Found, c.Found)}
		}
	}
	for _, a := range slices.Sorted(maps.Keys(of.Counts)) {
		if slices.ContainsFunc(of.Open, func(o gcfacts.Suspect) bool { return o.Association == a }) {
			continue // it is told as a suspicion
		}
		m, c := most[a], of.Counts[a]
		for _, n := range []struct {
			what      string
			most, now int64
		}{{"rows", m.Rows, c.Rows}, {"links", m.Links, c.Links}, {"links that lead to handles", m.Found, c.Found}} {
			if shrunk(n.most, n.now) {
				all = append(all, fmt.Sprintf("%s: %d %s, and %d at most in the complete scans before that the ledger knows", a, n.now, n.what, n.most))
				break
			}
		}
	}
	return all
}
