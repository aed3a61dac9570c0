package job

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"cooper"
	"cooper/internal/inventory"
	"cooper/internal/inventory/listing"
	"cooper/internal/inventory/s3report"
	"cooper/internal/progress"
	"cooper/internal/words"
	"cooper/internal/workspace"
)

// Source says where a snapshot comes from: a report, a listing, or one that is there.
type Source struct {
	// Inventory is where the reports are: s3://DST/PREFIX/SRC/CONFIG/, or a directory.
	Inventory string
	// Date says which report; empty is the newest.
	Date string
	// List lists the bucket now, Current its current objects alone.
	List, Current bool
	// Snapshot names one of the workspace.
	Snapshot string
}

// Given tells whether anything is named.
func (s *Source) Given() bool { return s.Inventory != "" || s.List || s.Snapshot != "" }

// Check looks at what is there before anything is opened.
func (s *Source) Check() error {
	if !s.Given() {
		return usage("no inventory given", "Say where the reports are with --inventory s3://… or --inventory DIR, or list the bucket with --list.")
	}
	if s.Current && !s.List {
		return usage("--current goes with --list", "A report says itself whether it lists current versions only.")
	}
	return nil
}

// listed is the prefix a listing is narrowed to: nothing else needs to be listed. A
// report is read whole.
func (s *Source) listed(prefix string) string {
	if s.List {
		return prefix
	}
	return ""
}

// TakeSnapshot takes stock of a bucket. bucket may be empty with a report.
func TakeSnapshot(ctx context.Context, e *Env, bucket string, s Source, prefix string) (m inventory.Meta, err error) {
	err = e.begin(func(w *work) error {
		snap, err := w.snapshot(ctx, bucket, s, prefix)
		if err == nil {
			m = snap.Meta()
		}
		return err
	})
	return m, err
}

// Reports lists the reports that are there.
func Reports(ctx context.Context, e *Env, inventory string) (_ []s3report.Date, err error) {
	w := &work{Env: e}
	at, err := w.reports(ctx, inventory)
	if err != nil {
		return nil, err
	}
	defer finally(&err, at.done)
	return s3report.Dates(ctx, at.Location, at.prefix)
}

// reports is a place of inventory reports: the location, and the prefix within it.
type reports struct {
	s3report.Location

	prefix string
	// store has the reports, and so the bucket that they are of; nil if they lie in a
	// directory. Who owns that bucket, the reports' does not tell.
	store *cooper.Store
	done  func() error
}

// reports finds the place of inventory reports.
func (w *work) reports(ctx context.Context, inventory string) (*reports, error) {
	if !strings.HasPrefix(inventory, "s3://") {
		if u, err := url.Parse(inventory); err != nil || len(u.Scheme) > 1 {
			return nil, usage(fmt.Sprintf("--inventory %s: not s3:// and not a directory", cooper.QuoteURL(inventory)), "Give s3://DST/PREFIX/SRC/CONFIG/ or a path.")
		}
		abs, err := filepath.Abs(inventory)
		if err != nil {
			return nil, err
		}
		return &reports{Location: s3report.Dir(abs), done: func() error { return nil }}, nil
	}
	bucket, prefix, err := cooper.ParseURL(inventory)
	if err != nil {
		return nil, err
	}
	// The bucket of the reports may live in another region than its source.
	b, err := w.Stores.Open(ctx, w.Env, bucket, 0)
	if err != nil {
		return nil, err
	}
	w.setClock(b)
	return &reports{Location: s3report.Bucket(b, b, "s3://"+bucket), prefix: prefix, store: &cooper.Store{Endpoint: b.Endpoint()}, done: b.Close}, nil
}

// snapshotOf takes a snapshot that must be of the bucket.
func (w *work) snapshotOf(ctx context.Context, bucket string, s Source, prefix, remedy string) (*inventory.Snapshot, error) {
	snap, err := w.snapshot(ctx, bucket, s, s.listed(prefix))
	if err != nil {
		return nil, err
	}
	if got := snap.Meta().Bucket; got != bucket {
		return nil, usage("snapshot "+snap.Meta().ID+" is one of the bucket "+cooper.Quote(got), "Take one of s3://"+bucket+remedy)
	}
	return snap, nil
}

// snapshot reads the source into a new snapshot, or finds the one that was
// made of the same report before. bucket may be empty with a report.
func (w *work) snapshot(ctx context.Context, bucket string, s Source, prefix string) (snap *inventory.Snapshot, err error) {
	defer func() {
		if err == nil {
			m := snap.Meta()
			w.doubt(&m)
		}
	}()
	if s.Snapshot != "" {
		return OpenSnapshot(w.ws, s.Snapshot)
	}
	count := progress.New(w.Clock, nil)
	if err := w.await(ctx, count); err != nil {
		return nil, err
	}
	src, done, err := w.source(ctx, bucket, s, prefix)
	if err != nil {
		return nil, err
	}
	defer finally(&err, done)
	if err := w.notFromTheFuture(src.Meta()); err != nil {
		return nil, err
	}
	if same := w.sameSnapshot(src.Meta(), s.List); same != nil {
		w.tell(Aside, "snapshot %s was made of this report before", same.Meta().ID)
		return same, nil
	}
	return w.build(ctx, src, count)
}

// source opens what a snapshot is made of; done follows when it has been read.
func (w *work) source(ctx context.Context, bucket string, s Source, prefix string) (src inventory.Source, done func() error, err error) {
	if s.List {
		b, err := w.Stores.Open(ctx, w.Env, bucket, 0)
		if err != nil {
			return nil, nil, err
		}
		l, err := w.listing(ctx, b, listing.Options{Prefix: prefix, Current: s.Current})
		if err != nil {
			return nil, nil, closing(b, err)
		}
		return scoped{l, prefix, nil}, b.Close, nil
	}
	at, err := w.reports(ctx, s.Inventory)
	if err != nil {
		return nil, nil, err
	}
	temp, err := w.ws.TempDir()
	if err != nil {
		return nil, nil, errors.Join(err, at.done())
	}
	done = func() error { w.clear(temp); return at.done() }
	r, err := s3report.Open(ctx, at.Location, at.prefix, s3report.Options{Date: s.Date, Bucket: bucket, TempDir: temp, Memory: w.Memory, Workers: filesAtOnce(w.Memory)})
	if err != nil {
		return nil, nil, errors.Join(err, done())
	}
	return scoped{r, prefix, at.store}, done, nil
}

// listing begins a live listing of a bucket.
func (w *work) listing(ctx context.Context, b Bucket, opt listing.Options) (*listing.Listing, error) {
	store, err := b.Store(ctx)
	if err != nil {
		return nil, err
	}
	opt.Store, opt.Clock = &store, w.Clock
	l, err := listing.New(ctx, b, b.Name(), opt)
	if err != nil {
		return nil, err
	}
	w.setClock(b)
	if ahead := l.Ahead(); ahead != 0 {
		w.tell(Caution, "this machine's clock is %s the store's; the listing is dated by the store's", aheadOf(ahead))
	}
	return l, nil
}

// aheadOf says how far a clock is off.
func aheadOf(d time.Duration) string {
	if d < 0 {
		return words.Duration(-d) + " behind"
	}
	return words.Duration(d) + " ahead of"
}

// filesAtOnce is how many files of a report are read at once: one for each CPU, as far
// as each has a quarter of 256 MiB.
func filesAtOnce(memory int64) int {
	return max(1, min(runtime.GOMAXPROCS(0), int(memory/(256<<20))))
}

func (w *work) build(ctx context.Context, src inventory.Source, count *progress.Counters) (snap *inventory.Snapshot, err error) {
	err = w.tempDir(func(temp string) error {
		count.Phase("snapshot")
		stop := w.Listener.Follow(count)
		defer stop()
		last := int64(0)
		id := w.ws.NewID("s")
		_, err := inventory.Build(ctx, w.ws.SnapshotDir(id), src, inventory.BuildOptions{
			// A quarter of the memory for rows: what else the process holds while it
			// sorts, and the garbage collector's headroom, come to a good deal more.
			Memory: w.Memory / 4, TempDir: temp, Clock: w.Clock, ID: id, Workers: filesAtOnce(w.Memory),
			Progress: func(read, _ int64) { count.Skip(read-last, 0); last = read },
		})
		if err != nil {
			return err
		}
		snap, err = inventory.Open(w.ws.SnapshotDir(id))
		return err
	})
	return snap, err
}

// scoped narrows a source to a prefix, and says which store its bucket is in where
// the source does not.
type scoped struct {
	inventory.Source
	prefix string
	store  *cooper.Store
}

func (s scoped) Meta() inventory.Meta {
	m := s.Source.Meta()
	if s.prefix != "" {
		m.Scope.Prefix = s.prefix
	}
	m.Store = m.Store.With(s.store)
	return m
}

// sameSnapshot finds a snapshot of the very report, so that a run that was
// killed after its import does not import again. Listings are never the same.
func (w *work) sameSnapshot(want inventory.Meta, list bool) *inventory.Snapshot {
	if list {
		return nil
	}
	ids, err := w.ws.Snapshots()
	if err != nil {
		return nil // the workspace will say so when it is written to
	}
	for _, id := range ids {
		s, err := inventory.Open(w.ws.SnapshotDir(id))
		if err != nil {
			continue // damaged or of another format: not the one we look for
		}
		m := s.Meta()
		if m.Complete && m.Source == want.Source && m.TakenAt == want.TakenAt && m.Bucket == want.Bucket && m.Scope == want.Scope && !m.Store.Contradicts(want.Store) {
			return s
		}
	}
	return nil
}

// OpenSnapshot opens the snapshot that a person names.
func OpenSnapshot(ws *workspace.Workspace, name string) (*inventory.Snapshot, error) {
	id, err := ws.Resolve(workspace.Snapshot, name)
	if err != nil {
		return nil, err
	}
	return inventory.Open(ws.SnapshotDir(id))
}

// datedAhead is how far ahead of the clock a report may be dated.
const datedAhead = 15 * time.Minute

// notFromTheFuture refuses a source of a time that has not come. A tree that
// followed it would take every later one for older.
func (w *work) notFromTheFuture(m inventory.Meta) error {
	now := w.storeNow()
	if !m.TakenAt.Time().After(now.Time().Add(datedAhead)) {
		return nil
	}
	return &cooper.Error{Kind: cooper.KindRefused, Where: m.Source,
		Message: fmt.Sprintf("it says that it was taken at %s, and it is %s", m.TakenAt, now),
		Remedy:  "Set this machine's clock if it is wrong; else the report is: take another one, with --date, or --list."}
}

// doubt tells that a snapshot contradicts itself too often, or makes too
// little sense, for whatever follows from it to be a success.
func (w *work) doubt(m *inventory.Meta) {
	if m.MakesNoSense() {
		w.Listener.Doubt()
		w.tell(Note, "warning: most rows of the source make no sense: %s were set aside, %s taken.", words.Count(m.Rejected), words.Count(m.Versions+m.DeleteMarkers))
		w.tell(Note, "  rejected.parquet in the snapshot says why. Their keys are left alone, and this")
		w.tell(Note, "  is no success: exit code 3. Take another report, or list the bucket.")
	}
	if !m.Contradicts() {
		return
	}
	w.Listener.Doubt()
	keys := ""
	if m.Keys > 0 {
		keys = " of " + words.Count(m.Keys)
	}
	w.tell(Caution, "the snapshot contradicts itself: %s%s keys have several latest versions.", words.Count(m.Ambiguous), keys)
	w.tell(Note, "  Most likely its source does: a report that some program rewrote or joined, a")
	w.tell(Note, "  store that marks several versions as the latest. These keys are left alone,")
	w.tell(Note, "  and this is no success: exit code 3. Take another report, or list the bucket.")
}
