package compress

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"cooper"
	"cooper/internal/bucketop"
	"cooper/internal/inventory/invtest"
)

// TestAgainstModel compares plans with what a naive reading of the rules says.
func TestAgainstModel(t *testing.T) {
	table := prices(t)
	rapid.Check(t, func(t *rapid.T) {
		rows, facts := drawRows(t)
		policy := usual(func(p *Policy) {
			p.Rewriting.Mode = rapid.SampledFrom([]bucketop.Mode{bucketop.Suffix, bucketop.InPlace}).Draw(t, "mode")
			p.Rewriting.Versioning = rapid.SampledFrom([]string{"", "Enabled", "Suspended"}).Draw(t, "versioning")
			p.Rewriting.Originals = rapid.SampledFrom([]bucketop.Originals{bucketop.RemoveOriginals, bucketop.KeepOriginals}).Draw(t, "originals")
			p.Rewriting.Unguarded = rapid.Bool().Draw(t, "unguarded")
			p.Again = rapid.Bool().Draw(t, "again")
			p.Match = rapid.SampledFrom([]string{"", "[13]"}).Draw(t, "match")
			p.Prefix = rapid.SampledFrom([]string{"", "p/"}).Draw(t, "prefix")
		})
		if policy.Check() != nil {
			t.Skip("refused")
		}
		var r recorder
		in := Inputs{Snapshot: snapOf(rows...), Policy: policy, Known: invtest.ListOf(facts...), Prices: table, Now: now}
		if _, err := Plan(context.Background(), in, &r); err != nil {
			t.Fatal(err)
		}
		var got []string
		for i, a := range r.Actions {
			got = append(got, a.Verb+" "+a.Version.Key+"@"+a.Version.VersionID)
			if i > 0 && r.Actions[i-1].Version.Key >= a.Version.Key {
				t.Fatal("not in order of keys")
			}
		}
		slices.Sort(got)
		if want := naive(rows, facts, &policy); !slices.Equal(got, want) {
			t.Fatalf("planned %v, want %v", got, want)
		}
		below := 0
		for _, v := range rows {
			if cooper.HasPrefix(v.Key, policy.Prefix) {
				below++
			}
		}
		if n := r.Accounted(); n != int64(below) {
			t.Fatalf("%d versions are accounted for, there are %d", n, below)
		}
	})
}

// drawRows gives versions of some keys, and facts about some of them.
func drawRows(t *rapid.T) (rows []cooper.Version, facts []Fact) {
	for k := range rapid.IntRange(0, 6).Draw(t, "keys") {
		key := rapid.SampledFrom([]string{"p/", "q/"}).Draw(t, "folder") + fmt.Sprint(k) + rapid.SampledFrom([]string{"", ".zst", ".csv"}).Draw(t, "suffix")
		n := rapid.IntRange(1, 4).Draw(t, "versions")
		null := rapid.IntRange(-2, n-1).Draw(t, "null")
		latest := rapid.IntRange(-1, n-1).Draw(t, "latest")
		for i := range n {
			id := fmt.Sprint(i)
			if i == null {
				id = "null"
			}
			v := current(key, id, sized(rapid.SampledFrom([]int64{0, 100, 1000}).Draw(t, "size")))
			v.StorageClass = rapid.SampledFrom([]string{"STANDARD", "GLACIER"}).Draw(t, "class")
			if rapid.IntRange(0, 4).Draw(t, "marker") == 0 {
				marker(&v)
			}
			v.Latest = i == latest
			rows = append(rows, v)
			if told := rapid.SampledFrom([]Told{"", ToldLeft, ToldHeld, ToldReplaced}).Draw(t, "told"); told != "" {
				facts = append(facts, Fact{v.Key, v.VersionID, v.ETag, v.Size, told})
			}
		}
	}
	slices.SortStableFunc(facts, func(a, b Fact) int { return strings.Compare(a.Key, b.Key) })
	return rows, facts
}

// naive is the rules, word for word.
func naive(rows []cooper.Version, facts []Fact, p *Policy) (want []string) {
	r := &p.Rewriting
	match := regexp.MustCompile(p.Match)
	for _, v := range rows {
		latest, others, nullBehind := 0, 0, false
		for _, o := range rows {
			if o.Key != v.Key {
				continue
			}
			if o.Latest {
				latest++
			}
			if o.VersionID != v.VersionID {
				others++
				nullBehind = nullBehind || o.VersionID == "null"
			}
		}
		told := map[Told]bool{}
		for _, f := range facts {
			if f.Key == v.Key && f.VersionID == v.VersionID && f.ETag == v.ETag && f.Size == v.Size {
				told[f.Told] = true
			}
		}
		compressed := strings.HasSuffix(v.Key, ".zst")
		switch {
		case !strings.HasPrefix(v.Key, p.Prefix), !v.Latest, latest != 1, v.DeleteMarker, v.Size == 0, v.StorageClass == "GLACIER", !match.MatchString(v.Key):
		case told[ToldHeld]:
		case compressed:
			want = append(want, "measure "+v.Key+"@"+v.VersionID)
		case v.Size < 512:
		case told[ToldLeft] && !p.Again:
		case told[ToldReplaced] && r.Originals == bucketop.KeepOriginals:
		case others > 0 && r.Mode == bucketop.Suffix && r.Originals == bucketop.RemoveOriginals:
		case nullBehind && r.Mode == bucketop.InPlace && r.Versioning == "Suspended":
		default:
			want = append(want, "rewrite "+v.Key+"@"+v.VersionID)
		}
	}
	slices.Sort(want)
	return want
}
