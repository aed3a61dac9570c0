package job

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"cooper"
	"cooper/internal/config"
	"cooper/internal/gcop"
	"cooper/internal/query"
)

// GCHistory tells what has happened to a file handle, in the order of time.
type GCHistory struct {
	// Config is the path of the configuration.
	Config string
	// Handle is its id, with KIND: in front where there are kinds.
	Handle string
}

// GCEvent is something that has happened to a handle.
type GCEvent struct {
	At     cooper.Instant `json:"at"`
	Handle string         `json:"handle"`
	// What is "changed" (From one status To another), "kept", "released", "linked", "unlinked"
	// (by hand), "asked" for, and should not have been (From is its status), or "listed" by a detection.
	What   string `json:"what"`
	From   string `json:"from,omitempty"`
	To     string `json:"to,omitempty"`
	Object string `json:"object,omitempty"`
	Type   string `json:"type,omitempty"`
	// List is the list of a detection that has it.
	List   string `json:"list,omitempty"`
	Reason string `json:"reason,omitempty"`
	Person string `json:"person,omitempty"`
	Client string `json:"client,omitempty"` // of a guard
	Count  int64  `json:"count,omitempty"`  // how often it was asked for
	Run    string `json:"run,omitempty"`    // or detection
}

// Run tells. Nothing is asked but facts; what the state has not told yet is told first.
func (g *GCHistory) Run(ctx context.Context, e *Env) (all []GCEvent, err error) {
	c, err := config.Load(g.Config)
	if err != nil {
		return nil, err
	}
	h, err := handleOf(c, g.Handle)
	if err != nil {
		return nil, err
	}
	err = e.begin(func(w *work) (err error) {
		facts := w.gcFacts()
		release, err := facts.Hold(ctx)
		if err != nil {
			return err
		}
		defer finally(&err, release)
		_, last, err := w.scansBy(ctx, g.Config)
		if err != nil {
			return err
		}
		s, err := w.openState(ctx)
		if err != nil {
			return err
		}
		finally(&err, s.Close)
		if err != nil {
			return err
		}
		add := func(x GCEvent) {
			x.Handle = gcop.Handle(h.kind, h.id)
			all = append(all, x)
		}
		at := scope(last.Server)
		changes, err := facts.FindTransitions(ctx, at, h.kind, h.id)
		if err != nil {
			return err
		}
		for _, t := range changes.First {
			add(GCEvent{At: t.Since, What: "changed", From: t.From, To: t.To, Reason: t.Reason, Run: t.Run})
		}
		if changes.Count > len(changes.First) {
			w.tell(Caution, "%d changes are not shown", changes.Count-len(changes.First))
		}
		detections, err := facts.Detections(ctx)
		if err != nil {
			return err
		}
		for i := range detections {
			d := &detections[i]
			if d.Scope != at {
				continue
			}
			listed, err := facts.FindListed(ctx, d.ID, h.kind, h.id)
			if err != nil {
				return err
			}
			for _, l := range listed {
				add(GCEvent{At: d.Made, What: "listed", List: nameOfList(l.List), Reason: l.Reason, Run: d.ID})
			}
		}
		return w.wordsAbout(ctx, at, h, add)
	})
	slices.SortStableFunc(all, func(a, b GCEvent) int { return cmp.Compare(a.At, b.At) })
	return all, err
}

// wordsAbout gives what persons have said of a handle, and who has asked a guard for it.
func (w *work) wordsAbout(ctx context.Context, at string, h handle, add func(GCEvent)) error {
	return w.large(ctx, w.Memory/4, query.Sources{Workspace: w.ws.Dir()}, func(db query.Engine) error {
		const sql = `SELECT made, CASE WHEN keep THEN 'kept' ELSE 'released' END, '', '', person, reason, '', '', 0 FROM gc_kept_by_hand WHERE scope = $1 AND kind = $2 AND id = $3
			UNION ALL SELECT made, CASE WHEN linked THEN 'linked' ELSE 'unlinked' END, object, association, person, reason, '', '', 0 FROM gc_linked_by_hand WHERE scope = $1 AND kind = $2 AND id = $3
			UNION ALL SELECT last, 'asked', '', '', '', '', status, client, count FROM gc_asked WHERE scope = $1 AND kind = $2 AND id = $3`
		return query.Each(ctx, db, sql, []any{at, h.kind, h.id}, func(row []any) error {
			var made time.Time
			var x GCEvent
			err := filled(row, &made, &x.What, &x.Object, &x.Type, &x.Person, &x.Reason, &x.From, &x.Client, &x.Count)
			x.At = cooper.InstantOf(made)
			add(x)
			return err
		})
	})
}

// Said is an event in words.
func (x *GCEvent) Said() (s string) {
	switch x.What {
	case "changed":
		s = x.From + " to " + x.To
	case "asked":
		s = "asked for by " + cmp.Or(x.Client, "somebody") + " while it was " + x.From + ": an alarm"
		if x.Count > 1 {
			s += fmt.Sprintf(" (%d times)", x.Count)
		}
	case "listed":
		s = "listed in " + x.List + " by " + x.Run
	case "linked", "unlinked":
		s = fmt.Sprintf("%s by hand, from %s", x.What, x.Object)
		if x.Type != "" {
			s += " (" + x.Type + ")"
		}
	default:
		s = x.What + " by hand"
	}
	if x.Reason != "" {
		s += ": " + x.Reason
	}
	if x.Person != "" {
		s += ", says " + x.Person
	}
	return s
}
