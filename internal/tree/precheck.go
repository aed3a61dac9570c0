package tree

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path"

	"cooper"
	"cooper/internal/tree/catalog"
	"cooper/internal/tree/safefs"
)

// precheck finds the changes that cannot be made, before anything is written
// down: afterwards every source is where it should be, and every target is
// free or will be once the batch's own retirements are made. It gives what is
// wrong with each change, nil where nothing is.
//
// Sources are not searched again later by what they look like alone: once a
// batch is in the journal, a staged file or one in history that is gone was
// moved, and so was one from the mirror whose place in history is taken. That
// is why no target may be taken beforehand.
func (m *mover) precheck(changes []Change) ([]*problem, error) {
	problems := make([]*problem, len(changes))
	targets := make(map[string]bool, len(changes))
	for _, retirements := range []bool{true, false} {
		for i := range changes {
			c := &changes[i]
			if !m.moves(c) || (m.from(c).in == inMirror) != retirements {
				continue
			}
			p, err := excused(m.precheckOne(c, targets))
			if err != nil {
				return nil, err
			}
			problems[i] = p
			if p == nil && retirements {
				m.retired[c.Old.Key] = true
			}
		}
	}
	keepReplaced(changes, problems)
	return problems, nil
}

// keepReplaced lets a version stay in the mirror if the one that was to take
// its place cannot: the mirror must not lose a name over that.
func keepReplaced(changes []Change, problems []*problem) {
	missing := map[string]bool{}
	for i, p := range problems {
		if p != nil && arrives(&changes[i]) {
			missing[changes[i].New.Key] = true
		}
	}
	if len(missing) == 0 {
		return
	}
	for i := range changes {
		if c := &changes[i]; problems[i] == nil && c.Op == Retire && missing[c.Old.Key] {
			problems[i] = &problem{kindKept, "kept in the mirror, because what was to replace it could not be placed"}
		}
	}
}

// kindKept marks changes that were left out for another one's sake.
const kindKept cooper.Kind = "kept"

func (m *mover) precheckOne(c *Change, targets map[string]bool) (*problem, error) {
	src, info, there, err := find(m.fs, m.from(c))
	if err != nil {
		return nil, err
	}
	if !there {
		return notThere(src, info), nil
	}
	p, err := m.precheckTarget(c, src, targets)
	if p == nil && err == nil && m.from(c).in == inHistory {
		m.vacated[src] = true
	}
	return p, err
}

func (m *mover) precheckTarget(c *Change, src string, targets map[string]bool) (*problem, error) {
	dst := m.to(c)
	p := dst.path()
	if targets[p] {
		return &problem{cooper.KindConflict, cooper.Quote(p) + ": two versions are to be put here, and the other one comes first"}, nil
	}
	targets[p] = true
	if c.Op == Mend {
		p, held, err := m.precheckMend(c)
		if p != nil || err != nil || held && !mendsInto(c) {
			return p, err
		}
	}
	if dst.in == inMirror {
		return m.precheckMirror(c.New.Key, p)
	}
	return m.precheckHistory(c, src, p)
}

// nothing tells that info describes nothing.
func nothing(info safefs.Info) bool { return info.Mode == 0 && info.Inode == 0 }

func notThere(path string, info safefs.Info) *problem {
	if nothing(info) {
		return &problem{cooper.KindMissing, cooper.Quote(path) + ": the file is not there; `cooper backup verify --repair` fetches it again"}
	}
	return &problem{cooper.KindChanged, fmt.Sprintf("%s: this is not the file that was stored here (%s, %d bytes); `cooper backup verify --repair` moves it aside and fetches it again",
		cooper.Quote(path), info.Mode, info.Size)}
}

func (m *mover) precheckMirror(key, p string) (*problem, error) {
	info, err := m.fs.Lstat(p)
	switch {
	case cooper.KindOf(err) == cooper.KindMissing:
		return nil, nil
	case cooper.KindOf(err) == cooper.KindConflict:
		return m.precheckAncestors(p)
	case err != nil:
		return nil, err
	case info.IsDir():
		_, there, err := lstat(m.fs, m.Displaced(key))
		if err != nil || !there || m.retired[key] {
			return nil, err
		}
		return conflict(m.Displaced(key), "something that is not ours has this name"), nil
	case info.IsFile() && m.retired[key]:
		return nil, nil
	}
	return conflict(p, "something that is not ours has this name"), nil
}

// precheckAncestors tells whether the file that stands where a directory is
// needed can step aside.
func (m *mover) precheckAncestors(p string) (*problem, error) {
	for i := m.keysFrom(); i < len(p); i++ {
		if p[i] != '/' {
			continue
		}
		info, there, err := lstat(m.fs, p[:i])
		if err != nil {
			return nil, err
		}
		if !there {
			break
		}
		if info.IsDir() {
			continue
		}
		key, own, err := m.ownsPath(p[:i], info)
		if err != nil {
			return nil, err
		}
		if m.retired[key] && info.IsFile() {
			return nil, nil
		}
		if own && !m.placed[key] {
			_, there, err := lstat(m.fs, m.Displaced(key))
			if err == nil && there {
				return conflict(m.Displaced(key), "something that is not ours has this name"), nil
			}
			return nil, err
		}
		return conflict(p[:i], "something that is not ours is where a directory is needed"), nil
	}
	return conflict(p, "something above it keeps changing"), nil
}

// precheckHistory tells whether a name in history is free, or will be. A copy of what is to
// be put there, which nobody knows how it came there, is set aside first; but not the
// file of another version, which has the same bytes and was to leave, and could not.
func (m *mover) precheckHistory(c *Change, src, p string) (*problem, error) {
	info, err := m.fs.Lstat(p)
	switch {
	case cooper.KindOf(err) == cooper.KindMissing:
		return nil, nil
	case cooper.KindOf(err) == cooper.KindConflict && m.shared(inHistory):
		return m.precheckAncestors(p)
	case cooper.KindOf(err) == cooper.KindConflict:
		return conflict(p, "something that is no directory is above it"), nil
	case err != nil:
		return nil, err
	case m.vacated[p]:
		return nil, nil
	}
	same := false
	if info.IsFile() {
		if same, err = sameContent(m.fs, src, p); err != nil {
			return nil, err
		}
	}
	if !same {
		return conflict(p, "something that is not ours has this name"), nil
	}
	if other, err := m.claimed(c, p); other || err != nil {
		return &problem{cooper.KindConflict, cooper.Quote(p) + ": the file of another version of the key has this name; what keeps it from being moved is said of that one"}, err
	}
	_, err = setAside(m.fs, p, p)
	return nil, err
}

// claimed tells whether the catalog has another version than that of c with its
// file at p, in history.
func (m *mover) claimed(c *Change, p string) (bool, error) {
	rows, err := m.catalog.Lookup(m.ctx, c.New.Key)
	if err != nil {
		return false, err
	}
	for i := range rows {
		r := &rows[i]
		if r.Place != catalog.History || r.Identity == c.New.Identity || c.Old.Key != "" && r.Identity == c.Old.Identity {
			continue
		}
		if at, _, _, err := find(m.fs, m.spotOf(r)); at == p || err != nil {
			return true, err
		}
	}
	return false, nil
}

// setAside moves a file to a free name in .cooper/aside, that of as or one like
// it, and gives its path.
func setAside(fsys safefs.FS, p, as string) (string, error) {
	for i := 1; ; i++ {
		dst := asideDir + "/" + as
		if i > 1 {
			dst = fmt.Sprintf("%s/~%d/%s", asideDir, i, as)
		}
		err := fsys.MkdirAll(path.Dir(dst))
		if cooper.KindOf(err) == cooper.KindConflict && i < asideTries {
			continue // what was set aside before is where a directory is needed
		}
		if err != nil {
			return "", err
		}
		if err = fsys.Move(p, dst); err == nil {
			return dst, nil
		}
		if _, there, lerr := lstat(fsys, dst); !there || lerr != nil {
			return "", err
		}
	}
}

// asideTries is after how many names it is not the names that stand in the way.
const asideTries = 1 << 16

// sameContent compares two files.
func sameContent(fsys safefs.FS, a, b string) (same bool, err error) {
	fa, err := fsys.Open(a)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, fa.Close()) }()
	fb, err := fsys.Open(b)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, fb.Close()) }()
	bufA, bufB := make([]byte, 256<<10), make([]byte, 256<<10)
	for {
		na, errA := io.ReadFull(fa, bufA)
		nb, errB := io.ReadFull(fb, bufB)
		if !bytes.Equal(bufA[:na], bufB[:nb]) {
			return false, nil
		}
		for _, err := range []error{errA, errB} {
			if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
				return false, err
			}
		}
		if errA != nil || errB != nil {
			return errA != nil && errB != nil, nil
		}
	}
}
