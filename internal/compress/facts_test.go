package compress

import (
	"context"
	"errors"
	"io"
	"path/filepath"
	"reflect"
	"testing"

	"cooper"
	"cooper/internal/bucketop"
	"cooper/internal/codec"
	"cooper/internal/inventory/invtest"
	"cooper/internal/ledger"
	"cooper/internal/plan"
	"cooper/internal/query"
	"cooper/internal/query/duckdb"
)

// ledgerOf has outcomes of one run and plan on s3://lab/, and gives an engine
// over them.
func ledgerOf(t *testing.T, outs ...cooper.Outcome) query.Engine {
	t.Helper()
	dir := t.TempDir()
	facts := ledger.Open(filepath.Join(dir, "ledger"))
	ctx := context.Background()
	for i := range outs {
		outs[i].Action = int64(i)
		outs[i].At = now
	}
	if err := facts.WriteOutcomes(ctx, "r-20261120T000000Z-0001", 0, "p-1", "s3://lab/p/", outs); err != nil {
		t.Fatal(err)
	}
	if err := facts.WriteRun(ctx, ledger.RunFact{ID: "r-20261120T000000Z-0001", Plan: "p-1", Mission: MissionEstimate, Target: "s3://lab/p/", Began: now, Ended: now + 2500, Bytes: 4000}); err != nil {
		t.Fatal(err)
	}
	e, err := duckdb.Open(duckdb.Options{Memory: 256 << 20})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := e.Views(ctx, query.Sources{Workspace: dir}); err != nil {
		t.Fatal(err)
	}
	return e
}

func outcome(v cooper.Version, verb string, c *cooper.Content) cooper.Outcome {
	o := cooper.Outcome{Verb: verb, Identity: v.Identity, Status: cooper.Done, Content: c}
	if c == nil {
		o.Status, o.Kind, o.Message = cooper.Failed, cooper.KindDenied, "no"
	}
	return o
}

func TestWhatTheLedgerKnows(t *testing.T) {
	a, b, c, locked, kept := current("p/a", "1"), current("p/b", "1"), current("p/c.zst", "1"), current("p/d", "1"), current("p/e", "1")
	replaced := cooper.Identity{Key: "p/e.zst", VersionID: "9", ETag: "x", Size: 7}
	e := ledgerOf(
		t,
		outcome(kept, bucketop.Rewrite, &cooper.Content{State: cooper.Rewritten, PlainSize: 1000, StoredSize: 7, Stored: replaced}),
		outcome(a, bucketop.Rewrite, &cooper.Content{State: cooper.Left, Reason: bucketop.ReasonSaving, PlainSize: -1, StoredSize: 1000, Stored: a.Identity}),
		outcome(b, bucketop.Rewrite, nil),
		outcome(c, bucketop.Measure, &cooper.Content{State: cooper.Found, PlainSize: 5000, StoredSize: 1000, Stored: c.Identity}),
		outcome(current("p/f", "1"), bucketop.Rewrite, &cooper.Content{State: cooper.Left, Reason: bucketop.ReasonNoRoom, PlainSize: -1, StoredSize: 1000}),
		outcome(current("p/g", "1"), bucketop.Rewrite, &cooper.Content{State: cooper.Left, Reason: bucketop.ReasonSaving, PlainSize: -1, StoredSize: 1000, Codec: string(codec.AES256CFB8)}),
		outcome(locked, bucketop.Rewrite, &cooper.Content{State: cooper.Left, Reason: bucketop.ReasonLocked, PlainSize: -1, StoredSize: 1000, Stored: locked.Identity}),
	)
	k, err := FromLedger(context.Background(), e, "lab", "p/", codec.Clear, false)
	if err != nil {
		t.Fatal(err)
	}
	var got []Fact
	for {
		f, err := k.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, f)
	}
	want := []Fact{{"p/a", "1", "e1", 1000, ToldLeft}, {"p/c.zst", "1", "e1", 1000, ToldHeld}, {"p/e", "1", "e1", 1000, ToldReplaced}, {"p/e.zst", "9", "x", 7, ToldHeld}}
	if err := k.Close(); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v (%v)", got, want, err)
	}
	if k, err = FromLedger(context.Background(), e, "la", "", codec.Clear, false); err == nil {
		_, err = k.Next()
	}
	if !errors.Is(err, io.EOF) {
		t.Errorf("of another bucket: %v", err)
	}
	if err := k.Close(); err != nil {
		t.Error(err)
	}
}

func TestGathering(t *testing.T) {
	a, b, c, d := current("p/a", "1"), current("p/b", "1"), current("p/c", "1"), current("p/d", "1", sized(3000))
	trial := []cooper.Trial{{Codec: "zstd:3", Stored: 250, Nanos: 7}, {Codec: "zstd:9", Stored: 200, Nanos: 70}}
	e := ledgerOf(
		t,
		outcome(a, bucketop.Measure, &cooper.Content{State: cooper.Sampled, PlainSize: 1000, StoredSize: 1000, Stored: a.Identity, Trials: trial}),
		outcome(b, bucketop.Measure, &cooper.Content{State: cooper.Left, Reason: "compressed already: gzip", PlainSize: -1, StoredSize: 1000, Stored: b.Identity}),
		outcome(c, bucketop.Measure, nil),
		outcome(d, bucketop.Measure, &cooper.Content{State: cooper.Sampled, PlainSize: -1, StoredSize: 3000, Stored: d.Identity, Trials: []cooper.Trial{{Codec: "zstd:3", Stored: 3500, Nanos: 1}}}),
	)
	var actions []*cooper.Action
	for i, v := range []cooper.Version{a, b, c, d} {
		actions = append(actions, &cooper.Action{ID: int64(i), Verb: bucketop.Measure, Version: v})
	}
	facts, failed, pace, err := Gather(context.Background(), e, &plan.Header{ID: "p-1"}, invtest.ListOf(actions...))
	want := []Measured{{a, trial}, {b, nil}, {d, []cooper.Trial{{Codec: "zstd:3", Stored: 3500, Nanos: 1}}}}
	if err != nil || !reflect.DeepEqual(facts, want) || failed != 1 || pace != (Pace{Objects: 3, Bytes: 4000, Seconds: 2.5}) {
		t.Errorf("%+v, %d failed, %+v, %v", facts, failed, pace, err)
	}
	share, err := Expected(context.Background(), e, "lab", "", usual().Rewriting.Codec)
	if err != nil || share != (250.+1000+3000)/5000 {
		t.Errorf("expected %v, %v", share, err)
	}
	for bucket, to := range map[string]string{"lab": "zstd:5", "other": "zstd:3"} {
		p := usual()
		if err := p.Rewriting.Codec.UnmarshalText([]byte(to)); err != nil {
			t.Fatal(err)
		}
		if share, err := Expected(context.Background(), e, bucket, "", p.Rewriting.Codec); err != nil || share != 0 {
			t.Errorf("%s in %s: %v, %v", to, bucket, share, err)
		}
	}
}
