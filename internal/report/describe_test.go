package report

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"cooper"
	"cooper/internal/inventory"
	"cooper/internal/inventory/invtest"
)

func TestGrowthIsOfOneBucketAndScope(t *testing.T) {
	meta := func(id, bucket string, at cooper.Instant, complete bool, scope inventory.Scope) inventory.Meta {
		return inventory.Meta{ID: id, Bucket: bucket, TakenAt: at, Complete: complete, Scope: scope, Versions: int64(at)}
	}
	whole := inventory.Scope{}
	of := meta("c", "lab", 3, true, whole)
	points := Growth([]inventory.Meta{
		of, meta("b", "lab", 2, true, whole), meta("x", "other", 1, true, whole), meta("y", "lab", 1, true, inventory.Scope{Prefix: "a"}),
		meta("z", "lab", 1, true, inventory.Scope{CurrentOnly: true}), meta("w", "lab", 1, false, whole), meta("d", "lab", 4, true, whole),
	}, of)
	var ids []string
	for _, p := range points {
		ids = append(ids, p.ID)
	}
	if !slices.Equal(ids, []string{"b", "c", "d"}) || points[1].Versions != 3 {
		t.Errorf("%+v", points)
	}
	if points := Growth(nil, of); points == nil || len(points) != 0 {
		t.Errorf("none: %v", points)
	}
}

// What the figures leave out is said.
func TestNotes(t *testing.T) {
	rows := objects(nil, 3, "a", 1, 5, "")
	rows = append(rows, cooper.Version{Identity: cooper.Identity{Key: "zz", Size: 1}})
	opt := Options{Depth: -1, Prices: prices(t)}
	a := count(rows, opt, func() bool { return false })
	meta := inventory.Meta{Rejected: 7, Ambiguous: 9, Scope: inventory.Scope{Prefix: "p/", CurrentOnly: true}}
	r, err := describe(a, &meta, &opt)
	if err != nil {
		t.Fatal(err)
	}
	all := strings.Join(r.Notes, "\n")
	for _, want := range []string{"incomplete", "current versions only", "below p/", "7 rows", "9 keys", "no storage class for 4 versions", "superseded: 1.", "us-east-1 2025-06-01"} {
		if !strings.Contains(all, want) {
			t.Errorf("no note says %q:\n%s", want, all)
		}
	}
}

func TestPrefixWithoutKeys(t *testing.T) {
	s := snapshot(t, objects(nil, 3, "a", 1, 5, "STANDARD"), inventory.Scope{})
	if _, err := Take(t.Context(), s, Options{Prefix: "0000", Prices: prices(t)}); cooper.KindOf(err) != cooper.KindUsage {
		t.Errorf("0000 has no boundary here: %v", err)
	}
	r, err := Take(t.Context(), s, Options{Prefix: "00001", Depth: -1, Prices: prices(t)})
	if err != nil || r.Total.Current.Count != 1 || r.Tree.Children[0].Name != "/a" {
		t.Errorf("%+v, %v", r, err)
	}
}

// An empty bucket has a report, too.
func TestEmptySnapshot(t *testing.T) {
	r, err := Take(t.Context(), snapshot(t, nil, inventory.Scope{}), Options{Depth: -1, Prices: prices(t), Duplicates: true, TempDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	if !r.Total.empty() || len(r.Tree.Children) != 0 || len(r.Ages) != ages || r.Duplicates == nil {
		t.Errorf("%+v", r)
	}
}

func TestDamageAndInterruption(t *testing.T) {
	s := built(t, invtest.Synthetic(300_000, 5, invtest.Options{}))
	ctx, cancel := context.WithCancel(t.Context())
	opt := Options{Prices: prices(t), partRows: 100_000, Progress: func(int64) { cancel() }}
	if _, err := Take(ctx, s, opt); cooper.KindOf(err) != cooper.KindInterrupted {
		t.Errorf("interrupted: %v", err)
	}
	opt.Progress = nil
	name := filepath.Join(s.Dir(), s.Meta().Files[0].Name)
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for i := 4; i < len(b)/2; i += 1000 {
		b[i] ^= 0xff
	}
	if err := os.WriteFile(name, b, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Take(t.Context(), s, opt); cooper.KindOf(err) != cooper.KindCorrupt {
		t.Errorf("a damaged snapshot: %v", err)
	}
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Compare(t.Context(), s, s, opt); cooper.KindOf(err) != cooper.KindMissing {
		t.Errorf("a snapshot without its file: %v", err)
	}
}
