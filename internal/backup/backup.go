// Package backup decides what a backup tree needs: which versions are fetched,
// retired, promoted or recorded so that the tree follows a snapshot; how the
// mirror goes back to an earlier snapshot; what a restore copies out; and how
// things stand.
//
// It reads a snapshot and a catalog, both sorted, side by side, in memory that
// does not depend on their size, and writes a plan. It promises that nothing is
// fetched twice; that what a filter leaves out, a report got wrong, or an
// incomplete snapshot does not list never looks deleted; and that no plan takes
// a version from the mirror for the sake of another before that one is there.
// It touches no object and no file of the tree: doing is left to the verbs.
package backup

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"cooper"
	"cooper/internal/inventory"
	"cooper/internal/plan"
	"cooper/internal/price"
	"cooper/internal/tree/catalog"
	"cooper/internal/treeop"
)

// The missions of this package, as plans name them.
const (
	Mission         = treeop.MissionBackup
	MissionRollback = treeop.MissionRollback
	MissionRestore  = "restore"
)

// Kinds of targets.
const (
	targetTree      = "tree"
	targetDirectory = "directory"
	targetBucket    = "bucket"
)

const phaseTree = "tree"

// Snapshot is what a mission reads of a snapshot; see Of.
type Snapshot interface {
	Meta() inventory.Meta
	// Versions walks the versions under prefix, in order.
	Versions(ctx context.Context, prefix string) inventory.Iterator
	// RejectedKeys walks the keys of rejected rows, in order.
	RejectedKeys(ctx context.Context) Keys
}

// Of reads a snapshot on disk.
func Of(s *inventory.Snapshot) Snapshot { return onDisk{s} }

type onDisk struct{ s *inventory.Snapshot }

func (o onDisk) Meta() inventory.Meta { return o.s.Meta() }

func (o onDisk) Versions(ctx context.Context, prefix string) inventory.Iterator {
	return o.s.Versions(ctx, inventory.IterOptions{Prefix: prefix})
}

func (o onDisk) RejectedKeys(ctx context.Context) Keys { return o.s.RejectedKeys(ctx) }

// Catalog is what a mission reads of a tree's catalog.
type Catalog interface {
	State() catalog.State
	// Rows walks the rows under prefix, in order.
	Rows(ctx context.Context, prefix string) catalog.Iterator
}

// Inputs is all that a backup plan follows from.
type Inputs struct {
	Snapshot Snapshot
	Catalog  Catalog
	Dir      string // of the tree, an absolute path
	Layout   string // that the tree must have; empty is any
	Policy   Policy
	Prices   price.Costs // nil: no cost
	Free     *Space      // on the target, nil if unknown
	ID       string      // of the plan
	Now      cooper.Instant
	// Clock is the time by the store's clock; 0: Now.
	Clock cooper.Instant
}

// Plan writes the plan that brings a tree to a snapshot. It refuses, with
// KindRefused, a pinned tree, a snapshot of another bucket or of another store,
// one from the future, and one older than what the tree has followed already.
func Plan(ctx context.Context, in Inputs, w Writer) (plan.Header, error) {
	meta, state := in.Snapshot.Meta(), in.Catalog.State()
	older, err := admit(&in, &meta, &state)
	if err != nil {
		return plan.Header{}, err
	}
	f, err := newFilter(in.Policy.Prefix, in.Policy.Match)
	if err != nil {
		return plan.Header{}, err
	}
	prefix, err := commonPrefix(meta.Scope.Prefix, in.Policy.Prefix)
	if err != nil {
		return plan.Header{}, err
	}
	f.prefix = prefix
	w.Transfers(treeop.Fetch, treeop.Unarchive)
	if err := w.Phase(phaseTree); err != nil {
		return plan.Header{}, err
	}
	out := newEmitter(w, in.Policy.ShareLimit, meta.TakenAt)
	d := newDecider(&meta, &in.Policy, &state, older, f, out)
	if err := compare(ctx, in.Snapshot, in.Catalog, prefix, d.decide); err != nil {
		return plan.Header{}, err
	}
	h, err := header(Mission, in.ID, in.Now, in.Policy)
	if err != nil {
		return plan.Header{}, err
	}
	h.Target = plan.Target{Kind: targetTree, Path: in.Dir, Generation: state.Generation, Layout: in.Layout}
	h.Source = "s3://" + meta.Bucket
	h.Store = meta.Store.With(state.Store)
	if meta.Store.Contradicts(state.Store) { // it has moved
		h.Store = meta.Store
	}
	h.Snapshot = withoutFiles(meta)
	h.Partial = in.Policy.Match != "" || prefix != meta.Scope.Prefix
	h.Estimate = out.estimate(in.Policy.Rates, in.Prices)
	out.into(&h)
	h.Warnings = append(snapshotWarnings(&meta, older), h.Warnings...)
	h.Warnings = append(h.Warnings, spaceWarnings(h.Estimate, in.Free)...)
	return w.Finish(h)
}

// compare calls f for each key under prefix that the snapshot or the catalog
// knows.
func compare(ctx context.Context, s Snapshot, c Catalog, prefix string, f func(*pair) error) (err error) {
	versions, rows, rejected := s.Versions(ctx, prefix), c.Rows(ctx, prefix), s.RejectedKeys(ctx)
	defer func() {
		err = errors.Join(err, versions.Close(), rows.Close(), rejected.Close())
	}()
	m, err := newMerge(versions, rows, rejected)
	if err != nil {
		return err
	}
	return m.each(ctx, f)
}

// admit checks that a plan may be made at all; older tells that the snapshot is
// older than what the tree has followed, and allowed all the same.
func admit(in *Inputs, meta *inventory.Meta, state *catalog.State) (older bool, err error) {
	if err := in.Policy.check(); err != nil {
		return false, err
	}
	if pin := state.Pinned; pin != nil && !in.Policy.Forward {
		return false, &cooper.Error{
			Kind: cooper.KindRefused, Where: in.Dir,
			Message: fmt.Sprintf("the tree was rolled back to snapshot %s of %s, and a backup would undo that", pin.Snapshot, pin.TakenAt),
			Remedy:  "give --forward to follow new snapshots again",
		}
	}
	if r := state.Run; r != nil && r.Mission == MissionRollback && !in.Policy.Forward {
		return false, &cooper.Error{
			Kind: cooper.KindRefused, Where: in.Dir,
			Message: "a rollback of the tree was interrupted, and a backup would undo it",
			Remedy:  fmt.Sprintf("complete it with `cooper apply %s`, or give --forward to follow new snapshots again", r.Plan),
		}
	}
	if meta.TakenAt == 0 {
		return false, &cooper.Error{Kind: cooper.KindInvalid, Where: "snapshot " + meta.ID, Message: "it does not say when it was taken",
			Remedy: "make it again from its source"}
	}
	now := cmp.Or(in.Clock, in.Now)
	if now != 0 && meta.TakenAt.Time().After(now.Time().Add(clockSkew)) {
		return false, fromTheFuture(meta, now)
	}
	if !in.Policy.Moved && state.Store.Contradicts(meta.Store) {
		return false, cooper.AnotherStore(in.Dir, "the tree follows the bucket", state.Store, meta.Store, movedRemedy)
	}
	last := lastFollowed(state)
	if last == nil {
		return false, nil
	}
	if last.Bucket != "" && last.Bucket != meta.Bucket {
		return false, &cooper.Error{
			Kind: cooper.KindRefused, Where: in.Dir,
			Message: fmt.Sprintf("the tree is a backup of bucket %s, the snapshot is one of %s", cooper.Quote(last.Bucket), cooper.Quote(meta.Bucket)),
			Remedy:  "give each bucket a directory of its own",
		}
	}
	if meta.TakenAt >= last.TakenAt {
		return false, nil
	}
	if !in.Policy.Older {
		remedy := "take a newer snapshot; to show the bucket as it was use rollback; to plan from this one all the same give --older"
		if now != 0 && last.TakenAt.Time().After(now.Time().Add(clockSkew)) {
			remedy = "that is of a time that has not come: take it back with `cooper backup forget DIR " + last.ID + "`, then run again"
		}
		return false, &cooper.Error{
			Kind: cooper.KindRefused, Where: "snapshot " + meta.ID,
			Message: fmt.Sprintf("taken at %s, but the tree follows snapshot %s of %s already", meta.TakenAt, last.ID, last.TakenAt),
			Remedy:  remedy,
		}
	}
	return true, nil
}

// movedRemedy is the next step where the store is another one than a tree's.
const movedRemedy = "give the --endpoint-url and --profile of the tree's bucket; if it is the same bucket, which has moved, give --moved"

// fromTheFuture refuses a snapshot of a time that has not come: every later one
// would be older than what the tree follows.
func fromTheFuture(meta *inventory.Meta, now cooper.Instant) error {
	return &cooper.Error{
		Kind: cooper.KindRefused, Where: "snapshot " + meta.ID,
		Message: fmt.Sprintf("taken at %s, and it is %s: a tree that followed it would take every later one for older", meta.TakenAt, now),
		Remedy:  "set this machine's clock if it is wrong; else what the snapshot was made of is: take another one",
	}
}

// NotFromTheFuture refuses, as KindRefused, to carry out a backup's plan that leads
// to a snapshot of a time that has not come by now.
func NotFromTheFuture(h *plan.Header, now cooper.Instant) error {
	if m := h.Snapshot; h.Mission == Mission && m != nil && m.TakenAt.Time().After(now.Time().Add(clockSkew)) {
		return fromTheFuture(m, now)
	}
	return nil
}

// Moved tells whether a plan was made for a bucket that has moved to another store
// than the tree's, as a person has said.
func Moved(h *plan.Header) bool {
	var p Policy
	return h.Mission == Mission && json.Unmarshal(h.Policy, &p) == nil && p.Moved
}

// LastFollowed is the newest snapshot that a run followed, finished or not; nil if
// there is none.
func LastFollowed(state catalog.State) *catalog.Observed { return lastFollowed(&state) }

func lastFollowed(state *catalog.State) *catalog.Observed {
	var last *catalog.Observed
	if state.Run != nil {
		last = state.Run.Snapshot
	}
	for i := range state.Observed {
		if o := &state.Observed[i]; last == nil || o.TakenAt > last.TakenAt {
			last = o
		}
	}
	return last
}

// commonPrefix is the prefix of the keys that lie under both.
func commonPrefix(scope, wanted string) (string, error) {
	switch {
	case cooper.HasPrefix(wanted, scope):
		return wanted, nil
	case cooper.HasPrefix(scope, wanted):
		return scope, nil
	}
	return "", &cooper.Error{Kind: cooper.KindUsage, Where: "--prefix " + wanted,
		Message: fmt.Sprintf("the snapshot speaks of the prefix %s alone", cooper.Quote(scope)),
		Remedy:  "choose a prefix below it, or take a snapshot of the whole bucket"}
}

func header(mission, id string, now cooper.Instant, policy any) (plan.Header, error) {
	b, err := json.Marshal(policy)
	if err != nil {
		return plan.Header{}, &cooper.Error{Kind: cooper.KindUsage, Where: "policy", Message: "cannot be written down", Err: err}
	}
	return plan.Header{ID: id, Mission: mission, Created: now, Policy: b}, nil
}

func withoutFiles(meta inventory.Meta) *inventory.Meta {
	meta.Files = nil
	return &meta
}
