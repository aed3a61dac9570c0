package job

import (
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"cooper"
	"cooper/internal/gc/detect"
	"cooper/internal/store"
	"cooper/internal/verb/rewrite"
)

const (
	// originsDeadline is how long the store of a bucket may take to tell what some objects
	// were made of, askedAtOnce about how many it is asked at a time.
	originsDeadline = 30 * time.Second
	askedAtOnce     = 16
)

// origins asks stores what objects were made of. A store that does not answer is not at hand: names tell
// then, and it is asked no more.
type origins struct {
	*Env
	deadline time.Duration
	silent   map[string]bool
}

func (w *work) origins() *origins {
	return &origins{Env: w.Env, deadline: originsDeadline, silent: map[string]bool{}}
}

// made tells of which objects their store knows that Cooper made them of those beside them.
func (o *origins) made(ctx context.Context, bucket string, objects []detect.Object) ([]bool, error) {
	answers := make([]bool, len(objects))
	if o.silent[bucket] {
		return answers, nil
	}
	limited, cancel := context.WithTimeout(ctx, o.deadline)
	defer cancel()
	err := o.ask(limited, bucket, objects, answers)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err != nil {
		o.silent[bucket] = true
		o.tell(Caution, "s3://%s cannot be asked what its objects were made of: their names tell (%v)", bucket, err)
	}
	return answers, nil
}

func (o *origins) ask(ctx context.Context, bucket string, objects []detect.Object, answers []bool) (err error) {
	b, err := o.Stores.Open(ctx, o.Env, bucket, askedAtOnce)
	if err != nil {
		return err
	}
	defer finally(&err, b.Close)
	var mu sync.Mutex
	var refused error
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(askedAtOnce)
	for i, x := range objects {
		g.Go(func() error {
			at, err := b.Head(ctx, store.Ref{Key: x.Key, VersionID: x.Version}, 0)
			switch cooper.KindOf(err) {
			case "":
				answers[i] = madeBeside(&at)
			case cooper.KindMissing: // since the inventory
			case cooper.KindDenied:
				mu.Lock()
				refused = err
				mu.Unlock()
			default:
				return err
			}
			return nil
		})
	}
	err = g.Wait()
	return errors.Join(err, refused)
}

// madeBeside tells whether an object is what Cooper made of the one whose key it has, but for a suffix. What was
// stored in place says in its Content-Encoding how it is wrapped.
func madeBeside(at *store.Object) bool {
	note := at.Metadata[rewrite.OriginName]
	if note == "" || at.Headers.ContentEncoding != "" {
		return false
	}
	_, err := rewrite.ParseOrigin(note)
	return err == nil
}
