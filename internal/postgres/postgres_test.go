package postgres

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"cooper"
	"cooper/internal/keyring"
	"cooper/internal/postgres/pgtest"
	"cooper/internal/stats"
)

var ctx = context.Background()

// server is started with the first test that needs it.
var server = sync.OnceValues(func() (*pgtest.Server, error) { return pgtest.Start(ctx) })

func TestMain(m *testing.M) {
	code := m.Run()
	if s, err := server(); err == nil {
		if err := s.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// database gives the URL of a real database.
func database(t testing.TB) string {
	t.Helper()
	s, err := server()
	if errors.Is(err, pgtest.ErrMissing) {
		t.Skip(err)
	}
	must(t, err)
	return s.URL()
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// run runs SQL beside the code under test, and gives the rows as text.
func run(t testing.TB, dsn, sql string) []string {
	t.Helper()
	conn, err := pgx.Connect(ctx, dsn)
	must(t, err)
	defer conn.Close(ctx)
	rows, err := conn.Query(ctx, sql)
	must(t, err)
	out, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (string, error) {
		v, err := r.Values()
		return strings.TrimSuffix(fmt.Sprintf(strings.Repeat("%v|", len(v)), v...), "|"), err
	})
	must(t, err)
	return out
}

func open(t testing.TB, dsn, name string) *Table {
	t.Helper()
	table, err := OpenTable(ctx, dsn, name)
	must(t, err)
	table.wait = func(context.Context, int) error { return nil }
	t.Cleanup(func() { must(t, table.Close(ctx)) })
	return table
}

func fact(path string, at int, runID string) stats.Fact {
	return stats.Fact{Path: path, StoredPath: path + ".zst", Study: "s", Participant: "p", Stream: "gps", At: cooper.Instant(at), SHA1: []byte{1, 2}, SHA256: []byte{3},
		Plain: 100, Stored: int64(at), Tier: "STANDARD", Codec: "zstd:3", State: cooper.Rewritten, Run: runID}
}

func write(t testing.TB, table *Table, facts ...stats.Fact) int64 {
	t.Helper()
	n, err := table.Write(ctx, facts)
	must(t, err)
	return n
}

const all = "SELECT path, extract(epoch FROM created_on)::int, extract(epoch FROM last_updated)::int, study, participant, encode(sha1,'hex'), size_uncompressed, size_compressed, tier, stored_path, stream, codec, state, run FROM %s ORDER BY path"

func TestTheYoungestCounts(t *testing.T) {
	dsn := database(t)
	older, newer := fact("é'\"\\\n;", 1000, "r-1"), fact("é'\"\\\n;", 2000, "r-2")
	newer.Tier, newer.Plain, newer.SHA1, newer.Study = "", -1, nil, ""
	same := newer
	same.Run, same.Codec = "r-3", "zstd:19"
	other := fact("b", 1500, "r-1")
	var want []string
	for i, order := range [][]stats.Fact{
		{older, newer, same, other}, {same, newer, older, other}, {newer, other, older, same}, {other, same, older, newer}, {older, older, same, same, newer, other, other},
	} {
		name := fmt.Sprintf("order_%d", i)
		together, alone := open(t, dsn, name+"_a"), open(t, dsn, name+"_b")
		write(t, together, order...)
		for _, f := range order {
			write(t, alone, f)
		}
		a, b := run(t, dsn, fmt.Sprintf(all, name+"_a")), run(t, dsn, fmt.Sprintf(all, name+"_b"))
		if i == 0 {
			want = a
			if want[0] != `b|2|2|s|p|0102|100|1500|STANDARD|b.zst|gps|zstd:3|rewritten|r-1` || !strings.HasSuffix(want[1], "|1|2|<nil>|p|<nil>|<nil>|2000|<nil>|"+newer.StoredPath+"|gps|zstd:19|rewritten|r-3") {
				t.Errorf("%q", want)
			}
		}
		if d := cmp.Diff([][]string{want, want}, [][]string{a, b}); d != "" {
			t.Errorf("%d: %s", i, d)
		}
		if n := write(t, together, order...); n != 0 {
			t.Errorf("%d rows changed the second time", n)
		}
	}
}

func TestAnExistingTable(t *testing.T) {
	dsn := database(t)
	run(t, dsn, `CREATE SCHEMA "My lab"`)
	table := open(t, dsn, "My lab.S3; DROP TABLE x")
	if n := write(t, table, fact("a", 1, "r")); n != 1 {
		t.Errorf("%d", n)
	}
	if got := run(t, dsn, `SELECT count(*) FROM "My lab"."S3; DROP TABLE x"`); got[0] != "1" {
		t.Errorf("%v", got)
	}
	run(t, dsn, "CREATE TABLE lacking (path text PRIMARY KEY, sha1 bytea)")
	run(t, dsn, "CREATE TABLE not_unique AS SELECT * FROM \"My lab\".\"S3; DROP TABLE x\"")
	run(t, dsn, "CREATE TABLE with_more AS SELECT 7 AS mine, * FROM \"My lab\".\"S3; DROP TABLE x\"")
	run(t, dsn, "CREATE UNIQUE INDEX ON with_more (path)")
	for _, name := range []string{"lacking", "not_unique"} {
		_, err := OpenTable(ctx, dsn, name)
		var e *cooper.Error
		if !errors.As(err, &e) || e.Kind != cooper.KindUsage || !strings.Contains(e.Remedy, "stored_path") {
			t.Errorf("%s: %v", name, err)
		}
	}
	write(t, open(t, dsn, "with_more"), fact("a", 2, "r"), fact("c", 2, "r"))
	if got := run(t, dsn, "SELECT mine FROM with_more ORDER BY path"); !cmp.Equal(got, []string{"7", "<nil>"}) {
		t.Errorf("%v", got)
	}
	for _, name := range []string{"", ".", "a.", ".b", "a.b.c", "a\x00"} {
		if _, err := OpenTable(ctx, dsn, name); cooper.KindOf(err) != cooper.KindUsage {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestKeysWithNUL(t *testing.T) {
	dsn := database(t)
	table := open(t, dsn, "nul")
	odd := fact("a\x00b", 1, "r")
	if n := write(t, table, odd, fact("c", 1, "r")); n != 1 || table.Skipped() != 1 {
		t.Errorf("%d, %d skipped", n, table.Skipped())
	}
}

// TestAtOnce has several write the same rows in different orders, into a table
// that none of them finds there.
func TestAtOnce(t *testing.T) {
	dsn := database(t)
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			table, err := OpenTable(ctx, dsn, "at_once")
			if err != nil {
				t.Error(err)
				return
			}
			defer table.Close(ctx)
			for b := range 5 {
				var facts []stats.Fact
				for i := range 200 {
					if w%2 == 1 {
						i = 199 - i
					}
					facts = append(facts, fact(fmt.Sprintf("k%03d", i), 1000+10*b+w, fmt.Sprint("r-", w)))
				}
				if _, err := table.Write(ctx, facts); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	want := []string{"200|1043|1043|r-3"}
	if got := run(t, dsn, "SELECT count(*), min(size_compressed), max(size_compressed), min(run) FROM at_once"); !cmp.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// TestTheConnectionBreaks: between two batches, and for good.
func TestTheConnectionBreaks(t *testing.T) {
	dsn := database(t)
	table := open(t, dsn, "breaks")
	const kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'cooper' AND pid <> pg_backend_pid()"
	run(t, dsn, kill)
	if n := write(t, table, fact("a", 1, "r")); n != 1 {
		t.Errorf("%d", n)
	}
	waits := 0
	table.wait = func(context.Context, int) error {
		waits++
		run(t, dsn, kill)
		return nil
	}
	table.dsn = strings.Replace(dsn, "/lab?", "/gone?", 1)
	run(t, dsn, kill)
	if _, err := table.Write(ctx, []stats.Fact{fact("b", 1, "r")}); err == nil || waits != attempts-1 {
		t.Errorf("%d waits, %v", waits, err)
	}
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := table.Write(cancelled, []stats.Fact{fact("b", 1, "r")}); cooper.KindOf(err) != cooper.KindInterrupted {
		t.Errorf("%v", err)
	}
}

func TestErrorsShowNoPassword(t *testing.T) {
	dsn := database(t)
	for name, c := range map[string]struct {
		dsn  string
		kind cooper.Kind
	}{
		"no such database": {strings.Replace(dsn, "/lab?", "/none?", 1), cooper.KindUsage},
		"wrong password":   {strings.Replace(dsn, pgtest.Password, "x"+pgtest.Password, 1), cooper.KindDenied},
		"no such user":     {strings.Replace(dsn, "lab:", "nobody:", 1), cooper.KindDenied},
		"no server":        {"postgres://lab:" + pgtest.Password + "@/lab?host=" + t.TempDir(), cooper.KindStore},
		"no such host":     {"postgres://lab:" + pgtest.Password + "@host.invalid/lab", cooper.KindStore},
		"a slash":          {"postgres://lab:" + pgtest.Password + "/%zz@host/lab", cooper.KindUsage},
		"a port":           {"postgres://lab:" + pgtest.Password + "@host:x/lab", cooper.KindUsage},
		"a parameter":      {"postgres://lab@host/lab?sslmode=" + pgtest.Password, cooper.KindUsage},
		"no URL":           {"lab:" + pgtest.Password, cooper.KindUsage},
	} {
		_, err := OpenTable(ctx, c.dsn, "t")
		var e *cooper.Error
		if !errors.As(err, &e) || e.Kind != c.kind || e.Remedy == "" {
			t.Errorf("%s: %v, %+v", name, err, e)
			continue
		}
		for err := error(e); err != nil; err = errors.Unwrap(err) {
			if strings.Contains(fmt.Sprintf("%+v %#v", err, err), pgtest.Password) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if s := Shown(c.dsn); strings.Contains(s, pgtest.Password) {
			t.Errorf("%s: shown as %s", name, s)
		}
	}
}

const key = "AAAAbbbbCCCCddddEEEEffffGGGGhhhh"

func TestKeys(t *testing.T) {
	dsn := database(t)
	run(t, dsn, "CREATE TABLE study (object_id text, encryption_key text, raw bytea)")
	run(t, dsn, "INSERT INTO study VALUES ('5873fe38644ad7557b168e43', '"+key+"', '"+key+"'), ('6873fe38644ad7557b168e43', '"+strings.ToLower(key)+"', NULL)")
	ring := func(query string) (*keyring.Ring, error) {
		r, _, err := keyring.Load(ctx, keyring.Options{Rows: Keys(ctx, dsn, query), Expect: []string{"=text"}})
		return r, err
	}
	for _, query := range []string{
		"SELECT object_id || '/' AS prefix, encryption_key AS key FROM study",
		"SELECT 'x' AS more, raw AS \"KEY\", (object_id || '/')::varchar(30) AS prefix, NULL::text AS expect FROM study WHERE raw IS NOT NULL;",
		"SELECT object_id || '/' AS prefix, encryption_key AS key, 'json' AS expect FROM study",
	} {
		r, err := ring(query)
		must(t, err)
		s, err := r.For("5873fe38644ad7557b168e43/p/gps/1.csv")
		must(t, err)
		if string(s.Key[:]) != key {
			t.Errorf("%s: another key", query)
		}
	}
	for query, kind := range map[string]cooper.Kind{
		"SELECT object_id, encryption_key AS key FROM study": cooper.KindUsage,
		"SELECT nothing FROM study":                          cooper.KindUsage,
		"SELEC":                                              cooper.KindUsage,
		"SELECT object_id AS prefix, encryption_key::int AS key FROM study":                      cooper.KindStore,
		"SELECT object_id AS prefix, raw AS key FROM study":                                      cooper.KindInvalid,
		"SELECT encryption_key AS prefix, object_id AS key FROM study":                           cooper.KindInvalid,
		"SELECT object_id AS prefix, 7 AS key FROM study":                                        cooper.KindInvalid,
		"SELECT object_id AS prefix, encryption_key AS key, encryption_key AS expect FROM study": cooper.KindInvalid,
		"SELECT object_id AS prefix, encryption_key AS key FROM study WHERE false":               cooper.KindInvalid,
		"DELETE FROM study RETURNING object_id AS prefix, encryption_key AS key":                 cooper.KindStore,
	} {
		_, err := ring(query)
		if cooper.KindOf(err) != kind {
			t.Errorf("%s: %s, %v", query, cooper.KindOf(err), err)
		}
		for ; err != nil; err = errors.Unwrap(err) {
			if strings.Contains(strings.ToLower(fmt.Sprintf("%+v %#v", err, err)), strings.ToLower(key)) {
				t.Errorf("%s: %v", query, err)
			}
		}
	}
	if got := run(t, dsn, "SELECT count(*) FROM study"); got[0] != "2" {
		t.Errorf("a query has changed something: %v", got)
	}
	for range Keys(ctx, dsn, "SELECT object_id AS prefix, encryption_key AS key FROM study") {
		break // and nothing is left open
	}
	if got := run(t, dsn, "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'cooper' AND state <> 'idle'"); got[0] != "0" {
		t.Errorf("connections: %v", got)
	}
}

// TestNothingIsTouchedAgain: a row that would stay as it is is not even locked, which
// would be a write, too.
func TestNothingIsTouchedAgain(t *testing.T) {
	dsn := database(t)
	table := open(t, dsn, "untouched")
	facts := []stats.Fact{fact("a", 3, "r-1"), fact("b", 3, "r-1")}
	write(t, table, facts...)
	if n := write(t, table, append(facts, fact("a", 3, "r-0"), fact("c", 1, "r-1"))...); n != 1 {
		t.Errorf("%d rows changed", n)
	}
	if got := run(t, dsn, "SELECT path FROM untouched WHERE xmax <> 0"); len(got) > 0 {
		t.Errorf("touched: %s", got)
	}
	// Only the time of creation is other news: an older fact of what is known.
	if n := write(t, table, fact("a", 2, "r-1"), fact("b", 4, "r-1")); n != 2 {
		t.Errorf("%d rows changed", n)
	}
}

// BenchmarkWrite writes 100,000 facts in batches of 10,000: new ones, and the same
// again.
func BenchmarkWrite(b *testing.B) {
	dsn := database(b)
	facts := make([]stats.Fact, 100_000)
	for i := range facts {
		facts[i] = fact(fmt.Sprintf("5873fe38644ad7557b168e43/participant/gps/%d.csv", i), 1_700_000_000_000+i, "r-20261120T010000Z-4f1c")
	}
	export := func(table *Table) (changed int64) {
		for batch := range slices.Chunk(facts, 10_000) {
			changed += write(b, table, batch...)
		}
		return changed
	}
	n := 0
	b.Run("new", func(b *testing.B) {
		for b.Loop() {
			n++
			export(open(b, dsn, fmt.Sprint("bench", n)))
		}
		b.ReportMetric(float64(b.N*len(facts))/b.Elapsed().Seconds(), "facts/s")
	})
	b.Run("again", func(b *testing.B) {
		table := open(b, dsn, "bench1")
		before := run(b, dsn, "SELECT (pg_current_wal_lsn() - '0/0')::bigint")[0]
		for b.Loop() {
			if changed := export(table); changed != 0 {
				b.Fatal(changed)
			}
		}
		b.ReportMetric(float64(b.N*len(facts))/b.Elapsed().Seconds(), "facts/s")
		b.Log(b.N, run(b, dsn, "SELECT (pg_current_wal_lsn() - '0/0')::bigint - "+before), "bytes of WAL")
	})
}
