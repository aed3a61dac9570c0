package job

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"cooper"
	"cooper/internal/config"
	"cooper/internal/database"
	"cooper/internal/guard"
	"cooper/internal/ledger/gcfacts"
	"cooper/internal/serve"
)

// GCGuard says where the files of handles can be read, to whoever asks over HTTP, and raises an alarm where
// a file should not have been asked for.
type GCGuard struct {
	// Config is the path of the configuration.
	Config string
	// Serve says where and to whom is answered; its clock and who is told of troubles are those of the Env.
	Serve serve.Options
	// For is how long an address is good; 15 minutes if 0, which is the most.
	For time.Duration
	// Listening is told where it listens.
	Listening func(url string) error
}

// guardDir has a file, locked, for each guard that runs: one that is there and not locked is of a guard
// that was killed.
const guardDir = "guard"

// Run answers until ctx ends.
func (g *GCGuard) Run(ctx context.Context, e *Env) error {
	if g.For < 0 || g.For > guard.MostGood {
		return usage("an address is good for "+guard.MostGood.String()+" at most", "Give less.")
	}
	return e.begin(func(w *work) (err error) {
		c, err := config.Load(g.Config)
		if err != nil {
			return err
		}
		db, err := w.openDatabase(ctx, lookedUp(c))
		if err != nil {
			return err
		}
		defer finally(&err, db.Close)
		owner, err := guard.NewOwner(ctx, db, c)
		if err != nil {
			return err
		}
		if owner.Server().Replica == database.IsReplica {
			w.tell(Caution, "the database is a replica: the guard may not know the newest handles and statuses; name the primary under `database`")
		}
		state, err := w.openState(ctx)
		if err != nil {
			return err
		}
		defer finally(&err, state.Close)
		id := w.ws.NewID("a")
		ended, err := w.guards(id)
		if err != nil {
			return err
		}
		open := buckets{env: w.Env, open: map[string]Bucket{}}
		defer finally(&err, open.close)
		opt := guard.Options{
			Scope: scope(owner.Server().Identity), Kinds: owner.Kinds(), Rows: owner.Rows, Records: state.Get, For: g.For, Clock: w.Clock,
			Bucket: func(ctx context.Context, name string) (guard.Bucket, error) { return open.bucket(ctx, name) },
			Ask:    writesAsked(id, w.gcFacts()), Troubled: w.troubled,
		}
		for _, b := range c.Buckets {
			opt.Buckets = append(opt.Buckets, b.Name)
		}
		return g.serve(ctx, w, guard.New(opt), ended)
	})
}

// serve answers until ctx ends, and then writes down what is not written.
func (g *GCGuard) serve(ctx context.Context, w *work, at *guard.Guard, written func() error) (err error) {
	defer finally(&err, func() error {
		if err := at.Close(); err != nil {
			return err
		}
		return written()
	})
	g.Serve.Clock, g.Serve.Troubled = w.Clock, w.troubled
	s, err := serve.Open(ctx, g.Serve)
	if err != nil {
		return err
	}
	if err := g.Listening(s.URL()); err != nil {
		return errors.Join(err, s.Close())
	}
	return s.Serve(ctx, at.Handler())
}

// troubled tells what a person should look at.
func (w *work) troubled(err error) {
	if remedy := cooper.RemedyOf(err); remedy != "" {
		w.tell(Warning, "%v (%s)", err, remedy)
		return
	}
	w.tell(Warning, "%v", err)
}

// lookedUp is a configuration by which single rows are looked up: at the primary, and at once, however busy it is.
func lookedUp(c *config.Config) *config.Config {
	l := *c
	l.Replica = nil
	l.Limits.Connections, l.Limits.RowsPerSecond = 4, math.MaxInt32
	l.Busy.ThreadsRunning, l.Busy.ActiveBackends = math.MaxInt32, math.MaxInt32
	l.Busy.ReplicaLag, l.Lag = math.MaxInt64, math.MaxInt64
	return &l
}

// writesAsked writes down what a guard was asked for, under its next number. It is called by one at a time, and
// again with the same until it is there.
func writesAsked(id string, facts *gcfacts.Store) func(context.Context, []gcfacts.Asked) error {
	number := 1
	return func(ctx context.Context, asked []gcfacts.Asked) error {
		for i := range asked {
			asked[i].ID = fmt.Sprintf("%s-%d-%d", id, number, i+1)
		}
		err := facts.Ask(ctx, gcfacts.Asking{Guard: id, Number: number, Asked: asked})
		if err == nil {
			number++
		}
		return err
	}
}

// guards takes note that a guard runs, and tells of those that were killed: what they were asked for last
// may not have been written down. ended is for one that has written everything.
func (w *work) guards(id string) (ended func() error, err error) {
	dir := filepath.Join(w.ws.Dir(), guardDir)
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // as all of the workspace
		return nil, &cooper.Error{Kind: cooper.KindInternal, Where: dir, Message: "it cannot be made", Err: err}
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, &cooper.Error{Kind: cooper.KindInternal, Where: dir, Message: "it cannot be read", Err: err}
	}
	for _, entry := range entries {
		f, err := lockNote(filepath.Join(dir, entry.Name()), false)
		if err != nil {
			return nil, err
		}
		if f == nil {
			continue // it runs
		}
		w.tell(Warning, "the guard %s was killed: what it was asked for in its last moments may not have been written down; a scan that begins now will find what is linked", entry.Name())
		if err := errors.Join(os.Remove(f.Name()), f.Close()); err != nil {
			return nil, err
		}
	}
	f, err := lockNote(filepath.Join(dir, id), true)
	if err != nil {
		return nil, err
	}
	return func() error { return errors.Join(os.Remove(f.Name()), f.Close()) }, nil
}

// lockNote opens a file and locks it; nil if another has.
func lockNote(name string, create bool) (*os.File, error) {
	how := os.O_RDWR
	if create {
		how |= os.O_CREATE | os.O_EXCL
	}
	f, err := os.OpenFile(name, how, 0o644) //nolint:gosec // as all of the workspace
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil // it has just ended
	} else if err != nil {
		return nil, &cooper.Error{Kind: cooper.KindInternal, Where: name, Message: "it cannot be opened", Err: err}
	}
	for {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) //nolint:gosec // it is a file's number
		switch {
		case err == nil:
			return f, nil
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EWOULDBLOCK):
			return nil, f.Close()
		default:
			return nil, errors.Join(err, f.Close())
		}
	}
}
