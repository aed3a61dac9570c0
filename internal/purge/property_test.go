package purge

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"cooper"
	"cooper/internal/bucketop"
)

// TestAgainstModel compares plans with what a naive reading of the rules says,
// and checks what every plan must keep to.
func TestAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var rows []cooper.Version
		for k := range rapid.IntRange(0, 5).Draw(t, "keys") {
			n := rapid.IntRange(1, 6).Draw(t, "versions")
			latest := rapid.IntRange(0, n-1).Draw(t, "latest")
			for i := range n {
				id := fmt.Sprint(i)
				if rapid.IntRange(0, 5).Draw(t, "null") == 0 && !slices.ContainsFunc(rows, func(v cooper.Version) bool { return v.Key == fmt.Sprint("p/", k) && v.VersionID == "null" }) {
					id = "null"
				}
				v := version(fmt.Sprint("p/", k), id, time.Duration(rapid.IntRange(1, 90).Draw(t, "age"))*day)
				if rapid.IntRange(0, 2).Draw(t, "marker") == 0 {
					v = version(v.Key, id, now.Time().Sub(v.LastModified.Time()), "marker")
				}
				v.Latest = i == latest
				rows = append(rows, v)
			}
		}
		policy := Policy{
			Versions:   rapid.SampledFrom([]string{All, Noncurrent, Markers}).Draw(t, "mode"),
			OlderThan:  float64(rapid.SampledFrom([]int{0, 30, 60}).Draw(t, "older")) * day.Seconds(),
			Versioning: rapid.SampledFrom([]string{"", "Enabled", "Suspended"}).Draw(t, "versioning"),
			Unguarded:  rapid.Bool().Draw(t, "unguarded"),
		}
		var names map[string]bool
		var from Choices
		if rapid.Bool().Draw(t, "choose") {
			names = map[string]bool{}
			var list []Choice
			for _, v := range rows {
				if rapid.Bool().Draw(t, "chosen") {
					list = append(list, Choice{Key: v.Key, VersionID: v.VersionID})
					names[v.Key+"@"+v.VersionID] = true
				}
			}
			slices.SortStableFunc(list, func(a, b Choice) int { return strings.Compare(a.Key, b.Key) })
			from = chosen(list)
		}
		most := rapid.SampledFrom([]int{2, 3, mostVersions}).Draw(t, "most")
		s := snapOf(rows...)
		var r recorder
		in := Inputs{Snapshot: s, Policy: policy, Chosen: from, Now: now}
		d := newDecider(&in, &s.Info, &r)
		d.most = most
		if err := d.all(context.Background()); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, a := range r.Actions {
			got = append(got, a.Version.Key+"@"+a.Version.VersionID)
		}
		slices.Sort(got)
		want := naive(rows, &policy, names, most)
		if !slices.Equal(got, want) {
			t.Fatalf("planned %v, want %v", got, want)
		}
		checkOrder(t, &r, rows)
	})
}

// naive is the rules, word for word.
func naive(rows []cooper.Version, p *Policy, names map[string]bool, most int) (want []string) {
	byKey := map[string][]cooper.Version{}
	for _, v := range rows {
		byKey[v.Key] = append(byKey[v.Key], v)
	}
	for _, vs := range byKey {
		slices.SortFunc(vs, func(a, b cooper.Version) int { return a.Compare(&b) })
		markers := !slices.ContainsFunc(vs, func(v cooper.Version) bool { return !v.DeleteMarker }) && len(vs) <= most
		var going []cooper.Version
		for i, v := range vs {
			since := v.LastModified
			if p.Versions == Noncurrent && i > 0 {
				since = max(since, vs[i-1].LastModified)
			}
			old := p.OlderThan == 0 || now.Time().Sub(since.Time()).Seconds() > p.OlderThan
			fits := p.Versions == All || p.Versions == Noncurrent && !v.Latest || p.Versions == Markers && markers
			safe := v.VersionID != "null" || p.Versioning == "Enabled" || p.Unguarded || v.Latest && !v.DeleteMarker
			if old && fits && safe && (names == nil || names[v.Key+"@"+v.VersionID]) {
				going = append(going, v)
			}
		}
		for _, v := range going {
			if !v.Latest || len(going) == len(vs) && len(vs) <= most {
				want = append(want, v.Key+"@"+v.VersionID)
			}
		}
	}
	slices.Sort(want)
	return want
}

// checkOrder: the latest version comes last of its key, marked so, in the shard
// of all others.
func checkOrder(t *rapid.T, r *recorder, rows []cooper.Version) {
	for i, a := range r.Actions {
		args, err := bucketop.Decode(a.Args)
		if err != nil {
			t.Fatal(err)
		}
		if args.Last != a.Version.Latest {
			t.Fatalf("%+v is marked wrongly", a)
		}
		first := i == 0 || r.Actions[i-1].Version.Key != a.Version.Key
		if first && !r.Cuts[i] {
			t.Fatal("no shard may end between keys")
		}
		if !args.Last {
			continue
		}
		if i+1 < len(r.Actions) && r.Actions[i+1].Version.Key == a.Version.Key {
			t.Fatal("something comes after the latest")
		}
		n := 0
		for j := i; j >= 0 && r.Actions[j].Version.Key == a.Version.Key; j-- {
			n++
			if r.Cuts[j] && j > 0 && r.Actions[j-1].Version.Key == a.Version.Key {
				t.Fatal("a shard may end within a key whose latest version goes")
			}
		}
		all := 0
		for _, v := range rows {
			if v.Key == a.Version.Key {
				all++
			}
		}
		if n != all {
			t.Fatalf("the latest of %s goes, but only %d of %d", a.Version.Key, n, all)
		}
	}
}
