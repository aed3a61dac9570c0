package retry

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"
)

var (
	errAgain = errors.New("again")
	errSlow  = errors.New("slow")
	errStop  = errors.New("stop")
)

// script is a Policy that sleeps in a slice, and a function that fails as told.
type script struct {
	Policy
	errs  []error
	calls int
	slept []time.Duration
}

func newScript(errs ...error) *script {
	s := &script{errs: errs}
	s.Judge = func(err error) (Verdict, time.Duration) {
		switch {
		case errors.Is(err, errAgain):
			return Again, 0
		case errors.Is(err, errSlow):
			return Slow, 0
		}
		return Stop, 0
	}
	s.Rand = func() float64 { return 0.5 }
	s.Sleep = func(_ context.Context, d time.Duration) error { s.slept = append(s.slept, d); return nil }
	return s
}

func (s *script) run(context.Context) error {
	s.calls++
	if s.calls > len(s.errs) {
		return nil
	}
	return s.errs[s.calls-1]
}

func repeat(err error, n int) []error {
	errs := make([]error, n)
	for i := range errs {
		errs[i] = err
	}
	return errs
}

func TestBackoffDoublesUpToMax(t *testing.T) {
	s := newScript(repeat(errAgain, 9)...)
	s.Base, s.Max = 100*time.Millisecond, 2*time.Second
	if err := Do(t.Context(), s.Policy, s.run); err != nil {
		t.Fatal(err)
	}
	want := "[50ms 100ms 200ms 400ms 800ms 1s 1s 1s 1s]"
	if got := fmt.Sprint(s.slept); got != want {
		t.Fatalf("slept %s, want %s", got, want)
	}
}

func TestAttemptsAreBounded(t *testing.T) {
	s := newScript(repeat(errAgain, 100)...)
	s.Attempts = 4
	if err := Do(t.Context(), s.Policy, s.run); !errors.Is(err, errAgain) || s.calls != 4 || len(s.slept) != 3 {
		t.Fatalf("%v after %d calls, %d waits", err, s.calls, len(s.slept))
	}
}

func TestThrottlingDoesNotCount(t *testing.T) {
	s := newScript(append(repeat(errSlow, 500), errAgain, errAgain)...)
	s.Attempts = 3
	if err := Do(t.Context(), s.Policy, s.run); err != nil || s.calls != 503 {
		t.Fatalf("%v after %d calls", err, s.calls)
	}
	s = newScript(repeat(errSlow, 500)...)
	s.Hopeless = func() bool { return s.calls == 7 }
	if err := Do(t.Context(), s.Policy, s.run); !errors.Is(err, errSlow) || s.calls != 7 {
		t.Fatalf("%v after %d calls", err, s.calls)
	}
}

func TestStopsAtOnce(t *testing.T) {
	s := newScript(errStop)
	told := 0
	s.OnRetry = func(error, Verdict) { told++ }
	if err := Do(t.Context(), s.Policy, s.run); !errors.Is(err, errStop) || s.calls != 1 || told != 0 {
		t.Fatalf("%v after %d calls, told %d", err, s.calls, told)
	}
}

func TestRetryAfterIsTheLeastWait(t *testing.T) {
	s := newScript(errSlow, errSlow)
	after := 7 * time.Second
	s.Judge = func(error) (Verdict, time.Duration) { return Slow, after }
	if err := Do(t.Context(), s.Policy, s.run); err != nil || s.slept[0] < after {
		t.Fatalf("%v, slept %v", err, s.slept)
	}
	s = newScript(errSlow)
	s.Judge = func(error) (Verdict, time.Duration) { return Slow, 1000 * time.Hour }
	if err := Do(t.Context(), s.Policy, s.run); err != nil || s.slept[0] > 6*time.Minute {
		t.Fatalf("%v, slept %v", err, s.slept)
	}
}

func TestCancelledWhileWaiting(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := newScript(repeat(errAgain, 100)...)
	s.Sleep = func(ctx context.Context, _ time.Duration) error { cancel(); return ctx.Err() }
	err := Do(ctx, s.Policy, s.run)
	if !errors.Is(err, context.Canceled) || errors.Is(err, errAgain) || !strings.Contains(err.Error(), "again") || s.calls != 1 {
		t.Fatalf("%v after %d calls", err, s.calls)
	}
}

func TestStatus(t *testing.T) {
	for code, want := range map[int]Verdict{200: Stop, 301: Stop, 400: Stop, 403: Stop, 404: Stop, 408: Again, 412: Stop,
		429: Slow, 500: Again, 501: Stop, 502: Again, 503: Slow, 504: Again, 505: Stop, 599: Again} {
		if got := Status(code); got != want {
			t.Errorf("%d: %v, want %v", code, got, want)
		}
	}
}

func TestNetwork(t *testing.T) {
	for _, c := range []struct {
		err  error
		want Verdict
	}{
		{&net.OpError{Op: "read", Err: syscall.ECONNRESET}, Again},
		{&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}, Again},
		{io.ErrUnexpectedEOF, Again},
		{&net.DNSError{IsNotFound: true}, Stop},
		{&net.DNSError{IsTemporary: true}, Again},
		{fmt.Errorf("tls: %w", x509.UnknownAuthorityError{}), Stop},
		{context.Canceled, Stop},
	} {
		if got := Network(c.err); got != c.want {
			t.Errorf("%v: %v, want %v", c.err, got, c.want)
		}
	}
}

func TestAfter(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for in, want := range map[string]time.Duration{
		"": 0, "3": 3 * time.Second, "-3": 0, "99999999999999999999": 0, "999999999": longestAsked,
		"Fri, 02 Jan 2026 03:04:15 GMT": 10 * time.Second, "Fri, 02 Jan 2026 03:03:05 GMT": 0, "soon": 0,
	} {
		if got := After(in, now); got != want {
			t.Errorf("%q: %v, want %v", in, got, want)
		}
	}
}
