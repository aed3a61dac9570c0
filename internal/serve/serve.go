// Package serve is how Cooper answers over HTTP, whatever it is that answers: the guard, a page,
// an API, figures. It has the listener, the tokens of clients, limits, TLS, the end, and the log.
//
// It promises:
//
//   - Nothing is answered to strangers. Without tokens it listens to this machine alone, and to
//     requests that call it by a name of this machine; elsewhere only with a token for each client
//     and TLS, or where a person has said that a proxy does TLS.
//   - A token is known by its hash, and compared with each of the others in the same time. Whose
//     it is, and which objects he may ask for, is with the request (ClientOf). A file of tokens that
//     cannot be read, or that others can write to, lets nobody in until it is right.
//   - A client can take up neither memory nor time without bound: sizes, times, connections, the
//     requests under way and those of one client in a second have limits.
//   - Serve ends when its context does: what is under way is finished, but for no longer than the grace.
//   - Each request is one line of JSON in the log, without tokens and without what stood behind the
//     question mark, which may be a signature.
//
// What is answered is left to the handler; that a client may have what it asks for to the handler, too.
package serve

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"cooper"
)

// Options say where and to whom is answered. The zero value of each is careful.
type Options struct {
	// Listen is HOST:PORT; port 0 is any that is free.
	Listen string
	// Tokens is the file with the clients' tokens; empty: there are none, and whoever is on this machine
	// may ask.
	Tokens string
	// Cert and Key are files in PEM, for TLS; both or none.
	Cert, Key string
	// Proxied says that a proxy in front does TLS, and that nobody else reaches the address.
	Proxied bool
	Limits  Limits
	// Log takes a line of JSON for each request; nil: nobody does.
	Log io.Writer
	// Clock is this machine's; that of the system if nil.
	Clock func() time.Time
	// Troubled is told what a person should look at, such as a file of tokens that cannot be read; from any
	// goroutine, once for each trouble. nil: nobody is.
	Troubled func(error)

	wait func(time.Duration) (<-chan time.Time, func()) // for tests
}

// Limits bound what clients can take up. What is zero is as Careful has it.
type Limits struct {
	Header   int           // bytes of a request's head
	Body     int64         // bytes of its body
	Read     time.Duration // to send the request
	Write    time.Duration // to take the answer
	Idle     time.Duration // of a connection between two requests
	Open     int           // connections
	Together int           // requests under way
	Rate     float64       // requests of a client in a second, over time
	Burst    int           // and at once
	Grace    time.Duration // for what is under way, at the end
}

// Careful are the limits that are meant unless others are set.
func Careful() Limits {
	return Limits{
		Header: 16 << 10, Body: 1 << 20, Read: 10 * time.Second, Write: 30 * time.Second, Idle: 2 * time.Minute, Open: 2048, Together: 512,
		Rate: 10_000, Burst: 2000, Grace: 10 * time.Second,
	}
}

func (l Limits) withDefaults() Limits {
	c := Careful()
	set(&l.Header, c.Header)
	set(&l.Body, c.Body)
	set(&l.Read, c.Read)
	set(&l.Write, c.Write)
	set(&l.Idle, c.Idle)
	set(&l.Open, c.Open)
	set(&l.Together, c.Together)
	set(&l.Rate, c.Rate)
	set(&l.Burst, c.Burst)
	set(&l.Grace, c.Grace)
	return l
}

func set[T int | int64 | float64 | time.Duration](v *T, to T) {
	if *v <= 0 {
		*v = to
	}
}

// Server listens.
type Server struct {
	opt      Options
	listener net.Listener
	tokens   *tokens // nil: there are none
	rates    *rates
	together chan struct{}
	log      *log

	mu   sync.Mutex
	last map[string]bool // troubles that were told and have not passed
}

// Open listens; nothing is answered before Serve. What would answer strangers is KindRefused.
func Open(ctx context.Context, opt Options) (*Server, error) {
	opt.Limits = opt.Limits.withDefaults()
	if opt.Clock == nil {
		opt.Clock = time.Now
	}
	if opt.Troubled == nil {
		opt.Troubled = func(error) {}
	}
	if opt.wait == nil {
		opt.wait = func(d time.Duration) (<-chan time.Time, func()) {
			t := time.NewTimer(d)
			return t.C, func() { t.Stop() }
		}
	}
	s := &Server{opt: opt, together: make(chan struct{}, opt.Limits.Together), last: map[string]bool{}}
	s.rates, s.log = newRates(opt.Limits.Rate, opt.Limits.Burst), &log{to: opt.Log}
	if err := checkAddress(&opt); err != nil {
		return nil, err
	}
	if opt.Tokens != "" {
		s.tokens = &tokens{path: opt.Tokens}
		if err := s.tokens.read(); err != nil {
			return nil, err
		}
	}
	var secure *tls.Config
	if opt.Cert != "" {
		c := &certificate{cert: opt.Cert, key: opt.Key}
		if err := c.read(); err != nil {
			return nil, err
		}
		secure = &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}, GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			err := c.fresh(opt.Clock())
			s.trouble("certificate", err)
			return c.now(), nil // the one that was good goes on being shown
		}}
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", opt.Listen)
	if err != nil {
		return nil, &cooper.Error{Kind: cooper.KindUsage, Where: opt.Listen, Message: "nobody can listen there", Err: err, Remedy: "Name an address of this machine that is free, such as 127.0.0.1:8380."}
	}
	if a, ok := l.Addr().(*net.TCPAddr); !ok || !a.IP.IsLoopback() { // a name may lead anywhere
		if err := forStrangers(&opt); err != nil {
			return nil, errors.Join(err, l.Close())
		}
	}
	s.listener = newBounded(l, opt.Limits.Open)
	if secure != nil {
		s.listener = tls.NewListener(s.listener, secure)
	}
	return s, nil
}

// Addr is where it listens.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// URL is how a client calls it.
func (s *Server) URL() string {
	if s.opt.Cert != "" {
		return "https://" + s.Addr().String()
	}
	return "http://" + s.Addr().String()
}

// Close ends a server that never served.
func (s *Server) Close() error { return s.listener.Close() }

// Serve answers until ctx ends, and returns when the last answer was given or the grace is over: that
// some were cut short then is an error, of KindInterrupted. It may be called once.
func (s *Server) Serve(ctx context.Context, h http.Handler) error {
	l := s.opt.Limits
	// What is under way goes on when ctx ends, until the grace is over.
	base, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	server := &http.Server{
		Handler: s.handler(h), MaxHeaderBytes: l.Header, ReadHeaderTimeout: l.Read, ReadTimeout: l.Read, WriteTimeout: l.Write, IdleTimeout: l.Idle,
		BaseContext: func(net.Listener) context.Context { return base }, ErrorLog: quiet,
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(s.listener) }()
	select {
	case err := <-ended:
		return errors.Join(&cooper.Error{Kind: cooper.KindInternal, Where: s.Addr().String(), Message: "no more is heard there", Err: err}, server.Close(), s.log.failed())
	case <-ctx.Done():
	}
	over, stop := s.opt.wait(l.Grace)
	defer stop()
	within, expire := context.WithCancel(base)
	defer expire()
	stopped := make(chan error, 1)
	go func() { stopped <- server.Shutdown(within) }()
	var err error
	select {
	case err = <-stopped:
	case <-over:
		cut()
		err = &cooper.Error{Kind: cooper.KindInterrupted, Where: s.Addr().String(), Message: "some answers were cut short: they took longer than " + l.Grace.String()}
		if cerr := <-stopped; cerr != nil && !errors.Is(cerr, context.Canceled) {
			err = errors.Join(err, cerr)
		}
		err = errors.Join(err, server.Close())
	}
	if serr := <-ended; !errors.Is(serr, http.ErrServerClosed) {
		err = errors.Join(err, serr)
	}
	return errors.Join(err, s.log.failed())
}

// trouble tells one once, until it has passed.
func (s *Server) trouble(what string, err error) {
	s.mu.Lock()
	told := s.last[what]
	s.last[what] = err != nil
	s.mu.Unlock()
	if err != nil && !told {
		s.opt.Troubled(err)
	}
}
