package verbtest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"cooper"
	"cooper/internal/bucketop"
	"cooper/internal/gcstate"
	"cooper/internal/permit"
	"cooper/internal/plan"
)

// What follows is for verbs by which handles change, as objects move into an archive, back out of it, or go from it: a state in
// memory, an owner's column of status, and what an archive bucket is called.
const (
	// Scope is that of all handles.
	Scope = "uuid/db"
	// Depot is the archive bucket.
	Depot = "depot"
	// Lately is since when handles are what they are at the beginning.
	Lately = cooper.Instant(7)
)

// Handle is one by its id.
func Handle(id string) gcstate.Handle { return gcstate.Handle{Scope: Scope, ID: id} }

// IDs are those of handles, with blanks between them.
func IDs(hs []gcstate.Handle) string {
	var ids []string
	for _, h := range hs {
		ids = append(ids, h.ID)
	}
	return strings.Join(ids, " ")
}

// State is one in memory that writes down what happens to it.
type State struct {
	gcstate.State

	World   *World
	Records map[gcstate.Handle]gcstate.Record
	// Waiting are changes that nobody was told of yet, Heard the others.
	Waiting, Heard []string
	// Changed is told of each record that has changed, and of each value of the column; may be nil.
	Changed func(gcstate.Record)
}

// NewState makes an empty one.
func NewState(w *World) *State {
	return &State{World: w, Records: map[gcstate.Handle]gcstate.Record{}}
}

// Get is gcstate.State's.
func (s *State) Get(_ context.Context, hs []gcstate.Handle) (all []gcstate.Record, err error) {
	s.World.Alone(func() {
		for _, h := range hs {
			all = append(all, s.Of(h))
		}
	})
	return all, nil
}

// Of is what is known of a handle.
func (s *State) Of(h gcstate.Handle) gcstate.Record {
	if r, ok := s.Records[h]; ok {
		return r
	}
	return gcstate.Record{Handle: h, Status: gcstate.Available}
}

// Change is gcstate.State's.
func (s *State) Change(_ context.Context, changes []gcstate.Change) (results []gcstate.Result, err error) {
	var words []string
	for _, c := range changes {
		words = append(words, fmt.Sprintf("%s %s>%s", c.ID, c.From, c.To))
	}
	err = s.World.Happens("state "+strings.Join(words, ", "), func() {
		for i, c := range changes {
			r := s.Of(c.Handle)
			changed := r.Status == c.From && r.Since == c.Since
			if changed {
				r.Before, r.Status, r.Since, r.Reason, r.Run = r.Status, c.To, max(c.At, r.Since+1), c.Reason, c.Run
				s.Records[c.Handle] = r
				s.Waiting = append(s.Waiting, words[i])
				if s.Changed != nil {
					s.Changed(r)
				}
			}
			results = append(results, gcstate.Result{Changed: changed, Now: r})
		}
	})
	return results, err
}

// Tell tells what nobody was told of yet.
func (s *State) Tell(context.Context) error {
	if len(s.Waiting) == 0 {
		return nil
	}
	return s.World.Happens("tell", func() { s.Heard, s.Waiting = append(s.Heard, s.Waiting...), nil })
}

// Column is an owner's column of status.
type Column struct {
	State    *State
	Statuses map[gcstate.Handle]gcstate.Status
	// At is called before each step, alone, with its first word; may be nil.
	At func(step string)
}

// NewColumn makes an empty one.
func NewColumn(s *State) *Column {
	return &Column{State: s, Statuses: map[gcstate.Handle]gcstate.Status{}}
}

// Step is something that happens at the owner's.
func (c *Column) Step(line string, it func()) error {
	return c.State.World.Happens("owner "+line, func() {
		if c.At != nil {
			word, _, _ := strings.Cut(line, " ")
			c.At(word)
		}
		it()
	})
}

// Set compares and sets.
func (c *Column) Set(_ context.Context, hs []gcstate.Handle, from, to gcstate.Status) ([]gcstate.Status, error) {
	return c.Swap(fmt.Sprintf("set %s %s>%s", IDs(hs), from, to), hs, from, to)
}

// Swap is Set under another line.
func (c *Column) Swap(line string, hs []gcstate.Handle, from, to gcstate.Status) (now []gcstate.Status, err error) {
	err = c.Step(line, func() {
		for _, h := range hs {
			if c.Statuses[h] == from {
				c.Statuses[h] = to
				if c.State.Changed != nil {
					c.State.Changed(gcstate.Record{Handle: h, Status: to})
				}
			}
			now = append(now, c.Statuses[h])
		}
	})
	return now, err
}

// Is makes handles what they are, in the state and at the owner's.
func (c *Column) Is(s gcstate.Status, ids ...string) {
	for _, id := range ids {
		h := Handle(id)
		c.State.Records[h] = gcstate.Record{Handle: h, Status: s, Since: Lately, Before: gcstate.Available, Reason: "so"}
		c.Statuses[h] = s
	}
}

// Tells are what handles are, in the state and at the owner's.
func (c *Column) Tells() string {
	var all []string
	for _, h := range slices.SortedFunc(maps.Keys(c.Statuses), func(a, b gcstate.Handle) int { return strings.Compare(a.ID, b.ID) }) {
		all = append(all, fmt.Sprintf("%s %s/%s", h.ID, c.State.Of(h).Status, c.Statuses[h]))
	}
	return strings.Join(all, ", ")
}

// Removes is a verb that removes.
type Removes interface {
	Begin(ctx context.Context, p permit.Permit, h plan.Header) error
	Remove(ctx context.Context, p permit.Permit, actions []cooper.Action, outs []cooper.Outcome) error
}

// Remover is what job makes of one.
type Remover struct {
	Removes
	Compares bool // the ETags of null versions, which the store is to be seen doing
}

// Begin begins with a probe, if it compares.
func (r Remover) Begin(ctx context.Context, p permit.Permit, h plan.Header) error {
	h.Estimate.Requests = map[string]int64{}
	if r.Compares {
		h.Estimate.Requests[bucketop.ClassProbe] = 1
	}
	return r.Removes.Begin(ctx, p, h)
}

// Must ends a test at an error.
func Must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Want compares.
func Want(t testing.TB, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s:\n%s\nwant\n%s", what, got, want)
	}
}
