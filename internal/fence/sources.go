package fence

import (
	"context"
	"strings"

	"cooper/internal/database"
	"cooper/internal/gcstate"
)

// sources adds what says that a handle was made from another: while that one is not in the archive,
// or gone, it stays.
func (f *Fence) sources(ctx context.Context) error {
	for _, h := range f.opt.Config.Handles {
		k := f.kinds[h.Kind]
		if h.Preview != "" {
			if err := f.previews(ctx, k); err != nil {
				return err
			}
		}
		if h.PreviewOf != "" {
			what := "sources named by their previews"
			f.places = append(f.places, &place{what: what, kind: k, class: k.id, judge: f.madeOf(k),
				sql: "SELECT " + k.sql + ", " + database.Express(f.server.Engine, k.table, h.PreviewOf) + " FROM " + k.from + " WHERE " + k.sql + " IN (%s)"})
		}
	}
	for _, d := range f.opt.Config.Derived {
		k, what := f.kinds[f.opt.Config.Kind(d.Of).Kind], "derived: "+d.Name
		f.places = append(f.places, &place{what: what, kind: k, class: k.id, judge: f.madeOf(k),
			sql: "SELECT derived, source FROM (" + strings.ReplaceAll(d.SQL, "%", "%%") + "\n) AS derivations WHERE derived IN (%s)"})
	}
	return nil
}

// previews adds the column in which a source names what was made from it.
func (f *Fence) previews(ctx context.Context, k *kind) error {
	what := "previews named by their sources"
	if k.Kind != "" {
		what += ": " + k.Kind
	}
	if k.table == nil {
		f.cannot(what)
		return nil
	}
	c := k.table.Named(f.server.Engine, k.Preview)
	if !exact(k, c) {
		f.cannot(what)
		return nil
	}
	if cheap, err := f.cheap(ctx, k.table, c); err != nil || !cheap {
		f.cannot(what)
		return err
	}
	name := database.Ident(f.server.Engine, c.Name)
	f.places = append(f.places, &place{what: what, kind: k, class: c.Class, judge: f.madeOf(k), sql: "SELECT " + name + ", " + k.sql + " FROM " + k.from + " WHERE " + name + " IN (%s)"})
	return nil
}

// madeOf judges rows of a handle and its source.
func (f *Fence) madeOf(k *kind) func(context.Context, []database.Value) (Sight, error) {
	return func(ctx context.Context, row []database.Value) (Sight, error) {
		source, own := normal(k, row[1]), normal(k, row[0])
		if source == "" || source == own {
			return Sight{}, nil // one that is its own source stands by itself
		}
		gone, err := f.gone(ctx, k, source)
		if err != nil || gone {
			return Sight{}, err
		}
		return Sight{Why: "made from " + source + ", which is still there"}, nil
	}
}

// gone tells whether a handle has no row any more, or is in the archive and no link leads to it.
func (f *Fence) gone(ctx context.Context, k *kind, id string) (bool, error) {
	records, err := f.opt.State.Get(ctx, []gcstate.Handle{{Scope: f.opt.Scope, Kind: k.Kind, ID: id}})
	if err != nil {
		return false, err
	}
	if s := records[0].Status; s == gcstate.Archived || s == gcstate.Deleted {
		return true, nil
	}
	ids, exact := f.literals(k.id, []string{id})
	if !exact {
		return false, nil
	}
	if len(ids) == 0 {
		return true, nil
	}
	rows, err := f.ask(ctx, "SELECT 1 FROM "+k.from+" WHERE "+k.sql+" IN ("+ids[0]+")")
	return len(rows) == 0, err
}
