package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"cooper"
	"cooper/internal/inventory"
	"cooper/internal/ledger"
	"cooper/internal/plan"
	"cooper/internal/price"
	"cooper/internal/tree/catalog"
	"cooper/internal/treeop"
)

// planned plans and carries out, without failures.
func planned(t *testing.T, s *snap, tree *model) []cooper.Action {
	t.Helper()
	var rec recorder
	h, err := Plan(context.Background(), Inputs{Snapshot: s, Catalog: tree, Dir: "/tree", Policy: Careful(), ID: "p-1", Now: 1 << 40}, &rec)
	if err != nil {
		t.Fatal(err)
	}
	if err := tree.carryOut(h, rec.actions, never); err != nil {
		t.Fatal(err)
	}
	return rec.actions
}

// What a real plan's file gives back is what was decided.
func TestPlanIsReadBackAsDecided(t *testing.T) {
	b := newBucket("Enabled")
	tree := newModel()
	for i := range 3000 {
		b.put(fmt.Sprintf("d%d/k%d", i/100, i), b.now, "")
	}
	planned(t, b.list(), tree)
	for i := range 1000 {
		b.put(fmt.Sprintf("d%d/k%d", i/100, i), b.now, "")
	}
	s := b.list()
	dir := filepath.Join(t.TempDir(), "p-1")
	w, err := plan.Create(dir, "p-1", plan.Limits{Actions: 100})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	prices, err := price.Load("")
	if err != nil {
		t.Fatal(err)
	}
	in := Inputs{Snapshot: s, Catalog: tree, Dir: "/tree", Policy: Careful(), Prices: prices, ID: "p-1", Now: 1 << 40}
	h, err := Plan(context.Background(), in, w)
	if err != nil {
		t.Fatal(err)
	}
	p, err := plan.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if got := p.Header(); !reflect.DeepEqual(got.Reasons, h.Reasons) || got.Unchanged.Count != 2000 || got.Digest != h.Digest {
		t.Errorf("header %+v", got)
	}
	if h.Source != "s3://b" || h.Target != (plan.Target{Kind: "tree", Path: "/tree", Generation: 1}) || h.Estimate.USD <= 0 || h.Snapshot.ID != s.meta.ID {
		t.Errorf("header %+v", h)
	}
	var all []cooper.Action
	seen := map[string]int{}
	for n := range p.Shards() {
		as, err := p.Shard(context.Background(), n)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range as {
			if in, ok := seen[a.Version.Key]; ok && in != n {
				t.Fatalf("%s is split over shards %d and %d", a.Version.Key, in, n)
			}
			seen[a.Version.Key] = n
		}
		all = append(all, as...)
	}
	if p.Shards() < 15 || len(all) != 2000 {
		t.Errorf("%d shards, %d actions", p.Shards(), len(all))
	}
	if err := tree.carryOut(h, all, never); err != nil {
		t.Error(err)
	}
	if again := planned(t, s, tree); len(again) > 0 {
		t.Errorf("the second plan is not empty: %s", describe(again, nil))
	}
}

// broken fails after some of its items.
type broken struct {
	versions int
	err      error
	*snap
}

type brokenList struct {
	left int
	err  error
	inventory.Iterator
}

func (l *brokenList) Next() (*cooper.Version, error) {
	if l.left--; l.left < 0 {
		return nil, l.err
	}
	return l.Iterator.Next()
}

func (b *broken) Versions(ctx context.Context, prefix string) inventory.Iterator {
	return &brokenList{b.versions, b.err, b.snap.Versions(ctx, prefix)}
}

// A mission that could not see all of its inputs plans nothing.
func TestWhatCannotBeReadWholeIsNotPlannedFrom(t *testing.T) {
	b := newBucket("Enabled")
	b.put("a", b.now, "")
	b.put("b", b.now, "")
	s := b.list()
	cause := &cooper.Error{Kind: cooper.KindCorrupt, Message: "bits fell over"}
	for n := range 3 {
		in := Inputs{Snapshot: &broken{versions: n, err: cause, snap: s}, Catalog: newModel(), Policy: Careful()}
		if _, err := Plan(context.Background(), in, &finishless{t: t}); !errors.Is(err, cause) {
			t.Errorf("after %d versions: %v", n, err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Plan(ctx, Inputs{Snapshot: s, Catalog: newModel(), Policy: Careful()}, &finishless{t: t}); cooper.KindOf(err) != cooper.KindInterrupted {
		t.Errorf("cancelled: %v", err)
	}
}

// finishless is a Writer that must not be finished.
type finishless struct {
	recorder
	t *testing.T
}

func (f *finishless) Finish(h plan.Header) (plan.Header, error) {
	f.t.Error("the plan was finished")
	return h, nil
}

// unsortedSnap gives its versions in the order they are in.
type unsortedSnap struct{ *snap }

func (u unsortedSnap) Versions(context.Context, string) inventory.Iterator {
	return &versionList{vs: u.versions}
}

type rowsOf struct {
	*model
	rows []catalog.Row
}

func (r rowsOf) Rows(context.Context, string) catalog.Iterator { return &rowList{rows: r.rows} }

// What is not in order would look absent.
func TestDisorderIsAnError(t *testing.T) {
	b := newBucket("Enabled")
	for _, k := range []string{"a", "b", "c"} {
		b.put(k, b.now, "")
	}
	s, tree := b.list(), newModel()
	planned(t, s, tree)
	sorted := tree.sorted("")
	for name, in := range map[string]Inputs{
		"snapshot": {Snapshot: unsortedSnap{&snap{meta: s.meta, versions: []cooper.Version{b.keys["b"][0], b.keys["a"][0]}}}, Catalog: tree},
		"catalog":  {Snapshot: s, Catalog: rowsOf{tree, []catalog.Row{sorted[0], sorted[2], sorted[1]}}},
	} {
		in.Policy = Careful()
		_, err := Plan(context.Background(), in, &finishless{t: t})
		if cooper.KindOf(err) != cooper.KindInvalid || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestPolicyIsChecked(t *testing.T) {
	nan := 0.0
	for name, change := range map[string]func(*Policy){
		"archived": func(p *Policy) { p.Archived = "melt" },
		"share":    func(p *Policy) { p.ShareLimit = nan / nan },
		"shares":   func(p *Policy) { p.ShareLimit = 10 },
		"match":    func(p *Policy) { p.Match = "(" },
	} {
		p := Careful()
		change(&p)
		_, err := Plan(context.Background(), Inputs{Snapshot: newBucket("").list(), Catalog: newModel(), Policy: p}, &finishless{t: t})
		if cooper.KindOf(err) != cooper.KindUsage {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Keys that could be in each other's way are tied, but not for ever.
func TestTiedActionsAreBounded(t *testing.T) {
	var c cutter
	cuts, longest, n := 0, 0, 0
	for i := range 3 * tiedActions {
		n++
		key := "a"
		if i > 0 {
			key = fmt.Sprintf("a-%08d", i) // all of them sort before a/
		}
		if c.cut(key) {
			cuts++
			longest, n = max(longest, n), 0
		}
	}
	if cuts < 3 || longest > tiedActions+1 {
		t.Errorf("%d cuts, %d actions without one", cuts, longest)
	}
	if len(c.above) > 2 {
		t.Errorf("%d keys are remembered", len(c.above))
	}
	for range 2 * tiedActions {
		if c.cut(c.last) {
			t.Fatal("the versions of one key may be split")
		}
	}
}

func TestEstimate(t *testing.T) {
	e := newEstimator()
	fetch := func(key, etag string, size int64, to catalog.Place, superseded cooper.Instant) {
		v := cooper.Version{Identity: cooper.Identity{Key: key, ETag: etag, Size: size}}
		e.count(treeop.Fetch, &v, &treeop.Args{To: to, Superseded: superseded})
	}
	e.inMirror("a/b/1")
	fetch("a/b/2", "e", 1, catalog.Mirror, 0)                      // no new directory
	fetch("a/c/1", "e", blockSize+1, catalog.Mirror, 0)            // a/c
	fetch("a/c/d/e/1", "e", 0, catalog.Mirror, 0)                  // a/c/d, a/c/d/e
	fetch("a/c/x", "e", 10, catalog.History, 5)                    // the day, a, a/c
	fetch("a/c/y", "e", 10, catalog.History, 6)                    // none
	fetch("a/c/z", "e", 10, catalog.History, 90_000_000)           // another day, a, a/c
	fetch("m", strings.Repeat("0", 32)+"-3", 1, catalog.Mirror, 0) // fewer bytes than parts: makes no sense
	fetch("n", strings.Repeat("0", 32)+"-3", 100_000_001, catalog.Mirror, 0)
	fetch("o", strings.Repeat("0", 32)+"-50", 51, catalog.Mirror, 0) // no whole MB
	want := map[string]int64{"GET": 9, "HEAD": 1}
	if !reflect.DeepEqual(e.requests, want) {
		t.Errorf("requests %v, want %v", e.requests, want)
	}
	const dirs, files = 3 + 3 + 3, 9
	if e.inodes != dirs+files {
		t.Errorf("%d inodes, want %d", e.inodes, dirs+files)
	}
	blocks := int64(1 + 2 + 0 + 1 + 1 + 1 + 1 + 24415 + 1 + dirs)
	if want := blocks*blockSize + 9*catalogRow; e.disk != want {
		t.Errorf("%d bytes of disk, want %d", e.disk, want)
	}
	est := e.estimate(Rates{Requests: 10, Bytes: 1e9, Changes: 9}, nil)
	if est.Seconds != 2 {
		t.Errorf("%g seconds, want 2", est.Seconds)
	}
	if ws := spaceWarnings(est, &Space{Bytes: est.Disk - 1, Inodes: est.Inodes - 1}); len(ws) != 2 {
		t.Errorf("warnings %q", ws)
	}
	if ws := spaceWarnings(est, &Space{Bytes: est.Disk, Inodes: est.Inodes}); len(ws) != 0 {
		t.Errorf("warnings %q", ws)
	}
}

type runList []ledger.RunFact

func (r runList) Runs(context.Context) ([]ledger.RunFact, error) { return r, nil }

func TestStatus(t *testing.T) {
	b := newBucket("Enabled")
	b.put("a", b.now, "")
	b.put("a", b.now, "")
	b.put("b", b.now, "")
	b.put("c", b.now, "")
	b.keys["c"][0].StorageClass = "GLACIER"
	tree := newModel()
	first := b.list()
	planned(t, first, tree)
	b.remove("b")
	planned(t, b.list(), tree)
	incomplete := b.list()
	incomplete.meta.Complete = false
	planned(t, incomplete, tree)
	tree.state.Run = &catalog.Progress{Plan: "p-9", Mission: Mission, Shards: 5, Done: catalog.Ranges{}.With(1).With(3)}
	last := tree.state.Observed[1]
	runs := runList{
		{ID: "r-1", Target: "/tree", Counts: map[string]int64{"failed/denied": 7}},
		{ID: "r-2", Target: "/tree", Counts: map[string]int64{"done": 4, "failed/missing": 2, "deferred/archived": 1}},
		{ID: "r-3", Target: "/other", Counts: map[string]int64{"failed/denied": 9}},
	}
	s, err := StatusOf(context.Background(), "/tree", tree, runs, last.TakenAt+90_000, true)
	if err != nil {
		t.Fatal(err)
	}
	if s.Complete == nil || s.Complete.ID != last.ID || s.Age != 90 || len(s.Observed) != 3 {
		t.Errorf("complete %+v, age %g, observed %d", s.Complete, s.Age, len(s.Observed))
	}
	if s.Unfinished == nil || s.Unfinished.Left != 3 || s.Unfinished.Plan != "p-9" {
		t.Errorf("unfinished %+v", s.Unfinished)
	}
	if s.Last == nil || s.Last.ID != "r-2" || !reflect.DeepEqual(s.Failures, map[string]int64{"missing": 2}) || s.Deferred["archived"] != 1 {
		t.Errorf("last %+v, failures %v, deferred %v", s.Last, s.Failures, s.Deferred)
	}
	want := &Contents{
		Places:  map[string]plan.Tally{"mirror": {Count: 1, Bytes: 3}, "history": {Count: 2, Bytes: 2 + 4}},
		Checks:  map[cooper.Check]plan.Tally{cooper.Verified: {Count: 3, Bytes: 9}},
		Pending: plan.Tally{Count: 1, Bytes: 5}, DeleteMarkers: 1,
	}
	if !reflect.DeepEqual(s.Contents, want) {
		t.Errorf("contents %+v\nwant     %+v", s.Contents, want)
	}
}

// endless lists n keys without holding them.
type endless struct {
	meta  inventory.Meta
	n     int
	cells []string
}

func (e *endless) Meta() inventory.Meta                                { return e.meta }
func (e *endless) RejectedKeys(context.Context) Keys                   { return &keyList{} }
func (e *endless) State() catalog.State                                { return catalog.State{} }
func (e *endless) Versions(context.Context, string) inventory.Iterator { return &endlessVersions{e: e} }
func (e *endless) Rows(context.Context, string) catalog.Iterator       { return &endlessRows{e: e} }

type endlessVersions struct {
	e *endless
	i int
	v cooper.Version
}

func (l *endlessVersions) Next() (*cooper.Version, error) {
	if l.i == l.e.n {
		return nil, io.EOF
	}
	l.v = cooper.Version{Identity: cooper.Identity{Key: l.e.cells[l.i], VersionID: "0123456789abcdef0123456789abcdef", ETag: "0123456789abcdef0123456789abcdef", Size: 4, LastModified: 9}, Latest: true}
	l.i++
	return &l.v, nil
}

func (l *endlessVersions) Close() error { return nil }

type endlessRows struct {
	e *endless
	i int
	r catalog.Row
}

func (l *endlessRows) Next() (*catalog.Row, error) {
	if l.i == l.e.n {
		return nil, io.EOF
	}
	l.r = catalog.Row{Identity: cooper.Identity{Key: l.e.cells[l.i], VersionID: "0123456789abcdef0123456789abcdef", ETag: "0123456789abcdef0123456789abcdef", Size: 4, LastModified: 9},
		Place: catalog.Mirror, Shown: append(l.r.Shown[:0], 100), FirstSeen: 100, Check: cooper.Verified, Method: "md5"}
	l.i++
	return &l.r, nil
}

func (l *endlessRows) Close() error { return nil }

func unchangedInputs(n int) Inputs {
	e := &endless{n: n, meta: inventory.Meta{ID: "s-1", Bucket: "b", TakenAt: 200, Complete: true}}
	for i := range n {
		e.cells = append(e.cells, fmt.Sprintf("zarr/%04d/%04d/0.%d.%d", i/100_000, i/100%1000, i/10%10, i%10))
	}
	return Inputs{Snapshot: e, Catalog: e, Policy: Careful()}
}

// An unchanged key costs no memory at all.
func TestUnchangedKeysAllocateNothing(t *testing.T) {
	in := unchangedInputs(20_000)
	per := testing.AllocsPerRun(1, func() {
		h, err := Plan(context.Background(), in, &recorder{})
		if err != nil || h.Unchanged.Count != 20_000 || h.Share.Scope != 20_000 {
			t.Fatal(err, h.Unchanged, h.Share)
		}
	})
	if per > 200 {
		t.Errorf("%g allocations for 20,000 unchanged keys", per)
	}
}

func BenchmarkUnchanged(b *testing.B) {
	const n = 1_000_000
	in := unchangedInputs(n)
	for b.Loop() {
		if _, err := Plan(context.Background(), in, &recorder{}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "keys/s")
}

// Damage is found in no order, and several versions of one key may be damaged.
func TestRepairFetchesToWhereTheCatalogSays(t *testing.T) {
	b := newBucket("Enabled")
	for _, k := range []string{"b", "a", "a", "a/b"} {
		b.put(k, b.now, "")
	}
	tree := newModel()
	planned(t, b.list(), tree)
	var rec recorder
	m, err := NewMender(Repair{Catalog: tree, Dir: "/tree", Policy: Careful(), ID: "p-2", Now: 9}, &rec)
	if err != nil {
		t.Fatal(err)
	}
	rows := tree.sorted("")
	for i := range rows {
		if err := m.Fetch(&rows[len(rows)-1-i]); err != nil {
			t.Fatal(err)
		}
	}
	h, err := m.Finish()
	if err != nil {
		t.Fatal(err)
	}
	if h.Mission != MissionRepair || h.Source != "s3://b" || !h.Partial || len(rec.actions) != 4 {
		t.Errorf("header %+v, %d actions", h, len(rec.actions))
	}
	for i, a := range rec.actions {
		was, err := treeop.Before(a)
		if err != nil {
			t.Fatal(err)
		}
		now, err := treeop.Apply(was, a, cooper.Outcome{Status: cooper.Done, Check: cooper.Verified, Method: "md5"})
		if err != nil || !reflect.DeepEqual(now, rows[len(rows)-1-i]) {
			t.Errorf("%s %s would be %+v, %v", a.Version.Key, a.Version.VersionID, now, err)
		}
	}
}

// midway is a tree in the middle of a run.
type midway struct {
	*model
	mission string
}

func (m midway) State() catalog.State {
	s := m.model.State()
	s.Run = &catalog.Progress{Plan: "p-1", Mission: m.mission, Shards: 2}
	return s
}

func TestAnInterruptedRollbackIsNotUndone(t *testing.T) {
	b := newBucket("Enabled")
	for mission, want := range map[string]cooper.Kind{MissionRollback: cooper.KindRefused, Mission: ""} {
		_, err := Plan(t.Context(), Inputs{Snapshot: b.list(), Catalog: midway{&model{}, mission}, Policy: Careful()}, &recorder{})
		if cooper.KindOf(err) != want {
			t.Errorf("after an interrupted %s: %v", mission, err)
		}
	}
}

// A report with rows whose keys cannot be read lets nothing look absent: any of
// them could be the one that is missed.
func TestTornRowsNeverLookDeleted(t *testing.T) {
	b := newBucket("Enabled")
	s := b.list()
	row := catalog.Row{Identity: cooper.Identity{Key: "k", VersionID: "v", ETag: "e", LastModified: 1}, Place: catalog.Mirror, Shown: []int64{1}}
	for torn, want := range map[int64]int{0: 1, 1: 0} {
		s.meta.Torn = torn
		rec := &recorder{}
		if _, err := Plan(t.Context(), Inputs{Snapshot: s, Catalog: rowsOf{model: &model{}, rows: []catalog.Row{row}}, Policy: Careful()}, rec); err != nil {
			t.Fatal(err)
		}
		if len(rec.actions) != want {
			t.Errorf("with %d torn rows: %+v", torn, rec.actions)
		}
	}
}

// TestAtWhereAnOlderSnapshotWasFollowedLate: what it showed was shown before
// what is newer, whatever the times of the versions say.
func TestAtWhereAnOlderSnapshotWasFollowedLate(t *testing.T) {
	rows := []catalog.Row{
		{Identity: cooper.Identity{Key: "k", VersionID: "old", LastModified: 90}, Shown: []int64{100}},
		{Identity: cooper.Identity{Key: "k", VersionID: "new", LastModified: 80}, Shown: []int64{200}}, // begun earlier
	}
	seen := []catalog.Observed{{ID: "b", TakenAt: 200, Complete: true, Finished: true}, {ID: "a", TakenAt: 100, Complete: true, Finished: true}}
	for at, want := range map[cooper.Instant]string{100: "old", 200: "new", 300: "new"} {
		if row, _ := At(rows, at, seen); row == nil || row.VersionID != want {
			t.Errorf("at %d: %+v, want %s", at, row, want)
		}
	}
}
