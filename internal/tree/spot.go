package tree

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"syscall"

	"cooper"
	"cooper/internal/tree/catalog"
	"cooper/internal/tree/safefs"
)

// spot is one place where the bytes of a version can be.
type spot struct {
	layout layout
	in     area
	row    *catalog.Row
	// exact: the path alone counts, not a former one. So it is with the target
	// of a change, of which a file elsewhere tells nothing.
	exact bool
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
		return s.layout.Mirror(s.row.Key)
	case inHistory:
		return s.layout.History(s.row.Identity, s.row.Superseded)
	case inHeld:
		return heldPath(&s.row.Identity)
	default:
		return stagedPath(&s.row.Identity)
	}
}

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
// at the displaced one; in history it can have a former name. Without there,
// nothing that could be it was found; then info describes what is at path
// instead, if anything is.
func find(fsys safefs.FS, s spot) (path string, info safefs.Info, there bool, err error) {
	path = s.path()
	info, taken, err := lstat(fsys, path)
	if err != nil {
		return "", safefs.Info{}, false, err
	}
	if taken && is(info, s.row) || s.in == inStaging || s.in == inHeld {
		return path, info, taken && is(info, s.row), nil
	}
	if s.in == inHistory {
		return findFormer(fsys, s, path, info)
	}
	displaced := s.layout.Displaced(s.row.Key)
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

// findFormer looks for a file in history under its former name, if it could
// have one; else what there is to tell is that of path.
func findFormer(fsys safefs.FS, s spot, path string, at safefs.Info) (string, safefs.Info, bool, error) {
	former, ok := s.layout.Former(s.row.Identity)
	if !ok || s.exact || s.row.LastModified == 0 { // without a time, any file would seem to be the one
		return path, at, false, nil
	}
	info, taken, err := lstat(fsys, former)
	if err == nil && taken && is(info, s.row) {
		return former, info, true, nil
	}
	return path, at, false, err
}

// problem is why a change cannot be made: an outcome, not the end of a run.
type problem struct {
	kind    cooper.Kind
	message string
}

func conflict(path, what string) *problem {
	return &problem{cooper.KindConflict, cooper.Quote(path) + ": " + what + "; move it away (`cooper backup verify --repair` does)"}
}

// refused turns the error of an operation on one name into what is wrong with its
// change: an immutable file, a directory without the right to it, a busy mount,
// a name that is too long here. Others, such as no room, a failing disk or a read-only file
// system, are about all names, and stay errors.
func refused(err error) (*problem, error) {
	if err == nil || errors.Is(err, syscall.EROFS) {
		return nil, err
	}
	kind := cooper.KindDenied
	switch {
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EBUSY), errors.Is(err, syscall.ETXTBSY), errors.Is(err, syscall.EMLINK):
	case errors.Is(err, syscall.ENAMETOOLONG), errors.Is(err, syscall.EINVAL), errors.Is(err, syscall.EILSEQ), errors.Is(err, syscall.EOVERFLOW):
		kind = cooper.KindInvalid
	default:
		return nil, err
	}
	return &problem{kind, err.Error() + remedyOfName(err)}, nil
}

func remedyOfName(err error) string {
	if errors.Is(err, fs.ErrPermission) {
		return "; is the file or a directory above it immutable (lsattr), or somebody else's?"
	}
	return ""
}

// excused is what came of an operation, with what was refused as a problem.
func excused(p *problem, err error) (*problem, error) {
	if p != nil && err == nil {
		return p, nil
	}
	return refused(err)
}

// harmless passes over that a name stays as it was, where that loses nothing: an
// empty directory, or a file that keeps its displaced name.
func harmless(err error) error {
	if p, err := refused(err); p == nil {
		return err
	}
	return nil
}

// mover moves the files of one batch about.
type mover struct {
	layout
	ctx     context.Context
	fs      safefs.FS
	catalog *catalog.Catalog
	// placed are the keys the batch puts into the mirror, retired those it
	// takes out of it.
	placed, retired map[string]bool
	// vacated are the paths in history that changes before the one at hand leave.
	vacated map[string]bool
	owns    map[owned]bool // what ownsFile found out
}

type owned struct {
	key   string
	inode uint64
}

func (t *Tree) newMover(ctx context.Context, changes []Change) *mover {
	m := &mover{layout: t.layout, ctx: ctx, fs: t.fs, catalog: t.catalog, placed: map[string]bool{}, retired: map[string]bool{}, vacated: map[string]bool{}, owns: map[owned]bool{}}
	for i := range changes {
		// Of what is mended the catalog knows; and it can step aside before.
		if c := &changes[i]; arrives(c) && (c.Op != Mend || mendsInto(c)) {
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
			return nil, m.leave(src)
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
		if !m.shared(to.in) || cleared {
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
			return m.Displaced(to.row.Key), nil, nil
		}
		return "", nil, err
	}
	return "", conflict(dst, "something that is not ours has this name"), nil
}

// clearAncestors lets the files that stand where path needs a directory step
// aside to their displaced form.
func (m *mover) clearAncestors(path string) (*problem, error) {
	for i := m.keysFrom(); i < len(path); i++ {
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
		err = m.displace(above, m.Displaced(key))
		if errors.Is(err, fs.ErrExist) {
			dropped, derr := m.dropIfSame(above, m.Displaced(key))
			if derr == nil && !dropped {
				return conflict(m.Displaced(key), "something that is not ours has this name"), nil
			}
			err = derr
		}
		return nil, err // below a file there is no second one
	}
	return nil, nil
}

// displace renames a file to its displaced path, which can lie deeper: the plain
// name may be the longest there is.
func (m *mover) displace(plain, displaced string) error {
	err := m.fs.Move(plain, displaced)
	if !errors.Is(err, fs.ErrNotExist) || parentOf(plain) == parentOf(displaced) {
		return err
	}
	if err := m.fs.MkdirAll(parentOf(displaced)); err != nil {
		return err
	}
	return m.fs.Move(plain, displaced)
}

// leave looks after the directory of a path that a file has left: where only
// the displaced form needed it, nobody else does.
func (m *mover) leave(path string) error {
	key, displaced, ok := m.ParseMirror(path)
	if ok && displaced && parentOf(path) != parentOf(m.Mirror(key)) {
		return m.prune(parentOf(path))
	}
	return nil
}

// ownsPath is ownsFile for a path in the mirror.
func (m *mover) ownsPath(path string, info safefs.Info) (key string, own bool, err error) {
	key, displaced, ok := m.ParseMirror(path)
	if !ok || displaced || !info.IsFile() {
		return "", false, nil
	}
	own, err = m.ownsFile(key, info)
	return key, own, err
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
// the mirror or history itself. Among the keys, a file that had to step aside
// for such a directory takes its plain name again. What was done already, by a
// run that was interrupted, is passed over.
func (m *mover) prune(dir string) error {
	for !m.keeps(dir) {
		err := m.fs.RemoveDir(dir)
		if cooper.KindOf(err) == cooper.KindConflict { // not empty, or no directory
			if key, displaced, ok := m.ParseMirror(dir); ok && !displaced {
				_, err = m.dropIfSame(m.Displaced(key), dir)
				return err
			}
			return nil
		}
		if p, err := refused(err); p != nil {
			return nil
		} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
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
	key, displaced, ok := m.ParseMirror(path)
	if !ok || displaced {
		return false, nil
	}
	info, there, err := lstat(m.fs, m.Displaced(key))
	if err != nil || !there || !info.IsFile() {
		return false, err
	}
	own, err := m.ownsFile(key, info)
	if err != nil || !own {
		return false, err
	}
	err = m.fs.Move(m.Displaced(key), path)
	if p, rerr := refused(err); p != nil || cooper.KindOf(rerr) == cooper.KindConflict {
		return false, nil // it keeps that name, or somebody was faster
	}
	if err == nil {
		err = m.leave(m.Displaced(key))
	}
	return err == nil, err
}
