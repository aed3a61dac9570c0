package s3

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"

	"math/rand/v2"
	"net"
	"net/http"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"cooper"
	"cooper/internal/apply"
	"cooper/internal/bucketop"
	"cooper/internal/codec"
	"cooper/internal/inventory"
	"cooper/internal/journal"
	"cooper/internal/ledger"
	"cooper/internal/plan"
	"cooper/internal/store/mem"
	"cooper/internal/tree"
	"cooper/internal/tree/catalog"
	"cooper/internal/tree/safefs/memfs"
	"cooper/internal/treeop"
	"cooper/internal/verb/copyout"
	"cooper/internal/verb/fetch"
	"cooper/internal/verb/measure"
	"cooper/internal/verb/remove"
	"cooper/internal/verb/replace"
	"cooper/internal/verb/rewrite"
	"cooper/internal/verb/shelve"
	"cooper/internal/verb/verify"
)

// pipes is a listener without a network: what waits for it waits for nothing else,
// and so a test in a bubble sees that all wait for each other.
type pipes struct {
	calls  chan net.Conn
	closed chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.calls:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { close(p.closed); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case p.calls <- theirs:
		return ours, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// lab is a bucket of large objects, and whoever works on it.
type lab struct {
	t    *testing.T
	srv  *mem.Server
	b    *Bucket
	jobs int
	runs int
}

const largeObject = 23 << 20 // becomes one of two parts

// newLab opens the bucket with as many places for requests as there are jobs.
func newLab(t *testing.T, jobs int) *lab {
	l := &lab{t: t, srv: mem.New(mem.Options{Clock: time.Now}), jobs: jobs}
	l.srv.CreateBucket(testBucket, "Enabled")
	p := &pipes{calls: make(chan net.Conn), closed: make(chan struct{})}
	web := &http.Server{Handler: l.srv, ReadHeaderTimeout: time.Hour}
	go web.Serve(p) // until it is closed
	b, err := Open(t.Context(), testBucket, Config{Endpoint: "http://pipe", Concurrency: jobs, Anonymous: true,
		transport: func(tr *http.Transport) { tr.DialContext = p.dial }})
	if err != nil {
		t.Fatal(err)
	}
	l.b = b
	t.Cleanup(func() { _ = b.Close(); _ = web.Close() })
	return l
}

// text gives n bytes that shrink by a quarter.
func text(seed byte, n int) []byte {
	raw := make([]byte, n)
	rand.NewChaCha8([32]byte{seed}).Read(raw)
	b := base64.StdEncoding.AppendEncode(nil, raw)
	copy(b, "time,x,y,z\n")
	return b[:n]
}

// fill stores one object more than are worked on at once, and lists them.
func (l *lab) fill(suffix string, body func(i int) []byte) {
	for i := range l.jobs + 1 {
		l.srv.Put(testBucket, fmt.Sprintf("p/%d.csv%s", i, suffix), body(i), mem.PutOptions{})
	}
}

// onePlan is a plan of one phase in memory, with a shard for each key.
type onePlan struct {
	header plan.Header
	shards [][]cooper.Action
}

func (p *onePlan) Header() plan.Header          { return p.header }
func (p *onePlan) Verify(context.Context) error { return nil }
func (p *onePlan) Shard(_ context.Context, n int) ([]cooper.Action, error) {
	return slices.Clone(p.shards[n]), nil
}

// nowhere is a ledger that keeps nothing.
type nowhere struct{}

func (nowhere) WriteOutcomes(context.Context, string, int, string, string, []cooper.Outcome) error {
	return nil
}
func (nowhere) WriteRun(context.Context, ledger.RunFact) error { return nil }

// all carries out a verb on all versions that are there: each must be done.
func (l *lab) all(ctx context.Context, target apply.Target, at plan.Target, verbs map[string]apply.Verb, action func(v cooper.Version) cooper.Action) {
	l.t.Helper()
	l.runs++
	id := fmt.Sprint("p-", l.runs)
	p := &onePlan{header: plan.Header{ID: id, Target: at, Totals: map[string]plan.Tally{},
		Snapshot: &inventory.Meta{ID: "s-" + id, Bucket: testBucket, TakenAt: cooper.InstantOf(time.Now()), Complete: true}}}
	key := ""
	for i, v := range l.srv.Versions(testBucket) {
		a := action(v)
		a.ID, a.Version = int64(i), v
		p.header.Totals[a.Verb] = p.header.Totals[a.Verb].Add(v.Size)
		if v.Key != key {
			key, p.shards = v.Key, append(p.shards, nil)
		}
		last := &p.shards[len(p.shards)-1]
		*last = append(*last, a)
	}
	p.header.Phases = []plan.Phase{{Name: "all", Shards: len(p.shards)}}
	sum, err := apply.Run(ctx, apply.Job{Run: fmt.Sprint("r-", l.runs), Plan: p, Verbs: verbs, Target: target, Facts: nowhere{}, Workers: l.jobs, Clock: time.Now})
	if err != nil || len(sum.Failures) > 0 {
		l.t.Errorf("%v, %+v", err, sum)
	}
}

func (l *lab) path() plan.Target {
	return plan.Target{Kind: bucketop.TargetKind, Path: "s3://" + testBucket + "/p/"}
}

var zstd1 = codec.Chain{Compress: codec.Compression{Method: codec.Zstd, Level: 1}}

func (l *lab) compress(mode bucketop.Mode) {
	l.fill("", func(i int) []byte { return text(byte(i), largeObject) })
	rw := bucketop.Rewriting{Codec: zstd1, Mode: mode, Originals: bucketop.RemoveOriginals, SSE: bucketop.SSEDefault, Proof: bucketop.ReadBack, Versioning: "Enabled"}
	tg := replace.New(l.b, replace.Options{Journal: journal.In(memfs.New()), Path: l.path().Path, Prefix: "p/", Rewriting: rw, Versioning: "Enabled", Jobs: l.jobs, Clock: time.Now})
	verb := rewrite.New(l.b, rewrite.Options{Rewriting: rw, Clock: time.Now, Uploads: tg.NoteUpload, Parts: tg.SeeParts})
	l.all(l.t.Context(), tg, l.path(), map[string]apply.Verb{bucketop.Rewrite: verb}, func(cooper.Version) cooper.Action {
		return cooper.Action{Verb: bucketop.Rewrite, Args: bucketop.RewriteArgs{Reason: "test"}.Encode()}
	})
}

func (l *lab) measure(try ...codec.Compression) {
	ro := replace.NewReadOnly(replace.ReadOnlyOptions{Journal: journal.In(memfs.New()), Path: l.path().Path})
	l.all(l.t.Context(), ro, l.path(), map[string]apply.Verb{bucketop.Measure: measure.New(l.b, measure.Options{Clock: time.Now})}, func(cooper.Version) cooper.Action {
		return cooper.Action{Verb: bucketop.Measure, Args: bucketop.MeasureArgs{Reason: "test", Try: try}.Encode()}
	})
}

func (l *lab) remove() {
	tg := remove.New(l.b, remove.Options{Journal: journal.In(memfs.New()), Path: l.path().Path, Prefix: "p/", Versioning: "Enabled", Planned: "Enabled", Jobs: l.jobs, Clock: time.Now})
	l.all(l.t.Context(), tg, l.path(), map[string]apply.Verb{bucketop.Remove: nil}, func(v cooper.Version) cooper.Action {
		return cooper.Action{Verb: bucketop.Remove, Args: bucketop.Args{Reason: "test", Last: v.Latest}.Encode()}
	})
}

// backup brings the bucket into a tree, verifies that, and copies it back.
func (l *lab) backup(dir string) {
	tr, err := tree.Open(filepath.Join(dir, "tree"), tree.Options{Create: true, Clock: time.Now})
	if err != nil {
		l.t.Fatal(err)
	}
	ctx, unlock, err := tr.Lock(l.t.Context(), tree.Holder{Run: "r-0"})
	if err != nil {
		l.t.Fatal(err)
	}
	defer func() {
		if err := errors.Join(unlock(), tr.Close()); err != nil {
			l.t.Error(err)
		}
	}()
	at := plan.Target{Kind: shelve.Kind, Path: tr.Dir()}
	here := func() plan.Target { at.Generation = tr.State().Generation; return at }
	now := cooper.InstantOf(time.Now())
	// What arrived is read again where nothing vouches for it.
	l.all(ctx, shelve.New(tr), here(), map[string]apply.Verb{treeop.Fetch: fetch.New(l.b, fetch.Into(tr.Staging()), fetch.Options{})}, func(cooper.Version) cooper.Action {
		return cooper.Action{Verb: treeop.Fetch, Args: treeop.Args{To: catalog.Mirror, At: now, Show: treeop.On, Reason: "new"}.Encode()}
	})
	var rows []catalog.Row
	for _, v := range l.srv.Versions(testBucket) {
		found, err := tr.Catalog().Lookup(ctx, v.Key)
		if err != nil {
			l.t.Fatal(err)
		}
		rows = append(rows, found...)
	}
	was := func(v cooper.Version) *treeop.Facts {
		i := slices.IndexFunc(rows, func(r catalog.Row) bool { return r.Key == v.Key })
		return treeop.FactsOf(&rows[i], &v)
	}
	l.all(ctx, shelve.New(tr), here(), map[string]apply.Verb{treeop.Verify: verify.New(tr, func(int64) {})}, func(v cooper.Version) cooper.Action {
		return cooper.Action{Verb: treeop.Verify, Args: treeop.Args{To: catalog.Mirror, Was: was(v)}.Encode()}
	})
	l.b.partSize = 5 << 20 // several parts at once
	back := copyout.ToBucket(tr, l.b, l.b, "back/")
	l.all(ctx, back, plan.Target{Kind: bucketop.TargetKind, Path: "s3://" + testBucket + "/back/"}, map[string]apply.Verb{treeop.CopyOut: back}, func(v cooper.Version) cooper.Action {
		return cooper.Action{Verb: treeop.CopyOut, Args: treeop.Args{Was: was(v)}.Encode()}
	})
}

// emptyPools lets no decoder go from one bubble to another: it has channels. What is
// in a sync.Pool survives one collection.
func emptyPools() {
	runtime.GC()
	runtime.GC()
}

// TestNobodyWaitsForHimself runs every verb that sends requests, on large objects,
// with as many places for requests as objects are worked on at once. A body that
// held a place, or a request that is sent within another, would end as a deadlock of
// all: the clock of the bubble does not move while anything does.
func TestNobodyWaitsForHimself(t *testing.T) {
	if testing.Short() {
		t.Skip("some seconds")
	}
	small := text(1, 100)
	stored, err := zstd1.Append(nil, small, codec.EncodeOptions{})
	if err == nil { // the decoder that all share is made outside of the bubbles
		_, err = zstd1.ProveSame(stored, small, nil, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, jobs := range []int{1, 2} {
		for _, c := range []struct {
			name string
			do   func(l *lab, dir string)
		}{
			{"compress", func(l *lab, _ string) { l.compress(bucketop.Suffix) }},
			{"compress in place, remove", func(l *lab, _ string) { l.compress(bucketop.InPlace); l.remove() }},
			{"measure", func(l *lab, _ string) {
				l.fill("", func(i int) []byte { return text(byte(i), largeObject) })
				l.measure(zstd1.Compress)
			}},
			{"measure what is compressed", func(l *lab, _ string) {
				l.fill(".zst", func(i int) []byte {
					b, err := zstd1.Append(nil, text(byte(i), largeObject), codec.EncodeOptions{})
					if err != nil {
						l.t.Fatal(err)
					}
					return b
				})
				l.measure()
			}},
			{"fetch, shelve, verify, copyout", func(l *lab, dir string) {
				l.fill("", func(i int) []byte { return text(byte(i), largeObject) })
				l.backup(dir)
			}},
		} {
			t.Run(fmt.Sprintf("%s by %d", c.name, jobs), func(t *testing.T) {
				dir := t.TempDir()
				emptyPools()
				defer emptyPools()
				synctest.Test(t, func(t *testing.T) { c.do(newLab(t, jobs), dir) })
			})
		}
	}
}
