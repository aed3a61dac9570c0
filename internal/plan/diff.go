package plan

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"cooper"
)

// Difference is what one plan would do and another would not, or otherwise: of a
// version's action, First is what the first plan says and Second what the second
// says; one of them is nil where only the other has an action.
type Difference struct {
	First, Second *cooper.Action
}

// Differences counts how two plans differ, by verb.
type Differences struct {
	Same Tally `json:"same"` // actions that both have
	// First and Second are what one plan alone has. Changed are versions on which
	// both act, with another verb or other arguments, under the second's verb.
	First   map[string]Tally `json:"first"`
	Second  map[string]Tally `json:"second"`
	Changed map[string]Tally `json:"changed"`
}

// Equal tells whether both plans do the same.
func (d *Differences) Equal() bool { return len(d.First)+len(d.Second)+len(d.Changed) == 0 }

// Diff compares the actions of two plans, version by version, and calls fn for
// each difference, in the order of keys; fn's first error ends it. What an
// action's phase and shard are does not count, nor do the arguments named in
// ignore. Memory holds one shard for each phase of both plans, and the actions of one
// key. A phase whose keys are not in order is KindInvalid.
func Diff(ctx context.Context, first, second *Plan, ignore []string, fn func(Difference) error) (sum Differences, err error) {
	sum = Differences{First: map[string]Tally{}, Second: map[string]Tally{}, Changed: map[string]Tally{}}
	a, b := newByKey(ctx, first), newByKey(ctx, second)
	defer func() { err = errors.Join(err, a.close(), b.close()) }()
	d := differ{ignore: ignore, fn: fn, sum: &sum}
	for {
		key, more, err := nextKey(a, b)
		if err != nil || !more {
			return sum, err
		}
		if err := a.take(key); err != nil {
			return sum, err
		}
		if err := b.take(key); err != nil {
			return sum, err
		}
		if err := d.compare(a.actions, b.actions); err != nil {
			return sum, err
		}
	}
}

// nextKey is the smaller of the keys that come next.
func nextKey(a, b *byKey) (string, bool, error) {
	x, moreX, err := a.peek()
	if err != nil {
		return "", false, err
	}
	y, moreY, err := b.peek()
	if err != nil || !moreX {
		return y, moreY, err
	}
	if !moreY {
		return x, true, nil
	}
	return min(x, y), true, nil
}

// byKey walks over a plan key by key: its phases, which are each in the order
// of keys, side by side.
type byKey struct {
	phases  []*phaseWalk
	actions []cooper.Action // of the key that was taken
}

type phaseWalk struct {
	name    string
	where   string
	it      *Iterator
	next    *cooper.Action // nil after the last, and before the first
	started bool
}

func newByKey(ctx context.Context, p *Plan) *byKey {
	k := &byKey{}
	for i := range p.h.Phases {
		ph := &p.h.Phases[i]
		k.phases = append(k.phases, &phaseWalk{name: ph.Name, where: p.dir, it: p.phaseActions(ctx, ph)})
	}
	return k
}

func (k *byKey) close() error {
	var err error
	for _, w := range k.phases {
		err = errors.Join(err, w.it.Close())
	}
	return err
}

func (w *phaseWalk) advance() error {
	var before string
	if w.next != nil {
		before = w.next.Version.Key
	}
	w.started = true
	next, err := w.it.Next()
	if errors.Is(err, io.EOF) {
		w.next = nil
		return nil
	}
	if err == nil && next.Version.Key < before {
		return invalid(w.where, fmt.Sprintf("phase %q is not in the order of keys: %s stands behind %s, so that it cannot be compared", w.name, cooper.Quote(next.Version.Key), cooper.Quote(before)), nil)
	}
	w.next = next
	return err
}

// peek is the key that comes next.
func (k *byKey) peek() (key string, more bool, err error) {
	for _, w := range k.phases {
		if !w.started {
			if err := w.advance(); err != nil {
				return "", false, err
			}
		}
		if w.next != nil && (!more || w.next.Version.Key < key) {
			key, more = w.next.Version.Key, true
		}
	}
	return key, more, nil
}

// take collects the actions of key, if it comes next.
func (k *byKey) take(key string) error {
	k.actions = k.actions[:0]
	for _, w := range k.phases {
		for w.next != nil && w.next.Version.Key == key {
			k.actions = append(k.actions, *w.next)
			if err := w.advance(); err != nil {
				return err
			}
		}
	}
	slices.SortStableFunc(k.actions, func(a, b cooper.Action) int { return a.Version.Identity.Compare(b.Version.Identity) })
	return nil
}

// differ tells apart what two plans do with the versions of one key.
type differ struct {
	ignore []string
	fn     func(Difference) error
	sum    *Differences
}

// compare walks two lists of actions in the order of identities.
func (d *differ) compare(a, b []cooper.Action) error {
	for len(a)+len(b) > 0 {
		var id cooper.Identity
		switch {
		case len(a) == 0:
			id = b[0].Version.Identity
		case len(b) == 0 || a[0].Version.Identity.Compare(b[0].Version.Identity) <= 0:
			id = a[0].Version.Identity
		default:
			id = b[0].Version.Identity
		}
		n, m := run(a, id), run(b, id)
		if err := d.version(a[:n], b[:m]); err != nil {
			return err
		}
		a, b = a[n:], b[m:]
	}
	return nil
}

// run is how many actions from the first on are of one version.
func run(as []cooper.Action, id cooper.Identity) int {
	n := 0
	for n < len(as) && as[n].Version.Identity == id {
		n++
	}
	return n
}

// version compares the actions on one version, of which there are a few at
// most: what is the same goes, what is left is paired in order.
func (d *differ) version(a, b []cooper.Action) error {
	var left []*cooper.Action
	taken := make([]bool, len(b))
	for i := range a {
		j := 0
		for j < len(b) && (taken[j] || !d.same(&a[i], &b[j])) {
			j++
		}
		if j == len(b) {
			left = append(left, &a[i])
			continue
		}
		taken[j] = true
		d.sum.Same = d.sum.Same.Add(a[i].Version.Size)
	}
	for j := range b {
		if taken[j] {
			continue
		}
		x := Difference{Second: &b[j]}
		if len(left) > 0 {
			x.First, left = left[0], left[1:]
		}
		if err := d.tell(x); err != nil {
			return err
		}
	}
	for _, x := range left {
		if err := d.tell(Difference{First: x}); err != nil {
			return err
		}
	}
	return nil
}

func (d *differ) tell(x Difference) error {
	switch {
	case x.First == nil:
		d.sum.Second[x.Second.Verb] = d.sum.Second[x.Second.Verb].Add(x.Second.Version.Size)
	case x.Second == nil:
		d.sum.First[x.First.Verb] = d.sum.First[x.First.Verb].Add(x.First.Version.Size)
	default:
		d.sum.Changed[x.Second.Verb] = d.sum.Changed[x.Second.Verb].Add(x.Second.Version.Size)
	}
	return d.fn(x)
}

func (d *differ) same(a, b *cooper.Action) bool {
	return a.Verb == b.Verb && len(ChangedArgs(a.Args, b.Args, d.ignore)) == 0
}

// ChangedArg is an argument that two actions do not share; a value is empty where
// an action has none.
type ChangedArg struct{ Name, First, Second string }

// ChangedArgs lists the arguments in which two actions differ, by name, but for
// those that are ignored.
func ChangedArgs(a, b map[string]string, ignore []string) []ChangedArg {
	var changed []ChangedArg
	for name, v := range a {
		if w, ok := b[name]; (!ok || v != w) && !slices.Contains(ignore, name) {
			changed = append(changed, ChangedArg{name, v, w})
		}
	}
	for name, w := range b {
		if _, ok := a[name]; !ok && !slices.Contains(ignore, name) {
			changed = append(changed, ChangedArg{name, "", w})
		}
	}
	slices.SortFunc(changed, func(x, y ChangedArg) int { return strings.Compare(x.Name, y.Name) })
	return changed
}
