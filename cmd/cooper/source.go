package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"cooper"
	"cooper/internal/inventory"
	"cooper/internal/inventory/listing"
	"cooper/internal/inventory/s3report"
	"cooper/internal/progress"
	"cooper/internal/store/s3"
	"cooper/internal/term"
	"cooper/internal/workspace"
)

// sourceFlags say where a snapshot comes from.
type sourceFlags struct {
	inventory string
	date      string
	list      bool
	current   bool
	snapshot  string
}

func (f *sourceFlags) register(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVar(&f.inventory, "inventory", "", "S3 Inventory: s3://DST/PREFIX/SRC/CONFIG/ or a directory with the same files")
	fl.StringVar(&f.date, "date", "", "which report: a day (2026-11-20) or an instant (2026-11-20T01-00Z); default the newest")
	fl.BoolVar(&f.list, "list", false, "list the bucket now instead of reading an inventory")
	fl.BoolVar(&f.current, "current", false, "with --list: current objects only, for stores or rights without versions")
	cmd.MarkFlagsMutuallyExclusive("inventory", "list")
	cmd.MarkFlagsMutuallyExclusive("date", "list")
}

func (f *sourceFlags) check() error {
	if f.inventory == "" && !f.list && f.snapshot == "" {
		return usage("no inventory given", "Say where the reports are with --inventory s3://… or --inventory DIR, or list the bucket with --list.")
	}
	if f.current && !f.list {
		return usage("--current goes with --list", "A report says itself whether it lists current versions only.")
	}
	return nil
}

// bucketArg takes s3://BUCKET from the command line.
func bucketArg(arg string) (string, error) {
	bucket, key, err := cooper.ParseURL(arg)
	if err != nil {
		return "", err
	}
	if key != "" {
		return "", usage(fmt.Sprintf("%s names more than a bucket", cooper.Quote(arg)), fmt.Sprintf("Give s3://%s, and narrow with --prefix.", bucket))
	}
	return bucket, nil
}

// openBucket opens a bucket the way the global flags say.
func (a *app) openBucket(ctx context.Context, bucket string, concurrency int) (*s3.Bucket, error) {
	b, err := s3.Open(ctx, bucket, s3.Config{
		Endpoint: a.s3.endpoint, Region: a.s3.region, Profile: a.s3.profile, Anonymous: a.s3.anonymous,
		Concurrency: concurrency, UserAgent: "cooper/" + version, Rate: a.pace.rate, Bandwidth: a.pace.band,
		Memory: func(endpoint string) ([]s3.Lack, func(s3.Lack)) { return a.storeMemory(endpoint, bucket) },
	})
	if err == nil {
		a.watch.uses(b.Usage)
	}
	return b, err
}

// reports is a place of inventory reports: the location, and the prefix within it.
type reports struct {
	s3report.Location

	prefix string
	// store has the reports, and so the bucket that they are of; nil if they lie in a
	// directory. Who owns that bucket, the reports' does not tell.
	store *cooper.Store
	done  func()
}

// location finds the place of inventory reports.
func (a *app) location(ctx context.Context, inventory string) (*reports, error) {
	if !strings.HasPrefix(inventory, "s3://") {
		if u, err := url.Parse(inventory); err != nil || len(u.Scheme) > 1 {
			return nil, usage(fmt.Sprintf("--inventory %s: not s3:// and not a directory", cooper.QuoteURL(inventory)), "Give s3://DST/PREFIX/SRC/CONFIG/ or a path.")
		}
		abs, err := filepath.Abs(inventory)
		if err != nil {
			return nil, err
		}
		return &reports{Location: s3report.Dir(abs), done: func() {}}, nil
	}
	bucket, prefix, err := cooper.ParseURL(inventory)
	if err != nil {
		return nil, err
	}
	// The bucket of the reports may live in another region than its source.
	b, err := a.openBucket(ctx, bucket, 0)
	if err != nil {
		return nil, err
	}
	a.setClock(b)
	return &reports{Location: s3report.Bucket(b, b, "s3://"+bucket), prefix: prefix, store: &cooper.Store{Endpoint: b.Endpoint()}, done: func() { b.Close() }}, nil
}

// takeSnapshot reads the source into a new snapshot, or finds the one that was
// made of the same report before. bucket may be empty with a report.
func (a *app) takeSnapshot(ctx context.Context, ws *workspace.Workspace, bucket string, f sourceFlags, prefix string) (snap *inventory.Snapshot, err error) {
	defer func() {
		if err == nil {
			m := snap.Meta()
			a.doubt(&m)
		}
	}()
	if f.snapshot != "" {
		return a.openSnapshot(ws, f.snapshot)
	}
	count := progress.New(a.clock, nil)
	if err := a.await(ctx, count); err != nil {
		return nil, err
	}
	src, done, err := a.source(ctx, ws, bucket, f, prefix)
	if err != nil {
		return nil, err
	}
	defer done()
	if err := a.notFromTheFuture(src.Meta()); err != nil {
		return nil, err
	}
	if s := a.sameSnapshot(ws, src.Meta(), f.list); s != nil {
		a.note("%s", a.stderr.Style(term.Faint, "snapshot "+s.Meta().ID+" was made of this report before"))
		return s, nil
	}
	return a.build(ctx, ws, src, count)
}

// source opens what a snapshot is made of; done follows when it has been read.
func (a *app) source(ctx context.Context, ws *workspace.Workspace, bucket string, f sourceFlags, prefix string) (src inventory.Source, done func(), err error) {
	if f.list {
		b, err := a.openBucket(ctx, bucket, 0)
		if err != nil {
			return nil, nil, err
		}
		done = func() { b.Close() }
		l, err := a.listing(ctx, b, listing.Options{Prefix: prefix, Current: f.current})
		if err != nil {
			done()
			return nil, nil, err
		}
		return scoped{l, prefix, nil}, done, nil
	}
	at, err := a.location(ctx, f.inventory)
	if err != nil {
		return nil, nil, err
	}
	memory, err := a.memoryBytes()
	if err != nil {
		at.done()
		return nil, nil, err
	}
	temp, err := ws.TempDir()
	if err != nil {
		at.done()
		return nil, nil, err
	}
	done = func() { removeAll(temp); at.done() }
	r, err := s3report.Open(ctx, at.Location, at.prefix, s3report.Options{Date: f.date, Bucket: bucket, TempDir: temp, Memory: memory, Workers: filesAtOnce(memory)})
	if err != nil {
		done()
		return nil, nil, err
	}
	return scoped{r, prefix, at.store}, done, nil
}

// listing begins a live listing of a bucket.
func (a *app) listing(ctx context.Context, b *s3.Bucket, opt listing.Options) (*listing.Listing, error) {
	store, err := b.Store(ctx)
	if err != nil {
		return nil, err
	}
	opt.Store, opt.Clock = &store, a.clock
	l, err := listing.New(ctx, b, b.Name(), opt)
	if err != nil {
		return nil, err
	}
	a.setClock(b)
	if ahead := l.Ahead(); ahead != 0 {
		a.caution("this machine's clock is %s the store's; the listing is dated by the store's", aheadOf(ahead))
	}
	return l, nil
}

// filesAtOnce is how many files of a report are read at once: one for each CPU, as far
// as each has a quarter of 256 MiB.
func filesAtOnce(memory int64) int {
	return max(1, min(runtime.GOMAXPROCS(0), int(memory/(256<<20))))
}

func (a *app) build(ctx context.Context, ws *workspace.Workspace, src inventory.Source, count *progress.Counters) (*inventory.Snapshot, error) {
	memory, err := a.memoryBytes()
	if err != nil {
		return nil, err
	}
	temp, err := ws.TempDir()
	if err != nil {
		return nil, err
	}
	defer removeAll(temp)
	count.Phase("snapshot")
	stop := a.follow(count)
	defer stop()
	last := int64(0)
	id := ws.NewID("s")
	_, err = inventory.Build(ctx, ws.SnapshotDir(id), src, inventory.BuildOptions{
		// A quarter of the memory for rows: what else the process holds while it
		// sorts, and the garbage collector's headroom, come to a good deal more.
		Memory: memory / 4, TempDir: temp, Clock: a.clock, ID: id, Workers: filesAtOnce(memory),
		Progress: func(read, _ int64) { count.Skip(read-last, 0); last = read },
	})
	if err != nil {
		return nil, err
	}
	return inventory.Open(ws.SnapshotDir(id))
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
func (a *app) sameSnapshot(ws *workspace.Workspace, want inventory.Meta, list bool) *inventory.Snapshot {
	if list {
		return nil
	}
	ids, err := ws.Snapshots()
	if err != nil {
		return nil // the workspace will say so when it is written to
	}
	for _, id := range ids {
		s, err := inventory.Open(ws.SnapshotDir(id))
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

func (a *app) openSnapshot(ws *workspace.Workspace, name string) (*inventory.Snapshot, error) {
	id, err := ws.Resolve(workspace.Snapshot, name)
	if err != nil {
		return nil, err
	}
	return inventory.Open(ws.SnapshotDir(id))
}

// follow shows progress, unless that is not wanted, and notes it for those who ask
// for it from elsewhere.
func (a *app) follow(c *progress.Counters) (stop func()) {
	a.watch.count.Store(c)
	noted, shown := func() {}, func() {}
	if a.session != nil {
		noted = a.session.Watch(c.Snapshot)
	}
	if !a.quiet && !a.json {
		shown = term.Follow(a.stderr, c.Snapshot)
	}
	return func() { shown(); noted() }
}

// finally runs clean-up whose error must not be lost.
func finally(err *error, f func() error) { *err = errors.Join(*err, f()) }
