// Package metrics shows the figures of a run to Prometheus, for as long as the run
// goes on.
//
// The figures are those that a person sees on the terminal, read anew for each
// scrape. No key of an object is in them. Names and meanings are in
// docs/operations.md; storing and alerting is left to Prometheus.
package metrics

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"cooper"
	"cooper/internal/progress"
	"cooper/internal/store"
)

// Run is what the figures are read from; its functions are called at any time,
// from any goroutine.
type Run struct {
	Command string // such as "purge run"
	Version string
	ID      string // of a run in the background; empty in the foreground
	Began   time.Time
	// Plan is the plan that is being carried out, empty if there is none yet.
	Plan func() string
	// Progress is false while there is nothing to count yet.
	Progress func() (progress.Snapshot, bool)
	// Usage is what all buckets together were asked.
	Usage func() store.Usage
}

// Server answers scrapes until Close.
type Server struct {
	at    net.Addr
	http  *http.Server
	ended chan error
}

// Serve listens at addr: host and port, where a port alone means this machine alone,
// and port 0 any that is free. KindUsage if that is not to be had.
func Serve(ctx context.Context, addr string, r Run) (*Server, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, &cooper.Error{Kind: cooper.KindUsage, Message: "--metrics " + cooper.Quote(addr) + " is not an address", Remedy: "Give it like :9200, or 0.0.0.0:9200 to be read from other machines."}
	}
	if host == "" {
		host = "localhost"
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort(host, port))
	if err != nil {
		return nil, &cooper.Error{Kind: cooper.KindUsage, Message: "no metrics can be served at " + cooper.Quote(addr), Err: err, Remedy: "Give --metrics another port, such as :9201; each run needs its own."}
	}
	own := prometheus.NewRegistry()
	own.MustRegister(&collector{r})
	process := prometheus.NewRegistry()
	process.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(prometheus.Gatherers{own, process}, promhttp.HandlerOpts{}))
	s := &Server{at: l.Addr(), ended: make(chan error, 1), http: &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 5 * time.Minute}}
	go func() { s.ended <- s.http.Serve(l) }()
	return s, nil
}

// URL is where the figures are.
func (s *Server) URL() string { return "http://" + s.at.String() + "/metrics" }

// Close ends the serving.
func (s *Server) Close() error {
	err := s.http.Close()
	if ended := <-s.ended; !errors.Is(ended, http.ErrServerClosed) {
		err = errors.Join(err, ended)
	}
	return err
}
