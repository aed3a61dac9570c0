// Package workspace keeps the directory in which snapshots, plans and the
// ledger live: its layout, its format version, and the ids of what is in it.
//
// It promises that ids of one kind sort by time, that a directory with an id
// for a name is whole, and that leftovers of dead processes are cleared away
// while those of living ones are not. What is inside a snapshot, a plan or the
// ledger is left to their packages.
package workspace

import (
	crand "crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"cooper"
)

// Format is the version of the layout that this package makes, and the newest
// it works with.
const Format = 1

const (
	versionName = "VERSION"
	lockName    = "lock"
	// versionText stands before the number in VERSION. It tells a workspace
	// from a backup tree's own ".cooper".
	versionText = "cooper workspace "
)

// Options are what a workspace's results depend on. Zero fields take the
// system's clock and randomness.
type Options struct {
	Clock func() time.Time
	Rand  func() uint16 // the four hex digits of an id
}

// Workspace is an open workspace. Its methods may be called at the same time.
type Workspace struct {
	dir  string
	opt  Options
	lock *os.File // nil where the directory cannot be written

	mu   sync.Mutex
	last map[string]string // the last id given, by prefix
}

// Open opens the workspace at dir, and makes it if dir is empty or does not
// exist. A directory that is something else, or of a newer format, is refused.
// Leftovers are cleared if no other process has the workspace open. Close ends
// the use.
func Open(dir string, opt Options) (*Workspace, error) {
	if opt.Clock == nil {
		opt.Clock = time.Now
	}
	if opt.Rand == nil {
		opt.Rand = func() uint16 {
			var b [2]byte
			_, _ = crand.Read(b[:]) // never fails
			return binary.BigEndian.Uint16(b[:])
		}
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, local(dir, err)
	}
	if err := prepare(dir); err != nil {
		return nil, err
	}
	w := &Workspace{dir: dir, opt: opt, last: map[string]string{}}
	if w.lock, err = hold(filepath.Join(dir, lockName), w.clear); err != nil {
		return nil, err
	}
	return w, nil
}

// Close ends the use of the workspace.
func (w *Workspace) Close() error {
	if w.lock == nil {
		return nil
	}
	f := w.lock
	w.lock = nil
	if err := f.Close(); err != nil {
		return local(f.Name(), err)
	}
	return nil
}

// prepare checks VERSION, and writes it where the directory is new.
func prepare(dir string) error {
	name := filepath.Join(dir, versionName)
	b, err := os.ReadFile(name)
	switch {
	case err == nil:
		return checkVersion(dir, string(b))
	case errors.Is(err, syscall.ENOTDIR):
		return &cooper.Error{Kind: cooper.KindUsage, Where: dir, Message: "this is not a directory",
			Remedy: "Choose another place with --workspace or COOPER_WORKSPACE."}
	case !errors.Is(err, fs.ErrNotExist):
		return local(name, err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return local(dir, err)
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), versionName) { // begun by another process, or before a crash
			return &cooper.Error{Kind: cooper.KindUsage, Where: dir, Message: "this directory is not a workspace, and not empty",
				Remedy: "Choose another directory with --workspace or COOPER_WORKSPACE."}
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return local(dir, err)
	}
	return writeVersion(dir)
}

func checkVersion(dir, text string) error {
	rest, ok := strings.CutPrefix(strings.TrimSpace(text), versionText)
	n, err := strconv.Atoi(rest)
	switch {
	case !ok:
		return &cooper.Error{Kind: cooper.KindUsage, Where: dir, Message: "this directory is not a workspace (a backup tree has a directory of that name, too)",
			Remedy: "Choose another directory with --workspace or COOPER_WORKSPACE."}
	case err != nil || n < 1:
		return &cooper.Error{Kind: cooper.KindInvalid, Where: filepath.Join(dir, versionName), Message: "the file is damaged",
			Remedy: fmt.Sprintf("If this is a workspace of format %d, let the file say %q.", Format, versionText+strconv.Itoa(Format))}
	case n > Format:
		return &cooper.Error{Kind: cooper.KindUsage, Where: dir, Message: fmt.Sprintf("the workspace has format %d; this program knows %d", n, Format),
			Remedy: "Use a newer cooper, or choose another directory with --workspace."}
	}
	return nil
}

// writeVersion lets VERSION appear whole. Two processes may do it at once.
func writeVersion(dir string) error {
	f, err := os.CreateTemp(dir, versionName+".*")
	if err != nil {
		return local(dir, err)
	}
	_, err = fmt.Fprintf(f, "%s%d\n", versionText, Format)
	if err == nil {
		err = f.Chmod(0o644)
	}
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(f.Name(), filepath.Join(dir, versionName))
	}
	if err != nil {
		return local(dir, errors.Join(err, os.RemoveAll(f.Name())))
	}
	return nil
}

// Dir is the workspace's directory, an absolute path.
func (w *Workspace) Dir() string { return w.dir }

// SnapshotDir is where the snapshot id is or will be.
func (w *Workspace) SnapshotDir(id string) string { return filepath.Join(w.dir, Snapshot, id) }

// PlanDir is where the plan id is or will be.
func (w *Workspace) PlanDir(id string) string { return filepath.Join(w.dir, Plan, id) }

// BackgroundDir is where the run in the background id is or will be.
func (w *Workspace) BackgroundDir(id string) string { return filepath.Join(w.dir, Background, id) }

// LedgerDir is where the ledger is.
func (w *Workspace) LedgerDir() string { return filepath.Join(w.dir, "ledger") }

// TempDir makes a directory of its own for the caller, who removes it when
// done. What a dead process left is cleared by a later Open.
func (w *Workspace) TempDir() (string, error) {
	tmp := filepath.Join(w.dir, "tmp")
	if err := os.MkdirAll(tmp, 0o755); err != nil {
		return "", local(tmp, err)
	}
	dir, err := os.MkdirTemp(tmp, "t-*")
	if err != nil {
		return "", local(tmp, err)
	}
	return dir, nil
}

// clear removes what dead processes left: everything in tmp, and whatever is
// being built beside snapshots, plans and facts. Only called while no other process
// has the workspace open.
func (w *Workspace) clear() error {
	var left []string
	for _, pattern := range []string{"tmp/*", Snapshot + "/*.tmp-*", Plan + "/*.tmp-*", Background + "/*.tmp-*", "ledger/*/*.tmp-*"} {
		names, err := filepath.Glob(filepath.Join(escapeGlob(w.dir), pattern))
		if err != nil {
			return local(w.dir, err)
		}
		left = append(left, names...)
	}
	for _, name := range left {
		if err := os.RemoveAll(name); err != nil {
			return local(name, err)
		}
	}
	return nil
}

// escapeGlob makes a path stand for itself in a pattern.
func escapeGlob(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}

func local(where string, err error) error {
	return &cooper.Error{Kind: cooper.KindInternal, Where: where, Err: err, Remedy: "Check the directory's rights and space, or choose another with --workspace."}
}
