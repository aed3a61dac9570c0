package tree

import (
	"context"
	"errors"
	"io/fs"

	"cooper"
	"cooper/internal/permit"
	"cooper/internal/tree/catalog"
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
	path, info, there, err := find(t.fs, t.layout.spotOf(row))
	if err != nil {
		return safefs.Info{}, "", err
	}
	if !there && info == (safefs.Info{}) {
		return safefs.Info{}, path, &cooper.Error{Kind: cooper.KindMissing, Where: t.dir + "/" + path, Message: "the file is not there",
			Remedy: "`cooper backup verify --repair` fetches it again", Err: fs.ErrNotExist}
	}
	return info, path, nil
}

// PathOf is where the file of a version belongs, relative to Dir; in the mirror,
// unless it is displaced. The version must have bytes.
func (t *Tree) PathOf(row *catalog.Row) string { return t.layout.spotOf(row).path() }

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

// MoveAside moves a file out of the mirror or history, into .cooper/aside,
// where nothing looks any more. The paths, before and after, are relative to
// Dir.
func (t *Tree) MoveAside(p permit.Permit, path string) (string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.may(p); err != nil {
		return "", err
	}
	if !t.layout.holds(path) {
		return "", internal("only files in mirror and history are moved aside, not " + cooper.Quote(path))
	}
	aside, err := setAside(t.fs, path, path)
	if err != nil {
		return "", err
	}
	return aside, t.newMover(context.Background(), nil).prune(parentOf(path))
}
