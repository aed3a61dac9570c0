package tree

import (
	"context"
	"errors"
	"io/fs"

	"cooper"
	"cooper/internal/tree/journal"
)

// heldPath is where the file of a version is held back while a shard that
// prunes or mends it is under way: out of sight, but one renaming away from
// where it was. The name follows from the identity; see stagedPath.
func heldPath(id *cooper.Identity) string { return heldDir + "/" + hashOf(id) }

// release lets go of what was held back for a shard that is in the catalog:
// pruned files are deleted, damaged ones set aside, unless what was to take their
// place did not come: then they go back. It comes after the catalog's
// pointer and never before, as it is the one step that nothing takes back. What
// an earlier attempt did is passed over. The journal that names the files goes
// last, so what is done here has to be on the disk before.
func (t *Tree) release(entry *journal.Entry) error {
	left := leftOut(entry)
	pruned, mended := false, false
	m := t.newMover(context.Background(), entry.Changes)
	for i := range entry.Changes {
		c := &entry.Changes[i]
		switch {
		case c.Op == Prune && !left[i]:
			pruned = true
			if err := t.keepIfRefused(t.removeIfThere(heldPath(&c.Old.Identity))); err != nil {
				return err
			}
		case c.Op == Mend: // also one that was left out after its file was held
			mended = true
			held := heldPath(&c.New.Identity)
			info, there, err := lstat(t.fs, held)
			if err != nil {
				return err
			} else if !there {
				continue
			}
			if left[i] {
				if p, err := excused(m.move(held, info, t.layout.damaged(c))); p == nil || err != nil {
					if err != nil {
						return err
					}
					continue
				}
			}
			if _, err := setAside(t.fs, held, t.layout.damaged(c).path()); t.keepIfRefused(err) != nil {
				return err
			}
		}
	}
	switch {
	case mended: // the names in several directories
		return t.fs.SyncAll()
	case pruned:
		return t.syncHeld()
	}
	return nil
}

// keepIfRefused passes over a file that stays held back, as the file system refuses to
// let it go: no row speaks of it, and the next run tries again.
func (t *Tree) keepIfRefused(err error) error {
	p, err := refused(err)
	if p != nil {
		t.tell("left in " + heldDir + ": " + p.message)
	}
	return err
}

func (t *Tree) syncHeld() error {
	err := t.fs.SyncDir(heldDir)
	if cooper.KindOf(err) == cooper.KindMissing {
		return nil // nothing was held
	}
	return err
}

// setAsideHeld sets aside what is held back for no shard that is known: its
// journal was lost, or taken away by a person. It may be the only copy.
func (t *Tree) setAsideHeld() error {
	files, err := t.fs.ReadDir(heldDir)
	if cooper.KindOf(err) == cooper.KindMissing {
		return nil
	}
	if err != nil {
		return err
	}
	for _, f := range files {
		if _, err := setAside(t.fs, heldDir+"/"+f.Name, "held/"+f.Name); t.keepIfRefused(err) != nil {
			return err
		}
	}
	return nil
}

// hold moves the damaged file of a version that is mended out of the way,
// unless that was done before.
func (m *mover) hold(c *Change) error {
	at, info, _, err := find(m.fs, m.damaged(c))
	if err != nil || nothing(info) {
		return err
	}
	held := heldPath(&c.New.Identity)
	if _, there, err := lstat(m.fs, held); err != nil {
		return err
	} else if there {
		_, err := m.dropIfSame(at, held)
		return err
	}
	if err := m.fs.MkdirAll(heldDir); err != nil {
		return err
	}
	return m.fs.Move(at, held)
}

// mend puts staged bytes in the place of a damaged file. While they are staged,
// what is at that place is the damaged file, though it may look like the right
// one; once they are not, it is the new one.
func (m *mover) mend(c *Change) (*problem, error) {
	src, info, there, err := find(m.fs, m.from(c))
	if err != nil {
		return nil, err
	}
	if !there {
		_, _, there, err := find(m.fs, m.to(c))
		if there || err != nil {
			return nil, err
		}
		return notThere(src, info), nil
	}
	if err := m.hold(c); err != nil {
		return nil, err
	}
	return m.move(src, info, m.to(c))
}

// unmend is the reverse of mend, from wherever that stopped.
func (m *mover) unmend(c *Change) (*problem, error) {
	staged, _, there, err := find(m.fs, m.from(c))
	if err != nil {
		return nil, err
	}
	if there {
		err = m.dropSecondName(m.to(c), staged)
	} else {
		var p *problem
		if p, err = m.unplace(c); p != nil {
			return p, err
		}
	}
	if err != nil {
		return nil, err
	}
	held := heldPath(&c.New.Identity)
	info, there, err := lstat(m.fs, held)
	if err != nil || !there {
		return nil, err
	}
	return m.move(held, info, m.damaged(c))
}

// unplace moves the file of a change from where it was to go back to where it
// came from.
func (m *mover) unplace(c *Change) (*problem, error) {
	src, info, there, err := find(m.fs, m.to(c))
	if err != nil || !there {
		return nil, err
	}
	return m.move(src, info, m.from(c))
}

// precheckMend tells whether a damaged file can be held back, and another one
// take its place; held is false where there is none.
func (m *mover) precheckMend(c *Change) (p *problem, held bool, err error) {
	at, info, _, err := find(m.fs, m.damaged(c))
	if err != nil || nothing(info) {
		return nil, false, err
	}
	if info.IsDir() {
		err := m.fs.RemoveDir(at)
		if errors.Is(err, fs.ErrExist) {
			return conflict(at, "a directory has this name"), true, nil
		}
		return nil, false, err
	}
	path := heldPath(&c.New.Identity)
	if _, there, err := lstat(m.fs, path); err != nil || there {
		return conflict(path, "something that is not ours has this name"), true, err
	}
	return nil, true, nil
}
