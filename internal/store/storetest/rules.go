package storetest

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"cooper"
	"cooper/internal/store"
)

func lifecycleRules(t *testing.T, e Env) {
	rules, known, err := e.Rules.Lifecycle(within(t))
	if err != nil || len(rules) > 0 || known == e.lacks(Lifecycles) {
		t.Fatalf("rules of a bucket that has none: %+v, known %t, %v", rules, known, err)
	}
	e.need(t, Lifecycles)
	date := time.Date(2031, 2, 3, 0, 0, 0, 0, time.UTC)
	tag := func(k, v string) types.Tag { return types.Tag{Key: &k, Value: &v} }
	e.Seed.PutLifecycle(t, []types.LifecycleRule{
		{ID: aws.String("tagged"), Status: "Enabled", Filter: &types.LifecycleRuleFilter{Tag: &types.Tag{Key: aws.String("status"), Value: aws.String("archive")}},
			Transitions: []types.Transition{{Days: aws.Int32(0), StorageClass: "GLACIER"}, {Days: aws.Int32(90), StorageClass: "DEEP_ARCHIVE"}},
			Expiration:  &types.LifecycleExpiration{Days: aws.Int32(3650)}},
		{ID: aws.String("all of it"), Status: "Disabled", Filter: &types.LifecycleRuleFilter{And: &types.LifecycleRuleAndOperator{
			Prefix: aws.String("a b/"), Tags: []types.Tag{tag("x", "1"), tag("y", "")}, ObjectSizeGreaterThan: aws.Int64(1 << 17), ObjectSizeLessThan: aws.Int64(1 << 40)}},
			Expiration:                     &types.LifecycleExpiration{Date: &date},
			NoncurrentVersionTransitions:   []types.NoncurrentVersionTransition{{NoncurrentDays: aws.Int32(30), NewerNoncurrentVersions: aws.Int32(2), StorageClass: "GLACIER_IR"}},
			NoncurrentVersionExpiration:    &types.NoncurrentVersionExpiration{NoncurrentDays: aws.Int32(60), NewerNoncurrentVersions: aws.Int32(3)},
			AbortIncompleteMultipartUpload: &types.AbortIncompleteMultipartUpload{DaysAfterInitiation: aws.Int32(7)}},
		{ID: aws.String("markers"), Status: "Enabled", Filter: &types.LifecycleRuleFilter{Prefix: aws.String("")},
			Expiration: &types.LifecycleExpiration{ExpiredObjectDeleteMarker: aws.Bool(true)}},
	})
	want := []store.LifecycleRule{
		{ID: "tagged", Enabled: true, Filter: store.Filter{Tags: map[string]string{"status": "archive"}},
			Transitions: []store.Transition{{Class: "GLACIER"}, {Expiry: store.Expiry{Days: 90}, Class: "DEEP_ARCHIVE"}}, Expire: &store.Expiry{Days: 3650}},
		{ID: "all of it", Filter: store.Filter{Prefix: "a b/", Tags: map[string]string{"x": "1", "y": ""}, Above: 1 << 17, Below: 1 << 40},
			Expire: &store.Expiry{Date: cooper.InstantOf(date)}, NoncurrentTransitions: []store.Transition{{Expiry: store.Expiry{Days: 30, Keep: 2}, Class: "GLACIER_IR"}},
			NoncurrentExpire: &store.Expiry{Days: 60, Keep: 3}, AbortUploads: 7},
		{ID: "markers", Enabled: true, Markers: true},
	}
	rules, known, err = e.Rules.Lifecycle(within(t))
	if err != nil || !known || !reflect.DeepEqual(rules, want) {
		t.Errorf("rules %+v, known %t, %v\nwant  %+v", rules, known, err, want)
	}
}

func tieringRules(t *testing.T, e Env) {
	rules, known, err := e.Rules.Tiering(within(t))
	if err != nil || len(rules) > 0 || known == e.lacks(Tierings) {
		t.Fatalf("configurations of a bucket that has none: %+v, known %t, %v", rules, known, err)
	}
	e.need(t, Tierings)
	page := e.PageSize
	if page == 0 {
		page = 10
	}
	var want []store.TieringRule
	for i := range 2*page + 1 { // in pages
		id := fmt.Sprintf("rule %03d", i)
		c := types.IntelligentTieringConfiguration{Id: &id, Status: "Enabled",
			Tierings: []types.Tiering{{AccessTier: "ARCHIVE_ACCESS", Days: aws.Int32(90)}, {AccessTier: "DEEP_ARCHIVE_ACCESS", Days: aws.Int32(180)}}}
		r := store.TieringRule{ID: id, Enabled: true, Tiers: []store.ArchiveTier{{Access: "ARCHIVE_ACCESS", Days: 90}, {Access: "DEEP_ARCHIVE_ACCESS", Days: 180}}}
		switch i % 4 {
		case 1:
			c.Filter, r.Filter = &types.IntelligentTieringFilter{Prefix: aws.String("p/ü")}, store.Filter{Prefix: "p/ü"}
		case 2:
			c.Filter = &types.IntelligentTieringFilter{Tag: &types.Tag{Key: aws.String("a"), Value: aws.String("<b>")}}
			r.Filter, c.Status, r.Enabled = store.Filter{Tags: map[string]string{"a": "<b>"}}, "Disabled", false
		case 3:
			c.Filter = &types.IntelligentTieringFilter{And: &types.IntelligentTieringAndOperator{Prefix: aws.String("p"), Tags: []types.Tag{{Key: aws.String("a"), Value: aws.String("b")}}}}
			r.Filter = store.Filter{Prefix: "p", Tags: map[string]string{"a": "b"}}
		}
		e.Seed.PutTiering(t, c)
		want = append(want, r)
	}
	rules, known, err = e.Rules.Tiering(within(t))
	if err != nil || !known || !reflect.DeepEqual(rules, want) {
		t.Errorf("configurations %+v, known %t, %v\nwant  %+v", rules, known, err, want)
	}
}

// PutLifecycle gives the bucket these rules and no others.
func (c *Client) PutLifecycle(t *testing.T, rules []types.LifecycleRule) {
	t.Helper()
	_, err := c.s3.PutBucketLifecycleConfiguration(t.Context(), &s3.PutBucketLifecycleConfigurationInput{
		Bucket: &c.bucket, LifecycleConfiguration: &types.BucketLifecycleConfiguration{Rules: rules},
	})
	c.check(t, "set the lifecycle", err)
}

// PutTiering adds a configuration of Intelligent-Tiering.
func (c *Client) PutTiering(t *testing.T, one types.IntelligentTieringConfiguration) {
	t.Helper()
	_, err := c.s3.PutBucketIntelligentTieringConfiguration(t.Context(), &s3.PutBucketIntelligentTieringConfigurationInput{
		Bucket: &c.bucket, Id: one.Id, IntelligentTieringConfiguration: &one,
	})
	c.check(t, "configure Intelligent-Tiering", err)
}
