// Package measure reads versions for what they hold and what they would come
// to in another form. It writes nothing.
//
// It promises that sizes and hashes of plain contents are of contents that were
// read whole and compared with what the store vouches for; that what is tried
// out is decoded again and compared; and that what it leaves is what rewriting
// would leave by the same look. Which versions are measured, and what follows
// from it for the rest, is left to missions.
package measure

import (
	"context"
	"io"
	"math"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sync/semaphore"

	"cooper"
	"cooper/internal/bucketop"
	"cooper/internal/checksum"
	"cooper/internal/codec"
	"cooper/internal/codec/sniff"
	"cooper/internal/reading"
	"cooper/internal/store"
)

// Options are what measuring depends on. Clock must be given, and Keys where
// there is a Cipher.
type Options struct {
	// Cipher is how originals are encrypted by their application.
	Cipher codec.Cipher
	Keys   codec.Keys
	// Ranged: files that are read by ranges would be rewritten, too.
	Ranged bool
	// Secure: what arrives cannot have been changed on the way, as over TLS.
	Secure bool
	// Sample is how many first bytes of an object are tried out, at most; 4 MiB
	// if 0. What a longer one would come to follows from these.
	Sample int64
	// Memory is how many bytes the buffers of all objects under way may have
	// together; 1 GiB if 0.
	Memory int64
	// Moved is told of bytes as they arrive; may be nil.
	Moved func(n int64)
	Clock func() time.Time
	// Pause is as in package reading.
	Pause func(ctx context.Context, n int) error
}

const (
	defaultMemory = 1 << 30
	defaultSample = 4 << 20
	// streamMemory is what decoding a stream takes, in bytes.
	streamMemory = 16 << 20
	// again is how often what came corrupt is read again.
	again = 2
)

// Verb is the verb measure.
type Verb struct {
	from   store.Reader
	opt    Options
	memory *semaphore.Weighted
	// cores keeps trials from sharing a core: their time is measured.
	cores *semaphore.Weighted
}

// New makes the verb.
func New(from store.Reader, opt Options) *Verb {
	if opt.Sample <= 0 {
		opt.Sample = defaultSample
	}
	if opt.Memory <= 0 {
		opt.Memory = defaultMemory
	}
	return &Verb{from: from, opt: opt, memory: semaphore.NewWeighted(opt.Memory), cores: semaphore.NewWeighted(int64(runtime.GOMAXPROCS(0)))}
}

// Do measures the version of a: Sampled, with a trial for each compression in
// its arguments, or Left, with the reason; without any, Found, with what it
// decodes to. What does not decode is KindInvalid or KindCorrupt.
func (m *Verb) Do(ctx context.Context, a *cooper.Action) cooper.Outcome {
	j := &job{Verb: m, v: &a.Version}
	content, res, err := j.run(ctx, a.Args)
	o := cooper.Outcome{Status: cooper.Done, Content: content}
	if err != nil {
		o = reading.Failure(ctx, j.v.Key, err)
	}
	o.Bytes, o.Requests = j.tally.Bytes, j.tally.Requests
	o.Check, o.Method, o.Hash = res.Check, res.Method, res.Hash
	return o
}

// job is the work on one version.
type job struct {
	*Verb
	v      *cooper.Version
	try    []codec.Compression
	secret codec.Secret
	tally  reading.Tally
	broken error // why what was read last does not decode
}

func (j *job) run(ctx context.Context, args map[string]string) (*cooper.Content, checksum.Result, error) {
	var none checksum.Result
	a, err := bucketop.DecodeMeasure(args)
	if err != nil {
		return nil, none, err
	}
	if reason, err := reading.Beforehand(j.v); err != nil {
		return nil, none, err
	} else if reason != "" {
		return j.left(reason, nil), none, nil
	}
	if j.secret, err = j.opt.Cipher.Secret(j.opt.Keys, j.v.Key); err != nil {
		return nil, none, err
	}
	j.try = a.Try
	work, need := j.sample, 5*min(j.v.Size, j.opt.Sample)
	if len(j.try) == 0 {
		work, need = j.found, streamMemory
	}
	need = min(need, j.opt.Memory)
	if err := j.memory.Acquire(ctx, need); err != nil {
		return nil, none, err
	}
	defer j.memory.Release(need)
	var comings checksum.Comings
	for n := 0; ; n++ {
		content, res, err := work(ctx)
		if err != nil || res.Check != cooper.Corrupt {
			return content, res, err
		}
		if alike := comings.See(res); alike.Check != cooper.Corrupt {
			if j.broken != nil {
				return nil, alike, j.broken
			}
			return j.left(bucketop.ReasonETag, nil), alike, nil
		}
		if n == again {
			return nil, res, &cooper.Error{Kind: cooper.KindCorrupt, Message: "came corrupt every time: " + res.Method}
		}
	}
}

func (j *job) open(ctx context.Context, limit int64, streamed bool) (*reading.Body, error) {
	return reading.Open(ctx, j.from, j.v, reading.Options{
		Limit: limit, Streamed: streamed, Secure: j.opt.Secure, Moved: j.opt.Moved, Pause: j.opt.Pause, Tally: &j.tally,
	})
}

// stored is how the version is stored, but for compression.
func (j *job) stored() codec.Chain { return codec.Chain{Encrypt: j.opt.Cipher} }

func (j *job) left(reason string, sums *codec.Sums) *cooper.Content {
	c := reading.Content(cooper.Left, sums, j.v.Identity, j.stored())
	c.Reason = reason
	return c
}

// sample tries the compressions out, on the whole or on the first bytes.
func (j *job) sample(ctx context.Context) (*cooper.Content, checksum.Result, error) {
	var res checksum.Result
	body, err := j.open(ctx, j.opt.Sample, false)
	if err != nil {
		return nil, res, err
	}
	defer body.Close()
	if reason, err := reading.Described(&body.Object); err != nil {
		return nil, res, err
	} else if reason != "" {
		return j.left(reason, nil), res, nil
	}
	stored := make([]byte, min(j.v.Size, j.opt.Sample))
	if _, err := io.ReadFull(body, stored); err != nil {
		return nil, res, err
	}
	whole := int64(len(stored)) == j.v.Size
	if whole {
		if res, err = body.Check(ctx, stored); err != nil || res.Check == cooper.Corrupt {
			return nil, res, err
		}
	}
	plain, sums, err := j.plain(stored)
	if err != nil {
		return nil, res, err
	}
	if !whole {
		sums.PlainSize = -1
	}
	if reason := bucketop.Leave(sums.Looks, j.opt.Ranged || j.opt.Cipher != codec.Clear); reason != "" {
		return j.left(reason, &sums), res, nil
	}
	c := reading.Content(cooper.Sampled, &sums, j.v.Identity, j.stored())
	c.Trials, err = j.trials(ctx, plain, float64(j.v.Size)/float64(len(stored)))
	return c, res, err
}

// plain decodes what is stored, or its beginning.
func (j *job) plain(stored []byte) ([]byte, codec.Sums, error) {
	if j.opt.Cipher == codec.Clear || len(stored) == 0 {
		return stored, codec.SumsOf(stored), nil
	}
	plain := make([]byte, len(stored))
	opt := codec.DecodeOptions{Key: j.secret.Key, Expect: j.secret.Expect}
	n, sums, err := j.stored().DecodeInto(plain, stored, opt)
	if err == nil {
		return plain[:n], sums, nil
	}
	if m := j.opt.Cipher.Nested(stored, opt); m != codec.Uncompressed {
		return nil, codec.Sums{PlainSize: -1, Looks: sniff.Format{Name: string(m), Shrinks: sniff.Unlikely}}, nil
	}
	return nil, sums, err
}

// trials encodes and proves plain in each way; scale is how often the object
// has it.
func (j *job) trials(ctx context.Context, plain []byte, scale float64) ([]cooper.Trial, error) {
	if err := j.cores.Acquire(ctx, 1); err != nil {
		return nil, err
	}
	defer j.cores.Release(1)
	var trials []cooper.Trial
	var out, scratch []byte
	for _, compress := range j.try {
		to := codec.Chain{Compress: compress, Encrypt: j.opt.Cipher}
		began := j.opt.Clock()
		var err error
		if out, err = to.Append(out[:0], plain, codec.EncodeOptions{Key: j.secret.Key}); err != nil {
			return nil, err
		}
		if scratch, err = to.ProveSame(out, plain, scratch, j.secret.Key); err != nil {
			return nil, err
		}
		took := j.opt.Clock().Sub(began)
		trials = append(trials, cooper.Trial{
			Codec: to.String(), Stored: int64(math.Round(float64(len(out)) * scale)), Nanos: int64(float64(took) * scale),
		})
	}
	return trials, nil
}

// found decodes what its key says is compressed.
func (j *job) found(ctx context.Context) (*cooper.Content, checksum.Result, error) {
	var res checksum.Result
	body, err := j.open(ctx, 0, true)
	if err != nil {
		return nil, res, err
	}
	defer body.Close()
	by := codec.Chain{Compress: codec.Compression{Method: codec.Zstd}, Encrypt: j.opt.Cipher}
	if strings.HasSuffix(j.v.Key, (codec.Compression{Method: codec.Gzip}).Suffix()) {
		by.Compress.Method = codec.Gzip
	}
	sums, broken := j.decode(body, by)
	j.broken = broken
	switch cooper.KindOf(broken) {
	case "", cooper.KindInvalid, cooper.KindCorrupt:
	default:
		return nil, res, broken
	}
	// Whether it came as it is stored counts first.
	if _, err := io.Copy(io.Discard, struct{ io.Reader }{body}); err != nil {
		return nil, res, err
	}
	if res, err = body.Check(ctx, nil); err != nil || res.Check == cooper.Corrupt {
		return nil, res, err
	}
	if broken != nil {
		return nil, res, broken
	}
	return reading.Content(cooper.Found, &sums, j.v.Identity, by), res, nil
}

func (j *job) decode(body io.Reader, by codec.Chain) (sums codec.Sums, err error) {
	s, err := by.Decode(body, codec.DecodeOptions{Key: j.secret.Key, Expect: j.secret.Expect})
	if err != nil {
		return sums, err
	}
	defer s.Close() //nolint:errcheck // it has nothing to tell
	buf := make([]byte, 32<<10)
	for err == nil {
		_, err = s.Read(buf)
	}
	switch {
	case err == io.EOF: //nolint:errorlint // what wraps it is no end
		return s.Sums()
	case cooper.KindOf(err) == cooper.KindInvalid:
		return sums, &cooper.Error{Kind: cooper.KindInvalid, Where: cooper.Quote(j.v.Key), Err: err,
			Message: "its name says " + string(by.Compress.Method) + ", its content does not", Remedy: "Look at it by hand; nothing will be done to it."}
	}
	return sums, err
}
