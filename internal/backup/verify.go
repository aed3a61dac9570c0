package backup

import (
	"context"
	"errors"
	"io"

	"cooper"
	"cooper/internal/plan"
	"cooper/internal/tree/catalog"
	"cooper/internal/treeop"
)

// MissionVerify is the mission of plans that read versions whose bytes nobody
// has looked at, or found damaged.
const MissionVerify = "verify"

// Verify is all that a plan to read unverified versions follows from.
type Verify struct {
	Catalog Catalog
	Dir     string // of the tree, an absolute path
	Prefix  string // of keys
	ID      string // of the plan
	Now     cooper.Instant
}

// verifyPolicy is what a plan's header says of Verify.
type verifyPolicy struct {
	Prefix string `json:"prefix,omitempty"`
}

// PlanVerify writes a plan that reads every unverified or corrupt version, in the
// order of the catalog. Without any there is no plan: its header has no ID.
func PlanVerify(ctx context.Context, in Verify, w Writer) (h plan.Header, err error) {
	state := in.Catalog.State()
	if err := w.Phase(phaseTree); err != nil {
		return h, err
	}
	out := newEmitter(w, 1, 0)
	it := in.Catalog.Rows(ctx, in.Prefix)
	defer func() { err = errors.Join(err, it.Close()) }()
	n := 0
	for {
		row, err := it.Next()
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return h, err
		}
		if row.Place == catalog.Nowhere || row.Check != cooper.Unverified && row.Check != cooper.Corrupt {
			continue
		}
		n++
		v := versionOf(row)
		if err := out.add(treeop.Verify, &v, row, treeop.Args{Reason: string(row.Check)}); err != nil {
			return h, err
		}
	}
	if n == 0 {
		return plan.Header{}, nil
	}
	if h, err = header(MissionVerify, in.ID, in.Now, verifyPolicy{in.Prefix}); err != nil {
		return plan.Header{}, err
	}
	h.Target = plan.Target{Kind: targetTree, Path: in.Dir, Generation: state.Generation}
	h.Partial = true
	h.Estimate = out.estimate(Rates{}, nil)
	out.into(&h)
	return w.Finish(h)
}
