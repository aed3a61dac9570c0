// Package scan reads an owner's database for a scan: what there is of file handles, and
// what links to them. It is the verbs handles and links, and the target of their plans.
//
// It promises:
//
//   - An action is one range, and its facts appear once and together, whoever carries it
//     out and however often; nothing but the ledger is changed. A range that has to be read
//     anew begins anew.
//   - What can be read in several ways counts in each: all readings of an address, all
//     buckets that a key may be in, the elements of arrays. A value that stands in a row
//     twice is one link. NULL, and what is there but empty, is none.
//   - What cannot be read is a fact, with the row's key, the reason and a hash of the value,
//     beside the links of its good parts; an object that cannot be read, because it is
//     archived or not there, is one too. An error of the database, or of a store, fails the
//     action; one that passes ends the run, to be gone on with. Nothing is left out without
//     a word.
//   - Links are written as they are found: memory depends neither on the rows of a range nor
//     on the links of a row, but for those of the values that are being unpacked. Which ids
//     are those of handles is remembered in three bytes for each.
//
// Which tables and ranges are read, and what the facts mean, is left to the mission; how a
// database is read to package database, what stands in a value to package unpack.
package scan

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"cooper"
	"cooper/internal/address"
	"cooper/internal/apply"
	"cooper/internal/config"
	"cooper/internal/database"
	"cooper/internal/gcop"
	"cooper/internal/ledger/gcfacts"
	"cooper/internal/reading"
	"cooper/internal/store"
)

// Options are what scanning depends on. All but Moved, Threads and Secure must be given.
type Options struct {
	// Plan is the plan's id, and so the scan's; Scanning is from its policy.
	Plan     string
	Scanning gcop.Scanning
	// Config is the configuration that the plan was made from.
	Config   *config.Config
	Database database.Database
	// Server is what the database said of itself, just now.
	Server *database.Server
	Facts  *gcfacts.Store
	// Store opens a bucket to read in, one that the configuration reaches; the same one
	// may be asked for several times, by many at once.
	Store func(ctx context.Context, bucket string) (store.Reader, error)
	Clock func() time.Time
	// Moved is told of bytes as they arrive, of columns and of objects; may be nil.
	Moved func(n int64)
	// Threads is how many values are unpacked at once for a range; 2 if 0. Objects are
	// fetched by eight times as many.
	Threads int
	// Secure: what arrives from stores cannot have been changed on the way, as over TLS.
	Secure bool
}

// Scan is a scan that is being carried out: both of its verbs. It is for concurrent use.
type Scan struct {
	opt      Options
	hosts    *address.Hosts // addresses that count as links, or may be fetched
	any      *address.Hosts // addresses in any bucket: of handles
	known    known
	fetching *fetching

	mu    sync.Mutex
	kinds map[string]*kind          // of handles, by name, once they are known
	ready map[int64]*gcfacts.Writer // of actions that are done, for the commit
}

var _ apply.Verb = (*Scan)(nil)

// hostsOf are the hosts of addresses: in the buckets that the configuration names, and in any.
func hostsOf(c *config.Config) (named, all *address.Hosts, err error) {
	buckets := []string{} // none counts, not all
	for _, b := range slices.Concat(c.Buckets, c.Reads) {
		buckets = append(buckets, b.Name)
	}
	declared := map[string]string{}
	for _, a := range c.Addresses {
		declared[a.Host] = a.Bucket + "/" + a.Prefix
	}
	if named, err = address.New(buckets, declared); err == nil {
		all, err = address.New(nil, declared)
	}
	return named, all, err
}

// New prepares a scan. Close it.
func New(opt Options) (*Scan, error) {
	if opt.Threads <= 0 {
		opt.Threads = 2
	}
	if opt.Moved == nil {
		opt.Moved = func(int64) {}
	}
	s := &Scan{opt: opt, fetching: newFetching(opt.Threads), kinds: map[string]*kind{}, ready: map[int64]*gcfacts.Writer{}}
	var err error
	s.hosts, s.any, err = hostsOf(opt.Config)
	if err != nil {
		return nil, &cooper.Error{Kind: cooper.KindUsage, Where: opt.Scanning.Config, Message: "addresses cannot be read as declared", Err: err}
	}
	return s, nil
}

// Verbs are both verbs, as a kit has them.
func (s *Scan) Verbs() map[string]apply.Verb {
	return map[string]apply.Verb{gcop.Handles: s, gcop.Links: s}
}

// Close drops what was read and not committed. Nobody may be in Do any more.
func (s *Scan) Close() error {
	var errs []error
	for id, w := range s.ready {
		errs = append(errs, w.Discard())
		delete(s.ready, id)
	}
	return errors.Join(errs...)
}

// Do reads the range of an action, and writes its facts where nobody sees them yet.
func (s *Scan) Do(ctx context.Context, a *cooper.Action) cooper.Outcome {
	t, err := gcop.TaskOf(a)
	if err != nil {
		return reading.Failure(ctx, a.Version.Key, err)
	}
	shard := int(a.ID)
	// A run that was killed between the facts and its journal has read it.
	if done, err := s.opt.Facts.Has(s.opt.Plan, shard); err != nil {
		return reading.Failure(ctx, a.Version.Key, err)
	} else if done {
		return cooper.Outcome{Status: cooper.Done}
	}
	r := &ranged{Scan: s, task: &t, shard: shard, began: s.opt.Clock()}
	if err := r.read(ctx); err != nil {
		return reading.Failure(ctx, a.Version.Key, errors.Join(err, r.discard()))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if old := s.ready[a.ID]; old != nil {
		return reading.Failure(ctx, a.Version.Key, errors.Join(internal(t.String(), "an action was begun twice"), r.discard()))
	}
	s.ready[a.ID] = r.out
	return cooper.Outcome{Status: cooper.Done, Bytes: r.bytes, Requests: r.requests}
}

// take gives the facts of an action that is done; nil if they were there before.
func (s *Scan) take(id int64) *gcfacts.Writer {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.ready[id]
	delete(s.ready, id)
	return w
}

func internal(where, message string) error {
	return &cooper.Error{Kind: cooper.KindInternal, Where: where, Message: message}
}
