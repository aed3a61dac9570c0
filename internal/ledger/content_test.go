package ledger

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cooper"
)

// taught makes the outcomes of a shard of which some have taught something.
func taught(shard int) []cooper.Outcome {
	os := outs(shard, 5)
	os[0].Content = &cooper.Content{
		State: cooper.Rewritten, PlainSize: 3, StoredSize: 2, SHA256: bytes.Repeat([]byte{1}, 32), SHA1: bytes.Repeat([]byte{2}, 20), Codec: "zstd:3", Format: "text",
		Stored: cooper.Identity{Key: os[0].Key + ".zst", VersionID: "v2", ETag: "f", Size: 2, LastModified: 1700000000999},
	}
	os[1].Content = &cooper.Content{State: cooper.Left, Reason: "compressed already: gzip", PlainSize: -1, StoredSize: 3, Stored: os[1].Identity}
	os[3].Content = &cooper.Content{State: cooper.Sampled, StoredSize: 3, Stored: os[3].Identity,
		Trials: []cooper.Trial{{Codec: "zstd:3", Stored: 2, Nanos: 100}, {Codec: "zstd:19", Stored: 1, Nanos: 9000}}}
	return os
}

func teach(t testing.TB, l *Ledger, run string, shards ...int) {
	t.Helper()
	for _, s := range shards {
		must(t, l.WriteOutcomes(ctx, run, s, "p-1", "s3://b/p", taught(s)))
	}
}

// contents reads what a reader of content/*.parquet sees, in order.
func contents(t testing.TB, l *Ledger) []contentRow {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(l.Dir(), Content, "*.parquet"))
	must(t, err)
	var all []contentRow
	for _, n := range names {
		must(t, readShards(ctx, n, func(rs []contentRow) error {
			for _, r := range rs {
				r.Trials = slices.Clone(r.Trials)
				if r.PlainSize != nil {
					n := *r.PlainSize
					r.PlainSize = &n
				}
				all = append(all, r)
			}
			return nil
		}))
	}
	slices.SortFunc(all, func(a, b contentRow) int {
		return strings.Compare(fmt.Sprintf("%s %09d", a.Run, a.Action), fmt.Sprintf("%s %09d", b.Run, b.Action))
	})
	return all
}

func wanted(run string, shards ...int) (want []contentRow) {
	for _, s := range shards {
		for _, o := range taught(s) {
			if o.Content != nil {
				want = append(want, contentRowOf(&o, run, s, "p-1", "s3://b/p"))
			}
		}
	}
	return want
}

var emptyIsNil = cmp.Transformer("trials", func(ts []trialRow) []trialRow { return append([]trialRow{}, ts...) })

func sameContents(t testing.TB, l *Ledger, want []contentRow) {
	t.Helper()
	if d := cmp.Diff(want, contents(t, l), emptyIsNil); d != "" {
		t.Error(d)
	}
}

func TestContentsAreThereOnce(t *testing.T) {
	l := Open(filepath.Join(t.TempDir(), "ledger"))
	teach(t, l, run1, 0, 1, 0)
	write(t, l, run1, 2) // has taught nothing
	sameContents(t, l, wanted(run1, 0, 1))
	if n := len(rows(t, l)); n != 14 {
		t.Errorf("%d outcomes", n)
	}
	none, some := wanted(run1, 0)[1], wanted(run1, 0)[2]
	if none.PlainSize != nil || some.PlainSize == nil || *some.PlainSize != 0 {
		t.Error("an unknown size is not told from an empty content")
	}
}

// TestContentsCrash stops between the two files of a shard: whoever recovers it
// gives the outcomes again.
func TestContentsCrash(t *testing.T) {
	l := Open(filepath.Join(t.TempDir(), "ledger"))
	teach(t, l, run1, 0, 1)
	must(t, os.Remove(filepath.Join(l.Dir(), Outcome, shardName(run1, 1))))
	must(t, l.Compact(ctx)) // of contents only: there is but one file of outcomes
	teach(t, l, run1, 1)
	sameContents(t, l, wanted(run1, 0, 1))
	if n := len(rows(t, l)); n != 10 {
		t.Errorf("%d outcomes", n)
	}
}

// TestContentsGoFirst: where outcomes are, contents are not missing.
func TestContentsGoFirst(t *testing.T) {
	l := Open(t.TempDir())
	must(t, os.WriteFile(filepath.Join(l.Dir(), Content), nil, 0o600)) // in the way
	if err := l.WriteOutcomes(ctx, run1, 0, "p-1", "s3://b", taught(0)); err == nil {
		t.Fatal("written into a file")
	}
	if n := len(rows(t, l)); n != 0 {
		t.Errorf("%d outcomes without their contents", n)
	}
}

func TestCompactContents(t *testing.T) {
	l := Open(filepath.Join(t.TempDir(), "ledger"))
	teach(t, l, run1, 0, 1, 2, 7)
	teach(t, l, run2, 3)
	want := append(wanted(run1, 0, 1, 2, 7), wanted(run2, 3)...)
	must(t, l.Compact(ctx))
	sameContents(t, l, want)
	names, err := filepath.Glob(filepath.Join(l.Dir(), Content, "*"))
	must(t, err)
	if len(names) != 2 {
		t.Errorf("files: %v", names)
	}
	teach(t, l, run1, 2) // repeated by a recovery
	sameContents(t, l, want)
}

// TestRecoverContents ends a compacting that stopped when its file was whole.
func TestRecoverContents(t *testing.T) {
	l := Open(filepath.Join(t.TempDir(), "ledger"))
	teach(t, l, run1, 0, 1)
	want := wanted(run1, 0, 1)
	must(t, l.build(ctx, folded[0], run1, []string{shardName(run1, 0), shardName(run1, 1)}))
	must(t, os.Remove(filepath.Join(l.Dir(), Content, shardName(run1, 0))))
	must(t, l.Recover(ctx))
	sameContents(t, l, want)
}

// TestOldLedgers have no contents.
func TestOldLedgers(t *testing.T) {
	l := Open(filepath.Join(t.TempDir(), "ledger"))
	write(t, l, run1, 0, 1)
	must(t, l.Recover(ctx))
	must(t, l.Compact(ctx))
	sameContents(t, l, nil)
	if n := len(rows(t, l)); n != 8 {
		t.Errorf("%d outcomes", n)
	}
}
