package telemetry

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
	"testing/iotest"

	"go.uber.org/goleak"

	"cooper"
)

// TestMain lets the test's own program be one that crashes.
func TestMain(m *testing.M) {
	switch os.Getenv("CRASH") {
	case "index":
		crashHere(os.Args[1:])
	case "text":
		panic("s3://bucket/patient-0815 is secret")
	}
	goleak.VerifyTestMain(m)
}

func crashHere(args []string) {
	done := make(chan string)
	go func() { done <- args[len(args)+41] }()
	<-done
}

// fake is a Sentry that remembers what it was told.
func fake(t *testing.T, status int) (dsn string, told func() string) {
	t.Helper()
	var b strings.Builder
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.Contains(r.Header.Get("X-Sentry-Auth"), "sentry_key=public") || r.URL.Path != "/api/42/envelope/" {
			t.Errorf("%s %s %v", r.Method, r.URL, r.Header)
		}
		_, _ = io.Copy(&b, r.Body)
		w.WriteHeader(status)
	}))
	t.Cleanup(s.Close)
	return strings.Replace(s.URL, "://", "://public@", 1) + "/42", b.String
}

func reporter(t *testing.T, dsn string) *Reporter {
	t.Helper()
	tr := &http.Transport{DisableKeepAlives: true}
	r, err := New(Options{DSN: dsn, Version: "1.2.3", Command: "purge run", Run: "b-1", Transport: tr})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

func TestReports(t *testing.T) {
	dsn, told := fake(t, http.StatusOK)
	r := reporter(t, dsn)
	if err := r.Failed(t.Context(), cooper.KindStore, 2); err != nil {
		t.Error(err)
	}
	if err := r.Actions(t.Context(), map[cooper.Kind]int64{cooper.KindDenied: 3, cooper.KindConflict: 4}); err != nil {
		t.Error(err)
	}
	for _, want := range []string{
		`"message":"purge run failed: store"`, `"exit_code":"2"`, `"level":"error"`, `"release":"cooper@1.2.3"`, `"run":"b-1"`,
		`"message":"purge run: 7 actions failed (4 conflict, 3 denied)"`, `"denied":3`, `"level":"warning"`,
		`"fingerprint":["actions-failed","purge run","conflict+denied"]`,
	} {
		if !strings.Contains(told(), want) {
			t.Errorf("%s was not told:\n%s", want, told())
		}
	}
}

func TestUnreachable(t *testing.T) {
	dsn, _ := fake(t, http.StatusBadGateway)
	if err := reporter(t, dsn).Failed(t.Context(), cooper.KindStore, 2); err == nil || !strings.Contains(err.Error(), "502") {
		t.Errorf("%v", err)
	}
	s := httptest.NewServer(nil)
	s.Close()
	r := reporter(t, strings.Replace(s.URL, "://", "://public@", 1)+"/42")
	if err := r.Failed(t.Context(), cooper.KindStore, 2); err == nil || strings.Contains(err.Error(), "public") {
		t.Errorf("%v", err)
	}
}

func TestBrokenDSN(t *testing.T) {
	for _, dsn := range []string{"", "x", "https://sentry.example/1", "ftp://secret@host/1", "https://secret@host"} {
		_, err := New(Options{DSN: dsn})
		if cooper.KindOf(err) != cooper.KindUsage || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", dsn, err)
		}
	}
}

// TestCrash lets a program crash, and tells of it: where it was, and nothing of what
// the program said.
func TestCrash(t *testing.T) {
	for how, want := range map[string]string{"index": "panic: runtime error: index out of range", "text": "panic"} {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), "CRASH="+how)
		out, err := cmd.CombinedOutput()
		if err == nil {
			t.Fatal("it did not crash")
		}
		c, err := ReadCrash(strings.NewReader(string(out)))
		if err != nil || c == nil || !strings.HasPrefix(c.What, want) || len(c.Frames) == 0 {
			t.Fatalf("%s: %+v %v\n%s", how, c, err, out)
		}
		dsn, told := fake(t, http.StatusOK)
		if err := reporter(t, dsn).Crashed(t.Context(), c); err != nil {
			t.Error(err)
		}
		at := "telemetry.crashHere.func1"
		if how == "text" {
			at = "telemetry.TestMain"
		}
		if !strings.Contains(told(), at) || !strings.Contains(told(), `"filename":"internal/telemetry/telemetry_test.go"`) {
			t.Errorf("%s: it is not told where it was:\n%s\n%s", how, told(), out)
		}
		if strings.Contains(told(), "patient") {
			t.Errorf("told what the program said:\n%s", told())
		}
	}
}

func TestNoCrash(t *testing.T) {
	if c, err := ReadCrash(strings.NewReader("")); c != nil || err != nil {
		t.Errorf("%+v %v", c, err)
	}
	if c, err := ReadCrash(iotest.ErrReader(errors.New("broken"))); c != nil || err == nil {
		t.Errorf("%+v %v", c, err)
	}
	c, err := ReadCrash(strings.NewReader("fatal error: concurrent map writes\n\ngoroutine 7 [running]:\nmain.f(0x1, {0x2, 0x3})\n\t/home/someone/cooper/cmd/cooper/main.go:7 +0x1\n"))
	if err != nil || c.What != "fatal error: concurrent map writes" || len(c.Frames) != 1 || c.Frames[0] != (Frame{"main.f", "cmd/cooper/main.go", 7}) {
		t.Errorf("%+v %v", c, err)
	}
}

func FuzzReadCrash(f *testing.F) {
	f.Add("panic: x\n\ngoroutine 1 [running]:\nmain.f()\n\t/a/b.go:1 +0x1\n")
	f.Fuzz(func(t *testing.T, text string) {
		if c, err := ReadCrash(strings.NewReader(text)); err == nil && c == nil && strings.TrimSpace(text) != "" {
			t.Errorf("%q is no crash", text)
		}
	})
}
