package s3

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"cooper"
	"cooper/internal/store"
	"cooper/internal/store/limit"
	"cooper/internal/store/retry"
)

// pipeBucket is a bucket whose store is f, at the other end of a pipe, so that
// time can be made up.
func pipeBucket(idle time.Duration, f func(c net.Conn, r *http.Request)) *Bucket {
	tr := newTransport(4, idle, nil, nil)
	tr.DialContext = func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		go func() {
			defer theirs.Close()
			in := bufio.NewReader(theirs)
			for {
				r, err := http.ReadRequest(in)
				if err != nil {
					return
				}
				f(theirs, r)
			}
		}()
		return &idleConn{Conn: ours, idle: idle}, nil
	}
	b := &Bucket{name: testBucket, transport: tr, wire: &wire{RoundTripper: tr, bucketPath: "/b"}, now: time.Now,
		limit: limit.New(limit.Options{}), partSize: defaultPartSize, policy: retry.Policy{Attempts: 2, Judge: judge}}
	b.client = &lean{rt: b.wire, at: address{scheme: "http", host: "h", path: "/b", escaped: "/b"}, now: time.Now}
	return b
}

func TestHangIsGivenUpAndRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int64
		b := pipeBucket(time.Minute, func(c net.Conn, _ *http.Request) {
			if asked.Add(1) == 1 {
				_, _ = io.Copy(io.Discard, c) // no answer until the client gives up
				return
			}
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
		})
		begin := time.Now()
		_, rc, err := b.Get(t.Context(), store.Ref{Key: "k"}, store.Range{})
		if err != nil {
			t.Fatal(err)
		}
		if d := time.Since(begin); d < 50*time.Second || d > 70*time.Second || asked.Load() != 2 {
			t.Fatalf("%d requests in %v", asked.Load(), d)
		}
		if got, err := io.ReadAll(rc); err != nil || string(got) != "hello" {
			t.Fatalf("%q, %v", got, err)
		}
		_ = rc.Close()
		_ = b.Close()
	})
}

func TestHangsForEverAreATimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := pipeBucket(time.Minute, func(c net.Conn, _ *http.Request) { _, _ = io.Copy(io.Discard, c) })
		_, _, err := b.Get(t.Context(), store.Ref{Key: "k"}, store.Range{})
		if cooper.KindOf(err) != cooper.KindTimeout {
			t.Fatal(err)
		}
		_ = b.Close()
	})
}

func TestStalledBodyIsATimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := pipeBucket(time.Minute, func(c net.Conn, _ *http.Request) {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nhel")
			_, _ = io.Copy(io.Discard, c)
		})
		_, rc, err := b.Get(t.Context(), store.Ref{Key: "k"}, store.Range{})
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(rc)
		if !errors.Is(err, os.ErrDeadlineExceeded) || cooper.KindOf(err) != cooper.KindTimeout || string(got) != "hel" {
			t.Fatalf("%q, %v", got, err)
		}
		_ = rc.Close()
		_ = b.Close()
	})
}

// Slow is not stalled, and a reader that takes its time is not the store's fault.
func TestSlowBodyIsRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := pipeBucket(time.Minute, func(c net.Conn, _ *http.Request) {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n")
			for range 10 {
				time.Sleep(40 * time.Second)
				_, _ = io.WriteString(c, "x")
			}
		})
		_, rc, err := b.Get(t.Context(), store.Ref{Key: "k"}, store.Range{})
		if err != nil {
			t.Fatal(err)
		}
		first := make([]byte, 1)
		if _, err := io.ReadFull(rc, first); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		if rest, err := io.ReadAll(rc); err != nil || len(rest) != 9 {
			t.Fatalf("%d bytes, %v", len(rest), err)
		}
		_ = rc.Close()
		_ = b.Close()
	})
}

func TestCancelCutsABody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		b := pipeBucket(time.Minute, func(c net.Conn, _ *http.Request) {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nhel")
			_, _ = io.Copy(io.Discard, c)
		})
		_, rc, err := b.Get(ctx, store.Ref{Key: "k"}, store.Range{})
		if err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(time.Second, cancel)
		if _, err := io.ReadAll(rc); cooper.KindOf(err) != cooper.KindInterrupted {
			t.Fatal(err)
		}
		_ = rc.Close()
		_ = b.Close()
	})
}

// TestWaiting: what requests wait for is told: their answers, their bodies while
// somebody reads, places and turns.
func TestWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := pipeBucket(time.Hour, func(c net.Conn, r *http.Request) {
			if r.URL.Path == "/b/body" {
				_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nhel")
			}
			_, _ = io.Copy(io.Discard, c)
		})
		b.limit = limit.New(limit.Options{Max: 1})
		told := func(want ...string) {
			t.Helper()
			synctest.Wait()
			waits := b.Waiting()
			for i, w := range waits {
				if i >= len(want) || !strings.HasPrefix(w.For, want[i]) || w.Since.IsZero() {
					t.Fatalf("%+v, want %q", waits, want)
				}
			}
			if len(waits) != len(want) {
				t.Fatalf("%+v, want %q", waits, want)
			}
		}
		told()
		ctx, cancel := context.WithCancel(t.Context())
		_, rc, err := b.Get(ctx, store.Ref{Key: "body"}, store.Range{})
		if err != nil {
			t.Fatal(err)
		}
		told() // nobody reads it
		var all sync.WaitGroup
		all.Go(func() { _, _ = io.ReadAll(rc) })
		told("the answer to GET /b/body")
		time.Sleep(time.Second)
		for range 3 {
			all.Go(func() { _, _ = b.Head(ctx, store.Ref{Key: "k", VersionID: "v"}, 0) })
			synctest.Wait()
			time.Sleep(time.Second)
		}
		told("the answer to GET /b/body", "the answer to HEAD /b/k?versionId=v", "one of the 1 places for requests, which 2 wait for")
		cancel()
		all.Wait()
		told()
		_ = rc.Close()
		_ = b.Close()
	})
}
