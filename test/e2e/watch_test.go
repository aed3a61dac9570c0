package e2e

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"

	"cooper/test/e2etest"
)

// sentry is a fake one that remembers what it was told.
type sentry struct {
	dsn  string
	mu   sync.Mutex
	body bytes.Buffer
}

func newSentry(t *testing.T) *sentry {
	t.Helper()
	s := &sentry{}
	h := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		_, _ = io.Copy(&s.body, r.Body)
		s.mu.Unlock()
	}))
	t.Cleanup(h.Close)
	s.dsn = strings.Replace(h.URL, "://", "://public@", 1) + "/42"
	return s
}

func (s *sentry) told() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.body.String()
}

// TestSentry: failures are told by kind and count; what names a person, or is
// secret, is not.
func TestSentry(t *testing.T) {
	t.Parallel()
	w := e2etest.NewWorld(t, "Enabled")
	w.Fill(5, 1)
	dir, ws := e2etest.Pair(t)
	w.Server.Deny("lab", e2etest.Key(2))
	s := newSentry(t)
	if r := e2etest.Run(t, w.URL, ws, "backup", "run", "s3://lab", dir, "--list", "--sentry-dsn", s.dsn); r.Code != 3 {
		t.Fatal(r)
	}
	if !strings.Contains(s.told(), "backup run: 1 actions failed (1 denied)") {
		t.Errorf("told: %s", s.told())
	}
	// A run that fails.
	args := append([]string{"backup", "run", "s3://no-such-bucket", dir, "--list"}, "--sentry-dsn="+s.dsn)
	if r := e2etest.Run(t, w.URL, ws, args...); r.Code != 2 || !strings.Contains(s.told(), "backup run failed: missing") {
		t.Errorf("%v\ntold: %s", r, s.told())
	}
	for _, secret := range []string{"zarr", "lab", "no-such-bucket", dir, "secret-key"} {
		if strings.Contains(s.told(), secret) {
			t.Errorf("%q was told: %s", secret, s.told())
		}
	}
	// By the environment; one that is broken is told before anything is done.
	cmd := e2etest.Command(t.Context(), w.URL, ws, "backup", "run", "s3://lab", dir+"2", "--list")
	cmd.Env = append(cmd.Env, "SENTRY_DSN=nonsense")
	if out, err := cmd.CombinedOutput(); err == nil || cmd.ProcessState.ExitCode() != 1 || !strings.Contains(string(out), "DSN") {
		t.Errorf("%v %s", err, out)
	}
	// One that does not answer fails nothing.
	gone := httptest.NewServer(nil)
	gone.Close()
	r := e2etest.Run(t, w.URL, ws, "backup", "run", "s3://lab", dir, "--list", "--sentry-dsn", strings.Replace(gone.URL, "://", "://public@", 1)+"/1")
	if r.Code != 3 || !strings.Contains(r.Stderr, "Sentry was not told") {
		t.Errorf("%v", r)
	}
}

// TestSentryIsToldOfACrash: of a real one, by the runtime's own hand.
func TestSentryIsToldOfACrash(t *testing.T) {
	t.Parallel()
	w := e2etest.NewWorld(t, "Enabled")
	w.Fill(5, 1)
	dir, ws := e2etest.Pair(t)
	g := e2etest.NewGate(t, w, 2)
	s := newSentry(t)
	// The process that tells of the crash outlives the one that crashes; both have
	// an end of this pipe.
	ours, theirs, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close()
	p := e2etest.StartWith(t, theirs, g.URL, ws, "backup", "run", "s3://lab", dir, "--list", "--sentry-dsn", s.dsn)
	p.At(t, g)
	if err := p.Cmd.Process.Signal(syscall.SIGQUIT); err != nil {
		t.Fatal(err)
	}
	if r := p.Wait(); !strings.Contains(r.Stderr, "SIGQUIT") {
		t.Errorf("%v", r)
	}
	if _, err := io.Copy(io.Discard, ours); err != nil { // until both have ended
		t.Fatal(err)
	}
	if !strings.Contains(s.told(), `"SIGQUIT: quit"`) || strings.Contains(s.told(), "zarr") {
		t.Errorf("told: %s", s.told())
	}
}

// TestMetrics scrapes a run in the middle of its work.
func TestMetrics(t *testing.T) {
	t.Parallel()
	w := e2etest.NewWorld(t, "Enabled")
	w.Fill(20, 1)
	dir, ws := e2etest.Pair(t)
	g := e2etest.NewGate(t, w, 8)
	killAtEnd(t, g.URL, ws)
	startRun(t, g.URL, ws, "backup", "run", "s3://lab", dir, "--list", "--jobs", "4", "--metrics", ":0")
	g.ReachedBy(t, ws)
	log := e2etest.Must(t, g.URL, ws, "logs", "latest").Stdout
	m := regexp.MustCompile(`metrics at (http://(?:127\.0\.0\.1|\[::1\]):\d+/metrics)`).FindStringSubmatch(log)
	if m == nil {
		t.Fatal(log)
	}
	res, err := http.Get(m[1])
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"cooper_actions_planned 20\n", `cooper_requests_total{class="get"} [1-9]`, `command="backup run",plan="p-.*",run="b-`, "cooper_action_bytes_planned [1-9]",
	} {
		if !regexp.MustCompile(want).Match(b) {
			t.Errorf("%q is not on the page:\n%s", want, b)
		}
	}
	g.Release()
	if b := followed(t, g.URL, ws); b.Status != "finished" {
		t.Errorf("%+v", b)
	}
	if res, err := http.Get(m[1]); err == nil {
		res.Body.Close()
		t.Error("it is served after the run")
	}
	if r := e2etest.Run(t, g.URL, ws, "backup", "run", "s3://lab", dir, "--list", "--metrics", "9200"); r.Code != 1 {
		t.Errorf("%v", r)
	}
}
