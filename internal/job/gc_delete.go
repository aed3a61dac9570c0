package job

import (
	"context"
	"fmt"
	"time"

	"cooper"
	"cooper/internal/config"
	"cooper/internal/gc"
	"cooper/internal/gcop"
	"cooper/internal/gcstate"
	"cooper/internal/inventory"
	"cooper/internal/ledger/gcfacts"
	"cooper/internal/plan"
	"cooper/internal/query"
	"cooper/internal/words"
)

// GCDelete deletes from the archive bucket for good what has been there for long enough and nothing needs, and makes handles
// DELETED whose copies are not there any more.
type GCDelete struct {
	// Config is the path of the configuration.
	Config string
	// Restored deletes copies of what is in its place again, too.
	Restored bool
	// WithoutFence deletes although the owner's database cannot be told. Unguarded removes null versions after a look alone.
	WithoutFence, Unguarded bool
	// ShareLimit is the share of the versions of the archive that may go unasked.
	ShareLimit float64
	// PlanOnly deletes nothing. Yes: do not ask.
	PlanOnly, Yes bool
	Options
}

// Run plans, asks, and deletes.
func (g *GCDelete) Run(ctx context.Context, e *Env) (r Result, err error) {
	err = e.begin(func(w *work) error {
		h, err := g.planned(ctx, w)
		if err != nil {
			return err
		}
		if r.Plan = &h; g.PlanOnly {
			return nil
		}
		gone, handles := h.Totals[gcop.Forget], h.Totals[gcop.Vanish].Count
		question := fmt.Sprintf("Delete %s (%s) from the archive for good?", words.Plural(gone.Count, "version"), words.Bytes(gone.Bytes))
		switch {
		case gone.Count == 0 && handles == 0:
			r.Nothing, question = "Nothing is to be deleted.", ""
		case gone.Count == 0:
			question = fmt.Sprintf("Note of %s what the inventory of the archive shows?", words.Plural(handles, "object"))
		}
		may, err := w.consentTo(ctx, &h, g.Yes || g.Confirm != "", question, "nothing was deleted")
		if err == nil && !may {
			r.Plan = nil
		}
		if err != nil || !may || r.Nothing != "" {
			return err
		}
		r, err = w.applyMade(ctx, &h, &g.Options)
		return err
	})
	return r, err
}

// deleting is what a plan is made from.
type deleting struct {
	*work
	by         *GCDelete
	config     *config.Config
	forgetting gcop.Forgetting
	detection  *gcfacts.Detection
	scan       *gc.Scan
	archive    Bucket
	store      *cooper.Store
}

// termOf is how long an object stays in the archive, by a configuration that says so.
func termOf(path string) (c *config.Config, err error) {
	if c, err = config.Load(path); err != nil {
		return nil, err
	}
	switch {
	case c.Archive == nil:
		return nil, &cooper.Error{Kind: cooper.KindUsage, Where: path, Message: "declares no archive", Remedy: "Say which bucket it is: archive: {bucket: NAME}; see docs/formats/cooper-yaml.md."}
	case c.Archive.Keep <= 0:
		return nil, &cooper.Error{Kind: cooper.KindRefused, Where: path, Message: "does not say how long objects stay in the archive: they stay for ever", Remedy: "Say it, as archive: {keep: 365d}; cooper gc detect then tells what may be deleted."}
	}
	return c, nil
}

// planned makes the plan, or finds the one that the person has confirmed.
func (g *GCDelete) planned(ctx context.Context, w *work) (h plan.Header, err error) {
	a := &deleting{work: w, by: g}
	path, declared, err := declaredIn(g.Config)
	if err != nil {
		return h, err
	}
	if a.config, err = termOf(path); err != nil {
		return h, err
	}
	if err := fenceable(a.config, g.WithoutFence); err != nil {
		return h, err
	}
	if a.scan, _, err = w.lastScan(ctx, path); err != nil {
		return h, err
	}
	f := &a.forgetting
	*f = gcop.Forgetting{
		Marking: gcop.Marking{Config: path, Declared: declared, Scope: scope(a.scan.Server), Server: a.scan.Server}, Bucket: a.config.Archive.Bucket,
		Keep: int64(a.config.Archive.Keep / time.Second), Restored: g.Restored, Unfenced: fenceable(a.config, false) != nil, Unguarded: g.Unguarded,
	}
	for _, b := range a.config.Buckets {
		f.Buckets = append(f.Buckets, b.Name)
	}
	if g.Confirm != "" {
		return w.confirmed(g.Confirm, gc.MissionForget, "archive", "s3://"+f.Bucket+"/", func(h *plan.Header) bool {
			was, err := gcop.ForgettingOf(h)
			return err == nil && was.Config == path && was.Declared == declared && was.Restored == g.Restored && was.Unfenced == f.Unfenced && was.Unguarded == g.Unguarded
		})
	}
	release, err := w.gcFacts().Hold(ctx)
	if err != nil {
		return h, err
	}
	defer finally(&err, release)
	err = w.large(ctx, w.Memory/2, query.Sources{Workspace: w.ws.Dir()}, func(db query.Engine) error {
		if a.detection, err = w.restsOn(ctx, db, &f.Marking, a.config, a.scan, "deleted"); err != nil {
			return err
		}
		h, err = a.make(ctx, db)
		return err
	})
	return h, err
}

// inventory finds the newest of the archive bucket.
func (a *deleting) inventory() (*inventory.Snapshot, error) {
	newest, err := a.wholeSnapshots()
	if err != nil {
		return nil, err
	}
	name := a.forgetting.Bucket
	snap := newest[name]
	if snap == nil {
		return nil, &cooper.Error{Kind: cooper.KindMissing, Where: "s3://" + name, Message: "there is no inventory of the archive", Remedy: "Take one: cooper snapshot s3://" + name}
	}
	if m := snap.Meta(); m.MakesNoSense() || m.Contradicts() {
		return nil, &cooper.Error{Kind: cooper.KindRefused, Where: m.ID, Message: "the inventory of the archive makes no sense, or contradicts itself", Remedy: "Take another: cooper snapshot s3://" + name}
	}
	return snap, nil
}

// make writes the plan.
func (a *deleting) make(ctx context.Context, db query.Engine) (h plan.Header, err error) {
	snap, err := a.inventory()
	if err != nil {
		return h, err
	}
	m := snap.Meta()
	f := &a.forgetting
	f.Snapshot, f.Taken = m.ID, m.TakenAt
	if a.archive, a.store, err = a.open(ctx, f.Bucket, a.by.Jobs); err != nil {
		return h, err
	}
	defer finally(&err, a.archive.Close)
	if f.Versioning, err = a.archive.Versioning(ctx); err != nil {
		return h, err
	}
	if m.Scope.CurrentOnly && f.Versioning != "" {
		return h, &cooper.Error{Kind: cooper.KindRefused, Where: m.ID, Message: "the inventory of the archive has current versions alone, and the bucket has others", Remedy: "Take one of all: cooper snapshot s3://" + f.Bucket}
	}
	if err := canLook(ctx, a.archive, "", f.Versioning); err != nil {
		return h, err
	}
	in := gc.Deletion{Archive: inventory.ViewOf(snap), Looked: a.detection.Made, Limit: a.by.ShareLimit, Store: a.store}
	if in.Prices, err = prices(); err != nil {
		return h, err
	}
	if n := m.Torn + m.Rejected; n > 0 {
		in.Warnings = append(in.Warnings, fmt.Sprintf("the inventory of the archive has %d rows that make no sense: no handle becomes DELETED by it", n))
	}
	err = a.tempDir(func(dir string) error {
		return a.withState(ctx, func(s gcstate.State) error {
			in.State = s
			t := &archiveTells{deleting: a, db: db, dir: dir, sound: m.Torn+m.Rejected == 0}
			if err := t.read(ctx, s); err != nil {
				return err
			}
			in.Forgetting, in.Stored, in.Gone = *f, t.stored(ctx), t.gone(ctx)
			h, err = a.writePlan(gc.ForgetLimits, func(id string, out *plan.Writer) (plan.Header, error) {
				in.ID, in.Now = id, a.now()
				return gc.PlanForget(ctx, in, out)
			})
			return err
		})
	})
	return h, err
}
