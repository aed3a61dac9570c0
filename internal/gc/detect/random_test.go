package detect_test

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"testing"

	"cooper"
	"cooper/internal/gc"
	"cooper/internal/gc/detect"
	"cooper/internal/gcstate"
	"cooper/internal/ledger/gcfacts"
	"cooper/internal/query/duckdb"
)

var (
	theSeed = flag.Int64("detect.seed", -1, "only this world")
	theCell = flag.Int("detect.cell", -1, "only this cell of it")
)

// TestRandomPlatforms holds detections over worlds made by chance against a model written apart: a
// handle with a link is never marked, one without one for long enough always is; each reason is the
// model's. A failure names the world and the cell, which can be run alone:
//
//	go test ./internal/gc/detect -run TestRandomPlatforms -detect.seed 3 -detect.cell 17
func TestRandomPlatforms(t *testing.T) {
	worlds, cells := uint64(3), 120
	if testing.Short() {
		worlds = 1
	}
	if s := os.Getenv("COOPER_SOAK"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil {
			t.Fatal(err)
		}
		worlds *= uint64(n)
	}
	e, err := duckdb.Open(duckdb.Options{Memory: 1 << 30, Threads: 2, TempDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}()
	first := uint64(0)
	if *theSeed >= 0 {
		first, worlds = uint64(*theSeed), 1
	}
	for seed := first; seed < first+worlds; seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			var all []int
			for n := range cells {
				if *theCell < 0 || *theCell == n {
					all = append(all, n)
				}
			}
			w := newWorld(t, e, seed, all)
			w.run()
			t.Logf("%d scans, %d complete, %d detections, %d marks", len(w.seen), w.complete, w.detections, w.marked)
			if *theCell < 0 && (w.detections < 5 || w.marked < 5) {
				t.Error("this world has shown little")
			}
		})
	}
}

// run lets days go by, and then everything comes to rest.
func (w *world) run() {
	if w.r.IntN(3) == 0 && len(w.kinds) > 1 {
		w.registry = w.now - 60*day
	}
	var slow *seen
	for range 30 {
		w.backup()
		// Days end at midnight, so that ages are often whole days, to the millisecond.
		for range 2 {
			w.pass(8*hour, 5)
		}
		w.pass(day-w.now%day, 5)
		w.drift = pick[cooper.Instant](w.r, 0, 0, 0, -30_000, 30_000)
		switch w.r.IntN(40) {
		case 0:
			w.digests.Configuration = w.id("c")
		case 1:
			w.digests.Schema = w.id("s")
		case 2:
			w.restore()
		case 3:
			w.accept()
		case 4, 5:
			w.lose()
		}
		if w.r.IntN(3) > 0 {
			w.acknowledge(pick(w.r, 2*day, 30*day))
		}
		if w.r.IntN(4) == 0 {
			w.take()
		}
		w.persons()
		switch w.r.IntN(10) {
		case 0: // it is killed, and nobody goes on with it
			s := w.begin()
			for range w.r.IntN(s.wanted) {
				w.step(s, false)
				w.pass(hour/60, 12)
			}
		case 1: // it takes long
			if slow == nil {
				slow = w.begin()
				for range w.r.IntN(slow.wanted) {
					w.step(slow, false)
				}
			}
		case 2:
			if slow != nil {
				w.read(slow, false)
				w.finish(slow)
				slow = nil
			}
		case 3, 4:
		default:
			s := w.begin()
			w.read(s, false)
			w.finish(s)
		}
		if w.r.IntN(2) == 0 {
			w.detect()
		}
	}
	w.rest()
}

// rest is a month in which nothing happens, and enough scans: all garbage is found.
func (w *world) rest() {
	w.pass(40*day, 0)
	k := w.take()
	w.acknowledge(90 * day)
	w.accept()
	for range w.config.Detect.Scans {
		w.pass(25*hour, 0)
		s := w.begin()
		w.read(s, true)
		w.finish(s)
	}
	w.acknowledge(90 * day)
	w.pass(hour, 0)
	for _, s := range w.seen[len(w.seen)-w.config.Detect.Scans:] {
		if s.suspect || !s.whole {
			w.t.Fatalf("seed %d: a scan at rest is not complete", w.seed)
		}
	}
	w.inventories = []*taken{k}
	w.detect()
	w.ripe()
}

// ripe asks of the world itself: who has had no link for a month is UNLINKED, and who has
// one is not.
func (w *world) ripe() {
	for _, c := range w.cells {
		source := map[name]bool{}
		for _, d := range c.state.derived {
			source[d.derived] = source[d.derived] || d.derived != d.source && c.has(d.source)
		}
		for _, r := range c.state.rows {
			record := w.state.of(gcstate.Handle{Scope: w.scope(), Kind: r.kind, ID: r.id})
			since, free := w.sinceUnlinked[r.name]
			byHand := w.words.kept[r.name]
			for k, is := range w.words.linked {
				byHand = byHand || is && k.Kind == r.kind && k.ID == r.id
			}
			held := slices.ContainsFunc(c.state.holds, func(h hold) bool { return h.name == r.name })
			if record.Status == gcstate.Unlinked && !free {
				w.fault(c, r.name, "is UNLINKED, and has a link")
			}
			kept := record.Status == gcstate.Available && record.Since > w.now-unmodified
			if free && w.now-since > unmodified && !byHand && !held && !source[r.name] && r.modified > 0 && r.candidate && len(r.at) == 1 && w.config.Judged(r.at[0].bucket) && !below(r.at[0].key, "keep") &&
				!w.incomplete(r.kind, r.created) && (r.kind != "old" || r.status == "0") && !kept && record.Status != gcstate.Unlinked && record.Status != gcstate.Archived {
				w.fault(c, r.name, fmt.Sprintf("has no link for %d days, and is %s", (w.now-since)/day, record.Status))
			}
		}
	}
}

func (w *world) fault(c *cell, n name, what string) {
	w.t.Helper()
	now := "gone"
	for _, r := range c.state.rows {
		if r.name == n {
			now = fmt.Sprintf("at %q, modified %s, created %s, status %s, %t", r.at, r.modified, r.created, r.status, r.candidate)
		}
	}
	w.t.Errorf("-detect.seed %d -detect.cell %d: at %s, handle %s:%s %s (now %s)", w.seed, c.n, w.now, n.kind, n.id, what, now)
}

func (w *world) scope() string { return gcstate.ScopeOf(w.server, "app") }

// lose takes all records of a copy of the state; the other goes on. Half of the copies are made again
// from what was told. Nothing of either is told any more, as there is but one ledger.
func (w *world) lose() {
	if w.lossy != nil {
		return
	}
	w.lossy = newMemory("lossy")
	if w.seed%2 == 0 {
		last := map[gcstate.Handle]gcstate.Record{}
		for _, t := range w.told {
			last[t.Handle] = gcstate.Record{Handle: t.Handle, Status: t.To, Since: t.Since, Before: t.From, Reason: t.Reason, Run: t.Run}
		}
		w.must(w.lossy.Restore(context.Background(), w.now, "r-2", func(yield func(gcstate.Record, error) bool) {
			for _, r := range last {
				if !yield(r, nil) {
					return
				}
			}
		}))
	}
}

// fewer compares the two: who has lost records has no handle UNLINKED that the other has not, nor for
// longer. The one exception is a handle that came back after the loss, of which nobody can know who
// does not know that it was ever away: it is as old as it looks.
func (w *world) fewer() {
	if w.lossy == nil {
		return
	}
	for h, r := range w.lossy.records {
		with := w.state.of(h)
		if r.Status == gcstate.Unlinked && !w.came[h] && (with.Status == gcstate.Available || with.Since > r.Since) {
			w.t.Errorf("-detect.seed %d: at %s, %+v is UNLINKED since %s without records, and %s since %s with them", w.seed, w.now, h, r.Since, with.Status, with.Since)
		}
	}
}

// persons say something about handles now and then.
func (w *world) persons() {
	var kept []gcfacts.KeptByHand
	var links []gcfacts.LinkedByHand
	for _, c := range w.cells {
		for _, r := range c.state.rows {
			if w.chance(150, "keep", r.name) {
				w.words.kept[r.name] = !w.words.kept[r.name]
				kept = append(kept, gcfacts.KeptByHand{Scope: w.scope(), Kind: r.kind, ID: r.id, Keep: w.words.kept[r.name], Person: "Ada", Reason: "so", Made: w.now})
			}
			if w.chance(150, "link", r.name) {
				k := gcfacts.LinkedByHand{Scope: w.scope(), Association: "posts", Object: "by hand", Kind: r.kind, ID: r.id}
				w.words.linked[k] = !w.words.linked[k]
				l := k
				l.Linked, l.Person, l.Reason, l.Made = w.words.linked[k], "Ada", "so", w.now
				links = append(links, l)
			}
		}
	}
	if len(kept) > 0 {
		w.must(w.facts.KeepByHand(context.Background(), kept))
	}
	if len(links) > 0 {
		w.must(w.facts.LinkByHand(context.Background(), links))
	}
}

// detect looks, compares with the model, and marks.
func (w *world) detect() {
	ctx := context.Background()
	history, err := gc.HistoryOf(ctx, w.engine, w.now)
	w.must(err)
	standing := gc.Stand(history, w.server, w.digests, w.config.Detect, w.now)
	if len(standing.Counted) == 0 {
		return
	}
	w.detections++
	var k *taken
	if n := len(w.inventories); n > 0 && w.r.IntN(4) > 0 {
		k = w.inventories[n-1-w.r.IntN(min(n, 2))]
	}
	states := []*memory{w.state}
	if w.lossy != nil {
		states = append(states, w.lossy)
	}
	defer w.fewer()
	for _, state := range states {
		in := detect.Inputs{Engine: w.engine, Config: w.config, ID: w.id("d"), Scope: w.scope(), Server: w.server, Standing: standing, State: state, Incomplete: w.incomplete, TempDir: w.t.TempDir(), Past: w.past}
		if k != nil {
			for _, b := range slices.Sorted(maps.Keys(k.snapshot)) {
				in.Snapshots = append(in.Snapshots, k.snapshot[b])
			}
		}
		f := newFound()
		d, err := detect.Detect(ctx, &in, f)
		w.must(err)
		l := w.look(standing.Counted, k, state, w.scope())
		w.compare(l, f)
		w.compareObjects(l, f, d)
		if standing.Ready() {
			w.mark(state, f)
		}
	}
}

// compare holds what was found against the model.
func (w *world) compare(l *looking, f *found) {
	w.t.Helper()
	if len(f.twice) > 0 {
		w.t.Errorf("-detect.seed %d: twice in lists: %v", w.seed, f.twice)
	}
	w.never(l, f)
	all := l.verdicts()
	of := map[name]*cell{}
	for _, c := range w.cells {
		for _, s := range l.counted {
			for _, r := range s.rows {
				if c.owns(r.name) {
					of[r.name] = c
				}
			}
		}
	}
	for _, h := range []map[name]bool{keys(all), keys(f.handles)} {
		for n := range h {
			got, want := f.handles[n], all[n]
			if c := of[n]; c != nil && (got != "" || len(want) > 0) && !slices.Contains(want, got) {
				w.fault(c, n, fmt.Sprintf("is %q, not %q", got, want))
			} else if c == nil {
				w.t.Errorf("-detect.seed %d: %v is always linked, and %q", w.seed, n, got)
			}
		}
	}
}

// never asks of the world itself: what a link has led to, in one place, ever since the oldest of the scans
// began, is no candidate.
func (w *world) never(l *looking, f *found) {
	w.t.Helper()
	for _, c := range w.cells {
		for _, k := range c.state.links {
			if k.bad || k.since >= l.counted[len(l.counted)-1].began {
				continue
			}
			for _, to := range k.readings {
				if to.id != "" && f.handles[to.name] == "candidate" {
					w.fault(c, to.name, "is a candidate, and has had a link since "+k.since.String())
				}
			}
		}
	}
}

func keys[K comparable, V any](m map[K]V) map[K]bool {
	all := map[K]bool{}
	for k := range m {
		all[k] = true
	}
	return all
}

// mark does what follows: candidates become UNLINKED, those that have a link again AVAILABLE.
func (w *world) mark(state *memory, f *found) {
	ctx := context.Background()
	for n, what := range f.handles {
		record := state.of(gcstate.Handle{Scope: w.scope(), Kind: n.kind, ID: n.id})
		c := gcstate.Change{Handle: record.Handle, From: record.Status, Since: record.Since, At: w.now, Reason: "so", Run: "r-1"}
		switch {
		case what == "candidate":
			c.To = gcstate.Unlinked
			w.marked++
		case what == "relinked UNLINKED" && record.Status == gcstate.Unlinked:
			c.To = gcstate.Available
			if state == w.state && w.lossy != nil {
				w.came[c.Handle] = true
			}
		default:
			continue
		}
		_, err := state.Change(ctx, []gcstate.Change{c})
		w.must(err)
	}
	if state == w.state && w.lossy == nil {
		w.tell()
	}
}

// tell writes down what the state has to tell.
func (w *world) tell() {
	ctx := context.Background()
	b, err := w.state.Untold(ctx)
	w.must(err)
	if b.Number == 0 {
		return
	}
	out := gcfacts.Batch{State: b.State, Number: b.Number}
	for _, t := range b.Transitions {
		w.told = append(w.told, t)
		out.Transitions = append(out.Transitions, gcfacts.Transition{ID: t.ID, Scope: t.Scope, Kind: t.Kind, Handle: t.Handle.ID, From: string(t.From), FromSince: t.FromSince, To: string(t.To), Since: t.Since, Reason: t.Reason, Run: t.Run})
	}
	w.must(w.facts.Tell(ctx, out), w.state.Told(ctx, b.Number))
}
