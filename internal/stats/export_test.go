package stats

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cooper"
	"cooper/internal/ledger"
	"cooper/internal/plan"
)

// sink remembers what it was given.
type sink struct {
	facts   []Fact
	batches []int
	err     error
}

func (s *sink) Write(_ context.Context, facts []Fact) (int64, error) {
	s.facts = append(s.facts, facts...)
	s.batches = append(s.batches, len(facts))
	return int64(len(facts)), s.err
}

func TestExport(t *testing.T) {
	ws := world(t)
	// The plan of r-9 is there, and knows the classes.
	const id = "p-20261120T020000Z-4f1c"
	w, err := plan.Create(filepath.Join(ws, "plan", id), id, plan.Limits{Actions: 2})
	must(t, err)
	must(t, w.Phase("rewrite"))
	var outs [][]cooper.Outcome
	for i := range 5 {
		o := fact(100+i, cooper.Rewritten, fmt.Sprintf("n/%d", i), fmt.Sprint("plain ", i), 100, int64(i), "zstd:3")
		v := cooper.Version{Identity: o.Identity, StorageClass: fmt.Sprintf("CLASS_%d", i)}
		must(t, w.Add(cooper.Action{Verb: "rewrite", Version: v}, true))
		if i%2 == 0 {
			outs = append(outs, nil)
		}
		o.Action = int64(i)
		outs[i/2] = append(outs[i/2], o)
	}
	_, err = w.Finish(plan.Header{Mission: "compress", Target: plan.Target{Kind: "bucket", Path: "s3://b/"}})
	must(t, err)
	l := ledger.Open(filepath.Join(ws, "ledger"))
	for shard, o := range outs {
		must(t, l.WriteOutcomes(ctx, "r-9", shard, id, "s3://b/", o))
	}
	db := engine(t, ws, 0)
	var got sink
	var seen []int64
	sum, err := Export(ctx, db, "b", 4, &got, func(done, all int64) { seen = append(seen, done, all) })
	must(t, err)
	if d := cmp.Diff(Exported{Facts: 13, Changed: 13}, sum); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]int{4, 4, 4, 1}, got.batches); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]int64{4, 13, 8, 13, 12, 13, 13, 13}, seen); d != "" {
		t.Error(d)
	}
	var lines []string
	for _, f := range got.facts {
		lines = append(lines, fmt.Sprintf("%s|%s|%s|%s|%s|%d|%s|%d|%d|%s|%s|%s|%s", f.Path, f.StoredPath, f.Study, f.Participant, f.Stream, f.At, hex.EncodeToString(f.SHA1)[:min(4, 2*len(f.SHA1))], f.Plain, f.Stored, f.Tier, f.Codec, f.State, f.Run))
	}
	slices.Sort(lines)
	a := study + "/abc12345/gps/1.csv"
	for _, want := range []string{
		a + "|" + a + "|" + study + "|abc12345|gps|10||-1|100|||left|r-1",
		a + "|" + a + ".zst|" + study + "|abc12345|gps|20|" + sha1Of("A content") + "|9|20||zstd:3|rewritten|r-2",
		"older/x.csv|older/x.csv.zst||||20|" + sha1Of("another content") + "|15|50||zstd|found|r-2",
		"n/3|n/3.zst||||103|" + sha1Of("plain 3") + "|7|3|CLASS_3|zstd:3|rewritten|r-9",
	} {
		if !slices.Contains(lines, want) {
			t.Errorf("missing: %s", want)
		}
	}
	if t.Failed() {
		for _, l := range lines {
			t.Log(l)
		}
	}
	broken := sink{err: errors.New("gone")}
	if _, err := Export(ctx, db, "b", 4, &broken, func(int64, int64) {}); !errors.Is(err, broken.err) {
		t.Errorf("%v", err)
	}
	buckets, err := Buckets(ctx, db)
	must(t, err)
	if d := cmp.Diff([]string{"b", "elsewhere"}, buckets); d != "" {
		t.Error(d)
	}
}

func sha1Of(plain string) string {
	o := fact(0, cooper.Found, "", plain, 0, 0, "")
	return hex.EncodeToString(o.Content.SHA1)[:4]
}
