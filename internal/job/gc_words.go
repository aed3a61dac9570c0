package job

import (
	"context"
	"path/filepath"
	"slices"
	"strings"

	"cooper"
	"cooper/internal/config"
	"cooper/internal/gc"
	"cooper/internal/gcop"
	"cooper/internal/handleid"
	"cooper/internal/ledger/gcfacts"
	"cooper/internal/plan"
)

// GCKeep takes note, with a person's name, that handles are to be kept although nothing links
// to them, or no longer are.
type GCKeep struct {
	// Config is the path of the configuration.
	Config string
	// Handles are their ids, with KIND: in front where there are kinds.
	Handles []string
	// Release takes back that they are kept.
	Release        bool
	Person, Reason string
}

// GCSaid is what was taken note of.
type GCSaid struct {
	Handles []string       `json:"handles"`
	At      cooper.Instant `json:"at"`
	// Registry is the table of the owner's that it was written to; empty: it is a fact in the ledger.
	Registry string `json:"registry,omitempty"`
}

// Run takes note. What the newest scan does not know is not kept: it may be a slip of the pen.
func (k *GCKeep) Run(ctx context.Context, e *Env) (r GCSaid, err error) {
	err = e.begin(func(w *work) error {
		named, err := w.named(ctx, k.Config, k.Handles, !k.Release)
		if err != nil {
			return err
		}
		r.At = w.now()
		var all []gcfacts.KeptByHand
		for _, h := range named.handles {
			all = append(all, gcfacts.KeptByHand{Scope: named.scope, Kind: h.kind, ID: h.id, Keep: !k.Release, Person: k.Person, Reason: k.Reason, Made: r.At})
			r.Handles = append(r.Handles, gcop.Handle(h.kind, h.id))
		}
		return w.gcFacts().KeepByHand(ctx, all)
	})
	return r, err
}

// named are handles that a person has named, of one scope.
type named struct {
	scope   string
	handles []handle
}

type handle struct{ kind, id string }

// named finds what a person has named; there: the newest scan has to know it.
func (w *work) named(ctx context.Context, path string, texts []string, there bool) (n named, err error) {
	c, err := config.Load(path)
	if err != nil {
		return n, err
	}
	facts := w.gcFacts()
	release, err := facts.Hold(ctx)
	if err != nil {
		return n, err
	}
	defer finally(&err, release)
	_, last, err := w.scansBy(ctx, path)
	if err != nil {
		return n, err
	}
	n.scope = scope(last.Server)
	var strange []string
	for _, text := range texts {
		h, err := handleOf(c, text)
		if err != nil {
			return n, err
		}
		if slices.Contains(n.handles, h) {
			continue
		}
		n.handles = append(n.handles, h)
		if !there {
			continue
		}
		found, err := facts.FindHandles(ctx, last.ID, h.kind, h.id)
		if err != nil {
			return n, err
		}
		if found.Count == 0 {
			strange = append(strange, cooper.Quote(text))
		}
	}
	if len(strange) > 0 {
		return n, &cooper.Error{Kind: cooper.KindMissing, Where: strings.Join(strange, ", "), Message: "the newest scan, " + last.ID + ", has no such handle; nothing was written",
			Remedy: "See that the id is right. A handle that was made since has to be scanned first: cooper gc scan"}
	}
	return n, nil
}

// handleOf is the kind and the normal form of the id that a person has given.
func handleOf(c *config.Config, text string) (handle, error) {
	h := handle{c.Handles[0].Kind, text}
	for _, k := range c.Handles {
		if rest, of := strings.CutPrefix(text, k.Kind+":"); of && k.Kind != "" {
			h = handle{k.Kind, rest}
		}
	}
	if h.id == "" {
		return h, usage("no handle is named", "Give its id, or KIND:id.")
	}
	if normal, reason := handleid.Any.Parse(h.id); reason == "" {
		h.id = normal
	}
	return h, nil
}

// scansBy gives all scans that have ended, and the newest of them by a configuration.
func (w *work) scansBy(ctx context.Context, path string) (all []gcfacts.Scan, last *gcfacts.Scan, err error) {
	if path, err = filepath.Abs(path); err != nil {
		return nil, nil, err
	}
	if all, err = w.gcFacts().Scans(ctx); err != nil {
		return nil, nil, err
	}
	for i := range slices.Backward(all) {
		p, err := plan.Open(w.ws.PlanDir(all[i].ID))
		if err != nil {
			return nil, nil, err
		}
		header := p.Header()
		policy, err := gc.PolicyOf(&header)
		if err != nil {
			return nil, nil, err
		}
		if policy.Scanning.Config == path {
			return all, &all[i], nil
		}
	}
	return nil, nil, noScan(path)
}
