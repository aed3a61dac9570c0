package look

import (
	"context"
	"errors"
	"sync"

	"cooper"
	"cooper/internal/permit"
	"cooper/internal/store"
)

// Bucket is what a probe needs of a store.
type Bucket interface {
	store.Remover
	store.Reader
	store.Writer
	store.Lister
}

// Nothing that a probe writes has this ETag, or this version id.
const (
	aStranger   = "00000000000000000000000000000000"
	aStrangerID = "CooperProbeOfAnIdThatNobodyGave0"
)

// Conditions are what a store is to be seen doing. Of each condition a probe sees
// that a wrong one is refused and a right one is taken.
type Conditions struct {
	// Removal: the removal of a null version if its ETag is the one that is told.
	Removal bool
	// New: a write under If-None-Match.
	New bool
	// Overwriting: a write under If-Match.
	Overwriting bool
	// Taking: a write under If-Match is taken where it is right. Whether it is
	// refused otherwise does not matter.
	Taking bool
	// Exact: a removal by id takes the version that it names, and no other.
	Exact bool
}

// Probes are those of one run on a bucket. Path is the target, for messages;
// what they write lies below Prefix.
type Probes struct {
	Bucket       Bucket
	Path, Prefix string
	// Note is told of the key of a probe's object before it is written, so that a
	// later run can Sweep what a crash leaves; its error ends the probe. Over is
	// told when nothing is left. Both may be nil.
	Note, Over func(key string) error

	versioning string
	mu         sync.Mutex // held during the probe for keys that go alone
	alone      bool       // it has been made

	parted  sync.Mutex // held during the probe of uploads in parts
	inParts bool       // it has been made, and what came of it
	partErr error
}

// Open looks whether the bucket, whose versioning is as given, can be looked at,
// and gives what with (Eyes). It comes before any probe.
func (s *Probes) Open(ctx context.Context, versioning string) (store.Lister, error) {
	eyes, err := Eyes(ctx, s.Bucket, s.Prefix, versioning)
	if err != nil {
		return nil, err
	}
	s.versioning, s.Bucket = versioning, seeing{s.Bucket, eyes}
	return eyes, nil
}

// seeing is a bucket that is looked at in another way.
type seeing struct {
	Bucket
	eyes store.Lister
}

func (b seeing) List(ctx context.Context, q store.ListQuery, page func([]cooper.Version, []string) error) error {
	return b.eyes.List(ctx, q, page)
}

// ErrUntried is that of a probe of Exact alone that may not write: who removes
// versions need not have the right to write any.
var ErrUntried = errors.New("it may not be tried out whether removals by id are exact")

// See finds out whether the store does what c names. It does so on an object
// of its own, under a key that bears the run's id, and removes by id whatever it
// wrote: nothing else can be hit, whatever the store makes of the conditions. A
// store that does not refuse, or refuses what it should not, is KindRefused.
func (s *Probes) See(ctx context.Context, p permit.Permit, c Conditions) error {
	if c == (Conditions{}) {
		return nil
	}
	return s.on(ctx, p, store.ProbeName+p.Run(), c)
}

// SeeAlone finds out, once, whether the store refuses the removal of a null
// version whose ETag is another also where the request is for that version
// alone: it may take such a request in another way.
func (s *Probes) SeeAlone(ctx context.Context, p permit.Permit) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.alone {
		return nil
	}
	err := s.on(ctx, p, store.ProbeName+p.Run()+" ", Conditions{Removal: true}) // the blank makes it such a key
	s.alone = err == nil
	return err
}

func (s *Probes) on(ctx context.Context, p permit.Permit, name string, c Conditions) (err error) {
	x, err := s.begin(ctx, p, name)
	if err != nil {
		return err
	}
	defer func() { err = s.end(x, err) }()
	if err := x.first(ctx, c.New); err != nil {
		if cooper.KindOf(errors.Unwrap(err)) == cooper.KindDenied && c == (Conditions{Exact: true}) {
			return ErrUntried
		}
		return err
	}
	if c.New {
		if err := x.neverOver(ctx); err != nil {
			return err
		}
	}
	if c.Overwriting || c.Taking {
		if err := x.onlyOver(ctx, c.Overwriting); err != nil {
			return err
		}
	}
	if c.Removal {
		if err := x.removal(ctx); err != nil {
			return err
		}
	}
	if c.Exact {
		return x.exact(ctx)
	}
	return nil
}
