// Package listing takes stock of a bucket by listing it now.
//
// It is an inventory.Source for stores that write no inventory reports. Many
// ranges of keys are listed side by side without knowing the keys before: a
// range that turns out large is divided while it is being listed. Ranges never
// overlap and leave no gap, so every key is delivered once, however they were
// divided. A bucket that changes meanwhile is seen as the store's answers showed
// it, some keys earlier than others; the moment a listing speaks of is its
// beginning, by the store's clock where this machine's differs.
//
// Sorting and keeping the rows is left to package inventory.
package listing

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"cooper"
	"cooper/internal/inventory"
	"cooper/internal/store"
)

// DefaultWorkers is how many ranges are listed at once where nothing else is
// said.
const DefaultWorkers = 16

// Options say what to list and how.
type Options struct {
	// Prefix limits the listing, with the boundaries of cooper.HasPrefix.
	Prefix string
	// Workers is how many requests are in flight at most; 0: DefaultWorkers.
	// With one, the store need not list keys in order.
	Workers int
	// Clock tells the time; nil: time.Now.
	Clock func() time.Time
	// Current lists current objects only, without version ids.
	Current bool
	// Store is the one that has the bucket; nil if nobody knows.
	Store *cooper.Store
	// Progress, if any, is told how many versions were listed so far, after
	// each page of answers, from one goroutine at a time.
	Progress func(versions int64)
}

// Listing is a live listing of one bucket.
type Listing struct {
	lister store.Lister
	bucket string
	opt    Options
	taken  cooper.Instant
	ahead  time.Duration // this machine's clock, where that matters
}

const (
	// skewed is from which difference on the store's clock counts: less is within
	// what networks and whole seconds make of equal ones.
	skewed = time.Minute
	// absurd is from which difference on neither clock can be believed.
	absurd = 24 * time.Hour
)

// errEnough ends a listing of which no more is wanted.
var errEnough = errors.New("enough was listed")

// New begins a listing, and asks for one page, so that a wrong bucket or a
// missing right shows before anything else is done. Errors are the store's; and
// KindRefused where its clock and this machine's differ by more than a day.
func New(ctx context.Context, l store.Lister, bucket string, opt Options) (*Listing, error) {
	if opt.Workers <= 0 {
		opt.Workers = DefaultWorkers
	}
	if opt.Clock == nil {
		opt.Clock = time.Now
	}
	if !utf8.ValidString(opt.Prefix) {
		return nil, &cooper.Error{Kind: cooper.KindUsage, Where: "s3://" + bucket, Message: "the prefix is not UTF-8, which keys are"}
	}
	listing := &Listing{lister: l, bucket: bucket, opt: opt, taken: cooper.InstantOf(opt.Clock())}
	err := l.List(ctx, store.ListQuery{Prefix: opt.Prefix, Current: opt.Current}, func([]cooper.Version, []string) error { return errEnough })
	if err == nil || errors.Is(err, errEnough) {
		if err := listing.date(); err != nil {
			return nil, err
		}
		return listing, nil
	}
	if cooper.KindOf(err) == cooper.KindDenied && !opt.Current {
		return nil, &cooper.Error{
			Kind: cooper.KindDenied, Where: "s3://" + bucket, Message: "listing all versions", Err: err,
			Remedy: "Allow s3:ListBucketVersions on the bucket; s3:ListBucket is enough for a listing of current objects alone.",
		}
	}
	return nil, err
}

// date goes by the store's clock where this machine's differs: a snapshot must not
// come from the future, or the past, because a clock here is wrong. What the store
// said before anything else was listed is not too late.
func (l *Listing) date() error {
	clock, ok := l.lister.(store.Clock)
	if !ok {
		return nil
	}
	at, ahead, ok := clock.Date()
	switch {
	case !ok || ahead.Abs() < skewed:
		return nil
	case ahead.Abs() > absurd:
		return &cooper.Error{Kind: cooper.KindRefused, Where: "s3://" + l.bucket,
			Message: fmt.Sprintf("the store's clock says %s, this machine's %s: when the listing was taken, nobody can tell", cooper.InstantOf(at), cooper.InstantOf(at.Add(ahead))),
			Remedy:  "Set the clock that is wrong, and list again."}
	}
	l.taken, l.ahead = cooper.InstantOf(at), ahead
	return nil
}

// Ahead is by how much this machine's clock is ahead of the store's (behind, if
// less than 0); 0 where the two agree within a minute, or the store does not tell.
func (l *Listing) Ahead() time.Duration { return l.ahead }

// Meta gives Source, Bucket, Store, TakenAt and Scope.
func (l *Listing) Meta() inventory.Meta {
	return inventory.Meta{
		Store:   l.opt.Store,
		Source:  "listing of s3://" + l.bucket + "/" + l.opt.Prefix,
		Bucket:  l.bucket,
		TakenAt: l.taken,
		Scope:   inventory.Scope{Prefix: l.opt.Prefix, CurrentOnly: l.opt.Current},
	}
}

// Parts is one part, which lists many ranges at once by itself.
func (l *Listing) Parts() []inventory.Part { return []inventory.Part{&part{l}} }

type part struct{ *Listing }

func (p *part) Name() string { return p.Meta().Source }

// Read lists the bucket. It calls to from the caller's goroutine alone.
func (p *part) Read(ctx context.Context, to inventory.Sink) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	r := newRun(ctx, p.Listing, cancel)
	r.start(p.ranges())
	var failed error
	listed, unnamed := int64(0), map[string]bool{}
	for page := range r.pages {
		if failed != nil {
			continue // let the workers see that it is over
		}
		if failed = p.deliver(page, listed, unnamed, to); failed != nil {
			cancel(failed)
		}
		listed += int64(len(page.rows))
		if p.opt.Progress != nil {
			p.opt.Progress(listed)
		}
	}
	if failed != nil {
		return failed
	}
	return r.failure()
}

// ranges covers what was asked for: a prefix without a slash at its end means one
// key, and what lies in the folder of that name. One worker alone takes the keys
// as they come, since they need not be in order.
func (l *Listing) ranges() []*span {
	p := l.opt.Prefix
	if p == "" || strings.HasSuffix(p, "/") || l.opt.Workers == 1 {
		return []*span{{prefix: p}}
	}
	return []*span{{prefix: p, until: p, bounded: true}, {prefix: p + "/"}}
}

// maxUnnamed is how many keys that cannot be believed are remembered, so that each
// is counted once.
const maxUnnamed = 100_000

// deliver hands a page over. before is how many versions were listed earlier.
func (p *part) deliver(page batch, before int64, unnamed map[string]bool, to inventory.Sink) error {
	for i := range page.rows {
		v := &page.rows[i]
		if !cooper.HasPrefix(v.Key, p.opt.Prefix) {
			continue
		}
		if reason := normalise(v, p.opt.Current); reason != "" {
			if err := to.Reject(inventory.Rejected{File: p.Name(), Row: before + int64(i) + 1, Key: []byte(v.Key), Reason: reason}); err != nil {
				return err
			}
			continue
		}
		if s, ok := to.(inventory.UnnamedSink); ok && page.garbled && !unnamed[v.Key] {
			s.Unnamed(1)
			if len(unnamed) < maxUnnamed {
				unnamed[v.Key] = true
			}
		}
		if err := to.Version(v); err != nil {
			return err
		}
	}
	return nil
}

// normalise makes a version what inventories promise, or says why it cannot be.
func normalise(v *cooper.Version, current bool) (reason string) {
	switch {
	case v.Key == "":
		return "the key is empty"
	case !utf8.ValidString(v.Key):
		return "the key is not UTF-8"
	case v.Size < 0:
		return "the size is no number of bytes"
	case current:
		v.VersionID, v.Latest = "", true
	case v.VersionID == "":
		v.VersionID = cooper.NullVersion
	}
	if v.DeleteMarker {
		v.Size, v.ETag = 0, ""
	}
	v.ETag = strings.Trim(v.ETag, `"`)
	return ""
}
