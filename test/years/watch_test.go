package years

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"time"

	"cooper"
	"cooper/internal/store/mem"
)

// watch stands between Cooper and the store, and at its clock: it counts, and lets things happen in the midst of a run.
type watch struct {
	w  *world
	mu sync.Mutex
	// requests and looks are those of a run so far.
	requests, looks int
	at              int
	before, byClock bool
	do              func()
	dead            bool    // who asks was killed
	recall          []int64 // the files of which a run brings some back
	thawing         map[cooper.Identity]bool
}

// hook has f happen once, at a request or a look at the clock.
func (w *world) hook(at int, byClock bool, f func()) {
	w.watch.mu.Lock()
	defer w.watch.mu.Unlock()
	w.watch.requests, w.watch.looks, w.watch.at, w.watch.byClock, w.watch.before, w.watch.do = 0, 0, at, byClock, true, f
}

func (w *world) unhook() {
	w.watch.mu.Lock()
	defer w.watch.mu.Unlock()
	w.watch.do, w.watch.dead = nil, false
}

// kill has f kill who asks, before or after a request.
func (x *watch) kill(at int, before bool, f func()) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.requests, x.at, x.byClock, x.before = 0, at, false, before
	x.do = func() {
		f()
		x.dead = true
	}
}

// happens lets happen what is to.
func (x *watch) happens(byClock, before bool) (dead bool) {
	n := &x.requests
	if byClock {
		n = &x.looks
	}
	if before {
		*n++
	}
	if x.do != nil && x.byClock == byClock && x.before == before && *n == x.at {
		f := x.do
		x.do = nil
		f()
	}
	return x.dead
}

func (x *watch) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.happens(false, true) {
		panic(http.ErrAbortHandler)
	}
	op := mem.Operation(r)
	bucket, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	had := false
	if bucket == depot {
		_, had = x.w.store.Body(depot, key, "")
	}
	x.w.store.ServeHTTP(rw, r)
	switch {
	case op == "RestoreObject":
		x.thawing[cooper.Identity{Key: key, VersionID: r.URL.Query().Get("versionId")}] = true
	case op == "CopyObject" && bucket == depot && !had && x.w.kind.archive == "" && x.w.with("lies") && !x.w.calm && by(x.w.seed, "lies", x.w.day, key).IntN(15) == 0:
		x.w.lies(key)
	case bucket == lab && strings.HasPrefix(op, "Delete"):
		x.w.check("after " + op)
	case len(x.recall) > 0:
		x.w.check("while files come back, after "+op, x.recall...)
	}
	if x.happens(false, false) {
		panic(http.ErrAbortHandler)
	}
}

// lies has the store keep other bytes than those that it was to copy, under the metadata of the copy.
func (w *world) lies(key string) {
	for _, v := range w.store.Versions(depot) {
		if v.Key == key && v.Latest {
			body, _ := w.store.Body(depot, key, v.VersionID)
			w.store.Put(depot, key, append([]byte{^body[0]}, body[1:]...), mem.PutOptions{Class: v.StorageClass, Metadata: w.metadata(key)})
			w.again[strings.TrimPrefix(key, lab+"/")] = true
			w.again[strings.TrimSuffix(strings.TrimPrefix(key, lab+"/"), ".zst")] = true
			w.say("the store keeps something else than a copy of %s", key)
		}
	}
}

// metadata is that of an object of the archive.
func (w *world) metadata(key string) map[string]string {
	rec := httptest.NewRecorder()
	w.store.ServeHTTP(rec, httptest.NewRequest(http.MethodHead, "/"+depot+"/"+key, nil))
	all := map[string]string{}
	for name, values := range rec.Header() {
		if of, ok := strings.CutPrefix(name, "X-Amz-Meta-"); ok {
			all[strings.ToLower(of)] = values[0]
		}
	}
	return all
}

// tick is the time by our clock, which goes on.
func (w *world) tick() time.Time {
	w.clockMu.Lock()
	defer w.clockMu.Unlock()
	w.at = w.at.Add(time.Second)
	return w.at.Add(w.ours)
}

// clock is ours, as Cooper asks for it.
func (w *world) clock() time.Time {
	if w.watch.mu.TryLock() { // not while a request is answered
		w.watch.happens(true, true)
		if len(w.watch.recall) > 0 {
			w.check("while files come back", w.watch.recall...)
		}
		w.watch.mu.Unlock()
	}
	return w.tick()
}

func (w *world) real() time.Time {
	w.clockMu.Lock()
	defer w.clockMu.Unlock()
	return w.at
}

func (w *world) instant() cooper.Instant { return cooper.InstantOf(w.real()) }
func (w *world) ownerNow() time.Time     { return w.real().Add(w.owners) }
func (w *world) storeNow() time.Time     { return w.real().Add(w.stores) }

func (w *world) later(d time.Duration) {
	w.clockMu.Lock()
	defer w.clockMu.Unlock()
	w.at = w.at.Add(d)
}

// thaws has the store bring what it was asked for.
func (w *world) thaws() {
	for id := range w.watch.thawing {
		w.store.CompleteRestore(depot, id.Key, id.VersionID)
	}
	clear(w.watch.thawing)
}
