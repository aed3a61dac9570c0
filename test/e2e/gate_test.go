package e2e

import (
	"bytes"
	"errors"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"cooper/internal/store/mem"
)

// gate stands before a server and lets some requests of one kind pass, reads of
// objects mostly; then it holds the rest until it is opened. So a test can act in the middle of a run
// without watching a clock.
type gate struct {
	server    http.Handler
	url       string
	operation string

	mu      sync.Mutex
	left    int // requests that may pass; -1: all
	reached chan struct{}
	open    chan struct{}
}

func newGate(t *testing.T, w *world, pass int) *gate { return newGateFor(t, w, "GetObject", pass) }

func newGateFor(t *testing.T, w *world, operation string, pass int) *gate {
	t.Helper()
	g := &gate{server: w.server, operation: operation, left: pass, reached: make(chan struct{}), open: make(chan struct{})}
	h := httptest.NewServer(g)
	t.Cleanup(h.Close)
	t.Cleanup(g.release) // before the server waits for what it holds
	g.url = h.URL
	return g
}

func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if mem.Operation(r) == g.operation && !g.pass() {
		select {
		case <-g.open:
		case <-r.Context().Done():
			return
		}
	}
	g.server.ServeHTTP(w, r)
}

func (g *gate) pass() bool {
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
		return false
	}
	g.left--
	return true
}

// release lets everything pass from now on.
func (g *gate) release() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.left >= 0 {
		g.left = -1
		close(g.open)
	}
}

// process is a command that runs beside the test.
type process struct {
	cmd    *exec.Cmd
	output struct{ out, err bytes.Buffer }
	ended  chan struct{}
}

func start(t *testing.T, url, ws string, args ...string) *process {
	t.Helper()
	return startWith(t, nil, url, ws, args...)
}

// startWith gives the process, and whatever it starts, a file that it keeps open
// until it ends; nil is none. The test's own is closed.
func startWith(t *testing.T, kept *os.File, url, ws string, args ...string) *process {
	t.Helper()
	p := &process{cmd: command(t.Context(), url, ws, args...), ended: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = &p.output.out, &p.output.err
	if kept != nil {
		defer kept.Close()
		p.cmd.ExtraFiles = []*os.File{kept}
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.ended)
		_ = p.cmd.Wait() // the state says how it ended
	}()
	return p
}

// at waits until the run has come to the gate.
func (p *process) at(t *testing.T, g *gate) {
	t.Helper()
	select {
	case <-g.reached:
	case <-p.ended:
		t.Fatalf("it ended before the gate: %v", p.result())
	}
}

// reachedBy waits until the newest run in the background has come to the gate.
func (g *gate) reachedBy(t *testing.T, ws string) {
	t.Helper()
	log := start(t, g.url, ws, "logs", "-f", "latest") // ends with the run
	log.at(t, g)
	_ = log.cmd.Process.Kill() // it may have ended
	log.wait()
}

func (p *process) wait() result {
	<-p.ended
	return p.result()
}

func (p *process) result() result {
	return result{p.cmd.ProcessState.ExitCode(), p.output.out.String(), p.output.err.String()}
}

// staged counts the versions whose bytes are staged in a tree, whole.
func staged(t *testing.T, dir string) int {
	t.Helper()
	n := 0
	err := filepath.WalkDir(filepath.Join(dir, ".cooper", "staging"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		// One being written has the time of now.
		if err == nil && time.Since(info.ModTime()) > time.Hour {
			n++
		}
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return n
}

// pair is a tree of its own, with a workspace beside it.
func pair(t *testing.T) (dir, ws string) {
	t.Helper()
	base := t.TempDir()
	return filepath.Join(base, "tree"), filepath.Join(base, "ws")
}

func backupArgs(dir, report string, more ...string) []string {
	return append([]string{"backup", "run", "s3://lab", dir, "--inventory", report, "--share-stop", "20%"}, more...)
}
