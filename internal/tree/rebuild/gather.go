package rebuild

import (
	"context"
	"encoding/json"

	"cooper"
	"cooper/internal/inventory/extsort"
	"cooper/internal/tree"
	"cooper/internal/tree/catalog"
	"cooper/internal/tree/safefs"
)

// record is what is sorted by key: a file of the tree, or a candidate.
type record struct {
	File *file      `json:"f,omitempty"`
	Cand *Candidate `json:"c,omitempty"`
}

// file is one of mirror or history.
type file struct {
	Path  string
	Place catalog.Place
	Info  safefs.Info
}

// gathering brings all that is known to the sorter.
type gathering struct {
	tree *tree.Tree
	opt  *Options
	res  *Result
	feed *extsort.Feeder
	key  []byte
}

func (g *gathering) gather(ctx context.Context) error {
	err := g.tree.Walk(ctx, func(f tree.File) error {
		g.opt.Progress.Begin()
		defer g.opt.Progress.End(0)
		if f.Place == catalog.Nowhere || !f.Info.IsFile() {
			return foreign(g.opt, g.res, f.Path)
		}
		return g.add(ctx, f.Key, &record{File: &file{f.Path, f.Place, f.Info}})
	})
	if err != nil {
		return err
	}
	g.res.Read, g.res.Broken, err = g.tree.Salvage(ctx, func(generation int64, r *catalog.Row) error {
		return g.add(ctx, r.Key, &record{Cand: &Candidate{Identity: r.Identity, DeleteMarker: r.DeleteMarker, Source: FromCatalog, Hash: r.Hash, Row: r, Generation: generation}})
	})
	if err != nil || g.opt.Known == nil {
		return err
	}
	return g.opt.Known(ctx, func(c *Candidate) error { return g.add(ctx, c.Key, &record{Cand: c}) })
}

// add sorts a record under a key: zeros in it are told from the one at its end, so
// that no key is the beginning of another.
func (g *gathering) add(ctx context.Context, key string, r *record) error {
	b, err := json.Marshal(r)
	if err != nil {
		return err
	}
	g.key = g.key[:0]
	for i := 0; i < len(key); i++ {
		if g.key = append(g.key, key[i]); key[i] == 0 {
			g.key = append(g.key, 0xff)
		}
	}
	return g.feed.Add(ctx, append(g.key, 0, 0), b)
}

func foreign(opt *Options, res *Result, path string) error {
	res.Foreign++
	if opt.Foreign == nil {
		return nil
	}
	return opt.Foreign(path)
}

// modified is a file's time, to the millisecond, as LastModified.
func modified(info *safefs.Info) cooper.Instant {
	ms := info.MTime / 1e6
	if info.MTime%1e6 < 0 {
		ms--
	}
	return cooper.Instant(ms)
}
