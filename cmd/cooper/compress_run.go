package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"

	"cooper"
	"cooper/internal/apply"
	"cooper/internal/bucketop"
	"cooper/internal/codec"
	"cooper/internal/compress"
	"cooper/internal/inventory"
	"cooper/internal/journal"
	"cooper/internal/ledger"
	"cooper/internal/plan"
	"cooper/internal/price"
	"cooper/internal/progress"
	"cooper/internal/query"
	"cooper/internal/query/duckdb"
	storage "cooper/internal/store"
	"cooper/internal/store/s3"
	"cooper/internal/verb/measure"
	"cooper/internal/verb/replace"
	"cooper/internal/verb/rewrite"
	"cooper/internal/words"
	"cooper/internal/workspace"
)

// A shard is some seconds of work, and what is read again after a crash.
var compressShards = plan.Limits{Actions: 4096, Bytes: 8 << 30}

// compress plans, shows the plan, asks, and carries it out.
func (a *app) compress(ctx context.Context, arg string, f *compressFlags) (err error) {
	policy, err := f.checked(arg)
	if err != nil {
		return err
	}
	keys, err := f.secret.open(ctx, a)
	if err != nil {
		return err
	}
	ws, err := a.openWorkspace()
	if err != nil {
		return err
	}
	defer finally(&err, ws.Close)
	h, err := a.compressPlan(ctx, ws, f, policy, keys, func(ctx context.Context, in compress.Inputs, w *plan.Writer) (plan.Header, error) {
		return compress.Plan(ctx, in, w)
	}, compressShards)
	if err != nil {
		return err
	}
	if f.planOnly {
		return a.planned(ran{Plan: &h})
	}
	if !a.json {
		if err := a.showPlan(h); err != nil {
			return err
		}
	}
	if len(h.Totals) == 0 {
		if a.json {
			return a.emit(ran{Plan: &h})
		}
		a.say("There is nothing to do.")
		return nil
	}
	if !f.yes && h.Totals[bucketop.Rewrite].Count > 0 {
		if may, err := a.mayCompress(ctx, h, &policy.Rewriting); err != nil || !may {
			return err
		}
	}
	return a.applyCompress(ctx, ws, h, &f.apply, keys)
}

// mayCompress asks.
func (a *app) mayCompress(ctx context.Context, h plan.Header, r *bucketop.Rewriting) (bool, error) {
	all := h.Totals[bucketop.Rewrite]
	what := "and remove the originals"
	switch {
	case r.Mode == bucketop.InPlace:
		what = "in place"
	case r.Originals == bucketop.KeepOriginals:
		what = "and keep the originals"
	}
	return a.may(ctx, h, fmt.Sprintf("Compress %s (%s) %s?", words.Plural(all.Count, "object"), words.Bytes(all.Bytes), what), "nothing was compressed")
}

// compressPlan makes a plan by planner from what the flags say.
func (a *app) compressPlan(ctx context.Context, ws *workspace.Workspace, f *compressFlags, policy compress.Policy, keys codec.Keys,
	planner func(context.Context, compress.Inputs, *plan.Writer) (plan.Header, error), limits plan.Limits,
) (h plan.Header, err error) {
	prices, err := price.Load(f.prices)
	if err != nil {
		return h, err
	}
	in := compress.Inputs{Prices: &prices, Now: cooper.InstantOf(a.clock())}
	if keys != nil {
		in.Covered = func(key string) error { _, err := keys.For(key); return err }
	}
	if err := a.describeBucket(ctx, f, &policy, &in); err != nil {
		return h, err
	}
	if err := policy.Check(); err != nil { // before a snapshot is taken
		return h, err
	}
	in.Policy = policy
	snap, err := a.compressSnapshot(ctx, ws, f)
	if err != nil {
		return h, err
	}
	in.Snapshot = inventory.ViewOf(snap)
	done, err := a.compressKnown(ctx, ws, f, &in)
	defer finally(&err, done)
	if err != nil {
		return h, err
	}
	return a.writeLimited(ws, limits, func(id string, w *plan.Writer) (plan.Header, error) {
		in.ID, in.Now = id, cooper.InstantOf(a.clock())
		return planner(ctx, in, w)
	})
}

// describeBucket asks what the bucket is set to.
func (a *app) describeBucket(ctx context.Context, f *compressFlags, p *compress.Policy, in *compress.Inputs) error {
	b, err := a.openBucket(ctx, f.bucket, f.apply.jobs)
	if err != nil {
		return err
	}
	store, err := b.Store(ctx)
	if err != nil {
		return errors.Join(err, b.Close())
	}
	p.Endpoint, in.Store, in.Moved = store.Endpoint, &store, f.apply.moved
	p.Rewriting.Versioning, err = b.Versioning(ctx)
	if err != nil {
		return errors.Join(err, b.Close())
	}
	if p.Sampling == nil {
		if err := canLook(ctx, b, f.prefix, p.Rewriting.Versioning); err != nil {
			return errors.Join(err, b.Close())
		}
	}
	s, err := b.Settings(ctx)
	in.Bucket = compress.Bucket{Lock: s.Lock, Grants: s.Grants, KMS: strings.HasPrefix(s.Encryption.Method, "aws:kms"), BucketKey: s.Encryption.BucketKey}
	return errors.Join(err, b.Close())
}

func (a *app) compressSnapshot(ctx context.Context, ws *workspace.Workspace, f *compressFlags) (*inventory.Snapshot, error) {
	listed := ""
	if f.source.list {
		listed = f.prefix
	}
	snap, err := a.takeSnapshot(ctx, ws, f.bucket, f.source, listed)
	if err != nil {
		return nil, err
	}
	if got := snap.Meta().Bucket; got != f.bucket {
		return nil, usage("snapshot "+snap.Meta().ID+" is one of the bucket "+cooper.Quote(got), "Take one of s3://"+f.bucket+".")
	}
	return snap, nil
}

// compressKnown opens what the ledger knows; done follows when it has been read.
func (a *app) compressKnown(ctx context.Context, ws *workspace.Workspace, f *compressFlags, in *compress.Inputs) (done func() error, err error) {
	memory, err := a.memoryBytes()
	if err != nil {
		return func() error { return nil }, err
	}
	temp, err := ws.TempDir()
	if err != nil {
		return func() error { return nil }, err
	}
	cleared := func() error { removeAll(temp); return nil }
	db, err := duckdb.Open(duckdb.Options{Memory: memory / 2, TempDir: temp})
	if err != nil {
		return cleared, err
	}
	closed := func() error { return errors.Join(db.Close(), cleared()) }
	if err := db.Views(ctx, query.Sources{Workspace: ws.Dir()}); err != nil {
		return closed, err
	}
	if in.Share, err = compress.Expected(ctx, db, f.bucket, f.prefix, in.Policy.Rewriting.Codec); err != nil {
		return closed, err
	}
	if in.Known, err = compress.FromLedger(ctx, db, f.bucket, f.prefix, in.Policy.Rewriting.Codec.Encrypt, in.Policy.Rewriting.Ranged); err != nil {
		return closed, err
	}
	return func() error { return errors.Join(in.Known.Close(), closed()) }, nil
}

// applyCompressAs carries out a plan that compresses or measures, with the keys
// that flags name.
func (a *app) applyCompressAs(ctx context.Context, ws *workspace.Workspace, h plan.Header, f *applyFlags, secret secretFlags) error {
	policy, err := compress.PolicyOf(&h)
	if err != nil {
		return err
	}
	switch {
	case !policy.Encrypted() && secret.from != "":
		return usage("--keys is given, but the plan takes the objects as they are", "Leave it out; or make a plan with --cipher.")
	case !policy.Encrypted():
		return a.applyCompress(ctx, ws, h, f, nil)
	}
	if secret.from == "" {
		return noKeys("plan " + h.ID)
	}
	if len(secret.expect) == 0 {
		secret.expect = policy.Expect
	}
	keys, err := secret.open(ctx, a)
	if err != nil {
		return err
	}
	return a.applyCompress(ctx, ws, h, f, keys)
}

// applyCompress carries out a plan under the bucket's lock.
func (a *app) applyCompress(ctx context.Context, ws *workspace.Workspace, h plan.Header, f *applyFlags, keys codec.Keys) (err error) {
	policy, err := compress.PolicyOf(&h)
	if err != nil {
		return err
	}
	kinds, err := f.kinds()
	if err != nil {
		return err
	}
	bucket, prefix, err := cooper.ParseURL(h.Target.Path)
	if err != nil {
		return err
	}
	run, locked := ws.NewID("r"), bucket
	if h.Mission == compress.MissionEstimate { // it changes nothing that others mind
		locked += " estimate"
	}
	unlock, err := ws.LockTarget(locked, run, h.Mission+" run")
	if err != nil {
		return err
	}
	defer finally(&err, unlock)
	b, err := a.openBucket(ctx, bucket, f.jobs)
	if err != nil {
		return err
	}
	defer finally(&err, b.Close)
	p, err := plan.Open(ws.PlanDir(h.ID))
	if err != nil {
		return err
	}
	facts := ledger.Open(ws.LedgerDir())
	count := a.countersFor(b)
	work := compressing{policy: &policy, bucket: b, keys: keys, journal: journal.At(ws.TargetDir(locked)), path: h.Target.Path, prefix: prefix, jobs: f.jobs,
		planned: bucketop.PlannedStore(&h, policy.Endpoint)}
	job := apply.Job{
		Run: run, Plan: p, Facts: facts, Workers: f.jobs,
		Ignore: kinds, Confirm: f.confirm, MaxAge: f.maxAge(), Undo: f.undo, Clock: a.clock, Progress: count,
		Warn: func(m string) { a.caution("%s", m) },
	}
	if err := a.equip(ctx, &job, &work, count); err != nil {
		return err
	}
	if h.Totals[bucketop.Rewrite].Count > 0 && !policy.WithoutTags {
		actions, err := p.Shard(ctx, 0)
		if err == nil {
			err = mayReadTags(ctx, b, actions)
		}
		if err != nil {
			return err
		}
	}
	a.limits(&job)
	stop := a.follow(count)
	sum, err := apply.Run(ctx, job)
	stop()
	if err == nil {
		err = errors.Join(facts.Compact(ctx), failedAlike(ctx, ws, &sum))
	}
	done := ran{Plan: &h, Applied: &sum}
	switch {
	case err == nil && h.Mission == compress.MissionEstimate:
		done.Estimate, err = a.evaluate(ctx, ws, p)
	case sum.Committed+sum.Earlier > 0:
		var failed error
		done.Became, failed = became(context.WithoutCancel(ctx), ws, h.ID, &policy.Rewriting)
		err = errors.Join(err, failed)
	}
	err = a.finished(done, err)
	if err == nil || errors.Is(err, errSomeFailed) {
		a.showBecame(done.Became)
		err = errors.Join(err, a.showEstimateOf(done.Estimate))
	}
	if err != nil || done.Estimate != nil { // an estimate counts what failed by itself
		return err
	}
	return a.failedBefore(ctx, ws, h.ID, run)
}

// compressing is what carrying out a plan that compresses needs.
type compressing struct {
	policy       *compress.Policy
	bucket       *s3.Bucket
	keys         codec.Keys
	journal      journal.Dir
	path, prefix string
	jobs         int
	planned      cooper.Store // that the plan was made for
}

// equip gives a job its verbs and its target.
func (a *app) equip(ctx context.Context, job *apply.Job, c *compressing, count *progress.Counters) error {
	memory, err := a.memoryBytes()
	if err != nil {
		return err
	}
	r := c.policy.Rewriting
	store, err := c.bucket.Store(ctx)
	if err != nil {
		return err
	}
	endpoint := store.Endpoint
	secure := endpoint == "" || strings.HasPrefix(endpoint, "https://")
	measuring := measure.New(c.bucket, measure.Options{
		Cipher: r.Codec.Encrypt, Ranged: r.Ranged, Keys: c.keys, Secure: secure, Sample: compress.MeasuredMost, Memory: memory / 4, Moved: count.Moved, Clock: a.clock,
	})
	if c.policy.Sampling != nil {
		job.Verbs = map[string]apply.Verb{bucketop.Measure: measuring}
		job.Target = replace.NewReadOnly(replace.ReadOnlyOptions{Journal: c.journal, Path: c.path, Store: store, PlannedStore: c.planned})
		return nil
	}
	versioning, err := c.bucket.Versioning(ctx)
	if err != nil {
		return err
	}
	var settings storage.Settings
	if settings, err = c.bucket.Settings(ctx); err != nil {
		return err
	}
	target := replace.New(c.bucket, replace.Options{
		Journal: c.journal, Path: c.path, Prefix: c.prefix, Rewriting: r, Settings: settings, Versioning: versioning, WithoutTags: c.policy.WithoutTags,
		Store: store, PlannedStore: c.planned, Jobs: min(c.jobs, purgeJobs), Clock: a.clock,
	})
	rewriting := rewrite.New(c.bucket, rewrite.Options{
		Rewriting: r, Settings: settings, WithoutTags: c.policy.WithoutTags, Keys: c.keys, Secure: secure, Memory: memory / 2, Moved: count.Moved, Clock: a.clock, Uploads: target.NoteUpload, Parts: target.SeeParts,
	})
	job.Verbs = map[string]apply.Verb{bucketop.Rewrite: rewriting, bucketop.Measure: measuring}
	job.Target = target
	return nil
}

// sampleShards keep what is read again after a crash small.
var sampleShards = plan.Limits{Actions: 256, Bytes: math.MaxInt64}
