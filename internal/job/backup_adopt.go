package job

import (
	"context"
	"path/filepath"

	"cooper/internal/tree"
	"cooper/internal/tree/adopt"
)

// Adopt takes over a backup that s3invsync made.
type Adopt struct {
	Dir string
	// PlanOnly tells what would be adopted, and writes nothing.
	PlanOnly bool
	// Left is told of what belongs to no version.
	Left func(adopt.Left) error
}

// Adopted is what became of it.
type Adopted struct {
	Tree string `json:"tree"`
	adopt.Result
	PlanOnly bool `json:"plan_only,omitempty"`
}

// Run makes a tree of the directory.
func (a *Adopt) Run(ctx context.Context, e *Env) (out Adopted, err error) {
	if out.Tree, err = filepath.Abs(a.Dir); err != nil {
		return out, err
	}
	out.PlanOnly = a.PlanOnly
	count := e.counters(nil)
	count.Phase("adopt")
	stop := e.Listener.Follow(count)
	defer stop()
	out.Result, err = adopt.Run(ctx, out.Tree, adopt.Options{
		Look: a.PlanOnly, Progress: count, Tree: tree.Options{Clock: e.Clock},
		Left: func(l adopt.Left) error {
			stop()
			return a.Left(l)
		},
	})
	return out, err
}
