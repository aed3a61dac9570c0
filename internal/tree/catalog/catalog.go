package catalog

import (
	"context"
	"errors"

	"cooper/internal/tree/safefs"
)

var errUnwritten = errors.New("being written")

// Catalog reads the catalog of one tree. It needs no lock: files are
// immutable, and those a compaction replaced are found again through the
// pointer.
type Catalog struct{}

// Open opens the catalog of the tree at dir for reading.
func Open(dir string) (*Catalog, error) { return nil, errUnwritten }

// OpenFS opens the catalog of the tree whose root is fs.
func OpenFS(fs safefs.FS) (*Catalog, error) { return nil, errUnwritten }

// Close lets go of the directory.
func (c *Catalog) Close() error { return errUnwritten }

// State is the state as last read.
func (c *Catalog) State() State { return State{} }

// Refresh reads the pointer again.
func (c *Catalog) Refresh() error { return errUnwritten }

// Rows walks all rows whose keys lie under prefix, as cooper.HasPrefix means
// it, in the order of Identity.Compare, each identity once, without dropped
// ones.
func (c *Catalog) Rows(ctx context.Context, prefix string) Iterator { return nil }

// Lookup gives the rows of one key, in the same order; none is no error.
func (c *Catalog) Lookup(ctx context.Context, key string) ([]Row, error) { return nil, errUnwritten }

// Groups walks the rows of it key by key.
func Groups(it Iterator) *GroupReader { return &GroupReader{} }

// GroupReader walks rows key by key.
type GroupReader struct{}

// Next gives all rows of the next key; io.EOF after the last. The slice is
// used again by the following call; strings in it are good for ever.
func (g *GroupReader) Next() ([]Row, error) { return nil, errUnwritten }

// Close closes the iterator.
func (g *GroupReader) Close() error { return errUnwritten }
