package job

import (
	"context"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"cooper"
	"cooper/internal/backup"
	"cooper/internal/bucketop"
	"cooper/internal/codec"
	"cooper/internal/compress"
	"cooper/internal/gc"
	"cooper/internal/ledger"
	"cooper/internal/plan"
	"cooper/internal/purge"
	"cooper/internal/store/mem"
	"cooper/internal/tree/audit"
	"cooper/internal/uploads"
)

// a maker prepares a world in which a mission has something to do, and gives the plan, and
// what is looked for once it was carried out; nil if it was already.
type maker func(t *testing.T) (w *world, p *plan.Header, effect func())

// makers are of all missions there are.
var makers = map[string]maker{
	backup.Mission: func(t *testing.T) (*world, *plan.Header, func()) {
		w := emptyLab(t, "Enabled")
		w.put("1", "a", "b")
		r, err := w.backup().Plan(t.Context(), w.Env)
		w.ok(err)
		return w, r.Plan, func() { w.mirror("a: a 1", "b: b 1") }
	},
	backup.MissionRestore: func(t *testing.T) (*world, *plan.Header, func()) {
		w, _ := backedUp(t)
		r, err := (&Restore{Dir: w.path("tree"), To: w.path("out"), PlanOnly: true, Options: Options{Jobs: 4}}).Run(t.Context(), w.Env)
		w.ok(err)
		return w, r.Plan, func() { w.same("restored", w.files("out"), "a: a 2", "c: c 1") }
	},
	backup.MissionRollback: func(t *testing.T) (*world, *plan.Header, func()) {
		w, first := backedUp(t)
		r, err := (&Rollback{Dir: w.path("tree"), To: first, PlanOnly: true, Options: Options{Jobs: 4}}).Run(t.Context(), w.Env)
		w.ok(err)
		return w, r.Plan, func() { w.mirror("a: a 1", "b: b 1", "c: c 1") }
	},
	backup.MissionPrune: func(t *testing.T) (*world, *plan.Header, func()) {
		w, _ := backedUp(t)
		w.later(48 * time.Hour)
		policy := backup.Careful()
		policy.ShareLimit = 1
		r, err := (&Prune{Dir: w.path("tree"), What: backup.Prune{Policy: policy, OlderThan: time.Hour}, PlanOnly: true, Options: Options{Jobs: 1}}).Run(t.Context(), w.Env)
		w.ok(err)
		return w, r.Plan, func() { w.same("history", w.files("tree/history")) }
	},
	backup.MissionVerify: func(t *testing.T) (*world, *plan.Header, func()) {
		w := rebuilt(t) // nobody has looked at any version
		_, err := (&Verify{Dir: w.path("tree"), Content: true, Found: func(audit.Finding) error { return nil }, Options: Options{Jobs: 4}}).Run(t.Context(), w.Env)
		w.ok(err)
		return w, w.lastOf(backup.MissionVerify), nil
	},
	backup.MissionRepair: func(t *testing.T) (*world, *plan.Header, func()) {
		w, _ := backedUp(t)
		w.damage()
		_, err := (&Verify{Dir: w.path("tree"), Repair: true, Found: func(audit.Finding) error { return nil }, Options: Options{Jobs: 4}}).Run(t.Context(), w.Env)
		w.ok(err)
		return w, w.lastOf(backup.MissionRepair), nil
	},
	compress.Mission: func(t *testing.T) (*world, *plan.Header, func()) {
		w := compressible(t)
		c := w.compress()
		c.PlanOnly = true
		r, err := c.Run(t.Context(), w.Env)
		w.ok(err)
		return w, r.Plan, func() { w.bucketHas("noise", "text.zst") }
	},
	compress.MissionEstimate: func(t *testing.T) (*world, *plan.Header, func()) {
		w := compressible(t)
		c := w.compress()
		c.PlanOnly = true
		c.Policy.Sampling = &compress.Sampling{Objects: 10, Bytes: 1 << 20, Try: []string{"zstd:3"}}
		r, err := c.Run(t.Context(), w.Env)
		w.ok(err)
		return w, r.Plan, func() { w.bucketHas("noise", "text") }
	},
	gc.Mission: func(t *testing.T) (*world, *plan.Header, func()) {
		w := newPlatform(t)
		r, err := w.scan(true).Run(t.Context(), w.Env)
		w.ok(err)
		return w, r.Plan, func() {
			w.same("links", w.list("links"), "posts 1 1", "posts 2 2")
			w.same("complete", w.rows("SELECT complete FROM gc_scan"), "true")
		}
	},
	gc.MissionDetect: func(t *testing.T) (*world, *plan.Header, func()) {
		w := newPlatform(t)
		w.declare(platformYAML + "detect: {scans: 1, apart: 0s}\n")
		_, err := w.scan(false).Run(t.Context(), w.Env)
		w.ok(err)
		d := w.detect()
		d.PlanOnly = true
		r, err := d.Run(t.Context(), w.Env)
		w.ok(err)
		return w, r.Plan, func() {
			w.same("candidates", w.list("candidates"), "3 ")
			w.same("transitions", w.transitions(), "3 AVAILABLE UNLINKED no link in a complete scan")
		}
	},
	gc.MissionArchive: func(t *testing.T) (*world, *plan.Header, func()) {
		w := archivable(t)
		g := w.archive()
		g.PlanOnly = true
		r, err := g.Run(t.Context(), w.Env)
		w.ok(err)
		return w, r.Plan, func() { w.bucketHas("a", "b", "tmp/x") }
	},
	gc.MissionRecall: func(t *testing.T) (*world, *plan.Header, func()) {
		w := archivedFiles(t, recallYAML)
		g := w.restore("3", "4")
		g.PlanOnly = true
		r, err := g.Run(t.Context(), w.Env)
		w.ok(err)
		return w, r.Plan, func() { w.bucketHas("a", "b", "c", "d.csv.zst") }
	},
	gc.MissionForget: func(t *testing.T) (*world, *plan.Header, func()) {
		w := longArchived(t, deleteYAML)
		g := w.forget()
		g.PlanOnly = true
		r, err := g.Run(t.Context(), w.Env)
		w.ok(err)
		return w, r.Plan, func() { w.same("left", w.has("depot"), "lab/theirs") }
	},
	purge.Mission: func(t *testing.T) (*world, *plan.Header, func()) {
		w := emptyLab(t, "Enabled")
		w.put("1", "old/a", "old/b", "new/c")
		p := w.purge()
		p.PlanOnly = true
		r, err := p.Run(t.Context(), w.Env)
		w.ok(err)
		return w, r.Plan, func() { w.bucketHas("new/c") }
	},
	uploads.Mission: func(t *testing.T) (*world, *plan.Header, func()) {
		w := unfinishedLab(t)
		p := w.purgeUploads()
		p.PlanOnly = true
		r, err := p.Run(t.Context(), w.Env)
		w.ok(err)
		return w, r.Plan, func() { w.same("unfinished", w.unfinished(), "new", "old/keep/c") }
	},
}

// purge removes all below old/.
func (w *world) purge() *Purge {
	return &Purge{Bucket: "lab", Prefix: "old/", Source: Source{List: true}, Policy: purge.Policy{Prefix: "old/", Versions: purge.All, ShareLimit: 1}, Options: Options{Jobs: 4}}
}

// compressible is a world with text, and with noise that does not shrink.
func compressible(t *testing.T) *world {
	t.Helper()
	w := emptyLab(t, "Enabled")
	w.store.Put("lab", "text", slices.Repeat([]byte("one line of many\n"), 500), mem.PutOptions{})
	noise := make([]byte, 4000)
	for i, r := 0, rand.New(rand.NewPCG(1, 2)); i < len(noise); i++ {
		noise[i] = byte(r.Uint32())
	}
	w.store.Put("lab", "noise", noise, mem.PutOptions{})
	return w
}

func (w *world) compress() *Compress {
	chain, err := codec.ParseCompression("zstd:3")
	w.ok(err)
	return &Compress{
		Bucket: "lab", Source: Source{List: true}, Yes: true, Options: Options{Jobs: 4},
		Policy: compress.Policy{MinSize: 512, Rewriting: bucketop.Rewriting{
			Codec: codec.Chain{Compress: chain}, Mode: bucketop.Suffix, Originals: bucketop.RemoveOriginals, SSE: bucketop.SSEKeep, Proof: bucketop.AsSent, MinSaving: 0.05,
		}},
	}
}

// damage changes a file of the tree.
func (w *world) damage() {
	w.ok(os.WriteFile(w.path("tree/mirror/c"), []byte("not what it was"), 0o644))
}

// lastOf is the plan of a mission that was begun last.
func (w *world) lastOf(mission string) *plan.Header {
	w.t.Helper()
	ws, err := w.OpenWorkspace()
	w.ok(err)
	defer ws.Close()
	for _, id := range slices.Backward(w.begun) {
		p, err := plan.Open(ws.PlanDir(id))
		w.ok(err)
		if h := p.Header(); h.Mission == mission {
			return &h
		}
	}
	w.t.Fatalf("no plan of %s was begun: %v", mission, w.begun)
	return nil
}

// TestMissions holds what every mission owes to whoever carries its plans out: a lock,
// a stop that is taken up again, each fact once, and words for its end.
func TestMissions(t *testing.T) {
	if got, want := slices.Sorted(maps.Keys(makers)), slices.Sorted(maps.Keys(missions)); !slices.Equal(got, want) {
		t.Fatalf("tested are %v, and there are %v", got, want)
	}
	for name, m := range missions {
		t.Run(name, func(t *testing.T) {
			w, h, effect := makers[name](t)
			if h.Mission != name {
				t.Fatalf("a plan of %s", h.Mission)
			}
			if words := TraitsOf(h).Unfinished; words == "" {
				t.Error("it has no words for a run that completes nothing")
			}
			opt := Options{Jobs: 4}
			if effect != nil {
				w.locked(t, m, h)
				w.stoppedBefore(t, h)
				w.forgetful(t, h)
				r, err := Apply(t.Context(), w.Env, h.ID, opt)
				w.went(r, err, name)
				effect()
			}
			once := w.facts(h.ID)
			var planned int64
			for _, t := range h.Totals {
				planned += t.Count
			}
			if planned == 0 || int64(len(once)) != planned {
				t.Errorf("%d facts of %d actions: %v", len(once), planned, once)
			}
			w.again(t, h, once)
		})
	}
}

// locked wants a plan not to be carried out while somebody else holds what it changes.
func (w *world) locked(t *testing.T, m mission, h *plan.Header) {
	t.Helper()
	at, err := m.place(h, &Options{})
	w.ok(err)
	if bucket, _, err := cooper.ParseURL(h.Target.Path); err == nil && at.dir == "" && at.lock != bucket && !m.traits().readsOnly {
		t.Errorf("it locks %q and changes the bucket %q: others could change it meanwhile", at.lock, bucket)
	}
	err = w.begin(func(work *work) error {
		return work.hold(t.Context(), at, &Options{}, func(context.Context, *held) error {
			_, err := Apply(t.Context(), w.Env, h.ID, Options{Jobs: 4})
			w.refused(err, cooper.KindLocked)
			return nil
		})
	})
	w.ok(err)
}

// stoppedBefore wants a plan that was stopped before it began to have changed nothing.
func (w *world) stoppedBefore(t *testing.T, h *plan.Header) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := Apply(ctx, w.Env, h.ID, Options{Jobs: 4})
	w.refused(err, cooper.KindInterrupted)
	w.same("facts of what was stopped", w.facts(h.ID))
}

// again carries a plan out that was carried out: it is done already, or refused, as the
// target is another now. What keeps no account at its target, as a restore, may look at
// everything once more, as a run of its own. In no case a run tells a fact twice.
func (w *world) again(t *testing.T, h *plan.Header, once []string) {
	t.Helper()
	r, err := Apply(t.Context(), w.Env, h.ID, Options{Jobs: 4})
	switch {
	case err == nil && r.Applied.Committed == r.Applied.Shards && r.Applied.Bytes == 0:
	case err == nil && r.Applied.Committed == 0 && r.Applied.Earlier > 0, cooper.KindOf(err) == cooper.KindRefused && r.Refused(err):
		w.same("facts after carrying it out again", w.facts(h.ID), once...)
	default:
		t.Errorf("carried out again: %+v, %v", r.Applied, err)
	}
	w.same("facts that were told twice", w.rows("SELECT concat_ws(' ', run, action) FROM outcome WHERE plan = ? GROUP BY run, action HAVING count(*) > 1", h.ID))
}

// forgetful carries a plan out where the ledger cannot be written: what was done then is
// known to the next run all the same, which owes its facts.
func (w *world) forgetful(t *testing.T, h *plan.Header) {
	t.Helper()
	table, aside := filepath.Join(w.Workspace, "ledger", ledger.Outcome), w.path("aside")
	w.ok(os.MkdirAll(table, 0o777))
	w.ok(os.Rename(table, aside))
	w.ok(os.WriteFile(table, nil, 0o666))
	if r, err := Apply(t.Context(), w.Env, h.ID, Options{Jobs: 4}); err == nil || r.Applied == nil || r.Applied.Finished {
		t.Errorf("without a ledger: %+v, %v", r.Applied, err)
	}
	w.ok(os.Remove(table))
	w.ok(os.Rename(aside, table))
}

// bucketHas wants the bucket to show these keys, and no older versions.
func (w *world) bucketHas(keys ...string) {
	w.t.Helper()
	var got []string
	for _, v := range w.store.Versions("lab") {
		got = append(got, v.Key)
	}
	slices.Sort(got)
	w.same("the bucket", got, keys...)
}

// TestStoppedAtTheEnd: who asks for a stop when all is done is told that it is done.
func TestStoppedAtTheEnd(t *testing.T) {
	for name := range missions {
		t.Run(name, func(t *testing.T) {
			w, h, effect := makers[name](t)
			if effect == nil {
				t.Skip("it was carried out already")
			}
			ctx, cancel := context.WithCancel(t.Context())
			w.stopped = cancel
			r, err := Apply(ctx, w.Env, h.ID, Options{Jobs: 4})
			w.went(r, err, name)
			w.stopped = func() {}
			effect()
		})
	}
}

// TestUnknownMission: a plan of another version of the program is refused, not guessed at.
func TestUnknownMission(t *testing.T) {
	w, _, _ := makers[purge.Mission](t)
	ws, err := w.OpenWorkspace()
	w.ok(err)
	out, err := plan.Create(ws.PlanDir("p-20990101T000000Z-0000"), "p-20990101T000000Z-0000", plan.Limits{})
	w.ok(err)
	_, err = out.Finish(plan.Header{Mission: "paint", Target: plan.Target{Kind: bucketop.TargetKind, Path: "s3://lab/"}})
	w.ok(err)
	w.ok(ws.Close())
	_, err = Apply(t.Context(), w.Env, "latest", Options{Jobs: 1})
	w.refused(err, cooper.KindInvalid)
}

func TestPurge(t *testing.T) {
	w := emptyLab(t, "Enabled")
	w.put("1", "old/a", "new/c")
	w.store.Delete("lab", "old/a")
	// Nobody is there to ask.
	r, err := w.purge().Run(t.Context(), w.Env)
	w.refused(err, cooper.KindRefused)
	if !r.Refused(err) || r.Plan == nil {
		t.Errorf("%+v", r)
	}
	w.answer = func(string) bool { return false }
	r, err = w.purge().Run(t.Context(), w.Env)
	w.ok(err)
	if r.Plan != nil || !w.heard("nothing was deleted; cooper apply") {
		t.Errorf("after a no: %+v, %v", r, w.told)
	}
	w.answer = func(string) bool { return true }
	r, err = w.purge().Run(t.Context(), w.Env)
	r = w.went(r, err, purge.Mission)
	w.same("asked", w.asked[len(w.asked)-1:], "Delete 2 versions (7 B) for good?")
	w.same("shown", w.shown[len(w.shown)-1:], r.Plan.ID+" whole")
	w.same("facts", w.facts(r.Plan.ID), "remove done old/a", "remove done old/a")
	if n := len(w.store.Versions("lab")); n != 1 {
		t.Errorf("%d versions are left", n)
	}
	r, err = w.purge().Run(t.Context(), w.Env)
	w.ok(err)
	if r.Nothing == "" || r.Applied != nil {
		t.Errorf("where nothing is left: %+v", r)
	}
}

func TestCompress(t *testing.T) {
	w := compressible(t)
	c := w.compress()
	r, err := c.Run(t.Context(), w.Env)
	r = w.went(r, err, compress.Mission)
	w.same("facts", w.facts(r.Plan.ID), "rewrite done noise", "rewrite done text")
	if b := r.Became; b == nil || b.Before.Count != 1 || b.After == 0 || len(b.Left) != 1 {
		t.Errorf("what became of them: %+v", b)
	}
	r, err = c.Run(t.Context(), w.Env)
	w.ok(err)
	if r.Nothing == "" || r.Applied != nil {
		t.Errorf("again: %+v", r)
	}
}

func TestEstimate(t *testing.T) {
	w := compressible(t)
	c := w.compress()
	c.Policy.Sampling = &compress.Sampling{Objects: 10, Bytes: 1 << 20, Try: []string{"zstd:3"}}
	r, err := c.Run(t.Context(), w.Env)
	r = w.went(r, err, compress.MissionEstimate)
	if r.Estimate == nil || r.Estimate.Chosen.Count != 2 {
		t.Errorf("the estimate: %+v", r.Estimate)
	}
	w.same("shown", w.shown, r.Plan.ID+" in short")
	if n := len(w.store.Versions("lab")); n != 2 {
		t.Errorf("%d versions are in the bucket", n)
	}
}
