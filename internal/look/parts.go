package look

import (
	"context"
	"errors"

	"cooper"
	"cooper/internal/permit"
	"cooper/internal/store"
)

// Beginner begins uploads in parts; a store.Streamer does.
type Beginner interface {
	Begin(ctx context.Context, p store.Put) (store.Parts, error)
}

// inParts is what the keys of probes end in that upload in parts.
const inParts = "-parts"

// SeeParts finds out, once, whether the store minds conditions also where an
// upload in parts becomes an object: there are stores that keep those of a single
// request and pass over these. What is seen counts for the rest of the run; an
// error that may pass does not.
func (s *Probes) SeeParts(ctx context.Context, p permit.Permit, from Beginner, c Conditions) error {
	s.parted.Lock()
	defer s.parted.Unlock()
	if s.inParts || !c.New && !c.Overwriting {
		return s.partErr
	}
	err := s.onParts(ctx, p, from, c)
	if kind := cooper.KindOf(err); kind == "" || kind == cooper.KindRefused {
		s.inParts, s.partErr = true, err
	}
	return err
}

func (s *Probes) onParts(ctx context.Context, p permit.Permit, from Beginner, c Conditions) (err error) {
	x, err := s.begin(ctx, p, store.ProbeName+p.Run()+inParts)
	if err != nil {
		return err
	}
	defer func() { err = s.end(x, err) }()
	if err := x.put(ctx, store.Put{}); err != nil {
		return err
	}
	if c.New {
		if err := x.parts(ctx, from, store.Put{IfNoneMatch: true}, cooper.KindConflict); err != nil {
			return err
		}
	}
	if c.Overwriting {
		return x.parts(ctx, from, store.Put{IfMatch: aStranger}, cooper.KindChanged)
	}
	return nil
}

// parts tries to store an object in parts under a condition that does not hold:
// the store must refuse it with the kind want.
func (x *probe) parts(ctx context.Context, from Beginner, o store.Put, want cooper.Kind) error {
	o.Key, o.Size = x.key, 1
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	up, err := from.Begin(x.late, o)
	if err != nil {
		x.unsure = x.unsure || !settled(err)
		return err
	}
	if err := up.Part(x.late, make([]byte, 1)); err != nil {
		return errors.Join(err, up.Abort(x.late))
	}
	made, err := up.Complete(x.late)
	x.unsure = x.unsure || !settled(err)
	switch cooper.KindOf(err) {
	case want:
		return nil
	case "":
		x.wrote(made)
		return x.tried("the store has overwritten it by an upload in parts although it was told under which condition", "what others store there meanwhile could be lost",
			"Leave out what comes to more than 16 MiB, by --match or --prefix, or use a store that heeds conditions when uploads are completed.", nil)
	default:
		return err
	}
}
