package gc

import (
	"context"
	"errors"
	"io"

	"cooper"
	"cooper/internal/inventory"
)

// snapshotWalk goes through the versions of a snapshot by key.
type snapshotWalk struct {
	versions inventory.Iterator
	rejected inventory.Keys
	next     *cooper.Version // nil: not read yet, or at the end
	ended    bool
	last     string // the key whose rows are at hand
	rows     []cooper.Version
	bad      string // the next rejected key
	badEnded bool
	begun    bool
	asked    string // the last key that was asked for in its own right
}

func newWalk(ctx context.Context, v inventory.View) *snapshotWalk {
	return &snapshotWalk{versions: v.Versions(ctx, ""), rejected: v.RejectedKeys(ctx)}
}

func (w *snapshotWalk) close() error { return errors.Join(w.versions.Close(), w.rejected.Close()) }

func (w *snapshotWalk) step() error {
	v, err := w.versions.Next()
	switch {
	case errors.Is(err, io.EOF):
		w.next, w.ended = nil, true
		return nil
	case err != nil:
		return err
	}
	w.next = v
	return nil
}

// key gives the versions of a key, the latest first; keys are asked for in order.
func (w *snapshotWalk) key(key string) ([]cooper.Version, error) {
	if w.begun && key == w.last {
		return w.rows, nil
	}
	if w.next == nil && !w.ended {
		if err := w.step(); err != nil {
			return nil, err
		}
	}
	w.begun, w.last, w.rows = true, key, nil
	for !w.ended && w.next.Key <= key {
		if w.next.Key == key && len(w.rows) <= mostVersionsOfAKey {
			w.rows = append(w.rows, *w.next)
		}
		if err := w.step(); err != nil {
			return nil, err
		}
	}
	for !w.badEnded && w.bad < key {
		bad, err := w.rejected.Next()
		switch {
		case errors.Is(err, io.EOF):
			w.badEnded = true
		case err != nil:
			return nil, err
		default:
			w.bad = bad
		}
	}
	return w.rows, nil
}

// rejectedKey tells whether the snapshot has rows of the key at hand that make no sense.
func (w *snapshotWalk) rejectedKey(key string) bool { return !w.badEnded && w.bad == key }
