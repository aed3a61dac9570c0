// Package s3 speaks to Amazon S3 and to stores that behave like it.
//
// A Bucket implements the interfaces of package store. Credentials, endpoints
// and the rarer requests are the AWS SDK's; GET, HEAD, PUT and listings, of
// which there are millions, take a lean path over net/http that costs a quarter
// of the SDK's time. It promises that keys are sent byte by byte as they are,
// that what passes is retried, that throttling slows the whole bucket's
// requests and fails none of them, and that answers are not trusted: they are
// read within bounds and malformed ones are errors. Which versions to ask for,
// and hashing what comes, is left to others.
package s3

import (
	"context"
	"net/http"
	"time"

	"cooper/internal/store"
	"cooper/internal/store/limit"
	"cooper/internal/store/retry"
)

// Config says how to reach a bucket. The zero Config is Amazon S3 with the
// credentials, profile and endpoint of the environment.
type Config struct {
	// Endpoint is the URL of an S3-compatible store; empty for the environment's
	// (AWS_ENDPOINT_URL_S3, the profile) or Amazon S3.
	Endpoint string
	// Region is found without being told; setting it skips the looking.
	Region string
	// Profile is a name in the AWS configuration files.
	Profile string
	// Anonymous sends requests without credentials.
	Anonymous bool
	// VirtualHost puts the bucket into the host name of Endpoint instead of the
	// path.
	VirtualHost bool
	// Concurrency is how many requests may be in flight; 64 if 0.
	Concurrency int
	// Idle is how long a request may make no progress before it is given up
	// and repeated; 60 s if 0.
	Idle time.Duration
	// UserAgent names the program to the store; "cooper" if empty.
	UserAgent string
	// Rate and Bandwidth are bounds that buckets share; nil: none.
	Rate      *limit.Rate
	Bandwidth *limit.Bandwidth

	// Memory tells, of the store at an endpoint, what it is known to lack, and who is
	// to be told of each lack that turns up, once, from any goroutine. nil: nothing
	// is known, and nobody told.
	Memory func(endpoint string) (known []Lack, learnt func(Lack))

	// viaSDK sends everything through the SDK.
	viaSDK bool
	// For tests: how to wait between attempts, and other connections.
	policy    retry.Policy
	transport func(*http.Transport)
}

// Open finds the bucket, its region and credentials for it. Without
// credentials it goes on anonymously if Config says so or if the bucket lets
// strangers list it. Errors: KindMissing without such a bucket, KindUsage for a
// configuration that makes no sense, KindDenied without usable credentials,
// KindStore or KindTimeout where the store cannot be reached.
func Open(ctx context.Context, bucket string, c Config) (*Bucket, error) {
	return open(ctx, bucket, c)
}

var (
	_ store.Bucket = (*Bucket)(nil)
	_ store.Source = (*Bucket)(nil)
	_ store.Clock  = (*Bucket)(nil)
)
