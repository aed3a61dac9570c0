package mysql

import (
	"context"
	sqldriver "database/sql/driver"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	driver "github.com/go-sql-driver/mysql"
	"go.uber.org/goleak"
	"golang.org/x/sync/errgroup"

	"cooper"
	"cooper/internal/database"
	"cooper/internal/database/databasetest"
	"cooper/internal/database/mysqltest"
)

var ctx = context.Background()

// shared is started with the first test that needs it. It is as strange as an owner's
// server may be.
var shared = sync.OnceValues(func() (*mysqltest.Server, error) {
	return mysqltest.Start(ctx, "--default-time-zone=+05:30", "--sql-mode=ANSI_QUOTES,PIPES_AS_CONCAT,NO_ZERO_DATE", "--group-concat-max-len=8", "--general-log=1", "--max-recursive-iterations=100000000")
})

// oracles is MySQL's own, where there is one, and as strange.
var oracles = sync.OnceValues(func() (*mysqltest.Server, error) {
	return mysqltest.StartMySQL(ctx, "--default-time-zone=+05:30", "--sql-mode=ANSI_QUOTES,PIPES_AS_CONCAT", "--group-concat-max-len=8", "--general-log=1", "--cte-max-recursion-depth=100000000", "--log-bin-trust-function-creators=1")
})

func TestMain(m *testing.M) {
	code := m.Run()
	for _, started := range []func() (*mysqltest.Server, error){shared, oracles} {
		if s, err := started(); err == nil {
			if err := s.Stop(); err != nil {
				fmt.Fprintln(os.Stderr, err)
				code = 1
			}
		}
	}
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func server(t testing.TB) *mysqltest.Server {
	t.Helper()
	return started(t, shared)
}

func started(t testing.TB, start func() (*mysqltest.Server, error)) *mysqltest.Server {
	t.Helper()
	s, err := start()
	if errors.Is(err, mysqltest.ErrMissing) {
		t.Skip(err)
	}
	must(t, err)
	run(t, s, "SET GLOBAL sql_select_limit = 3")
	return s
}

func open(t testing.TB, dsn string, o database.Options) *Database {
	t.Helper()
	d, err := Open(ctx, dsn, o)
	must(t, err)
	t.Cleanup(func() { must(t, d.Close()) })
	return d
}

// run runs SQL beside the code under test, with the modes that it is written for.
func run(t testing.TB, s *mysqltest.Server, sql string) [][]string {
	t.Helper()
	out, err := tried(t, s, sql)
	if err != nil {
		t.Fatalf("%v: %.500s", err, sql)
	}
	return out
}

// tried is run, with what the server says against it.
func tried(t testing.TB, s *mysqltest.Server, sql string) (out [][]string, err error) {
	t.Helper()
	c := driver.NewConfig()
	c.User, c.Passwd, c.Net, c.Addr, c.DBName, c.MaxAllowedPacket = mysqltest.User, mysqltest.Password, "unix", s.Socket(), mysqltest.Name, 1<<30
	c.Params = map[string]string{"time_zone": "'+00:00'", "sql_mode": "''", "sql_select_limit": "18446744073709551615"}
	connector, err := driver.NewConnector(c)
	must(t, err)
	raw, err := connector.Connect(ctx)
	must(t, err)
	defer func() { must(t, raw.Close()) }()
	rows, err := raw.(conn).QueryContext(ctx, sql, nil)
	if err != nil {
		return nil, err
	}
	values := make([]sqldriver.Value, len(rows.Columns()))
	for {
		err := rows.Next(values)
		if errors.Is(err, io.EOF) {
			return out, rows.Close()
		}
		if err != nil {
			return nil, errors.Join(err, rows.Close())
		}
		row := make([]string, len(values))
		for i, v := range values {
			if b, ok := v.([]byte); ok {
				v = string(b)
			}
			row[i] = fmt.Sprint(v)
		}
		out = append(out, row)
	}
}

// both runs a test on a server of either kind.
func both(t *testing.T, test func(t *testing.T, s *mysqltest.Server)) {
	t.Run("MariaDB", func(t *testing.T) { test(t, server(t)) })
	t.Run("MySQL", func(t *testing.T) { test(t, started(t, oracles)) })
}

func TestConformance(t *testing.T) { both(t, conforms) }

func conforms(t *testing.T, s *mysqltest.Server) {
	databasetest.Run(t, databasetest.World{
		MySQL: strings.HasSuffix(t.Name(), "MySQL"),
		Open: func(t testing.TB, reader bool, o database.Options) database.Database {
			dsn := s.URL()
			if reader {
				dsn = s.As("reader", "r-word")
			}
			d, err := Open(ctx, dsn, o)
			must(t, err)
			return d
		},
		Exec: func(t testing.TB, sql string) [][]string { return run(t, s, sql) },
		Kill: func(t testing.TB) {
			// One that goes by itself meanwhile is no error.
			for _, r := range run(t, s, "SELECT id FROM information_schema.processlist WHERE id <> CONNECTION_ID() AND user = 'lab'") {
				var gone *driver.MySQLError
				if _, err := tried(t, s, "KILL CONNECTION "+r[0]); err != nil && !(errors.As(err, &gone) && gone.Number == 1094) {
					t.Error(err)
				}
			}
		},
	})
}

type rows struct {
	all []database.Row
}

func (r *rows) Begin(database.Snapshot) error  { r.all = nil; return nil }
func (r *rows) Rows(rows []database.Row) error { r.all = append(r.all, rows...); return nil }

// TestTheServersLog: there is neither OFFSET nor a comparison of tuples in it, a page
// begins behind the one before, and there are never more connections than allowed.
func TestTheServersLog(t *testing.T) { both(t, theServersLog) }

func theServersLog(t *testing.T, s *mysqltest.Server) {
	run(t, s, "CREATE TABLE logged (a BIGINT, b BIGINT, c VARCHAR(20), PRIMARY KEY (a, b, c))")
	run(t, s, "INSERT INTO logged WITH RECURSIVE r AS (SELECT 0 AS i UNION ALL SELECT i + 1 FROM r WHERE i < 4999) SELECT i DIV 100, i DIV 10 % 10, i % 10 FROM r")
	before, err := os.ReadFile(s.Log())
	must(t, err)
	d := open(t, s.URL(), database.Options{Application: "logged", Limits: database.Limits{PageRows: 100, RowsPerSecond: 1e9, Busy: 1000}})
	table, err := d.Describe(ctx, database.Name{Table: "logged"})
	must(t, err)
	source := &database.Source{Table: table, Columns: []string{"c"}}
	ranges, err := d.Ranges(ctx, source, 700)
	must(t, err)
	var group errgroup.Group
	var total atomic.Int64
	for _, r := range ranges {
		group.Go(func() error {
			k := &rows{}
			err := d.Read(ctx, source, r, k)
			total.Add(int64(len(k.all)))
			return err
		})
	}
	must(t, group.Wait())
	if total.Load() != 5000 || len(ranges) != 8 {
		t.Errorf("%d rows in %d ranges", total.Load(), len(ranges))
	}
	must(t, d.Close())
	// Closing is logged when the server hears of it.
	for len(run(t, s, "SELECT 1 FROM information_schema.processlist WHERE id <> CONNECTION_ID() AND user = 'lab'")) > 0 {
	}
	log, err := os.ReadFile(s.Log())
	must(t, err)
	pages, now, most := 0, 0, 0
	ours := map[string]bool{}
	for _, line := range strings.Split(string(log[len(before):]), "\n") {
		event := regexp.MustCompile(`(?:^|\s)(\d+) (Connect|Quit|Query)\t(.*)`).FindStringSubmatch(line)
		if event == nil {
			continue
		}
		id, what, sql := event[1], event[2], event[3]
		switch {
		case what == "Query" && strings.HasPrefix(sql, "SET SESSION time_zone = '+00:00', sql_mode = ''"):
			ours[id] = true
			now++
			most = max(most, now)
		case what == "Quit" && ours[id]:
			now--
		}
		if !ours[id] || !strings.Contains(sql, "`logged`") {
			continue
		}
		pages++
		if strings.Contains(strings.ToUpper(sql), "OFFSET") || regexp.MustCompile("\\(`?\\w+`?, ?`?\\w+`?.*\\) *[<>=]|ROW *\\(|LIMIT \\d+, *\\d").MatchString(sql) {
			t.Errorf("%s", sql)
		}
	}
	if pages < 50 || most != 2 {
		t.Errorf("%d pages, %d connections at once", pages, most)
	}
}

// TestPagesReadNoMore: reading by pages reads each row of the index about once, also
// in the middle of many equal first columns.
func TestPagesReadNoMore(t *testing.T) { both(t, pagesReadNoMore) }

func pagesReadNoMore(t *testing.T, s *mysqltest.Server) {
	run(t, s, "CREATE TABLE counted (a BIGINT, b BIGINT, PRIMARY KEY (a, b))")
	run(t, s, "INSERT INTO counted WITH RECURSIVE r AS (SELECT 0 AS i UNION ALL SELECT i + 1 FROM r WHERE i < 19999) SELECT IF(i < 18000, 7, i), i FROM r")
	run(t, s, "ANALYZE TABLE counted")
	d := open(t, s.URL(), database.Options{Limits: database.Limits{PageRows: 200, RowsPerSecond: 1e9, Busy: 1000, Connections: 1}})
	table, err := d.Describe(ctx, database.Name{Table: "counted"})
	must(t, err)
	source := &database.Source{Table: table, Columns: []string{"b"}}
	ranges, err := d.Ranges(ctx, source, 15000)
	must(t, err)
	all := 0
	handled := func() (n int) {
		for _, r := range run(t, s, "SHOW GLOBAL STATUS WHERE variable_name IN ('Handler_read_next', 'Handler_read_key', 'Handler_read_first', 'Handler_read_rnd_next')") {
			i, err := strconv.Atoi(r[1])
			must(t, err)
			n += i
		}
		return n
	}
	before := handled()
	for _, r := range ranges {
		k := &rows{}
		must(t, d.Read(ctx, source, r, k))
		all += len(k.all)
	}
	if n := handled() - before; all != 20000 || n > 40000 {
		t.Errorf("%d rows, and %d steps of the index", all, n)
	}
}

// TestLostValues: what the server only warns of is an error.
func TestLostValues(t *testing.T) { both(t, lostValues) }

func lostValues(t *testing.T, s *mysqltest.Server) {
	run(t, s, "CREATE TABLE lossy (k INT PRIMARY KEY, v LONGBLOB)")
	run(t, s, "INSERT INTO lossy VALUES (1, 'not packed'), (2, REPEAT('x', 40000000))")
	d := open(t, s.URL(), database.Options{})
	table, err := d.Describe(ctx, database.Name{Table: "lossy"})
	must(t, err)
	for _, c := range []string{"UNCOMPRESS(v)", "CONCAT(v, v)"} {
		err := d.Read(ctx, &database.Source{Table: table, Columns: []string{c}}, database.Range{Key: []string{"k"}}, &rows{})
		if cooper.KindOf(err) != cooper.KindInvalid {
			t.Errorf("%s: %v", c, err)
		}
	}
}

// TestEngines: one without snapshots is told; so are keys that cannot be read by.
func TestEngines(t *testing.T) {
	s := server(t)
	for _, sql := range []string{
		"CREATE TABLE engine_m (k INT PRIMARY KEY) ENGINE=MyISAM", "CREATE TABLE engine_i (k INT PRIMARY KEY, v VARCHAR(500) NOT NULL, w BLOB NOT NULL, h INT NOT NULL, UNIQUE part (v(10)), UNIQUE hashed (w), UNIQUE unread (h) IGNORED)",
	} {
		run(t, s, sql)
	}
	d := open(t, s.URL(), database.Options{})
	m, err := d.Describe(ctx, database.Name{Table: "engine_m"})
	must(t, err)
	i, err := d.Describe(ctx, database.Name{Table: "engine_i"})
	must(t, err)
	if !m.NoSnapshot || i.NoSnapshot || len(i.Keys) != 4 {
		t.Errorf("%+v, %+v", m, i)
	}
	for _, k := range i.Keys {
		if (k.Unusable == "") != k.Primary {
			t.Errorf("%+v", k)
		}
	}
}

// TestHiddenForeignKeys: with the right PROCESS also those of tables are known that the
// user has no right to; and tables are known, or it is told that they are not.
func TestHiddenForeignKeys(t *testing.T) { both(t, hiddenForeignKeys) }

func hiddenForeignKeys(t *testing.T, s *mysqltest.Server) {
	for _, sql := range []string{
		"CREATE DATABASE `hidden é-x`", "CREATE TABLE hidden_target (id INT PRIMARY KEY)", "CREATE TABLE `hidden é-x`.`odd name` (f INT, CONSTRAINT odd_f FOREIGN KEY (f) REFERENCES lab.hidden_target (id))",
		"CREATE DATABASE `hidden-y`", "CREATE TABLE `hidden-y`.`odd name` (f INT)",
		"CREATE USER watcher IDENTIFIED BY 'w-word'", "GRANT SELECT ON hidden_target TO watcher",
	} {
		run(t, s, sql)
	}
	to := []database.Name{{Schema: "lab", Table: "hidden_target"}}
	d := open(t, s.As("watcher", "w-word"), database.Options{})
	keys, err := d.ForeignKeys(ctx, to)
	must(t, err)
	if len(keys) != 0 {
		t.Errorf("%+v", keys)
	}
	run(t, s, "GRANT PROCESS ON *.* TO watcher")
	d = open(t, s.As("watcher", "w-word"), database.Options{})
	keys, err = d.ForeignKeys(ctx, to)
	must(t, err)
	if len(keys) != 1 || keys[0].Table.String() != "hidden é-x.odd name" || keys[0].Columns[0] != "f" || keys[0].Targets[0] != "id" || keys[0].Name != "odd_f" {
		t.Errorf("%+v", keys)
	}
	every, err := database.ParsePattern(`/hidden.*\.odd name/`)
	must(t, err)
	list, err := d.Tables(ctx, every)
	must(t, err)
	known := func(name string) bool {
		return slices.ContainsFunc(list.Tables, func(l database.Listed) bool { return l.String() == name && !l.Readable })
	}
	if !known("hidden-y.odd name") || known("hidden é-x.odd name") == (list.Blind != "") {
		t.Errorf("%+v", list)
	}
	run(t, s, "GRANT SELECT ON `hidden é-x`.* TO watcher")
	if list, err = open(t, s.As("watcher", "w-word"), database.Options{}).Tables(ctx, every); err != nil || len(list.Tables) != 2 || list.Blind != "" {
		t.Errorf("%+v, %v", list, err)
	}
}

// TestErrorsShowNoPassword, whatever is wrong.
func TestErrorsShowNoPassword(t *testing.T) {
	s := server(t)
	for name, c := range map[string]struct {
		dsn  string
		kind cooper.Kind
	}{
		"no such database": {strings.Replace(s.URL(), "/lab?", "/none?", 1), cooper.KindUsage},
		"wrong password":   {s.As("lab", "wr0ng-Pa55word"), cooper.KindDenied},
		"no server":        {"mysql://lab:" + mysqltest.Password[:5] + "-Pa55@localhost:1/lab", cooper.KindStore},
		"no URL":           {"mysql://lab:" + mysqltest.Password + "@host:port/lab", cooper.KindUsage},
		"bad parameter":    {s.URL() + "&sslmode=Pa55", cooper.KindUsage},
		"bad TLS":          {s.URL() + "&tls=Pa55", cooper.KindUsage},
		"no certificate":   {s.URL() + "&tls-ca=/dev/null", cooper.KindUsage},
	} {
		_, err := Open(ctx, c.dsn, database.Options{})
		if cooper.KindOf(err) != c.kind || strings.Contains(fmt.Sprint(err)+cooper.RemedyOf(err), "Pa55") {
			t.Errorf("%s: %s: %v", name, cooper.KindOf(err), err)
		}
	}
}

// TestTimeout: a statement that takes too long fails, and is not tried again.
func TestTimeout(t *testing.T) { both(t, timeout) }

func timeout(t *testing.T, s *mysqltest.Server) {
	run(t, s, "CREATE TABLE slow (k INT PRIMARY KEY)")
	run(t, s, "INSERT INTO slow VALUES (1)")
	d := open(t, s.URL(), database.Options{Timeout: 100 * time.Millisecond})
	source := &database.Source{Table: &database.Table{Name: database.Name{Schema: "lab", Table: "slow"}, Columns: []database.Column{{Name: "k", Type: "int(11)"}}, Keys: []database.Key{{Name: "PRIMARY", Columns: []string{"k"}}}},
		Columns: []string{"(SELECT COUNT(*) FROM information_schema.columns a, information_schema.columns b, information_schema.columns c)"}}
	if err := d.Read(ctx, source, database.Range{Key: []string{"k"}}, &rows{}); cooper.KindOf(err) != cooper.KindTimeout {
		t.Errorf("%v", err)
	}
}
