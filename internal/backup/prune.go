package backup

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"cooper"
	"cooper/internal/plan"
	"cooper/internal/tree/catalog"
	"cooper/internal/treeop"
)

// MissionPrune is the mission of plans that delete old versions from history.
const MissionPrune = "prune"

// Why a prune leaves alone what is old enough, in Header.Skipped.
const (
	SkippedShown   = "shown"   // the bucket still shows the version
	SkippedNeeded  = "needed"  // the newest bytes of a key whose latest version has none
	SkippedLast    = "last"    // among the last that are to be kept of each key
	SkippedUndated = "undated" // nobody knows when it was superseded
)

// Prune is all that a prune plan follows from.
type Prune struct {
	Catalog Catalog
	Dir     string // of the tree, an absolute path
	Policy  Policy // Prefix, Match, ShareLimit and Rates count
	// OlderThan is how long ago a version must have been superseded.
	OlderThan time.Duration
	// KeepLast is how many versions of each key stay however old they are: those
	// that were superseded last.
	KeepLast int
	// Unasked: nobody looks at the plan before it is carried out.
	Unasked bool
	ID      string // of the plan
	Now     cooper.Instant
}

// prunePolicy is what a prune's plan says of its parameters.
type prunePolicy struct {
	Policy
	OlderThan float64 `json:"older_than"` // seconds
	KeepLast  int     `json:"keep_last"`
}

// clockSkew is by how much the clocks of store and machine may differ without
// one of them being taken for wrong.
const clockSkew = 15 * time.Minute

// PlanPrune writes the plan that deletes from history what was superseded long
// enough ago. It never deletes what the bucket still shows, as far as the
// catalog knows, nor the newest bytes of a key whose latest version has none in
// the tree, nor what was superseded nobody knows when. It refuses, with
// KindRefused, a tree that a rollback has pinned, as going forward needs what is
// in history, one that never followed its bucket, and a clock that is behind
// what the tree has seen.
func PlanPrune(ctx context.Context, in Prune, w Writer) (plan.Header, error) {
	state := in.Catalog.State()
	if err := in.admit(&state); err != nil {
		return plan.Header{}, err
	}
	f, err := newFilter(in.Policy.Prefix, in.Policy.Match)
	if err != nil {
		return plan.Header{}, err
	}
	w.Transfers(treeop.Prune)
	if err := w.Phase(phaseTree); err != nil {
		return plan.Header{}, err
	}
	p := &pruner{in: &in, out: newEmitter(w, in.Policy.ShareLimit, 0), share: plan.Share{Deletes: true, Limit: in.Policy.ShareLimit}, ages: newAges()}
	err = eachKnown(ctx, in.Catalog, f.prefix, func(rows []catalog.Row) error {
		if !f.keeps(rows[0].Key) {
			return nil
		}
		return p.decide(rows)
	})
	if err != nil {
		return plan.Header{}, err
	}
	h, err := header(MissionPrune, in.ID, in.Now, in.policy())
	if err != nil {
		return plan.Header{}, err
	}
	h.Target = plan.Target{Kind: targetTree, Path: in.Dir, Generation: state.Generation}
	h.Partial = true // it leads to no snapshot
	h.Estimate = p.out.estimate(in.Policy.Rates, nil)
	p.out.into(&h)
	h.Share, h.Ages = p.share, p.ages.tallies()
	h.Warnings = append(h.Warnings, in.warnings(&state, &h.Share)...)
	return w.Finish(h)
}

func (in *Prune) policy() prunePolicy {
	return prunePolicy{Policy: in.Policy, OlderThan: in.OlderThan.Seconds(), KeepLast: in.KeepLast}
}

// SamePolicy tells whether a plan was made with the parameters that in has.
func (in *Prune) SamePolicy(h *plan.Header) bool {
	var its prunePolicy
	return json.Unmarshal(h.Policy, &its) == nil && its == in.policy()
}

// admit checks that a plan may be made at all.
func (in *Prune) admit(state *catalog.State) error {
	if err := in.Policy.check(); err != nil {
		return err
	}
	if in.OlderThan <= 0 || in.KeepLast < 0 {
		return &cooper.Error{Kind: cooper.KindUsage, Where: fmt.Sprintf("older than %s, the last %d kept", in.OlderThan, in.KeepLast), Message: "neither may be below nothing",
			Remedy: "give an age such as 90d, and a number of versions"}
	}
	if pin := state.Pinned; pin != nil {
		return &cooper.Error{
			Kind: cooper.KindRefused, Where: in.Dir,
			Message: fmt.Sprintf("the tree was rolled back to snapshot %s of %s: what going forward again needs is in history", pin.Snapshot, pin.TakenAt),
			Remedy:  "go forward first, with `cooper backup run … --forward`, and prune then",
		}
	}
	if r := state.Run; r != nil && r.Mission == MissionRollback {
		return &cooper.Error{
			Kind: cooper.KindRefused, Where: in.Dir,
			Message: "a rollback of the tree was interrupted, and needs what is in history",
			Remedy:  fmt.Sprintf("complete it with `cooper apply %s`, or go forward with `cooper backup run … --forward`, and prune then", r.Plan),
		}
	}
	seen := state.Observed
	if len(seen) == 0 { // as after an adoption
		return &cooper.Error{
			Kind: cooper.KindRefused, Where: in.Dir,
			Message: "the tree has never followed its bucket, so nobody knows which versions the bucket still shows",
			Remedy:  "run `cooper backup run s3://BUCKET DIR` once, then prune",
		}
	}
	if r := state.Run; r != nil {
		began := catalog.Observed{ID: "of the run " + r.Plan, At: r.Began}
		if r.Snapshot != nil {
			began.ID, began.TakenAt = r.Snapshot.ID, r.Snapshot.TakenAt
		}
		seen = append(slices.Clone(seen), began)
	}
	for i := range seen {
		if last := max(seen[i].TakenAt, seen[i].At); last.Time().After(in.Now.Time().Add(clockSkew)) {
			return &cooper.Error{
				Kind: cooper.KindRefused, Where: in.Dir,
				Message: fmt.Sprintf("the clock says %s, but the tree has seen snapshot %s at %s", in.Now, seen[i].ID, last),
				Remedy:  "set the clock: how old a version is cannot be told by a wrong one; if the snapshot is, take it back with `cooper backup forget`",
			}
		}
	}
	return in.admitUnasked(state)
}

// admitUnasked refuses what a person would be warned of, where nobody looks: a backup
// that has stopped, or a clock that has run ahead, must not let everything in history
// grow old by itself.
func (in *Prune) admitUnasked(state *catalog.State) error {
	if !in.Unasked {
		return nil
	}
	last := lastComplete(state)
	message := "the tree was never brought to a complete snapshot"
	switch {
	case last == nil:
	case last.TakenAt < cooper.InstantOf(in.Now.Time().Add(-in.OlderThan)):
		message = fmt.Sprintf("the last complete snapshot that the tree followed is of %s, and it is %s: longer ago than the age of what is to be deleted", last.TakenAt, in.Now)
	default:
		return nil
	}
	return &cooper.Error{Kind: cooper.KindRefused, Where: in.Dir, Message: message,
		Remedy: "see whether the backup runs, and whether the clock is right; without --yes the plan is shown first"}
}

// lastComplete is the newest complete snapshot that the tree was brought to, nil if
// there is none.
func lastComplete(state *catalog.State) (last *catalog.Observed) {
	for i := range state.Observed {
		if o := &state.Observed[i]; o.Complete && o.Finished && (last == nil || o.TakenAt > last.TakenAt) {
			last = o
		}
	}
	return last
}

func (in *Prune) warnings(state *catalog.State, share *plan.Share) []string {
	var ws []string
	last := lastComplete(state)
	switch oldest := cooper.InstantOf(in.Now.Time().Add(-in.OlderThan)); {
	case last == nil:
		ws = append(ws, "the tree was never brought to a complete snapshot: it may not have what the bucket shows now")
	case last.TakenAt < oldest:
		ws = append(ws, fmt.Sprintf("no complete snapshot was followed since %s, the last is of %s: is the backup running, and is the clock right?", oldest, last.TakenAt))
	}
	if r := state.Run; r != nil && r.Mission == Mission {
		ws = append(ws, fmt.Sprintf("the backup %s is not finished: pruning gives its plan up, and the next backup goes on with what it fetched", r.Plan))
	}
	if share.Exceeded() {
		ws = append(ws, fmt.Sprintf("versions that would be deleted: %d of %d, with %d of %d bytes, more than the limit of %.3g %%; applying asks for the decision's digest",
			share.Removed, share.Scope, share.RemovedBytes, share.ScopeBytes, 100*share.Limit))
	}
	return ws
}

// pruner decides what a prune deletes, key by key. It holds no more than that
// key.
type pruner struct {
	in    *Prune
	out   *emitter
	share plan.Share
	ages  ages
	order []int // the key's versions in history, the last superseded first
}

func (p *pruner) decide(rows []catalog.Row) error {
	p.out.begin(nil)
	p.order = p.order[:0]
	for i := range rows {
		r := &rows[i]
		if r.Place == catalog.Nowhere {
			continue
		}
		p.share.Scope++
		p.share.ScopeBytes = cooper.AddBytes(p.share.ScopeBytes, r.Size)
		if r.Place == catalog.History {
			p.order = append(p.order, i)
		}
	}
	slices.SortStableFunc(p.order, func(a, b int) int { return cmp.Compare(since(&rows[b]), since(&rows[a])) })
	keep := max(p.in.KeepLast, 0)
	needed := lacksLatest(rows)
	for _, i := range p.order {
		r := &rows[i]
		why, old := p.why(r, keep > 0, needed)
		if sound(r) && r.Superseded != 0 {
			keep--
			needed = false
		}
		v := versionOf(r)
		switch {
		case !old:
			p.out.unchanged1(&v)
		case why != "":
			p.out.skip1(why, &v)
		default:
			if err := p.delete(&v, r); err != nil {
				return err
			}
		}
	}
	return nil
}

// why tells why a version that is old enough stays all the same; nothing if it
// does not. keep: it may be one of the last; needed: the key's latest version
// has no bytes.
func (p *pruner) why(r *catalog.Row, keep, needed bool) (why string, old bool) {
	age := p.age(r)
	switch {
	case r.Superseded == 0:
		return SkippedUndated, true
	case age <= p.in.OlderThan:
		return "", false
	case len(r.Shown)%2 == 1:
		return SkippedShown, true
	case needed:
		return SkippedNeeded, true
	case keep:
		return SkippedLast, true
	}
	return "", true
}

func (p *pruner) age(r *catalog.Row) time.Duration { return p.in.Now.Time().Sub(since(r).Time()) }

// since is from when the age of a version in history counts: from when it was
// superseded, but never from before what else its row says of it. A snapshot may
// have shown it later (one that was followed before times that the store gave
// were doubted, or after a rollback); and what was in the mirror was seen there.
func since(r *catalog.Row) cooper.Instant {
	t := r.Superseded
	if n := len(r.Shown); n > 0 {
		t = max(t, cooper.Instant(r.Shown[n-1]))
	}
	if r.Reason != catalog.Older {
		t = max(t, r.FirstSeen)
	}
	return t
}

func (p *pruner) delete(v *cooper.Version, r *catalog.Row) error {
	p.share.Removed++
	p.share.RemovedBytes = cooper.AddBytes(p.share.RemovedBytes, r.Size)
	p.ages.add(p.age(r), r.Size)
	return p.out.add(treeop.Prune, v, r, treeop.Args{Reason: r.Reason})
}

// lacksLatest tells whether the version that the bucket shows of a key has no
// bytes in the tree, nor the mirror those of another one in its stead. A key of
// which no snapshot ever said what it shows may be such a one.
func lacksLatest(rows []catalog.Row) bool {
	lacks, known := false, false
	for i := range rows {
		r := &rows[i]
		if r.Place == catalog.Mirror && sound(r) {
			return false
		}
		lacks = lacks || len(r.Shown)%2 == 1 && !r.DeleteMarker && !sound(r)
		known = known || len(r.Shown) > 0
	}
	return lacks || !known
}

// sound tells whether the tree has a version's bytes, and they are not known to
// be wrong.
func sound(r *catalog.Row) bool { return r.Place != catalog.Nowhere && r.Check != cooper.Corrupt }

// ages counts what is deleted by how long ago it was superseded.
type ages []plan.Age

const dayLong = 24 * time.Hour

// ageLimits are the ends of all age classes but the last.
var ageLimits = []struct {
	under time.Duration
	name  string
}{
	{30 * dayLong, "under 30 days"},
	{90 * dayLong, "30 to 90 days"},
	{365 * dayLong, "90 days to 1 year"},
	{2 * 365 * dayLong, "1 to 2 years"},
	{5 * 365 * dayLong, "2 to 5 years"},
}

const oldest = "5 years and more"

func newAges() ages {
	a := make(ages, 0, len(ageLimits)+1)
	for _, l := range ageLimits {
		a = append(a, plan.Age{Age: l.name})
	}
	return append(a, plan.Age{Age: oldest})
}

func (a ages) add(age time.Duration, bytes int64) {
	at := len(ageLimits)
	for i := range ageLimits {
		if age < ageLimits[i].under {
			at = i
			break
		}
	}
	a[at].Tally = a[at].Add(bytes)
}

// tallies are the classes that something is in.
func (a ages) tallies() []plan.Age {
	return slices.DeleteFunc(a, func(x plan.Age) bool { return x.Count == 0 })
}
