package s3

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"

	"cooper"
	"cooper/internal/store"
	"cooper/internal/store/limit"
	"cooper/internal/store/retry"
)

// patience is for how long a store may refuse everything before that is an
// outage and no throttling.
const patience = 10 * time.Minute

// Bucket is one bucket, opened. It is safe for concurrent use.
type Bucket struct {
	name, region string
	endpoint     string // empty for Amazon S3
	client       client // for what there are millions of
	sdk          *sdk.Client
	creds        *aws.CredentialsCache // nil for anonymous
	presign      presigner
	wire         *wire
	transport    *http.Transport
	limit        *limit.Limiter
	policy       retry.Policy
	now          func() time.Time
	partSize     int64 // of multipart uploads, and from what size on
	streamPart   int64 // the least size of parts that come one after the other
	copyMost     int64 // what one request copies
	owner        atomic.Pointer[owner]
	whose        atomic.Pointer[cooper.Store]
	open         atomic.Int64 // bodies that neither have ended nor are closed
	lacks        *lacks
	blind        atomic.Bool // see unconditioned
	// vouches: the store has answered a PUT with the SHA-256 of what it got.
	vouches atomic.Bool
}

// Name is the bucket's.
func (b *Bucket) Name() string { return b.name }

// Region is the bucket's.
func (b *Bucket) Region() string { return b.region }

// Endpoint is the URL of the store; empty for Amazon S3.
func (b *Bucket) Endpoint() string { return b.endpoint }

// Anonymous tells whether requests go without credentials.
func (b *Bucket) Anonymous() bool { return b.creds == nil }

// Usage counts every request that reached the store so far, repeated ones
// included, and the bytes of bodies.
func (b *Bucket) Usage() store.Usage { return b.wire.usage() }

// Rate is the present limit in requests per second that the store's throttling
// has led to; 0 if there is none.
func (b *Bucket) Rate() float64 { return b.limit.Rate() }

// InFlight is how many requests are under way, open bodies included.
func (b *Bucket) InFlight() int { return b.limit.InFlight() + int(b.open.Load()) }

// Close gives up idle connections. Bodies still open stay readable.
func (b *Bucket) Close() error {
	b.transport.CloseIdleConnections()
	return nil
}

// where names a version in messages.
func (b *Bucket) where(key, version string) string {
	w := cooper.Quote("s3://" + b.name + "/" + key)
	if version != "" {
		w += " (version " + cooper.Quote(version) + ")"
	}
	return w
}

// do repeats attempt until it succeeds or there is no hope, each time within
// the limiter's bounds.
func (b *Bucket) do(ctx context.Context, where string, attempt func(context.Context) error) error {
	return b.doAs(ctx, b.policy, where, attempt)
}

// doAs is do with another policy.
func (b *Bucket) doAs(ctx context.Context, p retry.Policy, where string, attempt func(context.Context) error) error {
	renewed := false
	err := retry.Do(ctx, p, func(ctx context.Context) error {
		if err := b.limit.Acquire(ctx); err != nil {
			return err
		}
		defer b.limit.Release()
		return b.report(attempt(ctx), &renewed)
	})
	if err != nil {
		return final(err, where)
	}
	return nil
}

// report tells the limiter how an attempt went. An expired token is renewed
// once: the credential chain may have another by now.
func (b *Bucket) report(err error, renewed *bool) error {
	var f *failure
	switch {
	case err == nil:
		b.limit.Succeeded()
	case errors.As(err, &f) && f.err == nil:
		if v, _ := judge(f); v == retry.Slow {
			b.wire.throttled.Add(1)
			b.limit.Throttled()
			break
		}
		b.limit.Succeeded()
		if f.code == "ExpiredToken" && b.creds != nil && !*renewed {
			b.creds.Invalidate()
			f.renewed, *renewed = true, true
		}
	}
	return err
}

// Get opens the bytes of a version. The body counts as in flight until it has
// ended or is closed, but holds no place in the limiter: how fast it is read is up
// to its reader, who may send what it reads in requests of its own. Callers bound
// how many bodies they have open.
func (b *Bucket) Get(ctx context.Context, ref store.Ref, r store.Range) (store.Object, io.ReadCloser, error) {
	where := b.where(ref.Key, ref.VersionID)
	if err := checkRef(ref, where); err != nil {
		return store.Object{}, nil, err
	}
	if r.From < 0 || r.Length < 0 {
		return store.Object{}, nil, &cooper.Error{Kind: cooper.KindInvalid, Where: where, Message: "a range before the beginning"}
	}
	var (
		o  store.Object
		rc io.ReadCloser
	)
	err := b.do(ctx, where, func(ctx context.Context) error {
		return b.unconditioned(ctx, ref, func(asked store.Ref) (err error) {
			if o, rc, err = b.client.get(ctx, asked, r); err == nil && unlike(&o, ref, asked) {
				_ = rc.Close() // nothing was read that could be lost
				err = another(&o)
			}
			return err
		})
	})
	if err != nil {
		return store.Object{}, nil, err
	}
	b.open.Add(1)
	return o, &body{rc: rc, ctx: ctx, where: where, left: o.Length, untold: o.Length < 0, ended: func() { b.open.Add(-1) }}, nil
}

// Head describes a version without its bytes.
func (b *Bucket) Head(ctx context.Context, ref store.Ref, part int) (o store.Object, err error) {
	where := b.where(ref.Key, ref.VersionID)
	if err := checkRef(ref, where); err != nil {
		return o, err
	}
	err = b.do(ctx, where, func(ctx context.Context) (err error) {
		return b.unconditioned(ctx, ref, func(asked store.Ref) (err error) {
			if o, err = b.client.head(ctx, asked, part); err == nil && unlike(&o, ref, asked) {
				err = another(&o)
			}
			return err
		})
	})
	return o, err
}

// unconditioned sends a request on a condition, and without it to a store that
// says that it does not hold although it does, as a look at what is there shows.
// What answers then is held against the condition here.
func (b *Bucket) unconditioned(ctx context.Context, ref store.Ref, send func(store.Ref) error) error {
	plain := ref
	plain.IfMatch, plain.Size = "", 0
	if ref.IfMatch != "" && b.blind.Load() {
		return send(plain)
	}
	err := send(ref)
	var f *failure
	if ref.IfMatch == "" || !errors.As(err, &f) || f.asked == "" || f.status != http.StatusPreconditionFailed {
		return err
	}
	if terr := b.limit.Turn(ctx); terr != nil {
		return terr
	}
	there, herr := b.client.head(ctx, plain, 0)
	if herr != nil || unlike(&there, ref, plain) {
		return err
	}
	b.blind.Store(true)
	return send(plain)
}

// otherTag tells whether an answer contradicts a condition. One without an ETag does
// not.
func otherTag(o *store.Object, ref store.Ref) bool {
	return ref.IfMatch != "" && o.ETag != "" && !strings.EqualFold(o.ETag, ref.IfMatch)
}

// unlike tells whether an answer must not pass for one to ref, which was asked for as
// asked: where the store was not told the condition, the answer has to meet it.
func unlike(o *store.Object, ref, asked store.Ref) bool {
	return ref.IfMatch != asked.IfMatch && !strings.EqualFold(o.ETag, ref.IfMatch)
}

func another(o *store.Object) error {
	return &failure{status: http.StatusPreconditionFailed, message: "another ETag: " + clip(o.ETag, 80)}
}

// checkRef refuses what cannot be sent, so that it is not taken for a fault of
// the store. A request without a key would concern the bucket itself.
func checkRef(ref store.Ref, where string) error {
	if ref.Key == "" {
		return &cooper.Error{Kind: cooper.KindInvalid, Where: where, Message: "an empty key"}
	}
	if !printable(ref.IfMatch) {
		return &cooper.Error{Kind: cooper.KindInvalid, Where: where, Message: "an ETag that cannot be sent: " + cooper.Quote(ref.IfMatch)}
	}
	return nil
}

// printable tells whether s can be the value of a header.
func printable(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' && s[i] != '\t' || s[i] == 0x7f {
			return false
		}
	}
	return true
}

// body is what Get hands out: it ends with an error if bytes are missing.
type body struct {
	rc     io.ReadCloser
	ctx    context.Context // of the Get; its end cuts the body
	where  string
	left   int64
	untold bool // how much is left
	once   sync.Once
	ended  func()
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.rc.Read(p)
	b.left -= int64(n)
	if err == nil {
		return n, nil
	}
	b.once.Do(b.ended)
	if err == io.EOF {
		if b.left == 0 || b.untold {
			return n, io.EOF
		}
		err = io.ErrUnexpectedEOF
	}
	if cerr := b.ctx.Err(); cerr != nil {
		return n, cerr
	}
	kind := cooper.KindStore
	if errors.Is(err, os.ErrDeadlineExceeded) {
		kind = cooper.KindTimeout
	}
	return n, &cooper.Error{Kind: kind, Where: b.where, Message: "the body was cut short", Err: err}
}

func (b *body) Close() error {
	b.once.Do(b.ended)
	return b.rc.Close()
}
