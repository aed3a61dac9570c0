package audit

import (
	"context"
	"slices"

	"cooper"
	"cooper/internal/tree"
	"cooper/internal/tree/catalog"
	"cooper/internal/tree/safefs"
)

// foreign finds files that no row speaks of. Every row's file has its own path;
// so if as many files stand there as rows were found to have one, none is
// foreign, and nothing needs to be looked up.
func (a *auditor) foreign(ctx context.Context) error {
	var n int64
	err := a.tree.Walk(ctx, func(f tree.File) error {
		if a.concerns(&f) {
			n++
		}
		return nil
	})
	if err != nil || n == a.present.Load() {
		return err
	}
	return a.tree.Walk(ctx, func(f tree.File) error {
		if !a.concerns(&f) {
			return nil
		}
		if known, err := a.known(ctx, &f); known || err != nil {
			return err
		}
		return a.report(Finding{Problem: Foreign, Path: f.Path, Detail: describe(f.Info)})
	})
}

// concerns tells whether a file is of a key that is looked at, or of none.
func (a *auditor) concerns(f *tree.File) bool {
	return f.Place == catalog.Nowhere || cooper.HasPrefix(f.Key, a.opt.Prefix)
}

// known tells whether a row's file is f.
func (a *auditor) known(ctx context.Context, f *tree.File) (bool, error) {
	if f.Place == catalog.Nowhere {
		return false, nil
	}
	rows, err := a.tree.Catalog().Lookup(ctx, f.Key)
	if err != nil {
		return false, err
	}
	var failed error
	hit := slices.ContainsFunc(rows, func(row catalog.Row) bool {
		if row.Place != f.Place {
			return false
		}
		_, at, err := a.tree.StatRow(&row)
		if err != nil && cooper.KindOf(err) != cooper.KindMissing {
			failed = err
		}
		return err == nil && at == f.Path
	})
	return hit, failed
}

func describe(info safefs.Info) string {
	if info.IsFile() {
		return "not in the catalog"
	}
	return "not in the catalog, and no regular file (" + info.Mode.Type().String() + ")"
}
