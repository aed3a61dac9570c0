package job

import (
	"context"

	"cooper"
	"cooper/internal/config"
	"cooper/internal/gcop"
	"cooper/internal/gcstate"
	"cooper/internal/ledger/gcfacts"
)

// explaining is a handle that is being looked up.
type explaining struct {
	*work
	config   *config.Config
	facts    *gcfacts.Store
	kind, id string
	last     *gcfacts.Scan
	all      []gcfacts.Scan // of the database, the newest first
	r        *GCHandle
}

// mostScans is how many scans are told of.
const mostScans = 5

// scans finds those of the database.
func (x *explaining) scans(ctx context.Context, path string) (*gcfacts.Scan, error) {
	all, last, err := x.scansBy(ctx, path)
	if err != nil {
		return nil, err
	}
	for i := len(all) - 1; i >= 0 && len(x.all) < mostScans; i-- {
		if all[i].Server == last.Server {
			x.all = append(x.all, all[i])
		}
	}
	return last, nil
}

func (x *explaining) handle(ctx context.Context) error {
	found, err := x.facts.FindHandles(ctx, x.last.ID, x.kind, x.id)
	if err != nil || found.Count == 0 {
		return err
	}
	h := &found.First[0]
	x.r.There, x.r.Bucket, x.r.Key, x.r.Size, x.r.Modified, x.r.Created, x.r.Owner = true, h.Bucket, h.Key, h.Size, h.Modified, h.Created, h.Status
	if h.Modified == 0 {
		x.r.Unknown = append(x.r.Unknown, "when it was modified: it counts as young")
	}
	if h.Size < 0 {
		x.r.Unknown = append(x.r.Unknown, "how large it is")
	}
	return nil
}

// links tells which scans have seen a link, and where.
func (x *explaining) links(ctx context.Context) error {
	for i := range x.all {
		s := &x.all[i]
		seen := GCSeen{Scan: s.ID, Began: s.Began, Complete: s.Complete, There: x.r.There && s.ID == x.last.ID}
		if s.ID != x.last.ID {
			found, err := x.facts.FindHandles(ctx, s.ID, x.kind, x.id)
			if err != nil {
				return err
			}
			seen.There = found.Count > 0
		}
		if err := x.linksOf(ctx, &seen, x.kind, x.id, x.r.Bucket, x.r.Key); err != nil {
			return err
		}
		x.r.Scans = append(x.r.Scans, seen)
	}
	return nil
}

func (x *explaining) linksOf(ctx context.Context, seen *GCSeen, kind, id, bucket, key string) error {
	byID, err := x.facts.FindLinks(ctx, seen.Scan, kind, id)
	if err != nil {
		return err
	}
	var byKey gcfacts.Found[gcfacts.FoundLink]
	if key != "" && x.byKey() {
		if byKey, err = x.facts.FindLinksByKey(ctx, seen.Scan, kind, bucket, key); err != nil {
			return err
		}
	}
	seen.Links = byID.Count + byKey.Count
	for i, l := range append(byID.First, byKey.First...) {
		if len(seen.From) < mostFrom {
			seen.From = append(seen.From, GCLinkFrom{l.Association, l.Object, i >= len(byID.First)})
		}
	}
	return nil
}

// mostFrom is of how many links it is told where they stand.
const mostFrom = 20

// byKey tells whether there may be links by key.
func (x *explaining) byKey() bool {
	for _, a := range x.config.Associations {
		if a.Holds == config.Key || a.Addresses() {
			return true
		}
	}
	return false
}

// around tells what holds it, what it is made from, what is made from it, and who else has its
// object.
func (x *explaining) around(ctx context.Context) error {
	holds, err := x.facts.FindHolds(ctx, x.last.ID, x.kind, x.id)
	if err != nil {
		return err
	}
	for _, h := range holds.First {
		x.r.Holds = append(x.r.Holds, GCHeldBy{h.Role, h.Table})
	}
	sources, err := x.facts.FindSources(ctx, x.last.ID, x.kind, x.id)
	if err != nil {
		return err
	}
	for _, d := range sources.First {
		x.r.Sources = append(x.r.Sources, GCDerived{d.Name, gcop.Handle(d.Kind, d.Source)})
	}
	derived, err := x.facts.FindDerived(ctx, x.last.ID, x.kind, x.id)
	if err != nil {
		return err
	}
	for _, d := range derived.First {
		x.r.Derived = append(x.r.Derived, GCDerived{d.Name, gcop.Handle(d.Kind, d.ID)})
	}
	if x.r.Key == "" {
		return nil
	}
	siblings, err := x.facts.FindSiblings(ctx, x.last.ID, x.r.Bucket, x.r.Key)
	if err != nil {
		return err
	}
	for i := range siblings.First {
		h := &siblings.First[i]
		if name := gcop.Handle(h.Kind, h.ID); name != x.r.Handle && len(x.r.Siblings) < mostFrom {
			links, err := x.facts.FindLinks(ctx, x.last.ID, h.Kind, h.ID)
			if err != nil {
				return err
			}
			x.r.Siblings = append(x.r.Siblings, GCSibling{name, links.Count})
		}
	}
	return nil
}

// status tells what it is, and how that came.
func (x *explaining) status(ctx context.Context) error {
	at := gcstate.Handle{Scope: scope(x.last.Server), Kind: x.kind, ID: x.id}
	err := x.withState(ctx, func(s gcstate.State) error {
		records, err := s.Get(ctx, []gcstate.Handle{at})
		if err == nil && len(records) == 1 {
			rec := &records[0]
			x.r.Status, x.r.Since, x.r.Reason, x.r.Run = string(rec.Status), rec.Since, rec.Reason, rec.Run
		}
		return err
	})
	if err != nil {
		return err
	}
	// What was changed since the scan is newer than what its owner said then.
	if h := x.config.Kind(x.kind); h != nil && h.Status != nil && x.r.Owner != "" && x.r.Since <= x.last.Clock {
		switch said := h.Status.State(x.r.Owner); {
		case said == "":
			x.r.Status = ""
			x.r.Unknown = append(x.r.Unknown, "what its owner's status "+cooper.Quote(x.r.Owner)+" means: it is left alone")
		case gcstate.Status(said) != gcstate.Available:
			x.r.Status = string(gcstate.Said(gcstate.Status(said), gcstate.Status(x.r.Status)))
		}
	}
	changes, err := x.facts.FindTransitions(ctx, at.Scope, x.kind, x.id)
	if err != nil {
		return err
	}
	for _, t := range changes.First {
		x.r.History = append(x.r.History, GCChange{t.From, t.To, t.Since, t.Reason, t.Run})
	}
	return nil
}
