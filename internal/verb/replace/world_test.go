package replace

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"cooper"
	"cooper/internal/apply"
	"cooper/internal/bucketop"
	"cooper/internal/bucketop/bucketoptest"
	"cooper/internal/plan"
	"cooper/internal/store"
	"cooper/internal/store/mem"
	"cooper/internal/verb/rewrite"
	"cooper/internal/verb/verbtest"
)

func TestMain(m *testing.M) { verbtest.Main(m) }

const (
	target = "s3://lab/p/"
	suffix = ".zst"
)

// world is one in which a bucket is compressed.
type world struct {
	*verbtest.World
	t          testing.TB
	rw         bucketop.Rewriting
	versioning string
	store      cooper.Store
	size       int                         // of shards, in actions; 2 if 0
	workers    int                         // and jobs; 1 if 0
	swap       func(realBucket) realBucket // another store in its place; nil: none
}

func newWorld(t testing.TB, versioning string, rw bucketop.Rewriting, o mem.Options) *world {
	t.Helper()
	rw.Codec, rw.Versioning, rw.SSE, rw.Proof = chain, versioning, bucketop.SSEDefault, bucketop.AsSent
	if rw.Originals == "" {
		rw.Originals = bucketop.RemoveOriginals
	}
	return &world{World: verbtest.New(t, versioning, o), t: t, rw: rw, versioning: versioning}
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
	return w.Server.Put("lab", key, []byte(filled(content)), mem.PutOptions{})
}

// current gives the plain content that a reader gets of a key.
func (w *world) current(key string) (string, bool) {
	b, ok := w.Server.Body("lab", key, "")
	return plainOf(b), ok
}

// plan chooses as the mission would.
func (w *world) plan() []cooper.Action {
	versions := w.Server.Versions("lab")
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
		body, _ := w.Server.Body("lab", v.Key, v.VersionID)
		switch {
		case !strings.HasPrefix(v.Key, "p/"), !v.Latest, v.DeleteMarker, strings.HasSuffix(v.Key, suffix), strings.Contains(v.Key, ".cooper-probe"),
			inPlace && isCompressed(body), inPlace && nulls[v.Key] > 0,
			!inPlace && w.rw.Originals == bucketop.RemoveOriginals && count[v.Key] > 1:
			continue
		}
		args := bucketop.RewriteArgs{Reason: "test"}
		if v.VersionID == cooper.NullVersion && (w.rw.Originals == bucketop.RemoveOriginals || inPlace && w.versioning != enabled) {
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
	b, done := w.Begin()
	if w.swap != nil {
		return w.swap(b), done
	}
	return b, done
}

// target is a new process's.
func (w *world) target(b Bucket) *Target {
	return New(b, Options{
		Journal: w.Files(), Path: target, Prefix: "p/", Rewriting: w.rw, Versioning: w.versioning, Jobs: max(w.workers, 1), Store: w.store, PlannedStore: w.store,
		Clock: verbtest.Clock,
	})
}

// planOf makes a plan of actions.
func (w *world) planOf(actions []cooper.Action) *bucketoptest.Plan {
	w.t.Helper()
	p := &bucketoptest.Plan{Size: max(w.size, 2)}
	err := p.Phase(bucketop.Rewrite)
	for _, a := range actions {
		err = errors.Join(err, p.Add(a, true))
	}
	w.Runs++
	_, err2 := p.Finish(plan.Header{ID: fmt.Sprint("p-", w.Runs), Mission: "compress", Target: plan.Target{Kind: bucketop.TargetKind, Path: target}})
	if err := errors.Join(err, err2); err != nil {
		w.t.Fatal(err)
	}
	return p
}

// run applies a plan, as one process.
func (w *world) run(ctx context.Context, p *bucketoptest.Plan) (apply.Summary, error) {
	b, done := w.open()
	defer done()
	tg := w.target(b)
	return w.Run(ctx, p, tg, map[string]apply.Verb{bucketop.Rewrite: w.verb(b, tg)}, max(w.workers, 1))
}

// must applies a plan that must come to its end.
func (w *world) must(p *bucketoptest.Plan) []cooper.Outcome {
	w.t.Helper()
	if _, err := w.run(context.Background(), p); err != nil {
		w.t.Fatal(err)
	}
	return w.Outcomes(p)
}

// left lists what the bucket has, one version a line.
func (w *world) left() string {
	return w.Left(func(body []byte) string {
		s := fmt.Sprintf("%q", plainOf(body))
		if isCompressed(body) {
			s += " compressed"
		}
		return s
	})
}
