package job

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"cooper"
	"cooper/internal/gc"
	"cooper/internal/gc/detect"
	"cooper/internal/gcop"
	"cooper/internal/gcstate"
	"cooper/internal/plan"
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
