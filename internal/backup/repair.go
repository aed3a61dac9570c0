package backup

import (
	"cooper"
	"cooper/internal/plan"
	"cooper/internal/price"
	"cooper/internal/tree/catalog"
	"cooper/internal/treeop"
)

// MissionRepair is the mission of plans that fetch damaged files again.
const MissionRepair = "repair"

// Damaged is the reason of a fetch that brings back bytes that were in the tree.
const Damaged = "damaged"

// Repair is all that a repair plan follows from, beside the damaged versions.
type Repair struct {
	Catalog Catalog
	Dir     string // of the tree, an absolute path
	Policy  Policy // Rates count
	Prices  price.Costs
	ID      string // of the plan
	Now     cooper.Instant
}

// Mender writes a repair plan: a fetch for each version that is missing or
// damaged in the tree, to the place where the catalog says it is.
type Mender struct {
	in    Repair
	state catalog.State
	w     Writer
	out   *emitter
}

// NewMender begins a repair plan.
func NewMender(in Repair, w Writer) (*Mender, error) {
	if err := in.Policy.check(); err != nil {
		return nil, err
	}
	w.Transfers(treeop.Fetch)
	return &Mender{in: in, state: in.Catalog.State(), w: w, out: newEmitter(w, in.Policy.ShareLimit, 0)}, w.Phase(phaseTree)
}

// Fetch plans to fetch a version again. Rows may come in any order.
func (m *Mender) Fetch(row *catalog.Row) error {
	v := versionOf(row)
	m.out.begin(nil)
	return m.out.add(treeop.Fetch, &v, row, treeop.Args{To: row.Place, Reason: reasonOf(row), Superseded: row.Superseded})
}

// reasonOf keeps the reason why a version is in history.
func reasonOf(row *catalog.Row) string {
	if row.Place == catalog.History {
		return row.Reason
	}
	return Damaged
}

// Finish writes the plan. A tree that never followed a snapshot has nothing to
// be repaired from.
func (m *Mender) Finish() (plan.Header, error) {
	h, err := header(MissionRepair, m.in.ID, m.in.Now, m.in.Policy)
	if err != nil {
		return plan.Header{}, err
	}
	h.Target = plan.Target{Kind: targetTree, Path: m.in.Dir, Generation: m.state.Generation}
	last := lastFollowed(&m.state)
	if last == nil {
		return plan.Header{}, &cooper.Error{Kind: cooper.KindUsage, Where: m.in.Dir, Message: "the tree has never followed its bucket, so nobody knows where to fetch from",
			Remedy: "run `cooper backup run s3://BUCKET DIR` once, then repair"}
	}
	h.Source, h.Store = "s3://"+last.Bucket, m.state.Store
	h.Partial = true
	h.Estimate = m.out.estimate(m.in.Policy.Rates, m.in.Prices)
	m.out.into(&h)
	return m.w.Finish(h)
}
