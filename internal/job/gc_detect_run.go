package job

import (
	"context"

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
	asked, err := d.askedSince(ctx, facts)
	if err != nil {
		return nil, err
	}
	err = d.tempDir(func(dir string) error {
		found, err = detect.Detect(ctx, &detect.Inputs{
			Engine: db, Config: d.config, ID: id, Scope: d.marking.Scope, Server: d.marking.Server, Standing: d.standing, Snapshots: d.snapshots,
			State: d.state, Incomplete: incompleteBy(d.config), Asked: asked, Made: d.origins().made, TempDir: dir, Past: past,
		}, to)
		return err
	})
	if err != nil {
		return nil, err
	}
	found.Made, found.Words, found.Lists = d.now(), d.marking.Words, to.Lists()
	return found, to.Commit(ctx, *found)
}

// askedSince tells which handles a guard was asked for since the newest scan that counts began.
func (d *detecting) askedSince(ctx context.Context, facts *gcfacts.Store) (func(kind, id string) bool, error) {
	var began cooper.Instant
	scans, err := facts.Scans(ctx)
	if err != nil {
		return nil, err
	}
	for i := range scans {
		if len(d.standing.Counted) > 0 && scans[i].ID == d.standing.Counted[0] {
			began = scans[i].Began
		}
	}
	asked, err := facts.AskedSince(ctx, d.marking.Scope, began)
	return func(kind, id string) bool { _, is := asked[gcfacts.AskedOf{Kind: kind, ID: id}]; return is }, err
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
