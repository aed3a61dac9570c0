package tree

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"cooper"
	"cooper/internal/permit"
	"cooper/internal/tree/journal"
)

// Recovered is an interrupted shard that was completed or undone, or one that
// was committed but never settled.
type Recovered struct {
	Run   string // that began the shard
	Plan  string
	Shard int
	// Outcomes are those Commit would have given; none if undone.
	Outcomes []cooper.Outcome
	Undone   bool
}

// Recover completes interrupted shards, or undoes them, from the journal
// alone. What it gives and what is not Undone must be written as facts and
// Settled. It also deletes what a committed shard has pruned.
//
// It may itself be interrupted anywhere, and called again, in either direction.
func (t *Tree) Recover(ctx context.Context, p permit.Permit, undo bool) ([]Recovered, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.may(p); err != nil {
		return nil, err
	}
	t.recovered = false
	// What a killed process left is in memory, not yet on disk. Facts that
	// follow from it must not be more durable than it is.
	if err := t.fs.SyncAll(); err != nil {
		return nil, err
	}
	if err := t.catalog.Refresh(); err != nil {
		return nil, err
	}
	// Nothing is completed or undone by a pointer that may be an old one.
	if err := t.catalog.Present(); err != nil {
		return nil, err
	}
	if err := t.catalog.Heal(p); err != nil {
		return nil, err
	}
	// Before a pointer of the present format: programs that know the former alone go
	// by this file.
	if t.format < treeFormat {
		if err := t.writeVersion(t.layout.Layout); err != nil {
			return nil, err
		}
	}
	// What copies a tree may leave out empty directories.
	for _, name := range []string{stagingDir, journalDir} {
		if _, there, err := lstat(t.fs, name); err != nil {
			return nil, err
		} else if !there {
			if err := t.fs.MkdirAll(name); err != nil {
				return nil, err
			}
		}
	}
	entries, err := t.readJournals()
	if err != nil {
		return nil, err
	}
	var out []Recovered
	for _, entry := range entries {
		if err := ctx.Err(); err != nil {
			return nil, context.Cause(ctx)
		}
		r, err := t.recoverEntry(context.WithoutCancel(ctx), p, entry, undo)
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	if err := t.setAsideHeld(); err != nil {
		return nil, err
	}
	if err := t.catalog.Clean(p); err != nil {
		return nil, err
	}
	if err := t.upgrade(ctx, p); err != nil {
		return nil, err
	}
	t.recovered = true
	return out, nil
}

// upgrade brings a catalog of format 1 to the present one. Where there is no room it
// stays as it is, for it can be read.
func (t *Tree) upgrade(ctx context.Context, p permit.Permit) error {
	done, err := t.catalog.Upgrade(ctx, p)
	switch {
	case cooper.KindOf(err) == cooper.KindFull:
		t.tell("there is no room to bring the tree's catalog to the present format, with checksums: it stays in the former one")
		return nil
	case err == nil && done:
		t.tell("the tree's catalog was brought to the present format, with checksums; programs before that refuse the tree now")
	}
	return err
}

// readJournals reads all entries, the oldest first, and removes those that were
// never finished.
func (t *Tree) readJournals() ([]*journal.Entry, error) {
	infos, err := t.fs.ReadDir(journalDir)
	if err != nil {
		return nil, err
	}
	var entries []*journal.Entry
	for _, i := range infos {
		path := journalDir + "/" + i.Name
		if strings.HasSuffix(i.Name, tmpSuffix) {
			// Nothing was moved before the journal had its name.
			if err := t.fs.Remove(path); err != nil {
				return nil, err
			}
			continue
		}
		if !strings.HasSuffix(i.Name, journalSuffix) {
			continue
		}
		entry, err := t.readJournal(path)
		if err == nil && journalPath(entry.Plan, entry.Shard) != path {
			err = fmt.Errorf("it is about shard %d of plan %s", entry.Shard, entry.Plan)
		}
		if errors.Is(err, journal.ErrNewer) {
			return nil, &cooper.Error{Kind: cooper.KindRefused, Where: t.dir + "/" + path, Message: "the interrupted shard is that of a newer program", Err: err,
				Remedy: "use that program, or a newer one, and leave the file where it is"}
		}
		if err != nil {
			return nil, &cooper.Error{Kind: cooper.KindCorrupt, Where: t.dir + "/" + path, Message: "the journal of an interrupted shard cannot be read", Err: err,
				Remedy: "look after the disk; then move this file away, and let `cooper backup verify --repair` bring mirror, history and catalog together again"}
		}
		entries = append(entries, entry)
	}
	slices.SortFunc(entries, func(a, b *journal.Entry) int {
		if a.Generation != b.Generation {
			return int(a.Generation - b.Generation)
		}
		return a.Shard - b.Shard
	})
	return entries, nil
}

func (t *Tree) readJournal(path string) (*journal.Entry, error) {
	f, err := t.fs.Open(path)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(f)
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	entry, _, err := journal.Decode(b)
	return entry, err
}

func (t *Tree) recoverEntry(ctx context.Context, p permit.Permit, entry *journal.Entry, undo bool) (Recovered, error) {
	state := t.State()
	r := Recovered{Run: entry.Run, Plan: entry.Plan, Shard: entry.Shard}
	run := state.Run
	switch {
	case entry.Generation < state.Generation && run != nil && run.Plan == entry.Plan && !run.Done.Has(entry.Shard):
		return r, &cooper.Error{Kind: cooper.KindCorrupt, Where: t.dir + "/" + journalPath(entry.Plan, entry.Shard),
			Message: fmt.Sprintf("the journal is of generation %d, the catalog of %d, and yet the shard is not done there", entry.Generation, state.Generation),
			Remedy:  "the catalog's pointer seems to be damaged, or an old copy: bring back the newest one"}
	case entry.Generation < state.Generation: // done, but perhaps for what was held back
		if err := t.release(entry); err != nil {
			return r, err
		}
	case entry.Generation > state.Generation || state.Run == nil || state.Run.Plan != entry.Plan || entry.Shard >= state.Run.Shards || state.Run.Done.Has(entry.Shard):
		return r, &cooper.Error{Kind: cooper.KindCorrupt, Where: t.dir + "/" + journalPath(entry.Plan, entry.Shard),
			Message: fmt.Sprintf("the journal is of generation %d and does not fit the catalog's %d", entry.Generation, state.Generation),
			Remedy:  "the catalog's CURRENT.json seems to be an old copy: bring back the newest one"}
	case undo:
		r.Undone = true
		return r, t.undo(ctx, entry)
	default:
		if err := t.complete(ctx, p, entry); err != nil {
			return r, err
		}
	}
	t.await(entry)
	r.Outcomes = finalOutcomes(entry)
	return r, nil
}

// undo takes back what was moved, the last first. The journal goes last, once
// that is on disk: until then undoing, or completing, can begin again.
func (t *Tree) undo(ctx context.Context, entry *journal.Entry) error {
	m := t.newMover(ctx, entry.Changes)
	left := leftOut(entry)
	for _, retirements := range []bool{false, true} {
		emptied := map[string]bool{}
		for i := len(entry.Changes) - 1; i >= 0; i-- {
			c := &entry.Changes[i]
			if left[i] || !m.moves(c) || (m.from(c).in == inMirror) != retirements {
				continue
			}
			p, err := excused(m.unmake(c))
			if err != nil {
				return err
			}
			if p != nil {
				return &cooper.Error{Kind: p.kind, Where: t.dir, Message: "the interrupted shard cannot be undone: " + p.message,
					Remedy: "do what the message says, or run without --undo: then the shard is completed without that"}
			}
			emptied[parentOf(m.to(c).path())] = true
		}
		if err := m.pruneAll(emptied); err != nil {
			return err
		}
	}
	if err := t.fs.SyncAll(); err != nil {
		return err
	}
	if err := t.fs.Remove(journalPath(entry.Plan, entry.Shard)); err != nil {
		return err
	}
	return t.fs.SyncDir(journalDir)
}

// unmake moves the file of a change back unless that was done before, or never
// was forth.
func (m *mover) unmake(c *Change) (*problem, error) {
	if c.Op == Mend {
		return m.unmend(c)
	}
	back := m.from(c)
	if back.in != inMirror {
		path, _, there, err := find(m.fs, back)
		if err != nil {
			return nil, err
		}
		if there {
			return nil, m.dropSecondName(m.to(c), path)
		}
	}
	return m.unplace(c)
}
