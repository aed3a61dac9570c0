package job

import (
	"context"
	"time"

	"cooper"
	"cooper/internal/look"
	"cooper/internal/progress"
)

// open opens a bucket, remembers by how much the clock is off as its store tells, and
// asks whose it is.
func (w *work) open(ctx context.Context, bucket string, concurrency int) (Bucket, *cooper.Store, error) {
	b, err := w.Stores.Open(ctx, w.Env, bucket, concurrency)
	if err != nil {
		return nil, nil, err
	}
	store, err := b.Store(ctx)
	if err != nil {
		return nil, nil, closing(b, err)
	}
	w.setClock(b)
	return b, &store, nil
}

// closing closes what was opened in vain.
func closing(b Bucket, err error) error {
	finally(&err, b.Close)
	return err
}

const (
	// skewed is by how much the clocks of store and machine may differ without
	// one of them counting for more.
	skewed = time.Minute
	// absurd: neither of two clocks that differ by so much can be believed.
	absurd = 24 * time.Hour
)

// setClock remembers by how much the clock is off, as a store tells.
func (w *work) setClock(b Bucket) {
	_, ahead, ok := b.Date()
	if ok && ahead.Abs() >= skewed && ahead.Abs() <= absurd {
		w.ahead = ahead
	}
}

// storeNow is the time by the store's clock, as far as one was asked.
func (w *work) storeNow() cooper.Instant { return cooper.InstantOf(w.Clock().Add(-w.ahead)) }

// canLook finds out before anything is planned whether the bucket can be looked
// at as its versions are removed.
func canLook(ctx context.Context, b look.Bucket, prefix, versioning string) error {
	_, err := look.Eyes(ctx, b, prefix, versioning)
	return err
}

// counters count one apply, with the traffic of the bucket it works on, and say
// what is waited for there; nil is none.
func (e *Env) counters(b Bucket) *progress.Counters {
	if b == nil {
		return progress.New(e.Clock, nil)
	}
	c := progress.New(e.Clock, func() progress.Traffic {
		u := b.Usage()
		return progress.Traffic{Requests: u.Get + u.Head + u.Put + u.List + u.Restore + u.Delete, Retries: u.Retries, Throttled: u.Throttled, Wire: b.Moved()}
	})
	c.Waits(waitsAt(b))
	return c
}

func waitsAt(b Bucket) func() []progress.Wait {
	return func() (waits []progress.Wait) {
		for _, w := range b.Waiting() {
			waits = append(waits, progress.Wait(w))
		}
		return waits
	}
}
