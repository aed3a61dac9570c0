package audit

import (
	"context"
	"slices"

	"cooper"
	"cooper/internal/tree/catalog"
	"cooper/internal/tree/keypath"
	"cooper/internal/tree/safefs"
)

// foreign finds files that no row speaks of. Every row's file has its own path;
// so if as many files stand there as rows were found to have one, none is
// foreign, and nothing needs to be looked up.
func (a *auditor) foreign(ctx context.Context) error {
	sides := []struct {
		place catalog.Place
		walk  func(context.Context, func(string, safefs.Info) error) error
		dir   string
		key   func(path string) (string, bool)
	}{
		{catalog.Mirror, a.tree.WalkMirror, "mirror/", func(p string) (string, bool) {
			key, _, ok := keypath.ParseMirror(p)
			return key, ok
		}},
		{catalog.History, a.tree.WalkHistory, "history/", func(p string) (string, bool) {
			key, _, ok := keypath.ParseHistory(p)
			return key, ok
		}},
	}
	for _, s := range sides {
		var n int64
		count := func(path string, _ safefs.Info) error {
			if key, ok := s.key(path); !ok || cooper.HasPrefix(key, a.opt.Prefix) {
				n++
			}
			return nil
		}
		if err := s.walk(ctx, count); err != nil {
			return err
		}
		if n == a.present[where(s.place)].Load() {
			continue
		}
		err := s.walk(ctx, func(path string, info safefs.Info) error {
			key, ok := s.key(path)
			if ok && !cooper.HasPrefix(key, a.opt.Prefix) {
				return nil
			}
			known := false
			if ok {
				var err error
				if known, err = a.known(ctx, key, s.place, s.dir+path); err != nil {
					return err
				}
			}
			if known {
				return nil
			}
			return a.report(Finding{Problem: Foreign, Path: s.dir + path, Detail: describe(info)})
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// known tells whether a row's file is the one at path.
func (a *auditor) known(ctx context.Context, key string, place catalog.Place, path string) (bool, error) {
	rows, err := a.tree.Catalog().Lookup(ctx, key)
	if err != nil {
		return false, err
	}
	var failed error
	hit := slices.ContainsFunc(rows, func(row catalog.Row) bool {
		if row.Place != place {
			return false
		}
		_, at, err := a.tree.StatRow(&row)
		if err != nil && cooper.KindOf(err) != cooper.KindMissing {
			failed = err
		}
		return err == nil && at == path
	})
	return hit, failed
}

func describe(info safefs.Info) string {
	if info.IsFile() {
		return "not in the catalog"
	}
	return "not in the catalog, and no regular file (" + info.Mode.Type().String() + ")"
}
