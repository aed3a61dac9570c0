package job

import (
	"context"
	"fmt"
	"slices"
	"time"

	"cooper"
	"cooper/internal/config"
	"cooper/internal/gc"
	"cooper/internal/gc/detect"
	"cooper/internal/gcop"
	"cooper/internal/gcstate"
	"cooper/internal/inventory"
	"cooper/internal/journal"
	"cooper/internal/ledger/gcfacts"
	"cooper/internal/plan"
	"cooper/internal/price"
	"cooper/internal/query"
	"cooper/internal/words"
)

// GCArchive moves objects into the archive bucket that nothing links to any more, or that no handle names.
type GCArchive struct {
	// Config is the path of the configuration.
	Config string
	// Unindexed moves what no handle names, instead of what was unlinked for long enough.
	Unindexed bool
	// Prefixes narrow it, each s3://BUCKET/PREFIX; none: all there is. A folder in which no handle lives at all is moved
	// from only if it is named.
	Prefixes []string
	// WithoutFence moves although the owner's database cannot be told. Unguarded removes null versions after a look alone.
	WithoutFence, Unguarded bool
	// ShareLimit is the share of the versions of a bucket that may go unasked.
	ShareLimit float64
	// PlanOnly moves nothing. Yes: do not ask.
	PlanOnly, Yes bool
	Options
}

// mostDetectionAge is how old a detection may be from which is planned.
const mostDetectionAge = 7 * 24 * time.Hour

// Run plans, asks, and moves.
func (g *GCArchive) Run(ctx context.Context, e *Env) (r Result, err error) {
	err = e.begin(func(w *work) error {
		if r, err = g.before(ctx, w); err != nil || r.Applied != nil {
			return err
		}
		h, err := g.planned(ctx, w)
		if err != nil {
			return err
		}
		if r.Plan = &h; g.PlanOnly {
			return nil
		}
		all, back := h.Totals[gcop.Archive], h.Totals[gcop.GiveBack]
		question := fmt.Sprintf("Move %s (%s) to %s?", words.Plural(all.Count, "version"), words.Bytes(all.Bytes), h.Target.Path)
		switch {
		case all.Count == 0 && back.Count == 0:
			r.Nothing, question = "Nothing is to be moved.", ""
		case all.Count == 0:
			question = fmt.Sprintf("Give back what was closed for the archive, and does not go (%s)?", words.Plural(back.Count, "version"))
		case back.Count > 0:
			question = fmt.Sprintf("Move %s (%s) to %s, and give back what does not go (%s)?", words.Plural(all.Count, "version"), words.Bytes(all.Bytes), h.Target.Path, words.Plural(back.Count, "version"))
		}
		may, err := w.consentTo(ctx, &h, g.Yes || g.Confirm != "", question, "nothing was moved")
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

// before brings a plan to its end of which objects were moving when its run was stopped: until then nobody knows what has
// gone. The result is empty where there is none.
func (g *GCArchive) before(ctx context.Context, w *work) (r Result, err error) {
	c, err := config.Load(g.Config)
	if err != nil || c.Archive == nil {
		return r, err // which is told in its place
	}
	ids, err := w.ws.Plans()
	if err != nil {
		return r, err
	}
	for _, id := range slices.Backward(ids) {
		p, err := plan.Open(w.ws.PlanDir(id))
		if err != nil {
			return r, err
		}
		h := p.Header()
		if a, err := gcop.ArchivingOf(&h); err != nil || a.Bucket != c.Archive.Bucket {
			continue
		}
		moving, err := journal.At(w.ws.TargetDir(c.Archive.Bucket)).Moving(id)
		switch {
		case err != nil:
			return r, err
		case !moving:
		case g.PlanOnly:
			w.tell(Caution, "objects were moving when the run of plan %s was stopped; cooper gc run archive brings it to its end first", id)
		default:
			w.tell(Note, "objects were moving when the run of plan %s was stopped: it is brought to its end first; give the command again for what is new", id)
			opt := g.Options
			opt.AnyAge, opt.Confirm = true, h.Confirmation()
			if !h.Stopped() {
				opt.Confirm = ""
			}
			return w.apply(ctx, p, &opt)
		}
	}
	return r, nil
}

// archivePlan is what a plan is made from.
type archivePlan struct {
	*work
	by        *GCArchive
	config    *config.Config
	archiving gcop.Archiving
	detection *gcfacts.Detection
	scan      *gc.Scan // the last one
}

// planned makes the plan, or finds the one that the person has confirmed.
func (g *GCArchive) planned(ctx context.Context, w *work) (h plan.Header, err error) {
	a := &archivePlan{work: w, by: g}
	path, declared, err := declaredIn(g.Config)
	if err != nil {
		return h, err
	}
	if a.config, err = config.Load(path); err != nil {
		return h, err
	}
	if a.config.Archive == nil {
		return h, &cooper.Error{Kind: cooper.KindUsage, Where: path, Message: "declares no archive", Remedy: "Say which bucket it is: archive: {bucket: NAME}; see docs/formats/cooper-yaml.md."}
	}
	if err := fenceable(a.config, g.Unindexed || g.WithoutFence); err != nil {
		return h, err
	}
	scan, _, err := w.lastScan(ctx, path)
	if err != nil {
		return h, err
	}
	a.scan = scan
	a.archiving = gcop.Archiving{
		Marking: gcop.Marking{Config: path, Declared: declared, Scope: scope(scan.Server), Server: scan.Server}, Bucket: a.config.Archive.Bucket,
		Unfenced: !g.Unindexed && fenceable(a.config, false) != nil, Unindexed: g.Unindexed, Unguarded: g.Unguarded,
	}
	if g.Confirm != "" {
		return w.confirmed(g.Confirm, gc.MissionArchive, "archive", "s3://"+a.archiving.Bucket+"/", func(h *plan.Header) bool {
			was, err := gcop.ArchivingOf(h)
			return err == nil && was.Config == path && was.Declared == declared && was.Unindexed == g.Unindexed && was.Unfenced == a.archiving.Unfenced && was.Unguarded == g.Unguarded
		})
	}
	release, err := w.gcFacts().Hold(ctx)
	if err != nil {
		return h, err
	}
	defer finally(&err, release)
	err = w.large(ctx, w.Memory/2, query.Sources{Workspace: w.ws.Dir()}, func(db query.Engine) error {
		if err := a.rests(ctx, db); err != nil {
			return err
		}
		h, err = a.make(ctx, db)
		return err
	})
	return h, err
}

// fenceable refuses to move what could be linked meanwhile.
func fenceable(c *config.Config, without bool) error {
	if without {
		return nil
	}
	for _, h := range c.Handles {
		if !mayWrite(h) {
			where, name := h.PlaceOf(""), "the handles"
			if h.Kind != "" {
				name += " of " + h.Kind
			}
			return &cooper.Error{Kind: cooper.KindRefused, Where: where, Message: name + " have no status that Cooper may write: new links to what is moved could not be kept out",
				Remedy: "Declare it (status: {column: …, write: true}); or, if nobody makes new links to what is UNLINKED, give --without-fence."}
		}
	}
	return nil
}

// mayWrite tells whether the status of a kind of handles may be written.
func mayWrite(h *config.Handles) bool { return h.Status != nil && h.Status.Write }

// rests finds the detection that the plan rests on, and refuses one that more is known than by now.
func (a *archivePlan) rests(ctx context.Context, db query.Engine) (err error) {
	a.detection, err = a.restsOn(ctx, db, &a.archiving.Marking, a.config, a.scan, "archived")
	return err
}

// restsOn finds the detection that a plan rests on, by which something is done with objects, and notes it. One that more is
// known than by now is refused.
func (w *work) restsOn(ctx context.Context, db query.Engine, m *gcop.Marking, c *config.Config, scan *gc.Scan, done string) (d *gcfacts.Detection, err error) {
	if d, err = w.lastDetection(ctx, m.Server); err != nil {
		return nil, err
	}
	stale := func(why string) error {
		return &cooper.Error{Kind: cooper.KindRefused, Where: d.ID, Message: why, Remedy: "Look anew: cooper gc detect"}
	}
	configuration, err := gc.ConfigurationOf(c)
	if err != nil {
		return nil, err
	}
	declared, err := w.declaredAt(d.ID)
	if err != nil {
		return nil, err
	}
	words, err := w.gcFacts().Words()
	if err != nil {
		return nil, err
	}
	if m.Read, err = readsOf(ctx, db, m.Server); err != nil {
		return nil, err
	}
	switch age := w.Clock().Sub(d.Made.Time()); {
	case age > mostDetectionAge:
		return nil, stale(fmt.Sprintf("the last detection is %s old", age.Round(time.Hour)))
	case scan.Digests.Configuration != configuration:
		return nil, stale("the configuration declares other things than the last scan has read")
	case declared != m.Declared:
		return nil, stale(m.Config + " was changed since the last detection")
	case words != d.Words:
		return nil, stale("a person has said since the last detection that handles are kept, or linked")
	case d.Waits != "" || len(d.Scans) == 0:
		return nil, &cooper.Error{Kind: cooper.KindRefused, Where: d.ID, Message: "nothing is " + done + " yet: it waits for " + d.Waits, Remedy: "Scan: cooper gc scan; then cooper gc detect"}
	}
	for scan := range m.Read {
		if scan > d.Scans[0] {
			return nil, stale("the database was read since the last detection, by " + scan)
		}
	}
	for i := range d.Refusals {
		if x := &d.Refusals[i]; !detect.Confirmable(x) {
			return nil, &cooper.Error{Kind: cooper.KindRefused, Where: d.ID, Message: "nothing is " + done + ": " + x.Why, Remedy: remedies[x.What]}
		}
	}
	m.Detection, m.Words = d.ID, words
	return d, nil
}

// declaredAt is the digest of the configuration's file by which a detection has looked, as the plan of its marks has it; empty
// where there is none, as of one that was killed before it could plan.
func (w *work) declaredAt(detection string) (string, error) {
	ids, err := w.ws.Plans()
	if err != nil {
		return "", err
	}
	for _, id := range slices.Backward(ids) {
		p, err := plan.Open(w.ws.PlanDir(id))
		if err != nil {
			return "", err
		}
		h := p.Header()
		if m, err := gcop.MarkingOf(&h); err == nil && m.Detection == detection {
			return m.Declared, nil
		}
	}
	return "", nil
}

// make writes the plan.
func (a *archivePlan) make(ctx context.Context, db query.Engine) (h plan.Header, err error) {
	if a.by.Unguarded && a.by.Unindexed && len(a.by.Prefixes) == 0 {
		a.tell(Caution, "null versions that an upload could overwrite go after a look alone")
	}
	buckets, err := a.buckets(ctx, db)
	if err != nil {
		return h, err
	}
	in := gc.Archival{
		Ripe: a.ripe(ctx, db), Snapshots: map[string]inventory.View{}, Looked: a.detection.Made, LastScan: a.detection.Scans[0],
		Class: a.config.Archive.Class, Limit: a.by.ShareLimit, Warnings: a.warnings(),
	}
	if !a.by.Unindexed {
		in.Smallest = a.config.Archive.Smallest
	}
	if in.Prices, err = prices(); err != nil {
		return h, err
	}
	for _, s := range a.detection.Snapshots {
		if !slices.Contains(buckets, s.Bucket) {
			continue
		}
		snap, err := a.snapshotOf(ctx, s.Bucket, Source{Snapshot: s.Snapshot}, "", "")
		if err != nil {
			return h, err
		}
		in.Snapshots[s.Bucket] = inventory.ViewOf(snap)
	}
	if in.Back, in.Scanned, err = a.back(ctx, db, buckets); err != nil {
		return h, err
	}
	if in.Store, err = a.stores(ctx, buckets); err != nil {
		return h, err
	}
	in.Archiving = a.archiving
	err = a.withState(ctx, func(s gcstate.State) error {
		in.State = s
		h, err = a.writePlan(gc.ArchiveLimits, func(id string, out *plan.Writer) (plan.Header, error) {
			in.ID, in.Now = id, a.now()
			return gc.PlanArchive(ctx, in, out)
		})
		return err
	})
	return h, err
}

// prices are those built in.
func prices() (*price.Table, error) {
	t, err := price.Load("")
	return &t, err
}

// warnings are about what the detection could not tell.
func (a *archivePlan) warnings() (all []string) {
	list := gcfacts.Ripes
	if a.by.Unindexed {
		list = gcfacts.Unindexeds
	}
	for _, u := range a.detection.Unknown {
		if u.List == list {
			all = append(all, fmt.Sprintf("of the bucket %s nothing is known: %s", u.Bucket, u.Why))
		}
	}
	return all
}

// stores asks the buckets, and the archive, how they keep versions, and wants them to be in one store.
func (a *archivePlan) stores(ctx context.Context, buckets []string) (archive *cooper.Store, err error) {
	a.archiving.Versioning = map[string]string{}
	for _, name := range append([]string{a.archiving.Bucket}, buckets...) {
		b, store, err := a.open(ctx, name, a.by.Jobs)
		if err != nil {
			return nil, err
		}
		versioning, err := b.Versioning(ctx)
		if err == nil {
			err = canLook(ctx, b, "", versioning)
		}
		if err = closing(b, err); err != nil {
			return nil, err
		}
		if archive == nil {
			archive = store
		} else if archive.Endpoint != store.Endpoint {
			return nil, cooper.AnotherStore("s3://"+name, "the archive is", archive, store, "Archive to a bucket of the same store: it copies by itself.")
		}
		a.archiving.Versioning[name] = versioning
	}
	return archive, nil
}
