// Package fence keeps a file that is still in use from being taken away: it closes handles
// against new links, waits until whoever began before is done, and looks once more, at the owner's
// primary database, before anything is moved.
//
// It promises:
//
//   - A handle is closed (Close) only where its owner has it as UNLINKED, by compare-and-set, committed.
//     From then on the owner's program refuses to link it, if it checks the status in the transaction
//     in which it writes the link: the one rule that owners have to keep.
//   - What began before the fence does not slip past it: Settle ends only when each transaction
//     that was open after Close has ended. Where that cannot be seen, it is an error.
//   - Look sees every link, hold, living source and other handle of the same object that is
//     committed and that can be asked for by the handle; what cannot be is named (Blind), and then only
//     a scan that began after the fence can say that there is no link.
//   - A value that could be spelled in several ways is never looked up by one of them.
//   - A replica is refused, and so is a cluster with several primaries.
//
// Which handles are closed, and what becomes of one that may not go, is left to the caller; how a
// database is read to package database, how it is written to package ownerwrite.
package fence

import (
	"context"
	"slices"
	"time"

	"cooper"
	"cooper/internal/address"
	"cooper/internal/config"
	"cooper/internal/database"
	"cooper/internal/gcstate"
)

// Options are what a Fence depends on. All but Wait and Patience must be given.
type Options struct {
	// Database is the primary, to be read.
	Database database.Database
	Config   *config.Config
	State    gcstate.State
	Scope    string // of the handles in the state
	Clock    func() time.Time
	// Wait passes some time; nil really waits.
	Wait func(ctx context.Context, d time.Duration) error
	// Patience is how long Settle waits for transactions to end; ten minutes if 0.
	Patience time.Duration
}

// Fence asks about the handles of one database. It is for one caller at a time.
type Fence struct {
	opt    Options
	server *database.Server
	kinds  map[string]*kind
	places []*place
	blind  []string
	open   map[string]string // transactions that were open at the last Mark: when each began
	asked  int               // how often for transactions
}

// Asked is a handle, with the object that it is taken to have.
type Asked struct {
	gcstate.Handle
	Bucket, Key string
}

// Sight is what was seen of a handle.
type Sight struct {
	// Why it may not go, in words; empty: nothing was seen that keeps it.
	Why string
	// Linked: there is a link to it, or to what it was made from.
	Linked bool
}

// New looks at the tables that the configuration declares, as they are now.
func New(ctx context.Context, opt Options) (*Fence, error) {
	if opt.Patience <= 0 {
		opt.Patience = 10 * time.Minute
	}
	if opt.Wait == nil {
		opt.Wait = pass
	}
	f := &Fence{opt: opt, kinds: map[string]*kind{}}
	var err error
	if f.server, err = opt.Database.Server(ctx); err != nil {
		return nil, err
	}
	if err := f.primary(ctx); err != nil {
		return nil, err
	}
	hosts, err := f.hosts()
	if err != nil {
		return nil, err
	}
	for _, h := range opt.Config.Handles {
		k := &kind{Handles: h, hosts: hosts}
		if err := f.learn(ctx, k); err != nil {
			return nil, err
		}
		if err := f.typed(ctx, k); err != nil {
			return nil, err
		}
		f.kinds[h.Kind] = k
	}
	for _, each := range []func(context.Context) error{f.links, f.holds, f.sources, f.twins} {
		if err := each(ctx); err != nil {
			return nil, err
		}
	}
	return f, nil
}

func (f *Fence) hosts() (*address.Hosts, error) {
	declared := map[string]string{}
	for _, a := range f.opt.Config.Addresses {
		declared[a.Host] = a.Bucket + "/" + a.Prefix
	}
	hosts, err := address.New(nil, declared)
	if err != nil {
		return nil, &cooper.Error{Kind: cooper.KindUsage, Where: "addresses", Message: "cannot be read as declared", Err: err}
	}
	return hosts, nil
}

// primary refuses a server whose statuses others do not see at once.
func (f *Fence) primary(ctx context.Context) error {
	refused := func(message, remedy string) error {
		return &cooper.Error{Kind: cooper.KindRefused, Where: f.opt.Config.Database.PlaceOf(""), Message: message, Remedy: remedy}
	}
	switch f.server.Replica {
	case database.Primary:
	case database.IsReplica:
		return refused("the database is a replica: what is asked there may be old", "Name the primary under `database`; scans may read a `replica`.")
	default:
		return refused("it cannot be told whether the database is a replica", "Grant the user what that takes: cooper gc check names it.")
	}
	if f.server.Engine == database.PostgreSQL || f.server.Engine == database.SQLite {
		return nil
	}
	for sql, alone := range map[string][]string{
		"SHOW GLOBAL STATUS LIKE 'wsrep_cluster_size'":                       {"0", "1"},
		"SHOW GLOBAL VARIABLES LIKE 'group_replication_single_primary_mode'": {"ON", "1"},
	} {
		rows, err := f.ask(ctx, sql)
		if err != nil {
			return err
		}
		if len(rows) == 1 && len(rows[0]) == 2 && !slices.Contains(alone, rows[0][1].String()) {
			return refused("the database is one of a cluster whose servers may all be written to: transactions on the others are not seen", "Let one server alone take writes, and name it under `database`.")
		}
	}
	return nil
}

// Blind names what Look cannot look at: after it, also where it could not look for one of the ids that it
// was asked about.
func (f *Fence) Blind() []string { return slices.Sorted(slices.Values(f.blind)) }

// ask gives the rows of a query.
func (f *Fence) ask(ctx context.Context, sql string) ([][]database.Value, error) {
	var c collect
	err := f.opt.Database.Read(ctx, &database.Source{Query: sql, Now: f.server.Clock}, database.Range{Rows: -1}, &c)
	return c.rows, err
}

// collect takes the rows of a query.
type collect struct{ rows [][]database.Value }

// Begin forgets what came before.
func (c *collect) Begin(database.Snapshot) error {
	c.rows = nil
	return nil
}

// Rows takes rows.
func (c *collect) Rows(rows []database.Row) error {
	for i := range rows {
		c.rows = append(c.rows, rows[i].Values)
	}
	return nil
}

func pass(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}
