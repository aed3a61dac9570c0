package tree

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"cooper"
	"cooper/internal/permit"
	"cooper/internal/tree/catalog"
	"cooper/internal/tree/keypath"
	"cooper/internal/tree/safefs"
	"cooper/internal/tree/safefs/memfs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	allowed = permit.Issue("r-test")
	bg      = context.Background()
	noon    = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
)

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// content is what a version's bytes are. All versions of a key are of one
// size, so that they cannot be told apart by it.
func content(id cooper.Identity) string { return fmt.Sprintf("%s %6s", id.Key, id.ETag) }

// version makes a row in the mirror. All versions have one time.
func version(key string, n int) catalog.Row {
	r := catalog.Row{Identity: cooper.Identity{Key: key, VersionID: fmt.Sprintf("v%d", n), ETag: fmt.Sprint("e", n), LastModified: cooper.InstantOf(noon)},
		Place: catalog.Mirror, Check: cooper.Verified, Method: "md5", Shown: []int64{int64(n)}, FirstSeen: cooper.Instant(n)}
	r.Size = int64(len(content(r.Identity)))
	return r
}

func inHistoryAs(r catalog.Row, reason string, day int) catalog.Row {
	r.Place, r.Reason, r.Superseded = catalog.History, reason, cooper.InstantOf(noon.AddDate(0, 0, day))
	return r
}

func place(r catalog.Row) Change { return Change{Op: Place, New: r} }
func retire(r catalog.Row, day int) Change {
	return Change{Op: Retire, Old: r, New: inHistoryAs(r, catalog.Replaced, day)}
}
func promote(r catalog.Row) Change {
	n := r
	n.Place, n.Reason, n.Superseded = catalog.Mirror, "", 0
	return Change{Op: Promote, Old: r, New: n}
}

// prune deletes a version from history; forget drops its row.
func prune(r catalog.Row, forget bool) Change {
	n := r
	n.Place, n.Reason, n.Check, n.Method, n.Dropped = catalog.Nowhere, catalog.Pruned, "", "pruned 2026-11-20", forget
	return Change{Op: Prune, Old: r, New: n}
}

// mend puts a version's bytes where they are already.
func mend(r catalog.Row) Change {
	n := r
	n.Method = "again"
	return Change{Op: Mend, Old: r, New: n}
}

// mendInto puts the bytes of a version that is damaged in history into the mirror.
func mendInto(r catalog.Row) Change {
	c := promote(r)
	c.Op, c.New.Method = Mend, "again"
	return c
}

// plan is a list of shards.
type plan struct {
	id     string
	shards [][]Change
}

// batch gives each change an outcome of its own.
func (p *plan) batch(shard int) Batch {
	b := Batch{Plan: p.id, Shard: shard, Changes: slices.Clone(p.shards[shard])}
	for i := range b.Changes {
		b.Changes[i].Outcome = i
		b.Outcomes = append(b.Outcomes, cooper.Outcome{Action: int64(shard*1000 + i), Verb: b.Changes[i].Op.String(), Identity: b.Changes[i].New.Identity, Status: cooper.Done})
	}
	return b
}

// model is what a tree must hold, by identity.
type model map[cooper.Identity]catalog.Row

func (m model) apply(changes []Change) {
	for i := range changes {
		c := &changes[i]
		if c.Old.Key != "" {
			delete(m, c.Old.Identity)
		}
		if !c.New.Dropped {
			m[c.New.Identity] = c.New
		}
	}
}

func (m model) rows() []catalog.Row {
	return slices.AppendSeq([]catalog.Row{}, slices.Values(slices.SortedFunc(maps.Values(m), func(a, b catalog.Row) int { return a.Compare(b.Identity) })))
}

// files are all files and directories that mirror and history must hold.
func (m model) files(l layout) map[string]string {
	files := map[string]string{}
	add := func(p, content string) {
		files[p] = content
		for i := range p {
			if p[i] == '/' {
				files[p[:i+1]] = ""
			}
		}
	}
	path := func(r *catalog.Row) string {
		if r.Place == catalog.Mirror {
			return l.Mirror(r.Key)
		}
		return l.History(r.Identity, r.Superseded)
	}
	for _, r := range m {
		if r.Place == catalog.Nowhere {
			continue
		}
		p := path(&r)
		for _, other := range m {
			if r.Place == catalog.Mirror && other.Place != catalog.Nowhere && strings.HasPrefix(path(&other), l.Mirror(r.Key)+"/") {
				p = l.Displaced(r.Key)
			}
		}
		add(p, content(r.Identity))
	}
	for _, dir := range l.ownDirs() {
		files[dir+"/"] = ""
	}
	return files
}

// layouts are those that tests which go through everything go through.
var layouts = []layout{{keypath.Sidecar}, {keypath.Inline}}

// eachLayout runs a test on trees of each layout.
func eachLayout(t *testing.T, test func(t *testing.T, l layout)) {
	for _, l := range layouts {
		t.Run(string(l.Layout), func(t *testing.T) { test(t, l) })
	}
}

// differences compares a tree with what it must hold.
func (m model) differences(fsys *memfs.FS) string {
	c, err := catalog.OpenFS(fsys)
	if err != nil {
		return err.Error()
	}
	rows, err := allRows(c)
	if err != nil {
		return err.Error()
	}
	if d := cmp.Diff(m.rows(), rows); d != "" {
		return "catalog: " + d
	}
	got := fsys.Files()
	tr, err := openMem(fsys, false)
	if err != nil {
		return err.Error()
	}
	maps.DeleteFunc(got, func(p, _ string) bool {
		held := strings.HasPrefix(p, heldDir+"/") && !strings.HasSuffix(p, "/") // nothing may be held back
		return p == "./" || strings.HasPrefix(p, metaDir+"/") && !held
	})
	return cmp.Diff(m.files(tr.layout), got)
}

func allRows(c *catalog.Catalog) ([]catalog.Row, error) {
	it := c.Rows(bg, "")
	rows := []catalog.Row{}
	for {
		r, err := it.Next()
		if errors.Is(err, io.EOF) {
			return rows, it.Close()
		}
		if err != nil {
			return nil, errors.Join(err, it.Close())
		}
		rows = append(rows, *r)
	}
}

// facts stand for the ledger: what came of each shard.
type facts map[string][]cooper.Outcome

func (f facts) write(plan string, shard int, outs []cooper.Outcome) error {
	name := fmt.Sprint(plan, "-", shard)
	if before, ok := f[name]; ok {
		if d := cmp.Diff(before, outs); d != "" {
			return fmt.Errorf("the facts of %s changed: %s", name, d)
		}
	}
	f[name] = outs
	return nil
}

func openMem(fsys safefs.FS, create bool) (*Tree, error) {
	return Open("/tree", Options{FS: fsys, Create: create, Clock: func() time.Time { return noon }, Tick: func() (<-chan time.Time, func()) { return nil, func() {} }})
}

func newMem(t testing.TB) *memfs.FS {
	t.Helper()
	return newMemOf(t, layout{keypath.Sidecar})
}

func newMemOf(t testing.TB, l layout) *memfs.FS {
	t.Helper()
	m := memfs.New()
	tr, err := Open("/tree", Options{FS: m, Create: true, Layout: l.Layout})
	check(t, err)
	check(t, tr.Close())
	return m
}

// stage writes a version's bytes.
func stage(tr *Tree, id cooper.Identity) error {
	s, err := tr.Staging().Create(id)
	if err != nil {
		return err
	}
	if _, err := s.Write([]byte(content(id))); err != nil {
		return errors.Join(err, s.Abort())
	}
	return s.Done(id.LastModified)
}

// ensureStaged stages what is not, or not as it should be.
func ensureStaged(tr *Tree, id cooper.Identity) error {
	if _, ok := tr.Staging().Find(id); ok {
		f, err := tr.Staging().Open(id)
		if err != nil {
			return err
		}
		b, err := io.ReadAll(f)
		if err = errors.Join(err, f.Close()); err != nil {
			return err
		}
		if info, err := tr.fs.Lstat(stagedPath(&id)); err == nil && string(b) == content(id) && info.ModifiedAt(id.LastModified) {
			return nil
		}
	}
	return stage(tr, id)
}

// hold locks and recovers a tree, does something, and gives the lock back.
func hold(fsys safefs.FS, undo bool, f facts, do func(tr *Tree) error) (err error) {
	tr, err := openMem(fsys, false)
	if err != nil {
		return err
	}
	_, release, err := tr.Lock(bg, Holder{Run: "r-test", Command: "test"})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, release()) }()
	recovered, err := tr.Recover(bg, allowed, undo)
	if err != nil {
		return err
	}
	for _, r := range recovered {
		if r.Undone {
			continue
		}
		if err := f.write(r.Plan, r.Shard, r.Outcomes); err != nil {
			return err
		}
		if err := tr.Settled(r.Plan, r.Shard); err != nil {
			return err
		}
	}
	return do(tr)
}

// carryOut does what is left of plans, in order.
func carryOut(plans []plan, f facts) func(tr *Tree) error {
	return func(tr *Tree) error {
		// The first plan that is not wholly in the facts.
		for _, p := range plans {
			if over := slices.ContainsFunc(tr.State().Observed, func(o catalog.Observed) bool { return o.ID == p.id && o.Finished }); over {
				continue
			}
			if err := tr.Begin(bg, allowed, Run{Plan: p.id, Shards: len(p.shards), Snapshot: &catalog.Observed{ID: p.id, Complete: true}}); err != nil {
				return err
			}
			done := tr.Done(p.id)
			for shard := range p.shards {
				if done(shard) {
					continue
				}
				for i := range p.shards[shard] {
					if c := &p.shards[shard][i]; c.Op == Place || c.Op == Mend {
						if err := ensureStaged(tr, c.New.Identity); err != nil {
							return err
						}
					}
				}
				outs, err := tr.Commit(bg, allowed, p.batch(shard))
				if err != nil {
					return err
				}
				if err := f.write(p.id, shard, outs); err != nil {
					return err
				}
				if err := tr.Settled(p.id, shard); err != nil {
					return err
				}
			}
			if err := tr.End(bg, allowed, Ending{Plan: p.id, Finished: true}); err != nil {
				return err
			}
		}
		return nil
	}
}

// evolve makes plans in which everything happens to few keys that stand in
// each other's way, and what must be there in the end.
func evolve(r *rand.Rand, generations int) ([]plan, model) {
	groups := [][]string{{"a", "a/b", "a/b/c", "a-"}, {"x/", "..", strings.Repeat("l", 300), strings.Repeat("l", 300) + "/y"}}
	m := model{}
	var plans []plan
	n := 0
	for g := range generations {
		p := plan{id: fmt.Sprintf("p-%d", g)}
		for _, keys := range groups {
			var changes []Change
			for _, key := range keys {
				changes = append(changes, m.happen(r, key, g, &n)...)
			}
			m.apply(changes)
			r.Shuffle(len(changes), func(i, j int) { changes[i], changes[j] = changes[j], changes[i] })
			p.shards = append(p.shards, changes)
		}
		plans = append(plans, p)
	}
	return plans, m
}

// happen lets something happen to one key.
func (m model) happen(r *rand.Rand, key string, day int, n *int) (changes []Change) {
	var latest *catalog.Row
	var old []catalog.Row
	for _, row := range m.rows() {
		if row.Key == key && row.Place == catalog.Mirror {
			latest = &row
		} else if row.Key == key && row.Place == catalog.History {
			old = append(old, row)
		}
	}
	*n++
	out := func() {
		if latest != nil {
			changes = append(changes, retire(*latest, day))
		}
	}
	switch what := r.IntN(12); {
	case what <= 2: // a new version
		out()
		changes = append(changes, place(version(key, *n)))
	case what == 3: // a delete marker
		out()
		marker := version(key, *n)
		marker.DeleteMarker, marker.Place, marker.Size, marker.ETag = true, catalog.Nowhere, 0, ""
		changes = append(changes, Change{Op: Record, New: marker})
	case what == 4: // one that was never the latest
		changes = append(changes, place(inHistoryAs(version(key, *n), catalog.Older, day)))
	case what == 5 && len(old) > 0: // a rollback
		out()
		changes = append(changes, promote(old[r.IntN(len(old))]))
	case what == 6 && len(old) > 0: // its version id becomes known
		was := old[r.IntN(len(old))]
		now := was
		now.VersionID += "-known"
		changes = append(changes, Change{Op: Record, Old: was, New: now})
	case what == 7 && latest != nil:
		now := *latest
		now.AbsentSince = cooper.Instant(*n)
		changes = append(changes, Change{Op: Record, Old: *latest, New: now})
	case what <= 9 && len(old) > 0:
		changes = append(changes, prune(old[r.IntN(len(old))], what == 8))
	case what == 10 && latest != nil: // what is there counts as damaged
		changes = append(changes, mend(*latest))
	case what == 11 && len(old) > 0:
		changes = append(changes, mend(old[r.IntN(len(old))]))
	}
	return changes
}

// of is where the file at a path in a sidecar tree of few keys is in a tree of
// another layout.
func of(l layout, path string) string {
	if l.Layout == keypath.Sidecar {
		return path
	}
	if rest, ok := strings.CutPrefix(path, "mirror/"); ok {
		if key, displaced := strings.CutSuffix(rest, "%="); displaced {
			return l.Displaced(key)
		}
		return rest
	}
	name := path[strings.LastIndexByte(path, '/')+1:]
	if key, n, versioned := strings.Cut(name, "%@v"); versioned {
		return key + ".old.v" + n + ".e" + n
	}
	return name
}
