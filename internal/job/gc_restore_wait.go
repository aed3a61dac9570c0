package job

import (
	"context"
	"errors"
	"iter"
	"time"

	"cooper"
	"cooper/internal/gc"
	"cooper/internal/gcop"
	"cooper/internal/words"
)

// How often is looked whether the store has brought something: after a tenth of the time that it has had, within these.
const (
	soonest = time.Minute
	latest  = 15 * time.Minute
)

// follow goes on with what the store was asked for, until it is back or the time is over. Nothing is held meanwhile; who
// interrupts it loses nothing: the command given again goes on.
func (g *GCRestore) follow(ctx context.Context, w *work, r *Result, err error) error {
	pause := g.Pause
	if pause == nil {
		pause = wait
	}
	failed := false
	for began := w.Clock(); g.Wait > 0; {
		if failed = failed || errors.Is(err, ErrSomeFailed); err != nil && !errors.Is(err, ErrSomeFailed) {
			return err
		}
		if r.Applied.Count(cooper.Deferred) == 0 {
			break
		}
		waits, err1 := w.waitsFor(ctx, r.Applied.Run)
		if err1 != nil {
			return err1
		}
		elapsed := w.Clock().Sub(began)
		left := g.Wait - elapsed
		if left <= 0 {
			r.Notes = append(r.Notes, words.Plural(int64(len(waits.keys)), "object")+" did not come within "+words.Duration(g.Wait)+"; give the command again later")
			break
		}
		next := min(left, max(soonest, min(latest, elapsed/10)))
		w.tell(Note, "waiting for %s (%s): %s; looked at again in %s, for %s at most", words.Plural(int64(len(waits.keys)), "object"), words.Bytes(waits.bytes), waits.why, words.Duration(next), words.Duration(left))
		if err := pause(ctx, next); err != nil {
			return &cooper.Error{Kind: cooper.KindInterrupted, Message: "interrupted while it waited; nothing is half done", Remedy: "Give the command again: it goes on.", Err: err}
		}
		h, err2 := g.planned(ctx, w, waits.keys)
		if err2 != nil {
			return err2
		}
		*r, err = w.applyMade(ctx, &h, &g.Options)
	}
	if err == nil && failed {
		err = ErrSomeFailed
	}
	return err
}

// waiting is what the store has been asked for.
type waiting struct {
	keys  map[string]bool // in the archive
	bytes int64
	why   string // of most
}

// waitsFor is what a run has left for later.
func (w *work) waitsFor(ctx context.Context, run string) (x waiting, err error) {
	x.keys = map[string]bool{}
	why := map[string]int{}
	err = w.each(ctx, func(row []any) error {
		var key, message string
		var size int64
		if err := filled(row, &key, &message, &size); err != nil {
			return err
		}
		x.keys[key] = true
		x.bytes += size
		if why[message]++; x.why == "" || why[message] > why[x.why] {
			x.why = message
		}
		return nil
	}, "SELECT key, coalesce(message, ''), coalesce(size, 0) FROM outcome WHERE run = ? AND status = 'deferred' ORDER BY key", run)
	return x, err
}

// waitedFor are those of the objects that are asked for that a run has left for later; all of them in the first.
func (a *restoring) waitedFor(wanted iter.Seq2[gc.Wanted, error]) iter.Seq2[gc.Wanted, error] {
	if a.only == nil {
		return wanted
	}
	return func(yield func(gc.Wanted, error) bool) {
		for x, err := range wanted {
			if err == nil && !a.only[gcop.ArchiveKey(x.Bucket, x.Key)] {
				continue
			}
			if !yield(x, err) {
				return
			}
		}
	}
}
