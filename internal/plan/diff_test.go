package plan

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

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
	for seed := range uint64(25) {
		r := rand.New(rand.NewPCG(seed, 1))
		a, inA := drawn(t, r, filepath.Join(dir, fmt.Sprintf("p-%d-a", seed)))
		b, inB := drawn(t, r, filepath.Join(dir, fmt.Sprintf("p-%d-b", seed)))
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
				t.Fatalf("seed %d: two versions in one difference: %s", seed, lines(d))
			}
			return nil
		})
		must(t, err)
		for _, k := range inA {
			same += int64(k)
		}
		// What was not told of is in both, as often.
		maps.DeleteFunc(inA, func(_ string, n int) bool { return n == 0 })
		maps.DeleteFunc(inB, func(_ string, n int) bool { return n == 0 })
		if !maps.Equal(inA, inB) {
			t.Fatalf("seed %d: untold in the first: %v, in the second: %v", seed, inA, inB)
		}
		if sum.Same.Count != same || count(sum.First)+count(sum.Second)+count(sum.Changed) != told {
			t.Fatalf("seed %d: %+v, told of %d, the same %d", seed, sum, told, same)
		}
	}
}

// drawn writes a plan of up to two phases of random actions, and counts them.
func drawn(t *testing.T, r *rand.Rand, dir string) (*Plan, map[string]int) {
	t.Helper()
	var phases [][]string
	has := map[string]int{}
	for i := range r.IntN(3) {
		phases = append(phases, nil)
		for range r.IntN(30) {
			line := fmt.Sprintf("%c %c %d arg=%d", "xy"[r.IntN(2)], "abcdefgh"[r.IntN(8)], r.IntN(2), r.IntN(2))
			has[line]++
			phases[i] = append(phases[i], line)
		}
		slices.SortStableFunc(phases[i], func(a, b string) int { return strings.Compare(a[2:3], b[2:3]) })
	}
	return diffable(t, dir, Limits{Actions: 3}, phases...), has
}

func count(m map[string]Tally) (n int64) {
	for _, t := range m {
		n += t.Count
	}
	return n
}
