package verbtest

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"cooper/internal/store/mem"
)

func TestMain(m *testing.M) { Main(m) }

// ask sends a request by itself, which nobody sends again, and gives what the answer
// says; 0 for no answer.
func ask(t *testing.T, w *World, method, key, body string) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, w.URL+"/"+Lab+"/"+key, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
	if err != nil {
		return 0
	}
	_, err = io.Copy(io.Discard, res.Body)
	if err = errors.Join(err, res.Body.Close()); err != nil {
		return 0
	}
	return res.StatusCode
}

// TestDeath: the last request is served or not, unanswered either way; after it
// nothing happens, neither to the bucket nor to a file, until a new process begins.
func TestDeath(t *testing.T) {
	for _, deaf := range []bool{false, true} {
		w := New(t, "", mem.Options{})
		ctx, cancel := context.WithCancelCause(t.Context())
		w.CrashAt, w.Deaf, w.Cancel = 2, deaf, cancel
		w.Files()
		if got := ask(t, w, "PUT", "a", "1"); got != http.StatusOK {
			t.Errorf("the first: %d", got)
		}
		if got := ask(t, w, "PUT", "b", "2"); got != 0 || !errors.Is(context.Cause(ctx), ErrDead) {
			t.Errorf("the last: %d, %v", got, context.Cause(ctx))
		}
		if there := w.Body("b", "") != nil; there == deaf {
			t.Errorf("deaf %v, served %v", deaf, there)
		}
		if got := ask(t, w, "PUT", "c", "3"); got != 0 || w.Body("c", "") != nil {
			t.Errorf("one more: %d", got)
		}
		if err := w.Disk.MkdirAll("d"); !errors.Is(err, ErrDead) {
			t.Errorf("a file: %v", err)
		}
		if err := w.WriteOutcomes(ctx, "r-1", 0, "p-1", "", nil); !errors.Is(err, ErrDead) {
			t.Errorf("facts: %v", err)
		}
		if want := []string{"PutObject a", "PutObject b"}; !slices.Equal(w.Trace, want) {
			t.Errorf("%q", w.Trace)
		}
		w.Restart()
		if got := ask(t, w, "PUT", "c", "3"); got != http.StatusOK {
			t.Errorf("another process: %d", got)
		}
	}
}

// TestDeathAtAFile: the last file operation happens or does not, too; and whoever was
// killed alone leaves it to the next process.
func TestDeathAtAFile(t *testing.T) {
	for _, deaf := range []bool{false, true} {
		for runs := range 2 {
			w := New(t, "", mem.Options{})
			ctx, cancel := context.WithCancelCause(t.Context())
			w.CrashAt, w.Deaf, w.Cancel, w.Runs = 1, deaf, cancel, runs
			w.Files()
			f, err := w.Disk.Create("f")
			if deaf != errors.Is(err, ErrDead) || !errors.Is(context.Cause(ctx), ErrDead) {
				t.Errorf("deaf %v: %v, %v", deaf, err, context.Cause(ctx))
			}
			if f != nil {
				if _, err := f.Write([]byte("1")); !errors.Is(err, ErrDead) {
					t.Errorf("one more: %v", err)
				}
			}
			if _, err := w.Disk.Lstat("f"); !errors.Is(err, ErrDead) {
				t.Errorf("who is dead looks: %v", err)
			}
			w.Restart()
			if _, err := w.Disk.Lstat("f"); runs == 0 && deaf != (err != nil) {
				t.Errorf("deaf %v: %v", deaf, err)
			}
			if !slices.Equal(w.Trace, []string{"create f"}) || w.Dead {
				t.Errorf("%q, dead %v", w.Trace, w.Dead)
			}
		}
	}
}

func TestHarm(t *testing.T) {
	for harm, want := range map[string]struct {
		status int
		served bool
	}{"": {200, true}, Lost: {0, true}, Busy: {503, false}, Failing: {500, false}} {
		w := New(t, "", mem.Options{})
		w.Harm = func(request string) string {
			if request != "PutObject k" {
				t.Errorf("%q", request)
			}
			return harm
		}
		if got := ask(t, w, "PUT", "k", "1"); got != want.status || (w.Body("k", "") != nil) != want.served {
			t.Errorf("%q: %d, %q", harm, got, w.Body("k", ""))
		}
	}
	w := New(t, "Enabled", mem.Options{})
	w.Before = func(op string) { w.Server.Put(Lab, "before", []byte(op), mem.PutOptions{}) }
	w.Bodies = func(_ string, b []byte) []byte { return b[:1] }
	w.Server.Put(Lab, "k", []byte("12"), mem.PutOptions{})
	if got := ask(t, w, "GET", "k", ""); got != 0 { // its length says that something is missing
		t.Errorf("cut: %d", got)
	}
	if v := w.Latest("before"); string(w.Body("before", v.VersionID)) != "GetObject" || w.Version("before", v.VersionID) != v {
		t.Errorf("%+v", v)
	}
	if got := Named(w.Left(func(b []byte) string { return string(b) })); got != "before@v1 GetObject latest\nk@v2 12 latest\n" {
		t.Error(got)
	}
}
