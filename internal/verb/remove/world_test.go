package remove

import (
	"bytes"
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"cooper"
	"cooper/internal/apply"
	"cooper/internal/bucketop"
	"cooper/internal/journal"
	"cooper/internal/permit"
	"cooper/internal/plan"
	"cooper/internal/store/mem"
	"cooper/internal/store/s3"
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

// world is a server with the bucket lab. It writes down every request, and can
// die of one.
type world struct {
	t      testing.TB
	srv    *mem.Server
	bucket *s3.Bucket

	mu      sync.Mutex
	trace   []string
	before  func(op string)             // called before each request is served
	harm    func(request string) string // what goes wrong with a request, as traced: its answer is "lost", the store is "busy", or "failing"; nil: nothing
	crashAt int                         // the number of the request, from 1 on, after which nothing is heard any more
	deaf    bool                        // it is not even served
	cancel  func()                      // what dies
	dead    bool
}

func newWorld(t testing.TB, versioning string, o mem.Options) *world {
	t.Helper()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	o.Clock = func() time.Time { now = now.Add(time.Second); return now }
	w := &world{t: t, srv: mem.New(o)}
	w.srv.CreateBucket("lab", versioning)
	web := httptest.NewServer(w)
	t.Cleanup(web.Close)
	b, err := s3.Open(context.Background(), "lab", s3.Config{Endpoint: web.URL})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	w.bucket = b
	w.trace = nil
	return w
}

func (w *world) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	op := mem.Operation(r)
	body, err := io.ReadAll(r.Body)
	if err != nil || w.dead {
		panic(http.ErrAbortHandler)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	if w.before != nil {
		w.before(op)
	}
	w.trace = append(w.trace, describe(op, r, body))
	if len(w.trace) == w.crashAt {
		w.dead = true
		if !w.deaf {
			w.srv.ServeHTTP(httptest.NewRecorder(), r)
		}
		w.cancel()
		panic(http.ErrAbortHandler)
	}
	if w.harm != nil {
		switch w.harm(w.trace[len(w.trace)-1]) {
		case "lost":
			w.srv.ServeHTTP(httptest.NewRecorder(), r)
			panic(http.ErrAbortHandler)
		case "busy":
			rw.WriteHeader(http.StatusServiceUnavailable)
			return
		case "failing":
			rw.WriteHeader(http.StatusInternalServerError)
			return
		}
	}
	w.srv.ServeHTTP(rw, r)
}

// describe tells of a request what matters, with short names for versions.
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
				line += " if " + o.ETag
			}
		}
	case "ListObjectVersions":
		line += fmt.Sprintf(" after %q", r.URL.Query().Get("key-marker"))
	default:
		line += " " + key
		if v := r.URL.Query().Get("versionId"); v != "" {
			line += "@" + v
		}
		if m := r.Header.Get("If-Match"); m != "" {
			line += " if " + m
		}
	}
	return line
}

// put writes a version and gives its id.
func (w *world) put(key, content string) string {
	return w.srv.Put("lab", key, []byte(content), mem.PutOptions{})
}

// actions plans to remove every version below prefix, as the mission would.
func (w *world) actions(prefix, versioning string) []cooper.Action {
	byKey := map[string][]cooper.Version{}
	var keys []string
	for _, v := range w.srv.Versions("lab") {
		if !strings.HasPrefix(v.Key, prefix) {
			continue
		}
		if byKey[v.Key] == nil {
			keys = append(keys, v.Key)
		}
		byKey[v.Key] = append(byKey[v.Key], v)
	}
	slices.Sort(keys)
	var all []cooper.Action
	for _, key := range keys {
		var going []cooper.Action
		sound := true
		for _, v := range byKey[key] {
			args := bucketop.Args{Last: v.Latest, Reason: "test"}
			if v.VersionID == cooper.NullVersion {
				args.Guard = bucketop.ByETag
				if versioning == "Enabled" {
					args.Guard = bucketop.ByLook
				} else if !v.Latest || v.DeleteMarker {
					sound = false
				}
			}
			a := cooper.Action{Verb: bucketop.Remove, Version: v, Args: args.Encode()}
			if v.Latest {
				going = append(going, a)
			} else {
				going = slices.Insert(going, 0, a)
			}
		}
		if sound {
			all = append(all, going...)
		}
	}
	for i := range all {
		all[i].ID = int64(i)
	}
	return all
}

const target = "s3://lab/p/"

func header() plan.Header {
	return plan.Header{ID: "p-1", Target: plan.Target{Kind: bucketop.TargetKind, Path: target}, Phases: []plan.Phase{{Name: "remove", Shards: 1}}}
}

func (w *world) target(dir, versioning string) *Target {
	return New(w.bucket, Options{
		Journal: journal.At(dir), Path: target, Prefix: "p/", Versioning: versioning, Planned: versioning, Jobs: 1,
		Clock: func() time.Time { return time.Unix(1e9, 0) },
	})
}

// commit carries out actions as one shard.
func (w *world) commit(ctx context.Context, tg *Target, actions []cooper.Action) ([]cooper.Outcome, error) {
	p := permit.Issue("r-1")
	h := header()
	for i := range actions {
		if actions[i].Args["guard"] == string(bucketop.ByETag) {
			h.Estimate.Requests = map[string]int64{bucketop.ClassProbe: 1}
		}
	}
	if err := tg.Begin(ctx, p, h); err != nil {
		return nil, err
	}
	outs := make([]cooper.Outcome, len(actions))
	for i := range outs {
		outs[i] = cooper.Outcome{Action: actions[i].ID, Verb: bucketop.Remove, Identity: actions[i].Version.Identity, Status: cooper.Done}
	}
	return tg.Commit(ctx, p, apply.Shard{Plan: h.ID, N: 0, Phase: "remove"}, slices.Clone(actions), outs)
}

// left lists what the bucket has, one version a line.
func (w *world) left() string {
	var b strings.Builder
	for _, v := range w.srv.Versions("lab") {
		kind := ""
		if v.DeleteMarker {
			kind = " marker"
		}
		if v.Latest {
			kind += " latest"
		}
		fmt.Fprintf(&b, "%s@%s%s\n", v.Key, v.VersionID, kind)
	}
	return b.String()
}
