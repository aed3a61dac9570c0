package job

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"testing"

	"cooper"
	"cooper/internal/store/mem"
)

// The incidents of docs/gc-incidents.md that concern what a scan reads, each on a database
// of its own server.

const incidentsHead = `version: 1
database: postgres:env:COOPER_TEST_PLATFORM
buckets: [lab]
reads: [changes]
handles: {table: files, id: id, bucket: =lab, key: key, modified: at}
`

// incident is a platform with three files in the bucket lab, k1 to k3, declared by lines of
// cooper.yaml, without posts.
func incident(t *testing.T, sql, yaml string) *world {
	t.Helper()
	w := newPlatform(t)
	w.store.CreateBucket("lab", "")
	w.store.CreateBucket("changes", "")
	w.sql("DROP TABLE posts; " + sql)
	w.declare(incidentsHead + yaml)
	return w
}

// whole wants a scan to be complete.
func (w *world) whole() {
	w.t.Helper()
	r, err := w.scan(false).Run(w.t.Context(), w.Env)
	if w.ok(err); r.Scanned == nil || !r.Scanned.Complete {
		w.t.Fatalf("not complete: %+v", r.Scanned)
	}
}

// halved wants a scan not to be complete, for a reason.
func (w *world) halved(why string) {
	w.t.Helper()
	r, err := w.scan(false).Run(w.t.Context(), w.Env)
	x := r.Scanned
	if !errors.Is(err, ErrSomeFailed) || x == nil || x.Complete {
		w.t.Fatalf("wanted %q: %+v, %v", why, x, err)
	}
	if said := fmt.Sprintf("%s; unread: %d", strings.Join(x.Suspects, "; "), x.Unread); !strings.Contains(said, why) {
		w.t.Errorf("wanted %q: %s", why, said)
	}
}

// TestIncident02SameKeyOtherSpelling: however an address spells an object, it is one.
func TestIncident02SameKeyOtherSpelling(t *testing.T) {
	w := incident(t, `CREATE TABLE posts (id bigint PRIMARY KEY, body text); INSERT INTO posts VALUES
(1, 's3://lab/k1'), (2, 'https://lab.s3.amazonaws.com/k1?X=1'), (3, 'see https://s3.eu-west-1.amazonaws.com/lab/k1'), (4, 'https://lab.s3.dualstack.us-east-1.amazonaws.com/%6B1'),
(5, 's3://lab2/k2'), (6, 'https://cdn.example.org/k3')`,
		"addresses: {cdn.example.org: lab}\nassociations:\n  bodies: {table: posts, object: id, value: body, as: [addresses]}\n")
	w.whole()
	w.same("links", w.list("links"), "bodies 1 1", "bodies 2 1", "bodies 3 1", "bodies 4 1", "bodies 6 3")
}

// TestIncident05LinkedByAnOlderRevisionOnly: a row is a link, whatever stands beside it.
func TestIncident05LinkedByAnOlderRevisionOnly(t *testing.T) {
	w := incident(t, `CREATE TABLE revisions (page bigint, n bigint, file_id bigint REFERENCES files, PRIMARY KEY (page, n)); INSERT INTO revisions VALUES (1, 1, 1), (1, 2, 2), (1, 3, NULL)`,
		"associations:\n  pages: {table: revisions, object: page, handle: file_id}\n")
	w.whole()
	w.same("linked", w.list("linked"), "1", "2")
}

// TestIncident07SecondDegree: what a change set in a bucket refers to is linked.
func TestIncident07SecondDegree(t *testing.T) {
	w := changeSets(t)
	w.whole()
	w.same("links", w.list("links"), "tables 1 1", "tables 1 2", "tables 2 3")
}

func changeSets(t *testing.T) *world {
	w := incident(t, `CREATE TABLE changes (id bigint PRIMARY KEY, tab bigint, key text); INSERT INTO changes VALUES (10, 1, 'a'), (11, 2, 'b')`,
		"associations:\n  tables: {table: changes, object: tab, fetch: {bucket: =changes, key: key}, as: [json], at: '.rows[] | each'}\n")
	w.store.Put("changes", "a", []byte(`{"rows":[["1"],["2",null]]}`), mem.PutOptions{})
	w.store.Put("changes", "b", []byte(`{"rows":[[3]]}`), mem.PutOptions{})
	return w
}

// TestIncident16MissingChangeSet: one that is not there keeps the scan from being complete,
// until a person has acknowledged that very row.
func TestIncident16MissingChangeSet(t *testing.T) {
	w := changeSets(t)
	w.sql("INSERT INTO changes VALUES (12, 3, 'gone')")
	w.halved("unread: 1")
	w.same("malformed", w.list("malformed"), "tables changes 12 object not there")
	a, err := (&GCAcknowledge{Config: w.path("cooper.yaml"), Association: "tables", Key: "12", Person: "me"}).Run(t.Context(), w.Env)
	if w.ok(err); a.Count != 1 || !a.After.Complete {
		t.Errorf("%+v", a)
	}
	w.whole()
}

// TestIncident08AssociationReadNothing: a table whose rows are gone, or whose values say
// nothing any more, makes the scan suspect.
func TestIncident08AssociationReadNothing(t *testing.T) {
	w := incident(t, `CREATE TABLE posts (id bigint PRIMARY KEY, body jsonb); INSERT INTO posts SELECT i, jsonb_build_object('files', jsonb_build_array(1 + i % 3)) FROM generate_series(1, 50) AS i`,
		"associations:\n  posts: {table: posts, object: id, value: body, as: [json], at: .files}\n")
	w.whole()
	w.sql("DELETE FROM posts WHERE id > 25")
	w.halved("posts: 25 rows, and 50 in the last complete scan")
	w.sql("DELETE FROM posts; INSERT INTO posts SELECT i, jsonb_build_object('files', jsonb_build_array(1 + i % 3)) FROM generate_series(1, 50) AS i")
	w.whole()
	// The program writes them by another name from now on.
	w.sql("UPDATE posts SET body = jsonb_build_object('attachments', body->'files') WHERE id = 7")
	w.halved("posts: values in which an id stands and no link was found: 1")
}

// TestIncident08LinksThatLeadNowhere: a program that begins to write keys in another spelling
// writes as many links as before, and none of them leads to a file.
func TestIncident08LinksThatLeadNowhere(t *testing.T) {
	w := incident(t, `CREATE TABLE posts (id bigint PRIMARY KEY, key text); INSERT INTO posts SELECT i, 'k' || 1 + i % 3 FROM generate_series(1, 50) AS i`,
		"associations:\n  posts: {table: posts, object: id, key: key}\n")
	w.whole()
	w.sql("UPDATE posts SET key = '/' || key WHERE id > 40")
	w.whole() // a few, as files go
	w.sql("UPDATE posts SET key = '/' || key WHERE id BETWEEN 11 AND 40")
	w.halved("posts: 10 links that lead to handles, and 40 in the last complete scan")
	a, err := (&GCAcknowledge{Config: w.path("cooper.yaml"), Association: "posts", Shrunk: true, Person: "me"}).Run(t.Context(), w.Env)
	if w.ok(err); a.Count != 1 || !a.After.Complete {
		t.Errorf("%+v", a)
	}
	w.whole()
	w.sql("UPDATE posts SET key = '/' || key WHERE id <= 10")
	w.halved("posts: 0 links that lead to handles, and 10 in the last complete scan")
	// An association that never leads anywhere is told the first time.
	w.declare(incidentsHead + "associations:\n  others: {table: posts, object: id, key: key}\n")
	w.halved("others: 50 links, and none leads to a handle")
}

// TestIncident08NothingFromTheBeginning: a name that was never right is found by the first scan.
func TestIncident08NothingFromTheBeginning(t *testing.T) {
	w := incident(t, `CREATE TABLE posts (id bigint PRIMARY KEY, body jsonb); INSERT INTO posts VALUES (1, '{"files":[1]}'), (2, '{}')`,
		"associations:\n  posts: {table: posts, object: id, value: body, as: [json], at: .flies}\n")
	w.halved("posts: values in which an id stands and no link was found: 1")
}

// TestIncident11SharedKey: a link by key is one to every handle that has it.
func TestIncident11SharedKey(t *testing.T) {
	w := incident(t, `INSERT INTO files VALUES (4, 'k1', '2026-01-01'); CREATE TABLE posts (id bigint PRIMARY KEY, key text); INSERT INTO posts VALUES (1, 'k1')`,
		"associations:\n  posts: {table: posts, object: id, key: key}\n")
	w.whole()
	w.same("links", w.list("links"), "posts 1 1", "posts 1 4")
}

// TestIncidentJQTraps: what would answer nothing for what it does not understand is refused,
// and what is not understood is told.
func TestIncidentJQTraps(t *testing.T) {
	w := incident(t, `CREATE TABLE posts (id bigint PRIMARY KEY, body jsonb); INSERT INTO posts VALUES (1, '{"files":[1]}'), (2, '{"files":"oops"}'), (3, 'false'), (4, '{"files":null}')`, "")
	for _, at := range []string{".files[]?", ".files // empty", "try .files[]"} {
		w.declare(incidentsHead + "associations:\n  posts: {table: posts, object: id, value: body, as: [json], at: '" + at + "'}\n")
		_, err := w.scan(false).Run(t.Context(), w.Env)
		w.refused(err, cooper.KindRefused)
	}
	w.declare(incidentsHead + "associations:\n  posts: {table: posts, object: id, value: body, as: [json], at: '.files | each'}\n")
	w.halved("unread: 2")
	w.same("links", w.list("links"), "posts 1 1")
}

// TestIncidentPaging: keys are in the order of the database, not in ours, and composite.
func TestIncidentPaging(t *testing.T) {
	w := incident(t, `CREATE TABLE posts (a text, b bigint, file_id bigint, PRIMARY KEY (a, b));
INSERT INTO posts SELECT k, i, 1 + i % 3 FROM unnest(ARRAY['a', 'a-b', 'A1', 'ab', 'é', '']) AS k, generate_series(1, 5000) AS i`,
		"limits: {rows_per_second: 1000000}\nassociations:\n  posts: {table: posts, object: '{a}/{b}', handle: file_id}\n")
	w.whole()
	if n := len(w.list("links")); n != 30000 {
		t.Errorf("%d links", n)
	}
}

// TestIncidentSilentRowFilters: rows that a policy hides are no scan, also when it is switched
// on between plan and apply.
func TestIncidentSilentRowFilters(t *testing.T) {
	w := incident(t, `CREATE TABLE posts (id bigint PRIMARY KEY, file_id bigint REFERENCES files); INSERT INTO posts VALUES (1, 1), (2, 2);
CREATE ROLE reader LOGIN PASSWORD 'r-word'; GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader; CREATE POLICY few ON posts USING (id = 1)`,
		"associations:\n  posts: {table: posts, object: id, handle: file_id}\n")
	owner := os.Getenv("COOPER_TEST_PLATFORM")
	u, err := url.Parse(owner)
	w.ok(err)
	u.User = url.UserPassword("reader", "r-word")
	t.Setenv("COOPER_TEST_PLATFORM", u.String())
	w.whole()
	r, err := w.scan(true).Run(t.Context(), w.Env)
	w.ok(err)
	t.Setenv("COOPER_TEST_PLATFORM", owner)
	w.sql("ALTER TABLE posts ENABLE ROW LEVEL SECURITY")
	t.Setenv("COOPER_TEST_PLATFORM", u.String())
	if got, err := Apply(t.Context(), w.Env, r.Plan.ID, Options{Jobs: 2}); err == nil || got.Scanned != nil && got.Scanned.Complete {
		t.Errorf("behind a policy: %+v, %v", got.Scanned, err)
	}
	_, err = w.scan(false).Run(t.Context(), w.Env)
	w.refused(err, cooper.KindRefused)
	w.same("refusals", w.refusals(), "posts row-level security hides rows from this user")
}

// TestIncidentSessions: times are what they are, whatever the server thinks of zones.
func TestIncidentSessions(t *testing.T) {
	w := incident(t, `CREATE TABLE posts (id bigint PRIMARY KEY, file_id bigint); DELETE FROM files WHERE id > 1; UPDATE files SET at = '2026-01-01T00:00:00Z'`,
		"associations:\n  posts: {table: posts, object: id, handle: file_id}\n")
	w.whole()
	before := w.rows("SELECT DISTINCT CAST(modified AS VARCHAR) FROM gc_handle")
	w.sql("ALTER ROLE CURRENT_USER SET TimeZone = 'Asia/Kolkata'")
	w.whole()
	w.same("modified", w.rows("SELECT DISTINCT CAST(modified AS VARCHAR) FROM gc_handle"), before...)
}

// TestIncident09SchemaMovedOn: a place that is new, or another, since the scan was planned
// is found when it is carried out, and when its ranges have been read.
func TestIncident09SchemaMovedOn(t *testing.T) {
	w := incident(t, `CREATE TABLE posts (id bigint PRIMARY KEY, file_id bigint); INSERT INTO posts SELECT i, 1 + i % 3 FROM generate_series(1, 100) AS i; CREATE TABLE more (id bigint PRIMARY KEY, f bigint)`,
		"associations:\n  posts: {table: posts, object: id, handle: file_id}\n")
	w.whole()
	for _, change := range []string{
		"ALTER TABLE posts RENAME file_id TO f; ALTER TABLE posts ADD file_id bigint; UPDATE posts SET file_id = f WHERE id > 5",
		"ALTER TABLE more ADD FOREIGN KEY (f) REFERENCES files",
	} {
		r, err := w.scan(true).Run(t.Context(), w.Env)
		w.ok(err)
		w.sql(change)
		got, err := Apply(t.Context(), w.Env, r.Plan.ID, Options{Jobs: 2})
		if w.refused(err, cooper.KindRefused); got.Scanned != nil {
			t.Errorf("%s: %+v", change, got.Scanned)
		}
	}
	w.sql("ALTER TABLE more DROP CONSTRAINT more_f_fkey")
	// While it is read: once its last range is.
	changed := false
	w.stopped = func() {
		if !changed {
			changed = true
			w.sql("ALTER TABLE more ADD FOREIGN KEY (f) REFERENCES files")
		}
	}
	r, err := w.scan(false).Run(t.Context(), w.Env)
	if w.refused(err, cooper.KindRefused); !changed || r.Scanned != nil {
		t.Errorf("%v, %+v", changed, r.Scanned)
	}
}

// TestIncidentConditionOfNull: rows for which a condition is neither true nor false are told
// by name, with the remedy.
func TestIncidentConditionOfNull(t *testing.T) {
	w := incident(t, `CREATE TABLE posts (id bigint PRIMARY KEY, file_id bigint, state text); INSERT INTO posts SELECT i, 1, CASE WHEN i % 4 > 0 THEN 'live' END FROM generate_series(1, 40) AS i;
CREATE TABLE holds (id bigint PRIMARY KEY, file_id bigint, lifted boolean); INSERT INTO holds VALUES (1, 1, NULL), (2, 2, true)`,
		"protect: [{table: holds, handle: file_id, where: not lifted}]\nassociations:\n  posts: {table: posts, object: id, handle: file_id, where: \"state <> 'deleted'\"}\n")
	r, err := (&GCCheck{Config: w.path("cooper.yaml")}).Run(t.Context(), w.Env)
	w.ok(err)
	told := fmt.Sprint(r.Notes)
	for _, want := range []string{"for 10 of 40 rows looked at", "for 1 of 2 rows looked at", "IS DISTINCT FROM"} {
		if !strings.Contains(told, want) {
			t.Errorf("%q is not told: %s", want, told)
		}
	}
}

// TestIncidentMaterializedView: what it does not have yet is not seen, so that it is refused,
// unless a person has waived that.
func TestIncidentMaterializedView(t *testing.T) {
	const yaml = "associations:\n  posts: {table: seen, object: id, handle: file_id}\n  plain: {table: plain, object: id, handle: file_id}\n"
	w := incident(t, `CREATE TABLE posts (id bigint PRIMARY KEY, file_id bigint); INSERT INTO posts VALUES (1, 1); CREATE MATERIALIZED VIEW seen AS SELECT * FROM posts; CREATE VIEW plain AS SELECT * FROM posts`, yaml)
	_, err := w.scan(false).Run(t.Context(), w.Env)
	w.refused(err, cooper.KindRefused)
	w.same("refusals", w.refusals(), "seen a materialised view: what was written since it was refreshed last is not seen, and nobody knows when that was")
	w.declare(incidentsHead + "waive: [seen.id]\n" + yaml)
	w.whole()
}

// TestIncidentSlowCreep: no step is suspect, and all of them together are told.
func TestIncidentSlowCreep(t *testing.T) {
	w := incident(t, `CREATE TABLE posts (id bigint PRIMARY KEY, file_id bigint); INSERT INTO posts SELECT i, 1 FROM generate_series(1, 300) AS i`, "associations:\n  posts: {table: posts, object: id, handle: file_id}\n")
	w.whole()
	w.sql("DELETE FROM posts WHERE id <= 20")
	w.whole()
	w.sql("DELETE FROM posts WHERE id <= 40")
	r, err := w.scan(false).Run(t.Context(), w.Env)
	w.ok(err)
	stood, err := (&GCStatus{Config: w.path("cooper.yaml")}).Run(t.Context(), w.Env)
	w.ok(err)
	const want = "posts: 260 rows, and 300 at most in the complete scans before that the ledger knows"
	w.same("warned", r.Scanned.Warnings, want)
	if !strings.Contains(strings.Join(stood.Warnings, "\n"), want) {
		t.Errorf("%q", stood.Warnings)
	}
}
