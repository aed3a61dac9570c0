package inventory

import (
	"context"
	"errors"
	"time"
)

// BuildOptions are the settings of Build. The zero value will do.
type BuildOptions struct {
	// Memory is the budget in bytes for rows held to be sorted; 1 GiB if 0.
	Memory int64
	// TempDir is where sorted runs are spilled when rows do not fit in Memory;
	// the directory of the snapshot if empty.
	TempDir string
	// Workers is how many parts are read at once; one for each CPU if 0.
	Workers int
	// Clock tells when Build finished; time.Now if nil.
	Clock func() time.Time
	// ID becomes Meta.ID; the directory's base name if empty.
	ID string
	// Progress is called now and then, never by two goroutines at once, with
	// how many rows were read and how many of the sorted ones were written.
	Progress func(read, written int64)
}

// Build reads src and writes a snapshot into dir, which must not exist. The
// snapshot appears whole or not at all.
func Build(ctx context.Context, dir string, src Source, opt BuildOptions) (Meta, error) {
	return Meta{}, errors.New("inventory: not built yet")
}
