package s3report_test

import (
	"context"
	"fmt"
	"io"
	"net/http/httptest"
	"os"
	"sort"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cooper"
	"cooper/internal/inventory"
	"cooper/internal/inventory/listing"
	"cooper/internal/inventory/s3report"
	"cooper/internal/store/mem"
	"cooper/internal/store/s3"
)

type keep struct {
	t        *testing.T
	versions []cooper.Version
}

func (k *keep) Version(v *cooper.Version) error {
	c := *v
	for _, s := range []*string{&c.Key, &c.VersionID, &c.ETag, &c.StorageClass, &c.Tier, &c.Encryption, &c.Checksum} {
		*s = strings.Clone(*s)
	}
	k.versions = append(k.versions, c)
	return nil
}

func (k *keep) Reject(r inventory.Rejected) error {
	k.t.Errorf("rejected: %+v", r)
	return nil
}

// take reads a source, in the order of a snapshot.
func take(t *testing.T, src inventory.Source) []cooper.Version {
	t.Helper()
	k := &keep{t: t}
	for _, p := range src.Parts() {
		if err := p.Read(context.Background(), k); err != nil {
			t.Fatal(err)
		}
	}
	sort.Slice(k.versions, func(i, j int) bool { return k.versions[i].Compare(&k.versions[j]) < 0 })
	return k.versions
}

// pull gives versions one by one.
type pull []cooper.Version

func (p *pull) Next() (*cooper.Version, error) {
	if len(*p) == 0 {
		return nil, io.EOF
	}
	v := &(*p)[0]
	*p = (*p)[1:]
	return v, nil
}

// A bucket of hostile keys is listed, reported and read back over the wire by
// the client the program uses.
func TestListingToReportOverHTTP(t *testing.T) {
	for name, value := range map[string]string{"AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull, "AWS_EC2_METADATA_DISABLED": "true", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "s"} {
		t.Setenv(name, value)
	}
	ctx := context.Background()
	server := mem.New(mem.Options{PageSize: 7})
	web := httptest.NewServer(server)
	t.Cleanup(web.Close)
	server.CreateBucket("src", "Enabled")
	server.CreateBucket("reports", "")
	for _, key := range []string{"a", "a/", "a/b", "a//b", "a-b", "..", "../x", "/lead", "trail/", "100%", "a+b c", "é", "e\u0301", "日本/\U0001F600", "q\"uote,", "new\nline", "~", "A"} {
		server.Put("src", key, []byte(key), mem.PutOptions{})
		server.Put("src", key, []byte(key+"2"), mem.PutOptions{Class: "GLACIER"})
	}
	server.Delete("src", "a/b")
	for i := range 300 {
		server.Put("src", fmt.Sprintf("zarr/%d/%d/%d", i%3, i%10, i), nil, mem.PutOptions{})
	}
	open := func(name string) *s3.Bucket {
		b, err := s3.Open(ctx, name, s3.Config{Endpoint: web.URL})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	src, dst := open("src"), open("reports")
	want := server.Versions("src")
	sort.Slice(want, func(i, j int) bool { return want[i].Compare(&want[j]) < 0 })
	live, err := listing.New(ctx, src, "src", listing.Options{Workers: 5})
	if err != nil {
		t.Fatal(err)
	}
	listed := take(t, live)
	identities := func(vs []cooper.Version) (ids []cooper.Identity) {
		for _, v := range vs {
			ids = append(ids, v.Identity)
		}
		return ids
	}
	if diff := cmp.Diff(identities(want), identities(listed)); diff != "" {
		t.Fatal(diff)
	}
	for _, format := range []string{s3report.CSV, s3report.Parquet} {
		rows := pull(listed)
		opt := s3report.WriteOptions{
			Prefix: "inv", SourceBucket: "src", ConfigID: format, Format: format, TakenAt: live.Meta().TakenAt,
			MaxRows: 100, DestinationBucket: "reports", TempDir: t.TempDir(),
		}
		if _, err := s3report.Write(ctx, dst, opt, &rows); err != nil {
			t.Fatal(err)
		}
		r, err := s3report.Open(ctx, s3report.Bucket(dst, dst, "s3://reports"), "inv/src/"+format, s3report.Options{Bucket: "src", TempDir: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(listed, take(t, r)); diff != "" {
			t.Error(diff)
		}
	}
}
