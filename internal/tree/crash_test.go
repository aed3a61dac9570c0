package tree

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cooper/internal/tree/catalog"
	"cooper/internal/tree/safefs/memfs"
)

var errDead = errors.New("the process is dead")

// dieAt lets the process die before its k-th operation that changes anything.
// It gives a counter of those there were.
func dieAt(m *memfs.FS, k int) *int {
	n, dead := 0, false
	m.Before = func(op string, paths ...string) error {
		n++
		if dead = dead || n == k; dead {
			return errDead
		}
		return nil
	}
	m.Read = func(op string, paths ...string) error {
		if dead {
			return errDead
		}
		return nil
	}
	return &n
}

// upTo is what a tree must hold after the shards that its catalog says are
// done.
func upTo(plans []plan, s catalog.State) model {
	m := model{}
	finished := map[string]bool{}
	for _, o := range s.Observed {
		finished[o.ID] = o.Finished
	}
	for _, p := range plans {
		for shard, changes := range p.shards {
			if finished[p.id] || s.Run != nil && s.Run.Plan == p.id && s.Run.Done.Has(shard) {
				m.apply(changes)
			}
		}
	}
	return m
}

func TestUndisturbed(t *testing.T) {
	eachLayout(t, func(t *testing.T, l layout) {
		for seed := range soak(t, 10) {
			plans, want := evolve(rand.New(rand.NewPCG(seed, 0)), 12)
			m, f := newMemOf(t, l), facts{}
			check(t, hold(m, false, f, carryOut(plans, f)))
			if d := want.differences(m); d != "" {
				t.Fatalf("seed %d: %s", seed, d)
			}
			for name, outs := range f {
				for _, o := range outs {
					if o.Status != "done" {
						t.Errorf("seed %d, %s: %+v", seed, name, o)
					}
				}
			}
			check(t, hold(m, false, f, carryOut(plans, f))) // nothing is left to do
		}
	})
}

// soak is how many seeds a test goes through: COOPER_SOAK multiplies them.
func soak(t *testing.T, seeds int) uint64 {
	if s := os.Getenv("COOPER_SOAK"); s != "" {
		n, err := strconv.Atoi(s)
		check(t, err)
		return uint64(n * seeds)
	}
	return uint64(seeds)
}

// TestCrashAtEveryOperation stops before every single operation, lets the
// machine forget what it may, recovers (completing or undoing, perhaps crashing
// again), goes on to the end, and compares with an undisturbed run.
func TestCrashAtEveryOperation(t *testing.T) {
	eachLayout(t, func(t *testing.T, l layout) {
		for seed := range soak(t, 1) {
			plans, want := evolve(rand.New(rand.NewPCG(seed, 7)), 3)
			base, wantFacts := newMemOf(t, l), facts{}
			total := dieAt(base, -1)
			check(t, hold(base, false, wantFacts, carryOut(plans, wantFacts)))
			t.Logf("seed %d: %d operations", seed, *total)
			for k := 1; k <= *total; k++ {
				r := rand.New(rand.NewPCG(seed, uint64(k)))
				if err := crashOnce(t, l, r, plans, want, wantFacts, k); err != nil {
					t.Fatalf("seed %d, operation %d: %v", seed, k, err)
				}
			}
		}
	})
}

func crashOnce(t *testing.T, l layout, r *rand.Rand, plans []plan, want model, wantFacts facts, k int) error {
	m, f := newMemOf(t, l), facts{}
	dieAt(m, k)
	if err := hold(m, false, f, carryOut(plans, f)); !errors.Is(err, errDead) {
		return fmt.Errorf("did not die: %w", err)
	}
	story := "crash"
	for range r.IntN(3) { // recovering may be interrupted too
		m = after(m, r)
		dieAt(m, 1+r.IntN(60))
		undo := r.IntN(2) == 0
		story += fmt.Sprintf(", recover undo=%v", undo)
		err := hold(m, undo, f, func(tr *Tree) error { return nil })
		if err != nil && !errors.Is(err, errDead) {
			return fmt.Errorf("%s: %w", story, err)
		}
	}
	m = after(m, r)
	undo := r.IntN(2) == 0
	story += fmt.Sprintf(", recover undo=%v", undo)
	err := hold(m, undo, f, func(tr *Tree) error {
		if d := upTo(plans, tr.State()).differences(m); d != "" {
			return fmt.Errorf("after recovery: %s", d)
		}
		return carryOut(plans, f)(tr)
	})
	if err != nil {
		return fmt.Errorf("%s: %w", story, err)
	}
	if d := want.differences(m); d != "" {
		return fmt.Errorf("%s: in the end: %s", story, d)
	}
	if d := cmp.Diff(wantFacts, f); d != "" {
		return fmt.Errorf("%s: facts: %s", story, d)
	}
	return nil
}

// after is what the next process finds: after a power failure, or a kill.
func after(m *memfs.FS, r *rand.Rand) *memfs.FS {
	if r.IntN(4) == 0 {
		return m.Kill()
	}
	return m.Crash(r)
}
