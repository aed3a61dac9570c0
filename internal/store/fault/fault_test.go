package fault_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"go.uber.org/goleak"

	"cooper/internal/store/fault"
	"cooper/internal/store/mem"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// stage is a server that counts behind a proxy that harms.
type stage struct {
	server *mem.Server
	proxy  *fault.Proxy
	url    string
	http   *http.Client
}

var content = bytes.Repeat([]byte("content."), 64<<10)

func setup(t *testing.T, plan fault.Plan) *stage {
	t.Helper()
	s := &stage{server: mem.New(mem.Options{}), http: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}}
	s.server.CreateBucket("b", "Enabled")
	for i := range 20 {
		s.server.Put("b", fmt.Sprint("k", i), content, mem.PutOptions{})
	}
	back := httptest.NewServer(s.server)
	target, err := url.Parse(back.URL)
	if err != nil {
		t.Fatal(err)
	}
	if s.proxy, err = fault.New(target, plan); err != nil {
		t.Fatal(err)
	}
	front := httptest.NewServer(s.proxy)
	s.url = front.URL
	t.Cleanup(func() {
		s.proxy.Close()
		front.Close()
		back.Close()
	})
	return s
}

// get reads an object through the proxy.
func (s *stage) get(t *testing.T, ctx context.Context, path string) (int, []byte, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := s.http.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return res.StatusCode, b, err
}

// always is a plan in which every request suffers the fault once.
func always(kind fault.Kind) fault.Plan {
	return fault.Plan{Rates: map[fault.Kind]float64{kind: 1}, MaxRepeat: 1}
}

func TestEachFaultThenTheSameRequestGetsThrough(t *testing.T) {
	for _, c := range []struct {
		kind      fault.Kind
		delivered int64 // GETs that reached the server, of two sent
		check     func(status int, b []byte, err error) bool
	}{
		{fault.Error, 1, func(status int, b []byte, err error) bool {
			return status == 500 && bytes.Contains(b, []byte("<Code>InternalError</Code>"))
		}},
		{fault.SlowDown, 1, func(status int, b []byte, err error) bool {
			return status == 503 && bytes.Contains(b, []byte("<Code>SlowDown</Code>"))
		}},
		{fault.TooMany, 1, func(status int, _ []byte, err error) bool { return status == 429 }},
		{fault.Drop, 1, func(_ int, _ []byte, err error) bool { return errors.Is(err, io.EOF) }},
		{fault.Lost, 2, func(_ int, _ []byte, err error) bool { return errors.Is(err, io.EOF) }},
		{fault.Cut, 2, func(status int, b []byte, err error) bool {
			return status == 200 && errors.Is(err, io.ErrUnexpectedEOF) && len(b) < len(content) && bytes.HasPrefix(content, b)
		}},
		{fault.Flip, 2, func(status int, b []byte, err error) bool {
			return status == 200 && err == nil && differingBits(b, content) == 1
		}},
		{fault.Twice, 3, func(status int, b []byte, err error) bool {
			return status == 200 && err == nil && bytes.Equal(b, content)
		}},
	} {
		t.Run(string(c.kind), func(t *testing.T) {
			s := setup(t, always(c.kind))
			if status, b, err := s.get(t, t.Context(), "/b/k0"); !c.check(status, b, err) {
				t.Errorf("status %d, %d bytes, %v", status, len(b), err)
			}
			if status, b, err := s.get(t, t.Context(), "/b/k0"); status != 200 || err != nil || !bytes.Equal(b, content) {
				t.Errorf("sent again: status %d, %d bytes, %v", status, len(b), err)
			}
			if n := s.server.Counts()["GetObject"]; n != c.delivered {
				t.Errorf("%d requests reached the server, want %d", n, c.delivered)
			}
			want := []fault.Injected{{Kind: c.kind, Operation: "GetObject", Target: "/b/k0"}}
			if got := s.proxy.Log(); !reflect.DeepEqual(got, want) {
				t.Errorf("log %+v, want %+v", got, want)
			}
		})
	}
}

func differingBits(a, b []byte) int {
	if len(a) != len(b) {
		return -1
	}
	n := 0
	for i := range a {
		n += bits.OnesCount8(a[i] ^ b[i])
	}
	return n
}

func TestHangsLastUntilTheClientGivesUpOrTheTestReleases(t *testing.T) {
	for _, kind := range []fault.Kind{fault.Hang, fault.Stall} {
		t.Run(string(kind), func(t *testing.T) {
			s := setup(t, always(kind))
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() {
				_, _, err := s.get(t, ctx, "/b/k0")
				done <- err
			}()
			for s.proxy.Count(kind) == 0 {
				select {
				case err := <-done:
					t.Fatalf("answered: %v", err)
				default:
				}
			}
			cancel()
			if err := <-done; !errors.Is(err, context.Canceled) {
				t.Errorf("given up: %v", err)
			}
			s.proxy.Release()
			if _, b, err := s.get(t, t.Context(), "/b/k1"); err != nil || !bytes.Equal(b, content) {
				t.Errorf("released: %d bytes, %v", len(b), err)
			}
			if n := s.proxy.Count(kind); n != 2 {
				t.Errorf("%d faults, want 2", n)
			}
		})
	}
}

func TestSlowDownComesInBursts(t *testing.T) {
	plan := always(fault.SlowDown)
	plan.Burst = 5
	s := setup(t, plan)
	var got []int
	for range 7 {
		status, _, err := s.get(t, t.Context(), "/b/k0")
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, status)
	}
	if want := []int{503, 503, 503, 503, 503, 200, 200}; !reflect.DeepEqual(got, want) {
		t.Errorf("statuses %v, want %v", got, want)
	}
}

// What happens to a request must not depend on which others are on their way.
func TestSameSeedSameFateInAnyOrder(t *testing.T) {
	plan := fault.Plan{Seed: 7, Rates: map[fault.Kind]float64{fault.Error: 0.3, fault.TooMany: 0.3}, MaxRepeat: 10}
	fates := func(seed uint64, atOnce bool) map[string][]int {
		plan.Seed = seed
		s := setup(t, plan)
		got := map[string][]int{}
		var mu sync.Mutex
		var wg sync.WaitGroup
		for i := range 20 {
			path := fmt.Sprint("/b/k", (i*7)%20)
			run := func() {
				var statuses []int
				for range 4 {
					status, _, err := s.get(t, t.Context(), path)
					if err != nil {
						t.Error(err)
					}
					statuses = append(statuses, status)
				}
				mu.Lock()
				defer mu.Unlock()
				got[path] = statuses
			}
			if !atOnce {
				run()
				continue
			}
			wg.Go(run)
		}
		wg.Wait()
		return got
	}
	first := fates(7, false)
	if again := fates(7, true); !reflect.DeepEqual(first, again) {
		t.Errorf("one after the other %v, at once %v", first, again)
	}
	if other := fates(8, false); reflect.DeepEqual(first, other) {
		t.Error("another seed gives the same faults")
	}
	harmed := 0
	for _, statuses := range first {
		for _, status := range statuses {
			if status != 200 {
				harmed++
			}
		}
	}
	if harmed < 30 || harmed > 66 { // 48 of 80 expected, four sigma about it
		t.Errorf("%d of 80 requests harmed at a rate of 0.6", harmed)
	}
}

func TestHarmsOnlyTheOperationsAskedFor(t *testing.T) {
	plan := always(fault.Error)
	plan.Operations = []string{"ListObjectVersions"}
	s := setup(t, plan)
	if status, _, err := s.get(t, t.Context(), "/b/k0"); status != 200 || err != nil {
		t.Errorf("get: %d, %v", status, err)
	}
	if status, _, err := s.get(t, t.Context(), "/b?versions"); status != 500 || err != nil {
		t.Errorf("list: %d, %v", status, err)
	}
	s.proxy.Enable(false)
	if status, _, err := s.get(t, t.Context(), "/b?versions&max-keys=1"); status != 200 || err != nil {
		t.Errorf("list while the faults are off: %d, %v", status, err)
	}
}

// Signatures cover path, host and headers: one that holds proves that nothing
// was touched. The SDK's own retries get it through.
func TestSignedRequestsPassUntouched(t *testing.T) {
	s := setup(t, fault.Plan{})
	signed := mem.New(mem.Options{AccessKey: "access", SecretKey: "secret"})
	signed.CreateBucket("b", "Enabled")
	back := httptest.NewServer(signed)
	defer back.Close()
	target, err := url.Parse(back.URL)
	if err != nil {
		t.Fatal(err)
	}
	proxy, err := fault.New(target, fault.Plan{Rates: map[fault.Kind]float64{fault.Error: 0.2, fault.Lost: 0.2, fault.Twice: 0.2}, MaxRepeat: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer proxy.Close()
	front := httptest.NewServer(proxy)
	defer front.Close()
	c := s3.New(s3.Options{
		Region: "us-east-1", BaseEndpoint: &front.URL, UsePathStyle: true, HTTPClient: s.http,
		Retryer: retry.NewStandard(func(o *retry.StandardOptions) {
			o.MaxAttempts = 5
			o.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return 0, nil })
		}),
		Credentials: credentials.NewStaticCredentialsProvider("access", "secret", ""),
	})
	bucket := "b"
	for _, key := range []string{"a", "a//b", "/a", "a/../b", "ü +%2F", "\x00", "a?b#c", "d", "e", "f", "g"} {
		body := strings.Repeat(key, 100)
		if _, err := c.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: strings.NewReader(body)}); err != nil {
			t.Errorf("put %q: %v", key, err)
		}
		if got, ok := signed.Body("b", key, ""); !ok || string(got) != body {
			t.Errorf("the server has %d bytes for %q", len(got), key)
		}
	}
	if len(proxy.Log()) == 0 {
		t.Error("nothing went wrong; the test is worth little")
	}
}

func TestPlansThatMakeNoSense(t *testing.T) {
	for _, rates := range []map[fault.Kind]float64{{"nonsense": 0.1}, {fault.Cut: -1}, {fault.Cut: 0.6, fault.Drop: 0.6}} {
		if _, err := fault.New(&url.URL{}, fault.Plan{Rates: rates}); err == nil {
			t.Errorf("%v was taken", rates)
		}
	}
}
