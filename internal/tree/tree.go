// Package tree keeps a backup on a disk: DIR/mirror shows exactly what the
// bucket shows, DIR/history holds every other version, and DIR/.cooper the
// catalog, the journal of what is under way, and staged bytes. In the inline
// layout, mirror and history are both DIR itself.
//
// It promises that a crash at any instant loses nothing: a shard's changes
// appear with its catalog rows, or can be completed or undone from the journal
// alone; that no file it did not make is overwritten or deleted; that nothing
// is touched through a symbolic link; and that two runs never change one tree
// at a time. What should be where is decided by missions; fetching and
// checking bytes is left to verbs.
package tree

import (
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"sync"
	"time"

	"cooper"
	"cooper/internal/permit"
	"cooper/internal/tree/catalog"
	"cooper/internal/tree/keypath"
	"cooper/internal/tree/safefs"
)

// What is where below the tree's directory.
const (
	metaDir     = ".cooper"
	stagingDir  = metaDir + "/staging"
	journalDir  = metaDir + "/journal"
	asideDir    = metaDir + "/aside"
	heldDir     = metaDir + "/held"
	probeDir    = metaDir + "/probe"
	lockPath    = metaDir + "/lock"
	versionPath = metaDir + "/VERSION"
)

// Options say how to open a tree.
type Options struct {
	// Create makes a tree of an empty or missing directory.
	Create bool
	// Layout is what the tree must have, and what a new one gets; empty is any,
	// and Sidecar for a new one.
	Layout keypath.Layout
	// FS is the tree's root, the caller's to close; nil opens the directory
	// itself.
	FS safefs.FS
	// Tell is called with what a person should know, though nothing fails over it; nil
	// is nobody.
	Tell func(message string)
	// Clock tells the time; nil is time.Now.
	Clock func() time.Time
	// Tick gives a channel that says when to check that the lock is still
	// held, and a function that ends it; nil is every five seconds.
	Tick func() (<-chan time.Time, func())
}

// Tree is an open backup tree. Reading is safe from many goroutines; one
// process at a time may change it, while it holds the lock.
type Tree struct {
	dir     string
	fs      safefs.FS
	ownsFS  bool
	clock   func() time.Time
	tick    func() (<-chan time.Time, func())
	tell    func(message string)
	catalog *catalog.Catalog
	layout  layout
	format  int // of the version file

	locked lockState

	mu sync.Mutex // one change at a time
	// recovered: nothing is left half-done from before. A commit that fails
	// half-way takes it away again.
	recovered bool

	settleMu sync.Mutex
	// unsettled are the committed shards whose facts are not written yet.
	unsettled map[string]bool
}

// Open opens the tree at dir, or makes it. Errors: KindUsage if there is no
// tree (or, with Create, if the directory has other things in it), or a
// workspace in its place, KindRefused
// if the file system cannot hold one, or the tree is of a newer format or another
// layout.
func Open(dir string, opt Options) (*Tree, error) {
	t, err := unmade(dir, opt)
	if err != nil {
		return nil, err
	}
	if err := t.open(opt); err != nil {
		return nil, errors.Join(err, t.Close())
	}
	return t, nil
}

// unmade is a Tree of which nobody knows yet whether it is one.
func unmade(dir string, opt Options) (*Tree, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, &cooper.Error{Kind: cooper.KindUsage, Where: dir, Message: "this is no path", Err: err}
	}
	t := &Tree{dir: abs, fs: opt.FS, clock: opt.Clock, tick: opt.Tick, tell: opt.Tell, unsettled: map[string]bool{}}
	if t.clock == nil {
		t.clock = time.Now
	}
	if t.tell == nil {
		t.tell = func(string) {}
	}
	if t.tick == nil {
		t.tick = func() (<-chan time.Time, func()) {
			ticker := time.NewTicker(5 * time.Second)
			return ticker.C, ticker.Stop
		}
	}
	if t.fs == nil {
		if t.fs, err = openRoot(abs, opt.Create); err != nil {
			return nil, err
		}
		t.ownsFS = true
	}
	if err := t.notWorkspace(); err != nil {
		return nil, errors.Join(err, t.Close())
	}
	return t, nil
}

func (t *Tree) open(opt Options) error {
	if err := t.readVersion(); err != nil {
		if !opt.Create || cooper.KindOf(err) != cooper.KindUsage {
			return err
		}
		if err := t.create(opt.Layout); err != nil {
			return err
		}
	}
	if have := t.layout.Layout; opt.Layout != "" && opt.Layout != have {
		return &cooper.Error{Kind: cooper.KindRefused, Where: t.dir, Message: fmt.Sprintf("the tree has the layout %s, not %s", have, opt.Layout),
			Remedy: "leave --layout out: a tree keeps the layout it was made with"}
	}
	if err := t.checkRoots(); err != nil {
		return err
	}
	c, err := catalog.OpenFS(t.fs)
	if err != nil {
		return err
	}
	for _, doubt := range c.Doubts() {
		t.tell(doubt)
	}
	// What only reads goes on, by the old state: it may be all that there is.
	switch err := c.Newest(); {
	case errors.Is(err, catalog.ErrOld):
		t.tell(err.Error())
	case err != nil:
		return err
	}
	c.Guard(func() error { return t.locked.check(t.fs) })
	t.catalog = c
	return nil
}

// Close lets go of the directory. It does not give back the lock.
func (t *Tree) Close() error {
	if t.ownsFS {
		return t.fs.Close()
	}
	return nil
}

// Dir is the absolute path of the tree.
func (t *Tree) Dir() string { return t.dir }

// Layout says where the files of versions are.
func (t *Tree) Layout() keypath.Layout { return t.layout.Layout }

// State is what the catalog's pointer says.
func (t *Tree) State() catalog.State { return t.catalog.State() }

// Catalog reads the tree's catalog.
func (t *Tree) Catalog() *catalog.Catalog { return t.catalog }

// Staging is where bytes lie until their shard is committed.
func (t *Tree) Staging() *Staging { return &Staging{fs: t.fs} }

// Free is the space left for what is to come: what is free on the file system,
// and what staged bytes take up, as they need no more.
func (t *Tree) Free() (safefs.Space, error) {
	free, err := t.fs.Space()
	if err != nil {
		return free, err
	}
	files, err := t.fs.ReadDir(stagingDir)
	if err != nil {
		return free, err
	}
	for _, f := range files {
		info, there, err := lstat(t.fs, stagingDir+"/"+f.Name)
		if err != nil {
			return free, err
		}
		if there && info.IsFile() {
			free.Bytes += info.Size
			if free.Inodes < math.MaxInt64 {
				free.Inodes++
			}
		}
	}
	return free, nil
}

func (t *Tree) now() cooper.Instant { return cooper.InstantOf(t.clock()) }

// may tells whether the holder of p may change the tree now.
func (t *Tree) may(p permit.Permit) error {
	if !p.Valid() {
		return internal("the tree was to be changed without a permit")
	}
	return t.locked.check(t.fs)
}

func internal(message string) error {
	return &cooper.Error{Kind: cooper.KindInternal, Message: message}
}
