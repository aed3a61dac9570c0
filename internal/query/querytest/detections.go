package querytest

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cooper"
	"cooper/internal/ledger/gcfacts"
	"cooper/internal/query"
)

// testDetections shows what detections have found, what changed and what persons have said; and what is gone
// of it is missed.
func testDetections(t *testing.T, e query.Engine) {
	ctx := context.Background()
	ws := filepath.Join(t.TempDir(), "it's [odd]*?")
	const d1, d2 = "d-20261120T020000Z-4f1c", "d-20261121T020000Z-4f1c"
	s := gcfacts.Open(filepath.Join(ws, "ledger"))
	must(t, e.Views(ctx, query.Sources{Workspace: ws}))
	expect(t, e, "SELECT count(*) FROM gc_candidate", []any{int64(0)})
	at := cooper.InstantOf(day)
	must(t, s.KeepByHand(ctx, []gcfacts.KeptByHand{{Scope: "s/db", Kind: "blob", ID: "1", Keep: true, Person: "ann", Reason: "audit", Made: at}, {Scope: "s/db", ID: uuid}}))
	must(t, s.LinkByHand(ctx, []gcfacts.LinkedByHand{{Scope: "s/db", Association: "posts", Object: "7", Kind: "blob", ID: "1", Linked: true, Person: "ann", Reason: "known", Made: at}}))
	for _, id := range []string{d1, d2} {
		f, err := s.Detection(ctx, id)
		must(t, err)
		must(t, f.Candidate(gcfacts.Candidate{Kind: "blob", ID: "1", Bucket: "b", Key: "k", Size: 5, Modified: at, Alone: 3}))
		must(t, f.Candidate(gcfacts.Candidate{ID: "x", Bucket: "b", Key: "a/\xff", Size: -1, Alone: -1}))
		must(t, f.Kept(gcfacts.Kept{Kind: "blob", ID: "2", Reason: "young"}))
		must(t, f.Relinked(gcfacts.Relinked{Kind: "blob", ID: uuid, Status: "UNLINKED", Scan: "p-1"}))
		must(t, f.Missing(gcfacts.Missing{Kind: "blob", ID: "4", Bucket: "b", Key: "m"}))
		must(t, f.Unindexed(gcfacts.Unindexed{Bucket: "b", Key: "u", Version: "v", Size: 9, Modified: at, How: "no-handle-here"}))
		must(t, f.UnindexedKept(gcfacts.UnindexedKept{Bucket: "b", Key: "y", Reason: "young"}))
		must(t, f.NearMiss(gcfacts.NearMiss{Kind: "blob", ID: "4", Bucket: "b", Key: "m", Other: "c"}))
		must(t, f.Ripe(gcfacts.Ripe{Kind: "blob", ID: "5", Bucket: "b", Key: "r", Verdict: "archive", Size: 7, Status: "ARCHIVING", Since: at, Cleared: true}))
		must(t, f.Ripe(gcfacts.Ripe{Kind: "blob", ID: "6", Bucket: "b", Key: "s", Verdict: "delayed", Size: -1, Delays: true}))
		must(t, f.Commit(ctx, gcfacts.Detection{ID: id, Scope: "s/db", Run: "r-1", Made: at, Scans: []string{"p-2", "p-1"}, Waits: "one more", Configuration: "c", Schema: "d", Words: 2,
			Snapshots: []gcfacts.Inventoried{{Bucket: "b", Snapshot: "s-1", Taken: at}}, Unknown: []gcfacts.Unknown{{List: "gc_missing", Bucket: "c", Why: "none"}},
			Refusals: []gcfacts.Refusal{{What: "jump", Why: "twice"}}, Figures: []gcfacts.Figure{{Name: "handles", Count: 5, Bytes: -1}}}))
		must(t, f.Discard())
	}
	for n := 1; n <= 2; n++ {
		must(t, s.Tell(ctx, gcfacts.Batch{State: "g-1", Number: n, Transitions: []gcfacts.Transition{{ID: "g-1-1", Scope: "s/db", Kind: "blob", Handle: "1", From: "AVAILABLE", To: "UNLINKED", Since: at, Reason: "no link", Run: "r-1"}}}))
	}
	expect(t, e, "SELECT detection, kind, id, id_number, bucket, key, key_bytes, size, modified, alone FROM gc_candidate WHERE detection = '"+d1+"' ORDER BY id",
		[]any{d1, "blob", "1", int64(1), "b", "k", []byte("k"), int64(5), day, int64(3)}, []any{d1, "", "x", nil, "b", nil, []byte("a/\xff"), nil, nil, nil})
	expect(t, e, "SELECT detection, count(*) FROM gc_candidate GROUP BY ALL ORDER BY ALL", []any{d1, int64(2)}, []any{d2, int64(2)})
	expect(t, e, "SELECT k.id, k.reason, r.id, r.id_uuid, r.status, r.scan FROM gc_kept k JOIN gc_relinked r USING (detection) WHERE detection = '"+d2+"'", []any{"2", "young", uuid, uuid, "UNLINKED", "p-1"})
	expect(t, e, "SELECT m.id, m.bucket, m.key_bytes, n.other_bucket FROM gc_missing m JOIN gc_near_miss n USING (detection, kind, id) WHERE detection = '"+d2+"'", []any{"4", "b", []byte("m"), "c"})
	expect(t, e, "SELECT u.key, u.version_id, u.size, u.last_modified, u.how, k.key, k.reason FROM gc_unindexed u JOIN gc_unindexed_kept k USING (detection) WHERE detection = '"+d2+"'", []any{"u", "v", int64(9), day, "no-handle-here", "y", "young"})
	expect(t, e, "SELECT kind, id, bucket, key_bytes, verdict, size, status, since, delays, cleared FROM gc_ripe WHERE detection = '"+d2+"' ORDER BY id",
		[]any{"blob", "5", "b", []byte("r"), "archive", int64(7), "ARCHIVING", day, false, true}, []any{"blob", "6", "b", []byte("s"), "delayed", nil, nil, nil, true, false})
	expect(t, e, "SELECT scope, run, made, clock, scans, waits, configuration_digest, schema_digest, words, snapshots[1].snapshot, snapshots[1].taken_at, unknown[1].why, refusals[1].why, figures[1].number, lists[1].list, lists[1].bytes FROM gc_detection WHERE detection = '"+d1+"'",
		[]any{"s/db", "r-1", day, nil, []any{"p-2", "p-1"}, "one more", "c", "d", int64(2), "s-1", day, "none", "twice", int64(5), "gc_candidate", int64(3)})
	expect(t, e, "SELECT state, batch, transition, scope, kind, id, id_number, from_status, from_since, to_status, since, reason, run FROM gc_transition WHERE batch = 2",
		[]any{"g-1", int64(2), "g-1-1", "s/db", "blob", "1", int64(1), "AVAILABLE", nil, "UNLINKED", day, "no link", "r-1"})
	expect(t, e, "SELECT number, scope, kind, id, id_uuid, keep, person, reason, made FROM gc_kept_by_hand ORDER BY keep",
		[]any{int64(1), "s/db", "", uuid, uuid, false, nil, nil, nil}, []any{int64(1), "s/db", "blob", "1", nil, true, "ann", "audit", day})
	expect(t, e, "SELECT number, scope, association, object, kind, id, linked, person, reason, made FROM gc_linked_by_hand", []any{int64(2), "s/db", "posts", "7", "blob", "1", true, "ann", "known", day})

	for file, sql := range map[string]string{
		"gc_detection/" + d1 + "/gc_candidate.parquet": "SELECT count(*) FROM gc_candidate WHERE detection = '" + d1 + "'",
		"gc_detection/" + d2 + "/gc_detection.parquet": "SELECT count(*) FROM gc_detection",
		"gc_transition/g-1-00000001.parquet":           "SELECT * FROM gc_transition",
		"gc_word/00000001/gc_kept_by_hand.parquet":     "SELECT * FROM gc_kept_by_hand",
		"gc_word/00000002/gc_linked_by_hand.parquet":   "SELECT * FROM gc_linked_by_hand",
	} {
		name := filepath.Join(ws, "ledger", file)
		must(t, os.Rename(name, name+"~"))
		refusedFor(t, e, sql, name)
		must(t, os.Rename(name+"~", name))
		answers(t, e, sql)
	}
}

// refusedFor wants a query not to be answered, because of a file.
func refusedFor(t *testing.T, e query.Engine, sql, name string) {
	t.Helper()
	err := query.Each(context.Background(), e, sql, nil, func([]any) error { return nil })
	if cooper.KindOf(err) != cooper.KindInvalid || !strings.Contains(err.Error(), name) {
		t.Errorf("%s without %s: %v", sql, name, err)
	}
}

func answers(t *testing.T, e query.Engine, sql string) {
	t.Helper()
	must(t, query.Each(context.Background(), e, sql, nil, func([]any) error { return nil }))
}
