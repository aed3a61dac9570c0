package hook

import (
	"context"
	"crypto/hmac"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"cooper"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var secret = []byte("a secret of 16 bytes and more")

func clock() time.Time { return time.Unix(1_772_323_200, 5) }

func TestWeb(t *testing.T) {
	var got []string
	status := http.StatusNoContent
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		if want := Sign(secret, b, clock()); !hmac.Equal([]byte(want), []byte(r.Header.Get(SignatureHeader))) || !strings.HasPrefix(want, "t=1772323200,v1=") {
			t.Errorf("signed %s, and not %s", r.Header.Get(SignatureHeader), want)
		}
		got = append(got, r.Method+" "+r.Header.Get(EventHeader)+" "+string(b))
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(status)
	}))
	defer s.Close()
	w, err := NewWeb(s.URL+"/hook?key=hidden", secret, clock)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = w.Close() }()
	if err := w.Take(t.Context(), "e-1", []byte(`{"id":"e-1"}`)); err != nil || !slices.Equal(got, []string{`POST e-1 {"id":"e-1"}`}) {
		t.Errorf("%v, %q", err, got)
	}
	for _, status = range []int{302, 400, 500, 503} {
		if err := w.Take(t.Context(), "e-1", nil); cooper.KindOf(err) != cooper.KindStore || strings.Contains(err.Error(), "hidden") {
			t.Errorf("%d: %v", status, err)
		}
	}
	if len(got) != 5 {
		t.Errorf("a redirect was followed: %q", got)
	}
	s.Close()
	if err := w.Take(t.Context(), "e-1", nil); cooper.KindOf(err) != cooper.KindStore || strings.Contains(err.Error(), "hidden") {
		t.Error(err)
	}
}

func TestWebRefused(t *testing.T) {
	for address, want := range map[string]cooper.Kind{
		"http://127.0.0.1:1/x": "", "http://localhost/x": "", "http://[::1]/": "", "https://hooks.example.org/x": "",
		"http://hooks.example.org/x": cooper.KindRefused, "http://127.0.0.1.example.org": cooper.KindRefused, "ftp://x/y": cooper.KindUsage, "x": cooper.KindUsage, "https:///x": cooper.KindUsage,
	} {
		if _, err := NewWeb(address, secret, clock); cooper.KindOf(err) != want {
			t.Errorf("%s: %v", address, err)
		}
	}
	if _, err := NewWeb("https://hooks.example.org/x", []byte("short"), clock); cooper.KindOf(err) != cooper.KindUsage {
		t.Error(err)
	}
}

func TestProgram(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	p := &Program{[]string{"sh", "-c", `cat > "$0" && echo "$COOPER_EVENT" >> "$0"`, out}}
	if err := p.Take(t.Context(), "e-1", []byte(`{"id":"e-1"}`)); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(out); err != nil || string(b) != "{\"id\":\"e-1\"}\ne-1\n" {
		t.Errorf("%q, %v", b, err)
	}
	for _, command := range [][]string{{"sh", "-c", "exit 3"}, {filepath.Join(t.TempDir(), "none")}} {
		if err := (&Program{command}).Take(t.Context(), "e-1", nil); cooper.KindOf(err) != cooper.KindStore {
			t.Errorf("%q: %v", command, err)
		}
	}
}

type fails struct{ times int }

func (f *fails) Take(context.Context, string, []byte) error {
	if f.times--; f.times >= 0 {
		return errors.New("no")
	}
	return nil
}

func TestHand(t *testing.T) {
	var waits []time.Duration
	p := Patience{Attempts: 4, Wait: func(_ context.Context, d time.Duration) error { waits = append(waits, d); return nil }, Failed: func(error, time.Duration) {}}
	if err := Hand(t.Context(), &fails{3}, "e-1", nil, p); err != nil || !slices.Equal(waits, []time.Duration{time.Second, 2 * time.Second, 4 * time.Second}) {
		t.Errorf("%v, %v", err, waits)
	}
	if err := Hand(t.Context(), &fails{4}, "e-1", nil, p); err == nil || !strings.Contains(err.Error(), "event e-1: nobody took it, in 4 attempts") {
		t.Error(err)
	}
	p.Attempts, waits = 0, nil
	if err := Hand(t.Context(), &fails{20}, "e-1", nil, p); err != nil || waits[19] != mostPause {
		t.Errorf("%v, %v", err, waits)
	}
	ctx, cancel := context.WithCancel(t.Context())
	p.Failed = func(error, time.Duration) { cancel() }
	p.Wait = func(ctx context.Context, _ time.Duration) error { return ctx.Err() }
	if err := Hand(ctx, &fails{9}, "e-1", nil, p); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
