package s3

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"cooper/internal/store"
)

// underway are the requests that wait for the store, each since when. What is being read
// counts while somebody wants bytes of it, from when he does.
type underway struct {
	mu  sync.Mutex
	all map[*exchange]time.Time
}

// exchange is one request and its answer.
type exchange struct{ method, path, query string }

func (e *exchange) String() string {
	s := e.method + " " + clip(e.path, 200)
	if e.query != "" {
		s += "?" + clip(e.query, 100)
	}
	return s
}

func exchangeOf(r *http.Request) *exchange {
	return &exchange{r.Method, r.URL.EscapedPath(), r.URL.RawQuery}
}

func (u *underway) begin(e *exchange) {
	now := time.Now()
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.all == nil {
		u.all = map[*exchange]time.Time{}
	}
	u.all[e] = now
}

func (u *underway) end(e *exchange) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.all, e)
}

// Moved counts the bytes of all connections so far, both directions and headers
// included: it stands still while nothing does.
func (b *Bucket) Moved() int64 { return b.wire.moved.Load() }

// Waiting is what the requests of this bucket wait for, the longest first.
func (b *Bucket) Waiting() []store.Wait {
	waits := b.limit.Waiting()
	u := &b.wire.underway
	u.mu.Lock()
	for e, since := range u.all {
		waits = append(waits, store.Wait{For: fmt.Sprintf("the answer to %s", e), Since: since})
	}
	u.mu.Unlock()
	slices.SortFunc(waits, func(a, b store.Wait) int { return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.For, b.For)) })
	return waits
}
