package s3

import (
	"context"
	"errors"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/middleware"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	smithyauth "github.com/aws/smithy-go/auth"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"cooper"
)

// credentials asks the chain, once, so that it fails before any work begins.
func (o *opening) credentials(ctx context.Context) error {
	if o.c.Anonymous {
		return nil
	}
	cache, ok := o.cfg.Credentials.(*aws.CredentialsCache)
	if !ok {
		cache = aws.NewCredentialsCache(o.cfg.Credentials)
	}
	limited, cancel := context.WithTimeout(ctx, chainTimeout)
	defer cancel()
	_, err := cache.Retrieve(limited)
	switch {
	case err == nil:
		o.b.creds = cache
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case !noneFound(err):
		return &cooper.Error{Kind: cooper.KindDenied, Message: "the credentials that are configured cannot be used", Err: err,
			Remedy: "log in again (for example: aws sso login), or use another --profile"}
	case o.public:
		return nil
	}
	return &cooper.Error{Kind: cooper.KindDenied, Where: "s3://" + o.bucket, Message: "no credentials found", Err: errNoCredentials,
		Remedy: "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, name a --profile, or use --no-sign-request for a public bucket"}
}

// noneFound tells the end of the chain, where the machine itself is asked, from
// credentials that are configured and do not work.
func noneFound(err error) bool {
	var op *smithy.OperationError
	return errors.As(err, &op) && op.ServiceID == "ec2imds"
}

// target is where and how to send requests for a bucket.
type target struct {
	at              address
	region, service string
	// plain: signed by Signature Version 4, with the credentials as they are.
	plain bool
}

// resolve asks the SDK's rules, which know partitions, access points, FIPS and
// the rest.
func (o *opening) resolve(ctx context.Context, region string) (target, error) {
	opts := sdk.NewFromConfig(o.cfg, o.options(region)).Options()
	p := sdk.EndpointParameters{
		Bucket: &o.bucket, Region: &region, Endpoint: opts.BaseEndpoint, ForcePathStyle: &opts.UsePathStyle,
		UseFIPS:      aws.Bool(opts.EndpointOptions.UseFIPSEndpoint == aws.FIPSEndpointStateEnabled),
		UseDualStack: aws.Bool(opts.EndpointOptions.UseDualStackEndpoint == aws.DualStackEndpointStateEnabled),
	}
	ep, err := sdk.NewDefaultEndpointResolverV2().ResolveEndpoint(ctx, p.WithDefaults())
	if err != nil {
		return target{}, &cooper.Error{Kind: cooper.KindUsage, Where: "s3://" + o.bucket, Message: "no address follows from the bucket's name", Err: err}
	}
	t := target{at: addressOf(ep.URI), region: region, service: "s3"}
	auth, _ := smithyauth.GetAuthOptions(&ep.Properties)
	for _, a := range auth {
		if a.SchemeID != "sigv4" && a.SchemeID != smithyauth.SchemeIDSigV4 {
			continue
		}
		t.plain = true
		if r, ok := smithyhttp.GetSigV4SigningRegion(&a.SignerProperties); ok {
			t.region = r
		}
		if n, ok := smithyhttp.GetSigV4SigningName(&a.SignerProperties); ok {
			t.service = n
		}
	}
	return t, nil
}

// options are the SDK's for a region. Repeating is ours; checksums are sent
// where S3 wants them, because other stores know fewer.
func (o *opening) options(region string) func(*sdk.Options) {
	return func(opts *sdk.Options) {
		opts.Region = region
		opts.HTTPClient = &http.Client{
			Transport:     o.b.wire,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
		opts.Retryer = aws.NopRetryer{}
		opts.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
		opts.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
		opts.DisableLogOutputChecksumValidationSkipped = true
		opts.APIOptions = append(opts.APIOptions, middleware.AddUserAgentKey(o.c.UserAgent), unsignedEncoding)
		if o.b.creds == nil {
			opts.Credentials = aws.AnonymousCredentials{}
		} else {
			opts.Credentials = o.b.creds
		}
		if o.c.Endpoint != "" {
			opts.BaseEndpoint = &o.c.Endpoint
			opts.UsePathStyle = !o.c.VirtualHost
		}
	}
}
