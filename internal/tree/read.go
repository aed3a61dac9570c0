package tree

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"

	"cooper"
	"cooper/internal/permit"
	"cooper/internal/tree/catalog"
	"cooper/internal/tree/keypath"
	"cooper/internal/tree/safefs"
)

// StatRow describes the file of a version, and gives its path relative to Dir.
// KindMissing if it is not there, also for what has no bytes. Of a file in the
// mirror that is not the version's, by size or time, the description is given
// all the same.
func (t *Tree) StatRow(row *catalog.Row) (safefs.Info, string, error) {
	if row.Place == catalog.Nowhere {
		return safefs.Info{}, "", &cooper.Error{Kind: cooper.KindMissing, Where: cooper.Quote(row.Key), Message: "this version has no bytes in the tree"}
	}
	path, info, there, err := find(t.fs, spot{areaOf(row.Place), row})
	if err != nil {
		return safefs.Info{}, "", err
	}
	if !there && info == (safefs.Info{}) {
		return safefs.Info{}, path, &cooper.Error{Kind: cooper.KindMissing, Where: t.dir + "/" + path, Message: "the file is not there",
			Remedy: "`cooper backup verify --repair` fetches it again", Err: fs.ErrNotExist}
	}
	return info, path, nil
}

// OpenRow opens the bytes of a version; errors as StatRow. Whether they are
// what they should be is the caller's to check.
func (t *Tree) OpenRow(row *catalog.Row) (safefs.File, error) {
	_, path, err := t.StatRow(row)
	if err != nil {
		return nil, err
	}
	return t.fs.Open(path)
}

// MendTime gives the file of a version the version's time. That its bytes are
// right is the caller's to know.
func (t *Tree) MendTime(p permit.Permit, row *catalog.Row) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.may(p); err != nil {
		return err
	}
	f, err := t.OpenRow(row)
	if err != nil {
		return err
	}
	return errors.Join(f.SetTime(row.LastModified), f.Close())
}

// WalkMirror calls fn for everything in the mirror that is no directory, with
// its path relative to the mirror (see keypath.ParseMirror). The order is that
// of keys as far as names that are foreign, or the pieces of too long ones,
// let it. It keeps the names of one directory for each level in memory.
func (t *Tree) WalkMirror(ctx context.Context, fn func(path string, info safefs.Info) error) error {
	return t.walk(ctx, mirrorDir, "", fn)
}

// WalkHistory does the same for history, in the order of days and then keys.
func (t *Tree) WalkHistory(ctx context.Context, fn func(path string, info safefs.Info) error) error {
	return t.walk(ctx, historyDir, "", fn)
}

func (t *Tree) walk(ctx context.Context, root, dir string, fn func(path string, info safefs.Info) error) error {
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	infos, err := t.fs.ReadDir(strings.TrimSuffix(root+"/"+dir, "/"))
	if err != nil {
		return err
	}
	type entry struct {
		order string
		info  safefs.Info
	}
	entries := make([]entry, len(infos))
	for i, info := range infos {
		entries[i] = entry{orderOf(info), info}
	}
	slices.SortFunc(entries, func(a, b entry) int { return strings.Compare(a.order, b.order) })
	for _, e := range entries {
		path := dir + e.info.Name
		if e.info.IsDir() {
			err = t.walk(ctx, root, path+"/", fn)
		} else {
			var info safefs.Info
			if info, err = t.fs.Lstat(root + "/" + path); err == nil {
				err = fn(path, info)
			} else if errors.Is(err, fs.ErrNotExist) {
				err = nil // gone meanwhile
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// orderOf is what a name sorts by: the part of a key that it stands for. All
// keys below a directory begin with its part and '/'.
func orderOf(info safefs.Info) string {
	name := info.Name
	if at := strings.Index(name, "%@"); at >= 0 && !info.IsDir() {
		name = name[:at]
	}
	part, _, ok := keypath.ParseMirror(name)
	if !ok {
		part = name
	}
	if info.IsDir() {
		part += "/"
	}
	return part
}

// MoveAside moves a file out of the mirror or history, into .cooper/aside,
// where nothing looks any more. The paths, before and after, are relative to
// Dir.
func (t *Tree) MoveAside(p permit.Permit, path string) (string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.may(p); err != nil {
		return "", err
	}
	if !strings.HasPrefix(path, mirrorDir+"/") && !strings.HasPrefix(path, historyDir+"/") {
		return "", internal("only files in mirror and history are moved aside, not " + cooper.Quote(path))
	}
	aside, err := setAside(t.fs, path, path)
	if err != nil {
		return "", err
	}
	return aside, t.newMover(context.Background(), nil).prune(parentOf(path))
}
