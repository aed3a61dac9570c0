package detect_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"cooper"
	"cooper/internal/config"
	"cooper/internal/gc"
	"cooper/internal/gcop"
	"cooper/internal/gcstate"
	"cooper/internal/inventory"
	"cooper/internal/ledger/gcfacts"
	"cooper/internal/plan"
	"cooper/internal/query"
)

const (
	hour = cooper.Instant(time.Hour / time.Millisecond)
	day  = 24 * hour

	// parts is how many ranges an association has.
	parts = 2
	// ballast are handles and links that are always there, so that one cell more or less does
	// not decide whether a scan is suspect.
	ballast = 1200
	// associationParts is how many ranges all associations have.
	associationParts = 2 * parts
)

var (
	associations = []string{"bodies", "posts"}
	roles        = []string{gcfacts.Protected, gcfacts.InFlight}
)

const declared = `version: 1
database: postgres:env:APP
buckets: [app, media]
reads: [outside]
handles:
%sprotect: [{table: holds, handle: file_id}, {prefix: s3://app/keep/}]
in_flight: [{table: uploads, handle: file_id}, {prefix: tmp}]
associations:
  posts: {table: posts, object: id, handle: file_id}
  bodies: {table: posts, object: id, value: body, as: [addresses]}
`

const (
	oneKind  = "  {table: files, id: id, where: mine, location: url, size: size, modified: at, created: made, preview: preview_id}\n"
	twoKinds = `  file: {table: files, id: id, where: mine, location: url, size: size, modified: at, created: made, preview: preview_id}
  old: {table: old, id: id, bucket: bucket, key: key, size: size, modified: at, created: made, status: {column: state, values: {AVAILABLE: 0, UNLINKED: 1, ARCHIVED: 2, DELETED: 3}}}
`
)

// world is a database with many cells, and what Cooper has of it.
type world struct {
	t      *testing.T
	seed   uint64
	r      *rand.Rand // of what concerns all of them
	now    cooper.Instant
	cells  []*cell
	config *config.Config
	kinds  []string

	server        string
	digests       gc.Digests
	drift         cooper.Instant // of the database's clock
	copies        [][]cellState  // what a backup has
	serial        int
	dir           string
	facts         *gcfacts.Store
	engine        query.Engine
	seen          []*seen // the scans, in the order of their beginning
	inventories   []*taken
	state, lossy  *memory                   // of the one, the records were lost
	came          map[gcstate.Handle]bool   // those that came back after the loss
	acknowledged  map[string]cooper.Instant // values, until when
	acceptedAt    cooper.Instant
	words         words
	detections    int
	past          []gcfacts.Detection
	told          []gcstate.Transition
	marked        int
	sinceUnlinked map[name]cooper.Instant // handles without any link now, and since when
	complete      int
	registry      cooper.Instant // when the registry of links to old handles began; 0: there is none
}

// words are what persons have said, the last about each counts.
type words struct {
	kept   map[name]bool
	linked map[gcfacts.LinkedByHand]bool // by scope, association, object, kind and id
}

// seen is what a scan has read, as it was told.
type seen struct {
	id                  string
	began, ended, clock cooper.Instant
	server              string
	digests             gc.Digests
	rows                []row
	derived             []edge
	holds               []hold
	links               []link // those that could be read
	bad                 []gcfacts.Malformed
	finished, whole     bool
	suspect             bool
	ranges, wanted      int
}

// taken is an inventory.
type taken struct {
	at       cooper.Instant
	objects  map[place]object
	snapshot map[string]*inventory.Snapshot
}

func newWorld(t *testing.T, e query.Engine, seed uint64, cells []int) *world {
	w := &world{t: t, seed: seed, r: rand.New(rand.NewPCG(seed, 0)), now: cooper.InstantOf(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)), kinds: []string{"file", "old"},
		server: "db-1", digests: gc.Digests{Configuration: "c1", Schema: "s1"}, dir: t.TempDir(), engine: e, state: newMemory("one"), acknowledged: map[string]cooper.Instant{}, sinceUnlinked: map[name]cooper.Instant{}, came: map[gcstate.Handle]bool{}}
	w.words = words{map[name]bool{}, map[gcfacts.LinkedByHand]bool{}}
	text := twoKinds
	if seed%3 == 2 {
		w.kinds, text = []string{""}, oneKind
	}
	var err error
	if w.config, err = config.Parse("cooper.yaml", fmt.Appendf(nil, declared, text)); err != nil {
		t.Fatal(err)
	}
	w.facts = gcfacts.Open(filepath.Join(w.dir, "ledger"))
	w.must(e.Views(context.Background(), query.Sources{Workspace: w.dir}))
	for _, n := range cells {
		c := newCell(seed, n, w.kinds)
		c.begin(w.now)
		w.cells = append(w.cells, c)
	}
	return w
}

func (w *world) must(errs ...error) {
	w.t.Helper()
	if err := errors.Join(errs...); err != nil {
		w.t.Fatalf("seed %d: %v", w.seed, err)
	}
}

// id is a new one, greater than all before it.
func (w *world) id(prefix string) string {
	w.serial++
	return fmt.Sprintf("%s-%s-%04x", prefix, w.now.Time().Format("20060102T150405Z"), w.serial)
}

// chance tells, of so many times, once, of a thing that happens or not whatever happened before.
func (w *world) chance(in uint64, what string, n name) bool {
	h := fnv.New64a()
	fmt.Fprint(h, w.seed, what, n, w.now)
	return h.Sum64()%in == 0
}

// pass lets time go by, and things happen; to each cell in so many times once.
func (w *world) pass(d cooper.Instant, often int) {
	w.now += d
	for _, c := range w.cells {
		if often > 0 {
			c.live(w.now, often)
		}
	}
	w.truth()
}

// truth notes which handles have a link at this moment.
func (w *world) truth() {
	for _, c := range w.cells {
		is := linked(c.state.rows, c.state.rows, c.state.links)
		for _, r := range c.state.rows {
			if _, was := w.sinceUnlinked[r.name]; is[r.name] {
				delete(w.sinceUnlinked, r.name)
			} else if !was {
				w.sinceUnlinked[r.name] = w.now
			}
		}
	}
}

// backup copies the database, restore puts such a copy in its place.
func (w *world) backup() {
	var all []cellState
	for _, c := range w.cells {
		all = append(all, c.state.clone())
	}
	w.copies = append(w.copies, all)
}

func (w *world) restore() {
	all := w.copies[max(0, len(w.copies)-1-w.r.IntN(4))]
	for i, c := range w.cells {
		c.state = all[i].clone()
		for k := range c.state.links {
			c.state.links[k].since = w.now
		}
	}
	w.truth()
}

// read is a part of the database, and how it is written down.
type read struct {
	r gcfacts.Range
	f func(*seen, *gcfacts.Writer) error
}

func ballastID(n int) string { return fmt.Sprint(900_000_000 + n) }

// reads are the ranges of a scan.
func (w *world) reads() (all []read) {
	for k, kind := range w.kinds {
		all = append(all, read{gcfacts.Range{What: gcfacts.OfKind, Name: kind, Table: "files"}, func(s *seen, to *gcfacts.Writer) (err error) {
			for n := range ballast {
				if k == 0 {
					h := row{name: name{kind, ballastID(n)}, at: []place{{"app", "up/ballast/" + ballastID(n)}}, size: 1, modified: hour, status: "0", candidate: true}
					err = errors.Join(err, writeRow(to, &h))
				}
			}
			for _, c := range w.cells {
				for _, h := range c.state.rows {
					if h.kind == kind {
						s.rows = append(s.rows, h)
						err = errors.Join(err, writeRow(to, &h))
					}
				}
			}
			return err
		}})
	}
	all = append(all, read{gcfacts.Range{What: gcfacts.OfDerived, Name: "variant", Table: "variants"}, func(s *seen, to *gcfacts.Writer) (err error) {
		for _, c := range w.cells {
			s.derived = append(s.derived, c.state.derived...)
			for _, d := range c.state.derived {
				err = errors.Join(err, to.Derived(gcfacts.Derived{Name: "variant", Kind: d.derived.kind, ID: d.derived.id, Source: d.source.id}))
			}
		}
		return err
	}})
	for _, role := range roles {
		all = append(all, read{gcfacts.Range{What: gcfacts.OfHold, Name: role, Table: "holds"}, func(s *seen, to *gcfacts.Writer) (err error) {
			for _, c := range w.cells {
				for _, h := range c.state.holds {
					if h.role == role {
						s.holds = append(s.holds, h)
						err = errors.Join(err, to.Hold(gcfacts.Hold{Role: role, Table: "holds", Kind: h.kind, ID: h.id}))
					}
				}
			}
			return err
		}})
	}
	for i, a := range associations {
		for part := range parts {
			all = append(all, read{gcfacts.Range{What: gcfacts.OfAssociation, Name: a, Table: a, Number: part}, func(s *seen, to *gcfacts.Writer) (err error) {
				for n := range ballast / associationParts {
					err = errors.Join(err, to.Link(a, ballastID(n), gcfacts.Target{Kind: w.kinds[0], ID: ballastID(n*associationParts + i*parts + part)}))
				}
				for _, c := range w.cells {
					for _, l := range c.state.links {
						if l.association == a && l.part == part {
							err = errors.Join(err, s.link(to, l))
						}
					}
				}
				return err
			}})
		}
	}
	return all
}

func writeRow(to *gcfacts.Writer, h *row) (err error) {
	g := gcfacts.Handle{Kind: h.kind, ID: h.id, Size: h.size, Modified: h.modified, Created: h.created, Status: h.status, Candidate: h.candidate && len(h.at) > 0}
	if len(h.at) == 0 {
		return to.Handle(g)
	}
	for _, at := range h.at {
		g.Bucket, g.Key = at.bucket, at.key
		err = errors.Join(err, to.Handle(g))
		g.Candidate = false
	}
	return err
}

func (s *seen) link(to *gcfacts.Writer, l link) error {
	if l.bad {
		m := gcfacts.Malformed{Association: l.association, Table: l.association, Key: l.object, Why: "it cannot be read", Hash: fmt.Append(nil, l.readings)}
		s.bad = append(s.bad, m)
		return to.Malformed(m)
	}
	s.links = append(s.links, l)
	var all []gcfacts.Target
	for _, r := range l.readings {
		all = append(all, gcfacts.Target{Kind: r.kind, ID: r.id, Bucket: r.bucket, Key: r.key})
	}
	return to.Link(l.association, l.object, all...)
}

// begin plans a scan; step reads its next range.
func (w *world) begin() *seen {
	s := &seen{id: w.id("p"), clock: w.now + w.drift, server: w.server, digests: w.digests, wanted: len(w.reads()), whole: true}
	w.seen = append(w.seen, s)
	return s
}

// step reads the next range of a scan, or fails to.
func (w *world) step(s *seen, fails bool) {
	rd := w.reads()[s.ranges]
	s.ranges++
	if fails {
		s.whole = false
		return
	}
	if s.began == 0 {
		s.began, s.clock = w.now, w.now+w.drift
	}
	s.ended = w.now + 1000
	rd.r.Rows, rd.r.Began, rd.r.Ended, rd.r.Clock, rd.r.Server = 5000, w.now, s.ended, w.now+w.drift, s.server
	to, err := w.facts.Shard(context.Background(), s.id, s.ranges-1)
	w.must(err)
	w.must(rd.f(s, to), to.Range(rd.r), to.Commit(context.Background()))
}

// finish judges a scan.
func (w *world) finish(s *seen) {
	ctx := context.Background()
	policy := gc.Policy{Scanning: gcop.Scanning{Config: "/cooper.yaml", Configuration: s.digests.Configuration, Schema: s.digests.Schema, Server: s.server, Engine: "PostgreSQL", Time: s.clock}, Ranges: map[string]int{}}
	for _, rd := range w.reads() {
		if rd.r.What == gcfacts.OfAssociation {
			policy.Ranges[rd.r.Name]++
		} else {
			policy.Ranges[""]++
		}
	}
	text, err := json.Marshal(policy)
	w.must(err)
	h := plan.Header{ID: s.id, Mission: gc.Mission, Policy: text, Phases: []plan.Phase{{Name: "all", Shards: s.wanted}}}
	history, err := gc.HistoryOf(ctx, w.engine, w.now)
	w.must(err)
	last := history.LastComplete(s.server)
	r, err := gc.ReadOf(ctx, w.engine, &h, last, w.now)
	w.must(err)
	judged := gc.Judge(&policy, r, last)
	s.suspect = len(judged.Suspects) > 0
	s.finished = true
	w.must(w.facts.Finish(ctx, judged))
	if judged.Complete {
		w.complete++
	}
}

// read carries a scan out to its end; links move meanwhile.
func (w *world) read(s *seen, quiet bool) {
	fails := -1
	if !quiet && w.r.IntN(4) == 0 {
		fails = w.r.IntN(s.wanted)
	}
	for s.ranges < s.wanted {
		w.step(s, s.ranges == fails)
		if quiet {
			w.pass(hour/60, 0)
		} else {
			w.pass(hour/60, 12)
		}
	}
}

// acknowledge takes note of all values that cannot be read, for a time.
func (w *world) acknowledge(d cooper.Instant) {
	var all []gcfacts.Acknowledgement
	for _, s := range w.seen {
		for _, m := range s.bad {
			if w.acknowledged[value(&m)] < w.now+d {
				w.acknowledged[value(&m)] = w.now + d
				all = append(all, gcfacts.Acknowledgement{What: gcfacts.Value, Scan: s.id, Association: m.Association, Key: m.Key, Hash: m.Hash, Person: "Ada", Made: w.now, Until: w.now + d})
			}
		}
	}
	if len(all) > 0 {
		w.must(w.facts.Acknowledge(context.Background(), w.id("a"), all))
	}
}

func value(m *gcfacts.Malformed) string {
	return m.Association + "\x00" + m.Key + "\x00" + string(m.Hash)
}

// accept says that the database is the right one, although it is another or older.
func (w *world) accept() {
	w.acceptedAt = w.now
	w.must(w.facts.Acknowledge(context.Background(), w.id("a"), []gcfacts.Acknowledgement{{What: gcfacts.Database, Key: w.server, Person: "Ada", Made: w.now}}))
}

// take makes an inventory of the buckets as they are.
func (w *world) take() *taken {
	k := &taken{at: w.now, objects: map[place]object{}, snapshot: map[string]*inventory.Snapshot{}}
	src := map[string]*rows{}
	for _, b := range w.config.Buckets {
		src[b.Name] = &rows{meta: inventory.Meta{Source: "rows", Bucket: b.Name, TakenAt: w.now}}
	}
	put := func(at place, o object) {
		k.objects[at] = o
		if s := src[at.bucket]; s != nil {
			s.all = append(s.all, cooper.Version{Identity: cooper.Identity{Key: at.key, VersionID: "v1", ETag: "5d41402abc4b2a76b9719d911017c592", Size: o.size, LastModified: o.modified}, Latest: true, StorageClass: "STANDARD"})
		}
	}
	for n := range ballast {
		put(place{"app", "up/ballast/" + ballastID(n)}, object{1, hour})
	}
	for _, c := range w.cells {
		for at, o := range c.objects {
			put(at, o)
		}
	}
	for _, b := range slices.Sorted(maps.Keys(src)) {
		dir := filepath.Join(w.dir, "snapshot", w.id("s"))
		_, err := inventory.Build(context.Background(), dir, src[b], inventory.BuildOptions{Memory: 16 << 20, Workers: 1, Clock: func() time.Time { return w.now.Time() }})
		w.must(err)
		k.snapshot[b], err = inventory.Open(dir)
		w.must(err)
	}
	w.inventories = append(w.inventories, k)
	return k
}

// rows is an inventory of given rows.
type rows struct {
	meta inventory.Meta
	all  []cooper.Version
}

func (s *rows) Meta() inventory.Meta    { return s.meta }
func (s *rows) Parts() []inventory.Part { return []inventory.Part{s} }
func (s *rows) Name() string            { return "rows" }
func (s *rows) Read(_ context.Context, to inventory.Sink) error {
	for i := range s.all {
		if err := to.Version(&s.all[i]); err != nil {
			return err
		}
	}
	return nil
}
