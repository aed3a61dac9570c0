package catalog

import (
	"bytes"
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
	w := newWriter(c.fs, dir, fmt.Sprintf("delta-%010d", c.State().Generation+1), false)
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
// disk. It looks again at the pointer that it replaces: KindLocked if that is not the
// one this catalog was read from. After an error either state may be the one on disk:
// Refresh tells.
func (c *Catalog) Publish(p permit.Permit, next State) error {
	if !p.Valid() {
		return errPermit
	}
	next.Format = format
	next.Generation = c.State().Generation + 1
	if err := next.check(); err != nil {
		return &cooper.Error{Kind: cooper.KindInternal, Where: currentPath, Message: "a state that makes no sense was to be written", Err: err}
	}
	raw, err := encodeState(&next)
	if err != nil {
		return err
	}
	if c.guard != nil {
		if err := c.guard(); err != nil {
			return err
		}
	}
	if err := c.unchanged(); err != nil {
		return err
	}
	if err := writePointers(c.fs, raw); err != nil {
		return err
	}
	c.set(next, raw, nil)
	return nil
}

// unchanged tells whether the pointer on the disk still is the one that was read.
func (c *Catalog) unchanged() error {
	now, err := load(c.fs)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if bytes.Equal(now.raw, c.raw) {
		return nil
	}
	return &cooper.Error{Kind: cooper.KindLocked, Where: currentPath,
		Message: fmt.Sprintf("somebody else changed the catalog meanwhile: it is of generation %d, and was of %d", now.state.Generation, c.state.Generation),
		Remedy:  "make sure that no other run works on the tree, on this host or another, then run again"}
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

// Upgrade brings a catalog of format 1 to the present one: all its rows are
// read, checked, and written anew, as a compaction does. It tells whether there was
// anything to do.
func (c *Catalog) Upgrade(ctx context.Context, p permit.Permit) (bool, error) {
	state := c.State()
	switch {
	case !state.sealed():
		return true, c.rewrite(ctx, p, 0, BaseLevel)
	case state.Format < format:
		return true, c.Publish(p, state)
	}
	return false, nil
}

// rewrite replaces the sequences from the given one on by a single one: write,
// sync, read again, publish, and only then set the old ones aside. A crash before the
// publishing leaves files nobody knows, one after it files nobody needs: Clean sets
// aside both.
func (c *Catalog) rewrite(ctx context.Context, p permit.Permit, from, level int) error {
	return c.rewriteAs(ctx, p, from, level, nil, func(*State) {})
}

// Revise writes the whole catalog anew with what revise makes of each row, and edit of
// the state, in the one step in which a compaction does: either all of it is so
// afterwards or nothing. revise must leave identities and places as they are; a row
// that it drops is gone.
func (c *Catalog) Revise(ctx context.Context, p permit.Permit, revise func(*Row), edit func(*State)) error {
	return c.rewriteAs(ctx, p, 0, BaseLevel, revise, edit)
}

func (c *Catalog) rewriteAs(ctx context.Context, p permit.Permit, from, level int, revise func(*Row), edit func(*State)) error {
	if !p.Valid() {
		return errPermit
	}
	state := c.State()
	old := state.Runs[from:]
	kind := "delta"
	if level == BaseLevel {
		kind = "base"
	}
	files, err := c.mergeInto(ctx, old, from > 0, fmt.Sprintf("%s-%010d-m", kind, state.Generation+1), revise)
	if err != nil {
		return err
	}
	if err := c.fs.SyncDir(dir); err != nil {
		return err
	}
	if err := c.verify(ctx, files); err != nil {
		return err
	}
	next := state
	next.Runs = slices.Clone(state.Runs[:from])
	if len(files) > 0 {
		next.Runs = append(next.Runs, Sorted{Level: level, Files: files})
	}
	edit(&next)
	c.mu.Lock()
	before := c.raw
	c.mu.Unlock()
	if err := c.Publish(p, next); err != nil {
		return err
	}
	return c.retire(old, before, level == BaseLevel)
}

// mergeInto writes what old says into new files. Rows that drop others are
// kept as long as there is something older they may speak of. revise, if not nil,
// changes each row before.
func (c *Catalog) mergeInto(ctx context.Context, old []Sorted, keepDropped bool, prefix string, revise func(*Row)) (files []File, err error) {
	m, err := c.merged(ctx, old, span{}, keepDropped)
	if err != nil {
		return nil, err
	}
	w := newWriter(c.fs, dir, prefix, true)
	defer func() {
		err = errors.Join(err, m.Close())
		if err != nil {
			err = errors.Join(err, w.abandon())
		}
	}()
	var last cooper.Identity
	for n := 0; ; n++ {
		row, err := m.Next()
		if errors.Is(err, io.EOF) {
			return w.finish()
		}
		if err != nil {
			return nil, err
		}
		if n > 0 && row.Compare(last) <= 0 {
			return nil, corruptFile("", fmt.Errorf("the rows of %q are not in order", row.Key))
		}
		last = row.Identity
		if revise != nil {
			one := *row
			one.Shown = slices.Clone(row.Shown)
			if revise(&one); one.Dropped {
				continue
			}
			row = &one
		}
		if err := w.add(row); err != nil {
			return nil, err
		}
	}
}
