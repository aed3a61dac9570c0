package job

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"cooper"
	"cooper/internal/apply"
	"cooper/internal/backup"
	"cooper/internal/plan"
	"cooper/internal/progress"
	"cooper/internal/tree/catalog"
	"cooper/internal/treeop"
	"cooper/internal/verb/copyout"
	"cooper/internal/words"
	"cooper/internal/workspace"
)

// Restore copies versions out of a tree.
type Restore struct {
	Dir string
	// At is the time as of which, Snapshot names one the tree has followed, Version is the
	// id of a version; none of them: the last that is known.
	At                cooper.Instant
	Snapshot, Version string
	// Prefix, Match and Keys say which keys.
	Prefix, Match string
	Keys          []string
	// To is a directory, or s3://BUCKET/PREFIX/.
	To string
	// Replace overwrites other content there. Damaged copies damaged bytes as well.
	Replace, Damaged bool
	// IntoSource: the bucket may be the very one that the tree is a backup of.
	IntoSource bool
	// PlanOnly plans, and copies nothing.
	PlanOnly bool
	Options

	bucket string // that of To; empty for a directory
}

// Run plans and copies. Versions that were asked for and are not there are ErrSomeFailed,
// as those are that could not be copied.
func (s *Restore) Run(ctx context.Context, e *Env) (r Result, err error) {
	to := *s
	if strings.HasPrefix(to.To, "s3://") {
		to.bucket, _, err = cooper.ParseURL(to.To)
	} else {
		to.To, err = filepath.Abs(to.To)
	}
	if err != nil {
		return r, err
	}
	policy := narrowed(to.Prefix, to.Match)
	if err := policy.Check(); err != nil {
		return r, err
	}
	// Restoring reads the tree; the lock keeps a run from moving files away.
	at := place{dir: to.Dir, use: readTree, command: "backup restore"}
	err = e.in(ctx, at, &to.Options, func(ctx context.Context, h *held) error {
		made, err := to.planned(ctx, h, policy)
		if err != nil {
			return err
		}
		if to.PlanOnly {
			r.Plan = made
			return nil
		}
		r, err = to.carryOut(ctx, h, made)
		return err
	})
	return r, err
}

// narrowed is a policy for what has no other parameters.
func narrowed(prefix, match string) backup.Policy {
	p := backup.Careful()
	p.Prefix, p.Match = prefix, match
	return p
}

func (s *Restore) planned(ctx context.Context, h *held, policy backup.Policy) (made *plan.Header, err error) {
	sel := backup.Select{At: s.At, Version: s.Version}
	if s.Snapshot != "" {
		if sel.At, err = MomentOf(h.tree.State(), s.Snapshot); err != nil {
			return nil, err
		}
	}
	store, err := s.store(ctx, h)
	if err != nil {
		return nil, err
	}
	header, err := h.writePlan(plan.Limits{}, func(id string, out *plan.Writer) (plan.Header, error) {
		return backup.PlanRestore(ctx, backup.Restore{
			Catalog: h.tree.Catalog(), Dir: h.tree.Dir(), Select: sel, Keys: s.Keys, Policy: policy, Dest: s.To, Replace: s.Replace, Damaged: s.Damaged, Store: store,
			ID: id, Now: h.now(),
		}, out)
	})
	return &header, err
}

func (s *Restore) carryOut(ctx context.Context, h *held, made *plan.Header) (r Result, err error) {
	a, err := askedBy(made)
	if err != nil {
		return r, err
	}
	// A warning says so, too, where nothing is there.
	for _, w := range made.Warnings {
		h.tell(Caution, "%s", w)
	}
	if there, named := made.Totals[treeop.CopyOut].Count, a.named(); there < named {
		h.tell(Caution, "asked for by name: %s; found: %s", words.Count(named), words.Count(there))
	}
	return h.carryOutMade(ctx, made, &s.Options)
}

// store says which store the bucket is in that is restored to, nil for a
// directory. The tree's own bucket is refused unless it is meant, and then one of its
// name in another store.
func (s *Restore) store(ctx context.Context, h *held) (*cooper.Store, error) {
	if s.bucket == "" {
		return nil, nil
	}
	state := h.tree.State()
	source := isSource(&state, s.bucket)
	if source && !s.IntoSource {
		return nil, &cooper.Error{Kind: cooper.KindRefused, Where: s.To, Message: "this is the bucket that the tree is a backup of",
			Remedy: "Restore to another bucket or a directory; if the bucket itself is meant, give --into-source."}
	}
	b, store, err := h.open(ctx, s.bucket, s.Jobs)
	if err != nil {
		return nil, err
	}
	if err := b.Close(); err != nil {
		return nil, err
	}
	if source && !s.Moved && state.Store.Contradicts(store) {
		return nil, cooper.AnotherStore(s.To, "the tree follows the bucket", state.Store, store,
			"Give the --endpoint-url and --profile of the tree's bucket; if it is the same bucket, which has moved, or the one that is to take its place, give --moved.")
	}
	return store, nil
}

// isSource tells whether the tree ever followed a snapshot of the bucket, or is
// about to.
func isSource(state *catalog.State, bucket string) bool {
	if r := state.Run; r != nil && r.Snapshot != nil && r.Snapshot.Bucket == bucket {
		return true
	}
	return slices.ContainsFunc(state.Observed, func(o catalog.Observed) bool { return o.Bucket == bucket })
}

// MomentOf gives the time of a snapshot that a tree has followed to the end, named as
// followed takes it: for that the answer is exact.
func MomentOf(state catalog.State, name string) (cooper.Instant, error) {
	id, err := followed(&state, name)
	if err != nil {
		return 0, err
	}
	for _, o := range state.Observed {
		if o.ID == id && o.Complete && o.Finished {
			return o.TakenAt, nil
		}
	}
	return 0, usage("the tree never followed snapshot "+cooper.Quote(id)+" to the end, so nobody knows all that it showed", "Choose one that cooper backup status DIR lists, or give a time.")
}

// followed finds the snapshot a person names by id, by the beginning
// of one, by the time it was taken, or as the latest that the tree followed.
func followed(state *catalog.State, name string) (string, error) {
	if n := len(state.Observed); name == workspace.Latest && n > 0 {
		return state.Observed[n-1].ID, nil
	}
	var hits []string
	for _, o := range state.Observed {
		if o.ID == name {
			return o.ID, nil
		}
		matches := strings.HasPrefix(o.ID, name) || strings.HasPrefix(o.TakenAt.String(), name)
		// A tree that was rolled back and went forward followed one twice.
		if matches && !slices.Contains(hits, o.ID) {
			hits = append(hits, o.ID)
		}
	}
	switch len(hits) {
	case 1:
		return hits[0], nil
	case 0:
		return "", usage("the tree never followed a snapshot "+cooper.Quote(name), "cooper backup status DIR lists those it did.")
	}
	return "", usage(fmt.Sprintf("%s could be any of %s", cooper.Quote(name), strings.Join(hits, ", ")), "Give more of the id.")
}

// restores is the mission that copies out of a tree.
type restores struct{ trees }

func (restores) traits() Traits {
	t := trees{unfinished: "what was copied stays where it is"}.traits()
	t.Next = map[cooper.Kind]string{
		cooper.KindConflict: "What is in the way is overwritten with --replace.",
		cooper.KindCorrupt:  "What is damaged in the tree is fetched again by cooper backup verify --content --repair; restore --damaged copies it as it is.",
	}
	return t
}

// asked is what a plan says of what was to be restored.
type asked struct {
	Tree   string        `json:"tree"`
	Select backup.Select `json:"select"`
	Keys   []string      `json:"keys"`
}

func askedBy(h *plan.Header) (a asked, err error) {
	if err := json.Unmarshal(h.Policy, &a); err != nil || a.Tree == "" {
		return a, &cooper.Error{Kind: cooper.KindInvalid, Where: "plan " + h.ID, Message: "it does not say which tree it restores from", Remedy: "Make the plan again."}
	}
	return a, nil
}

// named is how many versions at least are asked for by name.
func (a *asked) named() int64 {
	if a.Select.Version != "" {
		return 1
	}
	return int64(len(slices.Compact(slices.Sorted(slices.Values(a.Keys)))))
}

// place is the tree that is copied from, which need not be one that can be written.
func (restores) place(h *plan.Header, opt *Options) (place, error) {
	a, err := askedBy(h)
	p := place{dir: a.Tree, use: readTree, command: "apply " + h.ID}
	if opt.Undo {
		p.use = changeTree
	}
	return p, err
}

// conclude tells that versions were asked for as the others were, and are not there.
func (restores) conclude(_ context.Context, _ *held, r *Result, failed error) error {
	a, err := askedBy(r.Plan)
	if err != nil {
		return err
	}
	there, left := r.Plan.Totals[treeop.CopyOut].Count, r.Plan.Skipped[backup.SkippedMissing].Plus(r.Plan.Skipped[backup.SkippedPruned])
	if failed == nil && r.Applied.Count(cooper.Failed) == 0 && (left.Count > 0 || there < a.named() || there == 0) {
		return ErrSomeFailed
	}
	return nil
}

func (restores) equip(ctx context.Context, held *held, p *plan.Plan, opt *Options) (*kit, error) {
	h := p.Header()
	k := &kit{count: progress.New(held.Clock, nil), workers: opt.Jobs, warn: func(m string) { held.tell(Note, "warning: %s", m) }}
	if !strings.HasPrefix(h.Target.Path, "s3://") {
		t, err := copyout.ToDirectory(held.tree, h.Target.Path)
		if err != nil {
			return nil, err
		}
		k.verbs, k.target, k.close = map[string]apply.Verb{treeop.CopyOut: t}, t, t.Close
		return k, nil
	}
	bucket, prefix, err := cooper.ParseURL(h.Target.Path)
	if err != nil {
		return nil, err
	}
	b, store, err := held.open(ctx, bucket, opt.Jobs)
	if err != nil {
		return nil, err
	}
	if h.Store.Contradicts(store) && !opt.Moved {
		return nil, closing(b, cooper.AnotherStore("plan "+h.ID, "was made for the bucket", h.Store, store, "Give the --endpoint-url and --profile that it was made with, or make a new plan; if the bucket has moved, give --moved."))
	}
	k.count.Waits(waitsAt(b))
	t := copyout.ToBucket(held.tree, b, b, prefix)
	k.verbs, k.target, k.close = map[string]apply.Verb{treeop.CopyOut: t}, t, b.Close
	return k, nil
}
