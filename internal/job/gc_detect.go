package job

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"

	"cooper"
	"cooper/internal/config"
	"cooper/internal/gc"
	"cooper/internal/gc/detect"
	"cooper/internal/gcop"
	"cooper/internal/gcstate"
	"cooper/internal/inventory"
	"cooper/internal/ledger/gcfacts"
	"cooper/internal/plan"
	"cooper/internal/query"
)

// GCDetect looks at what complete scans have read, at inventories and at the state, writes
// down what it finds, and marks what follows from it.
type GCDetect struct {
	// Config is the path of the configuration.
	Config string
	// Snapshots are those to be looked at, by bucket, where it is not the newest.
	Snapshots map[string]string
	// PlanOnly marks nothing. Yes: do not ask.
	PlanOnly, Yes bool
	// Found is told of what was found before anybody is asked; nil: nobody is.
	Found func(*GCDetected) error
	Options
}

// Run looks, writes down what it finds, plans, asks, and marks.
func (g *GCDetect) Run(ctx context.Context, e *Env) (r Result, err error) {
	err = e.begin(func(w *work) error {
		if g.Confirm != "" {
			return g.confirmed(ctx, w, &r)
		}
		h, err := g.look(ctx, w, &r)
		if err != nil {
			return err
		}
		if g.Found != nil {
			if err := g.Found(r.Detected); err != nil {
				return err
			}
		}
		refused := refusalOf(r.Detected)
		switch {
		case len(h.Totals) == 0:
			r.Plan, r.Nothing = h, "Nothing is to be marked."
			return refused
		case g.PlanOnly:
			r.Plan = h
			return refused
		}
		r.Plan = h
		may, err := w.consentTo(ctx, h, g.Yes, questionOf(h), "nothing was marked")
		if err != nil || !may {
			r.Plan = nil
			return errors.Join(err, refused)
		}
		found := r.Detected
		r, err = w.applyMade(ctx, h, &g.Options)
		r.Detected = found
		return errors.Join(err, refused)
	})
	return r, err
}

// questionOf is what a person is asked before marks are made.
func questionOf(h *plan.Header) string {
	back, gone := h.Reasons[gc.PhaseRelink], h.Reasons[gc.PhaseUnlink]
	switch {
	case gone.Count == 0:
		return fmt.Sprintf("Mark %s as AVAILABLE again?", handles(back.Count))
	case back.Count == 0:
		return fmt.Sprintf("Mark %s as UNLINKED?", handles(gone.Count))
	}
	return fmt.Sprintf("Mark %s as UNLINKED, and %s as AVAILABLE again?", handles(gone.Count), handles(back.Count))
}

// refusalOf is the error of a detection after which no handle becomes UNLINKED, whoever
// confirms it.
func refusalOf(d *GCDetected) error {
	var errs []error
	for i := range d.Refusals {
		if x := &d.Refusals[i]; !x.Confirmable {
			errs = append(errs, &cooper.Error{Kind: cooper.KindRefused, Where: d.ID, Message: "nothing becomes UNLINKED: " + x.Why, Remedy: remedies[x.What]})
		}
	}
	return errors.Join(errs...)
}

// remedies are next steps, by what was refused.
var remedies = map[string]string{
	detect.Overlap: "See whether buckets, handles and associations in the configuration are those of this database: cooper gc check",
	detect.Lost:    "See which with: cooper gc list missing. Is the inventory the right one, and whole? Is the bucket that of these handles?",
}

// confirmed carries out the plan whose digest a person has given.
func (g *GCDetect) confirmed(ctx context.Context, w *work, r *Result) error {
	path, declared, err := declaredIn(g.Config)
	if err != nil {
		return err
	}
	last, _, err := w.lastScan(ctx, path)
	if err != nil {
		return err
	}
	h, err := w.confirmed(g.Confirm, gc.MissionDetect, "database", scope(last.Server), func(h *plan.Header) bool {
		m, err := gcop.MarkingOf(h)
		return err == nil && m.Config == path && m.Declared == declared
	})
	if err != nil {
		return err
	}
	if r.Plan = &h; g.PlanOnly {
		return nil
	}
	if err := w.Listener.ShowPlan(&h, true); err != nil {
		return err
	}
	*r, err = w.applyMade(ctx, &h, &g.Options)
	return err
}

// declaredIn is the absolute path of a configuration, and the digest of the file: whatever is
// another in it, holds and prefixes too, may keep a handle.
func declaredIn(path string) (abs, digest string, err error) {
	if abs, err = filepath.Abs(path); err != nil {
		return "", "", err
	}
	b, err := os.ReadFile(abs)
	if err != nil {
		return "", "", &cooper.Error{Kind: cooper.KindUsage, Where: abs, Message: "cannot be read", Err: err, Remedy: "Name the configuration with --config."}
	}
	sum := sha256.Sum256(b)
	return abs, hex.EncodeToString(sum[:]), nil
}

// look detects, and plans what follows from it.
func (g *GCDetect) look(ctx context.Context, w *work, r *Result) (h *plan.Header, err error) {
	snapshots, err := g.snapshots(ctx, w)
	if err != nil {
		return nil, err
	}
	_, declared, err := declaredIn(g.Config)
	if err != nil {
		return nil, err
	}
	err = w.owner(ctx, g.Config, func(o *owner) error {
		server, st, err := o.stands(ctx)
		if err != nil {
			return err
		}
		d := &detecting{owner: o, by: g, marking: gcop.Marking{Config: o.path, Declared: declared, Scope: scope(server), Server: server}, standing: st, snapshots: snapshots}
		return w.withState(ctx, func(s gcstate.State) error {
			d.state = s
			h, err = d.run(ctx, r)
			return err
		})
	})
	return h, err
}

// stands asks the database who it is and how its tables are, and tells which scans count.
func (o *owner) stands(ctx context.Context) (server string, st gc.Standing, err error) {
	s, err := o.database.Server(ctx)
	if err != nil {
		return "", st, err
	}
	h, err := o.history(ctx)
	if err != nil {
		return "", st, err
	}
	if last := h.Last(); last == nil {
		return "", st, noScan(o.path)
	} else if last.Server != s.Identity {
		return "", st, &cooper.Error{Kind: cooper.KindRefused, Where: readFrom(o.config).Text, Message: "leads to another database than the last scan: " + cooper.Quote(s.Identity) + ", not " + cooper.Quote(last.Server),
			Remedy: "Scan it first: cooper gc scan says what to do about a database that was moved."}
	}
	var d gc.Digests
	if d.Configuration, err = gc.ConfigurationOf(o.config); err != nil {
		return "", st, err
	}
	if d.Schema, err = gc.SchemaNow(ctx, o.database, o.config, s); err != nil {
		return "", st, err
	}
	st = gc.Stand(h, s.Identity, d, o.config.Detect, o.now())
	if len(st.Counted) == 0 {
		return "", st, &cooper.Error{Kind: cooper.KindRefused, Where: o.path, Message: "no scan counts: it waits for " + st.Waits, Remedy: "Scan: cooper gc scan; cooper gc status tells what counts."}
	}
	return s.Identity, st, nil
}

func noScan(path string) error {
	return &cooper.Error{Kind: cooper.KindMissing, Where: path, Message: "no scan by it has ended in this workspace", Remedy: "Scan first: cooper gc scan; cooper apply latest goes on with one that was stopped."}
}

// detecting is a detection under way.
type detecting struct {
	*owner
	by        *GCDetect
	marking   gcop.Marking
	standing  gc.Standing
	snapshots []*inventory.Snapshot
	state     gcstate.State
}

// run detects, and then plans.
func (d *detecting) run(ctx context.Context, r *Result) (h *plan.Header, err error) {
	facts := d.gcFacts()
	release, err := facts.Hold(ctx)
	if err != nil {
		return nil, err
	}
	defer finally(&err, release)
	// What is asked for first cannot be older than what is looked at.
	if d.marking.Words, err = facts.Words(); err != nil {
		return nil, err
	}
	err = d.large(ctx, d.Memory*2/3, query.Sources{Workspace: d.ws.Dir()}, func(db query.Engine) error {
		if d.marking.Read, err = readsOf(ctx, db, d.marking.Server); err != nil {
			return err
		}
		found, err := d.detect(ctx, db, facts)
		if err != nil {
			return err
		}
		r.Detected = detected(found)
		if r.Detected.Kept, err = keptBy(ctx, db, found.ID); err != nil {
			return err
		}
		h, err = d.plan(ctx, db, found)
		return err
	})
	return h, err
}

// detect looks, and writes down what is found.
func (d *detecting) detect(ctx context.Context, db query.Engine, facts *gcfacts.Store) (found *gcfacts.Detection, err error) {
	past, err := facts.Detections(ctx)
	if err != nil {
		return nil, err
	}
	id := d.ws.NewID("d")
	to, err := facts.Detection(ctx, id)
	if err != nil {
		return nil, err
	}
	defer finally(&err, to.Discard)
	d.marking.Detection = id
	err = d.tempDir(func(dir string) error {
		found, err = detect.Detect(ctx, &detect.Inputs{
			Engine: db, Config: d.config, ID: id, Scope: d.marking.Scope, Server: d.marking.Server, Standing: d.standing, Snapshots: d.snapshots,
			State: d.state, Incomplete: incompleteBy(d.config), Made: d.origins().made, TempDir: dir, Past: past,
		}, to)
		return err
	})
	if err != nil {
		return nil, err
	}
	found.Made, found.Words, found.Lists = d.now(), d.marking.Words, to.Lists()
	return found, to.Commit(ctx, *found)
}

// incompleteBy tells of which handles a registry knows not all links: of those that were made
// before it was complete, or nobody knows when.
func incompleteBy(c *config.Config) func(kind string, created cooper.Instant) bool {
	g := c.Registry
	if g == nil {
		return nil
	}
	of, since := c.Kind(g.Of), cooper.InstantOf(g.CompleteSince)
	return func(kind string, created cooper.Instant) bool {
		return of != nil && kind == of.Kind && (g.CompleteSince.IsZero() || created == 0 || created < since)
	}
}

// plan plans the marks.
func (d *detecting) plan(ctx context.Context, db query.Engine, found *gcfacts.Detection) (*plan.Header, error) {
	marks := gc.Marks{Marking: d.marking, State: d.state, Scans: len(found.Scans), Relinked: relinkedIn(ctx, db, found.ID)}
	may := found.Waits == ""
	for i := range found.Refusals {
		x := &found.Refusals[i]
		if may = may && detect.Confirmable(x); may {
			marks.Confirm = append(marks.Confirm, x.Why)
		}
	}
	if may {
		marks.Candidates = candidatesIn(ctx, db, found.ID)
	} else {
		marks.Confirm = nil
	}
	h, err := d.writePlan(gc.MarkLimits, func(id string, out *plan.Writer) (plan.Header, error) {
		marks.ID, marks.Now = id, d.now()
		return gc.PlanMarks(ctx, marks, out)
	})
	return &h, err
}

func candidatesIn(ctx context.Context, db query.Engine, detection string) iter.Seq2[gcfacts.Candidate, error] {
	return rowsOf(ctx, db, func(row []any) (c gcfacts.Candidate, err error) {
		c.Alone = -1
		err = filled(row, &c.Kind, &c.ID, &c.Alone)
		return c, err
	}, "SELECT kind, id, alone FROM gc_candidate WHERE detection = $1 ORDER BY kind, id_number, id", detection)
}

func relinkedIn(ctx context.Context, db query.Engine, detection string) iter.Seq2[gcfacts.Relinked, error] {
	return rowsOf(ctx, db, func(row []any) (r gcfacts.Relinked, err error) {
		err = filled(row, &r.Kind, &r.ID, &r.Status, &r.Scan)
		return r, err
	}, "SELECT kind, id, status, scan FROM gc_relinked WHERE detection = $1 ORDER BY kind, id_number, id", detection)
}

// errEnough ends a walk over rows that nobody wants more of.
var errEnough = errors.New("enough")

// rowsOf are the rows of an answer, one after the other, and the error that ended it.
func rowsOf[T any](ctx context.Context, db query.Engine, of func([]any) (T, error), sql string, args ...any) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		err := query.Each(ctx, db, sql, args, func(row []any) error {
			v, err := of(row)
			if err == nil && !yield(v, nil) {
				err = errEnough
			}
			return err
		})
		if err != nil && !errors.Is(err, errEnough) {
			var none T
			yield(none, err)
		}
	}
}

// filled puts the columns of a row where they belong; what is absent stays as it is.
func filled(row []any, to ...any) error {
	for i, v := range row {
		if v == nil {
			continue
		}
		ok := false
		switch p := to[i].(type) {
		case *string:
			*p, ok = v.(string)
		case *int64:
			*p, ok = v.(int64)
		case *bool:
			*p, ok = v.(bool)
		}
		if !ok {
			return senseless(v)
		}
	}
	return nil
}

// readsOf tells how much of a database has been read by each scan. A range without the name of
// who answered may be of it.
func readsOf(ctx context.Context, db query.Engine, server string) (gcop.Reads, error) {
	all := gcop.Reads{}
	err := query.Each(ctx, db, `SELECT r.scan, count(*), any_value(s.scan IS NOT NULL) FROM gc_range r LEFT JOIN gc_scan s USING (scan) WHERE coalesce(r.server, '') IN ('', $1) GROUP BY r.scan`, []any{server}, func(row []any) error {
		var scan string
		var at gcop.Reading
		err := filled(row, &scan, &at.Ranges, &at.Ended)
		all[scan] = at
		return err
	})
	return all, err
}

func keptBy(ctx context.Context, db query.Engine, detection string) (all []GCKeptReason, err error) {
	count := map[string]int64{}
	err = query.Each(ctx, db, "SELECT reason, count(*) FROM gc_kept WHERE detection = $1 GROUP BY reason", []any{detection}, func(row []any) error {
		var why string
		var n int64
		err := filled(row, &why, &n)
		count[why] = n
		return err
	})
	for _, why := range detect.Reasons {
		if n := count[why]; n > 0 {
			all = append(all, GCKeptReason{why, n})
		}
	}
	return all, err
}
