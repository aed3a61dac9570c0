package s3

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cooper"
)

const secret = "PASSW0RD"

// Whatever an endpoint holds beside the store's place is refused, wherever it comes
// from, and told to nobody.
func TestEndpointWithASecretIsRefused(t *testing.T) {
	for _, endpoint := range []string{
		"http://user:" + secret + "@127.0.0.1:1", "http://" + secret + "@127.0.0.1:1", "http://u:" + secret + "@x@127.0.0.1:1",
		"http://127.0.0.1:1?token=" + secret, "http://127.0.0.1:1/#" + secret, "http://127.0.0.1:1/?", "https://u:%zz" + secret + "@host", "http://u:" + secret + "@",
		"ftp://u:" + secret + "@host", "u:" + secret + "@host",
	} {
		for name, c := range map[string]func(t *testing.T) Config{
			"flag": func(*testing.T) Config { return Config{Endpoint: endpoint} },
			"AWS_ENDPOINT_URL_S3": func(t *testing.T) Config {
				t.Setenv("AWS_ENDPOINT_URL_S3", endpoint)
				return Config{}
			},
			"AWS_ENDPOINT_URL": func(t *testing.T) Config {
				t.Setenv("AWS_ENDPOINT_URL", endpoint)
				return Config{}
			},
			"profile": func(t *testing.T) Config { return inProfile(t, "endpoint_url = "+endpoint) },
			"services": func(t *testing.T) Config {
				return inProfile(t, "services = here\n[services here]\ns3 =\n  endpoint_url = "+endpoint)
			},
		} {
			t.Run(name, func(t *testing.T) {
				_, err := Open(t.Context(), "lab", c(t))
				if cooper.KindOf(err) != cooper.KindUsage {
					t.Fatalf("%s: %v", endpoint, err)
				}
				if told := err.Error() + cooper.RemedyOf(err); strings.Contains(told, secret) {
					t.Errorf("told: %s", told)
				}
			})
		}
	}
	for _, endpoint := range []string{"http://127.0.0.1:1", "https://store.example/path/", "http://[::1]:9000"} {
		if err := CheckEndpoint(endpoint); err != nil {
			t.Errorf("%s: %v", endpoint, err)
		}
	}
}

// inProfile writes a configuration whose default profile has these lines.
func inProfile(t *testing.T, lines string) Config {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(path, []byte("[default]\n"+lines+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_CONFIG_FILE", path)
	return Config{}
}

// whoseServer is a store that answers the question whose a bucket is.
func whoseServer(t *testing.T, acl http.HandlerFunc, asked *int) *Bucket {
	t.Helper()
	return openTest(t, serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Has("acl") {
			*asked++
			acl(w, r)
		}
	})))
}

func TestWhoseBucket(t *testing.T) {
	answer := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body))
		}
	}
	for name, c := range map[string]struct {
		acl   http.HandlerFunc
		owner string
	}{
		"told":          {answer(200, `<AccessControlPolicy><Owner><ID>0123</ID></Owner></AccessControlPolicy>`), "0123"},
		"no owner":      {answer(200, `<AccessControlPolicy><Owner><ID></ID></Owner></AccessControlPolicy>`), ""},
		"denied":        {answer(403, `<Error><Code>AccessDenied</Code></Error>`), ""},
		"not known":     {answer(501, `<Error><Code>NotImplemented</Code></Error>`), ""},
		"another":       {answer(200, `<ListBucketResult><Name>lab</Name></ListBucketResult>`), ""},
		"no sense":      {answer(200, "<AccessControlPolicy>\x01"), ""},
		"failing":       {answer(500, ``), ""},
		"too long":      {answer(200, `<AccessControlPolicy><Owner><ID>`+strings.Repeat("x", 1000)+`</ID></Owner></AccessControlPolicy>`), strings.Repeat("x", maxOwner)},
		"not printable": {answer(200, "<AccessControlPolicy><Owner><ID>a\tb</ID></Owner></AccessControlPolicy>"), "ab"},
	} {
		t.Run(name, func(t *testing.T) {
			asked := 0
			b := whoseServer(t, c.acl, &asked)
			for range 2 {
				s, err := b.Store(t.Context())
				if err != nil || s.Owner != c.owner || s.Endpoint != b.Endpoint() {
					t.Fatalf("%+v, %v", s, err)
				}
			}
			if asked > openAttempts {
				t.Errorf("asked %d times", asked)
			}
		})
	}
	asked := 0
	b := whoseServer(t, answer(500, ""), &asked)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.Store(ctx); err == nil {
		t.Error("a stop is an error")
	}
}

func TestDateOfTheStore(t *testing.T) {
	now := time.Date(2026, 11, 30, 12, 0, 0, 700e6, time.UTC)
	var c storeClock
	with := func(date string, more ...string) http.Header {
		h := http.Header{"Date": {date}}
		for _, name := range more {
			h.Set(name, "1")
		}
		return h
	}
	c.see(http.Header{}, now)
	c.see(with("no date"), now)
	c.see(with("Mon, 30 Nov 2026 11:00:00 GMT", "Age"), now) // of a cache
	if c.last.Load() != nil {
		t.Error("a reading from nothing")
	}
	c.see(with("Mon, 30 Nov 2026 11:50:00 GMT"), now)
	r := c.last.Load()
	if r == nil || r.ahead != 10*time.Minute+700*time.Millisecond || !r.at.Equal(now.Add(-r.ahead)) {
		t.Fatalf("%+v", r)
	}
	c.see(with("Mon, 30 Nov 2026 11:51:00 GMT"), now.Add(time.Second/2))
	if c.last.Load() != r {
		t.Error("read again within a second")
	}
	c.see(with("Mon, 30 Nov 2026 11:51:00 GMT"), now.Add(time.Minute))
	if got := c.last.Load(); got.ahead != r.ahead {
		t.Errorf("%+v", got)
	}
}
