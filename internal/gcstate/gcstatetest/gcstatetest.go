// Package gcstatetest checks an implementation of gcstate.State.
//
// Run is called by the implementation's own tests; what is particular to it (damage, crashes) they
// check themselves.
package gcstatetest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cooper"
	"cooper/internal/gcstate"
)

const scope, other = "server/db", "server/other"

// Run checks. fresh makes a place without records, and gives what opens it, which may be called several times:
// each is another process, as it were.
func Run(t *testing.T, fresh func(t *testing.T) (open func() gcstate.State)) {
	for name, test := range map[string]func(*testing.T, func() gcstate.State){
		"Change": testChange, "ManyChanges": testMany, "OddNames": testOddNames, "WrongChanges": testWrong, "Walk": testWalk, "Telling": testTelling,
		"LongTelling": testLongTelling, "AtTheSameTime": testAtTheSameTime, "Restore": testRestore, "Model": testModel, "Context": testContext,
	} {
		t.Run(name, func(t *testing.T) { test(t, fresh(t)) })
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func same(t *testing.T, want, got any) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("want -, got +\n%s", d)
	}
}

func opened(t *testing.T, open func() gcstate.State) gcstate.State {
	t.Helper()
	s := open()
	t.Cleanup(func() { must(t, s.Close()) })
	return s
}

func handle(id string) gcstate.Handle { return gcstate.Handle{Scope: scope, Kind: "blob", ID: id} }

// to asks for a change of what is.
func to(is gcstate.Record, status gcstate.Status, at cooper.Instant) gcstate.Change {
	return gcstate.Change{Handle: is.Handle, From: is.Status, Since: is.Since, To: status, At: at, Reason: "no link", Run: "r-1"}
}

func get(t *testing.T, s gcstate.State, h gcstate.Handle) gcstate.Record {
	t.Helper()
	all, err := s.Get(t.Context(), []gcstate.Handle{h})
	must(t, err)
	if len(all) != 1 {
		t.Fatalf("%v", all)
	}
	return all[0]
}

func change(t *testing.T, s gcstate.State, changes ...gcstate.Change) []gcstate.Result {
	t.Helper()
	all, err := s.Change(t.Context(), changes)
	must(t, err)
	if len(all) != len(changes) {
		t.Fatalf("%d results of %d changes", len(all), len(changes))
	}
	return all
}

func walk(t *testing.T, s gcstate.State, scope string, statuses ...gcstate.Status) (all []gcstate.Record) {
	t.Helper()
	must(t, s.Walk(t.Context(), scope, statuses, func(r *gcstate.Record) error {
		all = append(all, *r)
		return nil
	}))
	return all
}

func info(t *testing.T, s gcstate.State) gcstate.Info {
	t.Helper()
	i, err := s.Info(t.Context())
	must(t, err)
	return i
}

func testChange(t *testing.T, open func() gcstate.State) {
	s := opened(t, open)
	never := gcstate.Record{Handle: handle("1"), Status: gcstate.Available}
	same(t, never, get(t, s, handle("1")))
	unlinked := gcstate.Record{Handle: handle("1"), Status: gcstate.Unlinked, Since: 5, Before: gcstate.Available, Reason: "no link", Run: "r-1"}
	same(t, []gcstate.Result{{Changed: true, Now: unlinked}}, change(t, s, to(never, gcstate.Unlinked, 5)))
	same(t, unlinked, get(t, s, handle("1")))
	same(t, never.Status, get(t, s, gcstate.Handle{Scope: other, Kind: "blob", ID: "1"}).Status)
	same(t, never.Status, get(t, s, gcstate.Handle{Scope: scope, ID: "1"}).Status)

	// Who has read something else changes nothing, and hears what stands.
	late := unlinked
	late.Since = 4
	archiving := unlinked
	archiving.Status = gcstate.Archiving
	same(t, []gcstate.Result{{Now: unlinked}, {Now: unlinked}, {Now: unlinked}}, change(t, s, to(never, gcstate.Unlinked, 6), to(late, gcstate.Archiving, 6), to(archiving, gcstate.Archived, 6)))
	same(t, unlinked, get(t, s, handle("1")))

	// Back, at a time that is no later by the clock: what was read before is not what stands now.
	back := change(t, s, to(unlinked, gcstate.Available, 5))[0].Now
	same(t, gcstate.Record{Handle: handle("1"), Status: gcstate.Available, Since: 6, Before: gcstate.Unlinked, Reason: "no link", Run: "r-1"}, back)
	again := change(t, s, to(never, gcstate.Unlinked, 9), to(back, gcstate.Unlinked, 3), to(unlinked, gcstate.Archiving, 9))
	if again[0].Changed || !again[1].Changed || again[1].Now.Since != 7 || again[2].Changed {
		t.Errorf("%+v", again)
	}
	must(t, s.Close())
	s = opened(t, open)
	same(t, again[1].Now, get(t, s, handle("1")))
	same(t, map[string]map[gcstate.Status]int64{scope: {gcstate.Unlinked: 1}}, info(t, s).Records)
	same(t, []gcstate.Record{again[1].Now}, walk(t, s, scope))
}

func testMany(t *testing.T, open func() gcstate.State) {
	s := opened(t, open)
	const n = 3000
	var changes []gcstate.Change
	var handles []gcstate.Handle
	for i := range n {
		h := handle(fmt.Sprintf("%05d", n-i))
		if i%3 == 0 {
			h.Scope = other
		}
		handles = append(handles, h)
		never := gcstate.Record{Handle: h, Status: gcstate.Available}
		changes = append(changes, to(never, gcstate.Unlinked, 5))
		if i%10 == 0 {
			changes = append(changes, to(never, gcstate.Deleted, 6)) // the one before was first
		}
	}
	done := 0
	for _, r := range change(t, s, changes...) {
		if r.Now.Status != gcstate.Unlinked {
			t.Fatalf("%+v", r)
		}
		if r.Changed {
			done++
		}
	}
	all, err := s.Get(t.Context(), handles)
	must(t, err)
	for i, r := range all {
		if r.Handle != handles[i] || r.Status != gcstate.Unlinked {
			t.Fatalf("%d: %+v", i, r)
		}
	}
	same(t, map[string]map[gcstate.Status]int64{scope: {gcstate.Unlinked: 2 * n / 3}, other: {gcstate.Unlinked: n / 3}}, info(t, s).Records)
	if done != n || len(walk(t, s, scope)) != 2*n/3 {
		t.Errorf("%d changed, %d are there", done, len(walk(t, s, scope)))
	}
}

// odd are names that may stand in the way of whoever keeps them.
var odd = []string{"0", "007", "9223372036854775807", "a", "A", "a ", "é", "e\u0301", "a\x00b", "a\xff", "'", `"`, "%", "a/b", "-1", "1e3", "8f9e2a25-da75-4c6d-80be-9e1acd55fdfe", "\n"}

func testOddNames(t *testing.T, open func() gcstate.State) {
	s := opened(t, open)
	var want []gcstate.Record
	for _, kind := range append(odd, "") {
		for _, id := range odd {
			h := gcstate.Handle{Scope: scope, Kind: kind, ID: id}
			r := change(t, s, gcstate.Change{Handle: h, From: gcstate.Available, To: gcstate.Unlinked, At: 1, Reason: id, Run: kind})[0]
			if !r.Changed {
				t.Errorf("%q %q: %+v", kind, id, r)
			}
			want = append(want, gcstate.Record{Handle: h, Status: gcstate.Unlinked, Since: 1, Before: gcstate.Available, Reason: id, Run: kind})
			same(t, want[len(want)-1], get(t, s, h))
		}
	}
	slices.SortFunc(want, byName)
	same(t, want, walk(t, s, scope))
	b, err := s.Untold(t.Context())
	must(t, err)
	if len(b.Transitions) != len(want) || b.Transitions[8].Handle.ID != odd[8] {
		t.Errorf("%d transitions", len(b.Transitions))
	}
}

func byName(a, b gcstate.Record) int {
	if a.Kind != b.Kind {
		if a.Kind < b.Kind {
			return -1
		}
		return 1
	}
	if a.ID < b.ID {
		return -1
	}
	return 1
}

func testWrong(t *testing.T, open func() gcstate.State) {
	s := opened(t, open)
	good := gcstate.Change{Handle: handle("1"), From: gcstate.Available, To: gcstate.Unlinked, At: 1}
	for _, wrong := range []func(*gcstate.Change){
		func(c *gcstate.Change) { c.ID = "" },
		func(c *gcstate.Change) { c.Scope = "" },
		func(c *gcstate.Change) { c.From = "" },
		func(c *gcstate.Change) { c.To = "unlinked" },
		func(c *gcstate.Change) { c.To = c.From },
		func(c *gcstate.Change) { c.Since = -1 },
		func(c *gcstate.Change) { c.At = 0 },
	} {
		c := good
		wrong(&c)
		if _, err := s.Change(t.Context(), []gcstate.Change{good, c}); cooper.KindOf(err) != cooper.KindInternal {
			t.Errorf("%+v: %v", c, err)
		}
	}
	same(t, gcstate.Available, get(t, s, handle("1")).Status)
	if r, err := s.Change(t.Context(), nil); err != nil || len(r) != 0 {
		t.Error(r, err)
	}
	same(t, 0, len(info(t, s).Records))
}

func testWalk(t *testing.T, open func() gcstate.State) {
	s := opened(t, open)
	for i, id := range []string{"9", "10", "1"} {
		r := change(t, s, to(gcstate.Record{Handle: handle(id), Status: gcstate.Available}, gcstate.Unlinked, 5))[0].Now
		if i > 0 {
			change(t, s, to(r, gcstate.Statuses[2*i], 6))
		}
	}
	ids := func(statuses ...gcstate.Status) (ids []string) {
		for _, r := range walk(t, s, scope, statuses...) {
			ids = append(ids, r.ID)
		}
		return ids
	}
	same(t, []string{"1", "10", "9"}, ids())
	same(t, []string{"10", "9"}, ids(gcstate.Unlinked, gcstate.Archiving))
	same(t, []string(nil), ids(gcstate.Deleted))
	if got := walk(t, s, "nowhere"); len(got) != 0 {
		t.Errorf("%v", got)
	}
	enough := errors.New("enough")
	if err := s.Walk(t.Context(), scope, nil, func(*gcstate.Record) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("%v", err)
	}
	same(t, []string{"1", "10", "9"}, ids()) // an end before the end holds nothing
	change(t, s, to(get(t, s, handle("9")), gcstate.Available, 7))
	same(t, []string{"9"}, ids(gcstate.Available))
}

func testTelling(t *testing.T, open func() gcstate.State) {
	s := opened(t, open)
	untold := func(s gcstate.State) gcstate.Batch {
		t.Helper()
		b, err := s.Untold(t.Context())
		must(t, err)
		return b
	}
	none := untold(s)
	if none.Number != 0 || len(none.Transitions) != 0 || none.State != info(t, s).ID || none.State == "" {
		t.Errorf("%+v", none)
	}
	if err := s.Told(t.Context(), 1); cooper.KindOf(err) != cooper.KindInternal {
		t.Errorf("told before there was anything: %v", err)
	}
	one := change(t, s, to(get(t, s, handle("1")), gcstate.Unlinked, 5))[0].Now
	if err := s.Told(t.Context(), 1); cooper.KindOf(err) != cooper.KindInternal {
		t.Errorf("told before it was asked for: %v", err)
	}
	first := untold(s)
	same(t, 1, first.Number)
	same(t, []gcstate.Transition{{ID: first.Transitions[0].ID, Handle: handle("1"), From: gcstate.Available, To: gcstate.Unlinked, Since: 5, Reason: "no link", Run: "r-1"}}, first.Transitions)
	change(t, s, to(get(t, s, handle("1")), gcstate.Deleted, 2), to(get(t, s, handle("2")), gcstate.Unlinked, 6), to(get(t, s, handle("3")), gcstate.Unlinked, 6), to(one, gcstate.Archived, 6))
	// A batch stays as it is, for whoever asks.
	two := opened(t, open)
	same(t, first, untold(two))
	must(t, s.Close())
	same(t, first, untold(two))
	must(t, two.Told(t.Context(), 1))
	must(t, two.Told(t.Context(), 1))
	second := untold(two)
	same(t, 2, second.Number)
	same(t, 3, len(second.Transitions)) // what did not change is not told
	tr := second.Transitions[0]
	same(t, gcstate.Transition{ID: tr.ID, Handle: handle("1"), From: gcstate.Unlinked, FromSince: 5, To: gcstate.Deleted, Since: 6, Reason: "no link", Run: "r-1"}, tr)
	if tr.ID == first.Transitions[0].ID || tr.ID == second.Transitions[1].ID {
		t.Errorf("ids are not unique: %s", tr.ID)
	}
	must(t, two.Told(t.Context(), 2))
	same(t, 2, info(t, two).Told)
	same(t, 0, untold(two).Number)
	if err := two.Told(t.Context(), 4); cooper.KindOf(err) != cooper.KindInternal {
		t.Errorf("told before its time: %v", err)
	}
}

func testLongTelling(t *testing.T, open func() gcstate.State) {
	s := opened(t, open)
	const n = gcstate.MostInABatch + 10
	changes := make([]gcstate.Change, n)
	for i := range changes {
		changes[i] = gcstate.Change{Handle: handle(fmt.Sprintf("%07d", i)), From: gcstate.Available, To: gcstate.Unlinked, At: 5}
	}
	change(t, s, changes...)
	next := 0
	for number, want := range []int{gcstate.MostInABatch, 10, 0} {
		b, err := s.Untold(t.Context())
		must(t, err)
		if len(b.Transitions) != want {
			t.Fatalf("batch %d: %d", b.Number, len(b.Transitions))
		}
		for _, tr := range b.Transitions {
			if tr.Handle != changes[next].Handle {
				t.Fatalf("%d: %+v", next, tr)
			}
			next++
		}
		if want > 0 {
			must(t, s.Told(t.Context(), number+1))
		}
	}
}

// testAtTheSameTime: of all who change a handle from what they have read, one wins; and whoever tells, each change
// is told once.
func testAtTheSameTime(t *testing.T, open func() gcstate.State) {
	const people, rounds = 4, 25
	handles := []gcstate.Handle{handle("1"), handle("2"), handle("3")}
	won := make([]int, people)
	told := make([]map[int]int, people)
	errs := make([]error, people)
	var g sync.WaitGroup
	for p := range people {
		s := opened(t, open)
		told[p] = map[int]int{}
		g.Go(func() {
			for range rounds {
				all, err := s.Get(t.Context(), handles)
				if err != nil {
					errs[p] = err
					return
				}
				var changes []gcstate.Change
				for _, r := range all {
					next := gcstate.Unlinked
					if r.Status == next {
						next = gcstate.Available
					}
					changes = append(changes, to(r, next, 1))
				}
				results, err := s.Change(t.Context(), changes)
				for i, r := range results {
					if r.Changed {
						won[p]++
						if r.Now.Since <= changes[i].Since {
							err = errors.Join(err, fmt.Errorf("%+v after %+v", r, changes[i]))
						}
					}
				}
				b, uerr := s.Untold(t.Context())
				if err = errors.Join(err, uerr); err == nil && b.Number > 0 {
					told[p][b.Number] = len(b.Transitions)
					err = s.Told(t.Context(), b.Number)
				}
				if err != nil {
					errs[p] = err
					return
				}
			}
		})
	}
	g.Wait()
	must(t, errors.Join(errs...))
	s := opened(t, open)
	b, err := s.Untold(t.Context())
	must(t, err)
	batches := map[int]int{b.Number: len(b.Transitions)}
	sum, wins := 0, 0
	for p := range people {
		wins += won[p]
		for n, size := range told[p] {
			if before, seen := batches[n]; seen && before != size {
				t.Errorf("batch %d has %d transitions, and %d", n, before, size)
			}
			batches[n] = size
		}
	}
	for _, size := range batches {
		sum += size
	}
	since := cooper.Instant(0)
	for _, h := range handles {
		since += get(t, s, h).Since // each change is one later
	}
	if sum != wins || int(since) != wins {
		t.Errorf("%d changes won, %d were made, %d told", wins, since, sum)
	}
}

func seq(all []gcstate.Record, err error) iter.Seq2[gcstate.Record, error] {
	return func(yield func(gcstate.Record, error) bool) {
		for _, r := range all {
			if !yield(r, nil) {
				return
			}
		}
		if err != nil {
			yield(gcstate.Record{}, err)
		}
	}
}

func testRestore(t *testing.T, open func() gcstate.State) {
	s := opened(t, open)
	var all, want []gcstate.Record
	for i := range 1000 {
		r := gcstate.Record{Handle: handle(fmt.Sprintf("%04d", i)), Status: gcstate.Statuses[i%len(gcstate.Statuses)], Since: cooper.Instant(100 + i), Before: gcstate.Available, Reason: "no link", Run: "r-1"}
		all = append(all, r)
		r.Since, r.Run = max(500, r.Since+1), "r-2" // nothing is older than the restoring
		want = append(want, r)
	}
	failed := errors.New("the disk")
	if err := s.Restore(t.Context(), 500, "r-2", seq(all, failed)); !errors.Is(err, failed) {
		t.Errorf("%v", err)
	}
	for _, wrong := range []gcstate.Record{all[3], {Handle: handle("x"), Status: "gone"}, {Status: gcstate.Unlinked}} {
		if err := s.Restore(t.Context(), 500, "r-2", seq(append(slices.Clone(all), wrong), nil)); cooper.KindOf(err) != cooper.KindInternal {
			t.Errorf("%+v was restored: %v", wrong, err)
		}
	}
	same(t, 0, len(walk(t, s, scope)))
	same(t, 0, len(info(t, s).Records))
	must(t, s.Restore(t.Context(), 500, "r-2", seq(all, nil)))
	same(t, want, walk(t, s, scope))
	b, err := s.Untold(t.Context())
	must(t, err)
	same(t, len(all), len(b.Transitions))
	same(t, gcstate.Transition{ID: b.Transitions[7].ID, Handle: all[7].Handle, From: all[7].Status, FromSince: 107, To: all[7].Status, Since: 500, Reason: gcstate.Restored, Run: "r-2"}, b.Transitions[7])
	if err := s.Restore(t.Context(), 500, "r-2", seq(nil, nil)); cooper.KindOf(err) != cooper.KindRefused {
		t.Errorf("restored twice: %v", err)
	}
}

// testModel: random changes, against a map.
func testModel(t *testing.T, open func() gcstate.State) {
	s := opened(t, open)
	rnd := rand.New(rand.NewPCG(5, 6))
	model := map[gcstate.Handle]gcstate.Record{}
	transitions := 0
	for range 60 {
		var changes []gcstate.Change
		var want []gcstate.Result
		for range rnd.IntN(700) {
			h := gcstate.Handle{Scope: []string{scope, other}[rnd.IntN(2)], Kind: []string{"", "blob"}[rnd.IntN(2)], ID: fmt.Sprint(rnd.IntN(300))}
			is, ok := model[h]
			if !ok {
				is = gcstate.Record{Handle: h, Status: gcstate.Available}
			}
			c := to(is, gcstate.Statuses[rnd.IntN(len(gcstate.Statuses))], cooper.Instant(1+rnd.IntN(1000)))
			if rnd.IntN(5) == 0 {
				c.Since += cooper.Instant(rnd.IntN(3))
			}
			if c.From == c.To {
				continue
			}
			changes = append(changes, c)
			if c.Since != is.Since {
				want = append(want, gcstate.Result{Now: is})
				continue
			}
			after := gcstate.Record{Handle: h, Status: c.To, Since: max(c.At, is.Since+1), Before: c.From, Reason: c.Reason, Run: c.Run}
			model[h] = after
			transitions++
			want = append(want, gcstate.Result{Changed: true, Now: after})
		}
		if len(changes) > 0 {
			same(t, want, change(t, s, changes...))
		}
		if rnd.IntN(10) == 0 {
			must(t, s.Close())
			s = opened(t, open)
		}
	}
	for _, sc := range []string{scope, other} {
		var want []gcstate.Record
		for _, r := range model {
			if r.Scope == sc {
				want = append(want, r)
			}
		}
		slices.SortFunc(want, byName)
		same(t, want, walk(t, s, sc))
	}
	b, err := s.Untold(t.Context())
	must(t, err)
	same(t, transitions, len(b.Transitions))
}

func testContext(t *testing.T, open func() gcstate.State) {
	s := opened(t, open)
	change(t, s, to(get(t, s, handle("1")), gcstate.Unlinked, 5))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, cerr := s.Change(ctx, []gcstate.Change{to(get(t, s, handle("1")), gcstate.Available, 6)})
	_, gerr := s.Get(ctx, []gcstate.Handle{handle("1")})
	for _, err := range []error{cerr, gerr, s.Walk(ctx, scope, nil, func(*gcstate.Record) error { return nil }), s.Told(ctx, 1)} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
	}
	same(t, gcstate.Unlinked, get(t, s, handle("1")).Status)
	change(t, s, to(get(t, s, handle("1")), gcstate.Available, 7)) // and nothing is held
}
