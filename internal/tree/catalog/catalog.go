package catalog

import (
	"context"
	"errors"
	"io"
	"sync"

	"cooper"
	"cooper/internal/seal"
	"cooper/internal/tree/safefs"
)

// Catalog reads the catalog of one tree. It needs no lock: files are
// immutable, and those a compaction replaced are found again through the
// pointer. It is safe for use by several goroutines.
type Catalog struct {
	fs   safefs.FS
	owns bool // Close closes fs

	mu    sync.Mutex
	state State
	raw   []byte // the pointer's text that state was read from
	// doubts are what a person should know of the pointer.
	doubts []string
	// checked remembers, for looking up single keys, which blocks of files were
	// checked before, by name.
	checked map[string]*seal.Reader
	guard   func() error
}

// Open opens the catalog of the tree at tree for reading.
func Open(tree string) (*Catalog, error) {
	fsys, err := safefs.Open(tree)
	if err != nil {
		return nil, err
	}
	c, err := OpenFS(fsys)
	if err != nil {
		return nil, errors.Join(err, fsys.Close())
	}
	c.owns = true
	return c, nil
}

// OpenFS opens the catalog of the tree whose root is fsys, which stays the
// caller's to close.
func OpenFS(fsys safefs.FS) (*Catalog, error) {
	l, err := load(fsys)
	if err != nil {
		return nil, err
	}
	return &Catalog{fs: fsys, state: l.state, raw: l.raw, doubts: l.doubts}, nil
}

// Guard gives what is asked before each change of the pointer; an error of it is
// that of the change. Set it while nothing is under way.
func (c *Catalog) Guard(may func() error) { c.guard = may }

// Doubts are what a person should be told of the pointer, as last read: that one of
// its copies is damaged, or old.
func (c *Catalog) Doubts() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.doubts
}

// Close lets go of the directory. Iterators must be closed before.
func (c *Catalog) Close() error {
	if c.owns {
		return c.fs.Close()
	}
	return nil
}

// State is the state as last read. What it points to must not be changed.
func (c *Catalog) State() State {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state
}

// Refresh reads the pointer again.
func (c *Catalog) Refresh() error {
	l, err := load(c.fs)
	if err != nil {
		return err
	}
	c.set(l.state, l.raw, l.doubts)
	return nil
}

func (c *Catalog) set(s State, raw []byte, doubts []string) {
	c.mu.Lock()
	c.state, c.raw, c.doubts = s, raw, doubts
	c.mu.Unlock()
}

// Rows walks all rows whose keys lie under prefix, as cooper.HasPrefix means
// it, in the order of Identity.Compare, each identity once, without dropped
// ones. It gives the state at the time of the call, whatever happens later.
func (c *Catalog) Rows(ctx context.Context, prefix string) Iterator {
	m, err := c.open(ctx, span{prefix: prefix})
	if err != nil {
		return failed{err}
	}
	m.filter = filterOf(prefix)
	return m
}

// open opens the present files. Another process may have compacted the catalog
// since the state was read: then the pointer tells where the rows are now.
func (c *Catalog) open(ctx context.Context, sp span) (*merged, error) {
	const attempts = 5
	for i := 1; ; i++ {
		m, err := c.merged(ctx, c.State().Runs, sp, false)
		if err == nil || cooper.KindOf(err) != cooper.KindMissing {
			return m, err
		}
		if i == attempts {
			return nil, &cooper.Error{Kind: cooper.KindCorrupt, Where: dir, Message: "a file of the catalog is missing", Err: err, Remedy: remedy}
		}
		if err := c.Refresh(); err != nil {
			return nil, err
		}
	}
}

// Lookup gives the rows of one key, in the same order; none is no error.
func (c *Catalog) Lookup(ctx context.Context, key string) ([]Row, error) {
	m, err := c.open(ctx, span{prefix: key, only: true})
	if err != nil {
		return nil, err
	}
	var rows []Row
	for {
		row, err := m.Next()
		if errors.Is(err, io.EOF) {
			return rows, m.Close()
		}
		if err != nil {
			return nil, errors.Join(err, m.Close())
		}
		rows = append(rows, *row)
	}
}
