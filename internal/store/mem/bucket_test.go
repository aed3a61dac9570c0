package mem_test

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"cooper/internal/store/mem"
)

// clock is a clock that tests set.
type clock struct{ seconds atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.advance(1_600_000_000)
	return c
}

func (c *clock) now() time.Time             { return time.Unix(c.seconds.Load(), 0) }
func (c *clock) advance(seconds int64)      { c.seconds.Add(seconds) }
func (c *clock) advanceDays(days int64)     { c.advance(days * 24 * 3600) }
func expires(t time.Time) (httpDate string) { return t.UTC().Format(http.TimeFormat) }

func TestSignaturesAreChecked(t *testing.T) {
	srv, good, url := serve(t, mem.Options{}, "")
	if _, err := good.PutObject(ctx(), &s3.PutObjectInput{Bucket: str(bucket), Key: str("k"), Body: strings.NewReader("x")}); err != nil {
		t.Fatal(err)
	}
	_, err := client(url, "us-east-1", "wrong").GetObject(ctx(), &s3.GetObjectInput{Bucket: str(bucket), Key: str("k")})
	if code(err) != "SignatureDoesNotMatch" {
		t.Errorf("a wrong secret: %v", err)
	}
	_, err = client(url, "eu-west-3", "secret").GetObject(ctx(), &s3.GetObjectInput{Bucket: str(bucket), Key: str("k")})
	if code(err) != "AuthorizationHeaderMalformed" {
		t.Errorf("a wrong region: %v", err)
	}
	for _, header := range []string{"", "Basic abc", "AWS4-HMAC-SHA256 Credential=a/b, Signature=", "AWS4-HMAC-SHA256 "} {
		status, _, body := do(t, srv, http.MethodGet, "/b/k", "", "Authorization", header)
		if status != 403 || !strings.Contains(body, "AccessDenied") {
			t.Errorf("authorization %q: %d %s", header, status, body)
		}
	}
	_, _, body := do(t, srv, http.MethodGet, "/b/k", "", "Authorization",
		"AWS4-HMAC-SHA256 Credential=someone/20200101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=00")
	if !strings.Contains(body, "InvalidAccessKeyId") {
		t.Errorf("an unknown key: %s", body)
	}
	// Any change of what was signed must show.
	head, err := good.HeadObject(ctx(), &s3.HeadObjectInput{Bucket: str(bucket), Key: str("k")})
	if err != nil || aws.ToInt64(head.ContentLength) != 1 {
		t.Fatal(head, err)
	}
}

func TestBucketsInOtherRegionsSayWhere(t *testing.T) {
	srv, c, url := serve(t, mem.Options{}, "")
	srv.SetRegion(bucket, "ap-southeast-2")
	_, err := c.ListObjectsV2(ctx(), &s3.ListObjectsV2Input{Bucket: str(bucket)})
	if code(err) != "AuthorizationHeaderMalformed" {
		t.Errorf("signed for another region: %v", err)
	}
	status, h, _ := do(t, srv, http.MethodHead, "/b", "")
	if status != 403 || h.Get("X-Amz-Bucket-Region") != "ap-southeast-2" {
		t.Errorf("an anonymous HEAD: %d, region %q", status, h.Get("X-Amz-Bucket-Region"))
	}
	there := client(url, "ap-southeast-2", "secret")
	out, err := there.GetBucketLocation(ctx(), &s3.GetBucketLocationInput{Bucket: str(bucket)})
	if err != nil || out.LocationConstraint != "ap-southeast-2" {
		t.Errorf("location %v, %v", out, err)
	}
}

func TestBuckets(t *testing.T) {
	srv, c, _ := serve(t, mem.Options{}, "")
	other := str("other")
	if _, err := c.CreateBucket(ctx(), &s3.CreateBucketInput{Bucket: other}); err != nil {
		t.Fatal(err)
	}
	_, err := c.CreateBucket(ctx(), &s3.CreateBucketInput{Bucket: other})
	if code(err) != "BucketAlreadyOwnedByYou" {
		t.Errorf("made twice: %v", err)
	}
	if _, err := c.PutBucketVersioning(ctx(), &s3.PutBucketVersioningInput{
		Bucket: other, VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled},
	}); err != nil {
		t.Fatal(err)
	}
	v, err := c.GetBucketVersioning(ctx(), &s3.GetBucketVersioningInput{Bucket: other})
	if err != nil || v.Status != types.BucketVersioningStatusEnabled {
		t.Errorf("versioning %v, %v", v, err)
	}
	all, err := c.ListBuckets(ctx(), &s3.ListBucketsInput{})
	if err != nil || len(all.Buckets) != 2 || *all.Buckets[0].Name != bucket || *all.Buckets[1].Name != "other" {
		t.Errorf("buckets %v, %v", all, err)
	}
	srv.Put("other", "k", nil, mem.PutOptions{})
	marker := srv.Delete("other", "k")
	_, err = c.DeleteBucket(ctx(), &s3.DeleteBucketInput{Bucket: other})
	if code(err) != "BucketNotEmpty" {
		t.Errorf("deleted while versions were left: %v", err)
	}
	srv.DeleteVersion("other", "k", srv.Versions("other")[1].VersionID)
	srv.DeleteVersion("other", "k", marker)
	if _, err := c.DeleteBucket(ctx(), &s3.DeleteBucketInput{Bucket: other}); err != nil {
		t.Error(err)
	}
	if _, err := c.HeadBucket(ctx(), &s3.HeadBucketInput{Bucket: other}); err == nil {
		t.Error("a deleted bucket answers")
	}
}

func TestDeleteObjects(t *testing.T) {
	srv, c, _ := serve(t, mem.Options{}, "Enabled")
	one := put(t, c, "a b", "1")
	put(t, c, "a b", "2")
	put(t, c, "k&", "3")
	srv.Put(bucket, "denied", nil, mem.PutOptions{})
	srv.Deny(bucket, "denied")
	out, err := c.DeleteObjects(ctx(), &s3.DeleteObjectsInput{Bucket: str(bucket), Delete: &types.Delete{Objects: []types.ObjectIdentifier{
		{Key: str("a b"), VersionId: str(one)}, {Key: str("k&")}, {Key: str("never was")}, {Key: str("denied")},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	if len(out.Deleted) != 3 || len(out.Errors) != 1 || aws.ToString(out.Errors[0].Code) != "AccessDenied" {
		t.Errorf("deleted %d, errors %v", len(out.Deleted), out.Errors)
	}
	if got := strings.Join(append(history(t, srv, "a b"), history(t, srv, "k&")...), "|"); got != "2 latest|marker latest|3" {
		t.Errorf("left: %s", got)
	}
	status, _, body := do(t, mem.New(mem.Options{}), http.MethodPost, "/b?delete", "<Delete><Object><Key>k</Key></Object></Delete>")
	if status != 400 {
		t.Errorf("without a hash: %d %s", status, body)
	}
}

func TestArchivedUntilRestored(t *testing.T) {
	clock := newClock() // 2020-09-13 12:26:40
	srv, c, _ := serve(t, mem.Options{Clock: clock.now}, "Enabled")
	id := srv.Put(bucket, "k", []byte("x"), mem.PutOptions{Class: "GLACIER"})
	restore := func(days int32, tier types.Tier) string {
		_, err := c.RestoreObject(ctx(), &s3.RestoreObjectInput{Bucket: str(bucket), Key: str("k"), VersionId: str(id),
			RestoreRequest: &types.RestoreRequest{Days: aws.Int32(days), GlacierJobParameters: &types.GlacierJobParameters{Tier: tier}}})
		return code(err)
	}
	state := func() string {
		head, err := c.HeadObject(ctx(), &s3.HeadObjectInput{Bucket: str(bucket), Key: str("k")})
		if err != nil {
			t.Fatal(err)
		}
		_, err = get(c, "k", id)
		return code(err) + "|" + string(head.StorageClass) + "|" + aws.ToString(head.Restore)
	}
	expect := func(step, got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("%s: %q, want %q", step, got, want)
		}
	}
	expect("archived", state(), "InvalidObjectState|GLACIER|")
	expect("no days", restore(0, types.TierBulk), "MalformedXML")
	expect("requested", restore(2, types.TierBulk), "")
	expect("requested twice", restore(2, types.TierBulk), "RestoreAlreadyInProgress")
	expect("under way", state(), `InvalidObjectState|GLACIER|ongoing-request="true"`)
	srv.CompleteRestore(bucket, "k", id)
	until := time.Date(2020, 9, 16, 0, 0, 0, 0, time.UTC)
	expect("restored", state(), `|GLACIER|ongoing-request="false", expiry-date="`+expires(until)+`"`)
	expect("for longer", restore(9, types.TierBulk), "")
	expect("restored for longer", state(), `|GLACIER|ongoing-request="false", expiry-date="`+expires(until.AddDate(0, 0, 7))+`"`)
	clock.advanceDays(10)
	expect("its days have passed", state(), "InvalidObjectState|GLACIER|")
	srv.SetClass(bucket, "k", id, "DEEP_ARCHIVE", "")
	expect("too fast for the class", restore(1, types.TierExpedited), "InvalidArgument")
	srv.SetClass(bucket, "k", id, "GLACIER_IR", "")
	expect("read at once", state(), "|GLACIER_IR|")
	expect("restore of what is not archived", restore(1, types.TierBulk), "InvalidObjectState")
}

func TestIntelligentTieringComesBackForGood(t *testing.T) {
	srv, c, _ := serve(t, mem.Options{}, "")
	srv.Put(bucket, "k", []byte("x"), mem.PutOptions{Class: "INTELLIGENT_TIERING", Tier: "DEEP_ARCHIVE"})
	head, err := c.HeadObject(ctx(), &s3.HeadObjectInput{Bucket: str(bucket), Key: str("k")})
	if err != nil || head.ArchiveStatus != types.ArchiveStatusDeepArchiveAccess {
		t.Errorf("archive status %v, %v", head.ArchiveStatus, err)
	}
	if _, err := get(c, "k", ""); code(err) != "InvalidObjectState" {
		t.Errorf("archived: %v", err)
	}
	if _, err := c.RestoreObject(ctx(), &s3.RestoreObjectInput{Bucket: str(bucket), Key: str("k"), RestoreRequest: &types.RestoreRequest{}}); err != nil {
		t.Fatal(err)
	}
	srv.CompleteRestore(bucket, "k", "null")
	if body, err := get(c, "k", ""); body != "x" || srv.Versions(bucket)[0].Tier != "FREQUENT" {
		t.Errorf("restored: %q, %v, %+v", body, err, srv.Versions(bucket))
	}
}

func TestCounts(t *testing.T) {
	srv, c, _ := serve(t, mem.Options{PageSize: 2}, "Enabled")
	for _, key := range []string{"a", "b", "c"} {
		put(t, c, key, "x")
	}
	_, _ = get(c, "a", "")
	_, _ = get(c, "none", "")
	pages := s3.NewListObjectVersionsPaginator(c, &s3.ListObjectVersionsInput{Bucket: str(bucket)})
	for pages.HasMorePages() {
		if _, err := pages.NextPage(ctx()); err != nil {
			t.Fatal(err)
		}
	}
	status, _, _ := do(t, srv, http.MethodGet, "/b?cors", "")
	got := srv.Counts()
	for op, n := range map[string]int64{"PutObject": 3, "GetObject": 2, "ListObjectVersions": 2, mem.Unknown: 1} {
		if got[op] != n {
			t.Errorf("%s: %d, want %d", op, got[op], n)
		}
	}
	if len(got) != 4 || status != 403 {
		t.Errorf("counts %v, status %d", got, status)
	}
	srv.ResetCounts()
	if got := srv.Counts(); len(got) != 0 {
		t.Errorf("after reset: %v", got)
	}
}
