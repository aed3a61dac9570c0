package catalog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"cooper"
	"cooper/internal/permit"
)

// fanout is how many sequences of one level become one of the next. Reading
// opens at most fanout-1 sequences of each level, of which 10^9 rows in shards
// of 4,096 make seven; a row is rewritten at most once for each level.
const fanout = 8

// compactShare is the share of the base's rows beyond which deltas are merged
// into it.
const compactShare = 0.1

var errPermit = &cooper.Error{Kind: cooper.KindInternal, Message: "the catalog was to be changed without a permit"}

// Dir is where a tree's catalog lies, relative to the tree.
const Dir = dir

// FirstGeneration is that of an empty catalog.
const FirstGeneration = 1

// Append writes rows as a new sequence, which is not part of the catalog until
// it stands in a published state, nor on disk until the file system was
// synced. Of several rows with one identity the last counts. No rows give nil.
func (c *Catalog) Append(p permit.Permit, rows []Row) (*Sorted, error) {
	if !p.Valid() {
		return nil, errPermit
	}
	order := make([]int, len(rows))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return rows[a].Compare(rows[b].Identity) })
	w := newWriter(c.fs, fmt.Sprintf("delta-%010d", c.State().Generation+1), false)
	for i, at := range order {
		if i+1 < len(order) && rows[order[i+1]].Identity == rows[at].Identity {
			continue
		}
		if err := w.add(&rows[at]); err != nil {
			return nil, errors.Join(err, w.abandon())
		}
	}
	files, err := w.finish()
	if err != nil {
		return nil, errors.Join(err, w.abandon())
	}
	if len(files) == 0 {
		return nil, nil
	}
	return &Sorted{Files: files}, nil
}

// Publish makes next the state, with the next generation. Its files must be on
// disk. After an error either state may be the one on disk: Refresh tells.
func (c *Catalog) Publish(p permit.Permit, next State) error {
	if !p.Valid() {
		return errPermit
	}
	next.Format = format
	next.Generation = c.State().Generation + 1
	if err := next.check(); err != nil {
		return &cooper.Error{Kind: cooper.KindInternal, Where: currentPath, Message: "a state that makes no sense was to be written", Err: err}
	}
	if err := writeState(c.fs, &next); err != nil {
		return err
	}
	c.set(next)
	return nil
}

// Merge merges deltas where there are many. It is to be called now and then
// while a run appends.
func (c *Catalog) Merge(ctx context.Context, p permit.Permit) error {
	for {
		runs := c.State().Runs
		n := 0
		for n < len(runs) && runs[len(runs)-1-n].Level == runs[len(runs)-1].Level {
			n++
		}
		if n < fanout || runs[len(runs)-1].Level == BaseLevel {
			return nil
		}
		if err := c.rewrite(ctx, p, len(runs)-n, runs[len(runs)-1].Level+1); err != nil {
			return err
		}
	}
}

// Compact merges everything into a new base if the deltas have grown beyond
// their share, or if there are any and now is set.
func (c *Catalog) Compact(ctx context.Context, p permit.Permit, now bool) error {
	var base, deltas int64
	runs := c.State().Runs
	for i := range runs {
		if runs[i].Level == BaseLevel {
			base += runs[i].Rows()
		} else {
			deltas += runs[i].Rows()
		}
	}
	if deltas == 0 || !now && float64(deltas) <= compactShare*float64(base) {
		return nil
	}
	return c.rewrite(ctx, p, 0, BaseLevel)
}

// rewrite replaces the sequences from the given one on by a single one: write,
// sync, publish, and only then remove. A crash before the publishing leaves
// files nobody knows, one after it files nobody needs: Clean removes both.
func (c *Catalog) rewrite(ctx context.Context, p permit.Permit, from, level int) error {
	if !p.Valid() {
		return errPermit
	}
	state := c.State()
	old := state.Runs[from:]
	kind := "delta"
	if level == BaseLevel {
		kind = "base"
	}
	files, err := c.mergeInto(ctx, old, from > 0, fmt.Sprintf("%s-%010d-m", kind, state.Generation+1))
	if err != nil {
		return err
	}
	if err := c.fs.SyncDir(dir); err != nil {
		return err
	}
	next := state
	next.Runs = slices.Clone(state.Runs[:from])
	if len(files) > 0 {
		next.Runs = append(next.Runs, Sorted{Level: level, Files: files})
	}
	if err := c.Publish(p, next); err != nil {
		return err
	}
	for _, run := range old {
		for _, f := range run.Files {
			if err := c.fs.Remove(dir + "/" + f.Name); err != nil {
				return err
			}
		}
	}
	return nil
}

// mergeInto writes what old says into new files. Rows that drop others are
// kept as long as there is something older they may speak of.
func (c *Catalog) mergeInto(ctx context.Context, old []Sorted, keepDropped bool, prefix string) (files []File, err error) {
	m, err := openMerged(ctx, c.fs, old, span{}, keepDropped)
	if err != nil {
		return nil, err
	}
	w := newWriter(c.fs, prefix, true)
	defer func() {
		err = errors.Join(err, m.Close())
		if err != nil {
			err = errors.Join(err, w.abandon())
		}
	}()
	for {
		row, err := m.Next()
		if errors.Is(err, io.EOF) {
			return w.finish()
		}
		if err != nil {
			return nil, err
		}
		if err := w.add(row); err != nil {
			return nil, err
		}
	}
}

// Clean removes files that are not part of the catalog: leftovers of a crash.
// Nobody may be appending meanwhile.
func (c *Catalog) Clean(p permit.Permit) error {
	if !p.Valid() {
		return errPermit
	}
	known := map[string]bool{currentName: true}
	for _, run := range c.State().Runs {
		for _, f := range run.Files {
			known[f.Name] = true
		}
	}
	infos, err := c.fs.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, i := range infos {
		if known[i.Name] || !i.IsFile() {
			continue
		}
		if err := c.fs.Remove(dir + "/" + i.Name); err != nil {
			return err
		}
	}
	return nil
}
