package backup

import (
	"context"
	"maps"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"cooper"
	"cooper/internal/inventory"
	"cooper/internal/plan"
	"cooper/internal/tree/catalog"
	"cooper/internal/treeop"

	"pgregory.net/rapid"
)

func never(*cooper.Action) cooper.Kind { return "" }

// world is a bucket and the tree that follows it.
type world struct {
	bucket *bucket
	tree   *model
	// absent counts, by identity, the complete snapshots in a row that did not
	// list a version and by which a plan was made.
	absent map[cooper.Identity]int
	// dropped are the keys of which the last snapshot hid a version.
	dropped map[string]bool
	// past are the snapshots that plans for everything followed.
	past []*snap
	// shown is when a snapshot that was followed last showed a version as the
	// latest of its key.
	shown map[cooper.Identity]cooper.Instant
	then  []map[string]cooper.Identity // what the mirror showed after each of them
}

// follow plans and carries out; it checks what must hold for any plan.
func (w *world) follow(t *rapid.T, s *snap, p Policy, fail func(*cooper.Action) cooper.Kind) (plan.Header, []cooper.Action) {
	before := w.tree.mirror()
	withBytes := w.tree.withBytes()
	var rec recorder
	h, err := Plan(context.Background(), Inputs{Snapshot: s, Catalog: w.tree, Dir: "/tree", Policy: p, ID: "p-1", Now: s.meta.TakenAt + 5}, &rec)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("snapshot %s policy %+v:\n%s", s.meta.ID, p, describe(rec.actions, rec.cuts))
	w.countAbsences(s, p)
	w.countShown(s)
	w.checkActions(t, s, p, rec)
	if err := w.tree.carryOut(h, rec.actions, fail); err != nil {
		t.Fatal(err)
	}
	w.checkMirror(t, s, p, before, fail)
	for id, n := range w.tree.fetched {
		if n > 1 {
			t.Fatalf("%+v was fetched %d times", id, n)
		}
	}
	now := w.tree.withBytes()
	for id := range withBytes {
		if !now[id] {
			t.Fatalf("the bytes of %+v are lost", id)
		}
	}
	return h, rec.actions
}

// withBytes are the identities whose bytes the tree has, version ids aside.
func (m *model) withBytes() map[cooper.Identity]bool {
	ids := map[cooper.Identity]bool{}
	for id, r := range m.rows {
		if r.Place != catalog.Nowhere {
			id.VersionID = ""
			ids[id] = true
		}
	}
	return ids
}

// lacks tells whether there is a version of key that the tree has no bytes of.
func (m *model) lacks(key string) bool {
	for id, r := range m.rows {
		if id.Key == key && r.Place == catalog.Nowhere && !r.DeleteMarker {
			return true
		}
	}
	return false
}

// ofKey gives what the snapshot lists of a key, and which is the latest; clear
// tells whether it can be believed.
func (s *snap) ofKey(key string) (vs []cooper.Version, latest *cooper.Version, clear bool) {
	for _, v := range s.versions {
		if v.Key == key {
			vs = append(vs, v)
		}
	}
	n := 0
	for i := range vs {
		if vs[i].Latest || s.meta.Scope.CurrentOnly {
			latest = &vs[i]
			n++
		}
	}
	clear = !slices.Contains(s.rejected, key) && n <= 1
	return vs, latest, clear
}

func inPlan(s *snap, p Policy, key string) bool {
	f, err := newFilter(p.Prefix, p.Match)
	return err == nil && f.keeps(key) && cooper.HasPrefix(key, s.meta.Scope.Prefix)
}

func (w *world) countShown(s *snap) {
	if w.shown == nil {
		w.shown = map[cooper.Identity]cooper.Instant{}
	}
	for _, v := range s.versions {
		if v.Latest || s.meta.Scope.CurrentOnly {
			w.shown[anyVersion(v.Identity)] = s.meta.TakenAt
		}
	}
}

func (w *world) countAbsences(s *snap, p Policy) {
	for id, r := range w.tree.rows {
		vs, latest, clear := s.ofKey(id.Key)
		// None is the latest: what was shown is so no longer, as if it were not listed.
		hidden := len(vs) > 0 && latest == nil && (r.Place == catalog.Mirror || len(r.Shown)%2 == 1)
		listed := slices.ContainsFunc(vs, func(v cooper.Version) bool { return v.Same(id) })
		silent := s.meta.Scope.CurrentOnly && (r.DeleteMarker || len(vs) > 0 || r.Place != catalog.Mirror && len(r.Shown)%2 == 0)
		switch {
		case !clear || !inPlan(s, p, id.Key):
		case listed && !hidden:
			w.absent[id] = 0
		case s.meta.Complete && !silent:
			w.absent[id]++
		}
	}
}

func (w *world) checkActions(t *rapid.T, s *snap, p Policy, rec recorder) {
	var last string
	for i, a := range rec.actions {
		key := a.Version.Key
		_, _, clear := s.ofKey(key)
		if !inPlan(s, p, key) || !clear {
			t.Fatalf("%s of %s, which is to be left alone", a.Verb, key)
		}
		if key < last {
			t.Fatalf("%s after %s", key, last)
		}
		if key == last && rec.cuts[i] {
			t.Fatalf("%s may be split", key)
		}
		last = key
		args, err := treeop.Decode(a.Args)
		if err != nil {
			t.Fatal(err)
		}
		before, err := treeop.Before(a)
		if err != nil {
			t.Fatal(err)
		}
		if n := w.absent[before.Identity]; args.Reason == catalog.Vanished && n < 2 || args.Absent == treeop.Gone && n < 2 {
			t.Fatalf("%s %s vanishes after an absence from %d snapshots", key, a.Version.VersionID, n)
		}
		if args.To == catalog.History && args.Superseded < a.Version.LastModified {
			t.Fatalf("%s %s was superseded before it was written", key, a.Version.VersionID)
		}
	}
}

func (w *world) checkMirror(t *rapid.T, s *snap, p Policy, before map[string]cooper.Identity, fail func(*cooper.Action) cooper.Kind) {
	after := w.tree.mirror()
	for _, key := range someKeys {
		old, had := before[key]
		now, has := after[key]
		_, latest, clear := s.ofKey(key)
		same := had == has && (!had || old.Same(now))
		if !clear || !inPlan(s, p, key) {
			if !same {
				t.Fatalf("%s, which is to be left alone, changed from %+v to %+v", key, old, now)
			}
			continue
		}
		if latest == nil || latest.DeleteMarker {
			if has && !same {
				t.Fatalf("%s changed from %+v to %+v without a latest version", key, old, now)
			}
			retire := cooper.Action{Verb: treeop.Retire, Version: cooper.Version{Identity: now}}
			if has && latest != nil && fail(&retire) == "" {
				t.Fatalf("%s is in the mirror, though deleted", key)
			}
			continue
		}
		if has && now.Same(latest.Identity) {
			continue
		}
		if !same {
			t.Fatalf("%s changed from %+v to %+v, not to %+v", key, old, now, latest)
		}
		fetch := cooper.Action{Verb: treeop.Fetch, Version: *latest}
		promote := cooper.Action{Verb: treeop.Promote, Version: *latest}
		if !latest.Archived() && fail(&fetch) == "" && fail(&promote) == "" {
			t.Fatalf("the mirror shows %+v for %s, not %+v", now, key, latest.Identity)
		}
	}
}

// checkPast asks for what the bucket showed at the instants of all snapshots.
func (w *world) checkPast(t *rapid.T) {
	for _, s := range w.past {
		if s.meta.TakenAt <= w.tree.state.Forgotten {
			continue // of which a restore warns
		}
		for _, key := range someKeys {
			_, latest, clear := s.ofKey(key)
			if !clear || latest == nil {
				continue
			}
			rows := slices.DeleteFunc(w.tree.sorted(key), func(r catalog.Row) bool { return r.Key != key })
			row, exact := At(rows, s.meta.TakenAt, w.tree.state.Observed)
			if row == nil || !row.Same(latest.Identity) || !exact {
				t.Fatalf("at %s %s showed %+v (exact: %v), not %+v", s.meta.TakenAt, key, row, exact, latest)
			}
		}
	}
}

func drawFailures(t *rapid.T) func(*cooper.Action) cooper.Kind {
	bad := map[string]bool{}
	for _, k := range rapid.SliceOfN(rapid.SampledFrom(someKeys), 0, 3).Draw(t, "failing keys") {
		bad[k] = true
	}
	return func(a *cooper.Action) cooper.Kind {
		if bad[a.Version.Key] && a.Verb == treeop.Fetch {
			return cooper.KindDenied
		}
		return ""
	}
}

// spoil makes a snapshot what reports are: incomplete, late, or partly broken.
func (w *world) spoil(t *rapid.T, s *snap) {
	hide := func(keys map[string]bool) {
		s.versions = slices.DeleteFunc(s.versions, func(v cooper.Version) bool { return keys[v.Key] })
	}
	some := func(label string) map[string]bool {
		keys := map[string]bool{}
		for _, k := range rapid.SliceOfN(rapid.SampledFrom(someKeys), 1, 3).Draw(t, label) {
			keys[k] = true
		}
		return keys
	}
	hid := map[string]bool{}
	switch rapid.SampledFrom([]string{"", "", "incomplete", "late", "late row", "rejected", "current", "scope"}).Draw(t, "spoiled") {
	case "incomplete":
		s.meta.Complete = false
		hide(some("missing"))
	case "late": // a key is not listed though it is there: never twice in a row
		hid = some("late")
		for k := range w.dropped {
			delete(hid, k)
		}
		hide(hid)
	case "late row":
		if len(s.versions) > 0 {
			i := rapid.IntRange(0, len(s.versions)-1).Draw(t, "row")
			if k := s.versions[i].Key; !w.dropped[k] {
				hid[k] = true
				s.versions = slices.Delete(s.versions, i, i+1)
			}
		}
	case "rejected":
		for k := range some("rejected") {
			s.rejected = append(s.rejected, k)
		}
	case "current":
		s.currentOnly()
	case "scope":
		s.meta.Scope.Prefix = rapid.SampledFrom([]string{"a", "z", "a/b"}).Draw(t, "scope")
		s.versions = slices.DeleteFunc(s.versions, func(v cooper.Version) bool { return !cooper.HasPrefix(v.Key, s.meta.Scope.Prefix) })
	}
	w.dropped = hid
}

func drawPolicy(t *rapid.T, s *snap) Policy {
	p := Careful()
	if s.meta.Scope.Prefix == "" && rapid.IntRange(0, 4).Draw(t, "narrowed") == 0 {
		p.Prefix = rapid.SampledFrom([]string{"", "a", "a/b", "z"}).Draw(t, "prefix")
		p.Match = rapid.SampledFrom([]string{"", "b", "^z"}).Draw(t, "match")
	}
	return p
}

// Whatever happens to a bucket, and however badly it is reported: the mirror
// shows what the last snapshot said, nothing is fetched twice, nothing is lost,
// what is to be left alone is, and the past stays known.
func TestTreeFollowsAnyBucket(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := &world{
			bucket: newBucket(rapid.SampledFrom([]string{"Enabled", "Enabled", ""}).Draw(t, "versioning")),
			tree:   newModel(), absent: map[cooper.Identity]int{}, dropped: map[string]bool{},
		}
		for range rapid.IntRange(1, 7).Draw(t, "runs") {
			for range rapid.IntRange(0, 8).Draw(t, "operations") {
				w.bucket.live(t)
			}
			if w.bucket.versioning == "Enabled" && rapid.IntRange(0, 6).Draw(t, "suspend") == 0 {
				w.bucket.versioning = "Suspended"
			}
			s := w.bucket.list()
			w.spoil(t, s)
			p := drawPolicy(t, s)
			h, _ := w.follow(t, s, p, drawFailures(t))
			if !h.Partial && s.meta.Complete && w.bucket.versioning != "" {
				w.past = append(w.past, s)
			}
			w.checkPast(t)
		}
		// Undisturbed, the tree arrives at the bucket (what vanished last takes
		// a second snapshot), and then rests.
		var s *snap
		for range 2 {
			s = w.bucket.list()
			w.follow(t, s, Careful(), never)
		}
		if _, actions := w.follow(t, s, Careful(), never); len(actions) > 0 {
			t.Fatalf("another plan is not empty:\n%s", describe(actions, nil))
		}
		for key, shown := range w.tree.mirror() {
			_, latest, _ := s.ofKey(key)
			if latest == nil || !shown.Same(latest.Identity) && !latest.Archived() {
				t.Fatalf("the mirror shows %+v for %s, the bucket %+v", shown, key, latest)
			}
		}
	})
}

// A rollback shows any earlier snapshot again, without network; going forward
// brings the tree back to the bucket.
func TestRollbackAndForward(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := &world{bucket: newBucket("Enabled"), tree: newModel(), absent: map[cooper.Identity]int{}}
		for range rapid.IntRange(2, 5).Draw(t, "runs") {
			for range rapid.IntRange(1, 8).Draw(t, "operations") {
				w.bucket.live(t)
			}
			s := w.bucket.list()
			w.follow(t, s, Careful(), drawFailures(t))
			w.past, w.then = append(w.past, s), append(w.then, w.tree.mirror())
		}
		i := rapid.IntRange(0, len(w.past)-1).Draw(t, "to")
		to, then := w.past[i], w.then[i]
		before, lost := w.tree.mirror(), w.tree.withBytes()
		var rec recorder
		h, err := PlanRollback(context.Background(), Rollback{Catalog: w.tree, Dir: "/tree", Snapshot: to.meta.ID, Policy: Careful(), ID: "p-2", Now: w.bucket.now}, &rec)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("rollback to %s:\n%s", to.meta.ID, describe(rec.actions, rec.cuts))
		if err := w.tree.carryOut(h, rec.actions, never); err != nil {
			t.Fatal(err)
		}
		after := w.tree.mirror()
		for _, key := range someKeys {
			_, latest, _ := to.ofKey(key)
			now, has := after[key]
			switch {
			case latest == nil:
				// Not listed; before that was confirmed, the mirror still had it.
				if was := then[key]; has && now != was && !(now == before[key] && w.tree.lacks(key)) {
					t.Fatalf("%s shows %+v, then it was %+v", key, now, was)
				}
			case latest.DeleteMarker:
				if has {
					t.Fatalf("%s shows %+v, though it was deleted then", key, now)
				}
			case has && now == latest.Identity:
			case lost[anyVersion(latest.Identity)]:
				t.Fatalf("%s shows %+v, not %+v", key, now, latest.Identity)
			case now != before[key]:
				t.Fatalf("%s lost %+v for a version that the tree does not have", key, before[key])
			}
		}
		s := w.bucket.list()
		if _, err := Plan(context.Background(), Inputs{Snapshot: s, Catalog: w.tree, Policy: Careful()}, &recorder{}); cooper.KindOf(err) != cooper.KindRefused {
			t.Fatalf("a pinned tree does not refuse: %v", err)
		}
		forward := Careful()
		forward.Forward = true
		w.follow(t, s, forward, never)
		w.checkPast(t)
		if _, actions := w.follow(t, s, forward, never); len(actions) > 0 {
			t.Fatalf("the second plan is not empty:\n%s", describe(actions, nil))
		}
	})
}

// prune deletes what is old from the tree, and checks that nothing goes that
// must not.
func (w *world) prune(t *rapid.T) {
	before, mirror := map[cooper.Identity]catalog.Row{}, w.tree.mirror()
	for id, r := range w.tree.rows {
		before[id] = r
	}
	age := time.Duration(rapid.IntRange(1, 20_000).Draw(t, "age")) * time.Millisecond
	keep := rapid.IntRange(0, 2).Draw(t, "keep")
	fail := drawFailures(t)
	var rec recorder
	h, err := PlanPrune(context.Background(), Prune{Catalog: w.tree, Dir: "/tree", Policy: Careful(), OlderThan: age, KeepLast: keep, ID: "p-3", Now: w.bucket.now}, &rec)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("prune at %d older than %s, keeping %d:\n%s", w.bucket.now, age, keep, describe(rec.actions, rec.cuts))
	if err := w.tree.carryOut(h, rec.actions, fail); err != nil {
		t.Fatal(err)
	}
	if !maps.Equal(mirror, w.tree.mirror()) {
		t.Fatal("the mirror changed")
	}
	left, had := map[string]int{}, map[string]int{}
	for id, old := range before {
		now, there := w.tree.rows[id]
		if old.Place == catalog.History {
			had[id.Key]++
		}
		if there && now.Place == old.Place {
			if old.Place == catalog.History {
				left[id.Key]++
			}
			continue
		}
		switch {
		case old.Place != catalog.History, len(old.Shown)%2 == 1, old.Superseded+cooper.Instant(age.Milliseconds()) >= w.bucket.now:
			t.Fatalf("%+v was pruned", old)
		case len(old.Shown) > 0 && w.shown[anyVersion(id)]+cooper.Instant(age.Milliseconds()) >= w.bucket.now:
			t.Fatalf("%+v was pruned, though a snapshot of %s showed it", old, w.shown[anyVersion(id)])
		case there != (old.Gone == 0):
			t.Fatalf("%+v was pruned, and its row is there: %v", old, there)
		}
	}
	for key, n := range had {
		if left[key] < min(n, keep) {
			t.Fatalf("%d of %d versions of %s are left, %d were to be kept", left[key], n, key, keep)
		}
		latest := shownAt(w.tree.of(key), w.bucket.now)
		if _, shown := mirror[key]; !shown && latest != nil && !latest.DeleteMarker && left[key] == 0 {
			t.Fatalf("all bytes of %s were pruned, while its latest version is not there", key)
		}
	}
}

// of are the rows of one key.
func (m *model) of(key string) []catalog.Row {
	return slices.DeleteFunc(m.sorted(key), func(r catalog.Row) bool { return r.Key != key })
}

// Pruning now and then takes nothing but old versions; nothing of them is
// fetched again, unless it becomes the latest again, and the tree arrives at the
// bucket all the same.
func TestPruningNowAndThen(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := &world{
			bucket: newBucket(rapid.SampledFrom([]string{"Enabled", "Enabled", ""}).Draw(t, "versioning")),
			tree:   newModel(), absent: map[cooper.Identity]int{}, dropped: map[string]bool{},
		}
		for range rapid.IntRange(1, 6).Draw(t, "runs") {
			for range rapid.IntRange(0, 8).Draw(t, "operations") {
				w.bucket.live(t)
			}
			s := w.bucket.list()
			w.spoil(t, s)
			h, actions := w.follow(t, s, drawPolicy(t, s), drawFailures(t))
			w.notAgain(t, actions)
			if !h.Partial && s.meta.Complete && w.bucket.versioning != "" {
				w.past = append(w.past, s)
			}
			if rapid.Bool().Draw(t, "prune") {
				w.prune(t)
			}
			w.checkPast(t)
		}
		var s *snap
		for range 2 {
			s = w.bucket.list()
			w.follow(t, s, Careful(), never)
		}
		if _, actions := w.follow(t, s, Careful(), never); len(actions) > 0 {
			t.Fatalf("another plan is not empty:\n%s", describe(actions, nil))
		}
		for key, shown := range w.tree.mirror() {
			if _, latest, _ := s.ofKey(key); latest == nil || !shown.Same(latest.Identity) && !latest.Archived() {
				t.Fatalf("the mirror shows %+v for %s, the bucket %+v", shown, key, latest)
			}
		}
	})
}

// notAgain checks that no pruned version is fetched to history.
func (w *world) notAgain(t *rapid.T, actions []cooper.Action) {
	for i := range actions {
		before, err := treeop.Before(actions[i])
		if err != nil {
			t.Fatal(err)
		}
		if before.Pruned() && actions[i].Verb != treeop.Record && actions[i].Args["to"] != "mirror" {
			t.Fatalf("%s of %+v, which was pruned", actions[i].Verb, before)
		}
	}
}

func anyVersion(id cooper.Identity) cooper.Identity {
	id.VersionID = ""
	return id
}

// source delivers a snapshot's rows for a real one to be built of.
type source struct{ s *snap }

func (s source) Meta() inventory.Meta { return s.s.meta }

func (s source) Parts() []inventory.Part { return []inventory.Part{s} }

func (s source) Name() string { return "rows" }

func (s source) Read(_ context.Context, to inventory.Sink) error {
	for i := range s.s.versions {
		if err := to.Version(&s.s.versions[i]); err != nil {
			return err
		}
	}
	for i, key := range s.s.rejected {
		if err := to.Reject(inventory.Rejected{File: "f", Row: int64(i), Key: []byte(key), Reason: "odd"}); err != nil {
			return err
		}
	}
	return nil
}

// A snapshot on disk leads to the same plan as its rows, whatever their order.
func TestPlanFromSnapshotOnDisk(t *testing.T) {
	type situation struct {
		tree   *model
		snap   *snap
		policy Policy
	}
	situations := rapid.Custom(func(t *rapid.T) situation {
		w := &world{bucket: newBucket("Enabled"), tree: newModel(), absent: map[cooper.Identity]int{}, dropped: map[string]bool{}}
		for range rapid.IntRange(5, 20).Draw(t, "operations") {
			w.bucket.live(t)
		}
		w.follow(t, w.bucket.list(), Careful(), never)
		for range rapid.IntRange(5, 20).Draw(t, "more") {
			w.bucket.live(t)
		}
		s := w.bucket.list()
		w.spoil(t, s)
		s.meta.Complete = true // as everything that can be built is
		s.versions = rapid.Permutation(s.versions).Draw(t, "order")
		return situation{w.tree, s, drawPolicy(t, s)}
	})
	for seed := range 12 {
		x := situations.Example(seed)
		dir := filepath.Join(t.TempDir(), "s-1")
		if _, err := inventory.Build(context.Background(), dir, source{x.snap}, inventory.BuildOptions{ID: x.snap.meta.ID, Workers: 1}); err != nil {
			t.Fatal(err)
		}
		disk, err := inventory.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		var plans []string
		for _, s := range []Snapshot{x.snap, Of(disk)} {
			var rec recorder
			h, err := Plan(context.Background(), Inputs{Snapshot: s, Catalog: x.tree, Policy: x.policy}, &rec)
			if err != nil {
				t.Fatal(err)
			}
			plans = append(plans, describePlan(h, rec))
		}
		if plans[0] != plans[1] {
			t.Fatalf("from rows:\n%s\nfrom disk:\n%s", plans[0], plans[1])
		}
	}
}
