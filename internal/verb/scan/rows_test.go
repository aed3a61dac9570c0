package scan

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"cooper"
	"cooper/internal/config"
	"cooper/internal/database"
	"cooper/internal/database/mysql"
	"cooper/internal/database/mysqltest"
	pg "cooper/internal/database/postgres"
	"cooper/internal/postgres/pgtest"
	"cooper/internal/store/mem"
)

// onPostgres is a database on PostgreSQL that SQL makes, and a configuration.
func onPostgres(t testing.TB, sql, yaml string) *world {
	t.Helper()
	s, err := elephant()
	if errors.Is(err, pgtest.ErrMissing) {
		t.Skip(err)
	}
	must(t, err)
	dsn := catalog(t, s)
	client(t, sql, "psql", "-q", "-v", "ON_ERROR_STOP=1", dsn)
	db, err := pg.Open(ctx, dsn, quick())
	must(t, err)
	t.Cleanup(func() { must(t, db.Close()) })
	return newWorld(t, db, parsed(t, "version: 1\ndatabase: postgres:env:DSN\n"+yaml))
}

// onMaria is the same on MariaDB.
func onMaria(t testing.TB, sql, yaml string) *world {
	t.Helper()
	s, err := maria()
	if errors.Is(err, mysqltest.ErrMissing) {
		t.Skip(err)
	}
	must(t, err)
	dsn, command := schema(t, s)
	client(t, sql, command...)
	db, err := mysql.Open(ctx, dsn, quick())
	must(t, err)
	t.Cleanup(func() { must(t, db.Close()) })
	return newWorld(t, db, parsed(t, "version: 1\ndatabase: mysql:env:DSN\n"+yaml))
}

func client(t testing.TB, sql string, command ...string) {
	t.Helper()
	cmd := exec.Command(command[0], command[1:]...) //nolint:gosec // a client of a test's
	cmd.Stdin = strings.NewReader(sql)
	if out, err := cmd.CombinedOutput(); errors.Is(err, exec.ErrNotFound) {
		t.Skip(err)
	} else if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// parsed reads a configuration from a file of the user's own: it may run commands.
func parsed(t testing.TB, yaml string) *config.Config {
	t.Helper()
	dir := t.TempDir()
	must(t, os.Chmod(dir, 0o700)) //nolint:gosec // a directory
	path := filepath.Join(dir, "cooper.yaml")
	must(t, os.WriteFile(path, []byte(yaml), 0o600))
	c, err := config.Load(path)
	must(t, err)
	return c
}

func gz(s string) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, err := z.Write([]byte(s))
	if err = errors.Join(err, z.Close()); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// TestHandles: what is declared of handles comes into the facts; rows that `where` leaves
// out index their objects; what cannot be read is malformed.
func TestHandles(t *testing.T) {
	w := onPostgres(t, `
CREATE TABLE files (id bigint PRIMARY KEY, "key" text, bucket text, "Size" bigint, changed bigint, made timestamptz, thumb bigint, state text, ok boolean);
INSERT INTO files VALUES (1, 'a b', 'one', 10, 1700000000, '2026-01-01 00:00:00+01', 2, 'NEW', true), (2, 'thumb', 'one', NULL, 0, NULL, NULL, NULL, NULL), (3, NULL, 'one', 5, -1, 'infinity', 3, 'NEW', true),
 (4, 'x', NULL, 5, NULL, NULL, NULL, NULL, false), (-5, 'y', 'one', 5, NULL, NULL, NULL, NULL, true);
CREATE TABLE old (ref uuid, url text, of text);
INSERT INTO old VALUES ('00000000-0000-0000-0000-00000000000A', 'https://one.s3.amazonaws.com/a%20b?x', NULL), ('00000000-0000-0000-0000-00000000000b', 's3://other/k', '{0000000000000000000000000000000A}'),
 ('00000000-0000-0000-0000-00000000000c', 'nonsense', 'nonsense'), (NULL, 's3://one/n', ''), ('00000000-0000-0000-0000-00000000000d', '', '');
CREATE TABLE holds (n int PRIMARY KEY, ids bigint[], gone boolean); INSERT INTO holds VALUES (1, '{1,NULL,2}', false), (2, '{3}', true), (3, '{-1}', NULL);
CREATE TABLE copies (a text, b text); INSERT INTO copies VALUES ('2', '1'), (NULL, '1'), ('2', NULL), ('2', 'x');
`, `
buckets: [one, two]
handles:
  file: {table: files, id: id, where: ok, bucket: bucket, key: key, size: Size, modified: {column: changed, unit: s, unknown: [0, -1]}, created: made, preview: thumb, status: {column: state}}
  old: {query: "SELECT ref, url, of FROM old", id: ref, location: url, preview_of: of}
derived: {copy: {of: file, sql: "SELECT a AS derived, b AS source FROM copies"}}
protect: [{table: holds, handle: ids, of: file, where: gone IS NOT TRUE}]
associations: {none: {table: files, object: id, handle: id, where: false}}
`)
	w.whole(2)
	same(t, "handles", w.handles(), []string{
		"file:1 one/a b 10 2023-11-14T22:13:20Z 2025-12-31T23:00:00Z NEW true",
		"file:2 one/thumb -1    false",
		"file:3 / 5   NEW true",
		"file:4 / 5    false",
		"old:00000000-0000-0000-0000-00000000000a one/a b -1    true",
		"old:00000000-0000-0000-0000-00000000000b other/k -1    true",
		"old:00000000-0000-0000-0000-00000000000c / -1    true",
		"old:00000000-0000-0000-0000-00000000000d / -1    true",
	})
	same(t, "held", w.held(), []string{
		"copy file:2 from 1", "preview file:2 from 1", "preview file:3 from 3",
		"preview_of old:00000000-0000-0000-0000-00000000000b from 00000000-0000-0000-0000-00000000000a",
		"protect holds file:1", "protect holds file:2",
	})
	same(t, "malformed", w.malformed(), []string{
		"derived copy\t\t2,x\tnot an id: x",
		"handles file\tfiles\t-5\tnot an id: -5",
		"handles old\t\t00000000-0000-0000-0000-00000000000c\tnot an address",
		"handles old\t\t00000000-0000-0000-0000-00000000000c\tnot an id: nonsense",
		"handles old\t\tNULL\ta handle without an id",
		"protect\tholds\t3\tnot an id: -1",
	})
}

// TestLinks: the forms of associations.
func TestLinks(t *testing.T) {
	w := onPostgres(t, `
CREATE TABLE files (id bigint PRIMARY KEY, "key" text, bucket text); INSERT INTO files SELECT n, 'k' || n, CASE WHEN n > 5 THEN 'two' ELSE 'one' END FROM generate_series(1, 9) n; INSERT INTO files VALUES (10, 'k10', 'three');
CREATE TABLE words (id text PRIMARY KEY, "key" text); INSERT INTO words VALUES ('red', 'r'), ('007', 's'), ('A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11', 'u');
CREATE TABLE lists (id int PRIMARY KEY, ids bigint[], keys text[], "order" text, doc json, place text);
INSERT INTO lists VALUES (1, '{{1,2},{2,NULL}}', '{k1,k7,"",NULL}', 'red', '{"a":[1,"2",{"b":3}]}', NULL), (2, NULL, NULL, '', '{"a":null,"n":"see 4, or 123456"}', 'one'),
 (3, '{}', '{nope}', '007', '{"a":1.5}', 'two'), (4, '{-1,3}', '{}', 'a0eebc999c0b4ef8bb6d6bb9bd380a11', '{"a":7,"a":8}', ''), (5, '{}', '{k1,k10}', '7', '{}', NULL);
CREATE VIEW nokey AS SELECT id AS what, 'x' || id AS bad FROM lists WHERE id < 3;
CREATE TABLE uniq (a int NOT NULL, b timestamptz NOT NULL, h text, UNIQUE (b, a)); INSERT INTO uniq VALUES (1, '2026-01-01 12:00:00+05', '12 '), (2, '2026-01-01', '3');
CREATE SCHEMA t_1; CREATE SCHEMA t_2; CREATE TABLE t_1.up (id int PRIMARY KEY, h text); CREATE TABLE t_2.up (id int PRIMARY KEY, h text); INSERT INTO t_1.up VALUES (1, '5'); INSERT INTO t_2.up VALUES (1, '6'), (2, 'six');
CREATE TABLE texts (id int PRIMARY KEY, at timestamptz, body text);
INSERT INTO texts VALUES (1, '2026-02-27', 'see s3://one/k1. and //one.s3.amazonaws.com/k2, one.s3.amazonaws.com/k3 or one.s3.amazonaws.com/k4x'), (2, '2025-01-01', 's3://one/k9'), (3, '2026-02-28', 's3://elsewhere/k1');
`, `
buckets: [one, two]
handles:
  file: {table: files, id: id, bucket: bucket, key: key}
  word: {table: words, id: id, bucket: =two, key: key}
associations:
  arrays: {table: lists, object: id, handle: ids}
  keys: {table: lists, object: "'o' || id", key: keys, of: file}
  placed: {table: lists, object: id, key: order, bucket: place}
  words: {table: lists, object: '{table}/{id}/{order}', handle: order, of: word}
  docs: {table: lists, object: id, value: doc, as: [json], at: '.a | each'}
  nokey: {table: nokey, object: what, handle: bad}
  uniq: {table: uniq, object: a, handle: h}
  tenants: {table: '/t_.\.up/', object: '{schema}-{id}', handle: h}
  urls: {table: texts, object: id, where: at > :now - interval '30 days', value: body, as: [addresses]}
`)
	w.whole(2)
	same(t, "links", w.links(), []string{
		"arrays\t1\tfile:1", "arrays\t1\tfile:2", "arrays\t4\tfile:3",
		"docs\t1\tfile:1", "docs\t1\tfile:2",
		"keys\to1\tfile:1", "keys\to1\tfile:7", "keys\to3\tkey:one/nope", "keys\to5\tfile:1", "keys\to5\tfile:10",
		"placed\t3\tkey:two/007",
		"tenants\tt_1-1\tfile:5", "tenants\tt_2-1\tfile:6",
		"uniq\t2\tfile:3",
		"urls\t1\tfile:1", "urls\t1\tfile:2", "urls\t1\tfile:3",
		"words\tlists/1/red\tword:red", "words\tlists/3/007\tword:007", "words\tlists/4/a0eebc999c0b4ef8bb6d6bb9bd380a11\tword:a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "words\tlists/5/7\tword:7",
	})
	same(t, "malformed", w.malformed(), []string{
		"arrays\tlists\t4\tnot an id: -1",
		"docs\tlists\t1\tnot an id: {\"b\":3}",
		"docs\tlists\t3\tnot a list: 1.5",
		"docs\tlists\t4\tJSON with one name twice: a",
		"nokey\tnokey\t1\tnot an id: x1", "nokey\tnokey\t2\tnot an id: x2",
		"placed\tlists\t1\ta key without a bucket", "placed\tlists\t4\ta key without a bucket", "placed\tlists\t5\ta key without a bucket",
		"tenants\tt_2.up\t2\tnot an id: six",
		"uniq\tuniq\t2026-01-01 07:00:00+00,1\tnot an id: '12 '",
	})
	counts := w.counted()
	for name, want := range map[string][4]int64{"arrays": {5, 3, 1, 0}, "docs": {5, 2, 3, 1}, "urls": {2, 3, 0, 0}, "words": {5, 4, 0, 0}} {
		if counts[name] != want {
			t.Errorf("%s: rows, links, malformed, silent: %v, not %v", name, counts[name], want)
		}
	}
}

// TestObjects: what is in objects that a table lists. Those that cannot be read are
// malformed, and their rows are known again.
func TestObjects(t *testing.T) {
	w := onMaria(t, `
CREATE TABLE files (ID bigint PRIMARY KEY, K varbinary(100)); INSERT INTO files VALUES (1, 'a'), (2, 'b'), (3, 'c'), (4, 'd');
CREATE TABLE sets (ID int PRIMARY KEY, B varchar(50), K varchar(100), URL text);
INSERT INTO sets VALUES (1, 'sets', 'good', 's3://sets/good'), (2, 'sets', 'gone', 'https://sets.s3.amazonaws.com/go%6Fd'), (3, 'sets', 'cold', NULL), (4, 'sets', 'huge', ''), (5, 'sets', NULL, 'nonsense'),
 (6, NULL, 'good', 's3://private/x'), (7, 'private', 'good', 's3://sets/good.'), (8, 'sets', 'bad', 's3://sets/a%6Fb'), (9, 'sets', 'empty', 's3://sets/gone'), (10, 'sets', 'silent', 's3://sets/cold');
`, `
buckets: [data]
reads: [sets]
limits: {unpacked: 1KiB}
handles: {table: files, id: ID, key: K}
associations:
  byKey: {table: sets, object: ID, fetch: {bucket: B, key: K}, as: [gzip, json], at: '.ids | each'}
  byURL: {table: sets, object: ID, fetch: {location: URL}, as: [gzip, json], at: '.ids | each'}
`)
	server := mem.New(mem.Options{})
	server.CreateBucket("sets", "")
	for key, body := range map[string][]byte{"good": gz(`{"ids":[1,"2",2]}`), "bad": []byte("no"), "cold": gz(`{"ids":[3]}`), "huge": bytes.Repeat([]byte("x"), 1025), "empty": nil, "silent": gz(`{"id":[4]}`)} {
		server.Put("sets", key, body, mem.PutOptions{Class: map[bool]string{true: "GLACIER"}[key == "cold"]})
	}
	_, w.store = served(t, server)
	w.whole(3)
	same(t, "links", w.links(), []string{"byKey\t1\t1", "byKey\t1\t2", "byURL\t1\t1", "byURL\t1\t2", "byURL\t2\t1", "byURL\t2\t2"})
	same(t, "malformed", w.malformed(), []string{
		"byKey\tsets\t2\tobject not there", "byKey\tsets\t3\tobject archived", "byKey\tsets\t4\tunpacks to more than the limit",
		"byKey\tsets\t6\ta key without a bucket", "byKey\tsets\t7\tan object in a bucket that is not declared: private", "byKey\tsets\t8\tnot gzip", "byKey\tsets\t9\tempty, where a document must be",
		"byURL\tsets\t10\tobject archived", "byURL\tsets\t5\tnot an address", "byURL\tsets\t6\tan object in a bucket that is not declared",
		"byURL\tsets\t7\tobject not there", "byURL\tsets\t8\tobject not there", "byURL\tsets\t9\tobject not there",
	})
	if c := w.counted()["byKey"]; c[3] != 1 {
		t.Errorf("%d silent values", c[3])
	}
}

// TestExec: commands are given lines, and give as many.
func TestExec(t *testing.T) {
	w := onMaria(t, `
CREATE TABLE files (ID bigint PRIMARY KEY, K varchar(100)); INSERT INTO files VALUES (1, 'a'), (2, 'b'), (3, 'c');
CREATE TABLE v (ID int PRIMARY KEY, T text, B blob);
INSERT INTO v VALUES (1, '<1>,<2>', '<1>,<2>'), (2, NULL, NULL), (3, 'drop', 'drop'), (4, '', ''), (5, 'a\nb', 'a\nb'), (6, '<3>', '<3>'), (7, 'x', 'x');
`, `
buckets: [data]
handles: {table: files, id: ID, key: K}
associations:
  texts: {table: v, object: ID, value: T, as: [{exec: [sed, -u, -e, '/drop/d', -e, 's/[<>]//g']}], split: ','}
  bytes: {table: v, object: ID, value: B, as: [{exec: [./decode]}], split: ','}
`)
	must(t, os.WriteFile(filepath.Join(w.config.Dir, "decode"), []byte("#!/bin/sh\nwhile read -r line; do printf %s \"$line\" | base64 -d | tr -d '<>\\n'; echo; done\n"), 0o700)) //nolint:gosec // it is run
	w.whole(100)
	same(t, "links", w.links(), []string{"bytes\t1\t1", "bytes\t1\t2", "bytes\t6\t3", "texts\t1\t1", "texts\t1\t2", "texts\t6\t3"})
	same(t, "malformed", w.malformed(), []string{
		"bytes\tv\t3\tnot an id: drop", "bytes\tv\t5\tnot an id: ab", "bytes\tv\t7\tnot an id: x",
		"texts\tv\t3\tcommand: it gave 0 lines for 1", "texts\tv\t5\ta line break in what is given to a command", "texts\tv\t7\tnot an id: x",
	})
}

// TestFailures: an error of the database fails the range alone, with its kind, and the next
// run reads it; a server that does not answer ends the run.
func TestFailures(t *testing.T) {
	w := onMaria(t, `
CREATE TABLE files (ID bigint PRIMARY KEY, K varchar(100)); INSERT INTO files VALUES (1, 'a');
CREATE TABLE a (ID int PRIMARY KEY, F bigint); INSERT INTO a VALUES (1, 1);
CREATE TABLE b (ID int PRIMARY KEY, F bigint); INSERT INTO b VALUES (1, 1);
`, `
buckets: [data]
handles: {table: files, id: ID, key: K}
associations: {a: {table: a, object: ID, handle: F}, b: {table: b, object: ID, handle: F}}
`)
	w.planned(10)
	real := w.db
	w.db = &harmed{Database: real, table: "a", err: &cooper.Error{Kind: cooper.KindDenied, Message: "no"}}
	for again := range 2 {
		sum, err := w.run(ctx)
		must(t, err)
		if sum.Finished || sum.Open != 1 || sum.Kinds[cooper.KindDenied] != 1 || sum.Count(cooper.Done) != int64(2-2*again) {
			t.Errorf("%+v", sum)
		}
		same(t, "links", w.links(), []string{"b\t1\t1"})
	}
	w.db = real
	if sum, err := w.run(ctx); err != nil || !sum.Finished || sum.Committed != 1 {
		t.Error(sum, err)
	}
	same(t, "links", w.links(), []string{"a\t1\t1", "b\t1\t1"})

	// Where handles could not be read, what links to them is not either.
	h := newWorld(t, &harmed{Database: real, table: "files", err: &cooper.Error{Kind: cooper.KindTimeout, Message: "locked"}}, w.config)
	h.planned(10)
	if sum, err := h.run(ctx); err != nil || sum.Finished || sum.Open != 1 || sum.Count(cooper.Done) != 0 {
		t.Error(sum, err)
	}
	h.db = real
	if sum, err := h.run(ctx); err != nil || !sum.Finished {
		t.Error(sum, err)
	}
	same(t, "links", h.links(), []string{"a\t1\t1", "b\t1\t1"})

	v := newWorld(t, &harmed{Database: real, table: "a", err: &cooper.Error{Kind: cooper.KindStore, Message: "down"}, down: true}, w.config)
	v.planned(10)
	if _, err := v.run(ctx); cooper.KindOf(err) != cooper.KindStore || !strings.Contains(cooper.RemedyOf(err), "goes on") {
		t.Error(err)
	}
	v.db = real
	if sum, err := v.run(ctx); err != nil || !sum.Finished {
		t.Error(sum, err)
	}
	same(t, "links", v.links(), []string{"a\t1\t1", "b\t1\t1"})
}

// harmed is a database in which reading a table fails.
type harmed struct {
	database.Database
	table string
	err   error
	down  bool // it does not answer at all
}

// Load fails where it is down.
func (h *harmed) Load(ctx context.Context) (database.Load, error) {
	if h.down {
		return database.Load{}, h.err
	}
	return h.Database.Load(ctx)
}

// Read fails behind the first rows.
func (h *harmed) Read(ctx context.Context, s *database.Source, r database.Range, sink database.Sink) error {
	if s.Table == nil || s.Table.Table != h.table {
		return h.Database.Read(ctx, s, r, sink)
	}
	if err := h.Database.Read(ctx, s, r, sink); err != nil {
		return err
	}
	return h.err
}
