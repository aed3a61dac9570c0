package shelve

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"cooper"
	"cooper/internal/apply"
	"cooper/internal/inventory"
	"cooper/internal/ledger"
	"cooper/internal/plan"
	"cooper/internal/store"
	"cooper/internal/tree"
	"cooper/internal/tree/catalog"
	"cooper/internal/treeop"
	"cooper/internal/verb/fetch"
)

const (
	day1 = cooper.Instant(1763600000000)
	day2 = day1 + 24*3600*1000
)

// bucket is a store in memory: content by version id.
type bucket map[string]string

func (b bucket) Get(_ context.Context, ref store.Ref, r store.Range) (store.Object, io.ReadCloser, error) {
	content, ok := b[ref.VersionID]
	if !ok {
		return store.Object{}, nil, &cooper.Error{Kind: cooper.KindMissing, Where: ref.Key, Message: "no such version"}
	}
	body := io.NopCloser(strings.NewReader(content[r.From:]))
	return store.Object{ETag: ref.IfMatch, Size: int64(len(content)), Length: int64(len(content)) - r.From}, body, nil
}

func (b bucket) Head(context.Context, store.Ref, int) (store.Object, error) {
	return store.Object{}, errors.New("nobody asks")
}

func version(key, id, content string) cooper.Version {
	sum := md5.Sum([]byte(content))
	return cooper.Version{
		Identity:     cooper.Identity{Key: key, VersionID: id, ETag: hex.EncodeToString(sum[:]), Size: int64(len(content)), LastModified: day1},
		StorageClass: "STANDARD",
	}
}

// world is a tree, a bucket and a ledger on disk.
type world struct {
	t     *testing.T
	dir   string
	store bucket
	facts *facts
	runs  int
	scope inventory.Scope // of the snapshots that plans lead to
	some  bool            // plans are partial
	from  *cooper.Store   // that the bytes come from
	moved bool
}

// facts is a ledger that may fail.
type facts struct {
	*ledger.Ledger
	fail error
}

func (f *facts) WriteOutcomes(ctx context.Context, run string, shard int, plan, target string, outs []cooper.Outcome) error {
	if f.fail != nil {
		return f.fail
	}
	return f.Ledger.WriteOutcomes(ctx, run, shard, plan, target, outs)
}

func newWorld(t *testing.T) *world {
	root := t.TempDir()
	return &world{t: t, dir: filepath.Join(root, "tree"), store: bucket{}, facts: &facts{Ledger: ledger.Open(filepath.Join(root, "ledger"))}}
}

// actions is a plan of one shard in memory.
type actions struct {
	header plan.Header
	list   []cooper.Action
}

func (a *actions) Header() plan.Header                                     { return a.header }
func (a *actions) Verify(context.Context) error                            { return nil }
func (a *actions) Shard(_ context.Context, _ int) ([]cooper.Action, error) { return a.list, nil }

func (w *world) open() *tree.Tree {
	w.t.Helper()
	tr, err := tree.Open(w.dir, tree.Options{Create: true})
	if err != nil {
		w.t.Fatal(err)
	}
	return tr
}

// apply makes a plan of the actions for the tree as it is, and carries it out.
func (w *world) apply(id string, mission string, at cooper.Instant, list ...cooper.Action) (apply.Summary, error) {
	w.t.Helper()
	tr := w.open()
	p := &actions{list: list, header: plan.Header{
		ID: id, Mission: mission, Partial: w.some, Target: plan.Target{Kind: Kind, Path: tr.Dir(), Generation: tr.State().Generation},
		Snapshot: &inventory.Meta{ID: "s-" + id, Bucket: "b", TakenAt: at, Complete: true, Scope: w.scope},
		Phases:   []plan.Phase{{Name: "tree", Shards: 1, Count: int64(len(list))}}, Totals: map[string]plan.Tally{},
	}}
	for i := range p.list {
		p.list[i].ID = int64(i)
		p.header.Totals[p.list[i].Verb] = p.header.Totals[p.list[i].Verb].Add(0)
	}
	if err := tr.Close(); err != nil {
		w.t.Fatal(err)
	}
	return w.run(p)
}

// run applies a plan, with the tree opened anew.
func (w *world) run(p *actions) (sum apply.Summary, err error) {
	w.t.Helper()
	w.runs++
	run := fmt.Sprint("r-", w.runs)
	tr := w.open()
	defer func() { err = errors.Join(err, tr.Close()) }()
	ctx, unlock, err := tr.Lock(w.t.Context(), tree.Holder{Run: run})
	if err != nil {
		return sum, err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	return apply.Run(ctx, apply.Job{
		Run: run, Plan: p, Target: New(tr).From(w.from, w.moved), Facts: w.facts, Workers: 2, Clock: time.Now,
		Verbs: map[string]apply.Verb{
			treeop.Fetch: fetch.New(w.store, fetch.Into(tr.Staging()), fetch.Options{}), treeop.Defer: fetch.Deferred{},
			treeop.Retire: nil, treeop.Promote: nil, treeop.Record: nil, treeop.Prune: nil,
		},
	})
}

func (w *world) rows(key string) []catalog.Row {
	w.t.Helper()
	tr := w.open()
	defer tr.Close()
	rows, err := tr.Catalog().Lookup(w.t.Context(), key)
	if err != nil {
		w.t.Fatal(err)
	}
	return rows
}

// files gives the files of mirror and history with their content.
func (w *world) files() map[string]string {
	w.t.Helper()
	m := map[string]string{}
	err := filepath.WalkDir(w.dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		rel, _ := filepath.Rel(w.dir, path)
		if strings.HasPrefix(rel, ".cooper") {
			return nil
		}
		b, err := os.ReadFile(path)
		m[rel] = string(b)
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return m
}

// shown is the action that brings a version to the mirror.
func (w *world) shown(v cooper.Version, at cooper.Instant) cooper.Action {
	return cooper.Action{Verb: treeop.Fetch, Version: v, Args: treeop.Args{To: catalog.Mirror, At: at, Show: treeop.On, Reason: "new"}.Encode()}
}

// replaced is the action that takes a version from the mirror for another.
func (w *world) replaced(v cooper.Version) cooper.Action {
	rows := w.rows(v.Key)
	return cooper.Action{Verb: treeop.Retire, Version: v, Args: treeop.Args{
		To: catalog.History, Reason: catalog.Replaced, Superseded: day2, At: day2, Show: treeop.Off,
		NeedsReplacement: true, Was: treeop.FactsOf(&rows[0], &v),
	}.Encode()}
}

func (w *world) want(files map[string]string) {
	w.t.Helper()
	if got := w.files(); !maps.Equal(got, files) {
		w.t.Errorf("the tree holds %q, want %q", got, files)
	}
}

func TestFetchAndReplace(t *testing.T) {
	w := newWorld(t)
	one, two := version("k", "v1", "one"), version("k", "v2", "two")
	two.LastModified = day2
	w.store["v1"], w.store["v2"] = "one", "two"
	if sum, err := w.apply("p-1", "backup", day1, w.shown(one, day1)); err != nil || sum.Count(cooper.Done) != 1 {
		t.Fatalf("%+v, %v", sum, err)
	}
	w.want(map[string]string{"mirror/k": "one"})
	if r := w.rows("k"); len(r) != 1 || r[0].Check != cooper.Verified || r[0].Method != "md5" || r[0].Place != catalog.Mirror || len(r[0].Shown) != 1 {
		t.Fatalf("%+v", r)
	}
	if sum, err := w.apply("p-2", "backup", day2, w.shown(two, day2), w.replaced(one)); err != nil || sum.Count(cooper.Done) != 2 {
		t.Fatalf("%+v, %v", sum, err)
	}
	rows := w.rows("k")
	if len(rows) != 2 || rows[0].VersionID != "v2" || rows[1].Reason != catalog.Replaced || rows[1].Superseded != day2 || len(rows[1].Shown) != 2 {
		t.Errorf("%+v", rows)
	}
	files := w.files()
	if len(files) != 2 || files["mirror/k"] != "two" {
		t.Errorf("%q", files)
	}
}

// TestAFailedDownloadCostsTheMirrorNothing: the old version stays until the
// new one is there.
func TestAFailedDownloadCostsTheMirrorNothing(t *testing.T) {
	w := newWorld(t)
	one, two := version("k", "v1", "one"), version("k", "v2", "two")
	w.store["v1"] = "one"
	if _, err := w.apply("p-1", "backup", day1, w.shown(one, day1)); err != nil {
		t.Fatal(err)
	}
	sum, err := w.apply("p-2", "backup", day2, w.shown(two, day2), w.replaced(one))
	if err != nil || sum.Verbs[treeop.Fetch][cooper.Failed] != 1 || sum.Verbs[treeop.Retire][cooper.Deferred] != 1 {
		t.Fatalf("%+v, %v", sum, err)
	}
	w.want(map[string]string{"mirror/k": "one"})
	// What the snapshot said is known all the same.
	for _, r := range w.rows("k") {
		if place := map[string]catalog.Place{"v1": catalog.Mirror, "v2": catalog.Nowhere}[r.VersionID]; r.Place != place || r.Shown[len(r.Shown)-1] != int64(day2) {
			t.Errorf("%+v", r)
		}
	}
}

// TestWhatStandsInTheWayDoesNotChangeWhatWasShown: a version that cannot be
// placed was the bucket's latest all the same.
func TestWhatStandsInTheWayDoesNotChangeWhatWasShown(t *testing.T) {
	w := newWorld(t)
	one, two := version("k", "v1", "one"), version("k", "v2", "two")
	w.store["v1"], w.store["v2"] = "one", "two"
	if _, err := w.apply("p-1", "backup", day1, w.shown(one, day1)); err != nil {
		t.Fatal(err)
	}
	// Somebody writes to the mirror: what is there now is nobody's to move.
	if err := os.WriteFile(filepath.Join(w.dir, "mirror", "k"), []byte("scribbles"), 0o644); err != nil {
		t.Fatal(err)
	}
	sum, err := w.apply("p-2", "backup", day2, w.shown(two, day2), w.replaced(one))
	if err != nil || sum.Verbs[treeop.Fetch][cooper.Failed] != 1 || sum.Verbs[treeop.Retire][cooper.Failed] != 1 {
		t.Fatalf("%+v, %v", sum, err)
	}
	w.want(map[string]string{"mirror/k": "scribbles"})
	rows := w.rows("k")
	if len(rows) != 2 {
		t.Fatalf("%+v", rows)
	}
	for _, r := range rows {
		place := map[string]catalog.Place{"v1": catalog.Mirror, "v2": catalog.Nowhere}[r.VersionID]
		shown := map[string][]int64{"v1": {int64(day1), int64(day2)}, "v2": {int64(day2)}}[r.VersionID]
		if r.Place != place || !slices.Equal(r.Shown, shown) {
			t.Errorf("%+v", r)
		}
	}
}

// TestFactsAreWrittenOnce lets the ledger fail after a commit. The next run,
// with another id and another plan even, writes the facts under the first.
func TestFactsAreWrittenOnce(t *testing.T) {
	w := newWorld(t)
	w.store["v1"] = "one"
	w.facts.fail = &cooper.Error{Kind: cooper.KindFull, Message: "no space left"}
	_, err := w.apply("p-1", "backup", day1, w.shown(version("k", "v1", "one"), day1))
	if cooper.KindOf(err) != cooper.KindFull {
		t.Fatal(err)
	}
	w.want(map[string]string{"mirror/k": "one"})
	w.facts.fail = nil
	sum, err := w.apply("p-2", "backup", day2)
	if err != nil || sum.Recovered != 1 {
		t.Fatalf("%+v, %v", sum, err)
	}
	if _, err := w.apply("p-3", "backup", day2+1); err != nil {
		t.Fatal(err)
	}
	names, err := filepath.Glob(filepath.Join(w.facts.Dir(), "outcome", "*.parquet"))
	if err != nil || len(names) == 0 || !strings.HasPrefix(filepath.Base(names[0]), "r-1") {
		t.Errorf("%v, %v", names, err)
	}
}

func TestCheck(t *testing.T) {
	w := newWorld(t)
	w.store["v1"] = "one"
	tr := w.open()
	target := New(tr)
	h := plan.Header{ID: "p-1", Target: plan.Target{Kind: Kind, Path: tr.Dir(), Generation: tr.State().Generation}}
	if err := target.Check(h); err != nil {
		t.Error(err)
	}
	for name, change := range map[string]func(h *plan.Header){
		"another tree":       func(h *plan.Header) { h.Target.Path += "2" },
		"a directory":        func(h *plan.Header) { h.Target.Kind = "directory" },
		"another generation": func(h *plan.Header) { h.Target.Generation++ },
	} {
		other := h
		change(&other)
		if err := target.Check(other); cooper.KindOf(err) != cooper.KindRefused {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := tr.Close(); err != nil {
		t.Fatal(err)
	}
	// A plan that was begun may be taken up again, although the tree has moved on.
	stuck := &actions{header: h, list: []cooper.Action{w.shown(version("k", "v1", "one"), day1)}}
	stuck.header.Phases = []plan.Phase{{Shards: 1}}
	stuck.list[0].Verb = "melt"
	if _, err := w.run(stuck); cooper.KindOf(err) != cooper.KindInvalid {
		t.Fatal(err)
	}
	stuck.list[0].Verb = treeop.Fetch
	if _, err := w.run(stuck); err != nil {
		t.Error(err)
	}
	w.want(map[string]string{"mirror/k": "one"})
}

func TestRollbackPinsAndBackupUnpins(t *testing.T) {
	w := newWorld(t)
	pinned := func() bool {
		tr := w.open()
		defer tr.Close()
		return tr.State().Pinned != nil
	}
	for i, step := range []struct {
		mission string
		prefix  string // of the snapshot
		pinned  bool
	}{
		{"backup", "", false}, {"rollback", "", true}, {"repair", "", true},
		{"backup", "a/", true}, // what lies elsewhere is still rolled back
		{"backup", "", false},
		{"rollback", "a/b", true}, {"backup", "a/c", true}, {"backup", "a/", false},
	} {
		w.scope.Prefix = step.prefix
		if _, err := w.apply(fmt.Sprint("p-", i), step.mission, day1+cooper.Instant(i), nil...); err != nil {
			t.Fatal(err)
		}
		if pinned() != step.pinned {
			t.Errorf("after %d, %s: pinned %v", i, step.mission, pinned())
		}
	}
}

// TestAnInterruptedRollbackStaysPinned: what takes the place of the unfinished
// run, which would have told the next backup to refuse, must see to that; unless it
// is a backup of all that was rolled back.
func TestAnInterruptedRollbackStaysPinned(t *testing.T) {
	for _, c := range []struct {
		mission, prefix string
		some            bool
		pinned          bool
	}{
		{"repair", "d/", false, true}, {"prune", "d/", false, true},
		{"backup", "d/", true, true}, {"backup", "d/e/", false, true},
		{"backup", "d/", false, false}, {"backup", "", false, false},
	} {
		w := newWorld(t)
		w.store["v1"] = "one"
		w.facts.fail = &cooper.Error{Kind: cooper.KindFull, Message: "no space left"}
		w.scope.Prefix = "d/"
		if _, err := w.apply("p-1", "rollback", day1, w.shown(version("d/k", "v1", "one"), day1)); err == nil {
			t.Fatal("the rollback was not interrupted")
		}
		w.facts.fail, w.scope.Prefix, w.some = nil, c.prefix, c.some
		if _, err := w.apply("p-2", c.mission, day2); err != nil {
			t.Fatal(err)
		}
		tr := w.open()
		if pin := tr.State().Pinned; c.pinned != (pin != nil && pin.Snapshot == "s-p-1") || !c.pinned && pin != nil {
			t.Errorf("%+v: %+v", c, pin)
		}
		if err := tr.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestChange(t *testing.T) {
	v := version("k", "v1", "one")
	was := catalog.Row{Identity: v.Identity, Place: catalog.Mirror, Shown: []int64{int64(day1)}, FirstSeen: day1, Check: cooper.Verified, Method: "md5"}
	facts := treeop.FactsOf(&was, &v)
	older := was
	older.Place, older.Reason, older.Superseded = catalog.History, catalog.Replaced, day2
	done, failed := cooper.Outcome{Status: cooper.Done, Check: cooper.Verified, Method: "md5"}, cooper.Outcome{Status: cooper.Failed, Kind: cooper.KindMissing}
	for _, c := range []struct {
		name   string
		verb   string
		args   treeop.Args
		out    cooper.Outcome
		op     tree.Op
		place  catalog.Place
		needed bool
	}{
		{"fetched", treeop.Fetch, treeop.Args{To: catalog.History, Reason: catalog.Older, At: day1}, done, tree.Place, catalog.History, true},
		{"not fetched, new", treeop.Fetch, treeop.Args{To: catalog.Mirror, At: day1, Show: treeop.On}, failed, tree.Record, catalog.Nowhere, true},
		{"not fetched again", treeop.Fetch, treeop.Args{To: catalog.Mirror, Was: facts}, failed, tree.Record, catalog.Mirror, false},
		{"fetched again", treeop.Fetch, treeop.Args{To: catalog.Mirror, Was: facts}, done, tree.Mend, catalog.Mirror, true},
		{"pruned", treeop.Prune, treeop.Args{Was: treeop.FactsOf(&older, &v)}, done, tree.Prune, catalog.Nowhere, true},
		{"not pruned", treeop.Prune, treeop.Args{Was: treeop.FactsOf(&older, &v)}, failed, tree.Record, catalog.History, false},
		{"restored copy fetched", treeop.Unarchive, treeop.Args{To: catalog.Mirror}, done, tree.Place, catalog.Mirror, true},
		{"retired", treeop.Retire, treeop.Args{To: catalog.History, Reason: catalog.Deleted, Superseded: day2, At: day2, Show: treeop.Off, Was: facts}, done, tree.Retire, catalog.History, true},
		{"kept", treeop.Retire, treeop.Args{To: catalog.History, At: day2, Show: treeop.Off, Was: facts}, cooper.Outcome{Status: cooper.Deferred}, tree.Record, catalog.Mirror, true},
		{"recorded", treeop.Record, treeop.Args{At: day2, Absent: treeop.Noted, Was: facts}, done, tree.Record, catalog.Mirror, true},
		{"deferred, new", treeop.Defer, treeop.Args{To: catalog.Mirror, At: day1, Show: treeop.On}, cooper.Outcome{Status: cooper.Deferred}, tree.Record, catalog.Nowhere, true},
	} {
		got, needed, err := change(&cooper.Action{Verb: c.verb, Version: v, Args: c.args.Encode()}, &c.out)
		if err != nil || needed != c.needed || got.Op != c.op || got.New.Place != c.place || (got.Old.Key == "") != (c.args.Was == nil) {
			t.Errorf("%s: %+v, needed %v, %v", c.name, got, needed, err)
		}
	}
	for _, a := range []cooper.Action{{Verb: treeop.CopyOut, Version: v}, {Verb: treeop.Fetch, Version: v, Args: map[string]string{"what": "?"}}} {
		if _, _, err := change(&a, &done); cooper.KindOf(err) != cooper.KindInvalid {
			t.Errorf("%s: %v", a.Verb, err)
		}
	}
}

// TestPrune: what is pruned is gone, its row says so, and the facts tell.
func TestPrune(t *testing.T) {
	w := newWorld(t)
	one, two := version("k", "v1", "one"), version("k", "v2", "two")
	two.LastModified = day2
	w.store["v1"], w.store["v2"] = "one", "two"
	for _, err := range []error{
		second(w.apply("p-1", "backup", day1, w.shown(one, day1))),
		second(w.apply("p-2", "backup", day2, w.shown(two, day2), w.replaced(one))),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	old := w.rows("k")[1]
	sum, err := w.apply("p-3", "prune", 0, cooper.Action{Verb: treeop.Prune, Version: one, Args: treeop.Args{Reason: old.Reason, Was: treeop.FactsOf(&old, &one)}.Encode()})
	if err != nil || sum.Verbs[treeop.Prune][cooper.Done] != 1 {
		t.Fatalf("%+v, %v", sum, err)
	}
	w.want(map[string]string{"mirror/k": "two"})
	if rows := w.rows("k"); len(rows) != 2 || !rows[1].Pruned() || rows[1].Superseded != day2 || rows[1].PrunedOn() == "" {
		t.Errorf("%+v", rows)
	}
}

func second[T any](_ T, err error) error { return err }
