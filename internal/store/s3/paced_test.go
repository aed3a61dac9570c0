package s3

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"cooper/internal/store"
	"cooper/internal/store/limit"
	"cooper/internal/store/mem"
)

// TestBandwidthIsKept moves 8 MiB each way over four connections that share 1 MiB a
// second. Requests last longer than the idle time, and none is given up.
func TestBandwidthIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 2 << 20
		idle := 5 * time.Second
		b := pipeBucket(idle, func(c net.Conn, r *http.Request) {
			if r.Method == http.MethodPut {
				n, _ := io.Copy(io.Discard, r.Body)
				_, _ = fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Got: %d\r\n\r\n", n)
				return
			}
			_, _ = fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", size)
			_, _ = c.Write(make([]byte, size))
		})
		band := limit.NewBandwidth(1<<20, nil)
		dial := b.transport.DialContext
		b.transport.DialContext = paced(dial, band)
		defer b.transport.CloseIdleConnections()
		began := time.Now()
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				_, rc, err := b.Get(t.Context(), store.Ref{Key: "k"}, store.Range{})
				if err != nil {
					t.Error(err)
					return
				}
				if n, err := io.Copy(io.Discard, rc); n != size || err != nil {
					t.Errorf("%d bytes, %v", n, err)
				}
				rc.Close()
			})
		}
		wg.Wait()
		if d := time.Since(began); d < 7900*time.Millisecond || d > 9*time.Second {
			t.Errorf("8 MiB at 1 MiB a second took %s", d)
		}
		began = time.Now()
		for range 4 {
			wg.Go(func() {
				r := &http.Request{Method: http.MethodPut, Header: http.Header{}, URL: b.client.(*lean).at.url("k", nil), Host: "h", ContentLength: size, Body: io.NopCloser(&zeros{size})}
				res, err := b.wire.RoundTrip(r.WithContext(t.Context()))
				if err != nil {
					t.Error(err)
					return
				}
				if got := res.Header.Get("X-Got"); got != fmt.Sprint(size) {
					t.Errorf("%s bytes arrived", got)
				}
				res.Body.Close()
			})
		}
		wg.Wait()
		if d := time.Since(began); d < 7900*time.Millisecond || d > 9*time.Second {
			t.Errorf("8 MiB sent at 1 MiB a second took %s", d)
		}
	})
}

type zeros struct{ left int64 }

func (z *zeros) Read(p []byte) (int, error) {
	n := min(int64(len(p)), z.left)
	if z.left -= n; n == 0 {
		return 0, io.EOF
	}
	clear(p[:n])
	return int(n), nil
}

// TestPacedConnIsClosed: a connection that waits for its turn does not keep a
// request that was given up.
func TestPacedConnIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		defer theirs.Close()
		band := limit.NewBandwidth(limit.MinBandwidth, nil)
		c := newPacedConn(ours, band)
		band.Reserve(1 << 30) // hours
		time.AfterFunc(time.Second, func() { c.Close() })
		began := time.Now()
		if _, err := c.Write([]byte("x")); err == nil || time.Since(began) != time.Second {
			t.Errorf("%v after %s", err, time.Since(began))
		}
	})
}

// TestEveryRequestWaitsForItsTurn: also the look at what is there, after an answer
// that got lost.
func TestEveryRequestWaitsForItsTurn(t *testing.T) {
	for op, put := range map[string]func(b *Bucket) error{
		"PutObject": func(b *Bucket) error {
			_, err := b.Put(t.Context(), store.Put{Key: "k", Size: 4, Body: strings.NewReader("mine"), IfNoneMatch: true})
			return err
		},
		"CompleteMultipartUpload": func(b *Bucket) error {
			_, err := writeStream(t, b, store.Put{Key: "k", IfNoneMatch: true}, []byte("mine"))
			return err
		},
	} {
		t.Run(op, func(t *testing.T) {
			both(t, func(t *testing.T, change []func(*Config)) {
				var requests, looks, lost, waits atomic.Int64
				noon := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
				rate := limit.NewRate(1, limit.Options{Now: func() time.Time { return noon },
					Sleep: func(context.Context, time.Duration) error { waits.Add(1); return nil }})
				if err := rate.Wait(t.Context()); err != nil { // the first waits for nobody
					t.Fatal(err)
				}
				b := openTest(t, between(t, memory(t), func(r *http.Request) bool {
					requests.Add(1)
					if r.Method == http.MethodHead && strings.HasSuffix(r.URL.Path, "/k") {
						looks.Add(1)
					}
					return mem.Operation(r) == op && lost.Add(1) == 1
				}), append(change[:len(change):len(change)], func(c *Config) { c.Rate = rate })...)
				requests.Store(0)
				waits.Store(0)
				if err := put(b); err != nil {
					t.Fatal(err)
				}
				if looks.Load() != 1 || waits.Load() != requests.Load() {
					t.Errorf("%d requests, %d of them looks, waited %d times", requests.Load(), looks.Load(), waits.Load())
				}
			})
		})
	}
}
