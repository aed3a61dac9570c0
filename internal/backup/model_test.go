package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"
	"strings"

	"cooper"
	"cooper/internal/inventory"
	"cooper/internal/plan"
	"cooper/internal/tree/catalog"
	"cooper/internal/treeop"
)

// snap is a snapshot in memory.
type snap struct {
	meta     inventory.Meta
	versions []cooper.Version
	rejected []string
}

func (s *snap) Meta() inventory.Meta { return s.meta }

func (s *snap) Versions(_ context.Context, prefix string) inventory.Iterator {
	vs := slices.DeleteFunc(slices.Clone(s.versions), func(v cooper.Version) bool { return !cooper.HasPrefix(v.Key, prefix) })
	slices.SortStableFunc(vs, func(a, b cooper.Version) int { return a.Compare(&b) })
	return &versionList{vs: vs}
}

func (s *snap) RejectedKeys(context.Context) Keys {
	keys := slices.Sorted(slices.Values(s.rejected))
	return &keyList{keys: slices.Compact(keys)}
}

type versionList struct {
	vs  []cooper.Version
	one cooper.Version // what Next gave last: overwritten, as the contract allows
}

func (l *versionList) Next() (*cooper.Version, error) {
	if len(l.vs) == 0 {
		return nil, io.EOF
	}
	l.one, l.vs = l.vs[0], l.vs[1:]
	return &l.one, nil
}

func (l *versionList) Close() error { return nil }

type keyList struct{ keys []string }

func (l *keyList) Next() (string, error) {
	if len(l.keys) == 0 {
		return "", io.EOF
	}
	k := l.keys[0]
	l.keys = l.keys[1:]
	return k, nil
}

func (l *keyList) Close() error { return nil }

type rowList struct {
	rows []catalog.Row
	one  catalog.Row
}

func (l *rowList) Next() (*catalog.Row, error) {
	if len(l.rows) == 0 {
		return nil, io.EOF
	}
	// The memory of Shown and Hash is used again, as the contract allows.
	shown, hash := l.one.Shown[:0], l.one.Hash[:0]
	l.one = l.rows[0]
	l.one.Shown, l.one.Hash = append(shown, l.one.Shown...), append(hash, l.one.Hash...)
	l.rows = l.rows[1:]
	return &l.one, nil
}

func (l *rowList) Close() error { return nil }

// model is a tree in memory, on which plans are carried out as verbs, tree and
// catalog do together.
type model struct {
	rows    map[cooper.Identity]catalog.Row
	state   catalog.State
	fetched map[cooper.Identity]int // successful downloads
}

func newModel() *model {
	return &model{rows: map[cooper.Identity]catalog.Row{}, fetched: map[cooper.Identity]int{}}
}

func (m *model) State() catalog.State { return m.state }

func (m *model) Rows(_ context.Context, prefix string) catalog.Iterator {
	return &rowList{rows: m.sorted(prefix)}
}

func (m *model) sorted(prefix string) []catalog.Row {
	var rows []catalog.Row
	for _, r := range m.rows {
		if cooper.HasPrefix(r.Key, prefix) {
			rows = append(rows, r)
		}
	}
	slices.SortFunc(rows, func(a, b catalog.Row) int { return a.Identity.Compare(b.Identity) })
	return rows
}

// mirror is what the tree shows.
func (m *model) mirror() map[string]cooper.Identity {
	shown := map[string]cooper.Identity{}
	for id, r := range m.rows {
		if r.Place == catalog.Mirror {
			shown[id.Key] = id
		}
	}
	return shown
}

// carryOut applies the actions; fail gives the outcome of those that are not
// to succeed.
func (m *model) carryOut(h plan.Header, actions []cooper.Action, fail func(a *cooper.Action) cooper.Kind) error {
	outs := make([]cooper.Outcome, len(actions))
	for i := range actions {
		outs[i] = outcomeOf(&actions[i], fail)
	}
	if err := treeop.Settle(actions, outs); err != nil {
		return err
	}
	failed := false
	for i := range actions {
		failed = failed || outs[i].Status == cooper.Failed
		if err := m.carry(&actions[i], outs[i]); err != nil {
			return fmt.Errorf("%s %s %s: %w", actions[i].Verb, actions[i].Version.Key, actions[i].Version.VersionID, err)
		}
	}
	perKey := map[string]int{}
	for _, r := range m.rows {
		if r.Place == catalog.Mirror {
			if perKey[r.Key]++; perKey[r.Key] > 1 {
				return fmt.Errorf("two versions of %s in the mirror", r.Key)
			}
		}
	}
	if s := h.Snapshot; s != nil {
		m.state.Observed = append(m.state.Observed, catalog.Observed{
			ID: s.ID, TakenAt: s.TakenAt, Bucket: s.Bucket, Prefix: s.Scope.Prefix, CurrentOnly: s.Scope.CurrentOnly,
			Complete: s.Complete, Finished: !h.Partial,
		})
		m.state.Pinned = nil
		if h.Mission == MissionRollback {
			m.state.Pinned = &catalog.Pin{Snapshot: s.ID, TakenAt: s.TakenAt}
		}
	}
	m.state.Generation++
	return nil
}

func outcomeOf(a *cooper.Action, fail func(a *cooper.Action) cooper.Kind) cooper.Outcome {
	out := cooper.Outcome{Action: a.ID, Verb: a.Verb, Identity: a.Version.Identity, Status: cooper.Done, At: 86_400_000}
	switch a.Verb {
	case treeop.Defer, treeop.Unarchive:
		out.Status, out.Kind = cooper.Deferred, cooper.KindArchived
	case treeop.Fetch:
		out.Check, out.Method = cooper.Verified, "md5"
	}
	if kind := fail(a); kind != "" && a.Verb != treeop.Record {
		out.Status, out.Kind, out.Check, out.Method = cooper.Failed, kind, "", ""
	}
	return out
}

func (m *model) carry(a *cooper.Action, out cooper.Outcome) error {
	before, err := treeop.Before(*a)
	if err != nil {
		return err
	}
	if known, ok := m.rows[before.Identity]; ok && !reflect.DeepEqual(known, before) {
		return fmt.Errorf("the plan says the row was %+v, it is %+v", before, known)
	} else if !ok && (before.FirstSeen != 0 || before.Place != catalog.Nowhere) {
		return errors.New("the plan knows a row that is not there")
	}
	after, err := treeop.Apply(before, *a, out)
	if err != nil {
		return err
	}
	if !slices.IsSorted(after.Shown) {
		return fmt.Errorf("shown runs backwards: %v", after.Shown)
	}
	if a.Verb == treeop.Fetch && out.Status == cooper.Done {
		if sound(&before) {
			return errors.New("fetched what is there")
		}
		m.fetched[a.Version.Identity]++
	}
	delete(m.rows, before.Identity)
	if after.Dropped {
		m.state.Forgotten = max(m.state.Forgotten, after.Superseded)
		if n := len(after.Shown); n > 0 {
			m.state.Forgotten = max(m.state.Forgotten, cooper.Instant(after.Shown[n-1]))
		}
	} else {
		m.rows[after.Identity] = after
	}
	if a.Verb == treeop.Prune && out.Status == cooper.Done {
		delete(m.fetched, after.Identity) // it may be the latest again one day
	}
	return nil
}

// recorder is a Writer that keeps what it is given.
type recorder struct {
	actions []cooper.Action
	cuts    []bool
	phases  []string
	totals  map[string]plan.Tally
}

func (r *recorder) Transfers(...string) {}

func (r *recorder) Circumstances(func(name, value string) bool) {}

func (r *recorder) Phase(name string) error {
	r.phases = append(r.phases, name)
	return nil
}

func (r *recorder) Add(a cooper.Action, cut bool) error {
	a.ID = int64(len(r.actions))
	r.actions, r.cuts = append(r.actions, a), append(r.cuts, cut)
	if r.totals == nil {
		r.totals = map[string]plan.Tally{}
	}
	r.totals[a.Verb] = r.totals[a.Verb].Add(a.Version.Size)
	return nil
}

func (r *recorder) Finish(h plan.Header) (plan.Header, error) {
	h.Totals = r.totals
	return h, nil
}

// describe renders actions for people.
func describe(actions []cooper.Action, cuts []bool) string {
	var b strings.Builder
	for i, a := range actions {
		if cuts != nil && !cuts[i] {
			b.WriteString("+ ")
		}
		fmt.Fprintf(&b, "%s %s", a.Verb, cooper.Quote(a.Version.Key))
		if a.Version.VersionID != "" {
			fmt.Fprintf(&b, " %s", a.Version.VersionID)
		} else {
			fmt.Fprintf(&b, " (%s)", a.Version.ETag)
		}
		for _, name := range slices.Sorted(maps.Keys(a.Args)) {
			if name != "was" && name != "at" {
				fmt.Fprintf(&b, " %s=%s", name, a.Args[name])
			}
		}
		b.WriteByte('\n')
	}
	return b.String()
}
