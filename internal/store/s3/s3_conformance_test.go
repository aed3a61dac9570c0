package s3

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"cooper/internal/permit"
	"cooper/internal/store"
	"cooper/internal/store/mem"
	"cooper/internal/store/storetest"
)

// The machine's own AWS configuration must not decide what tests see.
func TestMain(m *testing.M) {
	if os.Getenv(nullServer) != "" {
		runNullServer()
	}
	for _, kv := range os.Environ() {
		if name, _, _ := strings.Cut(kv, "="); strings.HasPrefix(name, "AWS_") {
			_ = os.Unsetenv(name)
		}
	}
	for name, value := range map[string]string{
		"AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull, "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_ACCESS_KEY_ID": "access", "AWS_SECRET_ACCESS_KEY": "secret",
	} {
		if err := os.Setenv(name, value); err != nil {
			panic(err)
		}
	}
	goleak.VerifyTestMain(m)
}

const testBucket = "bucket"

// noSleep makes a policy that does not wait.
func noSleep(c *Config) {
	c.policy.Sleep = func(ctx context.Context, _ time.Duration) error { return ctx.Err() }
}

// serve runs a handler and gives its address.
func serve(t testing.TB, h http.Handler) string {
	t.Helper()
	web := httptest.NewServer(h)
	t.Cleanup(web.Close)
	return web.URL
}

// openTest opens the test bucket of a server.
func openTest(t testing.TB, endpoint string, change ...func(*Config)) *Bucket {
	t.Helper()
	return openBucket(t, endpoint, testBucket, change...)
}

func openBucket(t testing.TB, endpoint, bucket string, change ...func(*Config)) *Bucket {
	t.Helper()
	c := Config{Endpoint: endpoint}
	noSleep(&c)
	for _, f := range change {
		f(&c)
	}
	b, err := Open(t.Context(), bucket, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

func viaSDK(c *Config) { c.viaSDK = true }

// clients are the two ways to send requests, which must not differ.
var clients = map[string][]func(*Config){"lean": nil, "SDK": {viaSDK}}

// envOf is the environment of a bucket of srv, which is served at url, and at plain
// without quirks.
func envOf(srv *mem.Server, b *Bucket, url, plain string, change []func(*Config)) storetest.Env {
	return storetest.Env{
		Reader: b, Writer: b, Lister: b, Archiver: b, Uploads: b, Streamer: b, Describer: b, Remover: b, Copier: b, TagWriter: b, Locks: b, Rules: b, Presigner: b,
		Source: b, Permit: permit.Issue("r-test"), PageSize: 7,
		Seed: storetest.NewClient(plain, "access", "secret", testBucket),
		Elsewhere: func(t *testing.T) (store.Source, *storetest.Client) {
			srv.CreateBucket("elsewhere", "")
			return openBucket(t, url, "elsewhere", change...), storetest.NewClient(plain, "access", "secret", "elsewhere")
		},
		Archive: func(key, version, tier string) {
			srv.SetClass(testBucket, key, version, store.IntelligentTiering, tier)
		},
		CompleteRestore: func(key, version string) { srv.CompleteRestore(testBucket, key, version) },
		EnableLock:      func() { srv.EnableLock(testBucket) },
		EnableACLs:      func() { srv.SetACLs(testBucket, true) },
	}
}

func TestConformance(t *testing.T) {
	for name, change := range clients {
		t.Run(name, func(t *testing.T) {
			storetest.Run(t, func(t *testing.T) storetest.Env {
				srv := mem.New(mem.Options{AccessKey: "access", SecretKey: "secret", PageSize: 7})
				srv.CreateBucket(testBucket, "")
				url := serve(t, srv)
				b := openTest(t, url, change...)
				b.partSize, b.streamPart = 5<<20, 5<<20
				return envOf(srv, b, url, url, change)
			})
		})
	}
}
