package scan

import (
	"context"
	"strings"
	"sync"
	"time"

	"cooper"
	"cooper/internal/database"
	"cooper/internal/gcop"
	"cooper/internal/ledger/gcfacts"
)

// ranged is the reading of one range.
type ranged struct {
	*Scan
	task  *gcop.Task
	shard int
	began time.Time
	table *database.Table // nil for a query
	label string          // what the table is called in facts
	ctx   context.Context

	out      *gcfacts.Writer // of this attempt
	rows     int64
	silent   int64
	clock    time.Time
	counting sync.Mutex // of the two that follow
	bytes    int64      // in columns and objects, of all attempts
	requests int64      // to stores
	// row reads rows of an attempt. stale tells, where it is given, whether they were read
	// with what no longer holds.
	row   func(rows []database.Row) error
	stale func() (bool, error)
	// most is how many rows are enough, about; 0: all. into is where facts go, if not to where those
	// of the scan are.
	most int64
	into *gcfacts.Store
}

// readings is how often a range is read before what its rows are read with has to stay the same.
const readings = 3

// read reads the range of the task to its end.
func (r *ranged) read(ctx context.Context) error {
	r.ctx = ctx
	if r.task.Table != "" {
		table, err := r.opt.Database.Describe(ctx, database.Name{Schema: r.task.Schema, Table: r.task.Table})
		if err != nil {
			return err
		}
		r.table = table
	}
	prepare := map[gcop.What]func() (*database.Source, error){
		gcop.Kind: r.handles, gcop.Derived: r.derived, gcop.Hold: r.hold, gcop.Association: r.links,
	}[r.task.What]
	for n := 1; ; n++ {
		source, err := prepare()
		if err != nil {
			return err
		}
		source.Now = r.opt.Scanning.Time.Time()
		if err := r.opt.Database.Read(ctx, source, r.bounds(), r); err != nil {
			return err
		}
		if r.stale == nil {
			break
		}
		if stale, err := r.stale(); err != nil {
			return err
		} else if !stale {
			break
		}
		if n == readings {
			return &cooper.Error{Kind: cooper.KindChanged, Where: r.task.String(), Message: "what lookup gives was more each time that the range had been read", Remedy: "Scan anew: cooper gc scan"}
		}
	}
	if r.out == nil {
		return internal(r.task.String(), "a range was read that never began")
	}
	fact, err := r.fact(ctx)
	if err != nil {
		return err
	}
	return r.out.Range(fact)
}

func (r *ranged) bounds() database.Range {
	return database.Range{Key: r.task.Key, After: r.task.After, To: r.task.To, Rows: r.task.Rows}
}

// Begin begins the facts anew: what came before does not count.
func (r *ranged) Begin(s database.Snapshot) (err error) {
	if err := r.discard(); err != nil {
		return err
	}
	r.rows, r.silent, r.clock = 0, 0, s.Clock
	into := r.opt.Facts
	if r.into != nil {
		into = r.into
	}
	r.out, err = into.Shard(r.ctx, r.opt.Plan, r.shard)
	return err
}

// Rows reads some rows.
func (r *ranged) Rows(rows []database.Row) error {
	r.rows += int64(len(rows))
	var bytes int64
	for _, row := range rows {
		for i := range row.Values {
			bytes += int64(len(row.Values[i].Data))
		}
	}
	r.bytes += bytes
	r.opt.Moved(bytes)
	if err := r.row(rows); err != nil || r.most == 0 || r.rows < r.most {
		return err
	}
	return errEnough
}

func (r *ranged) discard() error {
	if r.out == nil {
		return nil
	}
	out := r.out
	r.out = nil
	return out.Discard()
}

// fact is that of the range: all that was read belongs to it.
func (r *ranged) fact(ctx context.Context) (gcfacts.Range, error) {
	t, s := r.task, r.opt.Server
	f := gcfacts.Range{
		What: string(t.What), Name: t.Name, Table: r.label, Number: t.Number, Lower: bound(t.After), Upper: bound(t.To), Rows: r.rows, Silent: r.silent,
		Began: cooper.InstantOf(r.began), Ended: cooper.InstantOf(r.opt.Clock()), Clock: cooper.InstantOf(r.clock),
		Server: s.Identity, Replica: s.Replica == database.IsReplica,
	}
	if f.Replica {
		load, err := r.opt.Database.Load(ctx)
		if err != nil {
			return f, err
		}
		f.Lag = load.Lag
	}
	return f, nil
}

// bound is one for a person.
func bound(b [][]byte) string {
	parts := make([]string, len(b))
	for i := range b {
		parts[i] = database.Value{Class: database.Bytes, Data: b[i]}.String()
	}
	return strings.Join(parts, ",")
}

// malformed writes down a value that cannot be read: of an association, or of what else
// the phase of handles reads.
func (r *ranged) malformed(of, key, why string, hash []byte) error {
	return r.out.Malformed(gcfacts.Malformed{Association: of, Table: r.label, Key: key, Why: why, Hash: hash})
}
