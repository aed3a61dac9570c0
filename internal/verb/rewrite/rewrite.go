// Package rewrite stores one object in another form: compressed, beside its
// original or in its place.
//
// It promises that what it calls Rewritten decodes to exactly the content of the
// version that was planned: proven of the very bytes that were sent, received by
// the store under a checksum; that nothing that was there before is written
// over, but the version that was planned, in-place; and that originals are
// otherwise left alone: removing them is left to the target. Which objects are
// worth it is left to missions, but for what only reading tells; requests and
// their repetition to the store.
//
// The order for one object, and why a crash between any two steps is harmless:
//
//  1. Read the very version planned, on condition of its ETag and, where the new
//     form goes beside it, that it is current; compare it with what the store
//     vouches for. Look at its first bytes: what would not shrink
//     is left, a wrong key is found. Nothing has been written.
//  2. Encode it, hash the plain content, decode what is to be sent, and compare.
//     What is large goes through these and the next step in parts, which nobody
//     sees before they are made an object, after the proof; their upload was
//     noted, and a later run discards it.
//  3. Store the new form, on condition that nothing be there (or, in-place, that
//     the version planned be still current). After a crash before, there is the
//     original. After one behind, there are both: the next run comes as far as
//     this, is refused, finds what is there to decode to the same content, and
//     goes on as if it had written it. In-place, the original is gone or behind
//     the new form, which says in its metadata what it came from.
//  4. If it was asked for, read it back from the store and decode it.
//
// Whatever else is in the way is not touched. Removing the original comes after
// all this, when the facts are on disk.
package rewrite

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"golang.org/x/sync/semaphore"

	"cooper"
	"cooper/internal/bucketop"
	"cooper/internal/checksum"
	"cooper/internal/codec"
	"cooper/internal/codec/cfb8"
	"cooper/internal/codec/sniff"
	"cooper/internal/look"
	"cooper/internal/reading"
	"cooper/internal/store"
)

// Bucket is what rewriting needs of a store.
type Bucket interface {
	store.Reader
	store.Writer
	store.Lister
	store.Describer
	store.Streamer
}

// Options are what rewriting depends on. Rewriting, Clock and, with encryption,
// Keys must be given.
type Options struct {
	Rewriting bucketop.Rewriting
	// Settings are the bucket's.
	Settings store.Settings
	// Keys are asked where Rewriting.Codec encrypts.
	Keys codec.Keys
	// WithoutTags: tags of which the store does not tell that there are any are not
	// asked for, and are lost if there are.
	WithoutTags bool
	// Secure: what arrives cannot have been changed on the way, as over TLS.
	// Otherwise originals that nothing vouches for are read twice.
	Secure bool
	// Memory is how many bytes the buffers of all objects under way may have
	// together; 1 GiB if 0. One that needs more is worked on alone.
	Memory int64
	// Moved is told of bytes of originals as they arrive; may be nil.
	Moved func(n int64)
	// Random is for what encryption needs, and safe for concurrent use;
	// crypto/rand's if nil.
	Random io.Reader
	Clock  func() time.Time
	// Uploads is told of an upload in parts before its first part is sent, so
	// that a later run can discard what a crash leaves; may be nil. Its error
	// ends the upload.
	Uploads func(key, uploadID string) error
	// Parts is asked before each upload in parts whether the store keeps conditions
	// there, too; may be nil. Its error ends the work on the object.
	Parts func(ctx context.Context) error
	// Pause waits before the n-th time in a row, from 1, that a body which was
	// cut short is taken up again; nil waits exponentially longer, from 0.1 to 5
	// seconds.
	Pause func(ctx context.Context, n int) error
}

const (
	defaultMemory = 1 << 30
	// again is how often what came corrupt is read again.
	again = 2
)

// Verb is the verb rewrite.
type Verb struct {
	bucket    Bucket
	opt       Options
	from      codec.Chain // how originals are encoded
	memory    *semaphore.Weighted
	encryptor cfb8.Encryptor
}

// New makes the verb.
func New(b Bucket, opt Options) *Verb {
	if opt.Memory <= 0 {
		opt.Memory = defaultMemory
	}
	return &Verb{
		bucket: b, opt: opt, memory: semaphore.NewWeighted(opt.Memory),
		from: codec.Chain{Encrypt: opt.Rewriting.Codec.Encrypt},
	}
}

// Do stores the version of a in its new form. It is Done with Content.State
// Rewritten, and Stored the replacement (its time unknown, unless it was there
// already); or Left, with the reason; or Found, if an earlier run has written it
// in-place. Deferred is what is archived. Everything
// else is a failure, of the kinds of the store's errors, and: corrupt, of the
// original; invalid, of a wrong or missing key, and what is not encrypted as
// was said; conflict, where something else has the key of the replacement;
// changed, where a newer upload came first; refused, which ends a run, where
// the store does not write over the very version that it is told to. No failure
// removes or overwrites anything.
func (v *Verb) Do(ctx context.Context, a *cooper.Action) cooper.Outcome {
	j := &job{Verb: v, v: &a.Version}
	content, res, err := j.run(ctx, a.Args)
	o := cooper.Outcome{Status: cooper.Done, Content: content}
	if err != nil {
		o = reading.Failure(ctx, j.v.Key, err)
	}
	o.Bytes, o.Requests = j.tally.Bytes+j.sent, j.tally.Requests
	o.Check, o.Method, o.Hash = res.Check, res.Method, res.Hash
	return o
}

// job is the work on one version.
type job struct {
	*Verb
	v      *cooper.Version
	secret codec.Secret
	tally  reading.Tally
	sent   int64          // bytes
	gone   bool           // the version is not there as it was planned
	dated  cooper.Instant // the time of the version, as it was told when it was read
}

func (j *job) run(ctx context.Context, args map[string]string) (*cooper.Content, checksum.Result, error) {
	var none checksum.Result
	a, err := bucketop.DecodeRewrite(args)
	if err != nil {
		return nil, none, err
	}
	if reason, err := j.beforehand(a); err != nil {
		return nil, none, err
	} else if reason != "" {
		return j.left(reason, nil), none, nil
	}
	if j.secret, err = j.from.Encrypt.Secret(j.opt.Keys, j.v.Key); err != nil {
		return nil, none, err
	}
	work, need := j.small, j.smallMemory()
	if j.v.Size > wholeMost {
		work, need = j.large, streamMemory(j.v.Size)
	}
	need = min(need, j.opt.Memory)
	if err := j.memory.Acquire(ctx, need); err != nil {
		return nil, none, err
	}
	defer j.memory.Release(need)
	var comings checksum.Comings
	for n := 0; ; n++ {
		content, res, err := work(ctx)
		switch {
		case j.gone:
			content, err = j.vanished(ctx, err)
			return content, none, err
		case err != nil || res.Check != cooper.Corrupt:
			return content, res, err
		}
		// What nothing proves to be what it ought to be stays: the original would go.
		if alike := comings.See(res); alike.Check != cooper.Corrupt {
			return j.left(bucketop.ReasonETag, nil), alike, nil
		}
		if n == again {
			return nil, res, &cooper.Error{Kind: cooper.KindCorrupt, Message: "came corrupt every time: " + res.Method,
				Remedy: "Look for another version of it, or a copy."}
		}
	}
}

const (
	// longestKey is S3's limit, in bytes.
	longestKey = 1024
	remedyPlan = "Make a new plan with this version of cooper."
	// States of a bucket's versioning.
	versioned, suspended = "Enabled", "Suspended"
)

// beforehand tells what follows from the plan alone.
func (j *job) beforehand(a bucketop.RewriteArgs) (reason string, err error) {
	replaced := j.inPlace() && j.v.VersionID == cooper.NullVersion && j.opt.Rewriting.Versioning != versioned
	switch {
	case replaced && j.opt.Rewriting.Originals == bucketop.KeepOriginals:
		return "", &cooper.Error{Kind: cooper.KindInvalid, Message: "to write in its place would remove it, and it is to be kept", Remedy: remedyPlan}
	case replaced && a.Guard != bucketop.ByETag:
		return "", &cooper.Error{Kind: cooper.KindInvalid, Message: "nothing says that the store compares before it writes in its place", Remedy: remedyPlan}
	case len(j.target()) > longestKey:
		return bucketop.ReasonLongKey, nil
	}
	return reading.Beforehand(j.v)
}

func (j *job) target() string { return j.opt.Rewriting.Replacement(j.v.Key) }

func (j *job) reading() reading.Options {
	return reading.Options{Secure: j.opt.Secure, Moved: j.opt.Moved, Pause: j.opt.Pause, Tally: &j.tally}
}

// open begins to read the original. Beside one that is not current any more
// nothing is stored: it would belong to another. In-place, the write compares.
func (j *job) open(ctx context.Context, opt reading.Options) (*reading.Body, error) {
	opt.Current = !j.inPlace()
	b, err := reading.Open(ctx, j.bucket, j.v, opt)
	if err == nil {
		j.dated = b.Object.LastModified
	}
	if err == nil && b.Redated {
		if err = j.undated(ctx, &b.Object); err != nil {
			b.Close()
		}
	}
	return b, j.unread(err)
}

// undated makes sure that a version of which the store tells another time than was
// planned, o's, is the one that was planned all the same: that the store's listing
// tells the planned one still. There are stores that have two. An upload of the same
// bytes is another version.
func (j *job) undated(ctx context.Context, o *store.Object) error {
	j.tally.Requests++
	var listed *cooper.Version
	q := store.ListQuery{Prefix: j.v.Key, Current: j.opt.Rewriting.Versioning == ""}
	err := j.bucket.List(ctx, q, func(vs []cooper.Version, _ []string) error {
		for i := range vs {
			switch v := &vs[i]; {
			case v.Key != j.v.Key:
				return errEnough
			case !look.Own(v.VersionID):
				listed = v
				return errEnough
			}
		}
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		return err
	}
	if listed != nil && look.Is(j.v, listed) == look.Itself {
		return nil
	}
	message := "is not listed any more"
	if listed != nil {
		message = fmt.Sprintf("is dated %s by the store's listing and %s when it is read, and was %s in the snapshot: it was written anew, or the store dates it anew", listed.LastModified, o.LastModified, j.v.LastModified)
	}
	return &cooper.Error{Kind: cooper.KindChanged, Where: cooper.Quote(j.v.Key), Message: message, Remedy: "A snapshot by --list has the time that the store's listing tells."}
}

// unread notes of an error of reading the original whether it is not there any
// more.
func (j *job) unread(err error) error {
	switch cooper.KindOf(err) {
	case cooper.KindMissing, cooper.KindChanged:
		j.gone = true
	}
	return err
}

// leaves tells why a content that looks like f is not stored anew; nothing if it
// is. What the application encrypts nobody reads by ranges.
func (j *job) leaves(f sniff.Format) string {
	return bucketop.Leave(f, j.opt.Rewriting.Ranged || j.from.Encrypt != codec.Clear)
}

// left says that the version stays as it is; sums may be nil.
func (j *job) left(reason string, sums *codec.Sums) *cooper.Content {
	c := reading.Content(cooper.Left, sums, j.v.Identity, j.from)
	c.Reason = reason
	return c
}
