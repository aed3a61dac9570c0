package job

import (
	"errors"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"cooper"
	"cooper/internal/config"
	"cooper/internal/gc"
	"cooper/internal/postgres/pgtest"
)

const platformSQL = `CREATE TABLE files (id bigint PRIMARY KEY, key text NOT NULL, at timestamptz NOT NULL);
CREATE TABLE posts (id bigint PRIMARY KEY, file_id bigint REFERENCES files);
INSERT INTO files SELECT i, 'k' || i, '2026-01-01' FROM generate_series(1, 3) AS i;
INSERT INTO posts VALUES (1, 1), (2, 2), (3, NULL);`

const platformYAML = `version: 1
database: postgres:env:COOPER_TEST_PLATFORM
buckets: [app]
handles: {table: files, id: id, bucket: =app, key: key, modified: at}
associations:
  posts: {table: posts, object: id, handle: file_id}
`

// newPlatform is a world with a small platform on a server of its own, by whose clock it
// goes: ages are told by it. Where no PostgreSQL is installed, the test is skipped.
func newPlatform(t *testing.T) *world {
	t.Helper()
	s, err := pgtest.Start(t.Context())
	if errors.Is(err, pgtest.ErrMissing) {
		t.Skip(err)
	}
	w := newWorld(t)
	w.ok(err)
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	t.Setenv("COOPER_TEST_PLATFORM", s.URL())
	w.sql(platformSQL)
	w.declare(platformYAML)
	w.Clock = time.Now // as the server has it: a clock that is apart is refused
	return w
}

// sql changes the platform.
func (w *world) sql(text string) {
	w.t.Helper()
	conn, err := pgx.Connect(w.t.Context(), os.Getenv("COOPER_TEST_PLATFORM"))
	w.ok(err)
	_, err = conn.Exec(w.t.Context(), text)
	w.ok(err)
	w.ok(conn.Close(w.t.Context()))
}

func (w *world) declare(text string) {
	w.t.Helper()
	w.ok(os.WriteFile(w.path("cooper.yaml"), []byte(text), 0o600))
}

func (w *world) scan(planOnly bool) *GCScan {
	return &GCScan{Config: w.path("cooper.yaml"), PlanOnly: planOnly, Options: Options{Jobs: 4}}
}

// list are the rows of a list.
func (w *world) list(name string) (rows []string) {
	w.t.Helper()
	err := (&GCList{Config: w.path("cooper.yaml"), Name: name}).Run(w.t.Context(), w.Env, func([]string) {}, func(row []string) error {
		rows = append(rows, strings.Join(row, " "))
		return nil
	})
	w.ok(err)
	return rows
}

// TestScanOfGarbage: what would make a scan blind is refused, and what it is worth is told.
func TestScanOfGarbage(t *testing.T) {
	w := newPlatform(t)
	r, err := w.scan(false).Run(t.Context(), w.Env)
	r = w.went(r, err, gc.Mission)
	if s := r.Scanned; s == nil || !s.Complete || s.Handles != 3 || s.Links != 2 {
		t.Errorf("%+v", s)
	}
	stood, err := (&GCStatus{Config: w.path("cooper.yaml")}).Run(t.Context(), w.Env)
	w.ok(err)
	w.same("counted", stood.Counted, r.Plan.ID)

	w.sql("CREATE TABLE more (id bigint PRIMARY KEY, file_id bigint REFERENCES files)")
	_, err = w.scan(false).Run(t.Context(), w.Env)
	w.refused(err, cooper.KindRefused)
	w.same("refusals", w.refusals(), "more foreign key file_id to files is not declared")
	w.sql("DROP TABLE more; ALTER TABLE posts ALTER file_id TYPE text USING file_id, DROP CONSTRAINT posts_file_id_fkey; UPDATE posts SET file_id = 'n/a' WHERE id = 1")

	r, err = w.scan(false).Run(t.Context(), w.Env)
	if s := r.Scanned; !errors.Is(err, ErrSomeFailed) || s == nil || s.Complete || s.Unread != 1 {
		t.Errorf("with a value that cannot be read: %+v, %v", s, err)
	}
	w.same("malformed", w.list("malformed"), "posts posts 1 not an id: n/a")
	_, err = (&GCAcknowledge{Config: w.path("cooper.yaml"), Association: "posts", Key: "2", Person: "me"}).Run(t.Context(), w.Env)
	w.refused(err, cooper.KindUsage)
	a, err := (&GCAcknowledge{Config: w.path("cooper.yaml"), Association: "posts", Key: "1", Person: "me"}).Run(t.Context(), w.Env)
	w.ok(err)
	if a.Count != 1 || !a.After.Complete {
		t.Errorf("%+v", a)
	}

	// None of the rows is left: that is accepted by name, once.
	w.sql("DELETE FROM posts")
	r, err = w.scan(false).Run(t.Context(), w.Env)
	if s := r.Scanned; !errors.Is(err, ErrSomeFailed) || s == nil || len(s.Suspects) != 2 {
		t.Errorf("without rows: %+v, %v", s, err)
	}
	a, err = (&GCAcknowledge{Config: w.path("cooper.yaml"), Association: "posts", Shrunk: true, Person: "me"}).Run(t.Context(), w.Env)
	w.ok(err)
	if a.Count != 2 || !a.After.Complete {
		t.Errorf("%+v", a)
	}
}

// TestChangedSincePlanned: a plan does not outlive the tables and keys that it was made for.
func TestChangedSincePlanned(t *testing.T) {
	w := newPlatform(t)
	r, err := w.scan(true).Run(t.Context(), w.Env)
	w.ok(err)
	w.sql("CREATE TABLE more (id bigint PRIMARY KEY, file_id bigint REFERENCES files)")
	_, err = Apply(t.Context(), w.Env, r.Plan.ID, Options{Jobs: 4})
	w.refused(err, cooper.KindRefused)
	w.declare(platformYAML + "  more: {table: more, object: id, handle: file_id}\n")
	_, err = Apply(t.Context(), w.Env, r.Plan.ID, Options{Jobs: 4})
	w.refused(err, cooper.KindRefused)
	w.sql("DROP TABLE more")
	w.declare(platformYAML)
	done, err := Apply(t.Context(), w.Env, r.Plan.ID, Options{Jobs: 4})
	w.went(done, err, gc.Mission)
}

// TestOldScansGo: facts of a scan go when three newer complete ones stand, but not while it
// counts, nor while somebody reads.
func TestOldScansGo(t *testing.T) {
	w := newPlatform(t)
	w.declare(platformYAML + "detect: {scans: 2, apart: 0s}\n")
	var ids []string
	for range 4 {
		r, err := w.scan(false).Run(t.Context(), w.Env)
		w.ok(err)
		ids = append(ids, r.Plan.ID)
	}
	w.same("scans", w.rows("SELECT scan FROM gc_scan ORDER BY scan"), ids[1:]...)
	w.same("links", w.rows("SELECT DISTINCT scan FROM gc_link ORDER BY scan"), ids[1:]...)
	// Four that count are four that stay.
	w.declare(platformYAML + "detect: {scans: 4, apart: 0s}\n")
	r, err := w.scan(false).Run(t.Context(), w.Env)
	w.ok(err)
	ids = append(ids, r.Plan.ID)
	w.same("scans", w.rows("SELECT scan FROM gc_scan ORDER BY scan"), ids[1:]...)
}

// TestAcceptDatabase: another server is refused until a person accepts it, and the count
// begins anew.
func TestAcceptDatabase(t *testing.T) {
	w := newPlatform(t)
	_, err := w.scan(false).Run(t.Context(), w.Env)
	w.ok(err)
	// A copy is a database of another name.
	w.sql("CREATE DATABASE copy TEMPLATE template0")
	u, err := url.Parse(os.Getenv("COOPER_TEST_PLATFORM"))
	w.ok(err)
	u.Path = "/copy"
	t.Setenv("COOPER_TEST_PLATFORM", u.String())
	w.sql(platformSQL)
	_, err = w.scan(false).Run(t.Context(), w.Env)
	w.refused(err, cooper.KindRefused)
	a := &GCAccept{Config: w.path("cooper.yaml"), Person: "me"}
	_, err = a.Run(t.Context(), w.Env)
	w.refused(err, cooper.KindRefused) // nobody is there to ask
	w.answer = func(string) bool { return false }
	r, err := a.Run(t.Context(), w.Env)
	if w.ok(err); r.At != 0 {
		t.Errorf("after a no: %+v", r)
	}
	_, err = w.scan(false).Run(t.Context(), w.Env)
	w.refused(err, cooper.KindRefused)
	w.answer = func(string) bool { return true }
	r, err = a.Run(t.Context(), w.Env)
	if w.ok(err); r.At == 0 || r.Was == "" || r.Was == r.Server {
		t.Errorf("after a yes: %+v", r)
	}
	scan, err := w.scan(false).Run(t.Context(), w.Env)
	w.ok(err)
	stood, err := (&GCStatus{Config: w.path("cooper.yaml")}).Run(t.Context(), w.Env)
	w.ok(err)
	w.same("counted", stood.Counted, scan.Plan.ID)
}

func (w *world) refusals() []string {
	w.t.Helper()
	var rows []string
	err := (&GCList{Config: w.path("cooper.yaml"), Name: Refusals}).Run(w.t.Context(), w.Env, func([]string) {}, func(row []string) error {
		rows = append(rows, strings.Join(row, " "))
		return nil
	})
	w.ok(err)
	return rows
}

// TestExpressionsRefused: forms that are not understood are found by a check, all of them.
func TestExpressionsRefused(t *testing.T) {
	c, err := config.Parse("cooper.yaml", []byte(platformYAML+`  jq: {table: posts, object: id, value: a, as: [json], at: '.a?'}
  xpath: {table: posts, object: id, value: a, as: [gzip, xml], at: '/a['}
  good: {table: posts, object: id, value: a, as: [gzip, json], at: '.a | each', lookup: {x: SELECT 1}}
  text: {table: posts, object: id, value: a, as: [addresses]}
`))
	if err != nil {
		t.Fatal(err)
	}
	var places []string
	for _, r := range unreadable(c) {
		places = append(places, r.Where)
	}
	(&world{t: t}).same("refused", places, c.Associations[1].PlaceOf("at"), c.Associations[2].PlaceOf("at"))
}

// TestAddressOfDatabase: where an address comes from, and that no error shows it.
func TestAddressOfDatabase(t *testing.T) {
	const secret = "postgres://me:s3cret@/x?host=/nowhere"
	dir := t.TempDir()
	w := newWorld(t)
	w.ok(os.WriteFile(filepath.Join(dir, "address"), []byte(secret+"\nmore\n"), 0o600))
	t.Setenv("COOPER_TEST_ADDRESS", " "+secret+"\n")
	if _, err := exec.LookPath("sed"); err != nil {
		t.Skip(err)
	}
	for text, want := range map[string]string{
		"postgres:env:COOPER_TEST_ADDRESS": secret, "postgres:env:COOPER_TEST_NONE": "", "postgres:file:address": secret, "postgres:file:none": "",
		"postgres:exec:sed 1q address": secret, "postgres:exec:sed 1q none": "", "postgres:exec:" + filepath.Join(dir, "none"): "", "postgres://me@/x?host=/nowhere": "postgres://me@/x?host=/nowhere",
	} {
		path := filepath.Join(dir, "cooper.yaml")
		w.ok(os.WriteFile(path, []byte(strings.Replace(platformYAML, "postgres:env:COOPER_TEST_PLATFORM", "'"+text+"'", 1)), 0o600))
		c, err := config.Load(path)
		w.ok(err)
		got, err := addressOf(t.Context(), c.Dir, &c.Database)
		if got != want || (want == "") != (err != nil) {
			t.Errorf("%s: %s, %v", text, got, err)
		}
		if _, err = w.openDatabase(t.Context(), c); err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v", text, err)
		}
	}
	// An address of another engine is refused without being shown.
	w.ok(os.WriteFile(filepath.Join(dir, "cooper.yaml"), []byte(strings.Replace(platformYAML, "postgres:env:COOPER_TEST_PLATFORM", "mysql:env:COOPER_TEST_ADDRESS", 1)), 0o600))
	c, err := config.Load(filepath.Join(dir, "cooper.yaml"))
	w.ok(err)
	_, err = w.openDatabase(t.Context(), c)
	if w.refused(err, cooper.KindUsage); strings.Contains(err.Error(), "s3cret") {
		t.Error(err)
	}
}

// TestInASCII: texts of refusals are written as those of scans.
func TestInASCII(t *testing.T) {
	if got := inASCII("a\"\\\n\r\té𝄞\x01\x7f<"); got != `a\"\\\n\r\t\u00e9\ud834\udd1e\u0001\u007f<` {
		t.Error(got)
	}
}
