package job

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"cooper"
	"cooper/internal/bucketop"
	"cooper/internal/codec"
	"cooper/internal/gc/detect"
	"cooper/internal/store"
	"cooper/internal/store/mem"
)

// bothHandles are the keys of handles, by id from 1; the odd ones have a link.
var bothHandles = []string{
	"o/here/1", "o/here/2", "o/kept/1", "o/kept/2", "o/place/1", "o/place/2", "o/else/1", "o/else/2", "o/half/1", "o/half/2",
	"o/person/1", "o/person/2", "o/own/1.zst", "o/own/2.zst", "o/two/1", "o/two/1.zst", "o/two/2", "o/two/2.zst", "o/gone/1", "o/gone/2",
}

// both is one bucket in which objects are compressed and garbage is looked for.
type both struct {
	*world
	interrupt atomic.Pointer[context.CancelFunc] // a run, when it removes
	shown     map[string]int64                   // the objects of the last snapshot, and their sizes; nil: there is none
	scanned   bool
	settled   bool             // a scan was made after the last snapshot
	sizes     map[string]int64 // of the handles
}

func newBoth(t *testing.T, versioning string) *both {
	t.Helper()
	b := &both{world: newWorld(t), sizes: map[string]int64{}}
	b.at = time.Now().Add(-100 * 24 * time.Hour) // of the store: what it is given is old enough
	b.Clock = time.Now
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if cancel := b.interrupt.Load(); cancel != nil && strings.HasPrefix(mem.Operation(r), "DeleteObject") && b.has("o/half/1.zst") && b.has("o/half/2.zst") {
			(*cancel)()
			panic(http.ErrAbortHandler)
		}
		b.store.ServeHTTP(rw, r)
	}))
	t.Cleanup(server.Close)
	b.Stores = &S3{Endpoint: server.URL}
	b.store.CreateBucket("lab", versioning)
	statements := []string{"CREATE TABLE files (id INTEGER PRIMARY KEY, key TEXT NOT NULL, size BIGINT NOT NULL, at DATETIME NOT NULL)", "CREATE TABLE posts (id INTEGER PRIMARY KEY, file_id REFERENCES files)"}
	for i, key := range bothHandles {
		body := slices.Repeat([]byte(key+" is one line of many\n"), 100)
		if strings.HasPrefix(key, "o/own/") {
			var err error
			body, err = codec.Chain{Compress: codec.Compression{Method: codec.Zstd, Level: 3}}.Append(nil, body, codec.EncodeOptions{})
			b.ok(err)
		}
		if b.sizes[key] = int64(len(body)); !strings.HasPrefix(key, "o/gone/") {
			b.store.Put("lab", key, body, mem.PutOptions{})
		}
		statements = append(statements, fmt.Sprintf("INSERT INTO files VALUES (%d, '%s', %d, '2020-01-01 00:00:00')", i+1, key, len(body)))
		if i%2 == 0 {
			statements = append(statements, fmt.Sprintf("INSERT INTO posts VALUES (%d, %[1]d)", i+1))
		}
	}
	for _, key := range []string{"o/stranger", "o/nobody.zst", "o/.cooper-probe-r-1", ".cooper/lease"} {
		b.store.Put("lab", key, []byte(key), mem.PutOptions{})
	}
	b.sqlite(statements...)
	b.declare("version: 1\ndatabase: sqlite:lab.db\nbuckets: [lab]\nhandles: {table: files, id: id, bucket: =lab, key: key, size: size, modified: at}\nassociations:\n  posts: {table: posts, object: id, handle: file_id}\ndetect: {scans: 1, apart: 0s, settle: 0h}\n")
	return b
}

// has tells whether the bucket shows an object.
func (b *both) has(key string) bool {
	return slices.ContainsFunc(b.store.Versions("lab"), func(v cooper.Version) bool { return v.Key == key && v.Latest && !v.DeleteMarker })
}

// packs compresses what is below a folder, with the facts of a workspace.
func (b *both) packs(workspace, folder string, mode bucketop.Mode, originals bucketop.Originals) {
	b.t.Helper()
	e := *b.Env
	e.Workspace = b.path(workspace)
	c := b.compress()
	c.Prefix, c.Policy.Prefix = "o/"+folder+"/", "o/"+folder+"/"
	c.Policy.Rewriting.Mode, c.Policy.Rewriting.Originals = mode, originals
	_, err := c.Run(b.t.Context(), &e)
	b.ok(err)
}

// steps are what is done, in every order.
var steps = map[string]func(*both){
	"compress": func(b *both) {
		b.packs("ws", "here", bucketop.Suffix, bucketop.RemoveOriginals)
		b.packs("ws", "kept", bucketop.Suffix, bucketop.KeepOriginals)
		b.packs("ws", "place", bucketop.InPlace, bucketop.RemoveOriginals)
		b.packs("ws", "own", bucketop.Suffix, bucketop.RemoveOriginals)
	},
	// Facts about this are not at hand; and one run is stopped between what it writes and what it removes.
	"compress elsewhere": func(b *both) {
		b.packs("other", "else", bucketop.Suffix, bucketop.RemoveOriginals)
		ctx, cancel := context.WithCancel(b.t.Context())
		defer cancel()
		b.interrupt.Store(&cancel)
		e := *b.Env
		e.Workspace = b.path("other")
		c := b.compress()
		c.Prefix, c.Policy.Prefix = "o/half/", "o/half/"
		if _, err := c.Run(ctx, &e); err == nil || ctx.Err() == nil {
			b.t.Fatalf("it was not stopped: %v", err)
		}
		b.interrupt.Store(nil)
		if !b.has("o/half/1") || !b.has("o/half/2") {
			b.t.Fatal("originals are gone")
		}
		for _, key := range []string{"o/person/1", "o/person/2"} {
			b.store.Put("lab", key+".zst", []byte("by hand"), mem.PutOptions{})
			b.store.Delete("lab", key)
		}
	},
	"snapshot": func(b *both) {
		snapshotOf(b.t, b.world, "lab")
		b.shown, b.settled = map[string]int64{}, false
		for _, v := range b.store.Versions("lab") {
			if v.Latest && !v.DeleteMarker {
				b.shown[v.Key] = v.Size
			}
		}
	},
	"scan": func(b *both) {
		_, err := b.scan(false).Run(b.t.Context(), b.Env)
		b.ok(err)
		b.scanned, b.settled = true, b.shown != nil
	},
}

// looks detects, and holds what is found against what was done.
func (b *both) looks() {
	b.t.Helper()
	if !b.scanned {
		return
	}
	d := b.detect()
	d.PlanOnly = true
	_, err := d.Run(b.t.Context(), b.Env)
	if err != nil && cooper.KindOf(err) != cooper.KindRefused { // as objects are missing
		b.t.Fatal(err)
	}
	var want []string
	add := func(format string, args ...any) { want = append(want, fmt.Sprintf(format, args...)) }
	for i, key := range bothHandles {
		size, there := b.shown[key]
		beside, packed := b.shown[key+".zst"]
		switch {
		case b.shown != nil && !there && !packed:
			add("missing %d %s", i+1, key)
			size = b.sizes[key]
		case b.shown == nil:
			size = b.sizes[key]
		case !there:
			size = beside
		}
		if i%2 == 1 {
			add("candidate %d %d", i+1, size)
		}
	}
	for key, size := range b.shown {
		switch {
		case !b.settled: // it is unknown
		case slices.Contains(bothHandles, key):
		case strings.Contains(key, ".cooper"):
			add("kept %s %s", key, detect.Ours)
		case strings.HasPrefix(key, "o/person/"):
			add("kept %s %s", key, detect.MadeOf)
		case key == "o/stranger" || key == "o/nobody.zst":
			add("unindexed %s %d", key, size)
		}
	}
	slices.Sort(want)
	b.same("found", b.rows(`WITH last AS (SELECT max(detection) AS detection FROM gc_detection)
		SELECT x FROM (SELECT detection, concat_ws(' ', 'missing', id, key) AS x FROM gc_missing UNION ALL SELECT detection, concat_ws(' ', 'candidate', id, size) FROM gc_candidate
		UNION ALL SELECT detection, concat_ws(' ', 'unindexed', key, size) FROM gc_unindexed UNION ALL SELECT detection, concat_ws(' ', 'kept', key, reason) FROM gc_unindexed_kept) JOIN last USING (detection) ORDER BY x`), want...)
}

// orders are all orders of some.
func orders(of []string) (all [][]string) {
	if len(of) < 2 {
		return [][]string{slices.Clone(of)}
	}
	for i := range of {
		for _, rest := range orders(slices.Concat(of[:i], of[i+1:])) {
			all = append(all, append([]string{of[i]}, rest...))
		}
	}
	return all
}

// TestCompressAndGarbage: one bucket is compressed and looked at for garbage, in every order; a run that is no soak tries
// one in eight of them, others each time.
func TestCompressAndGarbage(t *testing.T) {
	first, every := rand.IntN(8), 8
	if os.Getenv("COOPER_SOAK") != "" {
		first, every = 0, 1
	}
	t.Logf("every %dth order from the %dth on", every, first)
	for i, order := range orders([]string{"compress", "compress elsewhere", "scan", "snapshot"}) {
		if i%every != first {
			continue
		}
		versioning := []string{"", "Enabled"}[i/every%2]
		t.Run(strings.Join(order, ", ")+" "+versioning, func(t *testing.T) {
			b := newBoth(t, versioning)
			for n, step := range slices.Concat(order, []string{"snapshot", "scan"}) {
				if steps[step](b); n < 2 {
					continue
				}
				if b.looks(); t.Failed() {
					t.Fatalf("after %s", step)
				}
			}
		})
	}
}

// silentStores do not tell about objects.
type silentStores struct {
	Stores
	err  error
	asks atomic.Int64
}

type silentBucket struct {
	Bucket
	of *silentStores
}

func (s *silentStores) Open(ctx context.Context, e *Env, bucket string, n int) (Bucket, error) {
	b, err := s.Stores.Open(ctx, e, bucket, n)
	return silentBucket{b, s}, err
}

func (b silentBucket) Head(ctx context.Context, ref store.Ref, _ int) (store.Object, error) {
	b.of.asks.Add(1)
	if b.of.err != nil {
		return store.Object{}, b.of.err
	}
	<-ctx.Done()
	return store.Object{}, ctx.Err()
}

// TestStoreNotAtHand: where a store does not answer, or refuses, it is told, and asked no more; names tell.
func TestStoreNotAtHand(t *testing.T) {
	objects := []detect.Object{{Key: "a.zst"}, {Key: "b.zst"}}
	for name, fault := range map[string]error{"refuses": &cooper.Error{Kind: cooper.KindDenied}, "is down": &cooper.Error{Kind: cooper.KindStore}, "hangs": nil} {
		t.Run(name, func(t *testing.T) {
			w := emptyLab(t, "")
			s := &silentStores{Stores: w.Stores, err: fault}
			w.Stores = s
			o := (&work{Env: w.Env}).origins()
			if fault == nil {
				o.deadline = time.Millisecond
			}
			for range 2 {
				answers, err := o.made(t.Context(), "lab", objects)
				if w.ok(err); len(answers) != 2 || answers[0] || answers[1] {
					t.Errorf("%v", answers)
				}
			}
			if n := s.asks.Load(); n > 2 || !w.heard("their names tell") || len(w.told) != 1 {
				t.Errorf("asked %d times, and told %v", n, w.told)
			}
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if _, err := (&work{Env: w.Env}).origins().made(ctx, "lab", objects); err == nil {
				t.Error("a run that is stopped goes on")
			}
		})
	}
}

// TestMadeBeside: what is noted with an object tells whether Cooper made it of the one beside it.
func TestMadeBeside(t *testing.T) {
	note := map[string]string{"cooper-origin": "1;plain=20;etag=5d41;size=20;codec=zstd%3A3"}
	for name, c := range map[string]struct {
		at   store.Object
		want bool
	}{
		"noted":      {store.Object{Metadata: note}, true},
		"nothing":    {store.Object{}, false},
		"in place":   {store.Object{Metadata: note, Headers: store.Headers{ContentEncoding: "zstd"}}, false},
		"another's":  {store.Object{Metadata: map[string]string{"cooper-origin": "yes"}}, false},
		"other name": {store.Object{Metadata: map[string]string{"origin": note["cooper-origin"]}}, false},
	} {
		if got := madeBeside(&c.at); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}
