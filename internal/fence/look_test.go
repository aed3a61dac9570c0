package fence

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"cooper"
	"cooper/internal/config"
	"cooper/internal/database"
	lite "cooper/internal/database/sqlite"
	"cooper/internal/gcstate"
	statelite "cooper/internal/gcstate/sqlite"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func same[T any](t *testing.T, what string, got []T, want ...T) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%s:\n%v\nwant:\n%v", what, got, want)
	}
}

// lab is a platform in a file.
type lab struct {
	t     *testing.T
	owner *sql.DB
	path  string
	yaml  string
	state gcstate.State
	now   time.Time
}

const schema = `
CREATE TABLE files (id INTEGER PRIMARY KEY, key TEXT, preview INTEGER, source INTEGER, status TEXT);
CREATE INDEX by_key ON files (key); CREATE INDEX by_preview ON files (preview);
CREATE TABLE posts (id INTEGER PRIMARY KEY, file INTEGER, live INTEGER); CREATE INDEX by_file ON posts (file);
CREATE TABLE notes (id INTEGER PRIMARY KEY, body TEXT);
CREATE TABLE words (id INTEGER PRIMARY KEY, file TEXT);
CREATE TABLE holds (file INTEGER);
CREATE TABLE made (a INTEGER, b INTEGER);
INSERT INTO files (id, key) VALUES (1, 'a'), (2, 'b'), (3, 'c'), (4, 'd'), (5, 'e'), (6, 'f'), (7, 'g'), (8, 'g'), (9, 'h'), (10, 'i'), (11, 'j'), (12, 'k');
`

const declared = `version: 1
database: sqlite:lab.db
buckets: [app]
handles: {table: files, id: id, key: key, bucket: =app, preview: preview, preview_of: source, status: {column: status, write: true}}
protect: [{table: holds, handle: file}]
derived: {made: {sql: 'SELECT a AS derived, b AS source FROM made'}}
associations:
  posts: {table: posts, object: id, handle: file, where: live = 1}
`

func newLab(t *testing.T, yaml string) *lab {
	t.Helper()
	dir := t.TempDir()
	l := &lab{t: t, path: filepath.Join(dir, "lab.db"), yaml: filepath.Join(dir, "cooper.yaml"), now: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)}
	var err error
	l.owner, err = sql.Open("sqlite", l.path+"?_pragma=busy_timeout(5000)")
	must(t, err)
	l.owner.SetMaxOpenConns(1)
	t.Cleanup(func() { must(t, l.owner.Close()) })
	l.exec(schema)
	must(t, os.WriteFile(l.yaml, []byte(yaml), 0o600))
	l.state, err = statelite.Open(context.Background(), filepath.Join(dir, "state.db"), statelite.Options{NewID: func() string { return "state" }})
	must(t, err)
	t.Cleanup(func() { must(t, l.state.Close()) })
	return l
}

func (l *lab) exec(sql string) {
	l.t.Helper()
	_, err := l.owner.ExecContext(l.t.Context(), sql)
	must(l.t, err)
}

func (l *lab) fence() *Fence {
	l.t.Helper()
	c, err := config.Load(l.yaml)
	must(l.t, err)
	db, err := lite.Open(l.t.Context(), "sqlite:"+l.path, database.Options{})
	must(l.t, err)
	l.t.Cleanup(func() { must(l.t, db.Close()) })
	f, err := New(l.t.Context(), Options{Database: db, Config: c, State: l.state, Scope: "lab", Clock: func() time.Time { return l.now }, Wait: func(context.Context, time.Duration) error { return nil }})
	must(l.t, err)
	return f
}

// keys are those of the files as they were made.
var keys = map[string]string{"1": "a", "2": "b", "3": "c", "4": "d", "5": "e", "6": "f", "7": "g", "8": "g", "9": "h", "10": "i", "11": "j", "12": "k", "99": "z"}

func (l *lab) asked(ids ...string) (all []Asked) {
	for _, id := range ids {
		all = append(all, Asked{Handle: gcstate.Handle{Scope: "lab", ID: id}, Bucket: "app", Key: keys[id]})
	}
	return all
}

func (l *lab) look(f *Fence, ids ...string) (all []string) {
	l.t.Helper()
	sights, err := f.Look(l.t.Context(), l.asked(ids...))
	must(l.t, err)
	for i, s := range sights {
		if s.Why == "" {
			continue
		}
		linked := ""
		if s.Linked {
			linked = " (linked)"
		}
		all = append(all, ids[i]+": "+s.Why+linked)
	}
	return all
}

// become makes a handle of the state something.
func (l *lab) become(id string, events ...gcstate.Event) {
	l.t.Helper()
	h := gcstate.Handle{Scope: "lab", ID: id}
	for i, e := range events {
		r, err := l.state.Get(l.t.Context(), []gcstate.Handle{h})
		must(l.t, err)
		c, err := r[0].By(e, cooper.Instant(10+i), "", "r-1")
		must(l.t, err)
		res, err := l.state.Change(l.t.Context(), []gcstate.Change{c})
		must(l.t, err)
		if !res[0].Changed {
			l.t.Fatalf("%+v", res[0])
		}
	}
}

// TestLook: what keeps a handle is seen, wherever it stands.
func TestLook(t *testing.T) {
	l := newLab(t, declared)
	f := l.fence()
	all := []string{"1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11"}
	same(t, "nothing is there", l.look(f, all...))
	same(t, "blind", f.Blind())
	l.exec(`INSERT INTO posts (file, live) VALUES (1, 1), (2, 0), (99, 1); INSERT INTO holds VALUES (3), (1);
		UPDATE files SET preview = 4 WHERE id = 12; UPDATE files SET source = 12 WHERE id = 5; INSERT INTO made VALUES (6, 12), (6, 6);
		UPDATE files SET key = 'elsewhere' WHERE id = 9; DELETE FROM files WHERE id = 10; UPDATE files SET preview = 11, source = 11 WHERE id = 11`)
	want := []string{"1: linked by posts in main.posts (linked)", "3: held by a row in main.holds", "4: made from 12, which is still there", "5: made from 12, which is still there",
		"6: made from 12, which is still there", "9: it has another object by now", "10: its row is gone"}
	same(t, "all of it", l.look(f, all...), want...)
	// One of two handles of an object cannot be asked about alone.
	same(t, "a twin", l.look(f, "7"), "7: another handle has the same object: 8")
	l.become("8", gcstate.Unlink, gcstate.Fence, gcstate.Arrive)
	same(t, "a twin that is archived", l.look(f, "7"))
	// A source that is archived, or gone, keeps nothing.
	l.become("12", gcstate.Unlink, gcstate.Fence, gcstate.Arrive)
	same(t, "an archived source", l.look(f, "4", "5", "6"))
	l.exec("UPDATE files SET source = 77 WHERE id = 1; DELETE FROM posts; DELETE FROM holds")
	same(t, "a source that is gone", l.look(f, "1"))
	if _, err := f.Look(t.Context(), make([]Asked, Most+1)); cooper.KindOf(err) != cooper.KindInternal {
		t.Error(err)
	}
}

// TestBlind: what cannot be asked for by a handle is named, and never counts as looked at.
func TestBlind(t *testing.T) {
	l := newLab(t, declared+`  notes: {table: notes, object: id, value: body, find: 'file (\d+)'}
  words: {table: words, object: id, handle: file}
  sum: {table: posts, object: id, handle: file + 0}
`)
	f := l.fence()
	same(t, "blind", f.Blind(), "notes", "sum", "words")
	l.exec("INSERT INTO words (file) VALUES ('007')")
	same(t, "seen", l.look(f, "7", "8"))
	// A table without an index is read as a whole, as long as it is small.
	l.exec("DROP INDEX by_file; INSERT INTO posts (file, live) VALUES (1, 1)")
	f = l.fence()
	same(t, "a small table", l.look(f, "1"), "1: linked by posts in main.posts (linked)")
	l.exec(fmt.Sprintf("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i <= %d) INSERT INTO posts (file, live) SELECT -i, 1 FROM n", few))
	if f = l.fence(); !slices.Contains(f.Blind(), "posts") {
		t.Errorf("a large one without an index: %q", f.Blind())
	}
	l.exec("CREATE INDEX partial ON posts (file) WHERE live = 1")
	if f = l.fence(); !slices.Contains(f.Blind(), "posts") {
		t.Errorf("an index of some rows: %q", f.Blind())
	}
	l.exec("CREATE INDEX second ON posts (live, file)")
	if f = l.fence(); !slices.Contains(f.Blind(), "posts") {
		t.Errorf("an index that it does not lead: %q", f.Blind())
	}
	l.exec("CREATE INDEX again ON posts (file)")
	if f = l.fence(); slices.Contains(f.Blind(), "posts") {
		t.Errorf("with an index: %q", f.Blind())
	}
}

// TestSpellings: ids that are texts, and UUIDs among them.
func TestSpellings(t *testing.T) {
	yaml := strings.ReplaceAll(strings.ReplaceAll(declared, "table: files", "table: papers"), "file, where: live = 1", "paper")
	yaml = strings.ReplaceAll(yaml, "table: posts", "table: uses")
	l := newLab(t, strings.ReplaceAll(yaml, "preview: preview, preview_of: source, ", ""))
	l.exec(`CREATE TABLE papers (id TEXT PRIMARY KEY, key TEXT, status TEXT); CREATE TABLE uses (id INTEGER PRIMARY KEY, paper TEXT);
		INSERT INTO papers (id, key) VALUES ('x''1', 'a'), ('6E7A1C9E-3C2B-4F0E-8D3B-0A1B2C3D4E5F', 'b'), ('%d', 'c'); INSERT INTO uses (paper) VALUES ('x''1'), ('%d')`)
	f := l.fence()
	ask := func(id, key string) string {
		s, err := f.Look(t.Context(), []Asked{{Handle: gcstate.Handle{Scope: "lab", ID: id}, Bucket: "app", Key: key}})
		must(t, err)
		return s[0].Why
	}
	same(t, "seen", []string{ask("x'1", "a"), ask("%d", "c"), ask("x", "a")}, "linked by posts in main.uses", "linked by posts in main.uses", "its row is gone")
	if len(f.Blind()) != 0 {
		t.Errorf("before a UUID was asked about: %q", f.Blind())
	}
	if why := ask("6e7a1c9e-3c2b-4f0e-8d3b-0a1b2c3d4e5f", "b"); why != "" || !slices.Contains(f.Blind(), "posts") {
		t.Errorf("a UUID: %q, %q", why, f.Blind())
	}
}

// TestAnother: the database is looked at that the fence was made for, and it is a primary.
func TestAnother(t *testing.T) {
	l := newLab(t, declared)
	f := l.fence()
	f.server.Identity = "another"
	if _, err := f.Look(t.Context(), l.asked("1")); cooper.KindOf(err) != cooper.KindRefused {
		t.Error(err)
	}
	for replica, message := range map[database.Replica]string{database.IsReplica: "is a replica", database.ReplicaUnknown: "cannot be told"} {
		f.server.Replica = replica
		if err := f.primary(t.Context()); cooper.KindOf(err) != cooper.KindRefused || !strings.Contains(err.Error(), message) {
			t.Error(err)
		}
	}
	l.exec("DROP TABLE posts")
	c, err := config.Load(l.yaml)
	must(t, err)
	if _, err := New(t.Context(), Options{Database: f.opt.Database, Config: c, State: l.state, Scope: "lab", Clock: f.opt.Clock}); cooper.KindOf(err) != cooper.KindMissing {
		t.Error(err)
	}
}

// TestNamed: whatever names an object by its very key, archived or not; where keys cannot be looked up it is not known.
func TestNamed(t *testing.T) {
	l := newLab(t, declared)
	l.exec("UPDATE files SET status = 'ARCHIVED' WHERE id = 2")
	why, err := l.fence().Named(t.Context(), []Object{{"app", "a"}, {"other", "a"}, {"app", "b"}, {"app", "A"}, {"app", "x"}})
	must(t, err)
	same(t, "named", why, "a handle names it: 1", "", "a handle names it: 2", "", "")
	l.exec("DROP INDEX by_key")
	l.exec(fmt.Sprintf("WITH RECURSIVE n(i) AS (SELECT 100 UNION ALL SELECT i + 1 FROM n WHERE i < %d) INSERT INTO files (id, key) SELECT i, 'n' || i FROM n", few+200))
	why, err = l.fence().Named(t.Context(), []Object{{"app", "x"}})
	must(t, err)
	if why[0] == "" {
		t.Error("without an index it is known")
	}
}
