package gc

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"cooper"
	"cooper/internal/ledger/gcfacts"
	"cooper/internal/query"
	"cooper/internal/query/duckdb"
)

var now = cooper.InstantOf(time.Date(2026, 11, 30, 0, 0, 0, 0, time.UTC))

const (
	day  = cooper.Instant(24 * time.Hour / time.Millisecond)
	hour = day / 24
)

// ledgerOf is a workspace with facts of scans in it.
type ledgerOf struct {
	t     testing.TB
	dir   string
	facts *gcfacts.Store
}

func newLedger(t testing.TB) *ledgerOf {
	dir := t.TempDir()
	return &ledgerOf{t: t, dir: dir, facts: gcfacts.Open(filepath.Join(dir, "ledger"))}
}

// shard writes the facts of a shard.
func (l *ledgerOf) shard(scan string, n int, r gcfacts.Range, write func(w *gcfacts.Writer) error) {
	l.t.Helper()
	w, err := l.facts.Shard(context.Background(), scan, n)
	if err == nil {
		err = errors.Join(write(w), w.Range(r), w.Commit(context.Background()))
	}
	if err != nil {
		l.t.Fatal(err)
	}
}

// engine answers from what is there so far.
func (l *ledgerOf) engine() query.Engine {
	l.t.Helper()
	e, err := duckdb.Open(duckdb.Options{Memory: 256 << 20, Threads: 2, TempDir: l.t.TempDir()})
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() {
		if err := e.Close(); err != nil {
			l.t.Error(err)
		}
	})
	if err := e.Views(context.Background(), query.Sources{Workspace: l.dir}); err != nil {
		l.t.Fatal(err)
	}
	return e
}

// list gives the lines of a list.
func list(t *testing.T, e query.Engine, name, scan string) (lines []string) {
	t.Helper()
	l, err := ListOf(name)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := l.Ask(context.Background(), e, scan)
	if err != nil {
		t.Fatal(err)
	}
	for {
		row, err := rows.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		parts := make([]string, len(row))
		for i, v := range row {
			parts[i] = v.(string)
		}
		lines = append(lines, strings.Join(parts, "\t"))
	}
	if err := rows.Close(); err != nil {
		t.Fatal(err)
	}
	return lines
}

func same(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n%s\nwanted:\n%s", what, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

const scanID = "p-20261130T000000Z-0001"

// TestLists: links by id, by key and by address lead to handles by the bytes of ids and
// keys; what leads nowhere dangles, once.
func TestLists(t *testing.T) {
	l := newLedger(t)
	l.shard(scanID, 0, gcfacts.Range{What: gcfacts.OfKind, Rows: 6}, func(w *gcfacts.Writer) error {
		return errors.Join(
			w.Handle(gcfacts.Handle{Kind: "blob", ID: "1", Bucket: "app", Key: "a", Size: -1}),
			w.Handle(gcfacts.Handle{Kind: "blob", ID: "2", Bucket: "app", Key: "A", Size: -1}),
			w.Handle(gcfacts.Handle{Kind: "blob", ID: "3", Bucket: "app", Key: "é", Size: -1}),
			w.Handle(gcfacts.Handle{Kind: "blob", ID: "4", Bucket: "app", Key: "a", Size: -1}),
			w.Handle(gcfacts.Handle{Kind: "blob", ID: "5", Bucket: "app", Key: "\xff", Size: -1}),
			w.Handle(gcfacts.Handle{Kind: "legacy", ID: "8f9e2a25-da75-4c6d-80be-9e1acd55fdfe", Bucket: "old", Key: "x).", Size: -1}),
			w.Handle(gcfacts.Handle{Kind: "legacy", ID: "1", Bucket: "old", Key: "b.txt", Size: -1}),
			w.Handle(gcfacts.Handle{Kind: "named", ID: "A-1", Size: -1}),
		)
	})
	app := func(key string) gcfacts.Target { return gcfacts.Target{Bucket: "app", Key: key} }
	old := func(key string) gcfacts.Target { return gcfacts.Target{Kind: "legacy", Bucket: "old", Key: key} }
	l.shard(scanID, 1, gcfacts.Range{What: gcfacts.OfAssociation, Name: "x", Rows: 9}, func(w *gcfacts.Writer) error {
		return errors.Join(
			w.Link("ids", "1", gcfacts.Target{Kind: "blob", ID: "1"}),
			w.Link("ids", "1", gcfacts.Target{Kind: "blob", ID: "1"}), // twice is once
			w.Link("ids", "2", gcfacts.Target{Kind: "legacy", ID: "1"}),
			w.Link("ids", "3", gcfacts.Target{Kind: "blob", ID: "8f9e2a25-da75-4c6d-80be-9e1acd55fdfe"}), // of the other kind
			w.Link("uuids", "4", gcfacts.Target{Kind: "legacy", ID: "8f9e2a25-da75-4c6d-80be-9e1acd55fdfe"}),
			w.Link("names", "5", gcfacts.Target{Kind: "named", ID: "A-1"}),
			w.Link("names", "6", gcfacts.Target{Kind: "blob", ID: "A-1"}),
			w.Link("keys", "a\tb", app("a")),
			w.Link("keys", "none", app("a ")),
			w.Link("keys", "ü𝄞\"\\\u007f", app("é")),
			w.Link("keys", "z", app("É")),
			w.Link("keys", "raw", app("\xff")),
			w.Link("keys", "rawer", app("\xfe")),
			w.Link("keys", "other kind", gcfacts.Target{Kind: "legacy", Bucket: "app", Key: "a"}),
			w.Link("addresses", "both", old("x)."), old("x)"), old("x")),
			w.Link("addresses", "second", old("b.txt)"), old("b.txt")),
			w.Link("addresses", "neither", old("c)"), old("c")),
		)
	})
	// Another shard numbers its values anew.
	l.shard(scanID, 2, gcfacts.Range{What: gcfacts.OfAssociation, Name: "y", Rows: 1}, func(w *gcfacts.Writer) error {
		return errors.Join(w.Link("addresses", "lost", old("d)"), old("d")),
			w.Malformed(gcfacts.Malformed{Association: "y", Table: "t", Key: "1,é", Why: "not an id: <b>", Hash: []byte("h")}))
	})
	l.shard("p-20261129T000000Z-0001", 0, gcfacts.Range{What: gcfacts.OfAssociation, Name: "x", Rows: 1}, func(w *gcfacts.Writer) error {
		return w.Link("ids", "of another scan", gcfacts.Target{Kind: "blob", ID: "1"})
	})
	e := l.engine()
	dangling := []string{
		"addresses\tlost\tkey:old/d)",
		"addresses\tneither\tkey:old/c)",
		"ids\t3\tblob:8f9e2a25-da75-4c6d-80be-9e1acd55fdfe",
		"keys\tnone\tkey:app/a ",
		"keys\tother kind\tkey:app/a",
		"keys\trawer\tkey:app/0xfe",
		`keys` + "\t" + `z` + "\t" + `key:app/\u00c9`,
		"names\t6\tblob:A-1",
	}
	same(t, "dangling", list(t, e, "dangling", scanID), dangling...)
	links := append([]string{
		"addresses\tboth\tlegacy:8f9e2a25-da75-4c6d-80be-9e1acd55fdfe",
		"addresses\tsecond\tlegacy:1",
		"ids\t1\tblob:1",
		"ids\t2\tlegacy:1",
		"names\t5\tnamed:A-1",
		"uuids\t4\tlegacy:8f9e2a25-da75-4c6d-80be-9e1acd55fdfe",
		`keys	a\tb	blob:1`,
		`keys	a\tb	blob:4`,
		"keys\traw\tblob:5",
		`keys	\u00fc\ud834\udd1e\"\\\u007f	blob:3`,
	}, dangling...)
	slices.Sort(links)
	same(t, "links", list(t, e, "links", scanID), links...)
	same(t, "linked", list(t, e, "linked", scanID), "blob:1", "blob:3", "blob:4", "blob:5", "legacy:1", "legacy:8f9e2a25-da75-4c6d-80be-9e1acd55fdfe", "named:A-1")
	same(t, "malformed", list(t, e, "malformed", scanID), `y	t	1,\u00e9	not an id: <b>`)
	// A link counts once, however many handles it leads to, and a value once, however it is read.
	if found, err := foundOf(context.Background(), e, scanID); err != nil || !maps.Equal(found, map[string]int64{"ids": 3, "keys": 3, "addresses": 2, "uuids": 1, "names": 1}) {
		t.Errorf("found: %v, %v", found, err)
	}
	if _, err := ListOf("others"); cooper.KindOf(err) != cooper.KindUsage {
		t.Error(err)
	}
}

// TestEscaped: what the lists write is JSON in ASCII, whatever the text.
func TestEscaped(t *testing.T) {
	e := newLedger(t).engine()
	for _, s := range []string{"", "plain", "<>&'/ ~", "\"\\", "\b\f\n\r\t\x01\x1f\x7f", "é€𝄞", "e\u0301 \u2028", strings.Repeat("ß", 300)} {
		rows, err := e.Query(context.Background(), "SELECT "+escaped("x")+" FROM (SELECT $1 AS x)", s)
		if err != nil {
			t.Fatal(err)
		}
		row, err := rows.Next()
		if err != nil {
			t.Fatal(err)
		}
		got := row[0].(string)
		var back string
		if err := json.Unmarshal([]byte(`"`+got+`"`), &back); err != nil || back != s {
			t.Errorf("%q is written %s: %q, %v", s, got, back, err)
		}
		for i := range len(got) {
			if got[i] < ' ' || got[i] > '~' {
				t.Errorf("%q is written %q", s, got)
				break
			}
		}
		if err := rows.Close(); err != nil {
			t.Error(err)
		}
	}
}
