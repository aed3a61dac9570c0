package gc

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"cooper"
	"cooper/internal/bucketop"
	"cooper/internal/bucketop/bucketoptest"
	"cooper/internal/gcop"
	"cooper/internal/gcstate"
	"cooper/internal/inventory"
	"cooper/internal/inventory/invtest"
	"cooper/internal/plan"
	"cooper/internal/price"
)

const (
	md5OfSomething = "c4ca4238a0b923820dcc509a6f75849b"
	today          = cooper.Instant(1767225600000) // 2026-01-01
)

// stored is a version of a month ago.
func stored(key, id string, size int64) cooper.Version {
	return cooper.Version{
		Identity: cooper.Identity{Key: key, VersionID: id, ETag: md5OfSomething, Size: size, LastModified: today - cooper.Instant(90*24*time.Hour/time.Millisecond)},
		Latest:   true, StorageClass: "STANDARD",
	}
}

func older(v cooper.Version, id string) cooper.Version {
	v.VersionID, v.Latest, v.LastModified = id, false, v.LastModified-1000
	return v
}

// archivable is a state and a snapshot in which one object may go.
func archivable(t *testing.T, rows ...cooper.Version) Archival {
	t.Helper()
	prices, err := price.Load("")
	if err != nil {
		t.Fatal(err)
	}
	return Archival{
		Archiving: gcop.Archiving{
			Marking: gcop.Marking{Config: "/c", Declared: "x", Scope: "s/db", Server: "s/db", Detection: "d-1", Read: gcop.Reads{"p": {}}},
			Bucket:  "archive", Versioning: map[string]string{"data": "Enabled", "archive": "Enabled"},
		},
		Snapshots: map[string]inventory.View{"data": invtest.SnapshotOf("data", 1, rows...)},
		State:     &recorded{status: map[string]gcstate.Status{"1": gcstate.Unlinked, "2": gcstate.Unlinked, "3": gcstate.Archived, "9": gcstate.Restoring}},
		Looked:    100, LastScan: "p-5", Class: "STANDARD_IA", Smallest: 128 << 10, Limit: 1, Prices: &prices, ID: "p-1", Now: today,
	}
}

func ripe(key string, ids ...string) (r Ripe) {
	r = Ripe{Bucket: "data", Key: key}
	for _, id := range ids {
		r.Handles = append(r.Handles, RipeHandle{ID: id, Status: gcstate.Unlinked})
	}
	return r
}

// archivals are those of a plan, in short.
func archivals(t *testing.T, in Archival, all ...Ripe) (h plan.Header, got string) {
	t.Helper()
	in.Ripe = sequence(all, nil)
	var p bucketoptest.Plan
	h, err := PlanArchive(t.Context(), in, &p)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := gcop.ArchivingOf(&h); err != nil {
		t.Error(err)
	}
	var parts []string
	for i := range p.Actions {
		a := &p.Actions[i]
		x, err := gcop.ArchivalOf(a)
		if err != nil {
			t.Fatal(err)
		}
		s := fmt.Sprintf("%s@%s %s", x.To, a.Version.VersionID, x.Proof)
		if x.Versions > 0 {
			var ids []string
			for _, h := range x.Handles {
				ids = append(ids, h.ID+"="+h.Status)
				if h.Scanned {
					ids[len(ids)-1] += "!"
				}
			}
			s += fmt.Sprintf(" %d[%s]", x.Versions, strings.Join(ids, " "))
		}
		if x.Last {
			s += " last"
		}
		if x.Guard != bucketop.ByID {
			s += " by " + string(x.Guard)
		}
		if x.For != "" {
			s += " for " + x.For
		}
		if p.Cuts[i] != (x.Versions > 0) {
			t.Errorf("%s: a shard may end before it: %v", s, p.Cuts[i])
		}
		parts = append(parts, s)
	}
	return h, strings.Join(parts, "; ")
}

const large = 1 << 20

// TestPlanArchive: what goes, with what, and what is left.
func TestPlanArchive(t *testing.T) {
	ssec, kms, parts, cold, marker := stored("a", "v1", large), stored("a", "v1", large), stored("a", "v1", large), stored("a", "v1", large), stored("a", "m", 0)
	ssec.Encryption, kms.Encryption, parts.ETag, cold.StorageClass, marker.DeleteMarker = "SSE-C", "SSE-KMS", md5OfSomething+"-3", "GLACIER", true
	sums, ia := kms, stored("a", "v1", large)
	sums.Checksum, ia.StorageClass = "CRC64NVME", "GLACIER_IR"
	long := strings.Repeat("x", 1024-len("data/"))
	for name, c := range map[string]struct {
		rows []cooper.Version
		all  []Ripe
		set  func(*Archival)
		want string
		left string
	}{
		"one":                 {rows: []cooper.Version{stored("a", "v1", large)}, all: []Ripe{ripe("a", "1", "2")}, want: "data/a@v1 etag 1[1=UNLINKED 2=UNLINKED] last"},
		"in parts":            {rows: []cooper.Version{parts}, all: []Ripe{ripe("a", "1")}, want: "data/a@v1 etag 1[1=UNLINKED] last"},
		"by a checksum":       {rows: []cooper.Version{sums}, all: []Ripe{ripe("a", "1")}, want: "data/a@v1 checksum 1[1=UNLINKED] last"},
		"by reading":          {rows: []cooper.Version{kms}, all: []Ripe{ripe("a", "1")}, want: "data/a@v1 read 1[1=UNLINKED] last"},
		"archived, and again": {rows: []cooper.Version{stored("a", "v1", large)}, all: []Ripe{ripe("a", "1", "3")}, want: "data/a@v1 etag 1[1=UNLINKED 3=ARCHIVED] last"},
		"versions": {rows: []cooper.Version{stored("a", "v2", large), older(stored("a", "", 5), "v1"), older(marker, "m")}, all: []Ripe{ripe("a", "1")},
			want: "data/a@v1 etag 3[1=UNLINKED]; data/a@m none; data/a@v2 etag last"},
		"versions, and no room": {rows: []cooper.Version{stored("a", "v2", large), older(stored("a", "", 5), "v1")}, all: []Ripe{ripe("a", "1")},
			set: func(in *Archival) { in.Archiving.Versioning["archive"] = "" }, left: "1 " + SkippedVersions},
		"compressed": {rows: []cooper.Version{stored("a-b", "v0", large), stored("a-b.zst", "v2", large), stored("a.zst", "v1", large)}, all: []Ripe{ripe("a", "1"), ripe("a-", "9"), ripe("a-b", "2")},
			want: "data/a-b@v0 etag 1[2=UNLINKED] last; data/a.zst@v1 etag 1[1=UNLINKED] last for a", left: "1 " + SkippedRestated},
		"compressed, and another's": {rows: []cooper.Version{stored("a.zst", "v1", large)}, all: []Ripe{{Bucket: "data", Key: "a", Handles: ripe("", "1").Handles, Shared: true}}, left: "1 " + SkippedShared},
		"gone":                      {rows: []cooper.Version{stored("b", "v1", large)}, all: []Ripe{ripe("a", "1")}, left: "1 " + SkippedGone},
		"deleted":                   {rows: []cooper.Version{marker, older(stored("a", "", large), "v1")}, all: []Ripe{ripe("a", "1")}, left: "1 " + SkippedGone},
		"small":                     {rows: []cooper.Version{stored("a", "v1", 128<<10-1)}, all: []Ripe{ripe("a", "1")}, left: "1 " + SkippedSmall},
		"not small":                 {rows: []cooper.Version{stored("a", "v1", 128<<10)}, all: []Ripe{ripe("a", "1")}, want: "data/a@v1 etag 1[1=UNLINKED] last"},
		"SSE-C":                     {rows: []cooper.Version{ssec}, all: []Ripe{ripe("a", "1")}, left: "1 " + SkippedSSEC},
		"cold":                      {rows: []cooper.Version{cold}, all: []Ripe{ripe("a", "1")}, left: "1 " + SkippedCold},
		"dearer":                    {rows: []cooper.Version{ia}, all: []Ripe{ripe("a", "1")}, want: "data/a@v1 etag 1[1=UNLINKED] last"},
		"a long key":                {rows: []cooper.Version{stored(long+"y", "v1", large)}, all: []Ripe{ripe(long+"y", "1")}, left: "1 " + SkippedLongKey},
		"not too long a key":        {rows: []cooper.Version{stored(long, "v1", large)}, all: []Ripe{ripe(long, "1")}, want: "data/" + long + "@v1 etag 1[1=UNLINKED] last"},
		"two latest":                {rows: []cooper.Version{stored("a", "v1", large), stored("a", "v2", large)}, all: []Ripe{ripe("a", "1")}, left: "1 " + SkippedAmbiguous},
		"restored meanwhile":        {rows: []cooper.Version{stored("a", "v1", large)}, all: []Ripe{ripe("a", "1", "9")}, left: "1 " + SkippedRestated},
		"linked since":              {rows: []cooper.Version{stored("a", "v1", large)}, all: []Ripe{ripe("a", "1")}, set: func(in *Archival) { in.Looked = 7 }, left: "1 " + SkippedRestated},
		"null, kept":                {rows: []cooper.Version{stored("a", "null", large)}, all: []Ripe{ripe("a", "1")}, want: "data/a@null etag 1[1=UNLINKED] last by look"},
		"null": {rows: []cooper.Version{stored("a", "null", large)}, all: []Ripe{ripe("a", "1")}, set: func(in *Archival) { in.Archiving.Versioning["data"] = "" },
			want: "data/a@null etag 1[1=UNLINKED] last by etag"},
		"null, older": {rows: []cooper.Version{stored("a", "v1", large), older(stored("a", "", large), "null")}, all: []Ripe{ripe("a", "1")}, set: func(in *Archival) { in.Archiving.Versioning["data"] = "Suspended" },
			left: "1 " + SkippedUnguarded},
		"no handle names it": {rows: []cooper.Version{stored("a", "v1", large)}, all: []Ripe{ripe("a")}, set: func(in *Archival) { in.Archiving.Unindexed = true }, want: "data/a@v1 etag 1[] last"},
	} {
		in := archivable(t, c.rows...)
		if c.set != nil {
			c.set(&in)
		}
		h, got := archivals(t, in, c.all...)
		left := (&bucketoptest.Plan{Head: h}).Skipped()
		if warned := strings.Contains(strings.Join(h.Warnings, "\n"), "cost more in the archive"); warned != (name == "dearer" || name == "versions") {
			t.Errorf("%s: %q", name, h.Warnings)
		}
		if got != c.want || left != c.left {
			t.Errorf("%s: %s\nwant %s\nleft %s, want %s", name, got, c.want, left, c.left)
		}
	}
}

// TestWaiting: a handle that waits for a scan goes only after one that is newer than all that were known when it began to.
func TestWaiting(t *testing.T) {
	for _, c := range []struct {
		reason, last string
		cleared      bool
		want         string
	}{
		{gcop.ReasonWaits + "p-4 (p-3)", "p-5", true, "data/a@v1 etag 1[1=ARCHIVING!] last"},
		{gcop.ReasonWaits + "p-5 (p-3)", "p-5", true, ""},
		{gcop.ReasonWaits + "p-4 (p-3)", "p-5", false, ""},
		{"archived by p-3", "p-5", true, "data/a@v1 etag 1[1=ARCHIVING] last"},
	} {
		in := archivable(t, stored("a", "v1", large))
		in.State, in.LastScan = waitingState{reason: c.reason}, c.last
		r := ripe("a", "1")
		r.Handles[0].Status, r.Handles[0].Cleared = gcstate.Archiving, c.cleared
		h, got := archivals(t, in, r)
		if got != c.want || (h.Skipped[SkippedWaiting].Count == 1) != (c.want == "") {
			t.Errorf("%+v: %s, %v", c, got, h.Skipped)
		}
	}
}

type waitingState struct {
	gcstate.State

	reason string
}

func (s waitingState) Get(_ context.Context, hs []gcstate.Handle) ([]gcstate.Record, error) {
	return []gcstate.Record{{Handle: hs[0], Status: gcstate.Archiving, Since: 7, Reason: s.reason}}, nil
}

// TestArchiveOfBuckets: buckets come one after the other, and what is out of order is no plan.
func TestArchiveOfBuckets(t *testing.T) {
	in := archivable(t, stored("a", "v1", large), stored("z", "v1", large))
	in.Snapshots["other"] = invtest.SnapshotOf("other", 1, stored("a", "v1", large), stored("b", "v1", large), stored("c", "v1", large))
	in.Archiving.Versioning["other"] = ""
	b := ripe("a", "2")
	b.Bucket = "other"
	h, got := archivals(t, in, ripe("a", "1"), b)
	if got != "data/a@v1 etag 1[1=UNLINKED] last; other/a@v1 etag 1[2=UNLINKED] last" || len(h.Confirm) > 0 {
		t.Errorf("%s, %v", got, h.Confirm)
	}
	in.Limit = 0.3
	if h, _ := archivals(t, in, ripe("a", "1"), b); len(h.Confirm) != 1 || !h.Stopped() || !strings.Contains(h.Confirm[0], "2 of 5 versions") {
		t.Errorf("%v", h.Confirm)
	}
	for _, all := range [][]Ripe{{b, ripe("a", "1")}, {ripe("a", "1"), ripe("a", "1")}, {ripe("b", "1"), ripe("a", "2")}} {
		in.Ripe = sequence(all, nil)
		if _, err := PlanArchive(t.Context(), in, &bucketoptest.Plan{}); cooper.KindOf(err) != cooper.KindInternal {
			t.Errorf("%v: %v", all, err)
		}
	}
	broken := errors.New("broken")
	in.Ripe = sequence([]Ripe{ripe("a", "1")}, broken)
	if _, err := PlanArchive(t.Context(), in, &bucketoptest.Plan{}); !errors.Is(err, broken) {
		t.Error(err)
	}
}

// TestArchiveCost: 1 TB in 10^6 objects: from STANDARD to STANDARD_IA costs 10 USD of requests that write, and
// what looking at them costs, and saves 0.0105 USD a GB.
func TestArchiveCost(t *testing.T) {
	prices, err := price.Load("")
	if err != nil {
		t.Fatal(err)
	}
	const tb, objects = 1 << 40, 1_000_000
	s := newSums(&prices, "STANDARD_IA")
	for i := range objects {
		v := stored("a", "v1", tb/objects)
		if i < tb%objects {
			v.Size++
		}
		v.Latest = i%2 == 0
		s.add(&v, gcop.ByETag, today)
	}
	var h plan.Header
	s.into(&h)
	cents := func(usd float64) int { return int(math.Round(100 * usd)) }
	// 10^6 copies at 0.01 for 1,000, 1,000 manifests likewise; 2 HEADs and a GET of tags at 0.0004; 2,000 listings at 0.005 for 1,000.
	if got, want := cents(h.Estimate.USD), cents(10+0.01+3*0.4+0.01); got != want {
		t.Errorf("it costs %d cents, want %d: %+v", got, want, h.Estimate)
	}
	if got, want := cents(h.Estimate.SavedUSD), cents(1024*(0.023-0.0125)); got != want || got != 1075 {
		t.Errorf("it saves %d cents, want %d", got, want)
	}
	if !slices.ContainsFunc(h.Warnings, func(w string) bool { return strings.HasPrefix(w, "saves 10.75 USD a month") }) || !strings.Contains(strings.Join(h.Warnings, "\n"), "older versions that go with their objects") {
		t.Errorf("%q", h.Warnings)
	}
}

// TestArchiveCostOfOthers: what was stored lately, in a class with a minimum, what must be read, and what is large.
func TestArchiveCostOfOthers(t *testing.T) {
	prices, err := price.Load("")
	if err != nil {
		t.Fatal(err)
	}
	s := newSums(&prices, "DEEP_ARCHIVE")
	v := stored("a", "v1", 10<<30)
	v.StorageClass, v.LastModified = "STANDARD_IA", today-cooper.Instant(15*24*time.Hour/time.Millisecond)
	s.add(&v, gcop.ByReading, today)
	var h plan.Header
	s.into(&h)
	// 22 requests that write and a manifest at 0.05 for 1,000; 2 HEADs, 3 GETs; 2 listings; 20 GB out; read twice, and once out of the archive; half a month.
	want := 0.05*22/1000 + 0.005/1000 + 5*0.0004/1000 + 2*0.005/1000 + 20*0.09 + 10*(0.01+0.01+0.02) + 10*0.0125/2
	if math.Abs(h.Estimate.USD-want) > 1e-9 || h.Estimate.Bytes != 20<<30 {
		t.Errorf("%v, want %v: %+v", h.Estimate.USD, want, h.Estimate)
	}
}

// BenchmarkPlanArchive plans to move 100,000 objects out of a bucket of as many again.
func BenchmarkPlanArchive(b *testing.B) {
	const objects = 100_000
	prices, err := price.Load("")
	if err != nil {
		b.Fatal(err)
	}
	var rows []cooper.Version
	var all []Ripe
	for i := range objects {
		key := fmt.Sprintf("files/%08d", i)
		rows = append(rows, stored(key, fmt.Sprintf("v%d", i), large), stored(key+"x", fmt.Sprintf("x%d", i), large))
		all = append(all, Ripe{Bucket: "data", Key: key, Handles: []RipeHandle{{ID: "1", Status: gcstate.Unlinked}, {ID: "2", Status: gcstate.Unlinked}}})
	}
	in := Archival{
		Archiving: gcop.Archiving{Bucket: "archive", Versioning: map[string]string{"data": "Enabled", "archive": "Enabled"}},
		Snapshots: map[string]inventory.View{"data": invtest.SnapshotOf("data", 1, rows...)}, State: &recorded{status: map[string]gcstate.Status{"1": gcstate.Unlinked, "2": gcstate.Unlinked}},
		Looked: 100, LastScan: "p-5", Class: "STANDARD_IA", Limit: 1, Prices: &prices, ID: "p-1", Now: today,
	}
	for b.Loop() {
		in.Ripe = sequence(all, nil)
		out, err := plan.Create(filepath.Join(b.TempDir(), "p"), "p", ArchiveLimits)
		if err != nil {
			b.Fatal(err)
		}
		h, err := PlanArchive(b.Context(), in, out)
		if err != nil || h.Totals[gcop.Archive].Count != objects {
			b.Fatal(h.Totals, err)
		}
		out.Abort()
	}
	b.ReportMetric(float64(objects*b.N)/b.Elapsed().Seconds(), "objects/s")
}
