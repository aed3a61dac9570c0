package audit

import (
	"context"

	"cooper"
	"cooper/internal/tree"
	"cooper/internal/tree/catalog"
)

// Spot is what looking at some files of a tree came to.
type Spot struct {
	Looked  int64 `json:"looked_at"`
	Missing int64 `json:"missing"`
	// Changed are files of another size or time than their version's.
	Changed  int64    `json:"changed"`
	Examples []string `json:"examples,omitempty"` // paths
	// Working is set if a run has the tree's lock, or was killed with it: it may have moved
	// what seems to be missing.
	Working bool `json:"working,omitempty"`
}

// maxExamples is how many paths a Spot names.
const maxExamples = 5

// Look looks whether the files of about n keys from all over the catalog are
// there, with their sizes and times, and whether all files of the catalog are: so a copy of a
// tree that lacks a part of it is noticed without looking at all. It reads no file.
func Look(ctx context.Context, t *tree.Tree, n int) (s Spot, err error) {
	s.Working = t.Holder() != ""
	for tries := 1; ; tries++ { // a run that ends may be setting files of the catalog aside
		if err = t.Catalog().Present(); err == nil {
			break
		}
		if tries == 3 {
			return s, err
		}
		if err := t.Catalog().Refresh(); err != nil {
			return s, err
		}
	}
	keys, err := t.Catalog().Sample(ctx, n)
	if err != nil {
		return s, err
	}
	for _, key := range keys {
		rows, err := t.Catalog().Lookup(ctx, key)
		if err != nil {
			return s, err
		}
		for i := range rows {
			if rows[i].Place == catalog.Nowhere {
				continue
			}
			if err := s.row(t, &rows[i]); err != nil {
				return s, err
			}
		}
	}
	return s, nil
}

func (s *Spot) row(t *tree.Tree, row *catalog.Row) error {
	info, path, err := t.StatRow(row)
	s.Looked++
	switch {
	case cooper.KindOf(err) == cooper.KindMissing:
		s.Missing++
		path = t.PathOf(row)
	case err != nil:
		return err
	case !info.IsFile() || info.Size != row.Size || !info.ModifiedAt(row.LastModified):
		s.Changed++
	default:
		return nil
	}
	if len(s.Examples) < maxExamples {
		s.Examples = append(s.Examples, path)
	}
	return nil
}
