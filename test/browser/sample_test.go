package browser

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"cooper"
	"cooper/internal/report"
)

var (
	taken = time.Date(2026, 11, 20, 1, 0, 0, 0, time.UTC)
	now   = cooper.InstantOf(taken)
)

// sample is a report of an archive as there are some; always the same. Its
// figures need not fit together but where a test says so: in the tree.
func sample() *report.Report {
	rng := rand.New(rand.NewPCG(1, 2))
	root := &report.Node{}
	for i, top := range []struct {
		name  string
		share float64
		days  int
		old   float64
	}{
		{"raw/", 30, 20, .02}, {"derivatives/", 24, 90, .25}, {"zarr/", 17, 5, .6}, {"archive-2019/", 12, 2500, 0},
		{"sourcedata/", 9, 800, .08}, {"exports/", 5, 250, .4}, {"tmp/", 2, 1, .9}, {"logs/", .6, 0, .1},
	} {
		n := &report.Node{Name: top.name}
		for s := range 24 + 6*i {
			sub := &report.Node{Name: fmt.Sprintf("sub-%03d/", s)}
			for f := range 12 {
				bytes := top.share * 1e9 * (.2 + rng.ExpFloat64())
				old := bytes * top.old * 2 * rng.Float64()
				leaf := &report.Node{Name: fmt.Sprintf("run-%02d_bold.nii.gz", f), Key: true,
					Newest: now - cooper.Instant((float64(top.days)*(.3+1.4*rng.Float64())+1)*864e5)}
				leaf.Current = report.Amount{Count: 1, Bytes: int64(bytes), Cost: bytes / 1e9 * .021}
				leaf.Noncurrent = report.Amount{Count: int64(old / 1e8), Bytes: int64(old), Cost: old / 1e9 * .021}
				sub.Children = append(sub.Children, leaf)
			}
			sub.Rest = &report.Rest{Names: 5000, Part: report.Part{Current: report.Amount{Count: int64(5000 + 4*s), Bytes: int64(top.share * 1e9), Cost: top.share * .021}, DeleteMarkers: int64(s)}}
			n.Children = append(n.Children, sub)
		}
		root.Children = append(root.Children, n)
	}
	root.Children = append(root.Children, &report.Node{Name: "README.md", Key: true, Newest: now, Part: report.Part{Current: report.Amount{Count: 1, Bytes: 1500, Cost: 1e-7}}})
	root.Rest = &report.Rest{Names: 7, Part: report.Part{Current: report.Amount{Count: 900, Bytes: 3e10, Cost: .6}}}
	sum(root)
	return around(root)
}

// around is a report with this tree, and everything else filled in.
func around(root *report.Node) *report.Report {
	part := func(n int) report.Part {
		return report.Part{Current: report.Amount{Count: int64(1000 * n), Bytes: int64(n) * 3e10, Cost: float64(n)},
			Noncurrent: report.Amount{Count: int64(200 * n), Bytes: int64(n) * 7e9, Cost: float64(n) / 4}}
	}
	rows := func(names ...string) (rs []report.Row) {
		for i, name := range names {
			rs = append(rs, report.Row{Name: name, Part: part((i * 7) % 11)})
		}
		return rs
	}
	r := &report.Report{
		Snapshot: report.Snapshot{ID: "s-20261120T010000Z-4c54", Bucket: "neuro-archive", Source: "s3://reports/inventory/manifest.json", TakenAt: now, Complete: true},
		Now:      now, Prices: "us-east-1 2025-06-01", Total: root.Part, Tree: root,
		Classes:  rows("STANDARD", "GLACIER", "INTELLIGENT_TIERING/ARCHIVE_INSTANT_ACCESS"),
		Ages:     rows("< 1 d", "1-7 d", "7-30 d", "30-90 d", "90-180 d", "180 d-1 y", "1-2 y", "2-5 y", ">= 5 y", "unknown"),
		Sizes:    rows("0 B", "1 B-1 KiB", "1-16 KiB", "16-128 KiB", "128 KiB-1 MiB", "1-16 MiB", "16-128 MiB", "128 MiB-1 GiB"),
		Suffixes: append(rows(".nii.gz", ".tar", ".csv", ""), report.Row{Name: "other", Other: true, Part: part(2)}),
		Duplicates: &report.Duplicates{Groups: 906, Extra: report.Amount{Count: 2600, Bytes: 13e9, Cost: .26}, Current: report.Amount{Count: 1811, Bytes: 9e9, Cost: .19},
			Largest: []report.Group{{ETag: "46a1a6147216e5e01e2224588aaf8911", Size: 2e9, Copies: 27, Keys: []string{"raw/sub-000/run-00_bold.nii.gz", "raw/sub-001/run-00_bold.nii.gz"}}, {ETag: "ab", Size: 5e9, Copies: 2, Keys: []string{"a"}}}},
		Uploads: report.Uploads{Seen: true, Count: 41, Sized: 37, Bytes: 62e9, Cost: 1.35, Oldest: now - 200*864e5, Old: report.Amount{Count: 35, Bytes: 57e9, Cost: 1.2},
			Largest: []report.Upload{{Key: "raw/sub-018/upload.nii.gz", UploadID: "u261e09123bb4f239c96a43b97a399c", Initiated: now - 90*864e5, Parts: 395, Bytes: 3313500160}}},
		Savings: []report.Saving{
			{ID: "noncurrent-30d", Title: "Expire noncurrent versions after 30 days", Affects: report.Amount{Count: 3800, Bytes: 558e9, Cost: 2.65}, PerMonth: 2.65, Loses: true, Basis: "Exactly counted."},
			{ID: "deep-archive-180d", Title: "Move latest versions of 128 KiB and more to DEEP_ARCHIVE after 180 days", Affects: report.Amount{Count: 19821, Bytes: 1639e9, Cost: 35.1}, PerMonth: 33.6, Once: 991, Basis: "Exactly counted. Reading costs more there."},
			{ID: "compress", Title: "Compress what compresses", Affects: report.Amount{Count: 400, Bytes: 20e9, Cost: .4}, PerMonth: .31, Once: .02, Basis: "Assumed: 4 : 1."}},
		Compare: &report.Comparison{With: report.Snapshot{ID: "s-20261113T010000Z-319d", TakenAt: now - 7*864e5},
			Changes:     report.Changes{Added: report.Delta{Count: 4000, Bytes: 9e10}, Removed: report.Delta{Count: 800, Bytes: 2e10}, Replaced: report.Delta{Count: 300, Bytes: 1e9}, Grown: 7e10},
			NewVersions: report.Delta{Count: 4300, Bytes: 91e9}, GoneVersions: report.Delta{Count: 120, Bytes: 3e9}, Cost: -1.73,
			Prefixes: []report.PrefixChanges{{Prefix: "raw/sub-003/", Changes: report.Changes{Added: report.Delta{Count: 1600, Bytes: 36e9}, Grown: 28e9}}, {Prefix: "tmp/", Changes: report.Changes{Removed: report.Delta{Count: 5, Bytes: 6e9}, Grown: -6e9}}}},
		Notes: []string{"3 rows of the report made no sense and are not counted."},
	}
	for i := range 20 {
		at, held := now-cooper.Instant(19-i)*864e5*15, int64(8e12*(1+float64(i)/15))
		r.Growth = append(r.Growth, report.Point{ID: fmt.Sprintf("s-%02d", i), TakenAt: at, Versions: int64(57000 + 1200*i), Bytes: held, Latest: int64(54000 + 1100*i), LatestBytes: held - held/9, DeleteMarkers: int64(500 + i)})
	}
	return r
}

// sum makes each node what is below it, the largest children first.
func sum(n *report.Node) {
	if len(n.Children) == 0 && n.Rest == nil {
		return
	}
	for _, c := range n.Children {
		sum(c)
		add(&n.Part, c.Part)
		n.Newest = max(n.Newest, c.Newest)
	}
	if n.Rest != nil {
		add(&n.Part, n.Rest.Part)
	}
	slices.SortStableFunc(n.Children, func(a, b *report.Node) int { return cmp.Compare(allBytes(&b.Part), allBytes(&a.Part)) })
}

func add(to *report.Part, p report.Part) {
	for _, x := range []struct{ to, from *report.Amount }{{&to.Current, &p.Current}, {&to.Noncurrent, &p.Noncurrent}} {
		x.to.Count += x.from.Count
		x.to.Bytes += x.from.Bytes
		x.to.Cost += x.from.Cost
	}
	to.DeleteMarkers += p.DeleteMarkers
}

func allBytes(p *report.Part) int64 { return p.Current.Bytes + p.Noncurrent.Bytes }

// pictured is the report to take pictures of: the sample, unless there is another.
func pictured(t *testing.T) *report.Report {
	t.Helper()
	path := os.Getenv("COOPER_REPORT")
	if path == "" {
		return sample()
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	r := new(report.Report)
	if err := json.Unmarshal(b, r); err != nil {
		t.Fatal(err)
	}
	return r
}
