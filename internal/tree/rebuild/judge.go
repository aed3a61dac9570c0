package rebuild

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"time"

	"cooper"
	"cooper/internal/inventory/extsort"
	"cooper/internal/tree"
	"cooper/internal/tree/catalog"
	"cooper/internal/tree/keypath"
)

// judging makes the rows of one key after the other.
type judging struct {
	layout keypath.Layout
	opt    *Options
	res    *Result
	add    func(*catalog.Row) error

	files []file
	cands []Candidate
}

func (j *judging) all(ctx context.Context, m *extsort.Merge) error {
	var key []byte
	for n := 0; ; n++ {
		if n%4096 == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		end := !m.Next()
		if end && m.Err() != nil {
			return m.Err()
		}
		if n > 0 && (end || !bytes.Equal(m.Key(), key)) {
			if err := j.one(); err != nil {
				return err
			}
			j.files, j.cands = j.files[:0], j.cands[:0]
		}
		if end {
			return nil
		}
		key = append(key[:0], m.Key()...)
		var r record
		if err := json.Unmarshal(m.Data(), &r); err != nil {
			return err
		}
		if r.File != nil {
			j.files = append(j.files, *r.File)
		} else {
			j.cands = append(j.cands, *r.Cand)
		}
	}
}

// rank orders sources, the best first.
var rank = map[Source]int{FromCatalog: 0, FromSnapshot: 1, FromLedger: 2}

// one makes the rows of one key.
func (j *judging) one() error {
	// The newest word of the former catalog, then the listed ones, the latest first.
	slices.SortStableFunc(j.cands, func(a, b Candidate) int {
		if d := rank[a.Source] - rank[b.Source]; d != 0 {
			return d
		}
		if a.Generation != b.Generation {
			return int(b.Generation - a.Generation)
		}
		if a.Latest != b.Latest {
			if a.Latest {
				return -1
			}
			return 1
		}
		return a.Compare(b.Identity)
	})
	rows := map[cooper.Identity]catalog.Row{}
	words := j.index()
	// Names in history tell versions apart; those in the mirror do not, and take what is
	// left.
	slices.SortStableFunc(j.files, func(a, b file) int { return order[a.Place] - order[b.Place] })
	for i := range j.files {
		f := &j.files[i]
		row, by, ok := j.identify(f, words, rows)
		if _, twice := rows[row.Identity]; !ok || twice {
			if err := foreign(j.opt, j.res, f.Path); err != nil {
				return err
			}
			continue
		}
		rows[row.Identity] = row
		j.res.By[by]++
		if row.Place == catalog.Mirror {
			j.res.Mirror.add(row.Size)
		} else {
			j.res.History.add(row.Size)
		}
	}
	j.remembered(rows)
	sorted := make([]catalog.Row, 0, len(rows))
	for _, r := range rows {
		sorted = append(sorted, r)
	}
	slices.SortFunc(sorted, func(a, b catalog.Row) int { return a.Compare(b.Identity) })
	for i := range sorted {
		if err := j.add(&sorted[i]); err != nil {
			return err
		}
	}
	return nil
}

// order is that in which the files of a key are looked at.
var order = map[catalog.Place]int{catalog.History: 0, catalog.Mirror: 1}

// looks is what a file shows of its version: the size, and the second, as some file
// systems keep no more of a time; 0 if it is unknown, which fits any.
type looks struct{ size, second int64 }

func looksOf(size int64, at cooper.Instant) looks {
	second := int64(at) / 1000
	if at%1000 < 0 {
		second--
	}
	return looks{size, second}
}

// word is what counts of all that was said of one version.
type word struct {
	*Candidate
	newest bool // nothing newer says otherwise
	latest bool // a snapshot lists it as the latest
}

// index gives the word that counts for each version, the best first, by its looks.
func (j *judging) index() map[looks][]word {
	latest, seen, done := map[cooper.Identity]bool{}, map[cooper.Identity]bool{}, map[cooper.Identity]bool{}
	for i := range j.cands {
		if c := &j.cands[i]; c.Latest {
			latest[c.Identity] = true
		}
	}
	words := map[looks][]word{}
	for i := range j.cands {
		c := &j.cands[i]
		first := !seen[c.Identity]
		seen[c.Identity] = true
		if done[c.Identity] || c.DeleteMarker || c.Row != nil && c.Row.Dropped {
			continue
		}
		done[c.Identity] = true
		l := looksOf(c.Size, c.LastModified)
		words[l] = append(words[l], word{c, first, latest[c.Identity]})
	}
	return words
}

// identify tells which version a file is. taken are those that have a file. Where
// times are coarse, several versions of a key may look alike: in the mirror the former
// catalog decides between them, then what the bucket shows; without either
// nobody knows.
func (j *judging) identify(f *file, words map[looks][]word, taken map[cooper.Identity]catalog.Row) (catalog.Row, Source, bool) {
	plain := catalog.Row{Place: f.Place, Check: cooper.Unverified, Method: catalog.Adopted}
	var named cooper.Identity
	if f.Place == catalog.History {
		var day string
		named, day, _ = j.layout.Identify(f.Path)
		plain.Reason, plain.Superseded = catalog.Older, j.superseded(day)
	}
	var best catalog.Row
	var by Source
	bestGrade, alike := 0, 0
	for _, w := range slices.Concat(words[looksOf(f.Info.Size, modified(&f.Info))], words[looks{f.Info.Size, 0}]) {
		if _, has := taken[w.Identity]; has {
			continue
		}
		row, ok := j.fits(f, w.Candidate, plain)
		if !ok {
			continue
		}
		grade := 1
		switch {
		case w.Row != nil && w.newest && w.Row.Place == f.Place:
			grade = 3
		case w.latest:
			grade = 2
		}
		if grade > bestGrade {
			best, by, bestGrade, alike = row, w.Source, grade, 0
		}
		if grade == bestGrade {
			alike++
		}
	}
	if bestGrade > 0 && (bestGrade > 1 || alike == 1 || f.Place == catalog.History) {
		return best, by, true
	}
	row, by := plain, FromName
	row.Identity = named
	row.Size, row.LastModified = f.Info.Size, modified(&f.Info)
	if f.Place == catalog.Mirror {
		key, _, _ := j.layout.ParseMirror(f.Path)
		row.Identity = cooper.Identity{Key: key, Size: f.Info.Size, LastModified: modified(&f.Info)}
		row.ETag, by = catalog.DoubtfulETag(&row.Identity), FromNothing
	}
	return row, by, tree.Matches(j.layout, f.Path, f.Info, &row)
}

// fits gives the row of a file that may be the version of a candidate.
func (j *judging) fits(f *file, c *Candidate, plain catalog.Row) (catalog.Row, bool) {
	row := plain
	if c.Row != nil {
		row = *c.Row
		if row.Place != f.Place { // it was moved after that was written
			row.Place, row.Reason, row.Superseded = plain.Place, plain.Reason, plain.Superseded
		}
		row.Check, row.Method = plain.Check, plain.Method
	}
	row.Identity, row.Hash = c.Identity, c.Hash
	if tree.Matches(j.layout, f.Path, f.Info, &row) {
		return row, true
	}
	// The day of the path counts.
	row.Superseded, row.Reason = plain.Superseded, plain.Reason
	return row, tree.Matches(j.layout, f.Path, f.Info, &row)
}

// superseded is the last instant of the day that a path in history tells: when on that
// day it was nobody knows, and no version must seem older than it is. Where no path
// tells the day it is now.
func (j *judging) superseded(day string) cooper.Instant {
	t, err := time.Parse(time.DateOnly, day)
	switch {
	case err == nil:
		return cooper.InstantOf(t.Add(24*time.Hour - time.Millisecond))
	case j.layout == keypath.Inline:
		return j.opt.Now
	}
	return 0 // nobody knew it before
}

// remembered adds what the former catalog knew without a file: delete markers, what
// was pruned, and what is missing, so that the next backup fetches it.
func (j *judging) remembered(rows map[cooper.Identity]catalog.Row) {
	seen := map[cooper.Identity]bool{}
	for i := range j.cands {
		c := &j.cands[i]
		if c.Row == nil || seen[c.Identity] {
			continue
		}
		seen[c.Identity] = true // older words of it do not count
		if _, there := rows[c.Identity]; there || c.Row.Dropped {
			continue
		}
		row := *c.Row
		switch {
		case row.DeleteMarker:
			j.res.Markers++
		case row.Pruned():
			j.res.Pruned++
		default:
			if row.Place != catalog.Nowhere {
				j.res.Missing.add(row.Size)
			}
			row.Place, row.Reason, row.Superseded = catalog.Nowhere, "", 0
			row.Check, row.Method, row.Hash = "", "", nil
		}
		rows[row.Identity] = row
	}
}
