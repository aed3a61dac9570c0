package ledger

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"cooper"
)

const run1, run2 = "r-20261120T010000Z-4f1c", "r-20261121T010000Z-0000"

var ctx = context.Background()

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// outs makes the outcomes of a shard of n actions.
func outs(shard, n int) []cooper.Outcome {
	var os []cooper.Outcome
	for i := range n {
		o := cooper.Outcome{Action: int64(shard*n + i), Verb: "fetch", Identity: cooper.Identity{Key: fmt.Sprintf("k%d/%d", shard, i), VersionID: "null", ETag: "e", Size: 3, LastModified: 1700000000123},
			Status: cooper.Done, At: 1700000001000, Bytes: 3, Requests: 1, Check: cooper.Verified, Method: "md5"}
		if i == 1 {
			o.Status, o.Kind, o.Message, o.Check, o.Method = cooper.Failed, cooper.KindDenied, "no", "", ""
			o.Hash = []byte{0, 255}
		}
		os = append(os, o)
	}
	return os
}

// rows reads what a reader of outcome/*.parquet sees, in order.
func rows(t testing.TB, l *Ledger) []outcomeRow {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(l.Dir(), Outcome, "*.parquet"))
	must(t, err)
	var all []outcomeRow
	for _, n := range names {
		must(t, readShards(ctx, n, func(rs []outcomeRow) error { all = append(all, rs...); return nil }))
	}
	slices.SortFunc(all, func(a, b outcomeRow) int {
		return strings.Compare(fmt.Sprintf("%s %09d", a.Run, a.Action), fmt.Sprintf("%s %09d", b.Run, b.Action))
	})
	return all
}

func files(t testing.TB, l *Ledger) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(l.Dir(), Outcome))
	must(t, err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func write(t testing.TB, l *Ledger, run string, shards ...int) {
	t.Helper()
	for _, s := range shards {
		must(t, l.WriteOutcomes(ctx, run, s, "p-1", "/backup", outs(s, 4)))
	}
}

func TestOutcomesAreThereOnce(t *testing.T) {
	l := Open(filepath.Join(t.TempDir(), "ledger"))
	write(t, l, run1, 0, 1, 0)
	must(t, l.WriteOutcomes(ctx, run1, 2, "p-1", "/backup", nil))
	got := rows(t, l)
	var want []outcomeRow
	for s := range 2 {
		for _, o := range outs(s, 4) {
			want = append(want, outcomeRowOf(&o, run1, s, "p-1", "/backup"))
		}
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{run1 + "-00000.parquet", run1 + "-00001.parquet"}, files(t, l)); d != "" {
		t.Error(d)
	}
}

func TestTextThatIsNotUTF8(t *testing.T) {
	l := Open(t.TempDir())
	o := outs(0, 1)
	o[0].Message = "open /a\xff: no"
	must(t, l.WriteOutcomes(ctx, run1, 0, "p-1", "/b\xff", o))
	if r := rows(t, l)[0]; r.Message != `"open /a\xff: no"` || r.Target != `"/b\xff"` {
		t.Errorf("got %q, %q", r.Message, r.Target)
	}
}

func TestRuns(t *testing.T) {
	l := Open(filepath.Join(t.TempDir(), "ledger"))
	if rs, err := l.Runs(ctx); len(rs) != 0 || err != nil {
		t.Errorf("none yet: %v, %v", rs, err)
	}
	counts := map[string]int64{}
	for _, o := range outs(0, 4) {
		counts[CountKey(&o)]++
	}
	a := RunFact{ID: run1, Plan: "p-1", Mission: "backup", Target: "/b", Began: 1000, Ended: 2500, Status: Interrupted, Counts: counts, Bytes: 9, Requests: 4, Message: "asked to stop"}
	b := RunFact{ID: run2, Status: Finished}
	must(t, l.WriteRun(ctx, b))
	must(t, l.WriteRun(ctx, a))
	again := a
	again.Bytes = 77
	must(t, l.WriteRun(ctx, again)) // a fact is not changed
	got, err := l.Runs(ctx)
	must(t, err)
	if d := cmp.Diff([]RunFact{a, b}, got); d != "" {
		t.Error(d)
	}
	if counts["done"] != 3 || counts["failed/denied"] != 1 {
		t.Errorf("counts: %v", counts)
	}
}

func TestCompact(t *testing.T) {
	l := Open(filepath.Join(t.TempDir(), "ledger"))
	must(t, l.Compact(ctx)) // nothing there
	write(t, l, run1, 0, 1, 2, 7, 123456)
	write(t, l, run2, 3)
	want := rows(t, l)
	must(t, l.Compact(ctx))
	if d := cmp.Diff([]string{run1 + ".parquet", run2 + "-00003.parquet"}, files(t, l)); d != "" {
		t.Error(d)
	}
	write(t, l, run1, 2, 123456) // repeated by a recovery
	if d := cmp.Diff(want, rows(t, l)); d != "" {
		t.Error(d)
	}
	write(t, l, run1, 3) // written late
	want = rows(t, l)
	must(t, l.Compact(ctx))
	if d := cmp.Diff(want, rows(t, l)); d != "" {
		t.Error(d)
	}
	if n := len(files(t, l)); n != 2 {
		t.Errorf("%d files", n)
	}
	if in, err := shardsIn(filepath.Join(l.Dir(), Outcome, run1+".parquet")); err != nil || !slices.Equal(in, []int{0, 1, 2, 3, 7, 123456}) {
		t.Errorf("shards %v, %v", in, err)
	}
}

// TestCompactCrash stops after each step, and looks at what a reader would see,
// and at what Recover, Compact and a repeated WriteOutcomes make of it.
func TestCompactCrash(t *testing.T) {
	const shards = 4
	for removed := -1; removed <= shards; removed++ {
		t.Run(fmt.Sprint(removed), func(t *testing.T) {
			l := Open(filepath.Join(t.TempDir(), "ledger"))
			write(t, l, run1, 0, 1, 2, 3)
			want := rows(t, l)
			names := files(t, l)
			if removed < 0 { // within step 1
				must(t, os.WriteFile(filepath.Join(l.Dir(), Outcome, run1+".parquet.folding.tmp-1"), []byte("PAR1half"), 0o600))
			} else {
				must(t, l.build(ctx, folded[1], run1, names))
				for _, n := range names[:removed] {
					must(t, os.Remove(filepath.Join(l.Dir(), Outcome, n)))
				}
			}
			if got := rows(t, l); len(got) > len(want) {
				t.Errorf("a reader saw %d rows of %d", len(got), len(want))
			}
			write(t, l, run1, 0, 3)
			if got := rows(t, l); len(got) > len(want) {
				t.Errorf("after repeating, a reader saw %d rows of %d", len(got), len(want))
			}
			must(t, l.Recover(ctx))
			if d := cmp.Diff(want, rows(t, l)); d != "" {
				t.Errorf("after Recover: %s", d)
			}
			must(t, l.Compact(ctx))
			if d := cmp.Diff(want, rows(t, l)); d != "" {
				t.Errorf("after Compact: %s", d)
			}
		})
	}
}

func TestCompactOfWhatWasPutBack(t *testing.T) {
	l := Open(filepath.Join(t.TempDir(), "ledger"))
	write(t, l, run1, 0, 1)
	want := rows(t, l)
	name := filepath.Join(l.Dir(), Outcome, shardName(run1, 1))
	b, err := os.ReadFile(name)
	must(t, err)
	must(t, l.Compact(ctx))
	must(t, os.WriteFile(name, b, 0o600)) // from someone's backup
	all, err := l.Files(Outcome)
	must(t, err)
	if err := Verify(ctx, all); cooper.KindOf(err) != cooper.KindInvalid || !strings.Contains(err.Error(), name) {
		t.Errorf("facts that are there twice: %v", err)
	}
	must(t, l.Compact(ctx))
	if d := cmp.Diff(want, rows(t, l)); d != "" {
		t.Error(d)
	}
}

func TestCompactCancelled(t *testing.T) {
	l := Open(filepath.Join(t.TempDir(), "ledger"))
	write(t, l, run1, 0, 1)
	before := files(t, l)
	c, cancel := context.WithCancel(ctx)
	cancel()
	if err := l.Compact(c); cooper.KindOf(err) != cooper.KindInterrupted {
		t.Errorf("got %v", err)
	}
	if d := cmp.Diff(before, files(t, l)); d != "" {
		t.Error(d)
	}
}

func TestOneCompactsAtATime(t *testing.T) {
	l := Open(filepath.Join(t.TempDir(), "ledger"))
	write(t, l, run1, 0, 1)
	must(t, l.alone(func() error {
		must(t, l.Compact(ctx))
		if n := len(files(t, l)); n != 2 {
			t.Errorf("%d files: a second one compacted, too", n)
		}
		return nil
	}))
}

func TestDamagedFiles(t *testing.T) {
	l := Open(filepath.Join(t.TempDir(), "ledger"))
	write(t, l, run1, 0, 1)
	name := filepath.Join(l.Dir(), Outcome, shardName(run1, 0))
	good, err := os.ReadFile(name)
	must(t, err)
	want := rows(t, l)
	must(t, Verify(ctx, []string{name}))
	rnd := rand.New(rand.NewPCG(3, 4))
	for i := range 1000 {
		bad := slices.Clone(good)
		at := rnd.IntN(len(bad))
		bad[at] ^= byte(1 + rnd.IntN(255))
		if i%10 == 0 {
			bad = append(bad[:at], bad[at+1:]...)
		}
		must(t, os.WriteFile(name, bad, 0o600))
		var got []outcomeRow
		err := readShards(ctx, name, func(rs []outcomeRow) error { got = append(got, rs...); return nil })
		if err == nil && !slices.EqualFunc(got, want[:len(got)], func(a, b outcomeRow) bool { return cmp.Equal(a, b) }) || err != nil && cooper.KindOf(err) != cooper.KindInvalid {
			t.Fatalf("byte %d: %v, %v", at, got, err)
		}
		if err := Verify(ctx, []string{name}); cooper.KindOf(err) != cooper.KindInvalid || !strings.Contains(err.Error(), name) {
			t.Fatalf("byte %d: Verify gave %v", at, err)
		}
	}
	must(t, os.WriteFile(name, good[:len(good)/2], 0o600))
	if err := l.Compact(ctx); cooper.KindOf(err) != cooper.KindInvalid {
		t.Errorf("Compact: %v", err)
	}
	if _, err := os.Stat(filepath.Join(l.Dir(), Outcome, shardName(run1, 1))); err != nil {
		t.Error("a good file is gone")
	}
}

// TestFilesUnderOtherNames: a whole file in the place of another is no fact of that.
func TestFilesUnderOtherNames(t *testing.T) {
	l := Open(filepath.Join(t.TempDir(), "ledger"))
	write(t, l, run1, 0, 1)
	write(t, l, run2, 0)
	for _, id := range []string{run1, run2} {
		must(t, l.WriteRun(ctx, RunFact{ID: id}))
	}
	for _, c := range [][2]string{
		{Outcome + "/" + shardName(run1, 0), Outcome + "/" + shardName(run1, 1)},
		{Outcome + "/" + shardName(run1, 0), Outcome + "/" + shardName(run2, 0)},
		{Outcome + "/" + shardName(run1, 0), Outcome + "/" + run1 + "-000000" + suffix},
		{Run + "/" + run1 + suffix, Run + "/" + run2 + suffix},
		{Run + "/" + run1 + suffix, Outcome + "/" + run1 + suffix},
		{Outcome + "/" + shardName(run1, 0), Run + "/" + shardName(run1, 0)},
	} {
		b, err := os.ReadFile(filepath.Join(l.Dir(), c[0]))
		must(t, err)
		name := filepath.Join(t.TempDir(), c[1])
		must(t, os.MkdirAll(filepath.Dir(name), 0o700))
		must(t, os.WriteFile(name, b, 0o600))
		if err := Verify(ctx, []string{name}); cooper.KindOf(err) != cooper.KindInvalid || !strings.Contains(err.Error(), name) {
			t.Errorf("%s as %s: %v", c[0], c[1], err)
		}
		must(t, Verify(ctx, []string{filepath.Join(l.Dir(), c[0])}))
	}
}

func TestRunIDsThatAreNoNames(t *testing.T) {
	l := Open(t.TempDir())
	for _, id := range []string{"", "../x", "a/b", "*"} {
		if l.WriteOutcomes(ctx, id, 0, "p", "t", outs(0, 1)) == nil || l.WriteRun(ctx, RunFact{ID: id}) == nil {
			t.Errorf("%q was taken", id)
		}
	}
}

func TestRanges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ns := rapid.SliceOfNDistinct(rapid.IntRange(0, 30), 1, 20, rapid.ID).Draw(t, "ns")
		slices.Sort(ns)
		got, err := parseRanges(ranges(ns))
		if err != nil || !slices.Equal(got, ns) {
			t.Errorf("%v became %q, then %v, %v", ns, ranges(ns), got, err)
		}
	})
	for _, bad := range []string{"", "a", "3-1", "-1", "1-", "0-99999999999"} {
		if ns, err := parseRanges(bad); err == nil {
			t.Errorf("%q became %v", bad, ns)
		}
	}
}

func TestRunOf(t *testing.T) {
	for name, want := range map[string]string{run1 + "-00000.parquet": run1, run1 + "-123456.parquet": run1, run1 + ".parquet": run1, "r-20261120T010000Z-1234.parquet": "r-20261120T010000Z-1234"} {
		if got := runOf(name); got != want {
			t.Errorf("%s: %s", name, got)
		}
	}
}
