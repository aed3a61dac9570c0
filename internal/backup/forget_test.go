package backup

import (
	"slices"
	"testing"

	"cooper"
	"cooper/internal/tree/catalog"

	"pgregory.net/rapid"
)

// What began or ended with a snapshot that is forgotten began or ended with the next
// one that spoke of the key, or not at all.
func TestForgetOneRow(t *testing.T) {
	observed := func(ats ...cooper.Instant) (all []catalog.Observed) {
		for _, at := range ats {
			all = append(all, catalog.Observed{ID: "s-" + at.String(), TakenAt: at, Complete: true, Finished: true})
		}
		return all
	}
	const forgotten = 300
	for name, c := range map[string]struct {
		seen      []cooper.Instant
		was, want catalog.Row
	}{
		"not touched":          {[]cooper.Instant{100, 300}, catalog.Row{FirstSeen: 100, Shown: []int64{100}}, catalog.Row{FirstSeen: 100, Shown: []int64{100}}},
		"open again":           {[]cooper.Instant{100, 300}, catalog.Row{FirstSeen: 100, Shown: []int64{100, 300}}, catalog.Row{FirstSeen: 100, Shown: []int64{100}}},
		"never shown":          {[]cooper.Instant{100, 300}, catalog.Row{FirstSeen: 300, Shown: []int64{300}, Place: catalog.Mirror}, catalog.Row{Place: catalog.Mirror}},
		"never seen":           {[]cooper.Instant{100, 300}, catalog.Row{FirstSeen: 300, Shown: []int64{300}}, catalog.Row{Dropped: true}},
		"shown by the next":    {[]cooper.Instant{100, 300, 400}, catalog.Row{FirstSeen: 300, Shown: []int64{300}}, catalog.Row{FirstSeen: 400, Shown: []int64{400}}},
		"shown by it alone":    {[]cooper.Instant{100, 300, 400}, catalog.Row{FirstSeen: 100, Shown: []int64{300, 400}}, catalog.Row{FirstSeen: 100}},
		"ended by the next":    {[]cooper.Instant{100, 300, 400}, catalog.Row{FirstSeen: 100, Shown: []int64{100, 300}}, catalog.Row{FirstSeen: 100, Shown: []int64{100, 400}}},
		"interrupted by it":    {[]cooper.Instant{100, 300, 400}, catalog.Row{FirstSeen: 100, Shown: []int64{100, 300, 400}}, catalog.Row{FirstSeen: 100, Shown: []int64{100}}},
		"absent in it":         {[]cooper.Instant{100, 300}, catalog.Row{FirstSeen: 100, Shown: []int64{100}, AbsentSince: 300}, catalog.Row{FirstSeen: 100, Shown: []int64{100}}},
		"gone by it":           {[]cooper.Instant{100, 200, 300}, catalog.Row{FirstSeen: 100, Shown: []int64{100, 200}, AbsentSince: 200, Gone: 300}, catalog.Row{FirstSeen: 100, Shown: []int64{100}, AbsentSince: 200}},
		"gone by the next":     {[]cooper.Instant{100, 200, 300, 400}, catalog.Row{FirstSeen: 100, Shown: []int64{100, 200}, AbsentSince: 200, Gone: 300}, catalog.Row{FirstSeen: 100, Shown: []int64{100, 200}, AbsentSince: 200, Gone: 400}},
		"absent from it on":    {[]cooper.Instant{100, 300, 400}, catalog.Row{FirstSeen: 100, Shown: []int64{100, 300}, AbsentSince: 300, Gone: 400}, catalog.Row{FirstSeen: 100, Shown: []int64{100}, AbsentSince: 400}},
		"another of that time": {[]cooper.Instant{100, 300, 300}, catalog.Row{FirstSeen: 300, Shown: []int64{300}}, catalog.Row{FirstSeen: 300, Shown: []int64{300}}},
	} {
		state := catalog.State{Observed: observed(c.seen...)}
		for i := range state.Observed {
			if o := &state.Observed[i]; o.TakenAt == forgotten {
				o.ID = "s-forget"
				break
			}
		}
		f, err := NewForgetting(state, "/tree", "s-forget")
		if err != nil {
			t.Fatal(err)
		}
		got := c.was
		got.Shown = slices.Clone(c.was.Shown)
		f.Row(&got)
		if !slices.Equal(got.Shown, c.want.Shown) || got.FirstSeen != c.want.FirstSeen || got.AbsentSince != c.want.AbsentSince || got.Gone != c.want.Gone || got.Dropped != c.want.Dropped || got.Place != c.want.Place {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}

func TestForgetRefuses(t *testing.T) {
	o := catalog.Observed{ID: "s-1", TakenAt: 100, Complete: true, Finished: true}
	for name, c := range map[string]struct {
		state catalog.State
		kind  cooper.Kind
	}{
		"not seen":            {catalog.State{}, cooper.KindUsage},
		"rolled back to it":   {catalog.State{Observed: []catalog.Observed{o}, Pinned: &catalog.Pin{Snapshot: "s-1"}}, cooper.KindRefused},
		"another run is on":   {catalog.State{Observed: []catalog.Observed{o}, Run: &catalog.Progress{Plan: "p-1", Mission: Mission, Snapshot: &catalog.Observed{ID: "s-2"}}}, cooper.KindRefused},
		"a rollback is on":    {catalog.State{Observed: []catalog.Observed{o}, Run: &catalog.Progress{Plan: "p-1", Mission: MissionRollback, Snapshot: &o}}, cooper.KindRefused},
		"its run is on":       {catalog.State{Run: &catalog.Progress{Plan: "p-1", Mission: Mission, Snapshot: &o}}, ""},
		"followed to its end": {catalog.State{Observed: []catalog.Observed{o}}, ""},
	} {
		if _, err := NewForgetting(c.state, "/tree", "s-1"); cooper.KindOf(err) != c.kind {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A tree that forgets the last snapshot goes on as if it had not followed it: no bytes
// are lost, nothing is fetched twice, and it arrives at the bucket.
func TestForgetAndGoOn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := &world{bucket: newBucket("Enabled"), tree: newModel(), absent: map[cooper.Identity]int{}, dropped: map[string]bool{}}
		for range rapid.IntRange(1, 4).Draw(t, "runs") {
			for range rapid.IntRange(0, 8).Draw(t, "operations") {
				w.bucket.live(t)
			}
			s := w.bucket.list()
			w.follow(t, s, Careful(), never)
			w.past = append(w.past, s)
		}
		i := rapid.IntRange(0, len(w.past)-1).Draw(t, "which")
		f, err := NewForgetting(w.tree.state, "/tree", w.past[i].meta.ID)
		if err != nil {
			t.Fatal(err)
		}
		mirror, had := w.tree.mirror(), w.tree.withBytes()
		for id, r := range w.tree.rows {
			r.Shown = slices.Clone(r.Shown)
			if f.Row(&r); r.Dropped {
				delete(w.tree.rows, id)
				continue
			}
			w.tree.rows[id] = r
		}
		f.State(w.bucket.now)(&w.tree.state)
		w.absent = map[cooper.Identity]int{}
		for id, r := range w.tree.rows { // as the catalog has it now
			if r.AbsentSince != 0 {
				w.absent[id]++
			}
			if r.Gone != 0 {
				w.absent[id]++
			}
		}
		if now := w.tree.mirror(); len(now) != len(mirror) {
			t.Fatal("the mirror changed")
		}
		for id := range had {
			if !w.tree.withBytes()[id] {
				t.Fatalf("the bytes of %+v are not known any more", id)
			}
		}
		w.past = slices.Delete(w.past, i, i+1)
		w.checkPast(t)
		for range 2 {
			w.follow(t, w.bucket.list(), Careful(), never)
		}
		s := w.bucket.list()
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
