package stats

import (
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cooper"
	"cooper/internal/ledger"
	"cooper/internal/query"
	"cooper/internal/query/duckdb"
)

var ctx = context.Background()

const study, study2 = "5873fe38644ad7557b168e43", "6873fe38644ad7557b168e43"

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// engine shows the contents of a ledger.
func engine(t testing.TB, workspace string, memory int64) query.Engine {
	t.Helper()
	e, err := duckdb.Open(duckdb.Options{Memory: memory, Threads: 2, TempDir: t.TempDir()})
	must(t, err)
	t.Cleanup(func() { must(t, e.Close()) })
	must(t, e.Views(ctx, query.Sources{Workspace: workspace}))
	return e
}

// fact is an outcome about key whose content is plain.
func fact(at int, state cooper.ContentState, key, plain string, size, stored int64, codec string) cooper.Outcome {
	o := cooper.Outcome{Verb: "rewrite", Identity: cooper.Identity{Key: key, VersionID: "null", ETag: "e", Size: size, LastModified: 1000}, Status: cooper.Done, At: cooper.Instant(at)}
	c := &cooper.Content{State: state, PlainSize: int64(len(plain)), StoredSize: stored, Codec: codec, Stored: cooper.Identity{Key: key, VersionID: "null", ETag: "f", Size: stored, LastModified: 2000}}
	h, h1 := sha256.Sum256([]byte(plain)), sha1.Sum([]byte(plain))
	c.SHA256, c.SHA1 = h[:], h1[:]
	switch state {
	case cooper.Rewritten:
		c.Stored.Key += ".zst"
	case cooper.Left, cooper.Sampled:
		c.PlainSize, c.SHA256, c.SHA1, c.Reason = -1, nil, nil, "does not shrink"
	}
	o.Content = c
	return o
}

// world is a workspace with every kind of fact.
func world(t testing.TB) string {
	ws := t.TempDir()
	l := ledger.Open(filepath.Join(ws, "ledger"))
	a, b := study+"/abc12345/gps/1.csv", study+"/abc12345/gps/2.csv"
	failed := fact(30, cooper.Rewritten, study2+"/def/accel/3.csv", "same content", 100, 40, "zstd:3")
	failed.Status, failed.Kind = cooper.Failed, cooper.KindConflict
	other := fact(10, cooper.Left, "LOGS/x", "", 7, 7, "")
	other.Content.Reason = "too small"
	must(t, l.WriteOutcomes(ctx, "r-1", 0, "p-1", "s3://b/", []cooper.Outcome{
		fact(10, cooper.Left, a, "", 100, 100, ""), // superseded below
		fact(10, cooper.Rewritten, b, "same content", 100, 30, "zstd:3"),
		fact(10, cooper.Sampled, "LOGS/y", "", 9, 9, ""), // never counted
		other,
	}))
	must(t, l.WriteOutcomes(ctx, "r-2", 0, "p-2", "s3://b/"+study, []cooper.Outcome{
		fact(20, cooper.Rewritten, a, "A content", 100, 20, "zstd:3"),
		failed,
		fact(20, cooper.Found, "older/x.csv.zst", "another content", 50, 50, "zstd"),
		fact(20, cooper.Found, b+".zst", "same content", 30, 30, "zstd"), // again, about the replacement
		fact(20, cooper.Left, "older/y.zst", "", 3, 3, ""),               // by its name only
	}))
	must(t, l.WriteOutcomes(ctx, "r-3", 0, "p-3", "s3://elsewhere", []cooper.Outcome{fact(20, cooper.Rewritten, a, "same content", 100, 20, "zstd:3")}))
	return ws
}

func TestTake(t *testing.T) {
	db := engine(t, world(t), 0)
	got, err := Take(ctx, db, Options{Bucket: "b", By: "stream", Duplicates: true})
	must(t, err)
	same := sha256.Sum256([]byte("same content"))
	want := &Stats{
		AsOf: 30, Buckets: []string{"b"}, By: "stream",
		Total: Part{Contents: 6, Known: 4, Plain: 9 + 12 + 12 + 15, Stored: 20 + 30 + 40 + 50 + 7 + 3, KnownStored: 20 + 30 + 40 + 50, Saved: 80 + 60},
		States: []Row{
			{"found", Part{Contents: 2, Known: 2, Plain: 27, Stored: 80, KnownStored: 80}},
			{"rewritten", Part{Contents: 2, Known: 2, Plain: 21, Stored: 60, KnownStored: 60, Saved: 140}},
			{"left", Part{Contents: 2, Stored: 10}},
		},
		Left:       []Row{{"too small", Part{Contents: 1, Stored: 7}}, {"does not shrink", Part{Contents: 1, Stored: 3}}},
		Unfinished: Part{Contents: 1, Known: 1, Plain: 12, Stored: 40, KnownStored: 40, Saved: 60},
		Rows: []Row{
			{"gps", Part{Contents: 2, Known: 2, Plain: 21, Stored: 50, KnownStored: 50, Saved: 80}},
			{"", Part{Contents: 3, Known: 1, Plain: 15, Stored: 60, KnownStored: 50}},
			{"accel", Part{Contents: 1, Known: 1, Plain: 12, Stored: 40, KnownStored: 40, Saved: 60}},
		},
		Duplicates: &Duplicates{Contents: 1, Copies: 1, Plain: 12, Stored: 30, Largest: []Group{
			{SHA256: fmt.Sprintf("%x", same), Copies: 2, Plain: 12, Keys: []string{study + "/abc12345/gps/2.csv.zst", study2 + "/def/accel/3.csv.zst"}},
		}},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestViewsAndPrefixes(t *testing.T) {
	db := engine(t, world(t), 0)
	for _, c := range []struct {
		opt  Options
		want string
	}{
		{Options{By: "study"}, fmt.Sprint(study, " 3  3 ", study2, " 1 ")},
		{Options{By: "study", Bucket: "b"}, fmt.Sprint(study, " 2  3 ", study2, " 1 ")},
		{Options{By: "participant", Bucket: "b"}, "abc12345 2  3 def 1 "},
		{Options{By: "suffix", Bucket: "b"}, ".csv 4  1 .zst 1 "},
		{Options{By: "codec", Bucket: "b"}, "zstd 2 zstd:3 2  2 "},
		{Options{By: "prefix", Depth: 1, Bucket: "b"}, study + "/ 2 older/ 2 " + study2 + "/ 1 LOGS/ 1 "},
		{Options{By: "prefix", Depth: 9, Bucket: "b", Prefix: study}, study + "/abc12345/gps/ 2 "},
		{Options{By: "prefix", Depth: 0, Bucket: "b"}, " 6 "},
		{Options{By: "codec", Bucket: "b", Prefix: "old"}, ""},
		{Options{By: "codec", Bucket: "b", Prefix: "older"}, "zstd 1  1 "},
		{Options{By: "codec", Bucket: "b", Prefix: "older/"}, "zstd 1  1 "},
		{Options{By: "codec", Bucket: "b", Prefix: "LOGS/x"}, " 1 "},
		{Options{By: "codec", Bucket: "nowhere"}, ""},
	} {
		s, err := Take(ctx, db, c.opt)
		must(t, err)
		got := ""
		for _, r := range s.Rows {
			got += fmt.Sprint(r.Name, " ", r.Contents, " ")
		}
		if got != c.want {
			t.Errorf("%+v: %q, want %q", c.opt, got, c.want)
		}
	}
	if _, err := Take(ctx, db, Options{By: "planet"}); cooper.KindOf(err) != cooper.KindUsage {
		t.Errorf("%v", err)
	}
}

// TestNothingYet: a workspace without a single fact.
func TestNothingYet(t *testing.T) {
	s, err := Take(ctx, engine(t, t.TempDir(), 0), Options{By: "stream", Duplicates: true})
	must(t, err)
	if s.Total.Contents != 0 || s.AsOf != 0 || len(s.Rows) != 0 || s.Duplicates.Copies != 0 {
		t.Errorf("%+v", s)
	}
}

// TestMoreRowsThanAreKept: the figures stay exact.
func TestMoreRowsThanAreKept(t *testing.T) {
	c := counter{stats: &Stats{By: "prefix"}, states: map[string]*Part{}, left: map[string]*Part{}, buckets: map[string]bool{}}
	var all Part
	for i := range mostRows + 500 {
		p := Part{Contents: 1, Plain: int64(i * 7919 % (mostRows + 500))}
		all.Add(&p)
		must(t, c.row([]any{fmt.Sprintf("%06d", i), "b", "found", false, nil, p.Contents, int64(0), p.Plain, int64(0), int64(0), int64(0), nil}))
	}
	c.finish()
	s := c.stats
	if len(s.Rows) != mostRows || s.Others.Rows != 500 || s.Rows[0].Plain != mostRows+499 || s.Rows[mostRows-1].Plain != 500 {
		t.Errorf("%d rows, %+v", len(s.Rows), s.Others)
	}
	sum := s.Others.Part
	for i := range s.Rows {
		sum.Add(&s.Rows[i].Part)
	}
	if sum != all || s.Total != all {
		t.Errorf("%+v, %+v, want %+v", sum, s.Total, all)
	}
}

// BenchmarkTake needs a ledger made before: COOPER_STATS names its workspace.
func BenchmarkTake(b *testing.B) {
	ws := os.Getenv("COOPER_STATS")
	if ws == "" {
		b.Skip("COOPER_STATS names no workspace")
	}
	for _, opt := range []Options{{}, {By: "prefix", Depth: 2}, {By: "stream"}, {Duplicates: true}} {
		b.Run(fmt.Sprintf("%s,%v", opt.By, opt.Duplicates), func(b *testing.B) {
			for b.Loop() {
				if _, err := Take(ctx, engine(b, ws, 1<<30), opt); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
