package job

import (
	"database/sql"
	"errors"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	driver "github.com/go-sql-driver/mysql"

	"cooper"
	"cooper/internal/database/mysqltest"
	"cooper/internal/gc"
	"cooper/internal/ownerwrite"
	"cooper/internal/ownerwrite/transact"
)

const registryYAML = `version: 1
database: DATABASE
buckets: [app]
handles: {table: files, id: id, bucket: =app, key: key}
associations: {}
registry: {table: file_links}
`

// TestRegistry: on each engine, the table that is delivered, with the statements that are: a link
// that was ended is none, and one that was made again is; nobody's clock undoes one. A registry
// that has lost a row makes no complete scan.
func TestRegistry(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) {
		w := newFilePlatform(t, "CREATE TABLE files (id INTEGER PRIMARY KEY, key TEXT)")
		w.registry(t, "sqlite", "sqlite:lab.db", func(sql string) { w.sqlite(sql) })
	})
	t.Run("postgres", func(t *testing.T) {
		w := newPlatform(t)
		w.sql("DROP TABLE posts; DROP TABLE files; CREATE TABLE files (id bigint PRIMARY KEY, key text)")
		w.registry(t, "postgres", "postgres:env:COOPER_TEST_PLATFORM", w.sql)
	})
	t.Run("mysql", func(t *testing.T) {
		s, err := mysqltest.Start(t.Context())
		if errors.Is(err, mysqltest.ErrMissing) {
			t.Skip(err)
		}
		w := newWorld(t)
		w.ok(err)
		t.Cleanup(func() { w.ok(s.Stop()) })
		w.Clock = time.Now
		t.Setenv("COOPER_TEST_MYSQL", s.URL())
		c := driver.NewConfig()
		c.Net, c.Addr, c.User, c.Passwd, c.DBName = "unix", s.Socket(), mysqltest.User, mysqltest.Password, mysqltest.Name
		connector, err := driver.NewConnector(c)
		w.ok(err)
		db := sql.OpenDB(connector)
		defer db.Close()
		exec := func(sql string) {
			_, err := db.ExecContext(t.Context(), sql)
			w.ok(err)
		}
		exec("CREATE TABLE files (id BIGINT PRIMARY KEY, `key` VARCHAR(100))")
		w.registry(t, "mysql", "mysql:env:COOPER_TEST_MYSQL", exec)

		// What follows another is not written to.
		w.declare(strings.Replace(strings.Replace(registryYAML, "DATABASE", "mysql:env:COOPER_TEST_MYSQL", 1), "file_links}", "file_links, database: mysql:env:COOPER_TEST_MYSQL}", 1))
		link := &GCLink{Config: w.path("cooper.yaml"), Handle: "2", Object: "z", Type: "print", Person: "ann"}
		said, err := link.Run(t.Context(), w.Env)
		if w.ok(err); said.Registry != "file_links" {
			t.Errorf("%+v", said)
		}
		exec("CHANGE MASTER TO MASTER_HOST = 'nowhere'")
		_, err = link.Run(t.Context(), w.Env)
		if w.refused(err, cooper.KindRefused); err == nil || !strings.Contains(err.Error(), "a replica") {
			t.Errorf("%v", err)
		}
	})
}

func (w *world) registry(t *testing.T, engine, database string, exec func(string)) {
	t.Helper()
	w.declare(strings.Replace(registryYAML, "DATABASE", database, 1))
	ddl, err := GCRegistryDDL(w.path("cooper.yaml"), engine)
	w.ok(err)
	bound := func(sql, handle, object string) {
		exec(strings.NewReplacer(":handle", handle, ":type", "'post'", ":object", "'"+object+"'").Replace(sql))
	}
	exec("INSERT INTO files VALUES (1, 'k1'), (2, 'k2'), (3, 'k3'), (4, 'k4')")
	exec(ddl.Table)
	for _, handle := range []string{"1", "2", "3", "4"} {
		bound(ddl.Link, handle, "a")
	}
	bound(ddl.Link, "2", "b")
	bound(ddl.Unlink, "2", "a")
	bound(ddl.Unlink, "3", "a")
	bound(ddl.Unlink, "4", "a")
	bound(ddl.Link, "4", "a")
	bound(ddl.Unlink, "1", "never made")
	scanned := func(want ...string) {
		t.Helper()
		r, err := w.scan(false).Run(t.Context(), w.Env)
		r = w.went(r, err, gc.Mission)
		if s := r.Scanned; s == nil || !s.Complete {
			t.Errorf("%+v", s)
		}
		w.same("links", w.list("links"), want...)
	}
	// The clock may not have moved between link and its end: then it is one still.
	long := "'2026-01-01'"
	if engine == "sqlite" {
		long = "'2026-01-01T00:00:00.000Z'"
	}
	exec("UPDATE file_links SET linked_at = " + long + " WHERE handle < 4")
	scanned("registry post/a 1", "registry post/a 4", "registry post/b 2")
	// Ended in a future that a clock has since come back from; and made again.
	future := map[string]string{"sqlite": "'2999-01-01T00:00:00.000Z'", "mysql": "'2999-01-01'", "postgres": "'2999-01-01'"}[engine]
	exec("UPDATE file_links SET unlinked_at = " + future + " WHERE handle = 3")
	bound(ddl.Link, "3", "a")
	scanned("registry post/a 1", "registry post/a 3", "registry post/a 4", "registry post/b 2")

	// What ends is no loss of rows.
	exec("UPDATE file_links SET linked_at = " + long + " WHERE handle = 1")
	bound(ddl.Unlink, "1", "a")
	scanned("registry post/a 3", "registry post/a 4", "registry post/b 2")

	exec("DELETE FROM file_links WHERE handle = 2 AND object = 'a'")
	r, err := w.scan(false).Run(t.Context(), w.Env)
	if s := r.Scanned; !errors.Is(err, ErrSomeFailed) || s == nil || s.Complete || len(s.Suspects) != 1 || s.Suspects[0] != "registry: 5 rows, and 6 in the last complete scan" {
		t.Errorf("a registry that shrank: %+v, %v", s, err)
	}
}

// filledPlatform is one with four files and posts that link to some, and a registry with a row or two.
func filledPlatform(t *testing.T) *world {
	ddl, err := GCRegistryDDL("nowhere", "sqlite")
	if err != nil {
		t.Fatal(err)
	}
	return newFilePlatform(t, "CREATE TABLE files (id INTEGER PRIMARY KEY, key TEXT)", "INSERT INTO files VALUES (1, 'k1'), (2, 'k2'), (3, 'k3'), (4, 'k4')",
		"CREATE TABLE posts (name TEXT NOT NULL PRIMARY KEY, file_id INTEGER)", "INSERT INTO posts VALUES ('it''s :type', 1), ('b', 2), ('c', 99), ('d', 4)", ddl.Table,
		"INSERT INTO file_links VALUES (3, 'posts', 'x', '2026-01-01T00:00:00.000Z', NULL), (4, 'posts', 'd', '2026-01-01T00:00:00.000Z', NULL)")
}

// declareRegistry declares it, with further keys of the registry.
func (w *world) declareRegistry(keys string) {
	w.declare(strings.NewReplacer("DATABASE", "sqlite:lab.db", "{}", "{posts: {table: posts, object: name, handle: file_id}}", "file_links}", "file_links"+keys+"}").Replace(registryYAML))
}

func (w *world) disagreed() (all []string) {
	w.t.Helper()
	w.ok((&GCRegistry{Config: w.path("cooper.yaml")}).Diff(w.t.Context(), w.Env, func(x GCDisagreed) error {
		all = append(all, x.Handle+" "+x.Linked)
		return nil
	}))
	return all
}

// noted are the rows of the registry.
func (w *world) noted() (rows []string) {
	w.t.Helper()
	return w.owned("SELECT handle || ' ' || type || ' ' || object || CASE WHEN unlinked_at > linked_at THEN ' ended' ELSE '' END FROM file_links ORDER BY 1")
}

// owned are the rows of a query of the owner's.
func (w *world) owned(query string) (rows []string) {
	w.t.Helper()
	db, err := sql.Open("sqlite", w.path("lab.db"))
	w.ok(err)
	defer func() { w.ok(db.Close()) }()
	all, err := db.QueryContext(w.t.Context(), query)
	w.ok(err)
	defer func() { w.ok(all.Close()) }()
	for all.Next() {
		var row string
		w.ok(all.Scan(&row))
		rows = append(rows, row)
	}
	w.ok(all.Err())
	return rows
}

// TestRegistryPrinted: what the statements of a backfill put into the registry is what it lacked, and
// from then on registry and scan agree. What the owner's program has ended since the scan stays ended.
func TestRegistryPrinted(t *testing.T) {
	w := filledPlatform(t)
	w.declareRegistry("")
	g := &GCRegistry{Config: w.path("cooper.yaml")}
	if err := g.Diff(t.Context(), w.Env, nil); err == nil {
		t.Error("a comparison without a scan")
	}
	w.scanned()
	w.same("disagreed", w.disagreed(), "1 scan", "2 scan", "3 registry")
	var statements, filled []string
	printed := func() {
		t.Helper()
		statements, filled = nil, nil
		w.ok(g.SQL(t.Context(), w.Env, func(x GCBackfilled) error {
			statements, filled = append(statements, x.SQL), append(filled, x.Handle+" "+x.Type+" "+x.Object)
			return nil
		}))
	}
	printed()
	w.same("filled", filled, "2 posts b", "1 posts it's :type")
	w.sqlite("DELETE FROM posts WHERE name = 'b'", w.unlinking("2", "posts", "b"))
	w.sqlite(statements...)
	w.sqlite(statements...) // again
	w.same("rows", w.noted(), "1 posts it's :type", "2 posts b ended", "3 posts x", "4 posts d")
	w.scanned()
	w.same("disagreed", w.disagreed(), "3 registry")
	printed()
	w.same("filled", filled)
}

// unlinking is what the owner's program runs when a link ends.
func (w *world) unlinking(handle, kind, object string) string {
	w.t.Helper()
	s, err := GCRegistryDDL("nowhere", "sqlite")
	w.ok(err)
	return ownerwrite.Written("sqlite", s.Unlink, ownerwrite.Link{Handle: handle, Type: kind, Object: object}, time.Time{})
}

// TestBackfill: what the last complete scan has found and the registry lacks is written to it, after a
// question, by the one connection that may; what was linked before the scan is as old as the scan, what has ended
// since has ended, and nothing is claimed of what nobody saw. A run that was cut off is given again.
func TestBackfill(t *testing.T) {
	w := filledPlatform(t)
	w.declareRegistry("")
	shown := 0
	run := func(yes, planOnly bool) (GCBackfill, error) {
		g := &GCRegistry{Config: w.path("cooper.yaml"), Yes: yes, PlanOnly: planOnly, Show: func(*GCBackfill) error { shown++; return nil }}
		return g.Backfill(t.Context(), w.Env)
	}
	w.scanned()
	before := w.noted()
	_, err := run(true, false)
	if w.refused(err, cooper.KindRefused); err == nil || !strings.Contains(cooper.RemedyOf(err), "registry.database") || !strings.Contains(cooper.RemedyOf(err), "--sql") {
		t.Errorf("without an address: %v; %s", err, cooper.RemedyOf(err))
	}
	w.declareRegistry(", database: sqlite:lab.db")
	r, err := run(false, true)
	if w.ok(err); r.Links != 2 || r.Done || r.Since != nil || shown != 1 {
		t.Errorf("plan: %+v", r)
	}
	_, err = run(false, false)
	w.refused(err, cooper.KindRefused) // nobody is there
	w.answer = func(string) bool { return false }
	r, err = run(false, false)
	if w.ok(err); r.Done || len(w.asked) == 0 || w.asked[len(w.asked)-1] != "Write 2 rows to file_links?" {
		t.Errorf("after a no: %+v, %q", r, w.asked)
	}
	w.same("rows", w.noted(), before...)

	// Meanwhile the program has ended a link, and made one that no scan has seen.
	w.sqlite("DELETE FROM posts WHERE name = 'b'", w.unlinking("2", "posts", "b"), "INSERT INTO posts VALUES ('late', 3)")
	w.answer = func(string) bool { return true }
	began := w.Clock()
	for range 2 {
		r, err = run(false, false)
		if w.ok(err); !r.Done || r.Links != 2 || r.Ended != 1 || r.Since == nil || !r.Since.After(began) || r.Linked.Time().After(began) {
			t.Errorf("%+v", r)
		}
		w.same("rows", w.noted(), "1 posts it's :type", "2 posts b ended", "3 posts x", "4 posts d")
	}
	w.scanned()
	r, err = run(true, false)
	if w.ok(err); r.Links != 1 || r.Ended != 0 {
		t.Errorf("the link that was made late: %+v", r)
	}
	w.scanned()
	r, err = run(false, false)
	if w.ok(err); r.Links != 0 || !r.Done {
		t.Errorf("%+v", r)
	}
	w.same("disagreed", w.disagreed())
	w.declareRegistry(", database: sqlite:other.db")
	_, err = run(true, false)
	w.ok(errors.Join(os.WriteFile(w.path("other.db"), nil, 0o600)))
	if err == nil {
		t.Error("a database that is not there was written to")
	}
	_, err = run(true, false)
	if w.refused(err, cooper.KindRefused); err == nil || !strings.Contains(err.Error(), "another database") {
		t.Errorf("%v", err)
	}
}

// TestBackfillCutOff: of a run that failed in the midst of it whole batches are there; given again, all is there,
// once.
func TestBackfillCutOff(t *testing.T) {
	w := filledPlatform(t)
	w.declareRegistry(", database: sqlite:lab.db")
	w.sqlite("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000) INSERT INTO posts SELECT 'p' || i, 1 + i % 4 FROM n")
	w.scanned()
	w.sqlite("CREATE TRIGGER stop BEFORE INSERT ON file_links WHEN (SELECT count(*) FROM file_links) >= 600 BEGIN SELECT RAISE(ABORT, 'stop'); END")
	run := func() (GCBackfill, error) {
		return (&GCRegistry{Config: w.path("cooper.yaml"), Yes: true, Show: func(*GCBackfill) error { return nil }}).Backfill(t.Context(), w.Env)
	}
	r, err := run()
	if n := len(w.noted()); err == nil || r.Done || r.Since != nil || n != 2+2*transact.Most {
		t.Errorf("%d rows, %+v, %v", n, r, err)
	}
	w.sqlite("DROP TRIGGER stop")
	r, err = run()
	if w.ok(err); !r.Done || r.Links != 1002 || len(w.noted()) != 1004 {
		t.Errorf("%d rows, %+v", len(w.noted()), r)
	}
}

// TestLinkInRegistry: where the owner has a registry, a person's word is a row there, and no fact; without an
// address to write to, it is refused, with the SQL. What was a fact before there was a registry is taken back as one.
func TestLinkInRegistry(t *testing.T) {
	w := filledPlatform(t)
	link := func(unlink bool, object string) error {
		r, err := (&GCLink{Config: w.path("cooper.yaml"), Handle: "3", Object: object, Type: "print", Unlink: unlink, Person: "ann"}).Run(t.Context(), w.Env)
		if err == nil && (r.Registry == "") == (object != "before" && object != "") {
			t.Errorf("%q: %+v", object, r)
		}
		return err
	}
	plain := strings.NewReplacer("DATABASE", "sqlite:lab.db", "registry: {table: file_links}", "", "{}", "{posts: {table: posts, object: name, handle: file_id}}").Replace(registryYAML)
	w.declare(plain)
	w.scanned()
	w.ok(link(false, "before"))
	w.declareRegistry("")
	err := link(false, "it's  new")
	if w.refused(err, cooper.KindRefused); err == nil || !strings.Contains(cooper.RemedyOf(err), "VALUES (3, 'print', 'it''s  new', strftime(") {
		t.Errorf("%s", cooper.RemedyOf(err))
	}
	w.declareRegistry(", database: sqlite:lab.db")
	w.ok(link(false, "new"))
	w.same("rows", w.noted(), "3 posts x", "3 print new", "4 posts d")
	w.refused(link(true, "never made"), cooper.KindMissing)
	w.sqlite("UPDATE file_links SET linked_at = '2026-01-01T00:00:00.000Z'")
	w.ok(link(true, "new"))
	w.same("rows", w.noted(), "3 posts x", "3 print new ended", "4 posts d")
	w.same("facts", w.rows("SELECT concat(object, ' ', linked) FROM gc_linked_by_hand"), "before true")
	r, err := (&GCLink{Config: w.path("cooper.yaml"), Handle: "3", Object: "before", Type: "print", Unlink: true, Person: "ann"}).Run(t.Context(), w.Env)
	if w.ok(err); r.Handles[0] != "3" {
		t.Errorf("%+v", r)
	}
	w.same("facts", w.rows("SELECT concat(object, ' ', linked) FROM gc_linked_by_hand ORDER BY number"), "before true", "before false")
	w.same("rows", w.noted(), "3 posts x", "3 print new ended", "4 posts d")
}

// TestCheckRegistry: a check names what the user who writes may do beyond that, and what keeps him from it.
func TestCheckRegistry(t *testing.T) {
	w := newPlatform(t)
	ddl, err := GCRegistryDDL("nowhere", "postgres")
	w.ok(err)
	w.sql(ddl.Table)
	w.sql("CREATE ROLE writer LOGIN PASSWORD 'w-word'; REVOKE CREATE ON SCHEMA public FROM PUBLIC; GRANT SELECT ON file_links TO writer")
	u, err := url.Parse(os.Getenv("COOPER_TEST_PLATFORM"))
	w.ok(err)
	u.User = url.UserPassword("writer", "w-word")
	t.Setenv("COOPER_TEST_WRITER", u.String())
	w.declare(platformYAML + "registry: {table: file_links, database: postgres:env:COOPER_TEST_WRITER}\n")
	check := func() string {
		t.Helper()
		r, err := (&GCCheck{Config: w.path("cooper.yaml")}).Run(t.Context(), w.Env)
		w.ok(err)
		var notes []string
		for _, n := range r.Notes {
			if n.Table == "registry.database" {
				notes = append(notes, n.Text)
			}
		}
		return strings.Join(notes, "\n")
	}
	if got := check(); !strings.Contains(got, "cannot be written to") || !strings.Contains(got, "INSERT and UPDATE on") || strings.Contains(got, "w-word") {
		t.Errorf("without the right: %s", got)
	}
	w.sql("GRANT INSERT, UPDATE ON file_links TO writer")
	if got := check(); got != "" {
		t.Errorf("with the rights that are needed: %s", got)
	}
	w.sql("GRANT DELETE ON file_links TO writer; GRANT UPDATE ON posts TO writer")
	if got := check(); !strings.Contains(got, "DELETE on public.file_links; UPDATE on public.posts") {
		t.Errorf("with more: %s", got)
	}
	w.scanned()
	r, err := (&GCRegistry{Config: w.path("cooper.yaml"), Yes: true, Show: func(*GCBackfill) error { return nil }}).Backfill(t.Context(), w.Env)
	if w.ok(err); !r.Done || r.Links != 2 {
		t.Errorf("%+v", r)
	}
	w.scanned()
	w.same("disagreed", w.disagreed())
}
