// Package ownerwritetest checks an implementation of ownerwrite.Writer. Run is called by the
// implementation's own tests, with a real server.
package ownerwritetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"cooper"
	"cooper/internal/database"
	"cooper/internal/ownerwrite"
)

// World is a database, and who looks after it.
type World struct {
	Engine string // as ownerwrite has it
	Schema string // of its tables
	// Open opens it by a user who may read and write the tables of some names, and nothing else.
	Open func(t testing.TB, tables ...string) ownerwrite.Writer
	// ReadOnly opens it by a user who may not write; nil where there are no users.
	ReadOnly func(t testing.TB) ownerwrite.Writer
	// Exec runs SQL beside the code under test; NULL is empty.
	Exec func(t testing.TB, sql string) [][]string
	// Kill ends the connections of Open; nil where there are none.
	Kill func(t testing.TB)
}

var ctx = context.Background()

var columns = ownerwrite.Columns{Handle: "handle", Type: "type", Object: "object", Linked: "linked_at", Unlinked: "unlinked_at"}

// noon is later than what any clock has been set to for the tests, minutes are added to it.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// Run checks.
func Run(t *testing.T, w World) {
	for _, c := range []struct {
		name string
		test func(*testing.T, *World)
	}{
		{"Change", change}, {"Fill", fill}, {"Ended", ended}, {"Texts", texts}, {"Whole", whole}, {"Both", both}, {"Killed", killed}, {"Refused", refused}, {"Rights", rights}, {"Statuses", statuses},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, &w) })
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func same(t testing.TB, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\ngot  %q\nwant %q", what, got, want)
	}
}

// statements are the owner's own, of a table.
func (w *World) statements(t testing.TB, table string) ownerwrite.Statements {
	t.Helper()
	s, err := ownerwrite.StatementsFor(w.Engine, table, columns)
	must(t, err)
	return s
}

// make makes the table that is delivered, and opens it.
func (w *World) make(t testing.TB, table string) ownerwrite.Registry {
	t.Helper()
	w.Exec(t, w.statements(t, table).Table)
	return w.open(t, table)
}

func (w *World) open(t testing.TB, table string) ownerwrite.Registry {
	t.Helper()
	r, err := w.at(t, table).Registry(ctx, database.Name{Schema: w.Schema, Table: table}, columns)
	must(t, err)
	return r
}

func (w *World) at(t testing.TB, tables ...string) ownerwrite.Writer {
	t.Helper()
	to := w.Open(t, tables...)
	t.Cleanup(func() { must(t, to.Close()) })
	return to
}

// does runs one of the owner's statements.
func (w *World) does(t testing.TB, sql, handle, object string) {
	t.Helper()
	w.Exec(t, ownerwrite.Written(w.Engine, sql, ownerwrite.Link{Handle: handle, Type: "post", Object: object}, time.Time{}))
}

// rows are those of a table: handle, type, object, and whether each is a link.
func (w *World) rows(t testing.TB, table string) (rows []string) {
	t.Helper()
	for _, r := range w.Exec(t, "SELECT handle, type, object, CASE WHEN unlinked_at > linked_at THEN 'ended' ELSE 'linked' END FROM "+table+" ORDER BY 1, 2, 3") {
		rows = append(rows, strings.Join(r, " "))
	}
	return rows
}

// sets sets the times of a row: minutes from noon on.
func (w *World) sets(t testing.TB, table, handle string, linked, unlinked int) {
	t.Helper()
	at := func(minutes int) string {
		return ownerwrite.Moment(w.Engine, noon.Add(time.Duration(minutes)*time.Minute))
	}
	w.Exec(t, "UPDATE "+table+" SET linked_at = "+at(linked)+", unlinked_at = "+at(unlinked)+" WHERE handle = "+handle)
}

func post(handle, object string) ownerwrite.Link {
	return ownerwrite.Link{Handle: handle, Type: "post", Object: object}
}

// change: what a person says is noted, once; an end takes a link.
func change(t *testing.T, w *World) {
	r := w.make(t, "changed")
	says := func(f func(context.Context, ownerwrite.Link) (ownerwrite.Change, error), before, now ownerwrite.Stand) {
		t.Helper()
		c, err := f(ctx, post("7", "a"))
		if must(t, err); c.Before != before || c.Now != now {
			t.Errorf("%+v, want %s, %s", c, before, now)
		}
	}
	says(r.Unlink, ownerwrite.Absent, ownerwrite.Absent)
	same(t, "rows", w.rows(t, "changed"))
	says(r.Link, ownerwrite.Absent, ownerwrite.Linked)
	says(r.Link, ownerwrite.Linked, ownerwrite.Linked)
	w.Exec(t, "UPDATE changed SET linked_at = "+ownerwrite.Moment(w.Engine, noon)) // clocks may not have moved
	says(r.Unlink, ownerwrite.Linked, ownerwrite.Ended)
	says(r.Unlink, ownerwrite.Ended, ownerwrite.Ended)
	says(r.Link, ownerwrite.Ended, ownerwrite.Linked)
	same(t, "rows", w.rows(t, "changed"), "7 post a linked")
	// A link of the future is not ended by the clock of today, and who says so is told.
	w.Exec(t, "UPDATE changed SET linked_at = "+ownerwrite.Moment(w.Engine, time.Date(2990, 1, 1, 0, 0, 0, 0, time.UTC)))
	says(r.Unlink, ownerwrite.Linked, ownerwrite.Linked)
	same(t, "rows", w.rows(t, "changed"), "7 post a linked")
}

// fill: what was there at a time is noted as that old; a row that is there gets no older, and what was
// ended since stays so. Done again, nothing changes.
func fill(t *testing.T, w *World) {
	r := w.make(t, "filled")
	s := w.statements(t, "filled")
	for _, handle := range []string{"1", "2", "3", "4"} {
		w.does(t, s.Link, handle, "a")
	}
	w.sets(t, "filled", "1", -20, -30) // linked before
	w.sets(t, "filled", "2", -30, -20) // ended before: it was linked again, and nobody noted that
	w.sets(t, "filled", "3", -30, 10)  // ended since
	w.sets(t, "filled", "4", 20, 10)   // linked since
	links := []ownerwrite.Link{post("1", "a"), post("2", "a"), post("3", "a"), post("4", "a"), post("5", "a")}
	all := func() (rows []string) {
		for _, row := range w.Exec(t, "SELECT handle, linked_at, unlinked_at FROM filled ORDER BY handle") {
			rows = append(rows, strings.Join(row, " "))
		}
		return rows
	}
	var first []string
	for i := range 2 {
		ended, err := r.Fill(ctx, noon, links)
		if must(t, err); ended != 1 {
			t.Errorf("ended: %d", ended)
		}
		same(t, "rows", w.rows(t, "filled"), "1 post a linked", "2 post a linked", "3 post a ended", "4 post a linked", "5 post a linked")
		if i == 0 {
			first = all()
		}
	}
	same(t, "done again", all(), first...)
	if got := w.Exec(t, "SELECT count(*) FROM filled WHERE linked_at = "+ownerwrite.Moment(w.Engine, noon)); got[0][0] != "4" {
		t.Errorf("as old as noon: %s; %q", got[0][0], first)
	}
	// One that is older makes none older.
	_, err := r.Fill(ctx, noon.Add(-time.Hour), links)
	must(t, err)
	same(t, "filled by an older scan", all(), first...)
	// What the owner's program ends now has ended.
	w.does(t, s.Unlink, "5", "a")
	_, err = r.Fill(ctx, noon, links)
	must(t, err)
	if rows := w.rows(t, "filled"); rows[4] != "5 post a ended" {
		t.Errorf("%q", rows)
	}
	ended, err := r.Fill(ctx, noon, nil)
	if must(t, err); ended != 0 {
		t.Errorf("of nothing: %d", ended)
	}
}

// ended: the owner's statement for an end is seen by who fills in later, also where there was no row.
func ended(t *testing.T, w *World) {
	r := w.make(t, "ended")
	s := w.statements(t, "ended")
	w.does(t, s.Unlink, "1", "a")
	n, err := r.Fill(ctx, noon, []ownerwrite.Link{post("1", "a"), post("2", "a")})
	if must(t, err); n != 1 {
		t.Errorf("ended: %d", n)
	}
	same(t, "rows", w.rows(t, "ended"), "1 post a ended", "2 post a linked")
	w.does(t, s.Link, "1", "a")
	same(t, "rows", w.rows(t, "ended"), "1 post a linked", "2 post a linked")
}

// texts: what stands in a text is that text, in the rows as in the statements for a person.
func texts(t *testing.T, w *World) {
	r := w.make(t, "texts")
	odd := []string{"", "it's", `"`, "`", `\`, `\'`, ":type", ":at", "?", "$1", "%s", "a;b --", "größe", "\U0001F600", "line\nline", "A", "a", "a/b"}
	var links []ownerwrite.Link
	var want []string
	for _, x := range odd {
		links = append(links, ownerwrite.Link{Handle: "1", Type: x, Object: x})
	}
	_, err := r.Fill(ctx, noon, links)
	must(t, err)
	fill := w.statements(t, "texts").Fill
	for i := range links {
		w.Exec(t, ownerwrite.Written(w.Engine, fill, links[i], noon))
		c, err := r.Link(ctx, links[i])
		if must(t, err); c.Before != ownerwrite.Linked {
			t.Errorf("%q: %+v", odd[i], c)
		}
		want = append(want, odd[i]+"="+odd[i])
	}
	var got []string
	for _, row := range w.Exec(t, "SELECT type, object FROM texts") {
		got = append(got, strings.Join(row, "="))
	}
	slices.Sort(got)
	slices.Sort(want)
	same(t, "texts", got, want...)
}

// whole: a call is one transaction, of however many statements; what does not fit undoes all of it.
func whole(t *testing.T, w *World) {
	r := w.make(t, "whole")
	var links []ownerwrite.Link
	for i := range 1200 {
		links = append(links, post("9007199254740993", fmt.Sprintf("%06d", i)))
	}
	for _, bad := range []ownerwrite.Link{post("x", "a"), post("1", "a\x00b")} {
		_, err := r.Fill(ctx, noon, append(slices.Clone(links), bad))
		if err == nil {
			t.Errorf("%q was filled in", bad)
		}
		if _, err := r.Link(ctx, bad); err == nil {
			t.Errorf("%q was noted", bad)
		}
	}
	if w.Engine == ownerwrite.MySQL { // it would be cut short
		if _, err := r.Fill(ctx, noon, append(slices.Clone(links), post("1", strings.Repeat("x", 301)))); err == nil {
			t.Error("too long a text was filled in")
		}
	}
	same(t, "rows of what failed", w.rows(t, "whole"))
	for range 2 {
		_, err := r.Fill(ctx, noon, links)
		must(t, err)
	}
	if got := w.Exec(t, "SELECT count(*), count(DISTINCT object), min(handle) FROM whole"); strings.Join(got[0], " ") != "1200 1200 9007199254740993" {
		t.Errorf("%v", got)
	}
	stopped, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := r.Fill(stopped, noon, links); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// both: two who fill in the same, while the owner's program links and unlinks, are in nobody's way.
func both(t *testing.T, w *World) {
	r := []ownerwrite.Registry{w.make(t, "filled_by_both"), w.open(t, "filled_by_both")}
	var links []ownerwrite.Link
	for i := range 600 {
		links = append(links, post(fmt.Sprint(i), "a"))
	}
	var all sync.WaitGroup
	errs := make([]error, len(r))
	for i := range r {
		all.Go(func() { _, errs[i] = r[i].Fill(ctx, noon, links) })
	}
	s := w.statements(t, "filled_by_both")
	for i := range 20 {
		w.does(t, s.Unlink, fmt.Sprint(i*7), "a")
	}
	all.Wait()
	must(t, errors.Join(errs...))
	ended := 0
	rows := w.rows(t, "filled_by_both")
	for _, row := range rows {
		if strings.HasSuffix(row, "ended") {
			ended++
		}
	}
	if len(rows) != 600 || ended != 20 {
		t.Errorf("%d rows, %d ended", len(rows), ended)
	}
}

// killed: a connection that is gone is made anew, and the same done again.
func killed(t *testing.T, w *World) {
	if w.Kill == nil {
		t.Skip("there are no connections")
	}
	r := w.make(t, "killed")
	for i := range 2 {
		w.Kill(t)
		_, err := r.Fill(ctx, noon, []ownerwrite.Link{post("1", "a"), post("2", "a")})
		must(t, err)
		w.Kill(t)
		_, err = r.Link(ctx, post(fmt.Sprint(i), "b"))
		must(t, err)
	}
	same(t, "rows", w.rows(t, "killed"), "0 post b linked", "1 post a linked", "1 post b linked", "2 post a linked")
}

// refused: a table in which a row would not be what it is taken for.
func refused(t *testing.T, w *World) {
	ddl := func(table string, change ...string) string {
		return strings.NewReplacer(change...).Replace(w.statements(t, table).Table)
	}
	cases := []struct{ table, sql, why string }{
		{"keyless", ddl("keyless", ",\n  PRIMARY KEY (handle, type, object)", "", " WITHOUT ROWID", ""), "no primary or unique key"},
		{"narrow", ddl("narrow", "KEY (handle, type, object)", "KEY (handle, type)"), "takes different links for the same"},
		{"other", ddl("other", "PRIMARY", "UNIQUE (handle, linked_at), PRIMARY"), "takes different links for the same"},
		{"renamed", ddl("renamed", "object", "thing"), "no column object"},
		{"nulls", ddl("nulls", "PRIMARY KEY", "UNIQUE", " WITHOUT ROWID", "", "bin NOT NULL", "bin NULL", "text NOT NULL", "text", "TEXT NOT NULL,", "TEXT,"), "no primary or unique key"},
	}
	switch w.Engine {
	case ownerwrite.MySQL:
		cases = append(cases, []struct{ table, sql, why string }{
			{"folded", ddl("folded", "utf8mb4_bin", "utf8mb4_general_ci"), "by its collation"},
			{"untimed", ddl("untimed", "DATETIME(6)", "BIGINT"), "no times"},
			{"untrue", ddl("untrue", "InnoDB", "MyISAM", "(300)", "(90)"), "no transactions"},
		}...)
	case ownerwrite.PostgreSQL:
		cases = append(cases, []struct{ table, sql, why string }{{"zoneless", ddl("zoneless", "timestamptz", "timestamp"), "no times with a zone"}}...)
	case ownerwrite.SQLite:
		cases = append(cases, []struct{ table, sql, why string }{
			{"folded", ddl("folded", "TEXT NOT NULL,", "TEXT NOT NULL COLLATE NOCASE,"), "compared as they are"},
			{"untimed", ddl("untimed", "TEXT NOT NULL CHECK", "DATETIME NOT NULL CHECK"), "compared as they are"},
		}...)
	}
	for _, c := range cases {
		w.Exec(t, c.sql)
		_, err := w.at(t, c.table).Registry(ctx, database.Name{Schema: w.Schema, Table: c.table}, columns)
		if err == nil || !strings.Contains(err.Error(), c.why) {
			t.Errorf("%s: %v", c.table, err)
		}
	}
	if _, err := w.at(t).Registry(ctx, database.Name{Schema: w.Schema, Table: "nowhere"}, columns); cooper.KindOf(err) != cooper.KindMissing {
		t.Errorf("a table that is not there: %v", err)
	}
	// A key of its own for rows is nobody's concern.
	switch w.Engine {
	case ownerwrite.MySQL:
		w.Exec(t, ddl("surrogate", "PRIMARY KEY", "id BIGINT AUTO_INCREMENT PRIMARY KEY, UNIQUE KEY"))
	case ownerwrite.PostgreSQL:
		w.Exec(t, ddl("surrogate", "PRIMARY KEY", "id bigserial PRIMARY KEY, UNIQUE"))
		w.Exec(t, "GRANT USAGE ON SEQUENCE surrogate_id_seq TO PUBLIC")
	default:
		w.Exec(t, ddl("surrogate", "  handle ", "  id INTEGER PRIMARY KEY, handle ", "PRIMARY KEY", "UNIQUE", " WITHOUT ROWID", ""))
	}
	_, err := w.open(t, "surrogate").Link(ctx, post("1", "a"))
	must(t, err)
}

// rights: one that is missing is told, with what to grant; what goes beyond is named.
func rights(t *testing.T, w *World) {
	w.make(t, "granted")
	to := w.at(t, "granted", "more")
	s, err := to.Server(ctx)
	must(t, err)
	if s.Replica == database.IsReplica || s.Identity == "" {
		t.Errorf("%+v", s)
	}
	granted, more := database.Name{Schema: w.Schema, Table: "granted"}, database.Name{Schema: w.Schema, Table: "more"}
	if w.ReadOnly == nil {
		if len(ownerwrite.Beyond(s, granted)) == 0 {
			t.Error("who may write to a file may write all of it")
		}
		return
	}
	if got := ownerwrite.Beyond(s, granted, more); len(got) != 0 {
		t.Errorf("beyond what is needed: %q", got)
	}
	if got := strings.Join(ownerwrite.Beyond(s, granted), "; "); !strings.Contains(got, "more") || strings.Contains(got, "granted") {
		t.Errorf("beyond what is needed: %q", got)
	}
	reader := w.ReadOnly(t)
	defer func() { must(t, reader.Close()) }()
	_, err = reader.Registry(ctx, granted, columns)
	if cooper.KindOf(err) != cooper.KindDenied || !strings.Contains(cooper.RemedyOf(err), "INSERT and UPDATE") {
		t.Errorf("%v; %s", err, cooper.RemedyOf(err))
	}
}
