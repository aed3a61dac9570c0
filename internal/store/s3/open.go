package s3

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/logging"

	"cooper"
	"cooper/internal/store"
	"cooper/internal/store/limit"
	"cooper/internal/store/retry"
)

const (
	defaultIdle   = time.Minute
	defaultRegion = "us-east-1"
	// chainTimeout is for finding credentials: on a machine without any, the
	// chain asks for those of a cloud it is not in.
	chainTimeout = 20 * time.Second
	// openAttempts are few: a mistyped endpoint should be told soon.
	openAttempts = 3
)

// opening is a bucket on its way to being opened.
type opening struct {
	c      Config
	bucket string
	cfg    aws.Config
	b      *Bucket

	public bool // strangers may list the bucket
	absent bool // strangers are told that there is no such bucket
}

func open(ctx context.Context, bucket string, c Config) (*Bucket, error) {
	o := &opening{c: c, bucket: bucket}
	if err := o.configure(ctx); err != nil {
		return nil, err
	}
	b, err := o.connect(ctx)
	if err != nil {
		o.b.transport.CloseIdleConnections()
		return nil, err
	}
	return b, nil
}

// configure reads the environment and prepares what sends requests.
func (o *opening) configure(ctx context.Context) error {
	c := &o.c
	c.Concurrency = cmp.Or(max(c.Concurrency, 0), limit.DefaultMax)
	c.Idle = cmp.Or(max(c.Idle, 0), defaultIdle)
	c.UserAgent = cmp.Or(c.UserAgent, "cooper")
	load := []func(*awsconfig.LoadOptions) error{
		awsconfig.WithDefaultRegion(defaultRegion),
		awsconfig.WithLogger(logging.Nop{}), // what matters comes as an error
	}
	if c.Profile != "" {
		load = append(load, awsconfig.WithSharedConfigProfile(c.Profile))
	}
	if c.Anonymous {
		load = append(load, awsconfig.WithCredentialsProvider(aws.AnonymousCredentials{}))
	}
	var err error
	if o.cfg, err = awsconfig.LoadDefaultConfig(ctx, load...); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return &cooper.Error{Kind: cooper.KindUsage, Message: "the AWS configuration cannot be used", Err: err,
			Remedy: "check --profile and the files in ~/.aws"}
	}
	// The environment may name an endpoint for S3; the SDK knows where.
	if c.Endpoint == "" {
		c.Endpoint = aws.ToString(sdk.NewFromConfig(o.cfg).Options().BaseEndpoint)
	}
	if c.Endpoint != "" {
		if err := CheckEndpoint(c.Endpoint); err != nil {
			return err
		}
	}
	endpoint := strings.ToLower(strings.TrimSuffix(c.Endpoint, "/"))
	w := &wire{}
	transport := newTransport(c.Concurrency, c.Idle, c.Bandwidth, &w.moved)
	w.RoundTripper = transport
	if c.transport != nil {
		c.transport(transport)
	}
	lacks := newLacks(nil, nil)
	if c.Memory != nil {
		lacks = newLacks(c.Memory(endpoint))
	}
	// The environment and the profile may say that checksums are for requests that
	// need them: https://docs.aws.amazon.com/sdkref/latest/guide/feature-dataintegrity.html
	if o.cfg.RequestChecksumCalculation == aws.RequestChecksumCalculationWhenRequired {
		lacks.of(LacksSums).Store(lacking)
	}
	if o.cfg.ResponseChecksumValidation == aws.ResponseChecksumValidationWhenRequired {
		lacks.of(LacksSumMode).Store(lacking)
	}
	b := &Bucket{
		lacks: lacks,
		name:  o.bucket, endpoint: endpoint, transport: transport, wire: w, now: time.Now,
		limit: limit.New(limit.Options{Max: c.Concurrency, Rate: c.Rate}), policy: c.policy,
		partSize: defaultPartSize, streamPart: defaultStreamPart, copyMost: store.MaxWholeCopy,
	}
	b.policy.Judge = judge
	b.policy.Hopeless = func() bool { return b.limit.Stalled() > patience }
	b.policy.OnRetry = func(error, retry.Verdict) { b.wire.retries.Add(1) }
	o.b = b
	return nil
}

// connect finds region and credentials.
func (o *opening) connect(ctx context.Context) (*Bucket, error) {
	region := o.guess()
	if o.looks() {
		found, err := o.look(ctx, region)
		if err != nil {
			return nil, err
		}
		region = cmp.Or(found, region)
	}
	if err := o.credentials(ctx); err != nil {
		return nil, err
	}
	if o.absent && (o.b.creds == nil || o.c.Endpoint == "") {
		return nil, o.noBucket(nil)
	}
	if o.c.Endpoint != "" && o.b.creds != nil && (o.c.Region == "" || o.absent) {
		found, err := o.ask(ctx, region)
		if err != nil {
			return nil, err
		}
		region = cmp.Or(found, region)
	}
	if err := o.settle(ctx, region); err != nil {
		return nil, err
	}
	return o.b, nil
}

// guess is the best word on the region without asking anybody.
func (o *opening) guess() string {
	if arn := strings.SplitN(o.bucket, ":", 6); len(arn) == 6 && arn[0] == "arn" && arn[3] != "" {
		return arn[3]
	}
	return cmp.Or(o.c.Region, o.cfg.Region)
}

// looks tells whether strangers can be told where this bucket is: access points
// and directory buckets answer none.
func (o *opening) looks() bool {
	return !strings.HasPrefix(o.bucket, "arn:") && !strings.HasSuffix(o.bucket, "--x-s3") && (o.c.Region == "" || !o.c.Anonymous)
}

// look asks, without credentials, where the bucket is: S3 tells everybody, also
// those to whom it refuses everything else.
func (o *opening) look(ctx context.Context, region string) (string, error) {
	found := ""
	err := o.try(ctx, region, nil, func(ctx context.Context, c *lean) error {
		res, err := c.send(ctx, http.MethodHead, "", nil, make(http.Header, 4), nil, 0, emptyHash)
		if err == nil {
			o.public, found = true, clip(res.Header.Get("X-Amz-Bucket-Region"), 100)
			return res.Body.Close()
		}
		var f *failure
		if errors.As(err, &f) && f.err == nil {
			if v, _ := judge(f); v == retry.Stop {
				o.absent, found = f.status == http.StatusNotFound, f.region
				return nil
			}
		}
		return err
	})
	if err != nil {
		return "", o.unreachable(err)
	}
	return found, nil
}

// ask asks a store that is not Amazon's, with credentials: those that insist on
// a region name it when they refuse a signature for another.
func (o *opening) ask(ctx context.Context, region string) (string, error) {
	found := ""
	err := o.try(ctx, region, o.b.creds, func(ctx context.Context, c *lean) error {
		res, err := c.send(ctx, http.MethodGet, "", params{{"location", ""}}, make(http.Header, 4), nil, 0, emptyHash)
		if err == nil {
			return res.Body.Close()
		}
		var f *failure
		if !errors.As(err, &f) || f.err != nil {
			return err
		}
		switch f.code {
		case "AuthorizationHeaderMalformed":
			found = f.region
			return nil
		case "NoSuchBucket":
			return o.noBucket(f)
		}
		if v, _ := judge(f); v == retry.Stop {
			return nil // whether this right is given does not matter
		}
		return err
	})
	if err != nil {
		return "", o.unreachable(err)
	}
	return found, nil
}

// try sends a request of the lean kind as if the bucket were in region.
func (o *opening) try(ctx context.Context, region string, creds *aws.CredentialsCache, f func(context.Context, *lean) error) error {
	t, err := o.resolve(ctx, region)
	if err != nil {
		return err
	}
	o.b.wire.bucketPath = t.at.path
	p := o.b.policy
	p.Attempts = openAttempts
	refused := 0
	p.Hopeless = func() bool { refused++; return refused > 3*openAttempts }
	return retry.Do(ctx, p, func(ctx context.Context) error {
		if err := o.c.Rate.Wait(ctx); err != nil {
			return err
		}
		return f(ctx, o.lean(t, creds))
	})
}

func (o *opening) unreachable(err error) error {
	place := cmp.Or(o.c.Endpoint, "Amazon S3")
	var ce *cooper.Error
	if errors.As(err, &ce) && ce.Kind == cooper.KindMissing {
		return err // noBucket names the bucket, not the store
	}
	err = final(err, place)
	if errors.As(err, &ce) && ce.Remedy == "" {
		ce.Remedy = "check the network and --endpoint-url"
	}
	return err
}

func (o *opening) noBucket(err error) error {
	e := &cooper.Error{Kind: cooper.KindMissing, Where: "s3://" + o.bucket, Message: "there is no such bucket",
		Remedy: "check the bucket's name and --endpoint-url"}
	if err != nil {
		e.Err = err
	}
	return e
}

// settle makes the clients for the region that was found.
func (o *opening) settle(ctx context.Context, region string) error {
	b := o.b
	t, err := o.resolve(ctx, region)
	if err != nil {
		return err
	}
	b.region, b.wire.bucketPath = region, t.at.path
	b.sdk = sdk.NewFromConfig(o.cfg, o.options(region))
	if t.plain {
		b.presign = presigner{at: t.at, signer: &signer{region: t.region, service: t.service}}
	}
	if t.plain && !o.c.viaSDK {
		b.client = o.lean(t, b.creds)
	} else {
		b.client = &whole{sdk: b.sdk, bucket: o.bucket, now: b.now}
	}
	return nil
}

func (o *opening) lean(t target, creds *aws.CredentialsCache) *lean {
	return &lean{
		rt: o.b.wire, at: t.at, signer: signer{region: t.region, service: t.service},
		creds: creds, userAgent: o.c.UserAgent, now: o.b.now, lacks: o.b.lacks, limit: o.b.limit,
	}
}

var errNoCredentials = errors.New("neither in the environment, nor in the configuration files, nor from this machine")
