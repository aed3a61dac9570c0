package tree

import (
	"context"
	"errors"
	"io/fs"
	"strings"

	"cooper"
	"cooper/internal/permit"
	"cooper/internal/tree/catalog"
	"cooper/internal/tree/keypath"
	"cooper/internal/tree/safefs"
)

// OpenBroken opens a tree whose catalog cannot be read, to make it again; nothing but
// Lock, StillBroken, Walk, Salvage, Rebuild and Close may be called. opt.Layout says which layout it
// has if its version file is gone or damaged. KindUsage if that is needed, or this is no
// tree; KindRefused if the catalog is whole.
func OpenBroken(ctx context.Context, dir string, opt Options) (*Tree, error) {
	t, err := unmade(dir, opt)
	if err != nil {
		return nil, err
	}
	if err := t.openBroken(ctx, opt); err != nil {
		return nil, errors.Join(err, t.Close())
	}
	return t, nil
}

func (t *Tree) openBroken(ctx context.Context, opt Options) error {
	if info, err := t.fs.Lstat(metaDir); cooper.KindOf(err) == cooper.KindMissing || err == nil && !info.IsDir() {
		return noTree(t.dir)
	} else if err != nil {
		return err
	}
	unread := t.readVersion()
	switch err := unread; {
	case err == nil && opt.Layout != "" && opt.Layout != t.layout.Layout:
		return &cooper.Error{Kind: cooper.KindRefused, Where: t.dir, Message: "the tree has the layout " + string(t.layout.Layout) + ", not " + string(opt.Layout), Remedy: "leave --layout out"}
	case err == nil:
	case cooper.KindOf(err) != cooper.KindUsage && cooper.KindOf(err) != cooper.KindCorrupt:
		return err
	case opt.Layout == "":
		return &cooper.Error{Kind: cooper.KindUsage, Where: t.dir + "/" + versionPath, Message: "the file that says which layout the tree has is gone or damaged", Err: err,
			Remedy: "give --layout sidecar if DIR has mirror and history, else --layout inline"}
	default:
		t.layout = layout{opt.Layout}
	}
	if err := t.checkRoots(); err != nil {
		return err
	}
	if err := t.StillBroken(ctx); !errors.Is(err, errWhole) || unread == nil {
		return err
	}
	return unread // it says how to mend that
}

// errWhole is that of a tree whose catalog is whole.
var errWhole = errors.New("the tree's catalog is whole")

// StillBroken is an error if the catalog can be read. Ask it again with the lock: a run that
// was about to end may have looked like damage before.
func (t *Tree) StillBroken(ctx context.Context) error {
	switch err := catalog.Sound(ctx, t.fs); cooper.KindOf(err) {
	case cooper.KindCorrupt, cooper.KindMissing:
		return nil
	case "":
		return &cooper.Error{Kind: cooper.KindRefused, Where: t.dir, Message: "there is nothing to make again", Err: errWhole,
			Remedy: "`cooper backup verify DIR` compares it with the files"}
	case cooper.KindRefused:
		if errors.Is(err, catalog.ErrOld) {
			return nil
		}
		return err
	default:
		return err
	}
}

// Salvage gives the rows of what is left of the catalog; see catalog.Salvage.
func (t *Tree) Salvage(ctx context.Context, each func(generation int64, r *catalog.Row) error) (read, broken int, err error) {
	return catalog.Salvage(ctx, t.fs, each)
}

// Rebuild gives the tree a catalog of the rows that fill adds, in the order of identities
// and each but once. The rows must be true of the files as they are. agree is asked
// once they are written, before anything else is touched; without it nothing is
// left. The former catalog, and the journals of interrupted shards, which speak of it, go
// to .cooper/aside; no file of mirror and history is touched.
func (t *Tree) Rebuild(p permit.Permit, fill func(add func(*catalog.Row) error) error, agree func(was []catalog.Observed) (bool, error)) (done bool, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.may(p); err != nil {
		return false, err
	}
	least, journals, err := t.journalGenerations()
	if err != nil {
		return false, err
	}
	again, err := catalog.MakeAgain(t.fs, least, fill)
	if err != nil {
		return false, err
	}
	if yes, err := agree(again.Was()); err != nil || !yes {
		return false, errors.Join(err, again.Abandon())
	}
	// Before the new pointer is there: by it they would look like done.
	for _, name := range journals {
		if _, err := setAside(t.fs, journalDir+"/"+name, "journal/"+name); err != nil {
			return false, err
		}
	}
	for _, name := range []string{stagingDir, journalDir, asideDir} {
		if err := t.fs.MkdirAll(name); err != nil {
			return false, err
		}
	}
	if err := t.fs.SyncAll(); err != nil {
		return false, err
	}
	if err := t.may(p); err != nil {
		return false, err
	}
	if err := again.Install(p); err != nil {
		return false, err
	}
	return true, t.writeVersion(t.layout.Layout)
}

// journalGenerations are the newest generation that a journal speaks of, and the names of
// all files that lie there.
func (t *Tree) journalGenerations() (newest int64, names []string, err error) {
	infos, err := t.fs.ReadDir(journalDir)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil, nil
	} else if err != nil {
		return 0, nil, err
	}
	for _, i := range infos {
		if !i.IsFile() {
			continue
		}
		names = append(names, i.Name)
		if !strings.HasSuffix(i.Name, journalSuffix) {
			continue
		}
		if entry, err := t.readJournal(journalDir + "/" + i.Name); err == nil {
			newest = max(newest, entry.Generation)
		}
	}
	return newest, names, nil
}

// Matches tells whether a file can be that of a row, by size and time, and stands where
// such a file would.
func Matches(l keypath.Layout, path string, info safefs.Info, row *catalog.Row) bool {
	if !is(info, row) {
		return false
	}
	if row.Place == catalog.Mirror {
		return path == l.Mirror(row.Key) || path == l.Displaced(row.Key)
	}
	former, ok := l.Former(row.Identity)
	return path == l.History(row.Identity, row.Superseded) || ok && path == former
}
