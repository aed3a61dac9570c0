// Package verbtest is the world in which verbs that change a bucket are tested: a
// server with one bucket, the disk of the machine that changes it, and its ledger.
//
// It promises that every request and every file operation is written down, in the
// order in which they happened; that something can be done before each request, and
// harm to it; that a process can die of any of them, come to it or not, and that
// another then finds what is left; and that two runs of one test see the same times.
// What is planned, done and expected is left to the tests; what goes wrong by chance
// to store/fault; plans to bucketoptest. Nothing but tests imports it.
package verbtest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"cooper"
	"cooper/internal/store/mem"
	"cooper/internal/store/s3"
	"cooper/internal/tree/safefs/memfs"
)

// Lab is the bucket.
const Lab = "lab"

// Main runs the tests of a package. The machine's own AWS configuration does not
// decide what they see, and no goroutine may be left.
func Main(m *testing.M) {
	for name, value := range map[string]string{
		"AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull, "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_ACCESS_KEY_ID": "access", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "us-east-1",
	} {
		if err := os.Setenv(name, value); err != nil {
			panic(err)
		}
	}
	goleak.VerifyTestMain(m)
}

// What may go wrong with a request.
const (
	Lost    = "lost"    // it is served, and the answer never arrives
	Busy    = "busy"    // the store has no time for it
	Failing = "failing" // the store has a fault
)

// ErrDead is what a process that has died would say.
var ErrDead = errors.New("the process is dead")

// World is a server, a disk and a ledger. While requests or runs are under way, its
// fields are touched in Before and Harm, or in Alone.
type World struct {
	Server *mem.Server
	URL    string // of the server, where requests are written down
	Disk   *memfs.FS
	Runs   int // how many runs there were; tests may count their plans, too

	Trace []string // requests and file operations
	// Line is how a request is written down.
	Line func(op string, r *http.Request, body []byte) string
	// Before is called before each request is served; nil: nothing happens.
	Before func(op string)
	// Harm tells what goes wrong with a request, as it is written down; empty, or nil:
	// nothing.
	Harm func(request string) string
	// Bodies gives what becomes of the body of an answer; nil: nothing.
	Bodies func(op string, body []byte) []byte

	CrashAt int                     // the number of the line of Trace, from 1 on, that is the last; 0: it lives on
	Deaf    bool                    // it dies before it has come to it
	Cancel  context.CancelCauseFunc // ends what dies
	Dead    bool

	t       testing.TB
	mu      sync.Mutex
	opening bool                        // a process begins: that is not written down
	facts   map[string][]cooper.Outcome // by plan, run and shard

	times sync.Mutex
	now   time.Time
}

// New makes a world with an empty bucket. Unless o has a clock, it is 2026, and each
// glance at the server's clock takes a second.
func New(t testing.TB, versioning string, o mem.Options) *World {
	t.Helper()
	w := &World{t: t, Disk: memfs.New(), Line: Line, facts: map[string][]cooper.Outcome{}, now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	clock := o.Clock
	o.Clock = func() time.Time {
		w.times.Lock()
		defer w.times.Unlock()
		if clock != nil {
			w.now = clock()
		} else {
			w.now = w.now.Add(time.Second)
		}
		return w.now
	}
	w.Server = mem.New(o)
	w.Server.CreateBucket(Lab, versioning)
	w.URL = Serve(t, w)
	return w
}

// Serve gives the address of a handler, for as long as the test takes. That of
// w.Server alone serves many at once, and writes nothing down.
func Serve(t testing.TB, h http.Handler) string {
	t.Helper()
	web := httptest.NewServer(h)
	t.Cleanup(web.Close)
	return web.URL
}

// Open opens the bucket at an address, for as long as the test takes.
func Open(t testing.TB, url string) *s3.Bucket {
	t.Helper()
	b, err := s3.Open(context.Background(), Lab, s3.Config{Endpoint: url})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { shut(t, b) })
	return b
}

func shut(t testing.TB, b *s3.Bucket) {
	if err := b.Close(); err != nil {
		t.Error(err)
	}
}

// Begin opens the bucket as a new process would, which ends with the function given.
func (w *World) Begin() (*s3.Bucket, func()) {
	w.t.Helper()
	return w.BeginAt(Lab)
}

// BeginAt opens another bucket of the server so.
func (w *World) BeginAt(bucket string) (*s3.Bucket, func()) {
	w.t.Helper()
	w.Alone(func() { w.opening = true })
	defer w.Alone(func() { w.opening = false })
	b, err := s3.Open(context.Background(), bucket, s3.Config{Endpoint: w.URL})
	if err != nil {
		w.t.Fatal(err)
	}
	return b, func() { shut(w.t, b) }
}

// Now is what the server's clock showed last.
func (w *World) Now() time.Time {
	w.times.Lock()
	defer w.times.Unlock()
	return w.now
}

// Alone does something while no request is served and no file touched.
func (w *World) Alone(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
}

// event counts towards the crash; an error means that it does not happen. Behind the
// last one that does, whoever asked calls die.
func (w *World) event(line string) (last bool, err error) {
	if w.Dead {
		return false, ErrDead
	}
	w.Trace = append(w.Trace, line)
	if len(w.Trace) != w.CrashAt {
		return false, nil
	}
	w.Dead = true
	if w.Deaf {
		w.die()
		return true, ErrDead
	}
	return true, nil
}

// Happens does something that is no request and no file operation, and is written down as one of them: it
// happens, unless the process has died before.
func (w *World) Happens(line string, it func()) (err error) {
	w.Alone(func() {
		var last bool
		if last, err = w.event(line); err != nil {
			return
		}
		it()
		if last {
			w.die()
			err = ErrDead
		}
	})
	return err
}

// die is no plain stop: nothing is finished.
func (w *World) die() { w.Cancel(ErrDead) }

// ServeHTTP serves one request after the other.
func (w *World) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	answer, b := w.answer(r, body)
	if answer == nil {
		panic(http.ErrAbortHandler)
	}
	// Not under the lock: whoever reads it may take his time, and ask for more.
	maps.Copy(rw.Header(), answer.Header())
	rw.WriteHeader(answer.Code)
	_, _ = rw.Write(b) // a client that has gone is nobody's error here
}

// answer is nil where there is none; with the body as it is sent.
func (w *World) answer(r *http.Request, body []byte) (*httptest.ResponseRecorder, []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	op, answer := mem.Operation(r), httptest.NewRecorder()
	if w.opening {
		w.Server.ServeHTTP(answer, r)
		return answer, answer.Body.Bytes()
	}
	if w.Before != nil && !w.Dead {
		w.Before(op)
	}
	line := w.Line(op, r, body)
	last, err := w.event(line)
	harm := ""
	if w.Harm != nil {
		harm = w.Harm(line)
	}
	switch {
	case err != nil && op == "AbortMultipartUpload":
		// What is dead would ask again for half a minute, whatever becomes of its
		// context.
		answer.WriteHeader(http.StatusForbidden)
		return answer, nil
	case err != nil:
		return nil, nil
	case harm == Busy:
		answer.WriteHeader(http.StatusServiceUnavailable)
		return answer, nil
	case harm == Failing:
		answer.WriteHeader(http.StatusInternalServerError)
		return answer, nil
	}
	w.Server.ServeHTTP(answer, r)
	if last {
		w.die()
	}
	if last || harm == Lost {
		return nil, nil
	}
	b := answer.Body.Bytes()
	if w.Bodies != nil {
		b = w.Bodies(op, b)
	}
	return answer, b
}
