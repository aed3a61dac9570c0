package s3

import (
	"context"
	"net"
	"sync"
	"time"

	"cooper/internal/store/limit"
)

// pacedConn keeps a connection within a bandwidth that it shares with others. It
// waits outside of the calls that have deadlines: the inner connection moves its
// deadline with each of them.
type pacedConn struct {
	net.Conn
	band  *limit.Bandwidth
	piece int

	once   sync.Once
	closed chan struct{}
}

type dialer = func(ctx context.Context, network, addr string) (net.Conn, error)

// paced makes connections that keep within band.
func paced(dial dialer, band *limit.Bandwidth) dialer {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return newPacedConn(c, band), nil
	}
}

func newPacedConn(c net.Conn, band *limit.Bandwidth) *pacedConn {
	return &pacedConn{Conn: c, band: band, piece: band.Piece(), closed: make(chan struct{})}
}

// Read takes what has come, a piece at most, and hands it on when there is room
// for it: meanwhile the sender finds the window closed, and slows down.
func (c *pacedConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b[:min(len(b), c.piece)])
	if n > 0 {
		c.wait(n)
	}
	return n, err
}

func (c *pacedConn) Write(b []byte) (n int, err error) {
	for len(b) > 0 && err == nil {
		var k int
		piece := b[:min(len(b), c.piece)]
		c.wait(len(piece))
		k, err = c.Conn.Write(piece)
		n += k
		b = b[k:]
	}
	return n, err
}

// Close also ends the waiting: a request that was given up must not be held.
func (c *pacedConn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}

func (c *pacedConn) wait(n int) {
	d := c.band.Reserve(n)
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-c.closed:
	}
}
