package replace

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"cooper"
	"cooper/internal/apply"
	"cooper/internal/bucketop"
	"cooper/internal/journal"
	"cooper/internal/ledger"
	"cooper/internal/permit"
	"cooper/internal/plan"
	"cooper/internal/store/mem"
)

// fakePlan is a plan in memory.
type fakePlan struct {
	header plan.Header
	shards [][]cooper.Action
}

func (w *world) fakePlan(actions []cooper.Action) *fakePlan {
	p := &fakePlan{}
	for some := range slices.Chunk(actions, max(w.size, 2)) {
		p.shards = append(p.shards, some)
	}
	w.runs++
	p.header = plan.Header{
		ID: fmt.Sprint("p-", w.runs), Mission: "compress", Target: plan.Target{Kind: bucketop.TargetKind, Path: target},
		Phases: []plan.Phase{{Name: "rewrite", Shards: len(p.shards)}},
		Totals: map[string]plan.Tally{bucketop.Rewrite: {Count: int64(len(actions))}},
	}
	return p
}

func (p *fakePlan) Header() plan.Header          { return p.header }
func (p *fakePlan) Verify(context.Context) error { return nil }
func (p *fakePlan) Shard(_ context.Context, n int) ([]cooper.Action, error) {
	return slices.Clone(p.shards[n]), nil
}

// WriteOutcomes is the ledger's.
func (w *world) WriteOutcomes(_ context.Context, run string, shard int, plan, _ string, outs []cooper.Outcome) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.dead {
		return errDead
	}
	for _, o := range outs {
		for name, others := range w.facts {
			for _, other := range others {
				if name != fmt.Sprint(plan, " ", run, " ", shard) && strings.HasPrefix(name, plan+" ") && other.Action == o.Action {
					w.t.Errorf("action %d of %s has facts of %s and of %s", o.Action, plan, name, run)
				}
			}
		}
	}
	w.facts[fmt.Sprint(plan, " ", run, " ", shard)] = slices.Clone(outs)
	return nil
}

// WriteRun is the ledger's.
func (w *world) WriteRun(context.Context, ledger.RunFact) error { return nil }

// outcomes are the facts about a plan, by action.
func (w *world) outcomes(p *fakePlan) []cooper.Outcome {
	var all []cooper.Outcome
	for name, outs := range w.facts {
		if strings.HasPrefix(name, p.header.ID+" ") {
			all = append(all, outs...)
		}
	}
	slices.SortFunc(all, func(a, b cooper.Outcome) int { return int(a.Action - b.Action) })
	return all
}

// BenchmarkCommit removes the originals of a shard of 5,000 objects, on a real
// disk.
func BenchmarkCommit(b *testing.B) {
	const objects = 5_000
	for b.Loop() {
		b.StopTimer()
		w := newWorld(b, "Enabled", suffixed, mem.Options{})
		for i := range objects {
			w.put(fmt.Sprintf("p/%06d", i), fmt.Sprint(i))
		}
		actions := w.plan()
		h := w.fakePlan(actions).header
		outs := make([]cooper.Outcome, objects)
		real, done := w.open()
		opt := w.target(real).opt
		opt.Journal, opt.Jobs = journal.At(b.TempDir()), defaultJobs
		tg := New(real, opt)
		if err := tg.Begin(context.Background(), permit.Issue("r-1"), h); err != nil {
			b.Fatal(err)
		}
		verb := w.verb(real, tg)
		for i := range actions {
			outs[i] = verb.Do(context.Background(), &actions[i])
			outs[i].Action, outs[i].Verb, outs[i].Identity = actions[i].ID, actions[i].Verb, actions[i].Version.Identity
		}
		b.StartTimer()
		outs, err := tg.Commit(context.Background(), permit.Issue("r-1"), apply.Shard{Plan: h.ID}, actions, outs)
		b.StopTimer()
		if n := len(w.srv.Versions("lab")); err != nil || n != objects || outs[0].Status != cooper.Done {
			b.Fatalf("%v, %d versions", err, n)
		}
		done()
		b.StartTimer()
	}
	b.ReportMetric(float64(objects*b.N)/b.Elapsed().Seconds(), "objects/s")
}
