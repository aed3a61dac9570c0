package linkrule

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	driver "github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/pgconn"

	"cooper/internal/config"
	"cooper/internal/database"
	maria "cooper/internal/database/mysql"
	"cooper/internal/database/mysqltest"
	"cooper/internal/database/postgres"
	lite "cooper/internal/database/sqlite"
	"cooper/internal/postgres/pgtest"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// platform is a real server, or file, of a test's own.
type platform struct {
	t      *testing.T
	engine string // mysql, postgres or sqlite
	// connect makes a connection of the owner's program, until the test ends.
	connect func() session
	owner   session
	open    func() (database.Database, error)
	// impatient makes a connection's statements end at once where they would wait for a lock.
	impatient string
	mysql     bool // MySQL's own server
}

// session is a connection: it runs a statement, and gives the first value of the first row, if there is any.
type session func(sql string) (string, error)

// pooled are connections by database/sql.
func pooled(t *testing.T, db *sql.DB) func() session {
	return func() session {
		c, err := db.Conn(t.Context())
		must(t, err)
		return func(sql string) (string, error) {
			if !strings.HasPrefix(sql, "SELECT") {
				_, err := c.ExecContext(t.Context(), sql)
				return "", err
			}
			var v any
			err := c.QueryRowContext(t.Context(), sql).Scan(&v)
			if b, ok := v.([]byte); ok {
				v = string(b)
			}
			return fmt.Sprint(v), err
		}
	}
}

// everywhere runs tests on each engine that is there, each in an empty database.
func everywhere(t *testing.T, tests map[string]func(t *testing.T, p *platform)) {
	run := func(p *platform) {
		p.owner = p.connect()
		for name, test := range tests {
			p.t.Run(name, func(t *testing.T) {
				one := *p
				one.t = t
				for _, sql := range map[string][]string{"postgres": {"DROP SCHEMA public CASCADE", "CREATE SCHEMA public"}, "mysql": {"DROP DATABASE lab", "CREATE DATABASE lab", "USE lab"}}[p.engine] {
					one.run(sql)
				}
				if p.engine == "sqlite" {
					one.clear()
				}
				test(t, &one)
			})
		}
	}
	t.Run("SQLite", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "lab.db")
		db, err := sql.Open("sqlite", path)
		must(t, err)
		defer func() { must(t, db.Close()) }()
		run(&platform{t: t, engine: "sqlite", connect: pooled(t, db), impatient: "PRAGMA busy_timeout = 0",
			open: func() (database.Database, error) { return lite.Open(t.Context(), "sqlite:"+path, database.Options{}) }})
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		if testing.Short() {
			t.Skip("it starts a server")
		}
		s, err := pgtest.Start(t.Context())
		if errors.Is(err, pgtest.ErrMissing) {
			t.Skip(err)
		}
		must(t, err)
		defer func() { must(t, s.Stop()) }()
		connect := func() session {
			c, err := pgconn.Connect(t.Context(), s.URL())
			must(t, err)
			t.Cleanup(func() { _ = c.Close(context.Background()) })
			return func(sql string) (string, error) {
				results, err := c.Exec(t.Context(), sql).ReadAll()
				if err == nil && len(results) == 1 && len(results[0].Rows) > 0 {
					return string(results[0].Rows[0][0]), nil
				}
				return "", err
			}
		}
		run(&platform{t: t, engine: "postgres", connect: connect, impatient: "SET lock_timeout = '5ms'",
			open: func() (database.Database, error) { return postgres.Open(t.Context(), s.URL(), database.Options{}) }})
	})
	for name, start := range map[string]func(context.Context, ...string) (*mysqltest.Server, error){"MariaDB": mysqltest.Start, "MySQL": mysqltest.StartMySQL} {
		t.Run(name, func(t *testing.T) {
			if testing.Short() {
				t.Skip("it starts a server")
			}
			s, err := start(t.Context())
			if errors.Is(err, mysqltest.ErrMissing) {
				t.Skip(err)
			}
			must(t, err)
			defer func() { must(t, s.Stop()) }()
			c := driver.NewConfig()
			c.Net, c.Addr, c.User, c.Passwd, c.DBName = "unix", s.Socket(), mysqltest.User, mysqltest.Password, mysqltest.Name
			connector, err := driver.NewConnector(c)
			must(t, err)
			db := sql.OpenDB(connector)
			defer func() { must(t, db.Close()) }()
			p := &platform{t: t, engine: "mysql", connect: pooled(t, db), mysql: name == "MySQL", impatient: "SET SESSION innodb_lock_wait_timeout = 0", // MySQL makes a second of it
				open: func() (database.Database, error) {
					u := url.URL{Scheme: "mysql", User: url.UserPassword(mysqltest.User, mysqltest.Password), Host: "localhost", Path: "/" + mysqltest.Name, RawQuery: "socket=" + url.QueryEscape(s.Socket())}
					return maria.Open(t.Context(), u.String(), database.Options{})
				}}
			run(p)
		})
	}
}

// clear empties a file.
func (p *platform) clear() {
	for {
		name, err := p.owner("SELECT type || ' \"' || replace(name, '\"', '\"\"') || '\"' FROM sqlite_master WHERE type IN ('table', 'view') LIMIT 1")
		if err != nil {
			return
		}
		p.run("DROP " + name)
	}
}

// run runs statements.
func (p *platform) run(all ...string) {
	p.t.Helper()
	for _, s := range all {
		if _, err := p.owner(s); err != nil {
			p.t.Fatalf("%s: %v", s, err)
		}
	}
}

// rules are those of a declaration.
func (p *platform) rules(yaml string) *Rules {
	p.t.Helper()
	address := map[string]string{"mysql": "mysql:env:X", "postgres": "postgres:env:X", "sqlite": "sqlite:lab.db"}[p.engine]
	c, err := config.Parse("cooper.yaml", []byte("version: 1\ndatabase: "+address+"\nbuckets: [app]\n"+yaml))
	must(p.t, err)
	db, err := p.open()
	must(p.t, err)
	defer func() { must(p.t, db.Close()) }()
	r, err := For(p.t.Context(), db, c)
	must(p.t, err)
	return r
}

// create runs what makes the triggers, on one connection.
func (p *platform) create(r *Rules) {
	p.t.Helper()
	p.statements(r, func(t *Table) []string { return t.Create })
}

func (p *platform) drop(r *Rules) {
	p.t.Helper()
	p.statements(r, func(t *Table) []string { return t.Drop })
}

func (p *platform) statements(r *Rules, of func(*Table) []string) {
	p.t.Helper()
	for i := range r.Tables {
		for _, s := range of(&r.Tables[i]) {
			if _, err := p.owner(s); err != nil {
				p.t.Fatalf("%s: %v", s, err)
			}
		}
	}
}

// allowed and refused run a statement of the owner's.
func (p *platform) allowed(all ...string) {
	p.t.Helper()
	for _, s := range all {
		if _, err := p.owner(s); err != nil {
			p.t.Errorf("%s: %v", s, err)
		}
	}
}

func (p *platform) refused(all ...string) {
	p.t.Helper()
	for _, s := range all {
		switch _, err := p.owner(s); {
		case err == nil:
			p.t.Errorf("%s: was let through", s)
		case !strings.Contains(err.Error(), "cannot be linked"):
			p.t.Errorf("%s: %v", s, err)
		}
	}
}

// TestEngines holds all of them to the rule.
func TestEngines(t *testing.T) {
	everywhere(t, map[string]func(*testing.T, *platform){"linked": linked, "named": named, "unguarded": unguarded, "registry": registry, "other types": otherTypes, "other tables": otherTables, "interleaved": interleaved, "waiting": waiting})
}

const files = `CREATE TABLE files (id BIGINT PRIMARY KEY, k VARCHAR(100), status VARCHAR(20) NOT NULL)`

const some = `INSERT INTO files VALUES (1, 'a', 'AVAILABLE'), (2, 'b', 'UNLINKED'), (3, 'c', 'ARCHIVING'), (4, 'd', 'ARCHIVED'), (5, 'e', 'RESTORING'), (6, 'f', 'DELETED'), (7, 'g', 'lost')`

const handles = "handles: {table: files, id: id, key: k, status: {column: status, write: true}}\n"

// linked: on each engine, links to what is AVAILABLE or UNLINKED are let through, others are not, however they come
// about; what is there, and is written again, is no new link.
func linked(t *testing.T, p *platform) {
	p.run(files, some, `CREATE TABLE posts (id BIGINT NOT NULL, part BIGINT NOT NULL, title VARCHAR(20), file BIGINT, cover BIGINT, PRIMARY KEY (id, part))`)
	r := p.rules(handles + "associations:\n  posts: {table: posts, object: id, handle: file}\n  covers: {table: posts, object: id, handle: cover}\n")
	if len(r.Tables) != 1 || len(r.Unguarded) != 0 || !slices.Equal(r.Tables[0].Links, []string{"posts: file", "covers: cover"}) {
		t.Fatalf("%+v", r)
	}
	p.allowed("INSERT INTO posts VALUES (9, 1, '', 4, 5)") // as nobody guards it yet
	p.create(r)
	p.create(r) // again
	p.allowed("INSERT INTO posts VALUES (1, 1, '', 1, NULL)", "INSERT INTO posts VALUES (2, 1, '', 2, 1)", "INSERT INTO posts VALUES (3, 1, '', NULL, NULL)", "INSERT INTO posts VALUES (4, 1, '', 99, NULL)")
	for id := 3; id <= 7; id++ {
		p.refused(fmt.Sprintf("INSERT INTO posts VALUES (5, 1, '', %d, NULL)", id), fmt.Sprintf("INSERT INTO posts VALUES (5, 1, '', 1, %d)", id), fmt.Sprintf("UPDATE posts SET file = %d WHERE id = 1", id),
			fmt.Sprintf("INSERT INTO posts SELECT 5, id, '', id, NULL FROM files WHERE id IN (1, %d)", id))
	}
	p.allowed("UPDATE posts SET title = 'x', file = file WHERE id = 9", "UPDATE posts SET file = 2 WHERE id = 1", "UPDATE posts SET cover = NULL WHERE id = 9")
	p.refused("UPDATE posts SET part = 2 WHERE id = 9") // a scan that is under way may miss it
	switch p.engine {
	case "mysql":
		p.refused("INSERT IGNORE INTO posts VALUES (5, 1, '', 4, NULL)", "REPLACE INTO posts VALUES (1, 1, '', 4, NULL)", "UPDATE IGNORE posts SET file = 4 WHERE id = 1",
			"INSERT INTO posts VALUES (1, 1, '', 1, NULL) ON DUPLICATE KEY UPDATE file = 4")
		p.allowed("INSERT INTO posts VALUES (9, 1, '', 4, NULL) ON DUPLICATE KEY UPDATE title = 'y'", "INSERT IGNORE INTO posts VALUES (9, 1, '', 4, NULL)")
	case "postgres":
		p.refused("INSERT INTO posts VALUES (1, 1, '', 1, NULL) ON CONFLICT (id, part) DO UPDATE SET file = 4")
		p.allowed("INSERT INTO posts VALUES (9, 1, '', 4, NULL) ON CONFLICT (id, part) DO UPDATE SET title = 'y'", "INSERT INTO posts VALUES (9, 1, '', 4, NULL) ON CONFLICT DO NOTHING")
	default:
		p.refused("INSERT OR IGNORE INTO posts VALUES (5, 1, '', 4, NULL)", "REPLACE INTO posts VALUES (1, 1, '', 4, NULL)")
	}
	p.refused("INSERT INTO posts VALUES (6, 1, '', 1, NULL), (7, 1, '', 4, NULL)")
	n, err := p.owner("SELECT COUNT(*) FROM posts WHERE id IN (5, 6, 7) OR id = 1 AND file = 4")
	if must(t, err); n != "0" {
		t.Errorf("%s rows are left of what was refused", n)
	}
	p.drop(r)
	p.allowed("INSERT INTO posts VALUES (5, 1, '', 4, NULL)")
	p.drop(r) // again
}

// named: names, kinds, conditions and values are what they are, however they are spelled.
func named(t *testing.T, p *platform) {
	q := func(name string) string {
		return database.Ident(map[string]string{"mysql": "MySQL", "postgres": database.PostgreSQL, "sqlite": database.SQLite}[p.engine], name)
	}
	index, status, links, from := q(`the "files';;`), q("st'at;us"), q(strings.Repeat("a very long name ", 4)[:60]), q("from `where;")
	p.run("CREATE TABLE "+index+" (id BIGINT PRIMARY KEY, k VARCHAR(100), "+status+" INTEGER)", "INSERT INTO "+index+" VALUES (1, 'a', 0), (2, 'b', 1), (3, 'c', 2), (4, 'd', NULL)",
		"CREATE TABLE docs (id VARCHAR(60) PRIMARY KEY, k VARCHAR(100), state VARCHAR(20) NOT NULL)", "INSERT INTO docs VALUES ('one', 'a', 'fine'), ('two', 'b', 'gone'), ('7', 'b', 'gone')",
		"CREATE TABLE "+links+" ("+q("select")+" BIGINT PRIMARY KEY, "+from+" BIGINT, live INTEGER, kind VARCHAR(20), doc VARCHAR(80), n BIGINT)")
	r := p.rules(strings.ReplaceAll(`handles:
  file: {table: '`+"`"+`the "files'';;`+"`"+`', id: id, key: k, status: {column: '"st''at;us"', values: {AVAILABLE: 0, UNLINKED: 1, ARCHIVED: 2}}}
  doc: {table: docs, id: id, key: k, status: {column: state, values: {AVAILABLE: fine, UNLINKED: idle}}}
associations:
  "hostile; -- 'name' $cooper$": {table: '"LONG"', object: select, handle: '"from `+"`"+`where;"', where: "live = 1 AND kind IN ('it''s', 'x')", of: file}
  docs: {table: '"LONG"', object: select, handle: doc, of: doc}
  numbers: {table: '"LONG"', object: select, handle: n, of: doc}
`, "LONG", strings.Repeat("a very long name ", 4)[:60]))
	if len(r.Tables) != 1 || len(r.Unguarded) != 0 {
		t.Fatalf("%+v", r)
	}
	p.create(r)
	insert := func(id int, rest string) string {
		return fmt.Sprintf("INSERT INTO %s VALUES (%d, %s)", links, id, rest)
	}
	set := func(what string, id int) string {
		return fmt.Sprintf("UPDATE %s SET %s WHERE %s = %d", links, what, q("select"), id)
	}
	p.allowed(insert(1, "1, 1, 'x', 'one', 1"), insert(2, "3, 0, 'x', NULL, NULL"), insert(3, "3, 1, 'y', NULL, NULL"), insert(4, "2, 1, 'it''s', '', NULL"), insert(8, "3, NULL, 'x', NULL, NULL"))
	p.refused(insert(5, "3, 1, 'x', NULL, NULL"), insert(5, "3, 1, 'it''s', NULL, NULL"), insert(5, "4, 1, 'x', NULL, NULL"), insert(5, "1, 1, 'x', 'two', NULL"), insert(5, "NULL, 0, '', NULL, 7"),
		set("live = 1", 2), set("kind = 'x'", 3), set("doc = 'two'", 1))
	p.allowed(set("live = 0", 1), set("kind = 'z'", 2))
	p.drop(r)
	p.allowed(insert(5, "3, 1, 'x', 'two', 7"))
}

// unguarded: what no trigger can see is named.
func unguarded(t *testing.T, p *platform) {
	p.run(files, some, "CREATE TABLE posts (id BIGINT PRIMARY KEY, file BIGINT, live INTEGER, k VARCHAR(100), body TEXT)", "CREATE VIEW shown AS SELECT id, file FROM posts", "CREATE TABLE plain (id BIGINT, file BIGINT, live INTEGER)")
	r := p.rules(`handles:
  file: {table: files, id: id, key: k, status: {column: status}}
  query: {query: 'SELECT id AS i, k FROM files', id: i, key: k}
  other: {table: files, id: id, key: k}
associations:
  keys: {table: posts, object: id, key: k}
  packed: {table: posts, object: id, handle: body, split: ','}
  addresses: {table: posts, object: id, value: body, as: addresses}
  expression: {table: posts, object: id, handle: file + 0}
  view: {table: shown, object: id, handle: file}
  query: {table: posts, object: id, handle: file, of: query}
  statusless: {table: posts, object: id, handle: file, of: other}
  joined: {table: posts, object: id, handle: file, where: id IN (SELECT id FROM plain)}
  timely: {table: posts, object: id, handle: file, where: id > 5 OR :now > '2026-01-01'}
  keyless: {table: plain, object: id, handle: file, where: live = 1}
registry: {table: posts, handle: file, type: k, object: k, linked: live, unlinked: id}
`)
	got := map[string]bool{}
	for _, u := range r.Unguarded {
		got[u.Association] = u.Part
	}
	want := map[string]bool{"keys": false, "packed": false, "addresses": false, "expression": false, "view": false, "query": false, "statusless": false, "joined": true, "timely": true, "keyless": true}
	if p.engine == "postgres" {
		delete(want, "keyless")
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%v\n%v", got, want)
	}
	p.create(r)
	p.refused("INSERT INTO posts VALUES (1, 4, 0, '', '')", "INSERT INTO plain VALUES (1, 4, 1)")
	if p.drop(r); p.engine == "postgres" {
		p.allowed("INSERT INTO plain VALUES (1, 4, 1)")
	}
}

// registry: the end of a link may be noted whatever has become of the file; that it is made again may not.
func registry(t *testing.T, p *platform) {
	p.run(files, some, "CREATE TABLE file_links (handle BIGINT NOT NULL, type VARCHAR(20) NOT NULL, object VARCHAR(20) NOT NULL, linked_at BIGINT NOT NULL, unlinked_at BIGINT, PRIMARY KEY (handle, type, object))")
	r := p.rules(handles + "associations: {}\nregistry: {table: file_links}\n")
	p.create(r)
	p.allowed("INSERT INTO file_links VALUES (4, 'x', 'y', 1, 2)", "INSERT INTO file_links VALUES (1, 'x', 'y', 1, NULL)", "UPDATE file_links SET unlinked_at = 3")
	p.refused("INSERT INTO file_links VALUES (4, 'x', 'z', 1, NULL)", "UPDATE file_links SET linked_at = 5 WHERE handle = 4")
}

// otherTypes: ids that stand in columns of another type, and in arrays.
func otherTypes(t *testing.T, p *platform) {
	p.run(files, some, "INSERT INTO files VALUES (0, 'z', 'ARCHIVED'), (9223372036854775807, 'z', 'ARCHIVED')", "CREATE TABLE posts (id BIGINT PRIMARY KEY, file VARCHAR(100))")
	yaml := handles + "associations:\n  posts: {table: posts, object: id, handle: file}\n"
	if p.engine == "postgres" {
		p.run("CREATE TABLE u (id uuid PRIMARY KEY, k text, status text NOT NULL)", "INSERT INTO u VALUES ('01234567-89ab-cdef-0123-456789abcdef', '', 'ARCHIVED')",
			"CREATE TABLE lists (id BIGINT PRIMARY KEY, files BIGINT[], uuid text)")
		yaml = "handles:\n  file: {table: files, id: id, key: k, status: {column: status}}\n  u: {table: u, id: id, key: k, status: {column: status}}\nassociations:\n  posts: {table: posts, object: id, handle: file}\n" +
			"  lists: {table: lists, object: id, handle: files}\n  uuids: {table: lists, object: id, handle: uuid, of: u}\n"
	}
	r := p.rules(yaml)
	if len(r.Unguarded) != 0 {
		t.Errorf("%+v", r.Unguarded)
	}
	p.create(r)
	p.allowed("INSERT INTO posts VALUES (1, '1')", "INSERT INTO posts VALUES (2, '')", "INSERT INTO posts VALUES (3, '4x')", "INSERT INTO posts VALUES (4, '99999999999999999999999')", "INSERT INTO posts VALUES (5, '9223372036854775808')", "INSERT INTO posts VALUES (6, NULL)")
	p.refused("INSERT INTO posts VALUES (9, '4')", "INSERT INTO posts VALUES (9, '00000000000000000000000000004')", "INSERT INTO posts VALUES (9, '000')", "INSERT INTO posts VALUES (9, '9223372036854775807')")
	if p.engine == "sqlite" {
		p.refused("INSERT INTO posts VALUES (9, x'34')", "INSERT INTO posts VALUES (9, 4.0)", "INSERT INTO posts VALUES (9, 4)")
	}
	if p.engine == "postgres" {
		p.allowed("INSERT INTO lists VALUES (1, '{1,2,NULL}', 'no uuid')", "INSERT INTO lists VALUES (2, '{}', NULL)")
		p.refused("INSERT INTO lists VALUES (3, '{1,4}', NULL)", "INSERT INTO lists VALUES (3, '{{1,2},{2,5}}', NULL)", "UPDATE lists SET files = files || 4::bigint WHERE id = 2",
			"INSERT INTO lists VALUES (3, NULL, '01234567-89AB-cdef-0123-456789abcdef')", "INSERT INTO lists VALUES (3, NULL, '{0123456789abcdef0123456789abcdef}')", "INSERT INTO lists VALUES (3, NULL, 'URN:uuid:0123456789abcdef0123456789abcdef')")
	}
}

// otherTables: links in the table of handles itself, in partitions, and between texts that are compared in different ways.
func otherTables(t *testing.T, p *platform) {
	p.run(strings.Replace(files, "k VARCHAR(100)", "k VARCHAR(100), replaces BIGINT", 1), "INSERT INTO files VALUES (1, 'a', NULL, 'AVAILABLE'), (4, 'd', NULL, 'ARCHIVED')")
	yaml := "handles:\n  file: {table: files, id: id, key: k, status: {column: status}}\nassociations:\n  replaced: {table: files, object: id, handle: replaces}\n"
	switch p.engine {
	case "postgres":
		p.run("CREATE TABLE events (id BIGINT, at DATE, file BIGINT, PRIMARY KEY (id, at)) PARTITION BY RANGE (at)", "CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2026-02-01')",
			"CREATE TABLE events_2 PARTITION OF events FOR VALUES FROM ('2026-02-01') TO ('2026-03-01')", "CREATE TABLE old (id BIGINT PRIMARY KEY, file BIGINT)", "CREATE TABLE older (x BIGINT) INHERITS (old)")
		yaml += "  events: {table: events, object: id, handle: file}\n  old: {table: old, object: id, handle: file}\n"
	case "mysql":
		p.run("CREATE TABLE t (id VARCHAR(50) CHARACTER SET latin1 COLLATE latin1_bin PRIMARY KEY, k TEXT, status VARCHAR(20) CHARACTER SET latin1 NOT NULL)", "INSERT INTO t VALUES ('Ä', '', 'AVAILABLE'), ('ä', '', 'ARCHIVED')",
			"CREATE TABLE posts (id BIGINT PRIMARY KEY, file VARCHAR(50) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci)", "CREATE TABLE words (id BIGINT PRIMARY KEY, file BIGINT) ENGINE = MyISAM")
		yaml = strings.Replace(yaml, "associations:", "  t: {table: t, id: id, key: k, status: {column: status}}\nassociations:", 1) +
			"  posts: {table: posts, object: id, handle: file, of: t}\n  words: {table: words, object: id, handle: file}\n"
	}
	r := p.rules(yaml)
	p.create(r)
	p.refused("INSERT INTO files VALUES (5, 'x', 4, 'AVAILABLE')", "UPDATE files SET replaces = 4 WHERE id = 1")
	p.allowed("INSERT INTO files VALUES (5, 'x', 1, 'AVAILABLE')", "UPDATE files SET status = 'ARCHIVING' WHERE id = 1", "UPDATE files SET status = 'UNLINKED' WHERE id = 5")
	var left []string
	for _, u := range r.Unguarded {
		left = append(left, u.Association+": "+u.Why)
	}
	switch p.engine {
	case "postgres":
		p.refused("INSERT INTO events VALUES (1, '2026-01-05', 4)")
		p.allowed("INSERT INTO events VALUES (1, '2026-01-05', 5)", "UPDATE files SET status = 'ARCHIVED' WHERE id = 5")
		p.refused("UPDATE events SET at = '2026-02-05'")
		if len(left) != 1 || !strings.HasPrefix(left[0], "old: it is a table that others inherit from") {
			t.Errorf("%q", left)
		}
	case "mysql":
		p.refused("INSERT INTO posts VALUES (1, 'ä')")
		p.allowed("INSERT INTO posts VALUES (1, 'Ä')", "INSERT INTO posts VALUES (2, '日')")
		if len(left) != 1 || !strings.HasPrefix(left[0], "words: it is of the engine MyISAM") {
			t.Errorf("%q", left)
		}
	}
}
