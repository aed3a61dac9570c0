package replace

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"cooper"
	"cooper/internal/apply"
	"cooper/internal/bucketop"
	"cooper/internal/journal"
	"cooper/internal/store"
	"cooper/internal/store/mem"
	"cooper/internal/store/s3"
	"cooper/internal/tree/safefs/memfs"
	"cooper/internal/verb/rewrite"
)

// The machine's own AWS configuration must not decide what tests see.
func TestMain(m *testing.M) {
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

const (
	target = "s3://lab/p/"
	suffix = ".zst"
)

// world is a server with the bucket lab, the disk of the machine that changes
// it, and its ledger. It writes down every request and file operation, and can
// die of one.
type world struct {
	t          testing.TB
	srv        *mem.Server
	url        string
	disk       *memfs.FS
	rw         bucketop.Rewriting
	versioning string
	store      cooper.Store
	facts      map[string][]cooper.Outcome // by run and shard
	runs       int
	size       int                         // of shards, in actions; 2 if 0
	workers    int                         // and jobs; 1 if 0
	swap       func(realBucket) realBucket // another store in its place; nil: none

	mu      sync.Mutex
	trace   []string
	before  func(op string)             // called before each request is served
	harm    func(request string) string // what goes wrong with a request, as traced: its answer is "lost", the store is "busy", or "failing"; nil: nothing
	crashAt int                         // the number of the request or file operation, from 1 on, that is the last
	deaf    bool                        // it does not come to it
	cancel  context.CancelCauseFunc     // what dies
	dead    bool
	opening bool // a process begins: that is not written down
}

var errDead = errors.New("the process is dead")

func newWorld(t testing.TB, versioning string, rw bucketop.Rewriting, o mem.Options) *world {
	t.Helper()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	o.Clock = func() time.Time { now = now.Add(time.Second); return now }
	w := &world{t: t, srv: mem.New(o), disk: memfs.New(), versioning: versioning, facts: map[string][]cooper.Outcome{}}
	w.srv.CreateBucket("lab", "")
	if versioning != "" {
		w.srv.SetVersioning("lab", versioning)
	}
	rw.Codec, rw.Versioning, rw.SSE, rw.Proof = chain, versioning, bucketop.SSEDefault, bucketop.AsSent
	if rw.Originals == "" {
		rw.Originals = bucketop.RemoveOriginals
	}
	w.rw = rw
	web := httptest.NewServer(w)
	t.Cleanup(web.Close)
	w.url = web.URL
	return w
}

// event counts towards the crash; an error means that it does not happen.
func (w *world) event(line string) (last bool, err error) {
	if w.dead {
		return false, errDead
	}
	w.trace = append(w.trace, line)
	if len(w.trace) != w.crashAt {
		return false, nil
	}
	w.dead = true
	w.cancel(errDead) // no plain stop: nothing is finished
	if w.deaf {
		return true, errDead
	}
	return true, nil
}

func (w *world) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	answer := w.answer(r, body)
	if answer == nil {
		panic(http.ErrAbortHandler)
	}
	// Not under the lock: whoever reads it may take his time.
	maps.Copy(rw.Header(), answer.Header())
	rw.WriteHeader(answer.Code)
	_, _ = rw.Write(answer.Body.Bytes()) // a client that has gone is nobody's error here
}

// answer is nil where there is none.
func (w *world) answer(r *http.Request, body []byte) *httptest.ResponseRecorder {
	w.mu.Lock()
	defer w.mu.Unlock()
	op, answer := mem.Operation(r), httptest.NewRecorder()
	if w.opening {
		w.srv.ServeHTTP(answer, r)
		return answer
	}
	if w.before != nil && !w.dead {
		w.before(op)
	}
	line := describe(op, r, body)
	last, err := w.event(line)
	harm := ""
	if w.harm != nil {
		harm = w.harm(line)
	}
	switch {
	case err != nil && op == "AbortMultipartUpload":
		// What is dead would ask again for half a minute, whatever becomes of its
		// context.
		answer.WriteHeader(http.StatusForbidden)
		return answer
	case err != nil:
		return nil
	case harm == "busy":
		answer.WriteHeader(http.StatusServiceUnavailable)
		return answer
	case harm == "failing":
		answer.WriteHeader(http.StatusInternalServerError)
		return answer
	}
	w.srv.ServeHTTP(answer, r)
	if last || harm == "lost" {
		return nil
	}
	return answer
}

// files counts file operations, and stops them once the process is dead.
func (w *world) files() journal.Dir {
	w.disk.Before = func(op string, paths ...string) error {
		w.mu.Lock()
		defer w.mu.Unlock()
		_, err := w.event(op + " " + strings.Join(paths, " "))
		return err
	}
	w.disk.Read = func(string, ...string) error {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.dead {
			return errDead
		}
		return nil
	}
	return journal.In(w.disk)
}

// describe tells of a request what matters.
func describe(op string, r *http.Request, body []byte) string {
	key, _ := strings.CutPrefix(r.URL.Path, "/lab")
	key = strings.TrimPrefix(key, "/")
	line := op
	switch op {
	case "DeleteObjects":
		var doc struct {
			Object []struct{ Key, VersionId, ETag string }
		}
		if err := xml.Unmarshal(body, &doc); err != nil {
			return op + " " + err.Error()
		}
		for _, o := range doc.Object {
			line += fmt.Sprintf(" %s@%s", o.Key, o.VersionId)
			if o.ETag != "" {
				line += " if the ETag is right"
			}
		}
		return line
	case "ListObjectVersions":
		return line + fmt.Sprintf(" after %q", r.URL.Query().Get("key-marker"))
	}
	line += " " + key
	if v := r.URL.Query().Get("versionId"); v != "" {
		line += "@" + v
	}
	if r.Header.Get("If-Match") != "" {
		line += " if the ETag is right"
	}
	if r.Header.Get("If-None-Match") != "" {
		line += " if nothing is there"
	}
	return line
}

// filled is the content made of a word.
func filled(word string) string {
	if word == "" || isCompressed([]byte(word)) {
		return word
	}
	return word + filling
}

// put writes a version with the content made of a word, and gives its id.
func (w *world) put(key, content string) string {
	return w.srv.Put("lab", key, []byte(filled(content)), mem.PutOptions{})
}

// current gives the plain content that a reader gets of a key.
func (w *world) current(key string) (string, bool) {
	b, ok := w.srv.Body("lab", key, "")
	return plainOf(b), ok
}

// plan chooses as the mission would.
func (w *world) plan() []cooper.Action {
	versions := w.srv.Versions("lab")
	count, nulls := map[string]int{}, map[string]int{}
	for _, v := range versions {
		count[v.Key]++
		if v.VersionID == cooper.NullVersion && !v.Latest {
			nulls[v.Key]++
		}
	}
	var all []cooper.Action
	for _, v := range versions {
		inPlace := w.rw.Mode == bucketop.InPlace
		body, _ := w.srv.Body("lab", v.Key, v.VersionID)
		switch {
		case !strings.HasPrefix(v.Key, "p/"), !v.Latest, v.DeleteMarker, strings.HasSuffix(v.Key, suffix), strings.Contains(v.Key, ".cooper-probe"),
			inPlace && isCompressed(body), inPlace && nulls[v.Key] > 0,
			!inPlace && w.rw.Originals == bucketop.RemoveOriginals && count[v.Key] > 1:
			continue
		}
		args := bucketop.RewriteArgs{Reason: "test"}
		if v.VersionID == cooper.NullVersion {
			args.Guard = bucketop.ByETag
			if w.versioning == enabled || w.rw.Unguarded {
				args.Guard = bucketop.ByLook
			}
		}
		all = append(all, cooper.Action{ID: int64(len(all)), Verb: bucketop.Rewrite, Version: v, Args: args.Encode()})
	}
	return all
}

// realBucket is what both halves of compressing need.
type realBucket interface {
	Bucket
	rewrite.Bucket
	store.Uploads
}

// open opens the bucket as a process would, which ends with the returned
// function.
func (w *world) open() (realBucket, func()) {
	w.setOpening(true)
	defer w.setOpening(false)
	b, err := s3.Open(context.Background(), "lab", s3.Config{Endpoint: w.url})
	if err != nil {
		w.t.Fatal(err)
	}
	if w.swap != nil {
		return w.swap(b), func() { b.Close() }
	}
	return b, func() { b.Close() }
}

func (w *world) setOpening(on bool) { w.alone(func() { w.opening = on }) }

// alone does something while no request is served.
func (w *world) alone(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
}

// target is a new process's.
func (w *world) target(b Bucket) *Target {
	return New(b, Options{
		Journal: w.files(), Path: target, Prefix: "p/", Rewriting: w.rw, Versioning: w.versioning, Jobs: max(w.workers, 1), Store: w.store, PlannedStore: w.store,
		Clock: func() time.Time { return time.Unix(1e9, 0) },
	})
}

// run applies a plan, as one process.
func (w *world) run(ctx context.Context, p *fakePlan) (apply.Summary, error) {
	b, done := w.open()
	defer done()
	w.runs++
	tg := w.target(b)
	defer w.alone(func() {}) // whatever request it was that it died of has ended
	return apply.Run(ctx, apply.Job{
		Run: fmt.Sprint("r-", w.runs), Plan: p, Facts: w, Target: tg, Verbs: map[string]apply.Verb{bucketop.Rewrite: w.verb(b, tg)},
		Workers: max(w.workers, 1), ShardsInFlight: max(w.workers/2, 1), Clock: func() time.Time { return time.Unix(1e9, 0) },
	})
}

// must applies a plan that must come to its end.
func (w *world) must(p *fakePlan) []cooper.Outcome {
	w.t.Helper()
	if _, err := w.run(context.Background(), p); err != nil {
		w.t.Fatal(err)
	}
	return w.outcomes(p)
}

// left lists what the bucket has, one version a line.
func (w *world) left() string {
	var b strings.Builder
	for _, v := range w.srv.Versions("lab") {
		fmt.Fprintf(&b, "%s@%s", v.Key, v.VersionID)
		if body, ok := w.srv.Body("lab", v.Key, v.VersionID); ok && !v.DeleteMarker {
			fmt.Fprintf(&b, " %q", plainOf(body))
			if isCompressed(body) {
				b.WriteString(" compressed")
			}
		}
		if v.DeleteMarker {
			b.WriteString(" marker")
		}
		if v.Latest {
			b.WriteString(" latest")
		}
		b.WriteString("\n")
	}
	return b.String()
}

// statuses are the outcomes, in short.
func statuses(outs []cooper.Outcome) string {
	var parts []string
	for _, o := range outs {
		s := string(o.Status)
		if o.Status == cooper.Failed {
			s = string(o.Kind)
		}
		parts = append(parts, s)
	}
	return strings.Join(parts, " ")
}
