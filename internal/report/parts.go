package report

import (
	"context"
	"errors"
	"io"
	"sync"

	"cooper"
	"cooper/internal/inventory"
)

// maxParts is into how many parts a snapshot is cut at most: each keeps a tree.
// How it is cut follows from its rows alone, and so does how sums are rounded.
const maxParts = 64

// each calls f for every version of a part, in order, until it fails.
type each func(f func(*cooper.Version) error) error

// inParts reads what it selects of s in parts, some at a time, and hands what
// read makes of each to merge: in order, and never two at once.
func inParts[T any](ctx context.Context, s *inventory.Snapshot, it inventory.IterOptions, opt *Options,
	read func(each) (T, error), merge func(T),
) error {
	return inRanges(ctx, s, it, opt, func(ctx context.Context, own inventory.IterOptions) (T, error) {
		return read(func(f func(*cooper.Version) error) error { return walk(s.Versions(ctx, own), opt.Progress, f) })
	}, merge)
}

// inRanges does the same with the ranges of keys that make the parts.
func inRanges[T any](ctx context.Context, s *inventory.Snapshot, it inventory.IterOptions, opt *Options,
	read func(context.Context, inventory.IterOptions) (T, error), merge func(T),
) error {
	meta := s.Meta()
	cuts, err := s.Split(ctx, int(min(maxParts, (meta.Versions+meta.DeleteMarkers)/opt.partRows+1)), it)
	if err != nil {
		return err
	}
	bounds := append(append([]string{it.From}, cuts...), it.To)
	return ordered(ctx, len(bounds)-1, opt.Workers, func(ctx context.Context, i int) (T, error) {
		own := it
		own.From, own.To = bounds[i], bounds[i+1]
		return read(ctx, own)
	}, merge)
}

// walk goes through an iterator and closes it.
func walk(it inventory.Iterator, progress func(int64), f func(*cooper.Version) error) (err error) {
	const often = 1 << 14
	defer func() { err = errors.Join(err, it.Close()) }()
	for n := int64(1); ; n++ {
		v, err := it.Next()
		if errors.Is(err, io.EOF) {
			progress((n - 1) % often)
			return nil
		} else if err != nil {
			return err
		}
		if err := f(v); err != nil {
			return err
		}
		if n%often == 0 {
			progress(often)
		}
	}
}

// ordered does n jobs, workers at a time, and hands what comes of them to merge
// in the order of the jobs. Jobs are not begun much ahead of what is merged.
// The first error stops the others.
func ordered[T any](ctx context.Context, n, workers int, job func(ctx context.Context, i int) (T, error), merge func(T)) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var (
		mu     sync.Mutex
		wg     sync.WaitGroup
		done   = map[int]T{}
		merged int
		ahead  = make(chan struct{}, 2*workers) // jobs begun and not merged
		next   = make(chan int)
	)
	for range workers {
		wg.Go(func() {
			for i := range next {
				x, err := job(ctx, i)
				if err != nil {
					cancel(err)
					return
				}
				mu.Lock()
				done[i] = x
				for y, ok := done[merged]; ok; y, ok = done[merged] {
					delete(done, merged)
					merge(y)
					merged++
					<-ahead
				}
				mu.Unlock()
			}
		})
	}
feed:
	for i := range n {
		select {
		case ahead <- struct{}{}:
		case <-ctx.Done():
			break feed
		}
		select {
		case next <- i:
		case <-ctx.Done():
			break feed
		}
	}
	close(next)
	wg.Wait()
	return context.Cause(ctx)
}
