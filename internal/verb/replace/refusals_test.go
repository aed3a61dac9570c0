package replace

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"cooper"
	"cooper/internal/apply"
	"cooper/internal/bucketop"
	"cooper/internal/bucketop/bucketoptest"
	"cooper/internal/codec"
	"cooper/internal/journal"
	"cooper/internal/permit"
	"cooper/internal/plan"
	"cooper/internal/store"
	"cooper/internal/store/mem"
)

// TestProbes: where a store does not keep a condition that the plan trusts in,
// nothing is begun.
func TestProbes(t *testing.T) {
	for _, c := range []struct {
		versioning string
		rw         bucketop.Rewriting
		ignores    string
		want       string
	}{
		{"Enabled", suffixed, "", ""},
		{"Enabled", suffixed, "if-none-match", "write only where nothing is"},
		{"", keeping, "if-none-match", "write only where nothing is"},
		{"Enabled", suffixed, "removals", ""},
		{"Suspended", suffixed, "removals", "has removed it although"},
		{"", suffixed, "removals", "has removed it although"},
		{"", keeping, "removals", ""},
		{"", bucketop.Rewriting{Mode: bucketop.Suffix, Unguarded: true}, "removals", ""},
		{"Enabled", inPlace, "if-match", ""},
		{"Enabled", inPlace, "if-none-match", ""},
		{"Suspended", inPlace, "if-match", "has overwritten it although"},
		{"", inPlace, "if-match", "has overwritten it although"},
		{"", inPlace, "removals", ""},
	} {
		w := newWorld(t, c.versioning, c.rw, mem.Options{})
		w.put("p/k", "1")
		w.swap = func(b realBucket) realBucket { return ignoring{b, c.ignores} }
		_, err := w.run(context.Background(), w.planOf(w.plan()))
		if c.want == "" && err != nil || c.want != "" && (cooper.KindOf(err) != cooper.KindRefused || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%+v: %v", c, err)
		}
		if got := w.versions(); c.want != "" && got != "k=1!" || strings.Contains(got, "probe") {
			t.Errorf("%+v: left: %s", c, got)
		}
	}
}

// TestRemovalsThatTakeAll: wherever originals have ids, a store whose removal of
// one version takes them all is found out before anything is written. Once, in a
// bucket whose versioning was suspended, objects were lost in place.
func TestRemovalsThatTakeAll(t *testing.T) {
	for _, versioning := range []string{"Enabled", "Suspended"} {
		for _, rw := range []bucketop.Rewriting{suffixed, inPlace} {
			rw.Unguarded = rw.Mode == bucketop.Suffix
			w := newWorld(t, versioning, rw, mem.Options{})
			w.store = cooper.Store{Endpoint: "http://not.amazon"}
			w.Server.SetVersioning("lab", "Enabled")
			w.put("p/k", "1")
			w.Server.SetVersioning("lab", versioning)
			plan := w.planOf(w.plan())
			w.Server.SetQuirks(mem.RemovesAll)
			if _, err := w.run(context.Background(), plan); cooper.KindOf(err) != cooper.KindRefused || !strings.Contains(err.Error(), "the store has removed the") {
				t.Errorf("%s, %s: %v", versioning, rw.Mode, err)
			}
			if got := w.versions(); got != "k=1!" {
				t.Errorf("%s, %s: left: %s", versioning, rw.Mode, got)
			}
		}
	}
}

// ignoring is a store that heeds no condition of a kind.
type ignoring struct {
	realBucket
	what string
}

func (b ignoring) Put(ctx context.Context, p store.Put) (store.Object, error) {
	p.IfNoneMatch = p.IfNoneMatch && b.what != "if-none-match"
	if b.what == "if-match" {
		p.IfMatch = ""
	}
	return b.realBucket.Put(ctx, p)
}

func (b ignoring) Remove(ctx context.Context, p permit.Permit, rs []store.Removal) []error {
	rs = slices.Clone(rs)
	for i := range rs {
		if b.what == "removals" || b.what == "single removals" && store.Alone(rs[i].Key) {
			rs[i].IfMatch = ""
		}
	}
	return b.realBucket.Remove(ctx, p, rs)
}

// TestProbeOfKeysThatGoAlone: that a store compares ETags in removals of many
// says nothing of the request that removes one.
func TestProbeOfKeysThatGoAlone(t *testing.T) {
	w := newWorld(t, "", suffixed, mem.Options{})
	w.put("p/k\x01", "1")
	w.swap = func(b realBucket) realBucket { return ignoring{b, "single removals"} }
	_, err := w.run(context.Background(), w.planOf(w.plan()))
	if cooper.KindOf(err) != cooper.KindRefused || w.versions() != "k\x01=1! k\x01.zst=Z:1!" {
		t.Errorf("%v, left: %s", err, w.versions())
	}
}

func TestChecks(t *testing.T) {
	chain, err := codec.ParseChain("zstd:3")
	if err != nil {
		t.Fatal(err)
	}
	hidden := codec.Chain{Compress: chain.Compress, Encrypt: codec.AES256CFB8}
	good := Options{Path: target, Prefix: "p/", Versioning: "Enabled", Rewriting: bucketop.Rewriting{Codec: chain, Mode: bucketop.Suffix, Originals: bucketop.RemoveOriginals, Versioning: "Enabled"}}
	h := plan.Header{ID: "p-1", Target: plan.Target{Kind: bucketop.TargetKind, Path: target}}
	for name, c := range map[string]struct {
		change func(o *Options, h *plan.Header)
		want   cooper.Kind
	}{
		"all is well":               {func(*Options, *plan.Header) {}, ""},
		"another prefix":            {func(_ *Options, h *plan.Header) { h.Target.Path = "s3://lab/q/" }, cooper.KindRefused},
		"a tree":                    {func(_ *Options, h *plan.Header) { h.Target.Kind = "tree" }, cooper.KindRefused},
		"another store":             {func(o *Options, _ *plan.Header) { o.Store.Endpoint = "http://other" }, cooper.KindRefused},
		"versioning has changed":    {func(o *Options, _ *plan.Header) { o.Versioning = "Suspended" }, cooper.KindRefused},
		"lock, suffix":              {func(o *Options, _ *plan.Header) { o.Settings.Lock = true }, ""},
		"lock, in place":            {func(o *Options, _ *plan.Header) { o.Settings.Lock, o.Rewriting.Mode = true, bucketop.InPlace }, cooper.KindRefused},
		"encryption, suffix":        {func(o *Options, _ *plan.Header) { o.Rewriting.Codec = hidden }, ""},
		"encryption, in place":      {func(o *Options, _ *plan.Header) { o.Rewriting.Codec, o.Rewriting.Mode = hidden, bucketop.InPlace }, cooper.KindRefused},
		"no suffix":                 {func(o *Options, _ *plan.Header) { o.Rewriting.Codec = codec.Chain{} }, cooper.KindInvalid},
		"an unknown mode":           {func(o *Options, _ *plan.Header) { o.Rewriting.Mode = "quick" }, cooper.KindInvalid},
		"originals nobody knows of": {func(o *Options, _ *plan.Header) { o.Rewriting.Originals = "" }, cooper.KindInvalid},
	} {
		o, header := good, h
		c.change(&o, &header)
		if err := New(nil, o).Check(header); cooper.KindOf(err) != c.want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestNoProofNoRemoval: outcomes and plans that make no sense remove nothing.
func TestNoProofNoRemoval(t *testing.T) {
	for name, change := range map[string]func(a *cooper.Action, o *cooper.Outcome, rw *bucketop.Rewriting){
		"another replacement": func(_ *cooper.Action, o *cooper.Outcome, _ *bucketop.Rewriting) { o.Content.Stored.Key = "p/other.zst" },
		"no hash":             func(_ *cooper.Action, o *cooper.Outcome, _ *bucketop.Rewriting) { o.Content.SHA256 = nil },
		"no ETag":             func(_ *cooper.Action, o *cooper.Outcome, _ *bucketop.Rewriting) { o.Content.Stored.ETag = "" },
		"nothing stored":      func(_ *cooper.Action, o *cooper.Outcome, _ *bucketop.Rewriting) { o.Content.Stored.Size = 0 },
		"a damaged original":  func(_ *cooper.Action, o *cooper.Outcome, _ *bucketop.Rewriting) { o.Check = cooper.Corrupt },
		"no ETag to compare":  func(a *cooper.Action, _ *cooper.Outcome, _ *bucketop.Rewriting) { a.Version.ETag = "" },
		"no guard": func(a *cooper.Action, _ *cooper.Outcome, _ *bucketop.Rewriting) {
			a.Args = bucketop.RewriteArgs{Reason: "test"}.Encode()
		},
		"a look alone": func(a *cooper.Action, _ *cooper.Outcome, _ *bucketop.Rewriting) {
			a.Args = bucketop.RewriteArgs{Guard: bucketop.ByLook}.Encode()
		},
		"a guard that was not probed": func(_ *cooper.Action, _ *cooper.Outcome, rw *bucketop.Rewriting) { rw.Unguarded = true },
		"below another prefix": func(a *cooper.Action, o *cooper.Outcome, _ *bucketop.Rewriting) {
			a.Version.Key, o.Content.Stored.Key = "q/k", "q/k.zst"
		},
		"another verb": func(a *cooper.Action, _ *cooper.Outcome, _ *bucketop.Rewriting) { a.Verb = bucketop.Remove },
		"an argument that nobody knows": func(a *cooper.Action, _ *cooper.Outcome, _ *bucketop.Rewriting) {
			a.Args = map[string]string{"quick": "yes"}
		},
		"the name of a replacement": func(a *cooper.Action, o *cooper.Outcome, _ *bucketop.Rewriting) {
			a.Version.Key, o.Content.Stored.Key = "p/k.zst", "p/k.zst.zst"
		},
	} {
		w := newWorld(t, "", suffixed, mem.Options{})
		w.put("p/k", "1")
		p := w.planOf(w.plan())
		b, done := w.open()
		tg := w.target(b)
		if err := tg.Begin(context.Background(), permit.Issue("r-1"), p.Head); err != nil {
			t.Fatal(err)
		}
		a := p.Actions[0]
		o := w.verb(b, tg).Do(context.Background(), &a)
		change(&a, &o, &tg.opt.Rewriting)
		_, err := tg.Commit(context.Background(), permit.Issue("r-1"), apply.Shard{Plan: p.Head.ID}, []cooper.Action{a}, []cooper.Outcome{o})
		if kind := cooper.KindOf(err); kind != cooper.KindInvalid && kind != cooper.KindInternal || w.versions() != "k=1! k.zst=Z:1!" {
			t.Errorf("%s: %v, left: %s", name, err, w.versions())
		}
		done()
	}
	w := newWorld(t, "Enabled", suffixed, mem.Options{})
	w.put("p/k", "1")
	a := w.plan()[0]
	twice := w.planOf([]cooper.Action{a, a})
	twice.Actions[1].ID = a.ID
	if _, err := w.run(context.Background(), twice); cooper.KindOf(err) != cooper.KindInvalid {
		t.Errorf("twice: %v", err)
	}
}

// TestWhatIsNotRewrittenPasses: outcomes without a replacement are written down
// as they are.
func TestWhatIsNotRewrittenPasses(t *testing.T) {
	w := newWorld(t, "Enabled", suffixed, mem.Options{})
	w.put("p/a", compressed("compressed already"))
	w.put("p/b", "1")
	w.put("p/b.zst", "other")
	p := w.planOf(w.plan())
	if err := p.Add(cooper.Action{Verb: bucketop.Measure, Version: w.Server.Versions("lab")[2]}, false); err != nil {
		t.Fatal(err)
	}
	b, done := w.open()
	defer done()
	tg := w.target(b)
	found := cooper.Outcome{Status: cooper.Done, Content: &cooper.Content{State: cooper.Found, Reason: "test"}}
	_, err := apply.Run(context.Background(), apply.Job{
		Run: "r-1", Plan: p, Facts: w, Target: tg, Clock: time.Now,
		Verbs: map[string]apply.Verb{bucketop.Rewrite: w.verb(b, tg), bucketop.Measure: saying(found)},
	})
	if err != nil {
		t.Fatal(err)
	}
	outs := w.Outcomes(p)
	if bucketoptest.Statuses(outs) != "done conflict done" || outs[0].Content.State != cooper.Left || outs[2].Content.State != cooper.Found {
		t.Errorf("%+v", outs)
	}
	if got := w.versions(); got != "a=Z:compressed already! b=1! b.zst=other!" {
		t.Error(got)
	}
}

type saying cooper.Outcome

func (s saying) Do(context.Context, *cooper.Action) cooper.Outcome { return cooper.Outcome(s) }

func TestReadOnly(t *testing.T) {
	w := newWorld(t, "Enabled", suffixed, mem.Options{})
	w.put("p/a", "1")
	p := w.planOf(w.plan())
	tg := NewReadOnly(ReadOnlyOptions{Journal: w.Files(), Path: target})
	sampled := cooper.Outcome{Status: cooper.Done, Content: &cooper.Content{State: cooper.Sampled, PlainSize: 1}}
	job := apply.Job{Run: "r-1", Plan: p, Facts: w, Target: tg, Clock: time.Now, Verbs: map[string]apply.Verb{bucketop.Rewrite: saying(sampled)}}
	if _, err := apply.Run(context.Background(), job); err != nil {
		t.Fatal(err)
	}
	if outs := w.Outcomes(p); bucketoptest.Statuses(outs) != "done" || outs[0].Content.PlainSize != 1 {
		t.Errorf("%+v", outs)
	}
	if sum, err := apply.Run(context.Background(), job); err != nil || sum.Earlier != 1 {
		t.Errorf("again: %+v, %v", sum, err)
	}
	elsewhere := *p
	elsewhere.Head.Target.Path = "s3://lab/q/"
	job.Plan = &elsewhere
	if _, err := apply.Run(context.Background(), job); cooper.KindOf(err) != cooper.KindRefused {
		t.Errorf("another target: %v", err)
	}
	rewriting := cooper.Outcome{Status: cooper.Done, Content: &cooper.Content{State: cooper.Rewritten}}
	job.Plan, job.Verbs = w.planOf(w.plan()), map[string]apply.Verb{bucketop.Rewrite: saying(rewriting)}
	if _, err := apply.Run(context.Background(), job); cooper.KindOf(err) != cooper.KindInvalid {
		t.Errorf("a verb that writes: %v", err)
	}
	if _, err := tg.Recover(context.Background(), permit.Permit{}, true); cooper.KindOf(err) != cooper.KindUsage {
		t.Errorf("undo: %v", err)
	}
	if _, err := New(nil, Options{Journal: journal.In(w.Disk)}).Recover(context.Background(), permit.Permit{}, true); cooper.KindOf(err) != cooper.KindUsage {
		t.Errorf("undo: %v", err)
	}
}
