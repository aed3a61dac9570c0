// Package replace is the target of plans that compress a bucket: it lets
// originals go whose replacements are proven, and remembers what was proven.
//
// It promises that an original goes only if a look at the bucket right before
// finds its replacement current, the very one that was proven, and the original
// as the plan has it, current too, with no older version behind it that would
// come to light; that it goes by its version id, and where an upload could take
// its place, only while the store compares its ETag; and that whatever is newer
// stays. What is not so is left alone, original and replacement both, and told
// as changed or in conflict. Reading, encoding, proving and writing are verb
// rewrite's; which versions, a mission's.
//
// The order, for a shard, and why a crash between any two requests or file
// operations is harmless:
//
//  1. (Verb rewrite.) Replacements are written, under a condition, and proven.
//     With --mode in-place that takes the original's place: on a bucket without
//     versions the original is gone from here on, as its proof came before; else
//     it is an older version. After a crash the verb finds what it wrote.
//     Each outcome is noted in the journal as it comes: after a crash what is
//     noted is not read again. What is not, or what the machine forgot with its
//     power, the verb finds.
//     As tags and ACL may have changed since, or may not have been known to
//     whoever noted it, they are compared again before such an original goes.
//  2. The outcomes, with sizes, hashes and the identity of each replacement, are
//     written to the journal, durably. From here on the facts survive although
//     originals go.
//  3. Look: list the versions of the keys at hand, originals and replacements.
//  4. Remove the originals that are not to be kept. Each removal is, or is not:
//     until then a reader finds both, afterwards the replacement. After a crash
//     the shard is done again from 3: the look finds the replacement, and of the
//     original that it is gone, or still as it was.
//  5. What came of the shard is written to the journal; then its facts to the
//     ledger; then that it is done. Recover gives what a crash left between.
package replace

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"

	"cooper"
	"cooper/internal/apply"
	"cooper/internal/bucketop"
	"cooper/internal/codec"
	"cooper/internal/journal"
	"cooper/internal/look"
	"cooper/internal/permit"
	"cooper/internal/plan"
	"cooper/internal/store"
)

// Bucket is what replacing needs of a store.
type Bucket interface {
	look.Bucket
	store.Lister
	store.Describer
	store.Streamer
	store.Uploads
}

// Options are what a Target depends on. Journal, Path, Rewriting, the bucket's
// Versioning and Clock must be given.
type Options struct {
	// Journal is the bucket's, whose lock is held.
	Journal journal.Dir
	// Path is the target of the plans, as they name it: s3://BUCKET/PREFIX.
	Path string
	// Prefix is what keys lie below: nothing else is ever removed.
	Prefix string
	// Rewriting is the plan's.
	Rewriting bucketop.Rewriting
	// Settings and Versioning are the bucket's now.
	Settings   store.Settings
	Versioning string
	// WithoutTags: there are no tags that could be lost.
	WithoutTags bool
	// Store has the bucket; PlannedStore is what the plan was made for.
	Store, PlannedStore cooper.Store
	// Jobs is how many requests are under way at once; 16 if 0.
	Jobs  int
	Clock func() time.Time
}

const defaultJobs = 16

// enabled is the versioning of a bucket that keeps what is overwritten.
const enabled = "Enabled"

// Target is a bucket whose objects are replaced.
type Target struct {
	journal.Keeping
	bucket Bucket
	opt    Options
	permit permit.Permit // of the run, from Begin on
	probes look.Probes
	eyes   store.Lister             // what the bucket is looked at with
	proven map[int64]cooper.Outcome // by earlier attempts, by action
}

var _ apply.Rememberer = (*Target)(nil)

// New makes a target.
func New(b Bucket, opt Options) *Target {
	if opt.Jobs <= 0 {
		opt.Jobs = defaultJobs
	}
	return &Target{
		Keeping: journal.Keeping{Dir: opt.Journal, Path: opt.Path, NoUndo: "what was removed cannot be taken back"},
		bucket:  b, opt: opt, eyes: b, probes: look.Probes{Bucket: b, Path: opt.Path, Prefix: opt.Prefix},
	}
}

// Check wants a plan for this bucket and prefix at this store, made while
// versioning was as it is now, and a mode that suits the bucket.
func (t *Target) Check(h plan.Header) error {
	rw := &t.opt.Rewriting
	now, planned := bucketop.Place{Store: t.opt.Store, Versioning: t.opt.Versioning}, bucketop.Place{Store: t.opt.PlannedStore, Versioning: rw.Versioning}
	if err := bucketop.CheckTarget(h, t.opt.Path, now, planned); err != nil {
		return err
	}
	refused := func(message, remedy string) error {
		return &cooper.Error{Kind: cooper.KindRefused, Where: "plan " + h.ID, Message: message, Remedy: remedy}
	}
	inPlace := rw.Mode == bucketop.InPlace
	switch {
	case !inPlace && rw.Mode != bucketop.Suffix, rw.Originals != bucketop.RemoveOriginals && rw.Originals != bucketop.KeepOriginals,
		rw.Codec.Compress.Suffix() == "":
		return &cooper.Error{Kind: cooper.KindInvalid, Where: "plan " + h.ID, Message: "does not say where the compressed objects go, or what becomes of the originals", Remedy: "Make a new plan with this version of cooper."}
	case inPlace && t.opt.Settings.Lock:
		return refused("would compress in place, in a bucket with object lock: what is locked stays, and is paid for twice", "Make a new plan with --mode suffix.")
	case inPlace && rw.Codec.Encrypt != codec.Clear:
		return refused("would compress in place below an application's encryption: the application takes what it decrypts for plain content", "Make a new plan with --mode suffix.")
	}
	return nil
}

// Begin opens the journal of the plan, with what was proven before; discards
// uploads in parts and probes that earlier runs left; looks whether the bucket can be
// looked at; and lets probes see whether the store does what the plan trusts in.
func (t *Target) Begin(ctx context.Context, p permit.Permit, h plan.Header) (err error) {
	t.permit = p
	if t.Plan, err = t.opt.Journal.Open(h.ID, h.Target.Path); err != nil {
		return err
	}
	if t.proven, err = t.Plan.Proven(); err != nil {
		return err
	}
	if t.Plan.Complete(h) {
		return nil
	}
	if t.eyes, err = t.probes.Open(ctx, t.opt.Versioning); err != nil {
		return err
	}
	if err := t.opt.Journal.LeftUploads(func(u journal.Upload) error {
		if u.Probe {
			return t.probes.Sweep(ctx, p, t.bucket, u.Key)
		}
		return look.Discard(ctx, t.bucket, u.Key, u.UploadID)
	}); err != nil {
		return err
	}
	t.probes.Note, t.probes.Over = t.Plan.NoteProbe, t.Plan.ProbeOver
	return t.probes.See(ctx, p, t.conditions())
}

// conditions are those that the plan trusts in. Where the bucket keeps what is
// overwritten, and the write is to take the place of an older version anyway, all
// that counts is that a right condition is taken. In place, originals go by their
// ids, too, but where no version has one. Amazon's removals by id are documented; and
// what object lock keeps, a probe would leave behind.
func (t *Target) conditions() look.Conditions {
	rw, keeps := &t.opt.Rewriting, t.opt.Versioning == enabled
	suffix := rw.Mode == bucketop.Suffix
	return look.Conditions{
		New:         suffix,
		Overwriting: !suffix && !keeps,
		Taking:      !suffix,
		Removal:     t.compares(),
		Exact:       t.opt.Store.Endpoint != "" && !t.opt.Settings.Lock && rw.Originals == bucketop.RemoveOriginals && (suffix || t.opt.Versioning != ""),
	}
}

// SeeParts finds out, once, whether the store keeps the conditions that the plan
// trusts in also where an upload in parts becomes an object. That it does not is
// an error of the object alone: what is smaller goes another way.
func (t *Target) SeeParts(ctx context.Context) error {
	err := t.probes.SeeParts(ctx, t.permit, t.bucket, t.conditions())
	var ce *cooper.Error
	if cooper.KindOf(err) != cooper.KindRefused || !errors.As(err, &ce) {
		return err
	}
	e := *ce
	e.Kind, e.Where = cooper.KindStore, ""
	return &e
}

// compares tells whether originals may go under a condition.
func (t *Target) compares() bool {
	rw := &t.opt.Rewriting
	return rw.Mode == bucketop.Suffix && rw.Originals == bucketop.RemoveOriginals && t.opt.Versioning != enabled && !rw.Unguarded
}

// NoteUpload remembers an upload in parts, durably, before it has any.
func (t *Target) NoteUpload(key, id string) error {
	return t.Plan.NoteUpload(journal.Upload{Key: key, UploadID: id})
}

// Known gives what an earlier attempt of the plan has done; the look of Commit
// tells whether what was proven still is so.
func (t *Target) Known(a *cooper.Action) (cooper.Outcome, bool) {
	o, ok := t.proven[a.ID]
	if !ok || o.Status != cooper.Done || o.Verb != a.Verb || o.Identity != a.Version.Identity {
		return cooper.Outcome{}, false
	}
	return o, true
}

// Note keeps what was done, so that nobody has to do it again.
func (t *Target) Note(s apply.Shard, o *cooper.Outcome) error { return t.Plan.Note(s.N, o) }

// Close ends noting.
func (t *Target) Close() error {
	if t.Plan == nil {
		return nil
	}
	return t.Plan.Close()
}

// Commit removes the originals of a shard that are not to be kept.
func (t *Target) Commit(ctx context.Context, p permit.Permit, s apply.Shard, actions []cooper.Action, outs []cooper.Outcome) ([]cooper.Outcome, error) {
	parts, err := t.divide(actions, outs)
	if err != nil {
		return nil, err
	}
	if len(parts) > 0 {
		if err := t.Plan.Prove(t.permit.Run(), s.N, outs); err != nil {
			return nil, err
		}
		if err := t.work(ctx, p, parts); err != nil {
			return nil, err
		}
	}
	if err := t.Plan.UploadsOver(t.stored(actions, outs)); err != nil {
		return nil, err
	}
	return outs, t.Plan.Write(t.permit.Run(), s.N, outs)
}

// work takes up the parts of a shard, several at once. The first error that
// says something about the run ends it.
func (t *Target) work(ctx context.Context, p permit.Permit, parts []*part) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(t.opt.Jobs)
	for _, x := range parts {
		g.Go(func() error { return x.work(ctx, p) })
	}
	return g.Wait()
}

// stored tells whether a key is that of a replacement that is there: its upload is
// over. What failed or was left may have parts that could not be given up; the next
// run discards them.
func (t *Target) stored(actions []cooper.Action, outs []cooper.Outcome) func(string) bool {
	keys := make(map[string]bool, len(actions))
	for i := range actions {
		if c := outs[i].Content; c != nil && c.State == cooper.Rewritten {
			keys[t.opt.Rewriting.Replacement(actions[i].Version.Key)] = true
		}
	}
	return func(key string) bool { return keys[key] }
}
