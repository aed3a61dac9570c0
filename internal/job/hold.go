package job

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"cooper"
	"cooper/internal/apply"
	"cooper/internal/ledger"
	"cooper/internal/tree"
	"cooper/internal/tree/keypath"
	"cooper/internal/verb/shelve"
	"cooper/internal/words"
)

// place is what has to be held while a plan is made or carried out: a tree, or a bucket.
type place struct {
	// dir is the tree's directory; layout what it must have, empty for any.
	dir    string
	use    treeUse
	layout keypath.Layout
	// lock names what is locked in a bucket's stead: the bucket, for what changes it.
	lock string
	// named is what a person calls it; empty: as lock does.
	named string
	// command is for those who find the place locked.
	command string
}

// treeUse is what a job wants with a tree.
type treeUse int

const (
	makeTree   treeUse = iota // change it, and make it if it is not there
	changeTree                // change one that is there
	readTree                  // look at it; the lock keeps others from changing it meanwhile
)

// fits refuses a directory that a tree must not be in, before anything is opened or made.
func (p *place) fits(e *Env) error {
	if err := apart(e, p.dir); err != nil {
		return err
	}
	if p.use == makeTree {
		return ParentOf(p.dir)
	}
	return nil
}

// held is a place that is locked.
type held struct {
	*work
	run string // the id of this run
	// ran: a plan was carried out under that id. Facts are named by run and shard, so
	// that the next one is a run of its own.
	ran bool
	// lock is what the place is called by its lock; empty for a tree.
	lock string
	// tree is nil where a bucket is held. Nothing in it is half done any more.
	tree *tree.Tree
	// locked: the tree's lock is held, and it may be changed.
	locked bool
}

// in opens the workspace, and holds a tree for f.
func (e *Env) in(ctx context.Context, p place, opt *Options, f func(ctx context.Context, h *held) error) error {
	if err := p.fits(e); err != nil {
		return err
	}
	return e.begin(func(w *work) error { return w.hold(ctx, p, opt, f) })
}

// hold takes the lock of a place for f. A tree is opened, and whatever an earlier run
// left half done there is completed, or taken back if that is wished, before f does
// anything: what f plans is planned against the state that the earlier run was meant to
// reach. In a bucket that is left to apply.
func (w *work) hold(ctx context.Context, p place, opt *Options, f func(ctx context.Context, h *held) error) (err error) {
	h := &held{work: w, run: w.ws.NewID("r"), lock: p.lock}
	if p.dir == "" {
		return h.bucket(ctx, &p, f)
	}
	if err := p.fits(w.Env); err != nil {
		return err
	}
	if h.tree, err = openTree(w.Env, p.dir, p.use == makeTree, p.layout); err != nil {
		return err
	}
	defer finally(&err, h.tree.Close)
	locked, unlock, err := h.tree.Lock(ctx, tree.Holder{Run: h.run, Command: p.command})
	if p.use == readTree && cooper.KindOf(err) == cooper.KindDenied {
		w.tell(Note, "the tree cannot be written, so it is read without its lock")
		return f(ctx, h)
	} else if err != nil {
		return err
	}
	ctx, h.locked = locked, true
	defer finally(&err, unlock)
	if err := h.recover(ctx, opt); err != nil {
		return err
	}
	return f(ctx, h)
}

// bucket holds the lock of one, or of a database, for f.
func (h *held) bucket(ctx context.Context, p *place, f func(ctx context.Context, h *held) error) (err error) {
	unlock, err := h.ws.LockTarget(h.lock, h.run, p.command)
	if err != nil {
		return calling(err, p.named)
	}
	defer finally(&err, unlock)
	return f(ctx, h)
}

// calling has an error of a lock call what is locked as a person does.
func calling(err error, named string) error {
	var e *cooper.Error
	if named == "" || !errors.As(err, &e) || e.Kind != cooper.KindLocked {
		return err
	}
	called := *e
	called.Where = named
	return &called
}

// recover completes interrupted shards, or takes them back, and tells of it.
func (h *held) recover(ctx context.Context, opt *Options) error {
	found, err := apply.Recover(ctx, apply.Recovery{
		Run: h.run, Path: h.tree.Dir(), Target: shelve.New(h.tree), Facts: h.facts(), Ignore: opt.Ignore, Undo: opt.Undo,
	})
	var undone, completed int64
	for _, f := range found {
		if f.Undone {
			undone++
		} else {
			completed++
		}
	}
	if completed > 0 {
		h.tell(Note, "completed %s that an earlier run left half done", words.Plural(completed, "shard"))
	}
	if undone > 0 {
		h.tell(Note, "took back %s that an earlier run left half done", words.Plural(undone, "shard"))
	}
	return err
}

func (h *held) facts() *ledger.Ledger { return ledger.Open(h.ws.LedgerDir()) }

// HasTree tells whether a tree is at dir.
func HasTree(dir string) bool {
	_, err := os.Lstat(filepath.Join(dir, ".cooper"))
	return err == nil
}

// ParentOf refuses a directory for a tree where not even the one that is to hold
// it is there: with a disk that is not mounted, or a mistyped path, the backup
// would go to another disk.
func ParentOf(dir string) error {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	if _, err := os.Stat(abs); err == nil {
		return nil
	}
	parent := filepath.Dir(abs)
	switch info, err := os.Stat(parent); {
	case errors.Is(err, fs.ErrNotExist):
		return &cooper.Error{Kind: cooper.KindUsage, Where: parent, Message: "there is no such directory to make a tree in",
			Remedy: "Is the path right, and its disk mounted? Then: mkdir -p " + ShellWord(parent)}
	case err == nil && !info.IsDir():
		return &cooper.Error{Kind: cooper.KindUsage, Where: parent, Message: "is not a directory", Remedy: "Give the tree another place."}
	}
	return nil // what else is wrong, opening says
}

// ShellWord makes s one word of a command line.
func ShellWord(s string) string {
	if s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./=:,+@%") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// OpenTree opens a tree that is there, to look at it.
func OpenTree(e *Env, dir string) (*tree.Tree, error) { return openTree(e, dir, false, "") }

// openTree wants the tree to have a layout; empty is any.
func openTree(e *Env, dir string, create bool, layout keypath.Layout) (*tree.Tree, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	return tree.Open(abs, e.treeOptions(create, layout))
}

func (e *Env) treeOptions(create bool, layout keypath.Layout) tree.Options {
	return tree.Options{Create: create, Layout: layout, Clock: e.Clock, Tell: func(message string) { e.Listener.Tell(Warning, message) }}
}

// apart refuses a tree in the directory of the workspace: each has a .cooper of
// its own.
func apart(e *Env, dir string) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	ws := e.Workspace
	if samePlace(ws, dir) || filepath.Base(ws) == ".cooper" && samePlace(filepath.Dir(ws), dir) {
		return &cooper.Error{Kind: cooper.KindUsage, Where: dir, Message: "a backup tree and the workspace " + cooper.Quote(ws) + " cannot share a directory",
			Remedy: "Name another DIR, or keep the workspace elsewhere with --workspace or COOPER_WORKSPACE."}
	}
	return nil
}

// samePlace tells whether two paths lead to one directory.
func samePlace(a, b string) bool {
	if a == b {
		return true
	}
	x, err := os.Stat(a)
	if err != nil {
		return false
	}
	y, err := os.Stat(b)
	return err == nil && os.SameFile(x, y)
}
