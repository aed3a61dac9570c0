package backup

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"cooper"
	"cooper/internal/tree/catalog"
)

// shownRow is a row of a version that was shown during the given times.
func shownRow(key, version string, written cooper.Instant, size int64, shown ...int64) catalog.Row {
	return catalog.Row{
		Identity: cooper.Identity{Key: key, VersionID: version, ETag: "e", Size: size, LastModified: written},
		Place:    catalog.Mirror, Shown: shown,
	}
}

// holding makes a tree in memory that holds rows.
func holding(state catalog.State, rows ...catalog.Row) *model {
	m := newModel()
	m.state = state
	for _, r := range rows {
		m.rows[r.Identity] = r
	}
	return m
}

func followed(at ...cooper.Instant) catalog.State {
	var s catalog.State
	for _, t := range at {
		s.Observed = append(s.Observed, catalog.Observed{ID: fmt.Sprintf("s-%d", t), TakenAt: t, Complete: true, Finished: true})
	}
	return s
}

// entries renders a listing.
func entries(t *testing.T, in Browse) ([]string, Count) {
	t.Helper()
	l, err := NewListing(in)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	all, _, err := l.Each(t.Context(), func(e *Entry) error {
		line := fmt.Sprintf("%s %d %d", e.Key, e.Below.Objects, e.Below.Bytes)
		if !e.Directory {
			line += " " + e.Row.VersionID
		}
		if e.Below.Missing > 0 {
			line += fmt.Sprintf(" missing=%d", e.Below.Missing)
		}
		got = append(got, line)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return got, all
}

func someRows() []catalog.Row {
	rows := []catalog.Row{
		shownRow("a", "1", 5, 1, 10),
		shownRow("a-b", "1", 5, 2, 10),
		shownRow("a/", "1", 5, 0, 10),
		shownRow("a//x", "1", 5, 4, 10),
		shownRow("a/b", "2", 15, 8, 20),
		shownRow("a/b", "1", 5, 16, 10, 20),
		shownRow("a/b/c", "1", 5, 32, 10),
		shownRow("a/gone", "2", 15, 0, 20),
		shownRow("a/gone", "1", 5, 64, 10, 20),
		shownRow("a/pending", "1", 5, 128, 10),
		shownRow("ab", "1", 15, 256, 20),
		shownRow("z/z", "1", 5, 512, 10),
	}
	rows[7].DeleteMarker, rows[7].Place = true, catalog.Nowhere
	rows[9].Place = catalog.Nowhere
	return rows
}

func TestListingsByLevel(t *testing.T) {
	c := holding(followed(10, 20), someRows()...)
	for _, x := range []struct {
		in   Browse
		want string
	}{
		{Browse{}, "a 1 1 1|a-b 1 2 1|a/ 5 172 missing=1|ab 1 256 1|z/ 1 512"},
		{Browse{Prefix: "a"}, "a 1 1 1|a/ 1 0 1|a// 1 4|a/b 1 8 2|a/b/ 1 32|a/pending 1 128 1 missing=1"},
		{Browse{Prefix: "a/"}, "a/ 1 0 1|a// 1 4|a/b 1 8 2|a/b/ 1 32|a/pending 1 128 1 missing=1"},
		{Browse{Prefix: "a/b"}, "a/b 1 8 2|a/b/c 1 32 1"},
		{Browse{Prefix: "a/b/c"}, "a/b/c 1 32 1"},
		{Browse{Match: "[bz]$"}, "a-b 1 2 1|a/ 1 8|ab 1 256 1|z/ 1 512"},
		{Browse{Prefix: "a", Recursive: true, Match: "b"}, "a/b 1 8 2|a/b/c 1 32 1"},
		{Browse{At: 10}, "a 1 1 1|a-b 1 2 1|a/ 6 244 missing=1|z/ 1 512"},
		{Browse{At: 15, Prefix: "a/b"}, "a/b 1 8 2|a/b/c 1 32 1"}, // shown at 20, and written by 15
		{Browse{At: 14, Prefix: "a/b"}, "a/b 1 16 1|a/b/c 1 32 1"},
		{Browse{At: 4}, ""},
		{Browse{Prefix: "none"}, ""},
	} {
		x.in.Catalog = c
		if got, _ := entries(t, x.in); strings.Join(got, "|") != x.want {
			t.Errorf("%+v:\n%s, want\n%s", x.in, strings.Join(got, "|"), x.want)
		}
	}
}

func TestListingSaysWhatItRestsOn(t *testing.T) {
	partial := followed(10, 20, 30)
	partial.Observed[2].Prefix = "z/" // the last snapshot spoke of z/ alone
	partial.Observed = append(partial.Observed, catalog.Observed{ID: "broken", TakenAt: 40}, catalog.Observed{ID: "cut", TakenAt: 50, Finished: true})
	for _, x := range []struct {
		state         catalog.State
		in            Browse
		at            cooper.Instant
		exact         bool
		before, after string
		inexact       int64
	}{
		{followed(10, 20), Browse{}, 20, true, "s-20", "", 0},
		{followed(10, 20), Browse{At: 10}, 10, true, "s-10", "s-20", 0},
		{followed(10, 20), Browse{At: 14}, 14, false, "s-10", "s-20", 9},
		{followed(10, 20), Browse{At: 7}, 7, false, "", "s-10", 9},
		{followed(10, 20), Browse{At: 99}, 99, false, "s-20", "", 9},
		{partial, Browse{}, 30, true, "s-30", "", 0},
		{partial, Browse{Prefix: "a"}, 30, true, "s-20", "", 0},
		{catalog.State{}, Browse{}, 0, false, "", "", 9}, // as far as an unfinished run has come
	} {
		x.in.Catalog = holding(x.state, someRows()...)
		l, err := NewListing(x.in)
		if err != nil {
			t.Fatal(err)
		}
		m := l.Moment()
		id := func(o *catalog.Observed) string {
			if o == nil {
				return ""
			}
			return o.ID
		}
		if m.At != x.at || m.Exact != x.exact || id(m.Before) != x.before || id(m.After) != x.after {
			t.Errorf("%+v: %+v", x.in, m)
		}
		if _, all := entries(t, x.in); all.Inexact != x.inexact {
			t.Errorf("%+v: %d inexact, want %d", x.in, all.Inexact, x.inexact)
		}
	}
}

// A listing and a restore must never answer differently.
func TestListingAgreesWithAt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := &world{bucket: newBucket("Enabled"), tree: newModel(), absent: map[cooper.Identity]int{}}
		for range rapid.IntRange(1, 4).Draw(t, "days") {
			for range rapid.IntRange(1, 8).Draw(t, "writes") {
				w.bucket.live(t)
			}
			w.follow(t, w.bucket.list(), Careful(), never)
		}
		observed := w.tree.State().Observed
		at := cooper.Instant(rapid.Int64Range(int64(observed[0].TakenAt)-2000, int64(w.bucket.now)+2000).Draw(t, "at"))
		l, err := NewListing(Browse{Catalog: w.tree, Recursive: true, At: at})
		if err != nil {
			t.Fatal(err)
		}
		var got, want []cooper.Identity
		if _, _, err := l.Each(t.Context(), func(e *Entry) error { got = append(got, e.Row.Identity); return nil }); err != nil {
			t.Fatal(err)
		}
		err = eachKnown(t.Context(), w.tree, "", func(rows []catalog.Row) error {
			if row, _ := At(rows, at, observed); row != nil && !row.DeleteMarker {
				want = append(want, row.Identity)
			}
			return nil
		})
		if err != nil || !slices.Equal(got, want) {
			t.Fatalf("listed %v, restored %v, %v", got, want, err)
		}
	})
}

func TestListingEndsAtTheCallersError(t *testing.T) {
	l, err := NewListing(Browse{Catalog: holding(followed(10), someRows()...)})
	if err != nil {
		t.Fatal(err)
	}
	stop := errors.New("enough")
	n := 0
	if _, _, err := l.Each(t.Context(), func(*Entry) error { n++; return stop }); !errors.Is(err, stop) || n != 1 {
		t.Errorf("%d entries, %v", n, err)
	}
	if _, err := NewListing(Browse{Catalog: l.in.Catalog, Match: "("}); cooper.KindOf(err) != cooper.KindUsage {
		t.Error(err)
	}
}

func TestWhatBecameOfVersions(t *testing.T) {
	rows := []catalog.Row{
		shownRow("k", "multipart", 5, 1, 40), // begun before what it replaced was written
		shownRow("k", "replaced", 20, 1, 10, 20, 30, 40),
		shownRow("k", "between", 25, 1),
		shownRow("k", "marker", 15, 0, 20, 30),
		shownRow("k", "early", 1, 1),
		shownRow("k", "waiting", 2, 1),
		shownRow("k", "lost", 3, 1),
	}
	rows[1].Place, rows[1].Reason = catalog.History, catalog.Replaced
	rows[2].Place, rows[2].Reason = catalog.History, catalog.Older
	rows[3].Place, rows[3].DeleteMarker = catalog.Nowhere, true
	rows[4].Place, rows[4].Reason = catalog.History, catalog.Older
	rows[5].Place = catalog.Nowhere
	rows[6].Place, rows[6].Gone = catalog.Nowhere, 30
	var got []string
	for _, k := range KnownVersions(rows) {
		line := k.Row.VersionID + " " + k.State
		for _, s := range k.Shown {
			line += fmt.Sprintf(" %d-%d", s.From, s.Until)
		}
		got = append(got, line)
	}
	want := []string{
		"multipart latest 40-0", "replaced replaced 10-20 30-40", "between older", "marker replaced 20-30",
		"lost lost", "waiting pending", "early older",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestKeysThatMayHaveBeenMeant(t *testing.T) {
	c := holding(catalog.State{}, shownRow("d/cat.jpg", "1", 1, 1), shownRow("d/dog.jpg", "1", 1, 1), shownRow("d/unlike", "1", 1, 1))
	for _, x := range []struct{ key, want string }{{"d/Cat.jpg", "d/cat.jpg d/dog.jpg"}, {"d/cat.jpeg", "d/cat.jpg"}, {"d/zzzz", ""}, {"e/cat.jpg", ""}, {"", ""}} {
		near, err := Near(t.Context(), c, x.key, 3)
		if err != nil || strings.Join(near, " ") != x.want {
			t.Errorf("%q: %q, %v; want %s", x.key, near, err, x.want)
		}
	}
}

// Neither a directory of many entries nor many keys below one cost memory.
func TestListingsAllocateNothing(t *testing.T) {
	e := unchangedInputs(20_000).Catalog
	for _, x := range []struct {
		in      Browse
		entries int
	}{{Browse{}, 1}, {Browse{Prefix: "zarr/0000/"}, 200}, {Browse{Recursive: true}, 20_000}} {
		x.in.Catalog = e
		n := 0
		per := testing.AllocsPerRun(1, func() {
			l, err := NewListing(x.in)
			if err != nil {
				t.Fatal(err)
			}
			n = 0
			if _, _, err := l.Each(t.Context(), func(*Entry) error { n++; return nil }); err != nil {
				t.Fatal(err)
			}
		})
		if n != x.entries || per > 300 {
			t.Errorf("%+v: %d entries, want %d; %g allocations", x.in, n, x.entries, per)
		}
	}
}

// What an adopted tree has in its mirror is shown before any snapshot was.
func TestAdoptedTreesAreListed(t *testing.T) {
	rows := []catalog.Row{shownRow("k", "2", 9, 7), shownRow("k", "1", 5, 3)}
	rows[1].Place, rows[1].Reason = catalog.History, catalog.Older
	got, _ := entries(t, Browse{Catalog: holding(catalog.State{}, rows...)})
	if len(got) != 1 || got[0] != "k 1 7 2" {
		t.Errorf("%q", got)
	}
	known := KnownVersions(rows)
	if known[0].State != StateLatest || known[0].Row.VersionID != "2" || known[1].State != catalog.Older {
		t.Errorf("%+v", known)
	}
}
