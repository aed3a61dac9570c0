package job

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"strings"

	"cooper"
	"cooper/internal/apply"
	"cooper/internal/bucketop"
	"cooper/internal/codec"
	"cooper/internal/compress"
	"cooper/internal/inventory"
	"cooper/internal/plan"
	"cooper/internal/price"
	"cooper/internal/query"
	"cooper/internal/verb/replace"
	"cooper/internal/verb/rewrite"
	"cooper/internal/words"
)

// Compress compresses the objects of a bucket, or tries a sample of them out.
type Compress struct {
	Bucket, Prefix string
	Source         Source
	// Policy needs neither Endpoint nor Versioning: the bucket tells. With Sampling
	// it is an estimate, which changes nothing.
	Policy compress.Policy
	// Prices is a file of prices; empty for the built-in ones.
	Prices string
	// PlanOnly plans, and changes nothing. Yes: do not ask.
	PlanOnly, Yes bool
	Options

	keys codec.Keys // nil for none
}

var (
	// A shard is some seconds of work, and what is read again after a crash.
	compressShards = plan.Limits{Actions: 4096, Bytes: 8 << 30}
	// Shards of a sample keep what is read again small.
	sampleShards = plan.Limits{Actions: 256, Bytes: math.MaxInt64}
)

// Run plans, shows the plan, asks unless nothing is to be changed, and carries it out.
func (c *Compress) Run(ctx context.Context, e *Env) (r Result, err error) {
	if c.keys, err = c.Keys.open(ctx, e); err != nil {
		return r, err
	}
	err = e.begin(func(w *work) error {
		h, err := c.planned(ctx, w)
		if err != nil {
			return err
		}
		r.Plan = &h
		if c.PlanOnly {
			return nil
		}
		may, err := c.mayRun(ctx, w, &h, &r)
		if err != nil || r.Nothing != "" {
			return err
		}
		if !may {
			r.Plan = nil
			return nil
		}
		c.Options.Keys.loaded = c.keys
		r, err = w.applyMade(ctx, &h, &c.Options)
		return err
	})
	return r, err
}

// mayRun shows the plan and asks.
func (c *Compress) mayRun(ctx context.Context, w *work, h *plan.Header, r *Result) (bool, error) {
	if c.Policy.Sampling != nil {
		return true, w.Listener.ShowPlan(h, false)
	}
	all := h.Totals[bucketop.Rewrite]
	what := "and remove the originals"
	switch {
	case c.Policy.Rewriting.Mode == bucketop.InPlace:
		what = "in place"
	case c.Policy.Rewriting.Originals == bucketop.KeepOriginals:
		what = "and keep the originals"
	}
	question := ""
	if all.Count > 0 {
		question = fmt.Sprintf("Compress %s (%s) %s?", words.Plural(all.Count, "object"), words.Bytes(all.Bytes), what)
	}
	if len(h.Totals) == 0 {
		r.Nothing = "There is nothing to do."
	}
	return w.consentTo(ctx, h, c.Yes, question, "nothing was compressed")
}

// planned makes a plan.
func (c *Compress) planned(ctx context.Context, w *work) (h plan.Header, err error) {
	prices, err := price.Load(c.Prices)
	if err != nil {
		return h, err
	}
	in := compress.Inputs{Prices: &prices, Now: w.now(), Policy: c.Policy}
	if c.keys != nil {
		in.Covered = func(key string) error { _, err := c.keys.For(key); return err }
	}
	if err := c.describe(ctx, w, &in); err != nil {
		return h, err
	}
	if err := in.Policy.Check(); err != nil { // before a snapshot is taken
		return h, err
	}
	snap, err := w.snapshotOf(ctx, c.Bucket, c.Source, c.Prefix, ".")
	if err != nil {
		return h, err
	}
	in.Snapshot = inventory.ViewOf(snap)
	planner, limits := compress.Plan, compressShards
	if c.Policy.Sampling != nil {
		planner, limits = compress.Sample, sampleShards
	}
	err = w.large(ctx, w.Memory/2, query.Sources{Workspace: w.ws.Dir()}, func(db query.Engine) (err error) {
		r := &in.Policy.Rewriting
		if in.Share, err = compress.Expected(ctx, db, c.Bucket, c.Prefix, r.Codec); err != nil {
			return err
		}
		if in.Known, err = compress.FromLedger(ctx, db, c.Bucket, c.Prefix, r.Codec.Encrypt, r.Ranged); err != nil {
			return err
		}
		defer finally(&err, in.Known.Close)
		h, err = w.writePlan(limits, func(id string, out *plan.Writer) (plan.Header, error) {
			in.ID, in.Now = id, w.now()
			return planner(ctx, in, out)
		})
		return err
	})
	return h, err
}

// describe asks what the bucket is set to.
func (c *Compress) describe(ctx context.Context, w *work, in *compress.Inputs) (err error) {
	b, store, err := w.open(ctx, c.Bucket, c.Jobs)
	if err != nil {
		return err
	}
	defer finally(&err, b.Close)
	p := &in.Policy
	p.Endpoint, in.Store, in.Moved = store.Endpoint, store, c.Moved
	if p.Rewriting.Versioning, err = b.Versioning(ctx); err != nil {
		return err
	}
	if p.Sampling == nil {
		if err := canLook(ctx, b, c.Prefix, p.Rewriting.Versioning); err != nil {
			return err
		}
	}
	s, err := b.Settings(ctx)
	in.Bucket = compress.Bucket{Lock: s.Lock, Grants: s.Grants, KMS: strings.HasPrefix(s.Encryption.Method, "aws:kms"), BucketKey: s.Encryption.BucketKey}
	return err
}

// compressions is the mission that compresses the objects of a bucket.
type compressions struct{}

func (compressions) traits() Traits {
	return Traits{Words: Words{Unfinished: "no shard was completed; what was compressed is not done again"}}
}

func (compressions) check(h *plan.Header, opt *Options) error {
	policy, err := compress.PolicyOf(h)
	switch {
	case err != nil:
		return err
	case opt.Keys.loaded != nil:
		return nil
	case !policy.Encrypted() && opt.Keys.From != "":
		return usage("--keys is given, but the plan takes the objects as they are", "Leave it out; or make a plan with --cipher.")
	case policy.Encrypted() && opt.Keys.From == "":
		return NoKeys("plan " + h.ID)
	}
	return nil
}

func (compressions) place(h *plan.Header, _ *Options) (place, error) {
	bucket, _, err := cooper.ParseURL(h.Target.Path)
	return place{lock: bucket, command: h.Mission + " run"}, err
}

func (compressions) equip(ctx context.Context, held *held, p *plan.Plan, opt *Options) (_ *kit, err error) {
	c, err := openCompressing(ctx, held, p, opt)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = closing(c.bucket, err)
		}
	}()
	r := c.policy.Rewriting
	versioning, err := c.bucket.Versioning(ctx)
	if err != nil {
		return nil, err
	}
	settings, err := c.bucket.Settings(ctx)
	if err != nil {
		return nil, err
	}
	target := replace.New(c.bucket, replace.Options{
		Journal: c.journal, Path: c.header.Target.Path, Prefix: c.prefix, Rewriting: r, Settings: settings, Versioning: versioning, WithoutTags: c.policy.WithoutTags,
		Store: c.store, PlannedStore: c.planned, Jobs: min(opt.Jobs, removeJobs), Clock: held.Clock,
	})
	rewriting := rewrite.New(c.bucket, rewrite.Options{
		Rewriting: r, Settings: settings, WithoutTags: c.policy.WithoutTags, Keys: c.keys, Secure: c.secure(), Memory: held.Memory / 2, Moved: c.count.Moved, Clock: held.Clock, Uploads: target.NoteUpload, Parts: target.SeeParts,
	})
	if c.header.Totals[bucketop.Rewrite].Count > 0 && !c.policy.WithoutTags {
		actions, err := p.Shard(ctx, 0)
		if err == nil {
			err = mayReadTags(ctx, c.bucket, actions)
		}
		if err != nil {
			return nil, err
		}
	}
	return c.kit(opt, target, map[string]apply.Verb{bucketop.Rewrite: rewriting, bucketop.Measure: c.measuring(held)}), nil
}

// removeJobs is how many requests that remove originals are under way at once, at most.
const removeJobs = 16

func (compressions) conclude(ctx context.Context, h *held, r *Result, _ error) (err error) {
	if r.Applied.Committed+r.Applied.Earlier == 0 {
		return nil
	}
	policy, err := compress.PolicyOf(r.Plan)
	if err == nil {
		r.Became, err = h.became(context.WithoutCancel(ctx), r.Plan.ID, &policy.Rewriting)
	}
	return err
}

// Estimated is what a sample means for the whole.
type Estimated = compress.Result

// estimates is the mission that tries a sample out; it changes nothing that others mind.
type estimates struct{ compressions }

func (m estimates) traits() Traits {
	t := m.compressions.traits()
	t.knowsFailures, t.readsOnly = true, true
	t.Unfinished = "no shard was completed; nothing was changed"
	return t
}

func (m estimates) place(h *plan.Header, opt *Options) (place, error) {
	p, err := m.compressions.place(h, opt)
	p.lock += " estimate"
	return p, err
}

func (estimates) equip(ctx context.Context, held *held, p *plan.Plan, opt *Options) (*kit, error) {
	c, err := openCompressing(ctx, held, p, opt)
	if err != nil {
		return nil, err
	}
	target := replace.NewReadOnly(replace.ReadOnlyOptions{Journal: c.journal, Path: c.header.Target.Path, Store: c.store, PlannedStore: c.planned})
	return c.kit(opt, target, map[string]apply.Verb{bucketop.Measure: c.measuring(held)}), nil
}

// conclude tells what the facts about the sample mean for the whole.
func (m estimates) conclude(ctx context.Context, h *held, r *Result, err error) error {
	if err != nil {
		return m.compressions.conclude(ctx, h, r, err)
	}
	p, err := plan.Open(h.ws.PlanDir(r.Plan.ID))
	if err != nil {
		return err
	}
	return h.small(ctx, func(db query.Engine) error {
		facts, failed, pace, err := compress.Gather(ctx, db, r.Plan, p.Actions(ctx))
		if err != nil {
			return err
		}
		pace.Cores = runtime.GOMAXPROCS(0)
		estimate, err := compress.Evaluate(r.Plan, facts, failed, pace)
		if err == nil {
			r.Estimate = &estimate
		}
		return err
	})
}
