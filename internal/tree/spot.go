package tree

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"cooper"
	"cooper/internal/tree/catalog"
	"cooper/internal/tree/keypath"
	"cooper/internal/tree/safefs"
)

// spot is one place where the bytes of a version can be.
type spot struct {
	in  area
	row *catalog.Row
}

type area uint8

const (
	inStaging area = iota
	inMirror
	inHistory
	inHeld
)

// path of a spot in staging or history; in the mirror it is the plain one.
func (s spot) path() string {
	switch s.in {
	case inMirror:
		return mirrorDir + "/" + keypath.Mirror(s.row.Key)
	case inHistory:
		return historyDir + "/" + keypath.History(s.row.Identity, s.row.Superseded)
	case inHeld:
		return heldPath(&s.row.Identity)
	default:
		return stagedPath(&s.row.Identity)
	}
}

func displacedPath(key string) string { return mirrorDir + "/" + keypath.Displaced(key) }

// is tells whether info can be the file of a version: only reading it says
// more.
func is(info safefs.Info, row *catalog.Row) bool {
	return info.IsFile() && info.Size == row.Size && info.ModifiedAt(row.LastModified)
}

// lstat is Lstat where nothing being there is no error: a name that would lie
// below a file or a link is not there either.
func lstat(fsys safefs.FS, path string) (info safefs.Info, there bool, err error) {
	info, err = fsys.Lstat(path)
	switch {
	case err == nil:
		return info, true, nil
	case errors.Is(err, fs.ErrNotExist), cooper.KindOf(err) == cooper.KindConflict:
		return safefs.Info{}, false, nil
	}
	return safefs.Info{}, false, err
}

// find looks for the file of a spot. In the mirror it is at the plain path or
// at the displaced one. Without there,
// nothing that could be it was found; then info describes what is at path
// instead, if anything is.
func find(fsys safefs.FS, s spot) (path string, info safefs.Info, there bool, err error) {
	path = s.path()
	info, taken, err := lstat(fsys, path)
	if err != nil {
		return "", safefs.Info{}, false, err
	}
	if s.in != inMirror || taken && is(info, s.row) {
		return path, info, taken && is(info, s.row), nil
	}
	displaced := displacedPath(s.row.Key)
	dinfo, dtaken, err := lstat(fsys, displaced)
	if err != nil {
		return "", safefs.Info{}, false, err
	}
	if dtaken && (is(dinfo, s.row) || !taken || info.IsDir()) {
		return displaced, dinfo, is(dinfo, s.row), nil
	}
	if taken && info.IsDir() {
		info = safefs.Info{} // the directory of other keys
	}
	return path, info, false, nil
}

// problem is why a change cannot be made: an outcome, not the end of a run.
type problem struct {
	kind    cooper.Kind
	message string
}

func conflict(path, what string) *problem {
	return &problem{cooper.KindConflict, cooper.Quote(path) + ": " + what + "; move it away (`cooper backup verify --repair` does)"}
}

// mover moves the files of one batch about.
type mover struct {
	ctx     context.Context
	fs      safefs.FS
	catalog *catalog.Catalog
	// placed are the keys the batch puts into the mirror, retired those it
	// takes out of it.
	placed, retired map[string]bool
	owns            map[owned]bool // what ownsFile found out
}

type owned struct {
	key   string
	inode uint64
}

func (t *Tree) newMover(ctx context.Context, changes []Change) *mover {
	m := &mover{ctx: ctx, fs: t.fs, catalog: t.catalog, placed: map[string]bool{}, retired: map[string]bool{}, owns: map[owned]bool{}}
	for i := range changes {
		// Of what is mended the catalog knows; and it can step aside before.
		if c := &changes[i]; moves(c) && c.Op != Mend && to(c).in == inMirror {
			m.placed[c.New.Key] = true
		}
	}
	return m
}

// ownsFile tells whether a file in the mirror at the plain or displaced path of
// key is ours: the batch put it there, or the catalog knows it.
func (m *mover) ownsFile(key string, info safefs.Info) (bool, error) {
	if m.placed[key] {
		return true, nil
	}
	asked := owned{key, info.Inode}
	if own, known := m.owns[asked]; known {
		return own, nil
	}
	rows, err := m.catalog.Lookup(m.ctx, key)
	if err != nil {
		return false, err
	}
	own := false
	for i := range rows {
		own = own || rows[i].Place == catalog.Mirror && is(info, &rows[i])
	}
	m.owns[asked] = own
	return own, nil
}

// move renames src to where the spot is.
func (m *mover) move(src string, info safefs.Info, to spot) (*problem, error) {
	dst := to.path()
	cleared := false
	for range 5 {
		err := m.fs.Move(src, dst)
		switch {
		case err == nil:
			return nil, nil
		case errors.Is(err, fs.ErrNotExist): // the directory; src was just there
			if err := m.fs.MkdirAll(parentOf(dst)); err == nil {
				continue
			} else if cooper.KindOf(err) != cooper.KindConflict {
				return nil, err
			}
		case errors.Is(err, fs.ErrExist):
			next, p, err := m.occupied(src, info, dst, to)
			if next == "" || p != nil || err != nil {
				return p, err
			}
			dst = next
			continue
		case cooper.KindOf(err) != cooper.KindConflict:
			return nil, err
		}
		// Something that is no directory stands where one is needed.
		if to.in != inMirror || cleared {
			return conflict(dst, "something that is no directory is above it"), nil
		}
		cleared = true
		if p, err := m.clearAncestors(dst); p != nil || err != nil {
			return p, err
		}
	}
	return conflict(dst, "something keeps changing here"), nil
}

// occupied decides what to do about a name that is taken: it gives another one
// to try, or none if the file is there already.
func (m *mover) occupied(src string, info safefs.Info, dst string, to spot) (next string, p *problem, err error) {
	there, ok, err := lstat(m.fs, dst)
	switch {
	case err != nil:
		return "", nil, err
	case !ok:
		return dst, nil, nil // gone again
	case there.IsFile() && there.Inode == info.Inode && there.Dev == info.Dev:
		return "", nil, m.fs.Remove(src) // see dropIfSame
	case there.IsDir() && to.in == inMirror && dst == to.path():
		err := m.fs.RemoveDir(dst)
		if err == nil {
			return dst, nil, nil // it was empty
		}
		if errors.Is(err, fs.ErrExist) {
			return displacedPath(to.row.Key), nil, nil
		}
		return "", nil, err
	}
	return "", conflict(dst, "something that is not ours has this name"), nil
}

// clearAncestors lets the files that stand where path needs a directory step
// aside to their displaced form.
func (m *mover) clearAncestors(path string) (*problem, error) {
	for i := len(mirrorDir) + 1; i < len(path); i++ {
		if path[i] != '/' {
			continue
		}
		above := path[:i]
		info, there, err := lstat(m.fs, above)
		if err != nil {
			return nil, err
		}
		if !there {
			return nil, nil
		}
		if info.IsDir() {
			continue
		}
		key, own, err := m.ownsPath(above, info)
		if err != nil {
			return nil, err
		}
		if !own {
			return conflict(above, "something that is not ours is where a directory is needed"), nil
		}
		err = m.fs.Move(above, displacedPath(key))
		if errors.Is(err, fs.ErrExist) {
			dropped, derr := m.dropIfSame(above, displacedPath(key))
			if derr == nil && !dropped {
				return conflict(displacedPath(key), "something that is not ours has this name"), nil
			}
			err = derr
		}
		return nil, err // below a file there is no second one
	}
	return nil, nil
}

// ownsPath is ownsFile for a path in the mirror.
func (m *mover) ownsPath(path string, info safefs.Info) (key string, own bool, err error) {
	key, displaced, ok := mirrorKey(path)
	if !ok || displaced || !info.IsFile() {
		return "", false, nil
	}
	own, err = m.ownsFile(key, info)
	return key, own, err
}

// mirrorKey is the key a path in the mirror belongs to.
func mirrorKey(path string) (key string, displaced, ok bool) {
	rel, found := strings.CutPrefix(path, mirrorDir+"/")
	if !found {
		return "", false, false
	}
	return keypath.ParseMirror(rel)
}

// dropIfSame removes a name if the file has another one: where renaming is link
// and unlink, it may have been interrupted between them.
func (m *mover) dropIfSame(drop, keep string) (bool, error) {
	a, there, err := lstat(m.fs, drop)
	if err != nil || !there {
		return false, err
	}
	b, there, err := lstat(m.fs, keep)
	if err != nil || !there || !a.IsFile() || a.Inode != b.Inode || a.Dev != b.Dev || drop == keep {
		return false, err
	}
	return true, m.fs.Remove(drop)
}

func parentOf(path string) string {
	if i := strings.LastIndexByte(path, '/'); i >= 0 {
		return path[:i]
	}
	return "."
}

// pruneAll prunes directories, the deepest first.
func (m *mover) pruneAll(dirs map[string]bool) error {
	sorted := slices.SortedFunc(maps.Keys(dirs), func(a, b string) int {
		if c := strings.Count(b, "/") - strings.Count(a, "/"); c != 0 {
			return c
		}
		return strings.Compare(a, b)
	})
	for _, dir := range sorted {
		if err := m.prune(dir); err != nil {
			return err
		}
	}
	return nil
}

// prune removes the directory dir if it is empty, and those above it, up to
// the mirror or history itself. In the mirror, a file that had to step aside
// for such a directory takes its plain name again. What was done already, by a
// run that was interrupted, is passed over.
func (m *mover) prune(dir string) error {
	for dir != mirrorDir && dir != historyDir && dir != stagingDir && dir != heldDir {
		err := m.fs.RemoveDir(dir)
		if cooper.KindOf(err) == cooper.KindConflict { // not empty, or no directory
			if key, displaced, ok := mirrorKey(dir); ok && !displaced {
				_, err = m.dropIfSame(displacedPath(key), dir)
				return err
			}
			return nil
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if back, err := m.stepBack(dir); back || err != nil {
			return err
		}
		dir = parentOf(dir)
	}
	return nil
}

// stepBack gives a displaced file its plain path, which is free.
func (m *mover) stepBack(path string) (bool, error) {
	key, displaced, ok := mirrorKey(path)
	if !ok || displaced {
		return false, nil
	}
	info, there, err := lstat(m.fs, displacedPath(key))
	if err != nil || !there || !info.IsFile() {
		return false, err
	}
	own, err := m.ownsFile(key, info)
	if err != nil || !own {
		return false, err
	}
	err = m.fs.Move(displacedPath(key), path)
	if cooper.KindOf(err) == cooper.KindConflict {
		return false, nil // somebody was faster
	}
	return err == nil, err
}
