package invtest

import (
	"context"
	"io"
	"slices"

	"cooper"
	"cooper/internal/inventory"
)

var _ inventory.View = (*Snapshot)(nil)

// Snapshot is a snapshot in memory, as missions see it.
type Snapshot struct {
	Info     inventory.Meta
	Rows     []cooper.Version // in any order; those of a key that are alike stay in theirs
	Rejected []string         // keys of rejected rows
}

// SnapshotOf is a complete snapshot of a whole bucket.
func SnapshotOf(bucket string, taken cooper.Instant, rows ...cooper.Version) *Snapshot {
	s := &Snapshot{Info: inventory.Meta{ID: "s-1", Bucket: bucket, Complete: true, TakenAt: taken}, Rows: rows}
	for i := range rows {
		if rows[i].DeleteMarker {
			s.Info.DeleteMarkers++
		} else {
			s.Info.Versions++
			s.Info.Bytes += rows[i].Size
		}
	}
	return s
}

// Meta is what the snapshot knows of itself.
func (s *Snapshot) Meta() inventory.Meta { return s.Info }

// Versions gives those below prefix. What it gave is overwritten by what follows,
// as the contract allows.
func (s *Snapshot) Versions(_ context.Context, prefix string) inventory.Iterator {
	vs := slices.DeleteFunc(slices.Clone(s.Rows), func(v cooper.Version) bool { return !cooper.HasPrefix(v.Key, prefix) })
	slices.SortStableFunc(vs, func(a, b cooper.Version) int { return a.Compare(&b) })
	return &walk{left: ListOf(vs...)}
}

// RejectedKeys gives them sorted, each once.
func (s *Snapshot) RejectedKeys(context.Context) inventory.Keys {
	return ListOf(slices.Compact(slices.Sorted(slices.Values(s.Rejected)))...)
}

type walk struct {
	left *List[cooper.Version]
	one  cooper.Version
}

func (w *walk) Next() (_ *cooper.Version, err error) {
	if w.one, err = w.left.Next(); err != nil {
		return nil, err
	}
	return &w.one, nil
}

func (w *walk) Close() error { return w.left.Close() }

// List gives what it holds, one after the other, as iterators do.
type List[T any] struct{ left []T }

// ListOf is a List of all.
func ListOf[T any](all ...T) *List[T] { return &List[T]{left: all} }

// Next gives the next one; io.EOF behind the last.
func (l *List[T]) Next() (x T, err error) {
	if len(l.left) == 0 {
		return x, io.EOF
	}
	x, l.left = l.left[0], l.left[1:]
	return x, nil
}

// Close has nothing to close.
func (l *List[T]) Close() error { return nil }
