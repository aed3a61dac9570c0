package job

import (
	"context"
	"slices"
	"strings"

	"cooper"
	"cooper/internal/config"
	"cooper/internal/database"
	"cooper/internal/gc"
	"cooper/internal/gcop"
	"cooper/internal/journal"
	"cooper/internal/ledger/gcfacts"
	"cooper/internal/plan"
	"cooper/internal/query"
	"cooper/internal/verb/scan"
	"cooper/internal/words"
)

// GCScan reads an owner's database for what links to files.
type GCScan struct {
	// Config is the path of the configuration.
	Config string
	// PlanOnly plans, and reads no range.
	PlanOnly bool
	Options
}

// Run checks, plans, and carries the plan out. Nothing is changed, so that nobody is asked.
func (s *GCScan) Run(ctx context.Context, e *Env) (r Result, err error) {
	err = e.begin(func(w *work) error {
		h, err := s.planned(ctx, w)
		if err != nil {
			return err
		}
		r.Plan = &h
		if s.PlanOnly {
			return nil
		}
		if err := w.Listener.ShowPlan(&h, false); err != nil {
			return err
		}
		r, err = w.applyMade(ctx, &h, &s.Options)
		return err
	})
	return r, err
}

func (s *GCScan) planned(ctx context.Context, w *work) (h plan.Header, err error) {
	err = w.owner(ctx, s.Config, func(o *owner) error {
		if err := o.check(ctx); err != nil {
			return err
		}
		h, err = w.writePlan(gc.Limits, func(id string, out *plan.Writer) (plan.Header, error) {
			return gc.Plan(ctx, gc.Inputs{
				Config: o.config, Path: o.path, Database: readFrom(o.config).Text, Survey: o.survey, Findings: o.findings, Asker: o.database, ID: id, Now: w.now(),
			}, out)
		})
		return err
	})
	return h, err
}

// scans is the mission that reads a database.
type scans struct{}

func (scans) traits() Traits {
	return Traits{Words: Words{Unfinished: "no range was read to its end"}, anyAge: true}
}

func (scans) check(h *plan.Header, _ *Options) error {
	_, err := gc.PolicyOf(h)
	return err
}

// place is the database's own identity: a scan of it is carried out by one at a time, whatever
// name it goes by.
func (scans) place(h *plan.Header, _ *Options) (place, error) {
	s, err := gcop.ScanningOf(h.Policy)
	return place{lock: lockOf(s.Server), named: s.Server, command: "gc scan"}, err
}

func (scans) equip(ctx context.Context, held *held, p *plan.Plan, opt *Options) (_ *kit, err error) {
	h := p.Header()
	policy, err := gc.PolicyOf(&h)
	if err != nil {
		return nil, err
	}
	c, err := config.Load(policy.Scanning.Config)
	if err != nil {
		return nil, err
	}
	configuration, err := gc.ConfigurationOf(c)
	if err != nil {
		return nil, err
	}
	db, err := held.openDatabase(ctx, c)
	if err != nil {
		return nil, err
	}
	at := &buckets{env: held.Env, open: map[string]Bucket{}}
	var s *scan.Scan
	done := func() (err error) {
		if s != nil {
			finally(&err, s.Close)
		}
		finally(&err, at.close)
		finally(&err, db.Close)
		return err
	}
	defer func() {
		if err != nil {
			finally(&err, done)
		}
	}()
	server, err := unchanged(ctx, &h, c, db)
	if err != nil {
		return nil, err
	}
	secure := true
	if reads := fetched(c); len(reads) > 0 {
		b, err := at.bucket(ctx, reads[0].Name)
		if err != nil {
			return nil, err
		}
		secure = b.Endpoint() == "" || strings.HasPrefix(b.Endpoint(), "https://")
	}
	s, err = scan.New(scan.Options{
		Plan: h.ID, Scanning: policy.Scanning, Config: c, Database: db, Server: server, Facts: held.gcFacts(), Store: at.reader, Clock: held.Clock, Secure: secure,
	})
	if err != nil {
		return nil, err
	}
	target := scan.NewTarget(s, scan.TargetOptions{Journal: journal.At(held.ws.TargetDir(held.lock)), Path: readFrom(c).Text, Configuration: configuration})
	workers := max(1, min(opt.Jobs, c.Limits.Connections))
	return &kit{verbs: s.Verbs(), target: target, count: held.counters(nil), workers: workers, shards: workers, close: done}, nil
}

// unchanged refuses a plan of a scan whose declared tables, or foreign keys to handles, are
// others by now: what has come since, or was moved to another column, would not be read.
func unchanged(ctx context.Context, h *plan.Header, c *config.Config, db database.Database) (*database.Server, error) {
	planned, err := gcop.ScanningOf(h.Policy)
	if err != nil {
		return nil, err
	}
	server, err := db.Server(ctx)
	if err != nil {
		return nil, err
	}
	configuration, err := gc.ConfigurationOf(c)
	if err != nil {
		return nil, err
	}
	schema, err := gc.SchemaNow(ctx, db, c, server)
	if err != nil {
		return nil, err
	}
	// Another configuration, or another server, is refused in words of its own.
	if schema != planned.Schema && configuration == planned.Configuration && server.Identity == planned.Server {
		return nil, &cooper.Error{Kind: cooper.KindRefused, Where: "plan " + h.ID, Message: "declared tables, or foreign keys to handles, are others than when the scan was planned",
			Remedy: "See what is so now with cooper gc check, and scan anew: cooper gc scan"}
	}
	return server, nil
}

// GCScanned is what a scan is worth.
type GCScanned struct {
	ID       string `json:"id"`
	Complete bool   `json:"complete"`
	// Why says why it is not.
	Why       string   `json:"why,omitempty"`
	Handles   int64    `json:"handles"`
	Links     int64    `json:"links"`
	Malformed int64    `json:"malformed"`
	Unread    int64    `json:"unread"` // of Malformed, without those that were acknowledged
	Suspects  []string `json:"suspects,omitempty"`
	// Warnings are for a person: what has become less little by little.
	Warnings []string       `json:"warnings,omitempty"`
	Began    cooper.Instant `json:"began"`
	Ended    cooper.Instant `json:"ended"`
}

// conclude judges a scan whose ranges have all been read, or passed over by a person, once.
func (scans) conclude(ctx context.Context, held *held, r *Result, err error) error {
	if err == nil && r.Applied != nil && r.Applied.Open > 0 {
		r.Notes = append(r.Notes, words.Plural(int64(r.Applied.Open), "range")+" could not be read: the scan is judged once all are; cooper apply "+r.Plan.ID+" tries them again, gc scan begins anew")
		return ErrSomeFailed
	}
	if err != nil || r.Applied == nil || !r.Applied.Finished {
		return nil //nolint:nilerr // how the run ended is told already
	}
	facts := held.gcFacts()
	ended, err := facts.Scans(ctx)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(ended, func(s gcfacts.Scan) bool { return s.ID == r.Plan.ID }) {
		if err := held.judge(ctx, facts, r.Plan); err != nil {
			return err
		}
	}
	h, err := held.history(ctx)
	if err != nil {
		return err
	}
	for i := range h.Scans {
		if h.Scans[i].ID == r.Plan.ID {
			r.Scanned = scanned(&h.Scans[i])
			r.Scanned.Warnings = gc.Crept(h, &h.Scans[i])
		}
	}
	if r.Scanned == nil || !r.Scanned.Complete {
		return ErrSomeFailed
	}
	return held.drop(ctx, facts, h, r.Plan)
}

// keptScans is how many complete scans of a database stand before older ones may go.
const keptScans = 3

// drop removes the facts of scans of the same database that are older than enough complete
// ones, and do not count towards anything. It is put off while somebody reads them.
func (w *work) drop(ctx context.Context, facts *gcfacts.Store, h *gc.History, of *plan.Header) error {
	policy, err := gc.PolicyOf(of)
	if err != nil {
		return err
	}
	c, err := config.Load(policy.Scanning.Config)
	if err != nil {
		return err
	}
	s := policy.Scanning
	counted := gc.Stand(h, s.Server, gc.Digests{Configuration: s.Configuration, Schema: s.Schema}, c.Detect, w.now()).Counted
	ours := gc.History{Scans: slices.DeleteFunc(slices.Clone(h.Scans), func(x gc.Scan) bool { return x.Server != s.Server })}
	for _, id := range ours.Droppable(keptScans) {
		if slices.Contains(counted, id) {
			continue
		}
		if err := facts.Drop(ctx, id); cooper.KindOf(err) == cooper.KindLocked {
			w.tell(Aside, "facts of older scans stay until a later one: somebody reads them")
			return nil
		} else if err != nil {
			return err
		}
	}
	return nil
}

func scanned(s *gc.Scan) *GCScanned {
	x := &GCScanned{ID: s.ID, Complete: s.Complete(), Handles: s.Handles, Links: s.Links, Malformed: s.Malformed, Unread: s.Unread, Began: s.Began, Ended: s.Ended}
	for i := range s.Open {
		x.Suspects = append(x.Suspects, gc.Said(&s.Open[i]))
	}
	return x
}

// stayed wants the tables and foreign keys of a scan whose ranges have been read to be those
// that they were planned by. A configuration that is another by now does not matter to it: its
// ranges were read by the one that they were planned with.
func (w *work) stayed(ctx context.Context, h *plan.Header, p *gc.Policy) error {
	return w.owner(ctx, p.Scanning.Config, func(o *owner) error {
		_, err := unchanged(ctx, h, o.config, o.database)
		return err
	})
}

// judge writes what a scan is worth.
func (w *work) judge(ctx context.Context, facts *gcfacts.Store, h *plan.Header) (err error) {
	policy, err := gc.PolicyOf(h)
	if err != nil {
		return err
	}
	if err := w.stayed(ctx, h, &policy); err != nil {
		return err
	}
	release, err := facts.Hold(ctx)
	if err != nil {
		return err
	}
	defer finally(&err, release)
	var read *gc.Read
	var last *gc.Scan
	err = w.large(ctx, w.Memory/2, query.Sources{Workspace: w.ws.Dir()}, func(db query.Engine) error {
		before, err := gc.HistoryOf(ctx, db, w.now())
		if err != nil {
			return err
		}
		last = before.LastComplete(policy.Scanning.Server)
		read, err = gc.ReadOf(ctx, db, h, last, w.now())
		return err
	})
	if err != nil {
		return err
	}
	return facts.Finish(ctx, gc.Judge(&policy, read, last))
}

func (w *work) gcFacts() *gcfacts.Store { return gcfacts.Open(w.ws.LedgerDir()) }
