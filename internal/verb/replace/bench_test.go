package replace

import (
	"context"
	"fmt"
	"testing"

	"cooper"
	"cooper/internal/apply"
	"cooper/internal/journal"
	"cooper/internal/permit"
	"cooper/internal/store/mem"
)

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
		h := w.planOf(actions).Head
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
		if n := len(w.Server.Versions("lab")); err != nil || n != objects || outs[0].Status != cooper.Done {
			b.Fatalf("%v, %d versions", err, n)
		}
		done()
		b.StartTimer()
	}
	b.ReportMetric(float64(objects*b.N)/b.Elapsed().Seconds(), "objects/s")
}
