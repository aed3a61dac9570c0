package s3

import (
	"context"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"

	"cooper"
)

// Store says which store the bucket is in, and who owns it there, as far as that is
// told: one request, once. A right that is missing, or a store that does not know
// owners, is no error; only the end of ctx is.
func (b *Bucket) Store(ctx context.Context) (cooper.Store, error) {
	if known := b.whose.Load(); known != nil {
		return *known, nil
	}
	s := cooper.Store{Endpoint: b.endpoint}
	if b.creds != nil { // strangers are not told
		p := b.policy
		p.Attempts = openAttempts
		var out *sdk.GetBucketAclOutput
		err := b.doAs(ctx, p, b.where("", ""), func(ctx context.Context) (err error) {
			if out, err = b.sdk.GetBucketAcl(ctx, &sdk.GetBucketAclInput{Bucket: &b.name}, boundedPage); err != nil {
				return b.pageFailure(ctx, err)
			}
			return nil
		})
		if ctx.Err() != nil {
			return s, ctx.Err()
		}
		if err == nil && out.Owner != nil {
			s.Owner = clip(aws.ToString(out.Owner.ID), maxOwner)
		}
	}
	b.whose.Store(&s)
	return s, nil
}

// maxOwner bounds what is kept of an owner's id; canonical ones have 64 digits.
const maxOwner = 256

// reading is what a store's clock said.
type reading struct {
	at    time.Time     // to the second
	ahead time.Duration // of this machine's clock
}

// storeClock keeps the last reading; one a second will do.
type storeClock struct {
	read atomic.Int64 // when, in Unix nanoseconds
	last atomic.Pointer[reading]
}

// see takes the Date of an answer. One that a cache has kept says nothing.
func (c *storeClock) see(h http.Header, now time.Time) {
	if now.UnixNano()-c.read.Load() < int64(time.Second) && c.last.Load() != nil || h.Get("Age") != "" {
		return
	}
	at, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return
	}
	c.read.Store(now.UnixNano())
	c.last.Store(&reading{at: at.UTC(), ahead: now.Sub(at)})
}

// Date is what the store's clock said in one of its last answers, to the second,
// and by how much this machine's clock was ahead of it; false as long as no answer
// told.
func (b *Bucket) Date() (at time.Time, ahead time.Duration, ok bool) {
	r := b.wire.clock.last.Load()
	if r == nil {
		return time.Time{}, 0, false
	}
	return r.at, r.ahead, true
}

// CheckEndpoint refuses, as KindUsage, what is not the plain URL of a store. A user, a password or
// anything behind a ? or # would end in plans, facts and messages: it is neither
// used nor told.
func CheckEndpoint(endpoint string) error {
	u, err := url.Parse(endpoint)
	e := &cooper.Error{Kind: cooper.KindUsage, Where: cooper.QuoteURL(endpoint), Message: "not the URL of a store",
		Remedy: "write the endpoint as https://HOST or http://HOST:PORT"}
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
	case u.User != nil:
		e.Message = "the endpoint has a user or a password in it, which would be written down and shown"
		e.Remedy = "leave it out, also in AWS_ENDPOINT_URL, AWS_ENDPOINT_URL_S3 and endpoint_url of a profile; credentials belong in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile"
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || u.RawFragment != "":
		e.Message = "the endpoint has a query or a fragment, and no store has one"
		e.Remedy = "leave out what stands behind ? and #"
	default:
		return nil
	}
	return e
}
