package keypath

import (
	"strings"

	"cooper"
)

// Layout says where in a tree the file of a version is. Paths of its methods
// are relative to the tree.
type Layout string

// The layouts.
const (
	// Sidecar keeps the latest versions below mirror/ and all others below
	// history/.
	Sidecar Layout = "sidecar"
	// Inline keeps the latest versions in the tree's own directory and all
	// others beside them, as s3invsync does.
	Inline Layout = "inline"
)

const (
	mirrorRoot  = "mirror/"
	historyRoot = "history/"
)

// Known tells whether l is a layout.
func (l Layout) Known() bool { return l == Sidecar || l == Inline }

// Roots are the directories that hold the files of mirror and history; "." is
// the tree itself.
func (l Layout) Roots() (mirror, history string) {
	if l == Inline {
		return ".", "."
	}
	return "mirror", "history"
}

// Mirror is the plain path of key's latest version.
func (l Layout) Mirror(key string) string {
	if l == Inline {
		return inlineMirror(key)
	}
	return mirrorRoot + Mirror(key)
}

// Displaced is the path of key's latest version where the plain path is a
// directory, because other files lie under it.
func (l Layout) Displaced(key string) string {
	if l == Inline {
		return inlineDisplaced(key)
	}
	return mirrorRoot + Displaced(key)
}

// ParseMirror gives the key whose latest version lies at path, and whether
// that is its displaced form. It is not ok if no key has that path.
func (l Layout) ParseMirror(path string) (key string, displaced, ok bool) {
	if l == Inline {
		return parseInlineMirror(path)
	}
	rest, found := strings.CutPrefix(path, mirrorRoot)
	if !found {
		return "", false, false
	}
	return ParseMirror(rest)
}

// History is the path of a version that is not in the mirror; superseded is
// when it ceased to be the latest.
func (l Layout) History(id cooper.Identity, superseded cooper.Instant) string {
	if l == Inline {
		return inlineHistory(&id)
	}
	return historyRoot + History(id, superseded)
}

// Former is the path that another program may have given a version in history,
// not ok if there is none but that of History. Other versions can have the same
// one: s3invsync names a null version after its ETag alone.
func (l Layout) Former(id cooper.Identity) (path string, ok bool) {
	if l != Inline || !isNull(&id) {
		return "", false
	}
	dir, last := splitKey(id.Key)
	name, ok := oldName(last, cooper.NullVersion, id.ETag)
	if !ok {
		return "", false
	}
	return string(append(appendInlineDir(nil, dir), name...)), true
}

// ParseHistory gives the key that a version at path in history belongs to. It
// is not ok if neither History nor Former gives such a path. (Where a path holds
// a hash, or a version id alone, only its form can be checked.)
func (l Layout) ParseHistory(path string) (key string, ok bool) {
	if l == Inline {
		return parseInlineHistory(path)
	}
	rest, found := strings.CutPrefix(path, historyRoot)
	if !found {
		return "", false
	}
	key, _, ok = ParseHistory(rest)
	return key, ok
}

// Part is the part of a key that a name stands for, for ordering: all keys
// below a directory begin with its part and '/'. A name that stands for none is
// its own part.
func (l Layout) Part(name string, dir bool) string {
	if l == Inline {
		return inlinePart(name, dir)
	}
	if at := strings.Index(name, versionMark); at >= 0 && !dir {
		name = name[:at]
	}
	if part, _, ok := ParseMirror(name); ok {
		return part
	}
	return name
}
