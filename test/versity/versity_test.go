package versity_test

import (
	"fmt"
	"os"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"

	"cooper/internal/permit"
	"cooper/internal/store/s3"
	"cooper/internal/store/storetest"
	"cooper/test/versity"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestS3OverVersity runs the conformance suite on a real server.
func TestS3OverVersity(t *testing.T) {
	endpoint := versity.Start(t)
	// The machine's own configuration must not decide what the test sees.
	for _, name := range []string{"AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"} {
		t.Setenv(name, os.DevNull)
	}
	t.Setenv("AWS_ACCESS_KEY_ID", versity.AccessKey)
	t.Setenv("AWS_SECRET_ACCESS_KEY", versity.SecretKey)
	var buckets atomic.Int64
	storetest.Run(t, func(t *testing.T) storetest.Env {
		name := fmt.Sprintf("bucket-%d", buckets.Add(1))
		seed := storetest.NewClient(endpoint, versity.AccessKey, versity.SecretKey, name)
		seed.CreateBucket(t)
		b, err := s3.Open(t.Context(), name, s3.Config{Endpoint: endpoint})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { b.Close() })
		return storetest.Env{
			Reader: b, Writer: b, Lister: b, Archiver: b, Uploads: b, Streamer: b, Describer: b, Remover: b, Permit: permit.Issue("r-test"), Seed: seed,
			Lacks: map[storetest.Feature]string{
				storetest.Classes:    "versitygw drops storage classes",
				storetest.OddKeys:    "versitygw merges // and refuses what is no path",
				storetest.NestedKeys: "versitygw keeps objects under their own paths",

				storetest.ConditionalRemoval: "versitygw removes whatever the ETag is",

				storetest.MarkerConditions: "versitygw writes over a delete marker whatever the ETag was",

				storetest.Redirects:  "versitygw keeps none",
				storetest.Encryption: "versitygw encrypts nothing",
				storetest.ACLs:       "versitygw has them off",
				storetest.Locks:      "versitygw enables object lock only while a bucket is made",
			},
		}
	})
}
