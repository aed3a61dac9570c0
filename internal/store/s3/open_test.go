package s3

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"cooper"
	"cooper/internal/store"
	"cooper/internal/store/mem"
)

// Where requests go, by the rules of the SDK.
func TestAddresses(t *testing.T) {
	for _, c := range []struct {
		bucket, region, endpoint string
		virtual                  bool
		want                     string
		plain                    bool
	}{
		{"data", "eu-west-1", "", false, "https://data.s3.eu-west-1.amazonaws.com/k", true},
		{"data", "us-east-1", "", false, "https://data.s3.us-east-1.amazonaws.com/k", true},
		{"data.org", "us-east-1", "", false, "https://s3.us-east-1.amazonaws.com/data.org/k", true},
		{"data", "cn-north-1", "", false, "https://data.s3.cn-north-1.amazonaws.com.cn/k", true},
		{"data", "us-east-1", "http://h:9000", false, "http://h:9000/data/k", true},
		{"data", "us-east-1", "http://h:9000/deep/", false, "http://h:9000/deep/data/k", true},
		{"data", "us-east-1", "https://h.example", true, "https://data.h.example/k", true},
		{"arn:aws:s3:us-west-2:123456789012:accesspoint/name", "us-west-2", "", false, "https://name-123456789012.s3-accesspoint.us-west-2.amazonaws.com/k", true},
		{"arn:aws:s3::123456789012:accesspoint/name.mrap", "us-west-2", "", false, "https://name.mrap.accesspoint.s3-global.amazonaws.com/k", false},
		{"data--use1-az4--x-s3", "us-east-1", "", false, "https://data--use1-az4--x-s3.s3express-use1-az4.us-east-1.amazonaws.com/k", false},
	} {
		o := &opening{bucket: c.bucket, c: Config{Endpoint: c.endpoint, VirtualHost: c.virtual}}
		if err := o.configure(t.Context()); err != nil {
			t.Fatal(err)
		}
		got, err := o.resolve(t.Context(), c.region)
		if err != nil {
			t.Errorf("%s: %v", c.bucket, err)
			continue
		}
		if u := got.at.url("k", nil).String(); u != c.want || got.plain != c.plain {
			t.Errorf("%s in %s: %s plain=%t, want %s %t", c.bucket, c.region, u, got.plain, c.want, c.plain)
		}
		if c.plain && (got.region != c.region || got.service != "s3") {
			t.Errorf("%s: signed for %s %s", c.bucket, got.region, got.service)
		}
	}
}

// amazon stands for Amazon S3: a store for which no endpoint is given, and
// whose host names tell bucket and region.
func amazon(t *testing.T, h http.Handler) func(*Config) {
	t.Helper()
	web := httptest.NewTLSServer(h)
	t.Cleanup(web.Close)
	roots := x509.NewCertPool()
	roots.AddCert(web.Certificate())
	return func(c *Config) {
		noSleep(c)
		c.transport = func(tr *http.Transport) {
			tr.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
				return (&net.Dialer{}).DialContext(ctx, network, web.Listener.Addr().String())
			}
			tr.TLSClientConfig = &tls.Config{RootCAs: roots, ServerName: "example.com", MinVersion: tls.VersionTLS12}
		}
	}
}

func TestRegionIsFound(t *testing.T) {
	// A bucket in eu-central-1, asked for at another region's address.
	set := amazon(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Host == "data.s3.eu-central-1.amazonaws.com" && strings.Contains(r.Header.Get("Authorization"), "/eu-central-1/s3/") {
			fmt.Fprint(w, "hello")
			return
		}
		w.Header().Set("X-Amz-Bucket-Region", "eu-central-1")
		w.WriteHeader(http.StatusMovedPermanently)
	}))
	for _, status := range []string{"", "eu-west-1"} {
		t.Setenv("AWS_REGION", status)
		c := Config{}
		set(&c)
		b, err := Open(t.Context(), "data", c)
		if err != nil {
			t.Fatal(err)
		}
		if b.Region() != "eu-central-1" || b.Name() != "data" || b.Anonymous() {
			t.Fatalf("region %s", b.Region())
		}
		if o, err := b.Head(t.Context(), store.Ref{Key: "k"}, 0); err != nil || o.Size != 5 {
			t.Fatal(o, err)
		}
		if u := b.Usage(); u.Head != 2 || u.List+u.Get != 0 {
			t.Errorf("opening cost %+v", u)
		}
		_ = b.Close()
	}
}

func TestNoSuchBucketAtAmazon(t *testing.T) {
	c := Config{}
	amazon(t, http.NotFoundHandler())(&c)
	if _, err := Open(t.Context(), "data", c); cooper.KindOf(err) != cooper.KindMissing {
		t.Fatal(err)
	}
}

// Stores that insist on a region name it only when they refuse a signature.
func TestRegionOfAnotherStore(t *testing.T) {
	srv := mem.New(mem.Options{AccessKey: "access", SecretKey: "secret"})
	srv.CreateBucket(testBucket, "")
	srv.SetRegion(testBucket, "garage")
	url := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodHead && r.Header.Get("Authorization") == "" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		srv.ServeHTTP(w, r)
	}))
	b := openTest(t, url)
	if b.Region() != "garage" {
		t.Fatalf("region %q", b.Region())
	}
	if _, err := b.Versioning(t.Context()); err != nil {
		t.Fatal(err)
	}
	c := Config{Endpoint: url}
	noSleep(&c)
	if _, err := Open(t.Context(), "nosuchbucket", c); cooper.KindOf(err) != cooper.KindMissing {
		t.Fatal(err)
	}
}

func TestAnonymous(t *testing.T) {
	for name, value := range map[string]string{"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "HOME": t.TempDir()} {
		t.Setenv(name, value)
	}
	public := true
	url := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Header.Get("Authorization") != "":
			t.Error("signed without credentials")
		case !public:
			w.WriteHeader(http.StatusForbidden)
		}
	}))
	c := Config{Endpoint: url}
	noSleep(&c)
	b, err := Open(t.Context(), testBucket, c)
	if err != nil || !b.Anonymous() {
		t.Fatalf("a public bucket without credentials: %v", err)
	}
	_ = b.Close()
	public = false
	if _, err := Open(t.Context(), testBucket, c); cooper.KindOf(err) != cooper.KindDenied || !strings.Contains(err.Error(), "no credentials found") {
		t.Fatalf("a private bucket without credentials: %v", err)
	}
	c.Anonymous = true
	b, err = Open(t.Context(), testBucket, c)
	if err != nil || !b.Anonymous() {
		t.Fatalf("anonymous by request: %v", err)
	}
	_ = b.Close()
}

func TestOpenRefuses(t *testing.T) {
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	for name, c := range map[string]struct {
		c    Config
		kind cooper.Kind
	}{
		"endpoint without scheme": {Config{Endpoint: "localhost:9000"}, cooper.KindUsage},
		"endpoint of a file":      {Config{Endpoint: "file:///x"}, cooper.KindUsage},
		"unknown profile":         {Config{Endpoint: gone.URL, Profile: "nobody"}, cooper.KindUsage},
		"nobody listens":          {Config{Endpoint: gone.URL}, cooper.KindStore},
	} {
		noSleep(&c.c)
		_, err := Open(t.Context(), testBucket, c.c)
		if cooper.KindOf(err) != c.kind {
			t.Errorf("%s: %v", name, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Open(ctx, testBucket, Config{Endpoint: gone.URL}); cooper.KindOf(err) != cooper.KindInterrupted {
		t.Errorf("cancelled: %v", err)
	}
}

// Credentials that are configured and fail are another matter than none.
func TestBrokenCredentials(t *testing.T) {
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "",
		"AWS_CONFIG_FILE": filepath.Join("testdata", "config"),
	} {
		t.Setenv(name, value)
	}
	url := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }))
	for _, profile := range []string{"sso", "process"} {
		_, err := Open(t.Context(), testBucket, Config{Endpoint: url, Profile: profile})
		if cooper.KindOf(err) != cooper.KindDenied || !strings.Contains(err.Error(), "cannot be used") {
			t.Errorf("%s: %v", profile, err)
		}
	}
}

// A token that has expired is renewed once, by asking the chain again.
func TestExpiredToken(t *testing.T) {
	both(t, func(t *testing.T, change []func(*Config)) {
		asked := 0
		b := openTest(t, serve(t, stub(func(w http.ResponseWriter, _ *http.Request) {
			if asked++; asked == 1 || asked > 2 {
				w.WriteHeader(http.StatusBadRequest)
				fmt.Fprint(w, s3Error("ExpiredToken"))
			}
		})), change...)
		_, rc, err := b.Get(t.Context(), store.Ref{Key: "k"}, store.Range{})
		if err != nil {
			t.Fatal(err)
		}
		_ = rc.Close()
		_, _, err = b.Get(t.Context(), store.Ref{Key: "k"}, store.Range{})
		if cooper.KindOf(err) != cooper.KindUsage || asked != 4 {
			t.Fatalf("%v after %d requests", err, asked)
		}
	})
}

func TestEndpointFromTheEnvironment(t *testing.T) {
	srv := mem.New(mem.Options{AccessKey: "access", SecretKey: "secret"})
	srv.CreateBucket(testBucket, "")
	t.Setenv("AWS_ENDPOINT_URL_S3", serve(t, srv))
	b := openTest(t, "")
	if s, err := b.Versioning(t.Context()); err != nil || s != "" {
		t.Fatal(s, err)
	}
}
