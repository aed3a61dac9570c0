package job

import (
	"context"
	"errors"
	"strings"

	"cooper"
	"cooper/internal/config"
	"cooper/internal/database"
	"cooper/internal/fence"
	"cooper/internal/gcop"
	"cooper/internal/gcstate"
	"cooper/internal/verb/archive"
)

// ownerFence is what verb archive asks of an owner's database.
type ownerFence struct {
	fence    *fence.Fence
	database database.Database
	column   column          // nil: nothing is written, and nobody waited for (--without-fence)
	written  map[string]bool // the kinds of handles whose status is
}

var _ archive.Fence = (*ownerFence)(nil)

// openFence opens the primary of a configuration, and its status column, unless the plan does without.
func (w *work) openFence(ctx context.Context, c *config.Config, state gcstate.State, a *gcop.Archiving) (_ *ownerFence, err error) {
	f := &ownerFence{written: map[string]bool{}}
	defer func() {
		if err != nil {
			finally(&err, f.end)
		}
	}()
	if f.database, err = w.openAt(ctx, c, &c.Database); err != nil {
		return nil, err
	}
	server, err := f.database.Server(ctx)
	if err != nil {
		return nil, err
	}
	if server.Identity != a.Server && c.Replica == nil {
		return nil, &cooper.Error{Kind: cooper.KindRefused, Where: c.Database.Text, Message: "leads to another database than was scanned: " + cooper.Quote(server.Identity) + ", not " + cooper.Quote(a.Server),
			Remedy: "Scan it first: cooper gc scan says what to do about a database that was moved."}
	}
	if f.fence, err = fence.New(ctx, fence.Options{Database: f.database, Config: c, State: state, Scope: a.Scope, Clock: w.Clock}); err != nil {
		return nil, err
	}
	if !writable(c) && a.Unfenced {
		return f, nil
	}
	for _, h := range c.Handles {
		f.written[h.Kind] = mayWrite(h)
	}
	f.column, err = w.openColumn(ctx, c, a.Server)
	return f, err
}

// end closes what was opened.
func (f *ownerFence) end() error {
	var errs []error
	if f.column != nil {
		errs = append(errs, f.column.Close())
	}
	if f.database != nil {
		errs = append(errs, f.database.Close())
	}
	return errors.Join(errs...)
}

// Close is archive.Fence's: what is closed is noted, with all transactions that may not know it.
func (f *ownerFence) Close(ctx context.Context, hs []gcstate.Handle) ([]gcstate.Status, error) {
	now, err := f.Set(ctx, hs, gcstate.Unlinked, gcstate.Archiving)
	if err == nil && f.column != nil {
		err = f.fence.Mark(ctx)
	}
	return now, err
}

// Settle is archive.Fence's.
func (f *ownerFence) Settle(ctx context.Context) error {
	if f.column == nil {
		return nil
	}
	return f.fence.Settle(ctx)
}

// Look is archive.Fence's.
func (f *ownerFence) Look(ctx context.Context, asked []archive.Asked) ([]archive.Sight, error) {
	some := make([]fence.Asked, len(asked))
	for i, a := range asked {
		some[i] = fence.Asked(a)
	}
	seen, err := f.fence.Look(ctx, some)
	if err != nil {
		return nil, err
	}
	blind := strings.Join(f.fence.Blind(), ", ") // of these handles, too
	all := make([]archive.Sight, len(seen))
	for i, s := range seen {
		all[i] = archive.Sight{Why: s.Why, Linked: s.Linked, Blind: blind}
	}
	return all, nil
}

// Set is archive.Fence's. Of a kind of handles that is not written all is as it is wished.
func (f *ownerFence) Set(ctx context.Context, hs []gcstate.Handle, from, to gcstate.Status) ([]gcstate.Status, error) {
	now := make([]gcstate.Status, len(hs))
	var some []gcstate.Handle
	var at []int
	for i, h := range hs {
		if now[i] = to; f.written[h.Kind] {
			some, at = append(some, h), append(at, i)
		}
	}
	if len(some) == 0 {
		return now, nil
	}
	stand, err := f.column.Set(ctx, some, from, to)
	if err != nil {
		return nil, err
	}
	for n, i := range at {
		now[i] = stand[n]
	}
	return now, nil
}
