package tree

import (
	"strings"

	"cooper/internal/tree/catalog"
	"cooper/internal/tree/keypath"
)

// layout is a tree's layout, and what follows from it for files and changes.
type layout struct{ keypath.Layout }

// moves tells whether a change moves a file.
func (l layout) moves(c *Change) bool {
	return c.Op != Record || c.Old.Place == catalog.History && c.New.Place == catalog.History && l.from(c).path() != l.to(c).path()
}

// from is where the file is before the change, to where it is after.
func (l layout) from(c *Change) spot {
	if c.Op == Place || c.Op == Mend {
		return spot{layout: l, in: inStaging, row: &c.New}
	}
	return l.spotOf(&c.Old)
}

func (l layout) to(c *Change) spot {
	if c.Op == Prune {
		return spot{layout: l, in: inHeld, row: &c.Old}
	}
	s := l.spotOf(&c.New)
	s.exact = c.Op != Mend // of which the damaged file is to be found
	return s
}

// damaged is where the file is that a change mends.
func (l layout) damaged(c *Change) spot { return l.spotOf(&c.Old) }

// spotOf is where the file of a row is.
func (l layout) spotOf(row *catalog.Row) spot {
	if row.Place == catalog.Mirror {
		return spot{layout: l, in: inMirror, row: row}
	}
	return spot{layout: l, in: inHistory, row: row}
}

// shared tells whether the directories above the files of an area are those of
// the mirror, so that a latest version can stand where one is needed.
func (l layout) shared(in area) bool {
	return in == inMirror || in == inHistory && l.Layout == keypath.Inline
}

// ownDirs are the directories at the top of a tree that hold versions alone.
func (l layout) ownDirs() []string {
	if l.Layout == keypath.Inline {
		return nil
	}
	mirror, history := l.Roots()
	return []string{mirror, history}
}

// keysFrom is where, in a path of the mirror, the key begins.
func (l layout) keysFrom() int {
	if mirror, _ := l.Roots(); mirror != "." {
		return len(mirror) + 1
	}
	return 0
}

// keeps tells whether a directory stays when it is empty.
func (l layout) keeps(dir string) bool {
	mirror, history := l.Roots()
	return dir == mirror || dir == history || dir == "." || dir == stagingDir || dir == heldDir
}

// holds tells whether path is one of a file in mirror or history, or of
// something foreign among them.
func (l layout) holds(path string) bool {
	top, _, below := strings.Cut(path, "/")
	if l.Layout == keypath.Inline {
		return top != metaDir
	}
	mirror, history := l.Roots()
	return below && (top == mirror || top == history)
}
