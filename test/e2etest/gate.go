package e2etest

import (
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"cooper/internal/store/mem"
)

// Gate stands before a server and lets some requests of one kind pass, reads of
// objects mostly; then it holds the rest until it is opened. So a test can act in the
// middle of a run without watching a clock.
type Gate struct {
	server    http.Handler
	URL       string
	operation string

	mu      sync.Mutex
	left    int            // requests that may pass; -1: all
	held    sync.WaitGroup // those that wait, or did
	reached chan struct{}
	open    chan struct{}
}

// NewGate lets so many reads pass.
func NewGate(t *testing.T, w *World, pass int) *Gate { return NewGateFor(t, w, "GetObject", pass) }

// NewGateFor lets so many requests of one kind pass.
func NewGateFor(t *testing.T, w *World, operation string, pass int) *Gate {
	t.Helper()
	g := &Gate{server: w.Server, operation: operation, left: pass, reached: make(chan struct{}), open: make(chan struct{})}
	h := httptest.NewServer(g)
	t.Cleanup(h.Close)
	t.Cleanup(g.Release) // before the server waits for what it holds
	g.URL = h.URL
	return g
}

func (g *Gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if mem.Operation(r) == g.operation && !g.pass() {
		defer g.held.Done()
		select {
		case <-g.open:
		case <-r.Context().Done():
			return
		}
	}
	g.server.ServeHTTP(w, r)
}

func (g *Gate) pass() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.left < 0:
		return true
	case g.left == 0:
		select {
		case <-g.reached:
		default:
			close(g.reached)
		}
		g.held.Add(1)
		return false
	}
	g.left--
	return true
}

// Release lets everything pass from now on. When it returns, nothing that it had held is on its way any more: what a
// process that is gone had asked for is not counted as the next one's.
func (g *Gate) Release() {
	g.mu.Lock()
	if g.left >= 0 {
		g.left = -1
		close(g.open)
	}
	g.mu.Unlock()
	g.held.Wait()
}

// At waits until the run has come to the gate.
func (p *Process) At(t *testing.T, g *Gate) {
	t.Helper()
	select {
	case <-g.reached:
	case <-p.Ended:
		t.Fatalf("it ended before the gate: %v", p.Wait())
	}
}

// ReachedBy waits until the newest run in the background has come to the gate.
func (g *Gate) ReachedBy(t *testing.T, ws string) {
	t.Helper()
	log := Start(t, g.URL, ws, "logs", "-f", "latest") // ends with the run
	log.At(t, g)
	_ = log.Cmd.Process.Kill() // it may have ended
	log.Wait()
}
