package detect

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cooper"
	"cooper/internal/config"
	"cooper/internal/gc"
	"cooper/internal/gcstate"
	"cooper/internal/inventory"
	"cooper/internal/ledger"
	"cooper/internal/ledger/gcfacts"
	"cooper/internal/query"
	"cooper/internal/query/duckdb"
)

var ctx = context.Background()

// today is the time of the database while the newest scan that counts read its handles.
var today = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

// days ago.
func ago(days int) cooper.Instant {
	return cooper.InstantOf(today.Add(-time.Duration(days) * 24 * time.Hour))
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

const (
	server = "server-1"
	scope  = server + "/app"
)

// scanID names scans by the days that they lie back.
func scanID(days int) string { return "p-" + ago(days).Time().Format("20060102T150405Z") + "-0001" }

func detectionID(days int) string {
	return "d-" + ago(days).Time().Format("20060102T150405Z") + "-0001"
}

// world is a workspace and what is declared.
type world struct {
	t         testing.TB
	dir       string
	config    *config.Config
	facts     *gcfacts.Store
	counted   []string
	snapshots []*inventory.Snapshot
	state     gcstate.State
	change    func(*Inputs)
	shards    int // of outcomes
}

const plainConfig = `version: 1
database: mysql:env:APP
buckets: [data, more]
handles: {table: files, id: id, bucket: bucket, key: key, modified: at, status: {column: status}}
protect: [{prefix: keep/}, {prefix: s3://more/only}]
in_flight: [{prefix: uploads/tmp/}]
associations:
  posts: {table: posts, object: id, handle: file}
detect: {settle: 0h}
archive: {bucket: archive}
`

func newWorld(t testing.TB, yaml string) *world {
	t.Helper()
	c, err := config.Parse("cooper.yaml", []byte(yaml))
	must(t, err)
	dir := t.TempDir()
	return &world{t: t, dir: dir, config: c, facts: gcfacts.Open(filepath.Join(dir, "ledger"))}
}

// reading is a scan that is being written.
type reading struct {
	*gcfacts.Writer
	t testing.TB
}

// file is a handle without anything odd about it, 400 days old, in the bucket data under its id.
func file(id string, change ...func(*gcfacts.Handle)) gcfacts.Handle {
	h := gcfacts.Handle{ID: id, Bucket: "data", Key: "files/" + id, Size: 1000, Modified: ago(400), Status: "AVAILABLE", Candidate: true}
	for _, c := range change {
		c(&h)
	}
	return h
}

func (r *reading) handles(all ...gcfacts.Handle) {
	r.t.Helper()
	for _, h := range all {
		must(r.t, r.Handle(h))
	}
}

func (r *reading) files(ids ...string) {
	r.t.Helper()
	for _, id := range ids {
		r.handles(file(id))
	}
}

// links have ids.
func (r *reading) links(ids ...string) {
	r.t.Helper()
	for _, id := range ids {
		must(r.t, r.Link("posts", "of "+id, gcfacts.Target{ID: id}))
	}
}

func (r *reading) derived(id, source string) {
	r.t.Helper()
	must(r.t, r.Derived(gcfacts.Derived{Name: "preview", ID: id, Source: source}))
}

func (r *reading) held(role, id string) {
	r.t.Helper()
	must(r.t, r.Hold(gcfacts.Hold{Role: role, Table: "holds", ID: id}))
}

// begun writes a scan of some days ago, and does not end it.
func (w *world) begun(days int, read func(*reading)) string {
	w.t.Helper()
	return w.read(scanID(days), ago(days), read)
}

// between writes one that was begun half a day later, and was not ended.
func (w *world) between(days int, read func(*reading)) {
	w.t.Helper()
	at := ago(days) + 12*60*60*1000
	w.read("p-"+at.Time().Format("20060102T150405Z")+"-0002", at, read)
}

func (w *world) read(id string, at cooper.Instant, read func(*reading)) string {
	w.t.Helper()
	out, err := w.facts.Shard(ctx, id, 0)
	must(w.t, err)
	read(&reading{out, w.t})
	for _, what := range []string{gcfacts.OfKind, gcfacts.OfAssociation} {
		must(w.t, out.Range(gcfacts.Range{What: what, Name: "posts", Began: at, Ended: at, Clock: at, Server: server}))
	}
	must(w.t, out.Commit(ctx))
	return id
}

// scan writes one that counts.
func (w *world) scan(days int, read func(*reading)) {
	w.t.Helper()
	id := w.begun(days, read)
	must(w.t, w.facts.Finish(ctx, gcfacts.Scan{ID: id, Shards: 1, Began: ago(days), Ended: ago(days), Clock: ago(days), Server: server, Complete: true}))
	w.counted = append(w.counted, id)
}

// scans writes three that count, and that have seen the same.
func (w *world) scans(read func(*reading)) {
	w.t.Helper()
	for _, days := range []int{2, 1, 0} {
		w.scan(days, read)
	}
}

// object is one of an inventory: its key, days, and what is odd about it.
type object struct {
	key    string
	days   int
	marker bool
	old    bool // not the latest
	etag   string
}

func (w *world) inventory(bucket string, taken int, objects ...object) {
	w.t.Helper()
	source := &listed{meta: inventory.Meta{Source: "a test", Bucket: bucket, TakenAt: ago(taken)}}
	for i, o := range objects {
		v := cooper.Version{Identity: cooper.Identity{Key: o.key, VersionID: fmt.Sprintf("%032d", i), ETag: o.etag, LastModified: ago(o.days), Size: 500}, Latest: !o.old, DeleteMarker: o.marker}
		if v.ETag == "" && !o.marker {
			v.ETag = fmt.Sprintf("%032x", i)
		}
		source.versions = append(source.versions, v)
	}
	w.build(source)
}

func (w *world) build(source inventory.Source) {
	w.t.Helper()
	id := fmt.Sprintf("s-20260301T000000Z-%04x", len(w.snapshots))
	dir := filepath.Join(w.dir, "snapshot", id)
	must(w.t, os.MkdirAll(filepath.Dir(dir), 0o755))
	_, err := inventory.Build(ctx, dir, source, inventory.BuildOptions{})
	must(w.t, err)
	s, err := inventory.Open(dir)
	must(w.t, err)
	w.snapshots = append(w.snapshots, s)
}

// listed is a source with rows that are at hand.
type listed struct {
	meta     inventory.Meta
	versions []cooper.Version
	rejected []inventory.Rejected
}

func (l *listed) Meta() inventory.Meta    { return l.meta }
func (l *listed) Parts() []inventory.Part { return []inventory.Part{l} }
func (l *listed) Name() string            { return "part" }
func (l *listed) Read(_ context.Context, to inventory.Sink) error {
	for i := range l.versions {
		if err := to.Version(&l.versions[i]); err != nil {
			return err
		}
	}
	for _, r := range l.rejected {
		if err := to.Reject(r); err != nil {
			return err
		}
	}
	return nil
}

// stored writes down that compress has stored an object of some days ago anew.
func (w *world) stored(bucket, key string, days int, as, etag string) {
	w.t.Helper()
	o := cooper.Outcome{Status: cooper.Done, Content: &cooper.Content{State: cooper.Rewritten, Codec: "zstd:3", Stored: cooper.Identity{Key: as, ETag: etag}}}
	o.Identity = cooper.Identity{Key: key, ETag: "of the original", LastModified: ago(days)}
	w.shards++
	must(w.t, ledger.Open(filepath.Join(w.dir, "ledger")).WriteOutcomes(ctx, "r-20260101T000000Z-0001", w.shards, "p-20260101T000000Z-0001", "s3://"+bucket+"/", []cooper.Outcome{o}))
}

// found are the lists, as lines, and what the detection comes to.
type found struct {
	lists map[string][]string
	gcfacts.Detection
}

func (f *found) add(list string, columns ...string) error {
	f.lists[list] = append(f.lists[list], strings.Join(columns, "\t"))
	return nil
}

func named(kind, id string) string {
	if kind == "" {
		return id
	}
	return kind + ":" + id
}

// ascii is a text as in JSON, without quotes.
func ascii(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteString("\\" + string(r))
		case r < ' ' || r > '~' && r < 0x10000:
			fmt.Fprintf(&b, "\\u%04x", r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

func (f *found) Candidate(c gcfacts.Candidate) error {
	_ = f.add("alone", named(c.Kind, c.ID), strconv.FormatInt(c.Alone, 10))
	return f.add("candidates", named(c.Kind, c.ID), strconv.FormatInt(c.Size, 10))
}

func (f *found) Kept(k gcfacts.Kept) error { return f.add("kept", named(k.Kind, k.ID), k.Reason) }

func (f *found) Relinked(r gcfacts.Relinked) error {
	return f.add("relinked", named(r.Kind, r.ID), r.Status)
}

func (f *found) Missing(m gcfacts.Missing) error {
	return f.add("missing", named(m.Kind, m.ID), m.Bucket, ascii(m.Key))
}

func (f *found) Unindexed(u gcfacts.Unindexed) error {
	if u.How != "" {
		_ = f.add("apart", u.Bucket, ascii(u.Key), u.How)
	}
	return f.add("unindexed", u.Bucket, ascii(u.Key), strconv.FormatInt(u.Size, 10))
}

func (f *found) UnindexedKept(u gcfacts.UnindexedKept) error {
	return f.add("unindexed_kept", u.Bucket, ascii(u.Key), u.Reason)
}

func (f *found) NearMiss(n gcfacts.NearMiss) error {
	return f.add("near", named(n.Kind, n.ID), n.Bucket, ascii(n.Key), n.Other)
}

// Ripe adds a row of an object to the list of its verdict; of a delayed one, who delays it.
func (f *found) Ripe(r gcfacts.Ripe) error {

	if r.Cleared {
		_ = f.add("cleared", named(r.Kind, r.ID))
	}
	row := []string{r.Bucket, ascii(r.Key)}
	list := map[string]string{MayGo: "archive", Delayed: "archive_delayed", TooSmall: "archive_small", NoObject: "archive_missing", MayBeDeleted: "delete", StaysThere: "delete_delayed"}[r.Verdict]
	if r.Verdict == MayGo {
		row = append(row, strconv.FormatInt(r.Size, 10))
	}
	line := strings.Join(row, "\t")
	if r.Verdict == Delayed || r.Verdict == StaysThere && r.Delays {
		if !r.Delays {
			return nil
		}
		lines := f.lists[list]
		if n := len(lines); n > 0 && strings.HasPrefix(lines[n-1], line+"\t") {
			lines[n-1] += "," + named(r.Kind, r.ID)
			return nil
		}
		line += "\t" + named(r.Kind, r.ID)
	} else if slices.Contains(f.lists[list], line) {
		return nil
	}
	return f.add(list, line)
}

func sortLines(lines []string) { slices.Sort(lines) }

// inputs are those of the world.
func (w *world) inputs(e query.Engine) *Inputs {
	past, err := w.facts.Detections(ctx)
	must(w.t, err)
	counted := slices.Clone(w.counted)
	slices.Sort(counted)
	slices.Reverse(counted)
	in := &Inputs{
		Engine: e, Config: w.config, ID: detectionID(0), Scope: scope, Server: server, Standing: gc.Standing{Counted: counted, Wanted: 3}, Snapshots: w.snapshots, State: w.state, TempDir: w.dir, Past: past,
	}
	if w.change != nil {
		w.change(in)
	}
	return in
}

func (w *world) engine() query.Engine {
	w.t.Helper()
	e, err := duckdb.Open(duckdb.Options{Memory: 512 << 20, Threads: 2, TempDir: w.t.TempDir()})
	must(w.t, err)
	w.t.Cleanup(func() { must(w.t, e.Close()) })
	must(w.t, e.Views(ctx, query.Sources{Workspace: w.dir}))
	return e
}

func (w *world) detect() *found {
	w.t.Helper()
	f, err := w.look()
	must(w.t, err)
	return f
}

func (w *world) look() (*found, error) {
	w.t.Helper()
	f := &found{lists: map[string][]string{}}
	d, err := Detect(ctx, w.inputs(w.engine()), f)
	if d != nil {
		f.Detection = *d
	}
	return f, err
}

// want compares a list with lines in which blanks stand for tabs.
func (f *found) want(t testing.TB, list string, lines ...string) {
	t.Helper()
	var tabbed []string
	for _, l := range lines {
		tabbed = append(tabbed, strings.Join(strings.Fields(l), "\t"))
	}
	if d := cmp.Diff(tabbed, f.lists[list]); d != "" {
		t.Errorf("%s (-want, +got):\n%s", list, d)
	}
}

func (f *found) refused(t testing.TB, what ...string) {
	t.Helper()
	var got []string
	for _, r := range f.Refusals {
		got = append(got, r.What)
	}
	if d := cmp.Diff(what, got); d != "" {
		t.Errorf("refusals (-want, +got):\n%s%v", d, f.Refusals)
	}
}

func (f *found) figure(name string) gcfacts.Figure {
	for _, g := range f.Figures {
		if g.Name == name {
			return g
		}
	}
	return gcfacts.Figure{}
}

// memory is a state that is at hand.
type memory struct {
	gcstate.State
	records []gcstate.Record
}

func (m *memory) Walk(_ context.Context, scope string, _ []gcstate.Status, each func(*gcstate.Record) error) error {
	for i := range m.records {
		if m.records[i].Scope != scope {
			continue
		}
		if err := each(&m.records[i]); err != nil {
			return err
		}
	}
	return nil
}

func record(id string, status gcstate.Status, days int) gcstate.Record {
	return gcstate.Record{Handle: gcstate.Handle{Scope: scope, ID: id}, Status: status, Since: ago(days)}
}
