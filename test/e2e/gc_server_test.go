package e2e

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	mariadb "github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5"

	"cooper/internal/database/mysqltest"
	"cooper/internal/postgres/pgtest"
)

// TestGarbageServersLog: what all commands ask of MariaDB changes nothing, reads neither with
// OFFSET nor with comparisons of tuples, and never has more connections than allowed.
func TestGarbageServersLog(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, "platform")
	p.database("SET GLOBAL general_log = 1")
	p.gc(0, "check")
	p.gc(3, "scan")
	for _, list := range []string{"links", "linked", "malformed", "dangling", "refusals"} {
		p.gc(0, "list", list, "--tsv")
	}
	p.gc(0, "status")
	p.database("SET GLOBAL general_log = 0")
	log, err := os.ReadFile(p.log)
	if err != nil {
		t.Fatal(err)
	}
	all := events(string(log))
	// A server may log that a connection was closed after the next one was made: one is there
	// as long as it is asked something.
	last := map[string]int{}
	for i, e := range all {
		if e.what != "Quit" {
			last[e.id] = i
		}
	}
	ours, pages, most := map[string]bool{}, 0, 0
	for i, e := range all {
		if e.what == "Connect" && strings.HasPrefix(e.text, mysqltest.User+"@") {
			ours[e.id] = true
			now := 0
			for id := range ours {
				if last[id] >= i {
					now++
				}
			}
			most = max(most, now)
			continue
		}
		if !ours[e.id] || e.what == "Quit" || e.what == "Close stmt" || e.what == "Ping" {
			continue
		}
		if e.what != "Query" && e.what != "Prepare" && e.what != "Execute" || !allowed.MatchString(e.text) {
			t.Errorf("not only read: %s %s", e.what, e.text)
		}
		if forbidden.MatchString(e.text) {
			t.Errorf("reads too much: %s", e.text)
		}
		if strings.Contains(e.text, "FILES`") {
			pages++
		}
	}
	if pages == 0 || most != 2 {
		t.Errorf("%d statements read handles; %d connections at once", pages, most)
	}
}

// allowed is how statements of ours begin, forbidden what MariaDB reads more for than the page.
var (
	allowed   = regexp.MustCompile(`^\(*(SELECT|SET (SESSION|STATEMENT|NAMES|TRANSACTION)|START TRANSACTION (WITH CONSISTENT SNAPSHOT, )?READ ONLY|START TRANSACTION WITH CONSISTENT SNAPSHOT|COMMIT|ROLLBACK|SHOW|EXPLAIN|USE)\b`)
	forbidden = regexp.MustCompile("(?i)\\bOFFSET\\b|\\bLIMIT \\d+, *\\d|\\bROW *\\(|\\(`\\w+`(, *`\\w+`)+\\) *[<>=]")
)

// event is one of a general log.
type event struct{ id, what, text string }

var headed = regexp.MustCompile(`^(?:\d{6} [ \d]\d:\d\d:\d\d)?\t+ *(\d+) ([A-Z][a-z]+(?: [a-z]+)*)\t?(.*)$`)

func events(log string) (all []event) {
	for line := range strings.Lines(log) {
		line = strings.TrimSuffix(line, "\n")
		if m := headed.FindStringSubmatch(line); m != nil {
			all = append(all, event{m[1], m[2], m[3]})
		} else if n := len(all); n > 0 {
			all[n-1].text += "\n" + line
		}
	}
	return all
}

// executor changes a database of a test's.
type executor func(ctx context.Context, text string, args ...any) error

const (
	stayRows = 12_000 // rows that stay, of as many files
	goRows   = 6000   // that are moved and deleted meanwhile
	most     = 50_000 // how much is done meanwhile at most
)

// inhabited is a platform of many rows under a composite key, half of whose rows stay where
// they are; and a client of its server.
func inhabited(t *testing.T, engine string) (*platform, executor) {
	t.Helper()
	p := &platform{t: t, ws: filepath.Join(t.TempDir(), "ws"), config: filepath.Join(t.TempDir(), "cooper.yaml")}
	var exec executor
	if engine == "postgres" {
		s, err := pgtest.Start(context.Background())
		if errors.Is(err, pgtest.ErrMissing) {
			t.Skip(err)
		} else if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { ended(t, s.Stop()) })
		p.env = "DSN=" + s.URL()
		conn, err := pgx.Connect(t.Context(), s.URL())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { ended(t, conn.Close(context.Background())) })
		exec = func(ctx context.Context, text string, args ...any) error {
			_, err := conn.Exec(ctx, text, args...)
			return err
		}
	} else {
		s, err := mysqltest.Start(context.Background())
		if errors.Is(err, mysqltest.ErrMissing) {
			t.Skip(err)
		} else if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { ended(t, s.Stop()) })
		p.env = "DSN=" + s.URL()
		c := mariadb.NewConfig()
		c.User, c.Passwd, c.Net, c.Addr, c.DBName = mysqltest.User, mysqltest.Password, "unix", s.Socket(), mysqltest.Name
		c.Params = map[string]string{"max_recursive_iterations": "1000000"}
		connector, err := mariadb.NewConnector(c)
		if err != nil {
			t.Fatal(err)
		}
		db := sql.OpenDB(connector)
		t.Cleanup(func() { ended(t, db.Close()) })
		exec = func(ctx context.Context, text string, args ...any) error {
			_, err := db.ExecContext(ctx, text, args...)
			return err
		}
	}
	for _, text := range []string{
		"CREATE TABLE files (id BIGINT PRIMARY KEY, k VARCHAR(40) NOT NULL, at TIMESTAMP NOT NULL)",
		"CREATE TABLE posts (a BIGINT NOT NULL, b VARCHAR(40) NOT NULL, stays BIGINT NOT NULL, file_id BIGINT NOT NULL, touched BIGINT NOT NULL DEFAULT 0, PRIMARY KEY (a, b))",
		fmt.Sprintf("INSERT INTO files WITH RECURSIVE r AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM r WHERE i < %d) SELECT i, concat('k', i), '2026-01-01' FROM r", stayRows),
		fmt.Sprintf("INSERT INTO posts (a, b, stays, file_id) WITH RECURSIVE r AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM r WHERE i < %d) SELECT i, concat('s', i), 1, i FROM r", stayRows),
		fmt.Sprintf("INSERT INTO posts (a, b, stays, file_id) WITH RECURSIVE r AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM r WHERE i < %d) SELECT 2 * i, concat('g', i), 0, i FROM r", goRows),
	} {
		if err := exec(t.Context(), text); err != nil {
			t.Fatal(err)
		}
	}
	p.serve()
	return p, exec
}

// declare says how fast the scan may read: a range is what may be read in a minute.
func (p *platform) declare(engine string, rows int) {
	p.write(p.config, fmt.Sprintf(`version: 1
database: %s:env:DSN
buckets: [lab]
limits: {rows_per_second: %d, connections: 64}
handles: {table: files, id: id, bucket: =lab, key: k, modified: at}
associations:
  posts: {table: posts, object: "{a}/{b}", handle: file_id}
`, engine, rows))
}

// meanwhile changes rows until ctx ends, a bounded number of times: it adds some, moves and
// deletes those that do not stay, and touches those that do. It gives how much it did.
func meanwhile(ctx context.Context, db executor, engine string) (n int, err error) {
	r := rand.New(rand.NewPCG(11, 30)) //nolint:gosec // repeatable
	number := func(i int) string {
		if engine == "postgres" {
			return "$" + strconv.Itoa(i)
		}
		return "?"
	}
	exec := func(text string, args ...any) {
		for i := range args {
			text = strings.Replace(text, "#", number(i+1), 1)
		}
		if failed := db(context.WithoutCancel(ctx), text, args...); failed != nil && err == nil {
			err = failed
		}
	}
	for ; n < most && err == nil && ctx.Err() == nil; n++ {
		i := 1 + r.IntN(goRows)
		switch r.IntN(4) {
		case 0: // into the middle of ranges, before and behind rows that stay
			exec("INSERT INTO posts (a, b, stays, file_id) VALUES (#, #, 0, #)", 1+r.IntN(stayRows), fmt.Sprintf("%c%d", "at"[r.IntN(2)], n), i)
		case 1: // from one end to the other
			exec("UPDATE posts SET a = # - a WHERE b = # AND stays = 0", stayRows+1, fmt.Sprintf("g%d", i))
		case 2:
			exec("DELETE FROM posts WHERE b = # AND stays = 0 AND a <> #", fmt.Sprintf("g%d", i), i)
		case 3:
			i = 1 + r.IntN(stayRows)
			exec("UPDATE posts SET touched = touched + 1 WHERE a = # AND b = #", i, fmt.Sprintf("s%d", i))
		}
	}
	return n, err
}

// TestGarbageMeanwhile: while a scan runs, another client adds, moves and deletes rows; the
// link of each that stayed is found, once.
func TestGarbageMeanwhile(t *testing.T) {
	for _, engine := range []string{"mariadb", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			p, db := inhabited(t, engine)
			scheme := map[string]string{"mariadb": "mysql", "postgres": "postgres"}[engine]
			p.declare(scheme, 1280)
			p.gc(0, "scan", "--plan-only") // in many ranges
			p.declare(scheme, 100_000_000) // to be read as fast as it goes
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			var did int
			var failed error
			var other sync.WaitGroup
			other.Go(func() { did, failed = meanwhile(ctx, db, engine) })
			p.cooper(0, "apply", "latest", "--quiet")
			stop()
			other.Wait()
			if failed != nil || did == 0 {
				t.Fatalf("%d changes, %v", did, failed)
			}
			found := map[string]int{}
			for line := range strings.Lines(p.gc(0, "list", "links", "--tsv")) {
				found[strings.TrimSuffix(line, "\n")]++
			}
			missed := 0
			for i := 1; i <= stayRows; i++ {
				if found[fmt.Sprintf("posts\t%d/s%d\t%d", i, i, i)] != 1 {
					missed++
				}
			}
			ranges := strings.TrimSpace(p.cooper(0, "ledger", "sql", "--json", "SELECT count(*) AS n FROM gc_range WHERE what = 'association'"))
			if missed > 0 || len(ranges) != len(`{"n":00}`) {
				t.Errorf("%d of %d rows that stayed were missed, in %s ranges", missed, stayRows, ranges)
			}
			t.Logf("%d changes meanwhile; %s ranges", did, ranges)
		})
	}
}
