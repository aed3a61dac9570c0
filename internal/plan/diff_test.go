package plan

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"cooper"
)

// diffable writes a plan of phases of actions, each "verb key version arg=value…".
func diffable(t testing.TB, dir string, lim Limits, phases ...[]string) *Plan {
	t.Helper()
	w, err := Create(dir, filepath.Base(dir), lim)
	must(t, err)
	defer w.Abort()
	for i, lines := range phases {
		must(t, w.Phase(fmt.Sprintf("phase-%d", i)))
		for _, line := range lines {
			words := strings.Fields(line)
			a := cooper.Action{Verb: words[0]}
			a.Version.Identity = cooper.Identity{Key: words[1], VersionID: words[2], ETag: "e", Size: 10, LastModified: 5}
			for _, arg := range words[3:] {
				name, value, _ := strings.Cut(arg, "=")
				if a.Args == nil {
					a.Args = map[string]string{}
				}
				a.Args[name] = value
			}
			must(t, w.Add(a, true))
		}
	}
	_, err = w.Finish(Header{ID: filepath.Base(dir), Mission: "test"})
	must(t, err)
	p, err := Open(dir)
	must(t, err)
	return p
}

func lines(d Difference) string {
	say := func(a *cooper.Action) string {
		if a == nil {
			return "nothing"
		}
		return a.Verb + " " + a.Version.Key + "@" + a.Version.VersionID
	}
	return say(d.First) + " -> " + say(d.Second)
}

func diffOf(t *testing.T, a, b *Plan) ([]string, Differences) {
	t.Helper()
	var got []string
	sum, err := Diff(context.Background(), a, b, []string{"at"}, func(d Difference) error { got = append(got, lines(d)); return nil })
	must(t, err)
	return got, sum
}

func TestDiff(t *testing.T) {
	dir := t.TempDir()
	small := Limits{Actions: 2} // many shards
	first := diffable(t, filepath.Join(dir, "p-1"), small,
		[]string{"fetch a 1 to=mirror at=1", "fetch b 1", "retire b 0 to=history", "fetch c 1 to=mirror", "fetch e 1"},
		[]string{"remove a 0", "remove d 1"})
	second := diffable(t, filepath.Join(dir, "p-2"), Limits{},
		[]string{"fetch a 1 to=mirror at=2", "retire b 0 to=history", "fetch b 2", "fetch c 1 to=history", "record e 1", "fetch f 1"},
		[]string{"remove d 1"})
	got, sum := diffOf(t, first, second)
	want := []string{
		"remove a@0 -> nothing", "fetch b@1 -> nothing", "nothing -> fetch b@2", "fetch c@1 -> fetch c@1", "fetch e@1 -> record e@1", "nothing -> fetch f@1",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	ten := func(n int64) Tally { return Tally{n, 10 * n} }
	if sum.Same != ten(3) || sum.First["remove"] != ten(1) || sum.First["fetch"] != ten(1) || sum.Second["fetch"] != ten(2) ||
		sum.Changed["fetch"] != ten(1) || sum.Changed["record"] != ten(1) || sum.Equal() {
		t.Errorf("%+v", sum)
	}
	if got, sum := diffOf(t, first, first); got != nil || !sum.Equal() || sum.Same != ten(7) {
		t.Errorf("a plan and itself: %q, %+v", got, sum)
	}
	empty := diffable(t, filepath.Join(dir, "p-3"), small)
	if got, sum := diffOf(t, empty, second); len(got) != 7 || sum.Same.Count != 0 {
		t.Errorf("nothing and a plan: %q, %+v", got, sum)
	}
	if _, sum := diffOf(t, empty, empty); !sum.Equal() {
		t.Errorf("%+v", sum)
	}
	stop := errors.New("enough")
	n := 0
	if _, err := Diff(context.Background(), first, second, nil, func(Difference) error { n++; return stop }); !errors.Is(err, stop) || n != 1 {
		t.Errorf("%d differences, %v", n, err)
	}
}

func TestDiffOfWhatIsNotSorted(t *testing.T) {
	dir := t.TempDir()
	a := diffable(t, filepath.Join(dir, "p-1"), Limits{}, []string{"fetch b 1", "fetch a 1"})
	b := diffable(t, filepath.Join(dir, "p-2"), Limits{}, []string{"fetch a 1"})
	for _, pair := range [][2]*Plan{{a, b}, {b, a}} {
		_, err := Diff(context.Background(), pair[0], pair[1], nil, func(Difference) error { return nil })
		if cooper.KindOf(err) != cooper.KindInvalid {
			t.Errorf("%v", err)
		}
	}
}

// Against a comparison of multisets: every action is told of once, on the right
// side, and nothing that both have is.
func TestDiffAgreesWithSets(t *testing.T) {
	dir := t.TempDir()
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		draw := func(side string) (*Plan, map[string]int) {
			var phases [][]string
			has := map[string]int{}
			for i := range rapid.IntRange(0, 2).Draw(rt, "phases") {
				phases = append(phases, nil)
				for range rapid.IntRange(0, 8).Draw(rt, "actions") {
					line := strings.Join([]string{rapid.SampledFrom([]string{"x", "y"}).Draw(rt, "verb"), rapid.SampledFrom([]string{"a", "b", "c"}).Draw(rt, "key"),
						rapid.SampledFrom([]string{"1", "2"}).Draw(rt, "version"), "arg=" + rapid.SampledFrom([]string{"1", "2"}).Draw(rt, "arg")}, " ")
					has[line]++
					phases[i] = append(phases[i], line)
				}
				slices.SortStableFunc(phases[i], func(a, b string) int { return strings.Compare(a[2:3], b[2:3]) })
			}
			return diffable(t, filepath.Join(dir, fmt.Sprintf("p-%d-%s", n, side)), Limits{Actions: 3}, phases...), has
		}
		a, inA := draw("a")
		b, inB := draw("b")
		tell := func(has map[string]int, x *cooper.Action) {
			if x != nil {
				has[strings.Join([]string{x.Verb, x.Version.Key, x.Version.VersionID, "arg=" + x.Args["arg"]}, " ")]--
			}
		}
		var told, same int64
		sum, err := Diff(context.Background(), a, b, nil, func(d Difference) error {
			tell(inA, d.First)
			tell(inB, d.Second)
			told++
			if d.First != nil && d.Second != nil && d.First.Version.Identity != d.Second.Version.Identity {
				rt.Fatalf("two versions in one difference: %s", lines(d))
			}
			return nil
		})
		must(t, err)
		for line, k := range inA {
			if k != inB[line] {
				rt.Fatalf("%q: %d times left in the first, %d in the second", line, k, inB[line])
			}
			same += int64(k)
		}
		for line, k := range inB {
			if k != inA[line] {
				rt.Fatalf("%q: %d times left in the second, %d in the first", line, k, inA[line])
			}
		}
		if sum.Same.Count != same || count(sum.First)+count(sum.Second)+count(sum.Changed) != told {
			rt.Fatalf("%+v, told of %d, the same %d", sum, told, same)
		}
	})
}

func count(m map[string]Tally) (n int64) {
	for _, t := range m {
		n += t.Count
	}
	return n
}
