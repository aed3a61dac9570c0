package listing

import (
	"context"
	"errors"
	"slices"
	"sync"

	"cooper"
	"cooper/internal/store"
)

// span is a range of keys: those with the prefix, after one key, until another.
// Spans are divided by lowering until and making a new span of what is cut off;
// since a span's keys are those between its ends whatever the ends are, no
// choice of a dividing key can lose or repeat a key.
type span struct {
	prefix string
	after  string // the last key delivered; "" at the beginning
	until  string // the last key that belongs to it, if bounded
	// bounded tells whether until counts.
	bounded bool
	// pages have been seen; it may be divided when there were ripe of them.
	pages, ripe int
	dividing    bool
}

// holds tells whether a key lies strictly between what was delivered and the
// end.
func (s *span) holds(key string) bool {
	return key > s.after && (!s.bounded || key < s.until)
}

// ripeAfter is how many pages of a span are listed before it is worth dividing:
// its first page may be its last.
const ripeAfter = 2

// batch is rows to be handed over; garbled ones have keys that cannot be believed.
type batch struct {
	rows    []cooper.Version
	garbled bool
}

// run is one reading of a listing.
type run struct {
	*Listing
	ctx    context.Context
	cancel context.CancelCauseFunc
	pages  chan batch

	mu      sync.Mutex
	changed sync.Cond // a page came, a span was made or finished, or it is over
	waiting []*span
	active  []*span
	busy    int // workers that are listing or dividing
}

func newRun(ctx context.Context, l *Listing, cancel context.CancelCauseFunc) *run {
	r := &run{Listing: l, ctx: ctx, cancel: cancel, pages: make(chan batch, l.opt.Workers)}
	r.changed.L = &r.mu
	return r
}

// start begins listing the spans; pages is closed when nothing works any more.
func (r *run) start(spans []*span) {
	for _, s := range spans {
		s.ripe = ripeAfter
	}
	r.waiting = spans
	stop := context.AfterFunc(r.ctx, r.wake)
	var workers sync.WaitGroup
	for range r.opt.Workers {
		workers.Go(r.work)
	}
	go func() {
		workers.Wait()
		stop()
		close(r.pages)
	}()
}

// failure is why the run ended early, if it did.
func (r *run) failure() error { return context.Cause(r.ctx) }

func (r *run) wake() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.changed.Broadcast()
}

// work lists spans, and divides those of others while there is none.
func (r *run) work() {
	for {
		todo, whole := r.next()
		if todo == nil {
			return
		}
		var err error
		if whole {
			err = r.list(todo)
		} else {
			err = r.divide(todo)
		}
		r.finished(todo, whole)
		if err != nil {
			r.cancel(err)
		}
	}
}

// next gives a span to list (whole) or to divide; nil when everything is done.
func (r *run) next() (todo *span, whole bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for {
		if r.ctx.Err() != nil {
			return nil, false
		}
		if n := len(r.waiting); n > 0 {
			s := r.waiting[n-1]
			r.waiting = r.waiting[:n-1]
			r.active = append(r.active, s)
			r.busy++
			return s, true
		}
		if r.busy == 0 {
			return nil, false
		}
		if s := r.largest(); s != nil {
			s.dividing = true
			r.busy++
			return s, false
		}
		r.changed.Wait()
	}
}

// largest is the span most worth dividing: that of which most was listed
// without an end.
func (r *run) largest() *span {
	var best *span
	for _, s := range r.active {
		if !s.dividing && s.pages >= s.ripe && (best == nil || s.pages > best.pages) {
			best = s
		}
	}
	return best
}

// finished takes back a span that was listed to its end, or divided.
func (r *run) finished(s *span, whole bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.busy--
	if whole {
		r.active = slices.DeleteFunc(r.active, func(a *span) bool { return a == s })
	} else {
		// Give the parts time to show whether they are large.
		s.dividing, s.ripe = false, s.pages+ripeAfter
	}
	r.changed.Broadcast()
}

// list lists a span to its end, wherever that is moved meanwhile.
func (r *run) list(s *span) error {
	query := store.ListQuery{Prefix: s.prefix, After: s.after, Current: r.opt.Current, Garbled: func(vs []cooper.Version) error {
		// They lie anywhere, and have no part in how the bucket is divided.
		return r.send(batch{vs, true})
	}}
	err := r.lister.List(r.ctx, query, func(vs []cooper.Version, _ []string) error {
		mine, err := r.advance(s, vs)
		if err != nil {
			return err
		}
		if len(mine) > 0 {
			if err := r.send(batch{mine, false}); err != nil {
				return err
			}
		}
		if len(mine) < len(vs) {
			return errEnough
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

func (r *run) send(b batch) error {
	select {
	case r.pages <- b:
		return nil
	case <-r.ctx.Done():
		return context.Cause(r.ctx)
	}
}

// advance gives what of a page belongs to the span, as its end is now.
func (r *run) advance(s *span, vs []cooper.Version) ([]cooper.Version, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n, last := len(vs), s.after
	for i := range vs {
		if vs[i].Key < last && r.opt.Workers > 1 {
			return nil, &cooper.Error{
				Kind: cooper.KindInvalid, Where: "s3://" + r.bucket,
				Message: "the store lists keys out of order: " + cooper.Quote(vs[i].Key) + " after " + cooper.Quote(last),
				Remedy:  "List it with one worker.",
			}
		}
		if s.bounded && vs[i].Key > s.until {
			n = i
			break
		}
		last = vs[i].Key
	}
	s.after = last
	s.pages++
	r.changed.Broadcast()
	return vs[:n], nil
}
