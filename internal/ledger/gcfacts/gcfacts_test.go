package gcfacts

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"
	"go.uber.org/goleak"

	"cooper"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const scan1, scan2 = "p-20261120T010000Z-4f1c", "p-20261121T010000Z-0000"

var ctx = context.Background()

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// begin gives a writer that the test need not discard.
func begin(t testing.TB, s *Store, scan string, shard int) *Writer {
	t.Helper()
	w, err := s.Shard(ctx, scan, shard)
	must(t, err)
	t.Cleanup(func() { must(t, w.Discard()) })
	return w
}

// fill writes some of everything; what differs between attempts is the object.
func fill(w *Writer, object string) error {
	return errors.Join(
		w.Handle(Handle{Kind: "blob", ID: "1", Bucket: "b", Key: "a/é.txt", Size: 0, Modified: 5, Created: 4, Status: "AVAILABLE", Candidate: true}),
		w.Handle(Handle{Kind: "blob", ID: "0", Bucket: "b", Key: "a/\xff", Size: -1}),
		w.Handle(Handle{Kind: "legacy", ID: "00000000-0000-0000-0000-00000000000a"}),
		w.Range(Range{What: OfKind, Name: "blob", Table: "files", Rows: 3, Began: 1, Ended: 2, Clock: 3, Server: "uuid", Replica: true, Lag: 1500 * time.Millisecond}),
		w.Derived(Derived{Name: "preview", Kind: "blob", ID: "0", Source: "1"}),
		w.Hold(Hold{Role: Protected, Table: "legal_holds", Kind: "blob", ID: "1"}),
		w.Link("posts", object, Target{Kind: "blob", ID: "1"}),
		w.Link("posts", object, Target{Kind: "blob", ID: "007"}),
		w.Link("urls", "", Target{Kind: "legacy", Bucket: "b", Key: "a/x."}, Target{Kind: "legacy", Bucket: "b", Key: "a/x"}),
		w.Malformed(Malformed{Association: "posts", Table: "posts", Key: "7,2", Why: "not an id: x", Hash: []byte{1, 2}}),
		w.Malformed(Malformed{Association: "posts", Table: "posts", Key: "8", Why: "object not there"}),
		w.Range(Range{What: OfAssociation, Name: "posts", Table: "posts", Number: 1, Lower: "a", Rows: 9, Silent: 2, Lag: -1}),
	)
}

// write writes shards.
func write(t testing.TB, s *Store, scan string, shards ...int) {
	t.Helper()
	for _, n := range shards {
		w := begin(t, s, scan, n)
		must(t, fill(w, "9"))
		must(t, w.Commit(ctx))
	}
}

// linksSeen reads what a reader of all links sees, as text.
func linksSeen(t testing.TB, s *Store) (seen []string) {
	t.Helper()
	names, gone, err := s.Files(Links)
	must(t, err)
	if len(gone) > 0 {
		t.Fatalf("gone: %v", gone)
	}
	for _, name := range names {
		must(t, readRows(ctx, name, func(rows []linkColumns) error {
			for _, r := range rows {
				seen = append(seen, fmt.Sprintf("%s %d %s %d%s %d%s %s", r.Scan, r.Shard, r.Association, r.ObjectNumber, r.ObjectText, r.IDNumber, r.IDText, r.Key))
			}
			return nil
		}))
	}
	slices.Sort(seen)
	return seen
}

func rowsOf[T any](t testing.TB, name string) (all []T) {
	t.Helper()
	must(t, readRows(ctx, name, func(rows []T) error { all = append(all, rows...); return nil }))
	return all
}

func TestWhatGoesInComesOut(t *testing.T) {
	s := Open(filepath.Join(t.TempDir(), "ledger"))
	write(t, s, scan1, 3)
	file := func(table string) string { return filepath.Join(s.shardDir(scan1, 3), table+suffix) }
	same := func(want, got any) {
		t.Helper()
		if d := cmp.Diff(want, got); d != "" {
			t.Error(d)
		}
	}
	same([]handleColumns{
		{Scan: scan1, Shard: 3, Kind: "blob", IDNumber: 1, Bucket: "b", Key: "a/é.txt", Modified: 5, Created: 4, Status: "AVAILABLE", Candidate: true, KeyBytes: []byte{}},
		{Scan: scan1, Shard: 3, Kind: "blob", Bucket: "b", KeyBytes: []byte("a/\xff")},
		{Scan: scan1, Shard: 3, Kind: "legacy", IDUUID: [16]byte{15: 10}, KeyBytes: []byte{}},
	}, emptyBytes(rowsOf[handleColumns](t, file(Handles))))
	same([]derivedColumns{{Scan: scan1, Shard: 3, Name: "preview", Kind: "blob", SourceNumber: 1}}, rowsOf[derivedColumns](t, file(Deriveds)))
	same([]holdColumns{{Scan: scan1, Shard: 3, Role: "protect", Table: "legal_holds", Kind: "blob", IDNumber: 1}}, rowsOf[holdColumns](t, file(Holds)))
	same([]malformedColumns{
		{Scan: scan1, Shard: 3, Association: "posts", Table: "posts", Key: "7,2", Why: "not an id: x", Hash: []byte{1, 2}},
		{Scan: scan1, Shard: 3, Association: "posts", Table: "posts", Key: "8", Why: "object not there", Hash: []byte{}},
	}, rowsOf[malformedColumns](t, file(Malformeds)))
	same([]rangeColumns{
		{Scan: scan1, Shard: 3, What: OfKind, Name: "blob", Table: "files", Rows: 3, Handles: 3, Began: 1, Ended: 2, Clock: 3, Server: "uuid", Replica: true, Lag: 1500},
		{Scan: scan1, Shard: 3, What: OfAssociation, Name: "posts", Table: "posts", Number: 1, Lower: "a", Rows: 9, Links: 3, Malformed: 2, Silent: 2},
	}, rowsOf[rangeColumns](t, file(Ranges)))
	same([]string{
		scan1 + " 3 posts 9 0007 ", scan1 + " 3 posts 9 1 ", scan1 + " 3 urls 0 0 a/x", scan1 + " 3 urls 0 0 a/x.",
	}, linksSeen(t, s))
}

func emptyBytes(rows []handleColumns) []handleColumns {
	for i := range rows {
		rows[i].KeyBytes = append([]byte{}, rows[i].KeyBytes...)
	}
	return rows
}

// TestManyRows fills pages and row groups, with ids of all forms beside each other, and keys of absurd
// length.
func TestManyRows(t *testing.T) {
	s := Open(filepath.Join(t.TempDir(), "ledger"))
	w := begin(t, s, scan1, 0)
	r := rand.New(rand.NewPCG(5, 6))
	long := strings.Repeat("k", 100_000)
	const n = groupRows + 3*pageRows + 17
	link := func(r *rand.Rand, i int) (object string, to Target) {
		ids := []string{fmt.Sprint(r.Int64()), uuidOf(r), fmt.Sprintf("0%d", r.Uint32())}
		to = Target{Kind: fmt.Sprint("kind", r.IntN(3)), ID: ids[r.IntN(3)]}
		if r.IntN(5) == 0 {
			to = Target{Bucket: "b", Key: fmt.Sprint("a/", r.Uint64())}
		}
		if i%1000 == 7 {
			to.Key = long + fmt.Sprint(i)
		}
		return ids[r.IntN(3)], to
	}
	for i := range n {
		object, to := link(r, i)
		must(t, w.Link("posts", object, to))
	}
	must(t, w.Range(Range{What: OfAssociation, Name: "posts"}))
	must(t, w.Commit(ctx))
	id := func(n int64, u [16]byte, text string) string {
		switch {
		case text != "":
			return text
		case u != [16]byte{}:
			return fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
		}
		return fmt.Sprint(n)
	}
	r, i := rand.New(rand.NewPCG(5, 6)), 0
	name := filepath.Join(s.shardDir(scan1, 0), Links+suffix)
	must(t, readRows(ctx, name, func(rows []linkColumns) error {
		for _, row := range rows {
			object, to := link(r, i)
			got := Target{Kind: row.Kind, ID: id(row.IDNumber, row.IDUUID, row.IDText), Bucket: row.Bucket, Key: row.Key}
			if to.ID == "" {
				got.ID = ""
			}
			if got != to || id(row.ObjectNumber, row.ObjectUUID, row.ObjectText) != object {
				t.Fatalf("row %d: %+v, not %s, %+v", i, row, object, to)
			}
			i++
		}
		return nil
	}))
	if i != n {
		t.Errorf("%d rows of %d", i, n)
	}
	must(t, withFile(name, func(pq *parquet.File) error {
		for _, g := range pq.RowGroups() {
			if g.NumRows() >= groupRows+pageRows {
				t.Errorf("a row group of %d rows", g.NumRows())
			}
		}
		return nil
	}))
}

// TestFormsOfIds: a number and a UUID are stored as such only if they come out as they went in.
func TestFormsOfIds(t *testing.T) {
	for s, want := range map[string]bool{"0": true, "-1": true, "9223372036854775807": true, "-9223372036854775808": true,
		"": false, "-": false, "-0": false, "00": false, "01": false, "+1": false, "9223372036854775808": false, "1_0": false, " 1": false, "1.0": false, "18446744073709551615": false, "0x1": false} {
		n, ok := asNumber(s)
		if ok != want || ok && fmt.Sprint(n) != s {
			t.Errorf("%q: %d, %v", s, n, ok)
		}
	}
	const id = "8f9e2a25-da75-4c6d-80be-9e1acd55fdfe"
	if u, ok := appendUUID(nil, id); !ok || fmt.Sprintf("%x", u) != strings.ReplaceAll(id, "-", "") {
		t.Errorf("%x, %v", u, ok)
	}
	for _, s := range []string{strings.ToUpper(id), strings.ReplaceAll(id, "-", ""), id[:35] + "g", id + " ", "{" + id + "}", id[:8] + "0" + id[9:], id[:35] + "-"} {
		if _, ok := appendUUID(nil, s); ok {
			t.Errorf("%q is taken", s)
		}
	}
}

func TestShardsAreThereOnce(t *testing.T) {
	s := Open(filepath.Join(t.TempDir(), "ledger"))
	write(t, s, scan1, 0)
	want := linksSeen(t, s)
	w := begin(t, s, scan1, 0) // a killed run is gone on with
	must(t, fill(w, "10"))
	must(t, w.Commit(ctx))
	if d := cmp.Diff(want, linksSeen(t, s)); d != "" {
		t.Error(d)
	}
	// Two at once: one wins.
	a := begin(t, s, scan1, 1)
	must(t, fill(a, "11"))
	must(t, a.Commit(ctx))
	b, err := s.Shard(ctx, scan1, 2)
	must(t, err)
	must(t, fill(b, "12"))
	c := begin(t, s, scan1, 2) // takes b's files away
	must(t, fill(c, "13"))
	must(t, c.Commit(ctx))
	if err := b.Commit(ctx); err != nil && cooper.KindOf(err) != cooper.KindInternal {
		t.Error(err)
	}
	_ = b.Discard() // its files are closed
	if got := linksSeen(t, s); len(got) != 12 || strings.Contains(strings.Join(got, "\n"), " posts 12 ") {
		t.Error(strings.Join(got, "\n"))
	}
}

func TestDiscardLeavesNothing(t *testing.T) {
	s := Open(filepath.Join(t.TempDir(), "ledger"))
	w := begin(t, s, scan1, 0)
	must(t, fill(w, "1"))
	must(t, w.Discard())
	must(t, w.Discard())
	left, err := os.ReadDir(s.scanDir(scan1))
	must(t, err)
	if len(left) != 0 {
		t.Errorf("left: %v", left)
	}
	if has, err := s.Has(scan1, 0); has || err != nil {
		t.Error(has, err)
	}
}

func TestFactsBelongToARange(t *testing.T) {
	s := Open(t.TempDir())
	w := begin(t, s, scan1, 0)
	if err := w.Commit(ctx); cooper.KindOf(err) != cooper.KindInternal {
		t.Errorf("no range: %v", err)
	}
	must(t, w.Range(Range{}))
	must(t, w.Link("a", "1", Target{ID: "1"}))
	if err := w.Commit(ctx); cooper.KindOf(err) != cooper.KindInternal {
		t.Errorf("a link behind the last range: %v", err)
	}
	if err := w.Link("a", "1"); err == nil {
		t.Error("a link to nothing")
	}
	for _, id := range []string{"", "../x", "a/b", "*", ".", "p-20261120T010000Z-4f/c", scan1 + " "} {
		if _, err := s.Shard(ctx, id, 0); err == nil {
			t.Errorf("%q was taken", id)
		}
		if s.Finish(ctx, Scan{ID: id}) == nil || s.Drop(ctx, id) == nil || s.Acknowledge(ctx, id, []Acknowledgement{{}}) == nil {
			t.Errorf("%q was taken", id)
		}
	}
}

var complete = Scan{
	ID: scan1, Shards: 2, Began: 1, Ended: 2, Clock: 3, Skew: -time.Second, Engine: "mysql", Server: "uuid", Configuration: "c", Schema: "s", Newest: 5,
	Complete: true, Suspects: []Suspect{{"posts", "links", 100, 10}}, Found: map[string]int64{"posts": 5},
}

func TestFinish(t *testing.T) {
	s := Open(filepath.Join(t.TempDir(), "ledger"))
	write(t, s, scan1, 0)
	if err := s.Finish(ctx, complete); cooper.KindOf(err) != cooper.KindInternal || !strings.Contains(err.Error(), "shard 1") {
		t.Errorf("a shard is missing: %v", err)
	}
	write(t, s, scan1, 1)
	more := complete
	more.Found = map[string]int64{"posts": 7}
	if err := s.Finish(ctx, more); cooper.KindOf(err) != cooper.KindInternal {
		t.Errorf("more links lead somewhere than there are: %v", err)
	}
	write(t, s, scan1, 2)
	if err := s.Finish(ctx, complete); cooper.KindOf(err) != cooper.KindInternal || !strings.Contains(err.Error(), "shard-00002") {
		t.Errorf("a shard too many: %v", err)
	}
	must(t, os.RemoveAll(s.shardDir(scan1, 2)))
	begin(t, s, scan1, 3) // never ends
	must(t, s.Finish(ctx, complete))
	changed := complete
	changed.Server = "another"
	must(t, s.Finish(ctx, changed))
	got, err := s.Scans(ctx)
	must(t, err)
	if d := cmp.Diff([]Scan{complete}, got); d != "" {
		t.Error(d)
	}
	row, err := readScan(ctx, filepath.Join(s.scanDir(scan1), scanName))
	must(t, err)
	shard := shardRow{Handles: 3, Derived: 1, Holds: 1, Links: 4, Malformed: 2, Ranges: 2}
	other := shard
	other.Shard = 1
	if d := cmp.Diff([]shardRow{shard, other}, row.Shards); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]associationRow{{"posts", 2, 18, 6, 5, 4, 4}}, row.Associations); d != "" {
		t.Error(d)
	}
	if row.Handles != 6 || row.Links != 6 || row.Malformed != 4 {
		t.Errorf("%+v", row)
	}
	if left, err := filepath.Glob(filepath.Join(s.scanDir(scan1), newPrefix+"*")); len(left) != 0 || err != nil {
		t.Errorf("left: %v, %v", left, err)
	}
	if _, err := s.Shard(ctx, scan1, 7); cooper.KindOf(err) != cooper.KindRefused {
		t.Errorf("another shard: %v", err)
	}
	if s.Finish(ctx, Scan{ID: scan2, Complete: true}) == nil {
		t.Error("complete without a shard")
	}
	must(t, s.Finish(ctx, Scan{ID: scan2, Shards: 4, Why: "the database went away"})) // nothing was read
}

func TestAcknowledge(t *testing.T) {
	s := Open(filepath.Join(t.TempDir(), "ledger"))
	must(t, s.Acknowledge(ctx, "r-1", []Acknowledgement{
		{What: Value, Scan: scan1, Association: "posts", Key: "7,2", Hash: []byte{1}, Person: "ann", Made: 1, Until: 2},
		{What: Shrunk, Scan: scan1, Association: "posts", Before: 100, Now: 10, Measure: "links", Person: "ann", Made: 1},
	}))
	must(t, s.Acknowledge(ctx, "r-1", []Acknowledgement{{What: Value}}))
	must(t, s.Acknowledge(ctx, "r-2", nil))
	names, _, err := s.Files(Acknowledged)
	must(t, err)
	if len(names) != 1 {
		t.Fatalf("%v", names)
	}
	want := []acknowledgedRow{
		{ID: "r-1", What: "value", Scan: scan1, Association: "posts", Key: "7,2", Hash: []byte{1}, Person: "ann", Made: 1, Until: 2},
		{ID: "r-1", What: "shrunk", Scan: scan1, Association: "posts", Hash: []byte{}, Measure: "links", Before: 100, Now: 10, Person: "ann", Made: 1},
	}
	if d := cmp.Diff(want, rowsOf[acknowledgedRow](t, names[0])); d != "" {
		t.Error(d)
	}
}

var update = flag.Bool("update", false, "write golden files anew")

// TestSchema: whoever changes a column of facts that lie on disks has to think of these.
func TestSchema(t *testing.T) {
	var b strings.Builder
	for _, table := range ShardTables {
		fmt.Fprintf(&b, "%s %s\n", table, schemas[table])
	}
	fmt.Fprintf(&b, "%s %s\n%s %s\n", Scans, schemaOf[scanRow](), Acknowledged, schemaOf[acknowledgedRow]())
	for _, table := range slices.Concat(ListTables, []string{Transitions, Askeds, KeptsByHand, LinksByHand}) {
		fmt.Fprintf(&b, "%s %s\n", table, schemas[table])
	}
	fmt.Fprintf(&b, "%s %s\n", Detections, schemaOf[detectionRow]())
	const name = "testdata/schema.golden"
	if *update {
		must(t, os.WriteFile(name, []byte(b.String()), 0o600))
	}
	want, err := os.ReadFile(name)
	if !errors.Is(err, fs.ErrNotExist) {
		must(t, err)
	}
	if d := cmp.Diff(string(want), b.String()); d != "" {
		t.Error(d)
	}
}

func schemaOf[T any]() *parquet.Schema { var row T; return parquet.SchemaOf(row) }
