package gc

import (
	"context"
	sqldriver "database/sql/driver"
	"errors"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/pgconn"

	"cooper/internal/database"
	maria "cooper/internal/database/mysql"
	"cooper/internal/database/mysqltest"
	"cooper/internal/database/postgres"
	"cooper/internal/postgres/pgtest"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// checked is what real servers' owners get to hear, and the plan that is made once all is well.
func checked(t *testing.T, db database.Database, yaml string) *Findings {
	t.Helper()
	c := configOf(t, yaml)
	s, err := Take(context.Background(), db, c, now.Time())
	must(t, err)
	again, err := Take(context.Background(), db, c, now.Time())
	must(t, err)
	one, err := DigestsOf(c, s)
	must(t, err)
	if two, err := DigestsOf(c, again); err != nil || one != two {
		t.Errorf("surveyed twice, the digests differ: %v", err)
	}
	return Check(c, s, &Around{})
}

// TestPostgreSQL: what a real server says is understood.
func TestPostgreSQL(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts a server")
	}
	ctx := context.Background()
	server, err := pgtest.Start(ctx)
	if errors.Is(err, pgtest.ErrMissing) {
		t.Skip(err)
	}
	must(t, err)
	defer func() { must(t, server.Stop()) }()
	conn, err := pgconn.Connect(ctx, server.URL())
	must(t, err)
	_, err = conn.Exec(ctx, `
		CREATE TABLE files ("ID" bigint PRIMARY KEY, key text, "at" timestamptz);
		CREATE TABLE posts (id bigint PRIMARY KEY, file_id bigint REFERENCES files, "user" text);
		CREATE TABLE pictures (id bigint PRIMARY KEY, file bigint REFERENCES files);
		CREATE TABLE notes (id bigint PRIMARY KEY, about bigint);
		CREATE TABLE walled (id bigint PRIMARY KEY, file_id bigint);
		ALTER TABLE walled ENABLE ROW LEVEL SECURITY;
		CREATE TABLE locked (id bigint PRIMARY KEY, file_id bigint);
		CREATE SCHEMA t1 CREATE TABLE u (id bigint PRIMARY KEY, file_id bigint) CREATE VIEW v AS SELECT 1::bigint AS id, 2::bigint AS file_id;
		CREATE ROLE scans LOGIN PASSWORD 'x';
		GRANT USAGE ON SCHEMA t1 TO scans;
		GRANT SELECT ON files, posts, pictures, notes, walled, t1.u, t1.v TO scans;
		INSERT INTO files SELECT n * 1000 + 7, n, now() FROM generate_series(1, 500) n;
		INSERT INTO notes VALUES (1, 5007), (2, 6007), (3, 1);
	`).ReadAll()
	must(t, err)
	must(t, conn.Close(ctx))
	u, err := url.Parse(server.URL())
	must(t, err)
	u.User = url.UserPassword("scans", "x")
	db, err := postgres.Open(ctx, u.String(), database.Options{})
	must(t, err)
	defer func() { must(t, db.Close()) }()
	yaml := `version: 1
database: postgres:env:APP
buckets: [app]
handles: {table: files, id: ID, key: key, modified: at}
associations:
  posts: {table: posts, object: "\"user\" || '/' || id", handle: file_id, where: id > 0 AND :now > '2000-01-01'}
`
	f := checked(t, db, yaml+`  walled: {table: walled, object: id, handle: file_id}
  locked: {table: locked, object: id, handle: file_id}
  tenants: {table: '/t\d\..*/', object: '{schema}/{id}', handle: file_id}
  wrong: {table: posts, object: id, handle: file_id + name}
  none: {table: absent, object: id, handle: file_id}
  nothing: {table: '/x\..*/', object: id, handle: file_id}
  column: {table: notes, object: id, handle: file_id}
`)
	got := refusals(f)
	if i := slices.IndexFunc(got, func(s string) bool { return strings.HasPrefix(s, "posts\twhat is declared cannot be worked out: ") }); i < 0 || !strings.Contains(got[i], `"name"`) {
		t.Errorf("of an expression: %q", got)
	} else {
		got = slices.Delete(got, i, i+1)
	}
	same(t, "refusals", got, `/x\..*/`+"\tno table matches", "absent\tno such table", "locked\tno right to read it", "notes\tno such column: file_id",
		"pictures\tforeign key file to files is not declared", "t1.v\ta view: rows that it leaves out would not be seen", "walled\trow-level security hides rows from this user")

	f = checked(t, db, yaml+"waive: [pictures.file]\n")
	same(t, "refusals", refusals(f))
	same(t, "notes", notes(f), "notes\tabout is not declared, and 2 of 3 values looked at are ids of handles")
}

// TestMariaDB: likewise; names that are words of SQL, and a table that the user cannot see.
func TestMariaDB(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts a server")
	}
	ctx := context.Background()
	server, err := mysqltest.Start(ctx, "--sql-mode=ANSI_QUOTES")
	if errors.Is(err, mysqltest.ErrMissing) {
		t.Skip(err)
	}
	must(t, err)
	defer func() { must(t, server.Stop()) }()
	config := mysql.NewConfig()
	config.User, config.Net, config.Addr, config.DBName, config.MultiStatements = "root", "unix", server.Socket(), mysqltest.Name, true
	connector, err := mysql.NewConnector(config)
	must(t, err)
	conn, err := connector.Connect(ctx)
	must(t, err)
	_, err = conn.(sqldriver.ExecerContext).ExecContext(ctx, "CREATE TABLE FILES (ID BIGINT PRIMARY KEY, `KEY` VARCHAR(700) NOT NULL, `WHERE` VARCHAR(9), AT TIMESTAMP);"+
		"CREATE TABLE POSTS (ID BIGINT, NUMBER BIGINT, FILE_ID BIGINT, PRIMARY KEY (ID, NUMBER), FOREIGN KEY (FILE_ID) REFERENCES FILES (ID));"+
		"CREATE TABLE PICTURES (ID BIGINT PRIMARY KEY, FILE BIGINT, FOREIGN KEY (FILE) REFERENCES FILES (ID));"+
		"CREATE TABLE OLD (A BIGINT, FILE_ID BIGINT) ENGINE=MyISAM;"+
		"CREATE DATABASE t1; CREATE TABLE t1.u (id BIGINT PRIMARY KEY, file_id BIGINT); CREATE DATABASE t2; CREATE TABLE t2.u (id BIGINT PRIMARY KEY, file_id BIGINT);"+
		"CREATE USER scans IDENTIFIED BY 'x'; GRANT SELECT ON lab.* TO scans; GRANT SELECT ON t1.* TO scans; CREATE USER knows IDENTIFIED BY 'x'; GRANT PROCESS ON *.* TO knows;"+
		"GRANT SELECT ON lab.* TO knows; GRANT SELECT ON t1.* TO knows; CREATE USER all_of_it IDENTIFIED BY 'x'; GRANT SELECT, PROCESS, SLAVE MONITOR ON *.* TO all_of_it", nil)
	must(t, err)
	must(t, conn.Close())
	yaml := `version: 1
database: mysql:env:APP
buckets: [app]
handles: {table: FILES, id: id, key: KEY, bucket: WHERE, modified: AT}
waive: [PICTURES.FILE]
associations:
  posts: {table: POSTS, object: id, handle: FILE_ID, where: ID > 0 AND :now > '2000-01-01'}
  old: {table: OLD, object: a, handle: file_id}
  tenants: {table: '/t\d\.u/', object: '{schema}/{id}', handle: file_id}
`
	for user, want := range map[string][]string{
		"scans":     {`/t\d\.u/` + "\tthere may be tables that this user cannot see"},
		"knows":     {"t2.u\tno right to read it"},
		"all_of_it": nil,
	} {
		db, err := maria.Open(ctx, server.As(user, "x"), database.Options{})
		must(t, err)
		f := checked(t, db, yaml)
		same(t, user+": refusals", refusals(f), want...)
		said := strings.Join(notes(f), "\n")
		for _, part := range []string{"OLD\tis of the engine MyISAM", "OLD\tis read in one stream"} {
			if !strings.Contains(said, part) {
				t.Errorf("%s: it is not told that %s: %s", user, part, said)
			}
		}
		if user == "all_of_it" {
			f = checked(t, db, strings.Replace(yaml, "waive: [PICTURES.FILE]\n", "", 1))
			same(t, user+": refusals", refusals(f), "PICTURES\tforeign key FILE to FILES is not declared")
		}
		must(t, db.Close())
	}
}
