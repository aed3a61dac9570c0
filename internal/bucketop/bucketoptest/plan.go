// Package bucketoptest is what tests of both sides of a bucket's plans share:
// a plan in memory, that missions write and apply reads, and outcomes in short.
//
// It promises that a plan is read back as it was written, and that it has shards
// where a plan on disk could have them. It knows neither stores nor verbs, so that missions
// can be tested with it; the world in which verbs work is in verb/verbtest. Nothing
// but tests imports it.
package bucketoptest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"cooper"
	"cooper/internal/plan"
)

// Plan is a plan in memory. The zero value is empty, and takes what a mission
// writes.
type Plan struct {
	Actions []cooper.Action
	Cuts    []bool // whether a shard may end before an action; as many
	Head    plan.Header
	// Size is how many actions a shard has, if it may be cut there; all if 0.
	Size int

	begins []int // the first action of each phase
}

// Phase is a Writer's.
func (p *Plan) Phase(name string) error {
	for _, ph := range p.Head.Phases {
		if ph.Name == name {
			return fmt.Errorf("phase %s: there is one already", name)
		}
	}
	p.Head.Phases, p.begins = append(p.Head.Phases, plan.Phase{Name: name}), append(p.begins, len(p.Actions))
	return nil
}

// Add is a Writer's: it numbers the actions.
func (p *Plan) Add(a cooper.Action, cut bool) error {
	a.ID = int64(len(p.Actions))
	p.Actions, p.Cuts = append(p.Actions, a), append(p.Cuts, cut)
	return nil
}

// Finish is a Writer's: it fills in what is counted.
func (p *Plan) Finish(h plan.Header) (plan.Header, error) {
	h.Phases, h.Totals = p.Head.Phases, map[string]plan.Tally{}
	for i := range p.Actions {
		a := &p.Actions[i]
		h.Totals[a.Verb] = h.Totals[a.Verb].Add(a.Version.Size)
	}
	for i := range h.Phases {
		from, to := p.phase(i)
		h.Phases[i].Shards, h.Phases[i].Count = len(p.shardsOf(from, to)), int64(to-from)
	}
	p.Head = h
	return h, nil
}

// Header is what Finish was given, completed.
func (p *Plan) Header() plan.Header { return p.Head }

// Verify finds nothing: memory is what it is.
func (p *Plan) Verify(context.Context) error { return nil }

// Shard gives the actions of a shard.
func (p *Plan) Shard(_ context.Context, n int) ([]cooper.Action, error) {
	return slices.Clone(p.shards()[n]), nil
}

// phase gives the actions of a phase, from the first to the one behind the last.
func (p *Plan) phase(i int) (from, to int) {
	if i+1 < len(p.begins) {
		return p.begins[i], p.begins[i+1]
	}
	return p.begins[i], len(p.Actions)
}

func (p *Plan) shards() (all [][]cooper.Action) {
	for i := range p.begins {
		all = append(all, p.shardsOf(p.phase(i))...)
	}
	return all
}

func (p *Plan) shardsOf(from, to int) (all [][]cooper.Action) {
	first := from
	for i := from; i < to; i++ {
		if i > first && p.Cuts[i] && p.Size > 0 && i-from >= p.Size {
			all, from = append(all, p.Actions[from:i]), i
		}
	}
	if from < to {
		all = append(all, p.Actions[from:to])
	}
	return all
}

// Skipped tells in short how many versions were left alone, and why.
func (p *Plan) Skipped() string {
	var parts []string
	for _, why := range slices.Sorted(maps.Keys(p.Head.Skipped)) {
		parts = append(parts, fmt.Sprintf("%d %s", p.Head.Skipped[why].Count, why))
	}
	return strings.Join(parts, ", ")
}

// Accounted is how many versions a plan speaks of.
func (p *Plan) Accounted() int64 {
	n := p.Head.Unchanged.Count + int64(len(p.Actions))
	for _, x := range p.Head.Skipped {
		n += x.Count
	}
	return n
}

// Statuses are outcomes in short: their status, or the kind of what failed.
func Statuses(outs []cooper.Outcome) string {
	var parts []string
	for _, o := range outs {
		s := string(o.Status)
		if o.Status == cooper.Failed {
			s = string(o.Kind)
		}
		parts = append(parts, s)
	}
	return strings.Join(parts, " ")
}
