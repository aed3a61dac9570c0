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

// Confirm reads the whole catalog, whatever an audit was narrowed to, and gives an
// error if it knows one of the paths that were found to be foreign, or cannot be
// read to its end: then none of them may be moved.
func Confirm(ctx context.Context, t *tree.Tree, foreign []string) (err error) {
	if len(foreign) == 0 {
		return nil
	}
	found := make(map[string]bool, len(foreign))
	for _, p := range foreign {
		found[p] = true
	}
	l := t.Layout()
	it := t.Catalog().Rows(ctx, "")
	defer func() { err = errors.Join(err, it.Close()) }()
	for {
		row, err := it.Next()
		if errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		var own [2]string
		switch row.Place {
		case catalog.Mirror:
			own = [2]string{l.Mirror(row.Key), l.Displaced(row.Key)}
		case catalog.History:
			own[0] = l.History(row.Identity, row.Superseded)
			own[1], _ = l.Former(row.Identity)
		default:
			continue
		}
		for i, p := range own {
			if p == "" || !found[p] {
				continue
			}
			if i == 1 { // of a name it may have, it has one
				if _, at, err := t.StatRow(row); err != nil || at != p {
					continue
				}
			}
			return &cooper.Error{Kind: cooper.KindCorrupt, Where: t.Dir() + "/" + p, Message: "the whole catalog knows this file, which seemed to be foreign: nothing was moved",
				Remedy: "run `cooper backup verify DIR` without --prefix; if it finds the same, look after the disk"}
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
