package job

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"time"

	"cooper"
	"cooper/internal/gcop"
	"cooper/internal/hook"
	"cooper/internal/ledger/gcfacts"
)

// GCEvents tells what has happened to handles: each change of a status, and each alarm of a guard, in the
// order of time as far as it is known by then. An event comes at least once, always under the same id.
type GCEvents struct {
	// Follow goes on as long as ctx does.
	Follow bool
	// Since leaves out what is older; 0 leaves out nothing.
	Since cooper.Instant
	// Consumer names who is told: what he has taken he is not told again. Empty: nobody keeps a place.
	Consumer string
	// URL or Command take each event, instead of Each. Secret is what events to a URL are signed with.
	URL     string
	Secret  string
	Command []string
	// Each is told of each event.
	Each func(*GCTold) error

	// Wait waits between two looks, and between two attempts; for tests.
	Wait func(ctx context.Context, d time.Duration) error
}

// The values of GCTold.Type.
const (
	EventStatus = "status" // the status of a handle has changed
	EventAsked  = "asked"  // a guard was asked for a handle that nothing links to any more
)

// GCTold is an event. What its type does not have is empty.
type GCTold struct {
	ID     string         `json:"id"`
	At     cooper.Instant `json:"at"`
	Type   string         `json:"type"`
	Scope  string         `json:"scope"`
	Handle string         `json:"handle"` // KIND:ID, or ID where there is one kind without a name
	From   string         `json:"from"`   // the status before; empty of an alarm
	To     string         `json:"to"`     // the status, also of an alarm
	Reason string         `json:"reason"`
	Run    string         `json:"run"`
	Client string         `json:"client"` // who has asked
	Count  int64          `json:"count"`  // how often, up to At
}

// lookEvery is how often is looked for new events.
const lookEvery = time.Second

// untoldEvery is in how many looks one is at what a state has not told.
const untoldEvery = 60

// giveUp is in how many attempts, where nobody follows.
const giveUp = 6

// Run tells.
func (g *GCEvents) Run(ctx context.Context, e *Env) error {
	if g.Consumer != "" && !aConsumer.MatchString(g.Consumer) {
		return usage("this is no name of a consumer: "+cooper.Quote(g.Consumer), "Use letters, digits, and . _ - behind the first.")
	}
	if (g.URL != "" || len(g.Command) > 0) && g.Consumer == "" {
		return usage("whoever is told by a hook keeps a place, and that has no name", "Give --consumer NAME.")
	}
	if g.Wait == nil {
		g.Wait = wait
	}
	return e.begin(func(w *work) (err error) {
		h, done, err := g.hook(e)
		if err != nil {
			return err
		}
		defer finally(&err, done)
		t := &telling{g: g, work: w, facts: w.gcFacts(), hook: h, at: placesOfTelling{}}
		if g.Consumer != "" {
			release, err := t.load(filepath.Join(w.ws.Dir(), "events", g.Consumer+".json"))
			if err != nil {
				return err
			}
			defer finally(&err, release)
		}
		return t.all(ctx)
	})
}

var aConsumer = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}

// hook is who takes events; nil: Each does.
func (g *GCEvents) hook(e *Env) (hook.Hook, func() error, error) {
	switch {
	case g.URL != "":
		web, err := hook.NewWeb(g.URL, []byte(g.Secret), e.Clock)
		if err != nil {
			return nil, nil, err
		}
		return web, web.Close, nil
	case len(g.Command) > 0:
		return &hook.Program{Command: g.Command}, func() error { return nil }, nil
	}
	return nil, func() error { return nil }, nil
}

// placeOfTelling is how far one source has been told: whole files, and rows of the next.
type placeOfTelling struct {
	Files int `json:"files"`
	Rows  int `json:"rows,omitempty"`
}

type placesOfTelling map[string]placeOfTelling

// telling is under way.
type telling struct {
	*work
	g     *GCEvents
	facts *gcfacts.Store
	hook  hook.Hook
	at    placesOfTelling
	path  string // where the places of a consumer are kept
	moved int    // events since they were
}

// all tells what there is, and what comes, if that is wanted. That the one who follows stops is no error.
func (t *telling) all(ctx context.Context) (err error) {
	defer func() {
		err = errors.Join(err, t.save())
	}()
	for look := 0; ; look++ {
		var err error
		if look%untoldEvery == 0 {
			err = t.untold(ctx)
		}
		if err == nil {
			err = t.present(ctx)
		}
		if err == nil && t.g.Follow {
			if t.moved > 0 {
				err = t.save()
			}
			if err == nil {
				err = t.g.Wait(ctx, lookEvery)
			}
		}
		switch {
		case t.g.Follow && ctx.Err() != nil:
			return nil
		case err != nil || !t.g.Follow:
			return err
		}
	}
}

// untold has a state tell what it has not told yet: whoever changed it and was killed.
func (t *telling) untold(ctx context.Context) error {
	state, err := t.openState(ctx)
	if err != nil {
		return err
	}
	return state.Close()
}

// source is what one state or guard has told and is not yet handed on; its files are read one at a time.
type source struct {
	files  []gcfacts.Told
	events []GCTold // of the first file
}

// present tells what there is by now, merged by time.
func (t *telling) present(ctx context.Context) error {
	past := map[string]int{}
	for name, p := range t.at {
		past[name] = p.Files
	}
	files, err := t.facts.Numbers(past)
	if err != nil {
		return err
	}
	var sources []*source
	for i := range files {
		if n := len(sources); n == 0 || sources[n-1].files[0].Source() != files[i].Source() {
			sources = append(sources, &source{})
		}
		s := sources[len(sources)-1]
		s.files = append(s.files, files[i])
	}
	for {
		var next *source
		for _, s := range sources {
			if err := t.fill(ctx, s); err != nil {
				return err
			}
			if len(s.events) > 0 && (next == nil || s.events[0].At < next.events[0].At) {
				next = s
			}
		}
		if next == nil {
			return nil
		}
		if err := t.hand(ctx, &next.events[0]); err != nil {
			return err
		}
		next.events = next.events[1:]
		name := next.files[0].Source()
		p := t.at[name]
		p.Rows++
		t.at[name] = p
		t.past(next)
		if t.moved++; t.moved >= 100 {
			if err := t.save(); err != nil {
				return err
			}
		}
	}
}

// past leaves a file behind of which all was told.
func (t *telling) past(s *source) {
	if len(s.events) == 0 {
		t.at[s.files[0].Source()] = placeOfTelling{Files: s.files[0].Number}
		s.files = s.files[1:]
	}
}

// fill reads the next file of a source, if there is one and nothing is left of the one before.
func (t *telling) fill(ctx context.Context, s *source) error {
	for len(s.events) == 0 && len(s.files) > 0 {
		f := &s.files[0]
		if err := t.facts.ReadTold(ctx, f); err != nil {
			return err
		}
		s.events = eventsOf(f)
		f.Transitions, f.Asked = nil, nil
		s.events = s.events[min(t.at[f.Source()].Rows, len(s.events)):]
		t.past(s)
	}
	return nil
}

// eventsOf are those of a file, in the order in which they happened.
func eventsOf(f *gcfacts.Told) (all []GCTold) {
	for i := range f.Transitions {
		x := &f.Transitions[i]
		all = append(all, GCTold{ID: x.ID, At: x.Since, Type: EventStatus, Scope: x.Scope, Handle: gcop.Handle(x.Kind, x.Handle), From: x.From, To: x.To, Reason: x.Reason, Run: x.Run})
	}
	for i := range f.Asked {
		x := &f.Asked[i]
		all = append(all, GCTold{ID: x.ID, At: x.Last, Type: EventAsked, Scope: x.Scope, Handle: gcop.Handle(x.Kind, x.Handle), To: x.Status, Reason: "asked for, and nothing links to it", Run: f.Who, Client: x.Client, Count: x.Count})
	}
	slices.SortStableFunc(all, func(a, b GCTold) int { return int(max(-1, min(1, a.At-b.At))) })
	return all
}

// hand hands an event on.
func (t *telling) hand(ctx context.Context, x *GCTold) error {
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case x.At < t.g.Since:
		return nil
	case t.hook == nil:
		return t.g.Each(x)
	}
	body, err := json.Marshal(x)
	if err != nil {
		return err
	}
	p := hook.Patience{Attempts: giveUp, Wait: t.g.Wait, Failed: func(err error, next time.Duration) {
		t.tell(Caution, "event %s: %v; tried again in %s", x.ID, err, next)
	}}
	if t.g.Follow {
		p.Attempts = 0
	}
	return hook.Hand(ctx, t.hook, x.ID, body, p)
}

// Said is an event in words.
func (x *GCTold) Said() string {
	s := x.Handle + ": " + x.From + " to " + x.To
	switch {
	case x.Type == EventAsked:
		s = x.Handle + ": ALARM: it is " + x.To + ", and was asked for"
		if x.Count > 1 {
			s += fmt.Sprintf(" %d times", x.Count)
		}
		if x.Client != "" {
			s += " by " + x.Client
		}
		return s
	case x.From == x.To:
		s = x.Handle + ": " + x.To
	}
	if x.Reason != "" {
		s += ": " + x.Reason
	}
	return s
}
