package scan

import (
	"context"
	"errors"

	"cooper/internal/database"
	"cooper/internal/gcop"
	"cooper/internal/ledger/gcfacts"
)

// Sampled is what came of the rows of a table that were looked at.
type Sampled struct {
	Rows int64
	// Silent are values in which a handle's id stands although nothing was found there.
	Silent int64
}

// errEnough ends a reading that is not to be complete.
var errEnough = errors.New("enough rows")

// Sample reads some of the first rows of a table of an association, as a scan does, with the handles of the scan
// that Options.Plan names. What it finds is written into a store of the caller's that he throws away.
func (s *Scan) Sample(ctx context.Context, association string, table database.Name, most int64, into *gcfacts.Store) (got Sampled, err error) {
	r := &ranged{Scan: s, task: &gcop.Task{What: gcop.Association, Name: association, Schema: table.Schema, Table: table.Table, Rows: -1}, began: s.opt.Clock(), most: most, into: into}
	defer func() { err = errors.Join(err, r.discard()) }()
	if err := r.read(ctx); err != nil && !errors.Is(err, errEnough) {
		return got, err
	}
	return Sampled{r.rows, r.silent}, nil
}
