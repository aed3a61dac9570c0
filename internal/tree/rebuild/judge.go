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
	"cooper/internal/treeop"
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
	for i := range j.files {
		f := &j.files[i]
		row, by, ok := j.identify(f)
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

// identify tells which version a file is.
func (j *judging) identify(f *file) (catalog.Row, Source, bool) {
	plain := catalog.Row{Place: f.Place, Check: cooper.Unverified, Method: catalog.Adopted}
	var named cooper.Identity
	if f.Place == catalog.History {
		var day string
		named, day, _ = j.layout.Identify(f.Path)
		plain.Reason, plain.Superseded = catalog.Older, j.superseded(day)
	}
	for i := range j.cands {
		c := &j.cands[i]
		row := plain
		if c.Row != nil {
			if c.Row.Dropped {
				continue
			}
			row = *c.Row
			if row.Place != f.Place { // it was moved after that was written
				row.Place, row.Reason, row.Superseded = plain.Place, plain.Reason, plain.Superseded
			}
			row.Check, row.Method = plain.Check, plain.Method
		}
		row.Identity, row.Hash = c.Identity, c.Hash
		if !c.DeleteMarker && tree.Matches(j.layout, f.Path, f.Info, &row) {
			return row, c.Source, true
		}
		if row.Superseded != plain.Superseded { // the day of the path counts
			row.Superseded, row.Reason = plain.Superseded, plain.Reason
			if !c.DeleteMarker && tree.Matches(j.layout, f.Path, f.Info, &row) {
				return row, c.Source, true
			}
		}
	}
	row, by := plain, FromName
	row.Identity = named
	row.Size, row.LastModified = f.Info.Size, modified(&f.Info)
	if f.Place == catalog.Mirror {
		key, _, _ := j.layout.ParseMirror(f.Path)
		row.Identity = cooper.Identity{Key: key, Size: f.Info.Size, LastModified: modified(&f.Info)}
		row.ETag, by = treeop.DoubtfulETag(&row.Identity), FromNothing
	}
	return row, by, tree.Matches(j.layout, f.Path, f.Info, &row)
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
		case treeop.Pruned(&row):
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
