package s3

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"cooper/internal/store"
	"cooper/internal/store/limit"
)

const (
	dialTimeout = 10 * time.Second
	// readBuffer takes a small object together with its headers in one read.
	readBuffer = 16 << 10
	maxHeaders = 256 << 10
)

// newTransport makes an HTTP/1.1 transport for conns requests at once to one store,
// and as many bodies that are read meanwhile. It does not bound the connections: a
// request would wait there for a body whose reader waits for the request. It asks for no compression: bodies must come as they are stored. band may be
// nil, as may moved, which counts the bytes of all connections.
func newTransport(conns int, idle time.Duration, band *limit.Bandwidth, moved *atomic.Int64) *http.Transport {
	dial := (&net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}).DialContext
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	dialIdle := func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return &idleConn{Conn: c, idle: idle, moved: moved}, nil
	}
	handshake := dialTimeout
	if band != nil {
		dialIdle = paced(dialIdle, band)
		handshake = idle // its bytes stand in line with all others
	}
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            dialIdle,
		Protocols:              protocols,
		MaxIdleConns:           2 * conns,
		MaxIdleConnsPerHost:    2 * conns,
		IdleConnTimeout:        idle / 2,
		TLSHandshakeTimeout:    handshake,
		ExpectContinueTimeout:  time.Second,
		DisableCompression:     true,
		MaxResponseHeaderBytes: maxHeaders,
		ReadBufferSize:         readBuffer,
		WriteBufferSize:        readBuffer,
	}
}

// idleConn fails with os.ErrDeadlineExceeded when nothing moves for (about) the
// idle time. Whoever does not read, as when a disk is slow, is not hurried: the
// deadline is set anew before each read.
type idleConn struct {
	net.Conn
	idle  time.Duration
	moved *atomic.Int64 // counts bytes; may be nil
	set   atomic.Int64  // when the deadline was last moved, in Unix nanoseconds
}

func (c *idleConn) Read(b []byte) (int, error) {
	if err := c.push(); err != nil {
		return 0, err
	}
	n, err := c.Conn.Read(b)
	c.count(n)
	return n, err
}

// Write moves the deadline of a pending Read too: the answer to a request has
// its own time, and while a long body is sent there is no answer yet.
func (c *idleConn) Write(b []byte) (int, error) {
	if err := c.push(); err != nil {
		return 0, err
	}
	n, err := c.Conn.Write(b)
	c.count(n)
	return n, err
}

func (c *idleConn) count(n int) {
	if c.moved != nil {
		c.moved.Add(int64(n))
	}
}

func (c *idleConn) push() error {
	now := time.Now()
	if now.UnixNano()-c.set.Load() < int64(c.idle/8) {
		return nil
	}
	c.set.Store(now.UnixNano())
	return c.SetDeadline(now.Add(c.idle))
}

// wire counts every request that reached the store, whoever sent it. (What
// net/http sends again by itself, on a connection that turned out to be closed,
// counts once.) It also bounds the bodies of errors.
type wire struct {
	http.RoundTripper
	bucketPath string // the path of the bucket itself
	clock      storeClock

	get, head, put, list, restore, remove, retries, throttled, in, out atomic.Int64

	moved    atomic.Int64 // bytes of all connections
	underway underway
}

// RoundTrip sends one request.
func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	e := exchangeOf(r)
	w.underway.begin(e)
	res, err := w.RoundTripper.RoundTrip(r)
	w.underway.end(e)
	if reached(err) {
		if c := w.counter(r); c != nil {
			c.Add(1)
		}
		w.out.Add(max(0, r.ContentLength))
	}
	if err == nil {
		w.clock.see(res.Header, time.Now())
		res.Body = &countedBody{res.Body, w, e}
		if res.StatusCode >= 300 {
			// The SDK would read an error to its end, however far that is.
			res.Body = &shortBody{io.LimitReader(res.Body, maxErrorBody), res.Body}
		}
	}
	return res, err
}

type shortBody struct {
	io.Reader
	io.Closer
}

func reached(err error) bool {
	var op *net.OpError
	return err == nil || !(errors.As(err, &op) && op.Op == "dial")
}

// counter is that of the price class of a request, nil for those that have none.
func (w *wire) counter(r *http.Request) *atomic.Int64 {
	switch r.Method {
	case http.MethodHead:
		return &w.head
	case http.MethodGet:
		if key := strings.TrimPrefix(r.URL.Path, w.bucketPath); key == "" || key == "/" {
			return &w.list
		}
		return &w.get
	case http.MethodPut:
		return &w.put
	case http.MethodPost:
		switch q := r.URL.Query(); {
		case q.Has("restore"):
			return &w.restore
		case q.Has("delete"):
			return &w.remove
		}
		return &w.put
	case http.MethodDelete:
		return &w.remove
	}
	return nil
}

func (w *wire) usage() store.Usage {
	return store.Usage{
		Get: w.get.Load(), Head: w.head.Load(), Put: w.put.Load(), List: w.list.Load(), Restore: w.restore.Load(), Delete: w.remove.Load(),
		Retries: w.retries.Load(), Throttled: w.throttled.Load(), BytesIn: w.in.Load(), BytesOut: w.out.Load(),
	}
}

type countedBody struct {
	io.ReadCloser
	w *wire
	e *exchange
}

func (b *countedBody) Read(p []byte) (int, error) {
	b.w.underway.begin(b.e)
	n, err := b.ReadCloser.Read(p)
	b.w.underway.end(b.e)
	b.w.in.Add(int64(n))
	return n, err
}
