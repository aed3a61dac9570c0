package verbtest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"cooper"
	"cooper/internal/apply"
	"cooper/internal/bucketop/bucketoptest"
	"cooper/internal/journal"
	"cooper/internal/ledger"
)

// Clock shows the same time always.
func Clock() time.Time { return time.Unix(1e9, 0) }

// Run applies a plan, as one process, and returns when nothing of it is under way any
// more. The run is named r- and its number.
func (w *World) Run(ctx context.Context, p *bucketoptest.Plan, target apply.Target, verbs map[string]apply.Verb, workers int) (apply.Summary, error) {
	w.Runs++
	defer w.Alone(func() {}) // whatever request it was that it died of has ended
	return apply.Run(ctx, apply.Job{
		Run: fmt.Sprint("r-", w.Runs), Plan: p, Facts: w, Target: target, Verbs: verbs,
		Workers: workers, ShardsInFlight: max(workers/2, 1), Clock: Clock,
	})
}

// WriteOutcomes is the ledger's. A dead process writes nothing; no action has facts
// twice.
func (w *World) WriteOutcomes(_ context.Context, run string, shard int, plan, _ string, outs []cooper.Outcome) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.Dead {
		return ErrDead
	}
	this := fmt.Sprint(plan, " ", run, " ", shard)
	for _, o := range outs {
		for name, others := range w.facts {
			for _, other := range others {
				if name != this && strings.HasPrefix(name, plan+" ") && other.Action == o.Action {
					w.t.Errorf("action %d of %s has facts of %s and of %s", o.Action, plan, name, run)
				}
			}
		}
	}
	w.facts[this] = slices.Clone(outs)
	return nil
}

// WriteRun is the ledger's.
func (w *World) WriteRun(context.Context, ledger.RunFact) error { return nil }

// Outcomes are the facts about a plan, by action.
func (w *World) Outcomes(p *bucketoptest.Plan) []cooper.Outcome {
	var all []cooper.Outcome
	for name, outs := range w.facts {
		if strings.HasPrefix(name, p.Head.ID+" ") {
			all = append(all, outs...)
		}
	}
	slices.SortFunc(all, func(a, b cooper.Outcome) int { return int(a.Action - b.Action) })
	return all
}

// Files is a directory for journals on the disk: file operations are written down,
// and none happens once the process is dead.
func (w *World) Files() journal.Dir {
	w.Disk.Before = func(op string, paths ...string) error {
		w.mu.Lock()
		defer w.mu.Unlock()
		last, err := w.event(op + " " + strings.Join(paths, " "))
		if last && err == nil {
			w.die()
		}
		return err
	}
	w.Disk.Read = func(string, ...string) error {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.Dead {
			return ErrDead
		}
		return nil
	}
	return journal.In(w.Disk)
}

// Restart is what the next process finds: of every other run the machine died, too,
// and its disk has forgotten what was not synced. Requests of the dead one may still
// be on their way.
func (w *World) Restart() {
	w.Alone(func() {
		w.Disk.Before, w.Disk.Read = nil, nil
		if w.Runs%2 == 0 {
			w.Disk = w.Disk.Kill()
		} else {
			w.Disk = w.Disk.Crash(rand.New(rand.NewPCG(uint64(len(w.Trace)), 1)))
		}
		w.Dead = false
	})
}
