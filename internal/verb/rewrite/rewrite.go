// Package rewrite stores one object in another form: it reads a version,
// encodes it, proves that what is to be stored decodes to the same content, and
// stores it under a condition. The original is left as it is, but where the
// new form takes its place.
package rewrite

import (
	"context"
	"io"
	"time"

	"cooper"
	"cooper/internal/bucketop"
	"cooper/internal/codec"
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
	// Secure: what arrives cannot have been changed on the way, as over TLS.
	// Otherwise originals that nothing vouches for are read twice.
	Secure bool
	// Memory is how many bytes the buffers of all objects under way may have
	// together; 1 GiB if 0. One that needs more is worked on alone.
	Memory int64
	// Moved is told of bytes of originals as they arrive; may be nil.
	Moved func(n int64)
	// Random is for what encryption needs; crypto/rand's if nil.
	Random io.Reader
	Clock  func() time.Time
	// Uploads is told of an upload in parts before its first part is sent, so
	// that a later run can discard what a crash leaves; may be nil. Its error
	// ends the upload.
	Uploads func(key, uploadID string) error
	// Pause waits before the n-th time in a row, from 1, that a body which was
	// cut short is taken up again; nil waits exponentially longer, from 0.1 to 5
	// seconds.
	Pause func(ctx context.Context, n int) error
}

// Verb is the verb rewrite.
type Verb struct {
	bucket Bucket
	opt    Options
}

// New makes the verb.
func New(b Bucket, opt Options) *Verb { return &Verb{bucket: b, opt: opt} }

// Do stores the version of a in its new form. It is Done with Content.State
// Rewritten, and Stored the replacement, or Left, with the reason. Everything
// else is a failure and has left the bucket as it was, but for what the message
// says.
func (v *Verb) Do(_ context.Context, _ *cooper.Action) cooper.Outcome {
	return cooper.Outcome{Status: cooper.Failed, Kind: cooper.KindInternal, Message: "rewriting is not built yet"}
}
