package report

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"cooper"
	"cooper/internal/inventory"
	"cooper/internal/price"
)

// objects are n latest versions of a size, age in days, and class.
func objects(rows []cooper.Version, n int, key string, size int64, age int, class string) []cooper.Version {
	for range n {
		rows = append(rows, cooper.Version{
			Identity: cooper.Identity{Key: fmt.Sprintf("%05d/%s", len(rows), key), VersionID: "v", ETag: "e", Size: size, LastModified: now - cooper.Instant(age*day)},
			Latest:   true, StorageClass: class,
		})
	}
	return rows
}

func savingsOf(rows []cooper.Version, table price.Table) map[string]Saving {
	opt := Options{Depth: -1, Prices: table}
	a := count(rows, opt, func() bool { return false })
	by := map[string]Saving{}
	for _, s := range savings(a, &opt, &inventory.Meta{}, nil) {
		by[s.ID] = s
	}
	return by
}

func wantSaving(t *testing.T, by map[string]Saving, id string, count int64, perMonth, once float64) {
	t.Helper()
	s, ok := by[id]
	if count == 0 {
		if ok {
			t.Errorf("%s is offered: %+v", id, s)
		}
		return
	}
	if s.Affects.Count != count || !near(s.PerMonth, perMonth) || !near(s.Once, once) {
		t.Errorf("%s: %+v, want %d versions, $%v a month, $%v once", id, s, count, perMonth, once)
	}
}

// By hand, from the list prices.
func TestTransitions(t *testing.T) {
	rows := objects(nil, 1000, "a.bin", gib, 100, "STANDARD")
	rows = objects(rows, 10, "b.bin", gib, 40, "STANDARD_IA")
	rows = objects(rows, 7, "small.bin", 128*kib-1, 4000, "STANDARD") // too small
	rows = objects(rows, 5, "c.bin", gib, 4000, "GLACIER")
	rows = objects(rows, 3, "d.bin", gib, 4000, "DEEP_ARCHIVE")
	rows = objects(rows, 2, "e.bin", gib, 4000, "SNOWY") // nobody knows what that costs
	by := savingsOf(rows, prices(t))
	// Overheads of the archive classes: 32 KiB of their own, 8 KiB of STANDARD.
	glacier := 0.0036*(1+1.0/32768) + 0.023/131072
	deep := 0.00099*(1+1.0/32768) + 0.023/131072
	wantSaving(t, by, "standard-ia-30d", 1000, 1000*(0.023-0.0125), 10*0.001)
	wantSaving(t, by, "standard-ia-90d", 1000, 1000*(0.023-0.0125), 10*0.001)
	wantSaving(t, by, "standard-ia-180d", 0, 0, 0)
	wantSaving(t, by, "glacier-ir-30d", 1010, 1000*(0.023-0.004)+10*(0.0125-0.004), 1.01*0.02)
	wantSaving(t, by, "glacier-ir-90d", 1000, 1000*(0.023-0.004), 0.02)
	wantSaving(t, by, "glacier-90d", 1000, 1000*(0.023-glacier), 0.03)
	wantSaving(t, by, "deep-archive-30d", 1015, 1000*(0.023-deep)+10*(0.0125-deep)+5*(glacier-deep), 1.015*0.05)
	wantSaving(t, by, "deep-archive-180d", 5, 5*(glacier-deep), 0.005*0.05)
	// 100 days old: the archive instant access tier; a month's monitoring for each.
	wantSaving(t, by, "intelligent-tiering", 1000, 1000*(0.023-0.004-0.0000025), 0.01)
	wantSaving(t, by, "noncurrent-30d", 0, 0, 0)
	wantSaving(t, by, "compress", 0, 0, 0)
	if b := by["deep-archive-30d"].Basis; !strings.Contains(b, "$0.02 a GB") || !strings.Contains(b, "180 days") {
		t.Errorf("basis: %s", b)
	}
}

// Where overheads eat the saving, nothing is offered.
func TestNoTransitionThatCosts(t *testing.T) {
	by := savingsOf(objects(nil, 1000, "a.bin", 128*kib, 400, "GLACIER_IR"), prices(t))
	wantSaving(t, by, "glacier-90d", 0, 0, 0)
	// 128 KiB at 0.004 cost less than 128+32 KiB at 0.00099 and 8 KiB at 0.023.
	deep := 0.00099*(160.0/1048576) + 0.023/131072
	wantSaving(t, by, "deep-archive-180d", 1000, 1000*(0.004/8192-deep), 1*0.05)
	by = savingsOf(objects(nil, 1000, "a.bin", 128*kib, 5, "STANDARD"), prices(t))
	wantSaving(t, by, "intelligent-tiering", 0, 0, 0) // monitoring for nothing
}

func TestCompressing(t *testing.T) {
	rows := objects(nil, 1000, "a.CSV", gib, 1, "STANDARD")
	rows = objects(rows, 10, "b.json", 4*kib, 1, "STANDARD_IA") // charged as 128 KiB before and after
	rows = objects(rows, 10, "c.csv.gz", gib, 1, "STANDARD")
	rows = objects(rows, 10, "d.csv", 4*kib-1, 1, "STANDARD")
	rows = objects(rows, 10, "e.csv", gib, 1, "DEEP_ARCHIVE")
	wantSaving(t, savingsOf(rows, prices(t)), "compress", 1010, 1000*0.023*0.75, 1.01*(0.0004+0.005))
}

// With a table of format 1 there are no classes to move to but those it has.
func TestSavingsAtPricesOfOnesOwn(t *testing.T) {
	table := prices(t)
	table.Rules = nil
	table.Storage = map[string]float64{"STANDARD": 0.02, "STANDARD_IA": 0.01}
	by := savingsOf(objects(nil, 10, "a.bin", gib, 400, "STANDARD"), table)
	wantSaving(t, by, "standard-ia-30d", 10, 0.1, 0)
	if len(by) != 3 { // after 30, 90, 180 days
		t.Errorf("%+v", by)
	}
}

func TestUploads(t *testing.T) {
	table := prices(t)
	c := NewUploadCounter(&table, now)
	for i := range 100 {
		c.Add(Upload{Key: fmt.Sprint(i), Initiated: now - cooper.Instant(i)*day, Parts: 1, Bytes: int64(i) * gib}, "STANDARD", i%2 == 0)
	}
	c.Add(Upload{Key: "archive", Bytes: gib}, "DEEP_ARCHIVE", true) // as STANDARD until it is whole
	u := c.Uploads("")
	if u.Count != 101 || u.Sized != 51 || u.Bytes != 2451*gib || !near(u.Cost, 2451*0.023) || u.Oldest != now-99*day || !u.Seen {
		t.Errorf("%+v", u)
	}
	// Begun 7 days ago or before: 7 to 99, of which the even ones are sized.
	if u.Old.Count != 93 || u.Old.Bytes != (2450-2-4-6)*gib {
		t.Errorf("old: %+v", u.Old)
	}
	if len(u.Largest) != shownUploads || u.Largest[0].Key != "98" || u.Largest[19].Key != "60" {
		t.Errorf("largest: %+v", u.Largest)
	}
	r := Report{Savings: []Saving{{ID: "x", PerMonth: 1000}, {ID: "y", PerMonth: 1}}}
	r.SetUploads(u)
	if i := slices.IndexFunc(r.Savings, func(s Saving) bool { return s.ID == "abort-uploads-7d" }); i != 1 {
		t.Errorf("%+v", r.Savings)
	}
	if u := NewUploadCounter(&table, now).Uploads("denied"); u.Seen || u.Why != "denied" {
		t.Errorf("%+v", u)
	}
}

func TestSuffixes(t *testing.T) {
	for key, want := range map[string]string{
		"a/b.nii.gz": ".nii.gz", "x.tar.gz": ".tar.gz", "x.csv.zst": ".csv.zst", "a.b/c": "", ".zarray": "", "x.ome.tif": ".ome.tif",
		"0.0.1": "", "scan.001": "", "x.TIF": ".TIF", "x.": "", "x.tar.gz.gz": ".gz", "v1.2.gz": ".gz", "x.a very long one": "", "x.é": "", "": "", "x.7z": ".7z",
		"report.final.txt": ".txt", "..gz": ".gz", "x.averylongsuffix": "",
	} {
		if got := suffixOf(key); got != want {
			t.Errorf("suffix of %q is %q, want %q", key, got, want)
		}
	}
}

// There may be as many suffixes as keys: sums stay exact, memory bounded.
func TestSuffixesWithoutEnd(t *testing.T) {
	var rows []cooper.Version
	for i := range maxSuffixes + 500 {
		rows = append(rows, cooper.Version{Identity: cooper.Identity{Key: fmt.Sprintf("%06d.x%d", i, i), Size: 1, LastModified: now}, Latest: true, StorageClass: fmt.Sprint("C", i%100)})
	}
	opt := Options{Depth: -1, Prices: prices(t)}
	i := 0
	a := count(rows, opt, func() bool { i++; return i%3000 == 0 })
	r, err := describe(a, &inventory.Meta{Complete: true}, &opt)
	if err != nil {
		t.Fatal(err)
	}
	for what, list := range map[string][]Row{"suffixes": r.Suffixes, "classes": r.Classes} {
		var sum Part
		others := 0
		for i := range list {
			sum.add(&list[i].Part)
			if list[i].Other {
				others++
			}
		}
		if !samePart(sum, r.Total) || others != 1 || len(list) > shownSuffixes+1 {
			t.Errorf("%s: %d rows, %d for others: %+v, want %+v", what, len(list), others, sum, r.Total)
		}
	}
	if !slices.ContainsFunc(r.Notes, func(s string) bool { return strings.Contains(s, "different suffixes") }) ||
		!slices.ContainsFunc(r.Notes, func(s string) bool { return strings.Contains(s, "classes without a price (C0, C1, C10)") }) {
		t.Errorf("notes: %q", r.Notes)
	}
}
