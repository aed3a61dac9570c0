package querytest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"cooper"
	"cooper/internal/inventory"
	"cooper/internal/ledger"
	"cooper/internal/parquetrows"
	"cooper/internal/plan"
	"cooper/internal/query"
)

var day = time.Date(2026, 11, 20, 1, 0, 0, 0, time.UTC)

// sources are versions with every form of version id and ETag.
var sources = []cooper.Version{
	{Identity: cooper.Identity{Key: "a", VersionID: "3/L4kqtJlcpXroDTDmJ.rmSpXd3dIbrH", ETag: "odd"}},
	{Identity: cooper.Identity{Key: "b", VersionID: "3HL4kqtJlcpXroDTDmJ_rmSpXd3dIbr.", ETag: "d41d8cd98f00b204e9800998ecf8427e", LastModified: cooper.InstantOf(day), Size: 7}, Latest: true, StorageClass: "STANDARD"},
	{Identity: cooper.Identity{Key: "c/é", VersionID: "null", ETag: "d41d8cd98f00b204e9800998ecf8427e-12"}, Latest: true},
	{Identity: cooper.Identity{Key: "d", VersionID: "", ETag: ""}, Latest: true, DeleteMarker: true},
}

type source struct{}

func (source) Meta() inventory.Meta {
	return inventory.Meta{Source: "a test", Bucket: "bkt", TakenAt: cooper.InstantOf(day), Scope: inventory.Scope{Prefix: ""}}
}
func (source) Parts() []inventory.Part { return []inventory.Part{source{}} }
func (source) Name() string            { return "part" }
func (source) Read(_ context.Context, to inventory.Sink) error {
	for i := range sources {
		if err := to.Version(&sources[i]); err != nil {
			return err
		}
	}
	return nil
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// testEmpty: every table is there before it has a file.
func testEmpty(t *testing.T, e query.Engine) {
	ctx := context.Background()
	must(t, e.Views(ctx, query.Sources{Workspace: filepath.Join(t.TempDir(), "none")}))
	for _, table := range []string{"outcome", "content", "run", "snapshot", "version", "plan", "action", "catalog",
		"gc_handle", "gc_derived", "gc_hold", "gc_link", "gc_malformed", "gc_range", "gc_scan", "gc_acknowledged",
		"gc_detection", "gc_candidate", "gc_kept", "gc_relinked", "gc_missing", "gc_unindexed", "gc_unindexed_kept", "gc_near_miss", "gc_transition", "gc_kept_by_hand", "gc_linked_by_hand"} {
		expect(t, e, "SELECT count(*) FROM "+table, []any{int64(0)})
	}
	must(t, e.Views(ctx, query.Sources{})) // again, over what is there
}

// testWorkspace shows files made by the packages they belong to, in a directory
// whose name would be a pattern.
func testWorkspace(t *testing.T, e query.Engine) {
	ctx := context.Background()
	ws := filepath.Join(t.TempDir(), "it's [odd]*?")
	const snapshotID, planID, runID, contentRunID = "s-20261120T010000Z-4f1c", "p-20261120T020000Z-4f1c", "r-20261120T030000Z-4f1c", "r-20261120T040000Z-4f1c"
	meta, err := inventory.Build(ctx, filepath.Join(ws, "snapshot", snapshotID), source{}, inventory.BuildOptions{ID: snapshotID, Clock: func() time.Time { return day }})
	must(t, err)
	// What is still being built is no part of any table.
	must(t, os.CopyFS(filepath.Join(ws, "snapshot", snapshotID+".tmp-1"), os.DirFS(filepath.Join(ws, "snapshot", snapshotID))))

	w, err := plan.Create(filepath.Join(ws, "plan", planID), planID, plan.Limits{})
	must(t, err)
	must(t, w.Phase("fetch"))
	must(t, w.Add(cooper.Action{Verb: "fetch", Version: sources[1], Args: map[string]string{"to": "mirror"}}, true))
	meta.Files = nil
	_, err = w.Finish(plan.Header{Mission: "backup", Created: cooper.InstantOf(day), Source: "s3://bkt", Target: plan.Target{Kind: "tree", Path: "/backup"}, Snapshot: &meta})
	must(t, err)

	l := ledger.Open(filepath.Join(ws, "ledger"))
	for shard := range 2 {
		must(t, l.WriteOutcomes(ctx, runID, shard, planID, "/backup", []cooper.Outcome{{Action: int64(shard), Verb: "fetch", Identity: sources[1].Identity, Status: cooper.Failed, Kind: cooper.KindDenied, Message: "no", At: cooper.InstantOf(day), Hash: []byte{1}}}))
	}
	stored := cooper.Identity{Key: "b.zst", VersionID: "null", ETag: "e", Size: 3, LastModified: cooper.InstantOf(day)}
	must(t, l.WriteOutcomes(ctx, contentRunID, 0, planID, "s3://bkt", []cooper.Outcome{
		{Action: 0, Verb: "rewrite", Identity: sources[1].Identity, Status: cooper.Done, Content: &cooper.Content{State: cooper.Rewritten, PlainSize: 7, StoredSize: 3, SHA256: []byte{2}, SHA1: []byte{3}, Codec: "zstd:3", Format: "text", Stored: stored}},
		{Action: 1, Verb: "measure", Identity: sources[2].Identity, Status: cooper.Done, Content: &cooper.Content{State: cooper.Sampled, PlainSize: -1, Stored: sources[2].Identity, Trials: []cooper.Trial{{Codec: "zstd:3", Stored: 2, Nanos: 5}}}},
	}))
	must(t, l.WriteRun(ctx, ledger.RunFact{ID: runID, Plan: planID, Mission: "backup", Target: "/backup", Began: cooper.InstantOf(day), Status: ledger.Finished, Counts: map[string]int64{"failed/denied": 2}}))

	must(t, e.Views(ctx, query.Sources{Workspace: ws}))
	var want [][]any
	null := func(s string) any {
		if s == "" {
			return nil
		}
		return s
	}
	for _, v := range sources {
		var at any
		if v.LastModified != 0 {
			at = v.LastModified.Time()
		}
		want = append(want, []any{snapshotID, v.Key, null(v.VersionID), null(v.ETag), v.Size, at, v.Latest, v.DeleteMarker})
	}
	expect(t, e, "SELECT snapshot, key, nullif(version_id, ''), nullif(etag, ''), size, last_modified, is_latest, is_delete_marker FROM version ORDER BY key", want...)
	expect(t, e, "SELECT id, bucket, taken_at, versions, delete_markers, complete, prefix FROM snapshot", []any{snapshotID, "bkt", day, int64(3), int64(1), true, ""})
	expect(t, e, "SELECT plan, verb, key, version_id, etag, args->>'to', last_modified FROM action", []any{planID, "fetch", "b", sources[1].VersionID, sources[1].ETag, "mirror", day})
	expect(t, e, "SELECT id, mission, created, source, target, snapshot, partial FROM plan", []any{planID, "backup", day, "s3://bkt", "/backup", snapshotID, false})
	expect(t, e, "SELECT run, shard, status, kind, checked, ended, hash FROM outcome WHERE verb = 'fetch' ORDER BY shard",
		[]any{runID, int64(0), "failed", "denied", nil, day, []byte{1}}, []any{runID, int64(1), "failed", "denied", nil, day, []byte{1}})
	expect(t, e, "SELECT key, state, plain_size, stored_size, sha256, sha1, codec, format, stored_key, stored_last_modified, trials FROM content ORDER BY action",
		[]any{"b", "rewritten", int64(7), int64(3), []byte{2}, []byte{3}, "zstd:3", "text", "b.zst", day, []any{}},
		[]any{"c/é", "sampled", nil, int64(0), nil, nil, nil, nil, "c/é", nil, []any{map[string]any{"codec": "zstd:3", "stored_size": int64(2), "nanos": int64(5)}}})
	expect(t, e, "SELECT run, status, counts->>'failed/denied', ended FROM run", []any{runID, "finished", "2", nil})

	// What is absent is NULL, whatever is before and behind it.
	const nullsRunID = "r-20261120T050000Z-4f1c"
	for shard, failed := range []map[int]bool{{1: true}, {2: true, 3: true}, {0: true, 5: true, 70: true}} {
		var outs []cooper.Outcome
		for i := range 80 {
			o := cooper.Outcome{Action: int64(i), Verb: "fetch", Identity: cooper.Identity{Key: "k"}, Status: cooper.Done}
			if failed[i] {
				n := cooper.Identity{Key: "k", VersionID: "v", ETag: "e", LastModified: 1}
				o = cooper.Outcome{Action: int64(i), Identity: n, Status: cooper.Failed, Kind: cooper.KindDenied, Message: "no", At: 1, Check: cooper.Corrupt, Method: "md5", Hash: []byte{1},
					Content: &cooper.Content{State: cooper.Found, SHA256: []byte{1}, SHA1: []byte{1}, Codec: "zstd", Format: "text", Reason: "r", Stored: n}}
			} else {
				o.Content = &cooper.Content{State: cooper.Left, PlainSize: -1}
			}
			outs = append(outs, o)
		}
		must(t, l.WriteOutcomes(ctx, nullsRunID, shard, planID, "", outs))
	}
	for range 2 {
		for table, columns := range map[string][]string{
			"outcome": {"version_id", "etag", "last_modified", "kind", "message", "ended", "checked", "method", "hash"},
			"content": {"version_id", "etag", "last_modified", "ended", "reason", "plain_size", "sha256", "sha1", "codec", "format", "stored_version_id", "stored_etag", "stored_last_modified"},
		} {
			for _, c := range columns {
				expect(t, e, "SELECT shard, count("+c+") FROM "+table+" WHERE run = '"+nullsRunID+"' GROUP BY shard ORDER BY shard", []any{int64(0), int64(1)}, []any{int64(1), int64(2)}, []any{int64(2), int64(3)})
			}
		}
		must(t, l.Compact(ctx))
	}

	// One snapshot of several.
	const laterID = "s-20261121T010000Z-4f1c"
	_, err = inventory.Build(ctx, filepath.Join(ws, "snapshot", laterID), source{}, inventory.BuildOptions{ID: laterID, Clock: func() time.Time { return day }})
	must(t, err)
	expect(t, e, "SELECT count(DISTINCT snapshot) FROM version", []any{int64(2)})
	for _, id := range []string{laterID, snapshotID} {
		must(t, e.Views(ctx, query.Sources{Workspace: ws, Snapshot: id}))
		expect(t, e, "SELECT DISTINCT snapshot FROM version", []any{id})
	}
	must(t, e.Views(ctx, query.Sources{Workspace: ws, Snapshot: "s-20261122T010000Z-4f1c"}))
	expect(t, e, "SELECT count(*) FROM version", []any{int64(0)})
	must(t, os.RemoveAll(filepath.Join(ws, "snapshot", laterID)))
	must(t, e.Views(ctx, query.Sources{Workspace: ws}))

	// Compacting changes no answer, and what is written later is seen.
	must(t, l.Compact(ctx))
	must(t, l.WriteOutcomes(ctx, runID, 2, planID, "/backup", []cooper.Outcome{{Action: 9, Status: cooper.Done}}))
	expect(t, e, "SELECT count(*), count(hash) FROM outcome WHERE run = '"+runID+"'", []any{int64(3), int64(2)})
}

// catalogRow are the columns of a catalog's files.
type catalogRow struct {
	Key            string  `parquet:"key"`
	VersionID      []byte  `parquet:"version_id,optional"`
	VersionText    string  `parquet:"version_text,optional"`
	ETag           []byte  `parquet:"etag,optional"`
	ETagText       string  `parquet:"etag_text,optional"`
	Size           int64   `parquet:"size"`
	LastModified   int64   `parquet:"last_modified,optional,timestamp(millisecond)"`
	IsDeleteMarker bool    `parquet:"is_delete_marker"`
	Place          string  `parquet:"place"`
	Reason         string  `parquet:"reason,optional"`
	Superseded     int64   `parquet:"superseded,optional,timestamp(millisecond)"`
	Shown          []int64 `parquet:"shown,list" parquet-element:",timestamp(millisecond)"`
	FirstSeen      int64   `parquet:"first_seen,optional,timestamp(millisecond)"`
	AbsentSince    int64   `parquet:"absent_since,optional,timestamp(millisecond)"`
	Gone           int64   `parquet:"gone,optional,timestamp(millisecond)"`
	Check          string  `parquet:"check,optional"`
	Method         string  `parquet:"method,optional"`
	Hash           []byte  `parquet:"hash,optional"`
	Dropped        bool    `parquet:"dropped"`
}

// testCatalogs: of several rows for one version the newest counts, and a
// dropped one takes the version away.
func testCatalogs(t *testing.T, e query.Engine) {
	dir := t.TempDir()
	n := 0
	file := func(rows ...catalogRow) string {
		n++
		name := filepath.Join(dir, fmt.Sprintf("rows-%d.parquet", n))
		f, err := os.Create(name)
		must(t, err)
		w := parquetrows.NewWriter[catalogRow](f, 0)
		must(t, errors.Join(w.Write(rows), w.Close(), f.Close()))
		return name
	}
	row := func(key, id, place string) catalogRow {
		return catalogRow{Key: key, VersionText: id, Place: place, Shown: []int64{1}, Check: "verified"}
	}
	dropped := row("c", "null", "history")
	dropped.Dropped = true
	base := []string{file(row("a", "null", "mirror"), row("b", "1", "mirror")), file(row("b", "2", "history"), row("c", "null", "mirror"), row("d", "", "mirror"))}
	runs := [][]string{base, {file(row("b", "1", "history"), dropped, row("d", "", "history"))}, {file(row("b", "1", "nowhere"), row("e", "null", "mirror"))}}
	must(t, e.Views(context.Background(), query.Sources{Catalogs: []query.Catalog{{Tree: "/one", Runs: runs}, {Tree: "/two's", Runs: [][]string{base}}, {Tree: "/new"}}}))
	expect(t, e, "SELECT key, version_id, place, checked, epoch_ms(shown[1]) FROM catalog WHERE tree = '/one' ORDER BY key, version_id",
		[]any{"a", "null", "mirror", "verified", int64(1)}, []any{"b", "1", "nowhere", "verified", int64(1)}, []any{"b", "2", "history", "verified", int64(1)}, []any{"d", nil, "history", "verified", int64(1)}, []any{"e", "null", "mirror", "verified", int64(1)})
	expect(t, e, "SELECT tree, count(*) FROM catalog GROUP BY ALL ORDER BY ALL", []any{"/one", int64(5)}, []any{"/two's", int64(5)})
}
