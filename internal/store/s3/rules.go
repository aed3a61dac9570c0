package s3

import (
	"context"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"cooper"
	"cooper/internal/store"
)

const (
	rootLifecycle = "LifecycleConfiguration"
	rootTiering   = "ListBucketIntelligentTieringConfigurationsResult"
	// rootTieringOld is what the model calls that root.
	rootTieringOld = "ListBucketIntelligentTieringConfigurationsOutput"
)

// askRules asks what a bucket is set to do by itself; known is false where the store
// does not know such things.
func (b *Bucket) askRules(ctx context.Context, request func(context.Context) error) (known bool, err error) {
	err = b.do(ctx, b.where("", ""), func(ctx context.Context) error {
		if err := request(ctx); err != nil {
			return b.pageFailure(ctx, err)
		}
		return nil
	})
	var f *failure
	switch {
	case err == nil:
		return true, nil
	case !errors.As(err, &f) || f.err != nil && !f.foreign:
		return false, err
	case f.code == "NoSuchLifecycleConfiguration", f.code == "NoSuchConfiguration":
		return true, nil
	case f.unknown(), f.code == "MethodNotAllowed":
		return false, nil
	}
	return false, err
}

// Lifecycle reads the rules of the bucket's lifecycle.
func (b *Bucket) Lifecycle(ctx context.Context) (rules []store.LifecycleRule, known bool, err error) {
	var out *sdk.GetBucketLifecycleConfigurationOutput
	known, err = b.askRules(ctx, func(ctx context.Context) (err error) {
		out, err = b.sdk.GetBucketLifecycleConfiguration(ctx, &sdk.GetBucketLifecycleConfigurationInput{Bucket: &b.name}, expecting(rootLifecycle))
		return err
	})
	if err != nil || out == nil {
		return nil, known, err
	}
	for i := range out.Rules {
		r, err := lifecycleRule(&out.Rules[i])
		if err != nil {
			return nil, false, final(err, b.where("", ""))
		}
		rules = append(rules, r)
	}
	return rules, true, nil
}

func lifecycleRule(r *types.LifecycleRule) (rule store.LifecycleRule, err error) {
	rule = store.LifecycleRule{ID: clip(aws.ToString(r.ID), maxRuleID), Enabled: r.Status == types.ExpirationStatusEnabled}
	if rule.Filter, err = lifecycleFilter(r); err != nil {
		return rule, err
	}
	for _, t := range r.Transitions {
		rule.Transitions = append(rule.Transitions, store.Transition{Expiry: expiry(t.Days, t.Date), Class: string(t.StorageClass)})
	}
	if e := r.Expiration; e != nil {
		if rule.Markers = aws.ToBool(e.ExpiredObjectDeleteMarker); e.Days != nil || e.Date != nil {
			x := expiry(e.Days, e.Date)
			rule.Expire = &x
		}
	}
	for _, t := range r.NoncurrentVersionTransitions {
		x := expiry(t.NoncurrentDays, nil)
		x.Keep = int(aws.ToInt32(t.NewerNoncurrentVersions))
		rule.NoncurrentTransitions = append(rule.NoncurrentTransitions, store.Transition{Expiry: x, Class: string(t.StorageClass)})
	}
	if e := r.NoncurrentVersionExpiration; e != nil {
		x := expiry(e.NoncurrentDays, nil)
		x.Keep = int(aws.ToInt32(e.NewerNoncurrentVersions))
		rule.NoncurrentExpire = &x
	}
	if a := r.AbortIncompleteMultipartUpload; a != nil {
		rule.AbortUploads = int(aws.ToInt32(a.DaysAfterInitiation))
	}
	return rule, nil
}

// maxRuleID bounds the name of a rule, of which S3 takes 255 characters.
const maxRuleID = 1024

func expiry(days *int32, date *time.Time) store.Expiry {
	e := store.Expiry{Days: int(aws.ToInt32(days))}
	if date != nil {
		e.Date = cooper.InstantOf(*date)
	}
	return e
}

func lifecycleFilter(r *types.LifecycleRule) (store.Filter, error) {
	f := r.Filter
	if f == nil { // the older form
		return store.Filter{Prefix: aws.ToString(r.Prefix)}, nil //nolint:staticcheck // buckets have such rules still
	}
	if a := f.And; a != nil {
		return filter(a.Prefix, a.Tags, a.ObjectSizeGreaterThan, a.ObjectSizeLessThan)
	}
	return filter(f.Prefix, oneTag(f.Tag), f.ObjectSizeGreaterThan, f.ObjectSizeLessThan)
}

func oneTag(t *types.Tag) []types.Tag {
	if t == nil {
		return nil
	}
	return []types.Tag{*t}
}

func filter(prefix *string, tags []types.Tag, above, below *int64) (store.Filter, error) {
	f := store.Filter{Prefix: aws.ToString(prefix), Above: aws.ToInt64(above), Below: aws.ToInt64(below)}
	for _, t := range tags {
		if f.Tags == nil {
			f.Tags = map[string]string{}
		}
		f.Tags[aws.ToString(t.Key)] = aws.ToString(t.Value)
	}
	if len(f.Tags) != len(tags) {
		return f, malformed("a rule for a tag twice")
	}
	return f, nil
}

// maxTierings bounds the pages of configurations; a bucket has at most 1,000.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketIntelligentTieringConfiguration.html
const maxTierings = 1000

// Tiering reads the configurations by which Intelligent-Tiering archives.
func (b *Bucket) Tiering(ctx context.Context) (rules []store.TieringRule, known bool, err error) {
	var token *string
	for range maxTierings {
		var out *sdk.ListBucketIntelligentTieringConfigurationsOutput
		known, err = b.askRules(ctx, func(ctx context.Context) (err error) {
			out, err = b.sdk.ListBucketIntelligentTieringConfigurations(ctx,
				&sdk.ListBucketIntelligentTieringConfigurationsInput{Bucket: &b.name, ContinuationToken: token}, expecting(rootTiering, rootTieringOld))
			return err
		})
		if err != nil || out == nil {
			return nil, known, err
		}
		for i := range out.IntelligentTieringConfigurationList {
			r, err := tieringRule(&out.IntelligentTieringConfigurationList[i])
			if err != nil {
				return nil, false, final(err, b.where("", ""))
			}
			rules = append(rules, r)
		}
		if !aws.ToBool(out.IsTruncated) {
			return rules, true, nil
		}
		if token = out.NextContinuationToken; aws.ToString(token) == "" {
			break
		}
	}
	return nil, false, final(malformed("a listing of configurations that does not end"), b.where("", ""))
}

func tieringRule(c *types.IntelligentTieringConfiguration) (rule store.TieringRule, err error) {
	rule = store.TieringRule{ID: clip(aws.ToString(c.Id), maxRuleID), Enabled: c.Status == types.IntelligentTieringStatusEnabled}
	switch f := c.Filter; {
	case f == nil:
	case f.And != nil:
		rule.Filter, err = filter(f.And.Prefix, f.And.Tags, nil, nil)
	default:
		rule.Filter, err = filter(f.Prefix, oneTag(f.Tag), nil, nil)
	}
	for _, t := range c.Tierings {
		rule.Tiers = append(rule.Tiers, store.ArchiveTier{Access: string(t.AccessTier), Days: int(aws.ToInt32(t.Days))})
	}
	return rule, err
}
