package job

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"cooper"
	"cooper/internal/config"
	"cooper/internal/gc"
	"cooper/internal/gcop"
	"cooper/internal/gcstate"
	"cooper/internal/plan"
	"cooper/internal/query"
	"cooper/internal/verb/recall"
	"cooper/internal/words"
)

// GCRestore brings objects back from the archive, or says that they stay.
type GCRestore struct {
	// Config is the path of the configuration.
	Config string
	// Handles are their ids, with KIND: in front where there are kinds. Prefixes, each s3://BUCKET/PREFIX, and Since, the
	// time of the last change of a status, name them without. One of these is to be given; Prefixes and Since
	// together narrow each other.
	Handles, Prefixes []string
	Since             cooper.Instant
	// FromArchive goes by what the archive bucket tells alone: all of it, if nothing else is given.
	FromArchive bool
	// Archive is that bucket, where no configuration says which it is.
	Archive string
	// WithoutOwner tells no owner, and needs no configuration; from the archive alone.
	WithoutOwner bool
	// Days is for how long copies out of GLACIER and DEEP_ARCHIVE are asked for, Tier how fast.
	Days int
	Tier string
	// PlanOnly brings nothing back. Yes: do not ask.
	PlanOnly, Yes bool
	// Wait is for how long it waits for what the store has been asked for; 0: not at all.
	Wait time.Duration
	// Pause passes some time; nil really waits.
	Pause func(ctx context.Context, d time.Duration) error
	Options
}

// mostNamed is how many handles are taken by their ids at once.
const mostNamed = 1000

// noScope is that of handles of which the archive alone tells, and not whose they are.
const noScope = "archive"

// Run plans, asks, and brings back.
func (g *GCRestore) Run(ctx context.Context, e *Env) (r Result, err error) {
	err = e.begin(func(w *work) error {
		h, err := g.planned(ctx, w, nil)
		if err != nil {
			return err
		}
		r.Plan = &h
		all := h.Totals[gcop.Recall]
		if all.Count > 0 {
			w.tell(Note, "what comes back has the class that it had, if that can be read at once and the store takes it, else STANDARD")
		}
		if g.PlanOnly {
			return nil
		}
		question := fmt.Sprintf("Bring %s (%s) back?", words.Plural(all.Count, "object"), words.Bytes(all.Bytes))
		if all.Count == 0 {
			r.Nothing, question = "Nothing is to be brought back.", ""
		}
		may, err := w.consentTo(ctx, &h, g.Yes, question, "nothing was brought back")
		if err == nil && !may {
			r.Plan = nil
		}
		if err != nil || !may || r.Nothing != "" {
			return err
		}
		r, err = w.applyMade(ctx, &h, &g.Options)
		return g.follow(ctx, w, &r, err)
	})
	return r, err
}

// restoring is what a plan is made from.
type restoring struct {
	*work
	by        *GCRestore
	config    *config.Config // nil: no owner is told
	recalling gcop.Recalling
	prefixes  []folder
	made      map[handle]bool // from what is asked for: it comes back with it
	only      map[string]bool // keys in the archive; nil: all
}

// folder is a prefix of a bucket.
type folder struct{ bucket, prefix string }

// planned makes the plan; only of what lies under some keys in the archive, if they are given.
func (g *GCRestore) planned(ctx context.Context, w *work, only map[string]bool) (h plan.Header, err error) {
	a := &restoring{work: w, by: g, made: map[handle]bool{}, only: only, recalling: gcop.Recalling{FromArchive: g.FromArchive, Days: g.Days, Tier: g.Tier}}
	if err := a.declared(); err != nil {
		return h, err
	}
	for _, p := range g.Prefixes {
		bucket, prefix, err := cooper.ParseURL(p)
		if err != nil {
			return h, err
		}
		a.prefixes = append(a.prefixes, folder{bucket, prefix})
	}
	if g.FromArchive {
		return a.fromArchive(ctx)
	}
	return a.fromState(ctx)
}

// declared reads the configuration, unless nobody is to be told.
func (a *restoring) declared() error {
	g, r := a.by, &a.recalling
	if g.WithoutOwner {
		r.Bucket = g.Archive
		return nil
	}
	path, digest, err := declaredIn(g.Config)
	if err != nil {
		return err
	}
	if a.config, err = config.Load(path); err != nil {
		return err
	}
	r.Config, r.Declared, r.Bucket = path, digest, g.Archive
	if r.Bucket == "" && a.config.Archive != nil {
		r.Bucket = a.config.Archive.Bucket
	}
	if r.Bucket == "" {
		return &cooper.Error{Kind: cooper.KindUsage, Where: path, Message: "declares no archive", Remedy: "Say which bucket it is: archive: {bucket: NAME}, or --archive NAME"}
	}
	return nil
}

// fromState plans by what the state has of handles, and the newest scan of their objects.
func (a *restoring) fromState(ctx context.Context) (h plan.Header, err error) {
	release, err := a.gcFacts().Hold(ctx)
	if err != nil {
		return h, err
	}
	defer finally(&err, release)
	_, last, err := a.scansBy(ctx, a.recalling.Config)
	if err != nil {
		return h, err
	}
	a.recalling.Scope = scope(last.Server)
	asked := map[handle]bool{}
	if len(a.by.Handles) > mostNamed {
		return h, usage(fmt.Sprintf("%d handles are named, and %d at most are taken at once", len(a.by.Handles), mostNamed), "Name them in steps, or by --prefix or --since.")
	}
	if len(a.by.Handles) > 0 {
		n, err := a.named(ctx, a.recalling.Config, a.by.Handles, true)
		if err != nil {
			return h, err
		}
		for _, h := range n.handles {
			asked[h] = true
		}
	}
	err = a.large(ctx, a.Memory/2, query.Sources{Workspace: a.ws.Dir()}, func(db query.Engine) error {
		return a.withState(ctx, func(s gcstate.State) error {
			if len(a.by.Handles) == 0 {
				err := s.Walk(ctx, a.recalling.Scope, []gcstate.Status{gcstate.Unlinked, gcstate.Archiving, gcstate.Archived, gcstate.Restoring}, func(r *gcstate.Record) error {
					if r.Since >= a.by.Since {
						asked[handle{r.Kind, r.ID}] = true
					}
					return nil
				})
				if err != nil {
					return err
				}
			}
			if err := a.madeFrom(ctx, db, s, last.ID, asked); err != nil {
				return err
			}
			if a.recalling.Buckets, err = a.bucketsOf(ctx, db, last.ID, asked); err != nil {
				return err
			}
			h, err = a.write(ctx, s, a.wanted(ctx, db, last.ID, asked))
			return err
		})
	})
	return h, err
}

// write writes the plan.
func (a *restoring) write(ctx context.Context, s gcstate.State, wanted func(func(gc.Wanted, error) bool)) (plan.Header, error) {
	in := gc.Recall{Recalling: a.recalling, Wanted: a.waitedFor(wanted), State: s}
	b, store, err := a.open(ctx, a.recalling.Bucket, a.by.Jobs)
	if err != nil {
		return plan.Header{}, err
	}
	if err := closing(b, nil); err != nil {
		return plan.Header{}, err
	}
	in.Store = store
	return a.writePlan(gc.RecallLimits, func(id string, out *plan.Writer) (plan.Header, error) {
		in.ID, in.Now = id, a.now()
		return gc.PlanRecall(ctx, in, out)
	})
}

// fromArchive plans by what the archive bucket tells.
func (a *restoring) fromArchive(ctx context.Context) (h plan.Header, err error) {
	b, _, err := a.open(ctx, a.recalling.Bucket, a.by.Jobs)
	if err != nil {
		return h, err
	}
	found, err := recall.Find(ctx, b, func(bucket, key string) bool { return a.below(bucket, key) })
	if err = closing(b, err); err != nil {
		return h, err
	}
	var all []gc.Wanted
	scopes, buckets := map[string]bool{}, map[string]bool{}
	for i := range found {
		f := &found[i]
		x, asked := a.ask(f)
		if !asked {
			continue
		}
		if f.Scope != "" {
			scopes[f.Scope] = true
		}
		buckets[f.Bucket] = true
		all = append(all, x)
	}
	switch len(scopes) {
	case 0:
		a.recalling.Scope = noScope
	case 1:
		for s := range scopes {
			a.recalling.Scope = s
		}
	default:
		return h, &cooper.Error{Kind: cooper.KindRefused, Where: a.recalling.Bucket, Message: "has objects of handles of several databases: " + strings.Join(slices.Sorted(maps.Keys(scopes)), ", "), Remedy: "Bring those of one back at a time: --prefix s3://BUCKET/"}
	}
	a.recalling.Buckets = slices.Sorted(maps.Keys(buckets))
	return a.write(ctx, nil, func(yield func(gc.Wanted, error) bool) {
		for _, x := range all {
			if !yield(x, nil) {
				return
			}
		}
	})
}

// ask tells which handles of an object are asked for; none: all are. One that nobody names is asked for by its place.
func (a *restoring) ask(f *recall.Found) (x gc.Wanted, asked bool) {
	x = gc.Wanted{Bucket: f.Bucket, Key: f.Key, Bytes: f.Bytes}
	for _, h := range f.Handles {
		is := len(a.by.Handles) == 0 || slices.Contains(a.by.Handles, gcop.Handle(h.Kind, h.ID)) || slices.Contains(a.by.Handles, h.ID)
		x.Handles = append(x.Handles, gc.WantedHandle{Kind: h.Kind, ID: h.ID, Asked: is})
		asked = asked || is
	}
	return x, f.At >= a.by.Since && a.below(f.Bucket, f.Key) && (asked || len(f.Handles) == 0 && len(a.by.Handles) == 0)
}

// below tells whether a key lies below one of the prefixes.
func (a *restoring) below(bucket, key string) bool {
	return len(a.prefixes) == 0 || slices.ContainsFunc(a.prefixes, func(p folder) bool { return p.bucket == bucket && cooper.HasPrefix(key, p.prefix) })
}
