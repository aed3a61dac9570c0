package abort

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"cooper"
	"cooper/internal/apply"
	"cooper/internal/bucketop"
	"cooper/internal/journal"
	"cooper/internal/permit"
	"cooper/internal/plan"
	"cooper/internal/store"
	"cooper/internal/store/mem"
	"cooper/internal/store/s3"
	"cooper/internal/verb/verbtest"
)

func TestMain(m *testing.M) { verbtest.Main(m) }

// long is when old uploads were begun.
var long = time.Date(2025, 6, 1, 0, 0, 0, 0, time.UTC)

// world is one with the bucket opened.
type world struct {
	*verbtest.World
	t      testing.TB
	bucket *clocked
}

// clocked is a bucket whose store tells the time as its server has it.
type clocked struct {
	*s3.Bucket
	w     *world
	ahead time.Duration
	mute  bool
	// Others are what a store does instead; nil: what it should.
	uploads  func(ctx context.Context, page func([]store.Upload) error) error
	abort    func(u store.Upload) error
	uploaded func(u store.Upload) (store.Uploaded, error)
}

func (c *clocked) Date() (time.Time, time.Duration, bool) { return c.w.Now(), c.ahead, !c.mute }

func (c *clocked) Uploads(ctx context.Context, prefix string, page func([]store.Upload) error) error {
	if prefix != "" {
		c.w.t.Errorf("asked for the uploads below %q alone", prefix)
	}
	if c.uploads != nil {
		return c.uploads(ctx, page)
	}
	return c.Bucket.Uploads(ctx, prefix, page)
}

func (c *clocked) AbortUpload(ctx context.Context, p permit.Permit, u store.Upload) error {
	if c.abort != nil {
		return c.abort(u)
	}
	return c.Bucket.AbortUpload(ctx, p, u)
}

func (c *clocked) Uploaded(ctx context.Context, u store.Upload) (store.Uploaded, error) {
	if c.uploaded != nil {
		return c.uploaded(u)
	}
	return c.Bucket.Uploaded(ctx, u)
}

func newWorld(t testing.TB, o mem.Options) *world {
	t.Helper()
	o.MinPartSize = 1
	w := &world{World: verbtest.New(t, "", o), t: t}
	b, done := w.Begin()
	t.Cleanup(done)
	w.bucket = &clocked{Bucket: b, w: w}
	return w
}

// begin leaves an upload unfinished.
func (w *world) begin(key string, at time.Time, parts ...string) store.Upload {
	bodies := make([][]byte, len(parts))
	for i := range parts {
		bodies[i] = []byte(parts[i])
	}
	return store.Upload{Key: key, UploadID: w.Server.BeginUpload("lab", key, mem.PutOptions{LastModified: at}, bodies...)}
}

// send asks the server, past everything that is written down.
func (w *world) send(method, key, query, body string) int {
	r := httptest.NewRequest(method, "/lab/"+url.PathEscape(key)+"?"+query, strings.NewReader(body))
	r.Header.Set("Content-Length", fmt.Sprint(len(body)))
	rec := httptest.NewRecorder()
	w.Server.ServeHTTP(rec, r)
	return rec.Code
}

// part sends a part of an upload now.
func (w *world) part(u store.Upload, n int, body string) {
	if code := w.send(http.MethodPut, u.Key, fmt.Sprintf("partNumber=%d&uploadId=%s", n, url.QueryEscape(u.UploadID)), body); code != http.StatusOK {
		w.t.Fatalf("a part was answered %d", code)
	}
}

// there lists the uploads that the server has, by key and id.
func (w *world) there() map[name]bool {
	w.t.Helper()
	all := map[name]bool{}
	b := verbtest.Open(w.t, verbtest.Serve(w.t, w.Server))
	if err := b.Uploads(context.Background(), "", func(page []store.Upload) error {
		for _, u := range page {
			all[name{u.Key, u.UploadID}] = true
		}
		return nil
	}); err != nil {
		w.t.Fatal(err)
	}
	return all
}

// actions plans to abort what is unfinished below p/, as the mission would if all were
// old.
func (w *world) actions() []cooper.Action {
	w.t.Helper()
	var all []cooper.Action
	b := verbtest.Open(w.t, verbtest.Serve(w.t, w.Server))
	if err := b.Uploads(context.Background(), "", func(page []store.Upload) error {
		for _, u := range page {
			if !strings.HasPrefix(u.Key, "p/") {
				continue
			}
			is, err := b.Uploaded(context.Background(), u)
			if err != nil {
				return err
			}
			all = append(all, cooper.Action{ID: int64(len(all)), Verb: bucketop.Abort, Args: bucketop.AbortArgs{Parts: is.Parts}.Encode(),
				Version: cooper.Version{Identity: cooper.Identity{Key: u.Key, VersionID: u.UploadID, Size: is.Bytes, LastModified: u.Initiated}}})
		}
		return nil
	}); err != nil {
		w.t.Fatal(err)
	}
	return all
}

const target = "s3://lab/p/"

func header() plan.Header {
	return plan.Header{ID: "p-1", Target: plan.Target{Kind: bucketop.TargetKind, Path: target}, Phases: []plan.Phase{{Name: bucketop.Abort, Shards: 1}}}
}

func (w *world) target(dir string) *Target {
	return New(w.bucket, Options{
		Journal: journal.At(dir), Path: target, Prefix: "p/", OlderThan: 30 * 24 * time.Hour, Jobs: 1, Clock: verbtest.Clock,
		Store: cooper.Store{Endpoint: w.URL}, Protect: bucketop.Protection{"p/keep/"},
	})
}

// commit carries out actions as one shard.
func (w *world) commit(ctx context.Context, tg *Target, actions []cooper.Action) ([]cooper.Outcome, error) {
	p, h := permit.Issue("r-1"), header()
	if err := tg.Begin(ctx, p, h); err != nil {
		return nil, err
	}
	outs := make([]cooper.Outcome, len(actions))
	for i := range outs {
		outs[i] = cooper.Outcome{Action: actions[i].ID, Verb: bucketop.Abort, Identity: actions[i].Version.Identity, Status: cooper.Done}
	}
	return tg.Commit(ctx, p, apply.Shard{Plan: h.ID, Phase: bucketop.Abort}, slices.Clone(actions), outs)
}
