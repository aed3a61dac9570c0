package kill

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	_ "modernc.org/sqlite" // the driver, to make a platform with

	"cooper/test/e2etest"
)

// marking is a platform in a file, and a workspace with a scan of it, of which all workspaces of the
// test are copies.
type marking struct {
	t         *testing.T
	dir       string
	want      []string // the transitions
	workspace int
}

func newMarking(t *testing.T, unlinked int) *marking {
	t.Helper()
	m := &marking{t: t, dir: t.TempDir()}
	platformIn(t, m.dir, "version: 1\ndatabase: sqlite:lab.db\nbuckets: [lab]\nhandles: {table: files, id: id, bucket: =lab, key: key, modified: at}\nassociations:\n  posts: {table: posts, object: id, handle: file_id}\ndetect: {scans: 1, apart: 0s}\n",
		"CREATE TABLE files (id INTEGER PRIMARY KEY, key TEXT NOT NULL, at DATETIME NOT NULL)", "CREATE TABLE posts (id INTEGER PRIMARY KEY, file_id REFERENCES files)",
		fmt.Sprintf("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) INSERT INTO files SELECT i, 'k/' || i, '2020-01-01 00:00:00' FROM n", 2*unlinked),
		fmt.Sprintf("INSERT INTO posts SELECT id, id FROM files WHERE id > %d", unlinked))
	e2etest.Must(t, "", m.first(), "gc", "scan", "--quiet")
	for i := range unlinked {
		m.want = append(m.want, fmt.Sprintf("%d AVAILABLE UNLINKED", i+1))
	}
	return m
}

// platformIn makes a platform in a file, and declares it.
func platformIn(t *testing.T, dir, yaml string, statements ...string) {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(dir, "lab.db"))
	for _, s := range statements {
		if err == nil {
			_, err = db.ExecContext(t.Context(), s)
		}
	}
	if err == nil {
		err = db.Close()
	}
	if err == nil {
		err = e2etest.Save(filepath.Join(dir, "cooper.yaml"), []byte(yaml))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// first is the workspace of which others are copies.
func (m *marking) first() string { return filepath.Join(m.dir, "first") }

// another is a workspace with the scan.
func (m *marking) another() string {
	m.t.Helper()
	m.workspace++
	ws := filepath.Join(m.dir, fmt.Sprintf("ws%d", m.workspace))
	if err := os.CopyFS(ws, os.DirFS(m.first())); err != nil {
		m.t.Fatal(err)
	}
	return ws
}

// told are the transitions in the ledger, which are to be those of an undisturbed run.
func (m *marking) told(ws string) {
	m.t.Helper()
	var got []string
	out := e2etest.Must(m.t, "", ws, "ledger", "sql", "--json", "SELECT id || ' ' || from_status || ' ' || to_status AS x FROM gc_transition ORDER BY id_number, since").Stdout
	for line := range strings.Lines(out) {
		var row struct{ X string }
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			m.t.Fatal(err)
		}
		got = append(got, row.X)
	}
	e2etest.Same(m.t, got, m.want)
}

// TestKillMarking kills detections that mark with SIGKILL, at instants spread over all they do, and goes on: by
// applying the plan, or by looking again. Each handle is marked in the end, and told once.
func TestKillMarking(t *testing.T) {
	t.Parallel()
	rounds := 12
	if testing.Short() {
		rounds = 2
	}
	m := newMarking(t, 900)
	detect := []string{"gc", "detect", "--yes", "--quiet"}
	ws := m.another()
	var writes int64
	if err := watch(e2etest.Command(t.Context(), "", ws, detect...), func(calls int64) bool { writes = calls; return false }); err != nil {
		t.Fatal(err)
	}
	m.told(ws)
	t.Logf("an undisturbed run makes %d write calls", writes)
	r := rand.New(rand.NewPCG(12, 0))
	kills, applied := 0, 0
	for round := range rounds {
		ws := m.another()
		for range 1 + r.IntN(3) {
			// What comes last is short, and matters most.
			at := r.Int64N(writes + 1)
			if r.IntN(2) == 0 {
				at = writes - r.Int64N(writes/4+1)
			}
			cmd := e2etest.Command(t.Context(), "", ws, detect...)
			if err := watch(cmd, func(calls int64) bool { return calls >= at }); err != nil && (cmd.ProcessState == nil || cmd.ProcessState.Exited()) {
				t.Fatalf("round %d: not killed, but %v", round, err)
			} else if err != nil {
				kills++
			}
		}
		if round%2 == 0 && strings.Contains(e2etest.Must(t, "", ws, "plan", "ls", "--json").Stdout, `"gc-detect"`) {
			e2etest.Must(t, "", ws, "apply", "latest", "--quiet")
			m.told(ws)
			applied++
		}
		e2etest.Must(t, "", ws, detect...)
		m.told(ws)
		if out := e2etest.Must(t, "", ws, "gc", "detect", "--yes").Stdout; !strings.Contains(out, "Nothing is to be marked.") {
			t.Errorf("a last look: %s", out)
		}
		if t.Failed() {
			t.Fatalf("round %d", round)
		}
	}
	t.Logf("%d kills, %d plans gone on with", kills, applied)
	if kills < rounds/2 {
		t.Errorf("only %d kills", kills)
	}
}

// TestKillCompressAndGarbage: wherever a run of compress is killed, garbage is looked for in between, and
// from a workspace in which nothing was compressed, too: no object is without a handle, and no handle without its
// object.
func TestKillCompressAndGarbage(t *testing.T) {
	t.Parallel()
	const objects = 40
	w, g, _ := compressWorld(t, "", objects)
	dir, ws := e2etest.Pair(t)
	dir = filepath.Dir(dir)
	statements := []string{"CREATE TABLE files (id INTEGER PRIMARY KEY, key TEXT NOT NULL)", "CREATE TABLE posts (id INTEGER PRIMARY KEY, file_id REFERENCES files)", "INSERT INTO files VALUES (1000, 'p/large.csv'), (1001, 'q')"}
	for i := range objects {
		statements = append(statements, fmt.Sprintf("INSERT INTO files VALUES (%d, 'p/%06d.csv')", i+1, i))
	}
	platformIn(t, dir, "version: 1\ndatabase: sqlite:lab.db\nbuckets: [lab]\nhandles: {table: files, id: id, bucket: =lab, key: key}\nassociations:\n  posts: {table: posts, object: id, handle: file_id}\ndetect: {scans: 1, apart: 0s, settle: 0h}\n",
		append(statements, "INSERT INTO posts SELECT id, id FROM files")...)
	looks := func(ws string) {
		t.Helper()
		e2etest.Must(t, w.URL, ws, "snapshot", "s3://lab", "--list", "--quiet")
		e2etest.Must(t, w.URL, ws, "gc", "scan", "--quiet")
		e2etest.Must(t, w.URL, ws, "gc", "detect", "--quiet")
		for _, list := range []string{"missing", "unindexed"} {
			if out := e2etest.Must(t, w.URL, ws, "gc", "list", list, "--tsv"); strings.TrimSpace(out.Stdout) != "" || strings.Contains(out.Stderr, "unknown") {
				t.Fatalf("%s: %v", list, out)
			}
		}
	}
	other := filepath.Join(dir, "other")
	for _, at := range []struct {
		op string
		n  int
	}{{"PutObject", 20}, {"DeleteObjects", 2}, {"GetObject", 10}} {
		cmd := e2etest.Command(t.Context(), w.URL, ws, "compress", "run", "s3://lab/p/", "--list", "--yes", "--quiet")
		g.aim(at.op, at.n, true)
		if err := g.run(cmd); err == nil || cmd.ProcessState.Exited() {
			t.Logf("not killed at %v", at)
		}
		g.aim("", 0, false)
		looks(ws)
		looks(other)
	}
	e2etest.Must(t, w.URL, ws, "compress", "run", "s3://lab/p/", "--list", "--yes", "--quiet")
	looks(ws)
	looks(other)
}
