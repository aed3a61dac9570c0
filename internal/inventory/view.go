package inventory

import "context"

// View is what a mission reads of a snapshot of one bucket; see ViewOf.
type View interface {
	Meta() Meta
	// Versions walks the versions below prefix, in order.
	Versions(ctx context.Context, prefix string) Iterator
	// RejectedKeys walks the keys of rejected rows, in order.
	RejectedKeys(ctx context.Context) Keys
}

// Keys are sorted keys, each once; io.EOF comes after the last.
type Keys interface {
	Next() (string, error)
	Close() error
}

// ViewOf reads a snapshot on disk.
func ViewOf(s *Snapshot) View { return onDisk{s} }

type onDisk struct{ s *Snapshot }

func (o onDisk) Meta() Meta { return o.s.Meta() }

func (o onDisk) Versions(ctx context.Context, prefix string) Iterator {
	return o.s.Versions(ctx, IterOptions{Prefix: prefix})
}

func (o onDisk) RejectedKeys(ctx context.Context) Keys { return o.s.RejectedKeys(ctx) }
