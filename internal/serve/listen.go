package serve

import (
	"crypto/tls"
	"io"
	stdlog "log"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"cooper"
)

// checkAddress refuses to answer strangers.
func checkAddress(opt *Options) error {
	host, _, err := net.SplitHostPort(opt.Listen)
	if err != nil {
		return &cooper.Error{Kind: cooper.KindUsage, Where: opt.Listen, Message: "this is no address to listen at", Err: err, Remedy: "Write HOST:PORT, such as 127.0.0.1:8380."}
	}
	if (opt.Cert == "") != (opt.Key == "") {
		return &cooper.Error{Kind: cooper.KindUsage, Message: "TLS takes a certificate and its key", Remedy: "Give both, or none."}
	}
	if opt.Cert != "" && opt.Proxied {
		return &cooper.Error{Kind: cooper.KindUsage, Message: "TLS is done here, or by a proxy, but not by both", Remedy: "Leave one of them out."}
	}
	if ours(host) {
		return nil
	}
	return forStrangers(opt)
}

// forStrangers refuses to answer them without what that takes.
func forStrangers(opt *Options) error {
	var lacks []string
	if opt.Tokens == "" {
		lacks = append(lacks, "no tokens are given")
	}
	if opt.Cert == "" && !opt.Proxied {
		lacks = append(lacks, "there is no TLS, and nobody says that a proxy does it")
	}
	if len(lacks) == 0 {
		return nil
	}
	return &cooper.Error{Kind: cooper.KindRefused, Where: opt.Listen, Message: "others than this machine could ask there: " + strings.Join(lacks, ", and "),
		Remedy: "Listen at 127.0.0.1; or give a token for each client, and a certificate or the word that a proxy does TLS."}
}

// ours tells whether a host is this machine, and nothing that others reach. Names are not looked up:
// what they lead to may change.
func ours(host string) bool {
	if strings.EqualFold(strings.TrimSuffix(host, "."), "localhost") {
		return true
	}
	a, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && a.Unmap().IsLoopback()
}

// bounded is a listener with so many connections open at most; others wait in the system's queue.
type bounded struct {
	net.Listener
	places chan struct{}
	closed chan struct{}
	once   sync.Once
}

func newBounded(l net.Listener, n int) *bounded {
	return &bounded{Listener: l, places: make(chan struct{}, n), closed: make(chan struct{})}
}

func (b *bounded) Accept() (net.Conn, error) {
	select {
	case <-b.closed:
		return nil, net.ErrClosed
	case b.places <- struct{}{}:
	}
	c, err := b.Listener.Accept()
	if err != nil {
		<-b.places
		return nil, err
	}
	return &boundedConn{Conn: c, done: func() { <-b.places }}, nil
}

func (b *bounded) Close() error {
	b.once.Do(func() { close(b.closed) })
	return b.Listener.Close()
}

type boundedConn struct {
	net.Conn
	once sync.Once
	done func()
}

func (c *boundedConn) Close() error {
	err := c.Conn.Close()
	c.once.Do(c.done)
	return err
}

// quiet takes what net/http says of clients that do not speak HTTP, or do not trust a certificate: a
// scanner of ports could fill a disk with it.
var quiet = stdlog.New(io.Discard, "", 0)

// lookEvery is how often files are looked at, whether they have changed.
const lookEvery = time.Second

// certificate is read again when its files change.
type certificate struct {
	cert, key string

	mu       sync.Mutex
	looked   time.Time
	of       [2]stamp
	pair     *tls.Certificate
	unusable error // of the files as they are
}

func (c *certificate) stamps() (of [2]stamp, err error) {
	for i, name := range []string{c.cert, c.key} {
		if of[i], err = stampOf(name); err != nil {
			return of, err
		}
	}
	return of, nil
}

func (c *certificate) read() error {
	of, err := c.stamps()
	if err == nil {
		err = checkSecret(c.key)
	}
	if err != nil {
		return err
	}
	pair, err := tls.LoadX509KeyPair(c.cert, c.key)
	if err != nil {
		return &cooper.Error{Kind: cooper.KindUsage, Where: c.cert, Message: "the certificate and its key cannot be used", Err: err, Remedy: "Both have to be in PEM, and belong together."}
	}
	c.of, c.pair = of, &pair
	return nil
}

// fresh reads it again if it has changed. What cannot be used leaves the one there was.
func (c *certificate) fresh(now time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now.Sub(c.looked) < lookEvery && !now.Before(c.looked) {
		return c.unusable
	}
	c.looked = now
	if of, err := c.stamps(); err == nil && of == c.of {
		c.unusable = nil
		return nil
	}
	c.unusable = c.read()
	return c.unusable
}

func (c *certificate) now() *tls.Certificate {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.pair
}
