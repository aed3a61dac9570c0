package audit

import (
	"context"
	"errors"
	"io"

	"cooper"
	"cooper/internal/tree"
	"cooper/internal/tree/catalog"
	"cooper/internal/tree/safefs"
)

// foreign finds files that no row speaks of. Every row's file has its own path;
// so where the paths of rows and those that stand there add up to the same, none
// is foreign. Only what does not add up is looked at again, and that by going
// through catalog and tree once more, not by looking up one file after the other.
func (a *auditor) foreign(ctx context.Context) error {
	err := a.tree.Walk(ctx, func(f tree.File) error {
		switch {
		case f.Place == catalog.Nowhere:
			return a.reportForeign(&f)
		case a.concerns(&f):
			a.paths.stands(f.Key, f.Path)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for part := range a.paths.suspects(maxKnown) {
		if err := a.foreignIn(ctx, part); err != nil {
			return err
		}
	}
	return nil
}

// foreignIn finds the foreign files among those whose keys are in some cells.
func (a *auditor) foreignIn(ctx context.Context, part cells) error {
	known, err := a.known(ctx, part)
	if err != nil {
		return err
	}
	return a.tree.Walk(ctx, func(f tree.File) error {
		if f.Place == catalog.Nowhere || !a.concerns(&f) || !a.paths.suspect(part, f.Key) || known[a.paths.hash(f.Path)] {
			return nil
		}
		return a.reportForeign(&f)
	})
}

// known are the paths, hashed, of the files that rows have there.
func (a *auditor) known(ctx context.Context, part cells) (_ map[uint64]bool, err error) {
	it := a.tree.Catalog().Rows(ctx, a.opt.Prefix)
	defer func() { err = errors.Join(err, it.Close()) }()
	known := map[uint64]bool{}
	for {
		row, err := it.Next()
		if errors.Is(err, io.EOF) {
			return known, nil
		} else if err != nil {
			return nil, err
		}
		if row.Place == catalog.Nowhere || !a.paths.suspect(part, row.Key) {
			continue
		}
		_, at, err := a.tree.StatRow(row)
		if err == nil {
			known[a.paths.hash(at)] = true
		} else if cooper.KindOf(err) != cooper.KindMissing {
			return nil, err
		}
	}
}

func (a *auditor) reportForeign(f *tree.File) error {
	return a.report(Finding{Problem: Foreign, Path: f.Path, Detail: describe(f.Info)})
}

// concerns tells whether the key of a file is looked at.
func (a *auditor) concerns(f *tree.File) bool {
	return cooper.HasPrefix(f.Key, a.opt.Prefix)
}

func describe(info safefs.Info) string {
	if info.IsFile() {
		return "not in the catalog"
	}
	return "not in the catalog, and no regular file (" + info.Mode.Type().String() + ")"
}
