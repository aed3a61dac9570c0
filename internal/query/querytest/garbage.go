package querytest

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"cooper"
	"cooper/internal/ledger/gcfacts"
	"cooper/internal/query"
)

const uuid = "8f9e2a25-da75-4c6d-80be-9e1acd55fdfe"

// scanned writes a shard of handles and one of links.
func scanned(t *testing.T, s *gcfacts.Store, scan string) {
	t.Helper()
	ctx := context.Background()
	at := cooper.InstantOf(day)
	w, err := s.Shard(ctx, scan, 0)
	must(t, err)
	for _, h := range []gcfacts.Handle{
		{Kind: "blob", ID: "0", Bucket: "b", Key: "a/x.txt", Size: 0, Modified: at, Created: at, Status: "AVAILABLE", Candidate: true},
		{Kind: "blob", ID: "1", Bucket: "b", Key: "a/X.txt", Size: -1},
		{Kind: "blob", ID: "2", Bucket: "b", Key: "a/x.txt ", Size: 5},
		{Kind: "blob", ID: "9223372036854775807", Bucket: "b", Key: "a/\xff", Size: 5},
		{Kind: "legacy", ID: uuid, Size: 5},
		{Kind: "legacy", ID: "A-1", Size: 5},
	} {
		must(t, w.Handle(h))
	}
	must(t, w.Derived(gcfacts.Derived{Name: "variant", Kind: "blob", ID: "2", Source: "0"}))
	must(t, w.Hold(gcfacts.Hold{Role: gcfacts.Protected, Table: "legal_holds", Kind: "blob", ID: "1"}))
	must(t, w.Range(gcfacts.Range{What: gcfacts.OfKind, Name: "blob", Table: "blobs", Rows: 6, Began: at, Ended: at, Clock: at, Server: "s", Lag: -1}))
	must(t, w.Commit(ctx))
	must(t, w.Discard())

	w, err = s.Shard(ctx, scan, 1)
	must(t, err)
	must(t, w.Link("posts", "7", gcfacts.Target{Kind: "blob", ID: "0"}))
	must(t, w.Link("posts", uuid, gcfacts.Target{Kind: "legacy", ID: uuid}))
	must(t, w.Link("posts", "", gcfacts.Target{Kind: "blob", ID: "3"}))
	must(t, w.Link("urls", "Post/007", gcfacts.Target{Bucket: "b", Key: "a/x.txt"}, gcfacts.Target{Bucket: "b", Key: "a/x.txt."}))
	must(t, w.Link("urls", "8", gcfacts.Target{Bucket: "b", Key: "a/\xff"}))
	must(t, w.Malformed(gcfacts.Malformed{Association: "posts", Table: "posts", Key: "7,2", Why: "not an id: x", Hash: []byte{1, 2}}))
	must(t, w.Range(gcfacts.Range{What: gcfacts.OfAssociation, Name: "posts", Table: "posts", Number: 1, Lower: "7", Rows: 3, Silent: 1, Lag: 1500 * time.Millisecond, Replica: true}))
	must(t, w.Commit(ctx))
	must(t, w.Discard())
}

// testGarbage shows the facts of scans, and never some of them alone.
func testGarbage(t *testing.T, e query.Engine) {
	ctx := context.Background()
	ws := filepath.Join(t.TempDir(), "it's [odd]*?")
	const scan1, scan2 = "p-20261120T020000Z-4f1c", "p-20261121T020000Z-4f1c"
	s := gcfacts.Open(filepath.Join(ws, "ledger"))
	must(t, e.Views(ctx, query.Sources{Workspace: ws}))
	expect(t, e, "SELECT count(*) FROM gc_link", []any{int64(0)})
	scanned(t, s, scan1)
	expect(t, e, "SELECT count(*) FROM gc_link", []any{int64(6)}) // though there were none before

	expect(t, e, "SELECT id, id_number, id_uuid, bucket, key, key_bytes, size, modified, created, status, candidate FROM gc_handle ORDER BY kind, id_number, id",
		[]any{"0", int64(0), nil, "b", "a/x.txt", []byte("a/x.txt"), int64(0), day, day, "AVAILABLE", true},
		[]any{"1", int64(1), nil, "b", "a/X.txt", []byte("a/X.txt"), nil, nil, nil, nil, false},
		[]any{"2", int64(2), nil, "b", "a/x.txt ", []byte("a/x.txt "), int64(5), nil, nil, nil, false},
		[]any{"9223372036854775807", int64(9223372036854775807), nil, "b", nil, []byte("a/\xff"), int64(5), nil, nil, nil, false},
		[]any{uuid, nil, uuid, nil, nil, nil, int64(5), nil, nil, nil, false},
		[]any{"A-1", nil, nil, nil, nil, nil, int64(5), nil, nil, nil, false})
	expect(t, e, "SELECT association, object, kind, id, id_number, id_uuid, bucket, key, key_bytes, reading, preference FROM gc_link ORDER BY association, object, key",
		[]any{"posts", "", "blob", "3", int64(3), nil, nil, nil, nil, nil, int64(0)},
		[]any{"posts", "7", "blob", "0", int64(0), nil, nil, nil, nil, nil, int64(0)},
		[]any{"posts", uuid, "legacy", uuid, nil, uuid, nil, nil, nil, nil, int64(0)},
		[]any{"urls", "8", "", nil, nil, nil, "b", nil, []byte("a/\xff"), nil, int64(0)},
		[]any{"urls", "Post/007", "", nil, nil, nil, "b", "a/x.txt", []byte("a/x.txt"), int64(0), int64(0)},
		[]any{"urls", "Post/007", "", nil, nil, nil, "b", "a/x.txt.", []byte("a/x.txt."), int64(0), int64(1)})
	expect(t, e, "SELECT scan, shard, name, kind, id, id_number, source, source_uuid FROM gc_derived", []any{scan1, int64(0), "variant", "blob", "2", int64(2), "0", nil})
	expect(t, e, "SELECT scan, role, table_name, kind, id, id_number FROM gc_hold", []any{scan1, "protect", "legal_holds", "blob", "1", int64(1)})
	expect(t, e, "SELECT scan, association, table_name, key, why, hash FROM gc_malformed", []any{scan1, "posts", "posts", "7,2", "not an id: x", []byte{1, 2}})
	expect(t, e, "SELECT what, name, association, table_name, number, lower_bound, upper_bound, rows, handles, links, malformed, silent, began, clock, server, replica, lag_ms FROM gc_range ORDER BY what DESC",
		[]any{"kind", "blob", nil, "blobs", int64(0), nil, nil, int64(6), int64(6), int64(0), int64(0), int64(0), day, day, "s", false, nil},
		[]any{"association", "posts", "posts", "posts", int64(1), "7", nil, int64(3), int64(0), int64(5), int64(1), int64(1), nil, nil, nil, true, int64(1500)})

	// What the links of this scan lead to: by id, and by the bytes of a key.
	expect(t, e, `SELECT h.id, l.association FROM gc_handle h JOIN gc_link l ON l.scan = h.scan AND (l.id_number = h.id_number OR l.id_uuid = h.id_uuid) AND l.kind = h.kind
		UNION ALL SELECT h.id, l.association FROM gc_handle h JOIN gc_link l ON l.scan = h.scan AND l.bucket = h.bucket AND l.key_bytes = h.key_bytes ORDER BY ALL`,
		[]any{"0", "posts"}, []any{"0", "urls"}, []any{uuid, "posts"}, []any{"9223372036854775807", "urls"})

	must(t, s.Finish(ctx, gcfacts.Scan{ID: scan1, Shards: 2, Began: cooper.InstantOf(day), Skew: -time.Second, Engine: "mysql", Server: "s", Configuration: "c", Schema: "d", Complete: true,
		Suspects: []gcfacts.Suspect{{Association: "posts", What: "links", Before: 9, Now: 3}}, Found: map[string]int64{"posts": 2}}))
	expect(t, e, "SELECT scan, began, ended, skew_ms, engine, server, configuration_digest, schema_digest, newest_handle, complete, why, handles, links, malformed, associations[1], suspects, shards[1].handles FROM gc_scan",
		[]any{scan1, day, nil, int64(-1000), "mysql", "s", "c", "d", nil, true, nil, int64(6), int64(5), int64(1),
			map[string]any{"association": "posts", "ranges": int64(1), "rows": int64(3), "links": int64(5), "found": int64(2), "malformed": int64(1), "silent": int64(1)},
			[]any{map[string]any{"association": "posts", "what": "links", "before_count": int64(9), "now_count": int64(3)}}, int64(6)})
	must(t, s.Acknowledge(ctx, "r-1", []gcfacts.Acknowledgement{{What: gcfacts.Value, Scan: scan1, Association: "posts", Key: "7,2", Hash: []byte{1, 2}, Person: "ann", Made: cooper.InstantOf(day)}}))
	expect(t, e, "SELECT m.key, a.person, a.made, a.until FROM gc_malformed m JOIN gc_acknowledged a USING (association, key, hash)", []any{"7,2", "ann", day, nil})

	scanned(t, s, scan2)
	must(t, s.Finish(ctx, gcfacts.Scan{ID: scan2, Shards: 2, Complete: true}))
	expect(t, e, "SELECT scan, count(*) FROM gc_link GROUP BY scan ORDER BY scan", []any{scan1, int64(6)}, []any{scan2, int64(6)})
	testGarbageGone(t, e, ws, scan2, scan1)
	testGarbageLeads(t, e, s, "p-20261122T020000Z-4f1c")

	// While a scan is being dropped nothing is answered.
	lock, err := os.OpenFile(filepath.Join(ws, "ledger", "gc.lock"), os.O_RDWR, 0)
	must(t, err)
	must(t, unix.Flock(int(lock.Fd()), unix.LOCK_EX))
	impatient, cancel := context.WithTimeout(ctx, 200*time.Millisecond) // on a slow machine it ends before the lock is tried, which is as well
	if r, err := e.Query(impatient, "SELECT count(*) FROM gc_link"); err == nil {
		t.Error("it read while a scan was being dropped")
		must(t, r.Close())
	}
	cancel()
	expect(t, e, "SELECT count(*) FROM run", []any{int64(0)}) // what is no scan's does not wait
	must(t, lock.Close())

	// A scan that is dropped is gone as a whole.
	must(t, s.Drop(ctx, scan1))
	expect(t, e, "SELECT (SELECT list(scan) FROM gc_scan), (SELECT count(*) FROM gc_link), (SELECT count(*) FROM gc_handle)", []any{[]any{scan2}, int64(6), int64(6)})
	must(t, s.Drop(ctx, scan2))
	must(t, e.Views(ctx, query.Sources{Workspace: ws}))
	expect(t, e, "SELECT (SELECT count(*) FROM gc_scan), (SELECT count(*) FROM gc_link)", []any{int64(0), int64(0)})
}

// leads says what the links of a scan lead to, each once, and which lead nowhere: as docs/formats/gc.md
// has it.
const leads = `WITH l AS MATERIALIZED (SELECT *, row_number() OVER () AS n FROM gc_link WHERE scan = $1),
	hit AS MATERIALIZED (
		SELECT l.n, h.kind, h.id FROM l JOIN gc_handle h ON h.kind = l.kind AND h.id = l.id WHERE h.scan = $1
		UNION ALL
		SELECT l.n, h.kind, h.id FROM l JOIN gc_handle h ON h.bucket = l.bucket AND h.key_bytes = l.key_bytes AND l.kind IN ('', h.kind) WHERE h.scan = $1),
	read AS (SELECT DISTINCT l.shard, l.reading FROM l JOIN hit USING (n) WHERE l.reading IS NOT NULL)
SELECT DISTINCT l.association, l.object, hit.kind || ':' || hit.id AS handle, false AS dangling FROM l JOIN hit USING (n)
UNION
SELECT DISTINCT l.association, l.object, CASE WHEN l.id IS NULL THEN 'key:' || l.bucket || '/' || l.key ELSE l.kind || ':' || l.id END, true
FROM l ANTI JOIN hit USING (n) ANTI JOIN read ON read.shard = l.shard AND read.reading = l.reading WHERE l.preference = 0
ORDER BY ALL`

// testGarbageLeads: a value that can be read in several ways leads to what is there, in whichever.
func testGarbageLeads(t *testing.T, e query.Engine, s *gcfacts.Store, scan string) {
	ctx := context.Background()
	w, err := s.Shard(ctx, scan, 0)
	must(t, err)
	for i, key := range []string{"a", "b", "b.", "c."} {
		must(t, w.Handle(gcfacts.Handle{Kind: "blob", ID: []string{"1", "2", "3", "4"}[i], Bucket: "x", Key: key}))
	}
	must(t, w.Handle(gcfacts.Handle{Kind: "legacy", ID: "1", Bucket: "x", Key: "a"}))
	ways := func(object, kind, key string) {
		must(t, w.Link("urls", object, gcfacts.Target{Kind: kind, Bucket: "x", Key: key}, gcfacts.Target{Kind: kind, Bucket: "x", Key: key + "."}))
	}
	ways("first", "blob", "a")
	ways("both", "blob", "b")
	ways("second", "blob", "c")
	ways("none", "blob", "d")
	ways("none", "blob", "d") // twice in one text
	ways("any", "", "a")
	must(t, w.Link("ids", "o", gcfacts.Target{Kind: "blob", ID: "4"}))
	must(t, w.Link("ids", "o", gcfacts.Target{Kind: "blob", ID: "04"}))
	must(t, w.Link("ids", "o", gcfacts.Target{Kind: "blob", ID: "5"}))
	must(t, w.Range(gcfacts.Range{What: gcfacts.OfAssociation}))
	must(t, w.Commit(ctx))
	must(t, w.Discard())
	var want [][]any
	for _, l := range []string{"ids o blob:04 dangling", "ids o blob:4", "ids o blob:5 dangling", "urls any blob:1", "urls any legacy:1", "urls both blob:2", "urls both blob:3",
		"urls first blob:1", "urls none key:x/d dangling", "urls second blob:4"} {
		f := strings.Fields(l)
		want = append(want, []any{f[0], f[1], f[2], len(f) == 4})
	}
	got := All(t, e, leads, scan)
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	must(t, s.Drop(ctx, scan))
}

// testGarbageGone: links that are gone or damaged are no answer that there are none.
func testGarbageGone(t *testing.T, e query.Engine, ws, scan, other string) {
	ctx := context.Background()
	links := filepath.Join(ws, "ledger", "gc", scan, "shard-00001", "gc_link.parquet")
	good, err := os.ReadFile(links)
	must(t, err)
	refused := func(sql string) {
		t.Helper()
		r, err := e.Query(ctx, sql)
		if err == nil {
			t.Errorf("%s: there is an answer", sql)
			must(t, r.Close())
		} else if cooper.KindOf(err) != cooper.KindInvalid || !strings.Contains(err.Error(), links) {
			t.Errorf("%s: %v", sql, err)
		}
	}
	bad := append([]byte{}, good...)
	bad[len(bad)/2] ^= 1
	for what, change := range map[string]func(){
		"damaged": func() { must(t, os.WriteFile(links, bad, 0o600)) },
		"gone":    func() { must(t, os.Remove(links)) },
	} {
		change()
		must(t, e.Views(ctx, query.Sources{Workspace: ws}))
		for _, sql := range []string{
			"SELECT count(*) FROM gc_link", "SELECT count(*) FROM gc_link WHERE scan = '" + scan + "'", "SELECT count(*) FROM gc_link WHERE scan <> '" + other + "'",
			"SELECT h.id FROM gc_handle h ANTI JOIN gc_link l ON l.scan = h.scan AND l.id = h.id WHERE h.scan = '" + scan + "'",
			"SELECT count(*) FROM gc_link l JOIN gc_scan s USING (scan) WHERE s.complete",
		} {
			refused(sql)
		}
		expect(t, e, "SELECT count(*) FROM gc_handle WHERE scan = '"+scan+"'", []any{int64(6)})
		if what == "damaged" { // whoever reads others has an answer
			expect(t, e, "SELECT count(*) FROM gc_link WHERE scan = '"+other+"'", []any{int64(6)})
		}
		must(t, os.WriteFile(links, good, 0o600))
	}
	must(t, e.Views(ctx, query.Sources{Workspace: ws}))
}
