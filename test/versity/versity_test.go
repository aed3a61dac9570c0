package versity_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http/httptest"
	"net/url"
	"os"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"

	"cooper/internal/permit"
	"cooper/internal/store"
	"cooper/internal/store/fault"
	"cooper/internal/store/s3"
	"cooper/internal/store/storetest"
	"cooper/test/versity"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// credentials keeps the machine's own configuration from deciding what the test
// sees.
func credentials(t *testing.T) {
	t.Helper()
	for _, name := range []string{"AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"} {
		t.Setenv(name, os.DevNull)
	}
	t.Setenv("AWS_ACCESS_KEY_ID", versity.AccessKey)
	t.Setenv("AWS_SECRET_ACCESS_KEY", versity.SecretKey)
}

// opened is a bucket of the server.
func opened(t *testing.T, endpoint, name string) *s3.Bucket {
	t.Helper()
	b, err := s3.Open(t.Context(), name, s3.Config{Endpoint: endpoint})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

// TestS3OverVersity runs the conformance suite on a real server.
func TestS3OverVersity(t *testing.T) {
	endpoint := versity.Start(t)
	credentials(t)
	var buckets atomic.Int64
	storetest.Run(t, func(t *testing.T) storetest.Env {
		name := fmt.Sprintf("bucket-%d", buckets.Add(1))
		seed := storetest.NewClient(endpoint, versity.AccessKey, versity.SecretKey, name)
		seed.CreateBucket(t)
		b := opened(t, endpoint, name)
		return storetest.Env{
			Reader: b, Writer: b, Lister: b, Archiver: b, Uploads: b, Streamer: b, Describer: b, Remover: b, Copier: b, TagWriter: b, Locks: b, Rules: b, Presigner: b,
			Source: b, Permit: permit.Issue("r-test"), Seed: seed,
			Elsewhere: func(t *testing.T) (store.Source, *storetest.Client) {
				name := fmt.Sprintf("bucket-%d", buckets.Add(1))
				other := storetest.NewClient(endpoint, versity.AccessKey, versity.SecretKey, name)
				other.CreateBucket(t)
				return opened(t, endpoint, name), other
			},
			Lacks: map[storetest.Feature]string{
				storetest.Classes:    "versitygw drops storage classes",
				storetest.OddKeys:    "versitygw merges // and refuses what is no path",
				storetest.NestedKeys: "versitygw keeps objects under their own paths",

				storetest.ConditionalRemoval: "versitygw removes whatever the ETag is",

				storetest.MarkerConditions: "versitygw writes over a delete marker whatever the ETag was",

				storetest.CopyConditions: "versitygw copies whatever is there",
				storetest.CopiesBeside:   "versitygw changes the version that is copied onto itself",
				storetest.Restores:       "versitygw has none",
				storetest.Lifecycles:     "versitygw has none",
				storetest.Tierings:       "versitygw has none",

				storetest.Redirects:  "versitygw keeps none",
				storetest.Encryption: "versitygw encrypts nothing",
				storetest.ACLs:       "versitygw has them off",
				storetest.Locks:      "versitygw enables object lock only while a bucket is made",
			},
		}
	})
}

// A real server refuses what is sent again after the answer got lost; it is
// found to be our own.
func TestLostAnswersOverVersity(t *testing.T) {
	endpoint := versity.Start(t)
	credentials(t)
	storetest.NewClient(endpoint, versity.AccessKey, versity.SecretKey, "bucket").CreateBucket(t)
	target, err := url.Parse(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	lost := fault.Plan{Rates: map[fault.Kind]float64{fault.Lost: 1}, MaxRepeat: 1, Operations: []string{"PutObject", "UploadPart", "CompleteMultipartUpload"}}
	proxy, err := fault.New(target, lost)
	if err != nil {
		t.Fatal(err)
	}
	defer proxy.Close()
	web := httptest.NewServer(proxy)
	defer web.Close()
	b, err := s3.Open(t.Context(), "bucket", s3.Config{Endpoint: web.URL})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	etag := ""
	for i, body := range []string{"first", "second"} {
		p := store.Put{Key: "whole", Size: int64(len(body)), Body: bytes.NewReader([]byte(body)), Metadata: map[string]string{"cooper-origin": body}}
		p.IfNoneMatch, p.IfMatch = i == 0, etag
		o, err := b.Put(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		etag = o.ETag
		p.Key, p.IfNoneMatch, p.IfMatch = fmt.Sprint("parts", i), true, ""
		parts, err := b.Begin(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		if err := parts.Part(t.Context(), []byte(body)); err != nil {
			t.Fatal(err)
		}
		if _, err := parts.Complete(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, key := range []string{"whole", p.Key} {
			_, rc, err := b.Get(t.Context(), store.Ref{Key: key}, store.Range{})
			if err != nil {
				t.Fatal(err)
			}
			if got, err := io.ReadAll(rc); err != nil || string(got) != body {
				t.Errorf("%s: %q, %v", key, got, err)
			}
			_ = rc.Close()
		}
	}
	if n := proxy.Count(fault.Lost); n != 6 {
		t.Errorf("%d answers were lost, not 6", n)
	}
}
