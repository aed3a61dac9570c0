//go:build unix

package config

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// trusted tells whether nobody but the user and root can have put an open file where
// it was found, or anything into it. Each step of the path counts: who can write
// to a folder can put another file into it, and whose link it is says where it
// leads. Folders like /tmp, where everybody can write but only an owner
// remove, are safe for what belongs to the user already.
func trusted(path string, f *os.File) error {
	abs, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	open, err := f.Stat()
	if err != nil {
		return err
	}
	real, found, err := walk(abs)
	if err != nil {
		return err
	}
	if !os.SameFile(open, found) {
		return &doubt{abs, "was replaced while it was read", "Try again."}
	}
	return mine(real, open)
}

const maxLinks = 40

// walk follows a path from the root, links too, and looks at each folder and link on
// it. It gives where the path ends.
func walk(path string) (string, fs.FileInfo, error) {
	at, rest, links := "/", split(path), 0
	for {
		info, err := os.Lstat(at)
		if err != nil {
			return "", nil, err
		}
		switch {
		case info.Mode()&fs.ModeSymlink != 0:
			if links++; links > maxLinks {
				return "", nil, &doubt{path, "is a link that leads nowhere", "Name the file itself."}
			}
			if err := owned(at, info); err != nil {
				return "", nil, err
			}
			to, err := os.Readlink(at)
			if err != nil {
				return "", nil, err
			}
			at = filepath.Dir(at)
			if filepath.IsAbs(to) {
				at = "/"
			}
			rest = append(split(to), rest...)
		case len(rest) == 0:
			return at, info, nil
		case !info.IsDir():
			return "", nil, &doubt{at, "is no folder", "Name the file itself."}
		default:
			if err := mine(at, info); err != nil {
				return "", nil, err
			}
		}
		if len(rest) > 0 {
			at, rest = filepath.Join(at, rest[0]), rest[1:]
		}
	}
}

// split takes a path apart, and keeps its dots: .. behind a link is not what it is in the text.
func split(path string) []string {
	return strings.FieldsFunc(path, func(c rune) bool { return c == '/' })
}

// mine: of the user or root, and nobody else can write. The bits of the group stand
// for access lists, too.
func mine(path string, info fs.FileInfo) error {
	if err := owned(path, info); err != nil {
		return err
	}
	if info.Mode().Perm()&0o022 != 0 && (!info.IsDir() || info.Mode()&fs.ModeSticky == 0) {
		return &doubt{path, fmt.Sprintf("can be written by others (%s)", info.Mode()), "chmod go-w " + path}
	}
	return nil
}

func owned(path string, info fs.FileInfo) error {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return &doubt{path, "does not say whom it belongs to", "Leave commands out."}
	}
	if uid := int(st.Uid); uid != os.Geteuid() && uid != 0 {
		return &doubt{path, fmt.Sprintf("belongs to user %d", uid), "Use a file, and folders above it, of your own or root's."}
	}
	return nil
}
