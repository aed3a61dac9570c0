// Package guard says where the file of a handle can be read: it resolves an id to a presigned address of
// one version, for a short time.
//
// It promises:
//
//   - Nothing is changed: rows of the owner's database and records of the state are read, anew for each
//     request (those that come together are read together), and never kept. What is kept for a moment is
//     which version is the current one of an object whose handle has not changed.
//   - A handle that was UNLINKED, or is on its way to the archive, is an alarm: it should not have been
//     asked for. That is a fact which is on the disk before the answer, unless that takes too long; then it
//     is told in the answer, and written as soon as it can be. It keeps the file from being archived.
//   - An address is of one version where the bucket has versions, for GET alone, and good for 15 minutes at
//     most. None is given for objects outside of the declared buckets, nor for what the client may not
//     ask for.
//   - Where database and state say different things, the one counts by which the bytes are further away.
//
// Who asks, and limits, are package serve's; what became of handles is left to the missions.
package guard

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"cooper"
	"cooper/internal/gcstate"
	"cooper/internal/ledger/gcfacts"
	"cooper/internal/store"
)

// Bucket is what is asked of one.
type Bucket interface {
	store.Presigner
	Head(ctx context.Context, ref store.Ref, part int) (store.Object, error)
	Versioning(ctx context.Context) (string, error)
}

// Row is what the owner's database says of a handle.
type Row struct {
	Bucket, Key string
	Status      gcstate.Status // by the owner's column; empty for none, and for what is no status
}

// Options are what a Guard depends on. Those without a remark must be given.
type Options struct {
	Scope string // of the handles
	// Kinds gives the normal form of an id by kind, or why it is none.
	Kinds map[string]func(id string) (normal, reason string)
	// Rows gives the rows of handles of a kind, several where an id has several.
	Rows func(ctx context.Context, kind string, ids []string) (map[string][]Row, error)
	// Records gives what the state says of handles, in their order.
	Records func(ctx context.Context, handles []gcstate.Handle) ([]gcstate.Record, error)
	// Bucket opens one, once; Buckets are those that may be.
	Bucket  func(ctx context.Context, name string) (Bucket, error)
	Buckets []string
	// Ask writes down what should not have been asked for.
	Ask func(ctx context.Context, asked []gcfacts.Asked) error
	// For is how long an address is good; store.MostPresigned if 0.
	For time.Duration
	// Patience is how long an answer waits for a fact to be on the disk; a quarter of a second if 0.
	Patience time.Duration
	Clock    func() time.Time
	// Troubled is told what a person should look at; from any goroutine.
	Troubled func(error)

	spacing func(ctx context.Context, d time.Duration) // for tests
	overdue func(d time.Duration) (<-chan time.Time, func())
}

// MostGood is the longest that an address is good.
const MostGood = store.MostPresigned

// Guard resolves ids. Its methods may be called at the same time.
type Guard struct {
	opt      Options
	handles  *together
	asks     *asks
	versions *versions

	mu     sync.Mutex
	open   map[string]Bucket
	bucket sync.Mutex // while one is opened
	bad    bool       // the last look into database and state failed
}

// New makes a guard, which has to be closed.
func New(opt Options) *Guard {
	if opt.For <= 0 || opt.For > store.MostPresigned {
		opt.For = store.MostPresigned
	}
	if opt.Patience <= 0 {
		opt.Patience = 250 * time.Millisecond
	}
	if opt.spacing == nil {
		opt.spacing = pause
	}
	if opt.overdue == nil {
		opt.overdue = func(d time.Duration) (<-chan time.Time, func()) {
			t := time.NewTimer(d)
			return t.C, func() { t.Stop() }
		}
	}
	g := &Guard{opt: opt, open: map[string]Bucket{}, versions: newVersions()}
	g.handles = newTogether(g.look)
	g.asks = newAsks(opt)
	return g
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// Close writes down what was asked for and is not written yet.
func (g *Guard) Close() error {
	g.handles.close()
	return g.asks.close()
}

// Resolved is where a file can be read.
type Resolved struct {
	Handle  string         `json:"handle"`
	Status  gcstate.Status `json:"status"`
	Bucket  string         `json:"bucket"`
	Key     string         `json:"key"`
	Version string         `json:"version,omitempty"`
	URL     string         `json:"url"`
	Expires cooper.Instant `json:"expires"`
	// Alarm: nothing links to it any more, so that it should not have been asked for. Noted: that this is on
	// the disk.
	Alarm bool `json:"alarm,omitempty"`
	Noted bool `json:"noted,omitempty"`
}

// found is what database and state say of a handle.
type found struct {
	rows   []Row
	record gcstate.Record
	err    error
}

// look asks database and state about some handles: first which objects they have, then what they are, so
// that the status is never the older of the two.
func (g *Guard) look(ctx context.Context, handles []gcstate.Handle) map[gcstate.Handle]found {
	all := make(map[gcstate.Handle]found, len(handles))
	fail := func(err error) map[gcstate.Handle]found {
		g.troubled(err)
		for _, h := range handles {
			all[h] = found{err: err}
		}
		return all
	}
	ids := map[string][]string{}
	for _, h := range handles {
		ids[h.Kind] = append(ids[h.Kind], h.ID)
	}
	rows := map[string]map[string][]Row{}
	for kind, some := range ids {
		var err error
		if rows[kind], err = g.opt.Rows(ctx, kind, some); err != nil {
			return fail(err)
		}
	}
	records, err := g.opt.Records(ctx, handles)
	if err == nil && len(records) != len(handles) {
		err = &cooper.Error{Kind: cooper.KindInternal, Message: "the state tells of other handles than those asked for"}
	}
	if err != nil {
		return fail(err)
	}
	g.troubled(nil)
	for i, h := range handles {
		all[h] = found{rows: rows[h.Kind][h.ID], record: records[i]}
	}
	return all
}

// troubled tells the first of errors that follow each other.
func (g *Guard) troubled(err error) {
	g.mu.Lock()
	first := err != nil && !g.bad
	g.bad = err != nil
	g.mu.Unlock()
	if first {
		g.opt.Troubled(err)
	}
}

// Resolve gives an address of a handle's file. Errors: KindUsage for what is no id, KindMissing for an id
// or object that is not there, KindDenied where may says no or the bucket is not declared, KindArchived
// with what has become of it (Gone tells), KindConflict where it stands for several objects.
func (g *Guard) Resolve(ctx context.Context, kind, id, client string, may func(bucket, key string) bool) (*Resolved, error) {
	parse, ok := g.opt.Kinds[kind]
	if !ok {
		return nil, &cooper.Error{Kind: cooper.KindUsage, Where: cooper.Quote(kind), Message: "there is no such kind of handles"}
	}
	normal, reason := parse(id)
	if reason != "" {
		return nil, &cooper.Error{Kind: cooper.KindUsage, Where: shown(kind, id), Message: reason}
	}
	h := gcstate.Handle{Scope: g.opt.Scope, Kind: kind, ID: normal}
	f, err := g.handles.ask(ctx, h)
	if err == nil {
		err = f.err
	}
	if err != nil {
		return nil, err
	}
	where := shown(kind, normal)
	row, status, err := f.is(where)
	if err != nil {
		return nil, err
	}
	switch {
	case !slices.Contains(g.opt.Buckets, row.Bucket):
		return nil, &cooper.Error{Kind: cooper.KindDenied, Where: where, Message: "its object is in no bucket that is declared"}
	case !may(row.Bucket, row.Key):
		return nil, &cooper.Error{Kind: cooper.KindDenied, Where: where, Message: "this client may not ask for it"}
	}
	if err := gone(where, status, f.record.Since); err != nil {
		return nil, err
	}
	r := &Resolved{Handle: where, Status: status, Bucket: row.Bucket, Key: row.Key}
	if status != gcstate.Available {
		// Before the address is made: whoever reads by it has asked.
		r.Alarm = true
		r.Noted = g.asks.note(ctx, gcfacts.Asked{Scope: h.Scope, Kind: kind, Handle: normal, Status: string(status), Since: f.record.Since, Client: client})
	}
	if err := g.address(ctx, r, f.record.Since); err != nil {
		if cooper.KindOf(err) == cooper.KindMissing && row.Status == gcstate.Archived { // its owner has been told before us
			err = gone(where, row.Status, f.record.Since)
		}
		return nil, err
	}
	return r, nil
}

// is says which object a handle has, and what it is.
func (f *found) is(where string) (row Row, status gcstate.Status, err error) {
	if len(f.rows) == 0 || f.rows[0].Bucket == "" || f.rows[0].Key == "" {
		return row, "", &cooper.Error{Kind: cooper.KindMissing, Where: where, Message: "there is no such file handle, or it has no object"}
	}
	status = f.record.Status
	for _, r := range f.rows {
		if r.Bucket != f.rows[0].Bucket || r.Key != f.rows[0].Key {
			return row, "", &cooper.Error{Kind: cooper.KindConflict, Where: where, Message: "it stands for several objects"}
		}
		status = further(status, gcstate.Said(r.Status, f.record.Status))
	}
	return f.rows[0], status, nil
}

// distance says how far away the bytes are: what is on its way back counts more than what is in the
// archive, as an owner may have no word for it.
var distance = map[gcstate.Status]int{gcstate.Available: 1, gcstate.Unlinked: 2, gcstate.Archiving: 3, gcstate.Archived: 4, gcstate.Restoring: 5, gcstate.Deleted: 6}

func further(a, b gcstate.Status) gcstate.Status {
	if distance[b] > distance[a] {
		return b
	}
	return a
}

// Gone is about a file whose bytes are not in their place.
type Gone struct {
	Status gcstate.Status
	Since  cooper.Instant
}

// Error says what it is.
func (g *Gone) Error() string { return "it is " + string(g.Status) }

func gone(where string, s gcstate.Status, since cooper.Instant) error {
	e := &cooper.Error{Kind: cooper.KindArchived, Where: where, Err: &Gone{Status: s, Since: since}}
	switch s {
	case gcstate.Archived:
		e.Message, e.Remedy = "the file is in the archive", "Have it brought back: cooper gc restore "+where
	case gcstate.Restoring:
		e.Message, e.Remedy = "the file is on its way back from the archive", "Try again later."
	case gcstate.Deleted:
		e.Message, e.Remedy = "the file was deleted", "Its history: cooper gc history "+where
	default:
		return nil
	}
	return e
}

// address signs the address of the version that is current.
func (g *Guard) address(ctx context.Context, r *Resolved, since cooper.Instant) error {
	b, err := g.at(ctx, r.Bucket)
	if err != nil {
		return err
	}
	if r.Version, err = g.versions.current(ctx, b, r.Bucket, r.Key, since, g.opt.Clock()); err != nil {
		return err
	}
	url, until, err := b.Presign(ctx, store.Ref{Key: r.Key, VersionID: r.Version}, g.opt.For)
	if err != nil {
		return err
	}
	r.URL, r.Expires = url, cooper.InstantOf(until)
	return nil
}

// at opens a bucket, once.
func (g *Guard) at(ctx context.Context, name string) (Bucket, error) {
	g.mu.Lock()
	b := g.open[name]
	g.mu.Unlock()
	if b != nil {
		return b, nil
	}
	g.bucket.Lock()
	defer g.bucket.Unlock()
	g.mu.Lock()
	b = g.open[name]
	g.mu.Unlock()
	if b != nil {
		return b, nil
	}
	b, err := g.opt.Bucket(ctx, name)
	if err != nil {
		return nil, err
	}
	g.mu.Lock()
	g.open[name] = b
	g.mu.Unlock()
	return b, nil
}

func shown(kind, id string) string {
	if kind == "" {
		return id
	}
	return kind + ":" + id
}

// IsGone tells of an error whether it is about a file that is not in its place.
func IsGone(err error) (*Gone, bool) {
	var g *Gone
	ok := errors.As(err, &g)
	return g, ok
}
