package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"cooper/internal/database/mysqltest"
	"cooper/internal/postgres/pgtest"
)

// garbageOptions are what the parts of gc are told.
type garbageOptions struct {
	rows, values int64 // of plain columns, and of what is to be unpacked
	rate         int64 // limits.rows_per_second
}

// owner is a database of somebody's that is scanned.
type owner struct {
	engine, url string
	// sql runs statements that are read from in.
	sql func(ctx context.Context, in io.Reader) error
	// clients stream the SELECT of the rows to nowhere, by what they are called.
	clients []streaming
	// series writes a query of the numbers from 0 to n-1, as i.
	series func(n int64) string
	blob   string // the type of bytes
	bytes  func(hex string) string
	settle string // once all is loaded
	stop   func() error
}

type streaming struct {
	name string
	args []string
}

const garbageSelect = "SELECT a, b FROM links"

// mariadb starts one with room for all that is measured.
func mariadb(ctx context.Context) (*owner, error) {
	s, err := mysqltest.Start(ctx, "--innodb-buffer-pool-size=2G", "--innodb-log-file-size=1G", "--skip-log-bin")
	if err != nil {
		return nil, err
	}
	client := []string{"mariadb", "--no-defaults", "--quick", "-S" + s.Socket(), "-u" + mysqltest.User, "-p" + mysqltest.Password, mysqltest.Name}
	return &owner{
		engine: "mysql", url: s.URL(), sql: fed(client), stop: s.Stop,
		clients: []streaming{{"mariadb --quick", append(client, "-e", garbageSelect)}},
		series: func(n int64) string {
			return fmt.Sprintf("SELECT seq AS i FROM seq_0_to_%d", n-1)
		},
		blob: "MEDIUMBLOB", bytes: func(hex string) string { return "X'" + hex + "'" },
		settle: "ANALYZE TABLE links",
	}, nil
}

func postgreSQL(ctx context.Context) (*owner, error) {
	s, err := pgtest.Start(ctx)
	if err != nil {
		return nil, err
	}
	client := []string{"psql", "-qAt", "-v", "ON_ERROR_STOP=1", s.URL()}
	return &owner{
		engine: "postgres", url: s.URL(), sql: fed(client), stop: s.Stop,
		clients: []streaming{
			{"psql, FETCH_COUNT=10000", append(client, "-v", "FETCH_COUNT=10000", "-c", garbageSelect)},
			{"psql, COPY", append(client, "-c", "COPY ("+garbageSelect+") TO STDOUT")},
		},
		series: func(n int64) string { return fmt.Sprintf("SELECT i FROM generate_series(0, %d) i", n-1) },
		blob:   "bytea", bytes: func(hex string) string { return `'\x` + hex + "'" },
		settle: "VACUUM ANALYZE links",
	}, nil
}

// fed runs a client on statements.
func fed(client []string) func(context.Context, io.Reader) error {
	return func(ctx context.Context, in io.Reader) error {
		cmd := exec.CommandContext(ctx, client[0], client[1:]...) //nolint:gosec // one of the two above
		cmd.Stdin = in
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %.1000s", client[0], err, out)
		}
		return nil
	}
}

// on starts a database, and removes it and all that was made of it when f is done.
func (s *setup) on(ctx context.Context, start func(context.Context) (*owner, error), f func(*owner) error) (err error) {
	o, err := start(ctx)
	if errors.Is(err, mysqltest.ErrMissing) || errors.Is(err, pgtest.ErrMissing) {
		fmt.Println("skipped:", err)
		return nil
	} else if err != nil {
		return err
	}
	defer finally(&err, o.stop)
	return f(o)
}

// garbageRows measures a scan of rows of two BIGINTs, by a key of both, from the
// database to the facts, against the engine's own client streaming the same SELECT
// to nowhere, in turns.
func (s *setup) garbageRows(ctx context.Context, start func(context.Context) (*owner, error)) error {
	return s.on(ctx, start, func(o *owner) error {
		n := s.garbage.rows
		load := fmt.Sprintf("CREATE TABLE files (id BIGINT PRIMARY KEY, k VARCHAR(99)); INSERT INTO files SELECT i, CONCAT('file-', i) FROM (%s) AS s;\n"+
			"CREATE TABLE links (a BIGINT, b BIGINT, PRIMARY KEY (a, b)); INSERT INTO links SELECT FLOOR(i / 10), MOD(i * 2654435761, 1000000007) FROM (%s) AS s;\n%s;\n", o.series(1000), o.series(n), o.settle)
		if err := o.sql(ctx, strings.NewReader(load)); err != nil {
			return err
		}
		times := map[string][]float64{}
		for round := range s.rounds {
			runs := len(o.clients) + 1
			for i := range runs {
				if i = (i + round) % runs; i == len(o.clients) {
					u, err := s.scanned(ctx, o, "{table: links, object: a, handle: b}", n)
					if err != nil {
						return err
					}
					times["cooper"] = append(times["cooper"], u.wall)
					fmt.Printf("round %d, the scan's apply: %v: %.0f rows/s\n", round+1, u, float64(n)/u.wall)
					continue
				}
				settle()
				c := o.clients[i]
				u, err := streamed(ctx, c.args)
				if err != nil {
					return err
				}
				times[c.name] = append(times[c.name], u.wall)
				fmt.Printf("round %d, %s: %v: %.0f rows/s\n", round+1, c.name, u, float64(n)/u.wall)
			}
		}
		for _, c := range o.clients {
			ours, theirs := median(times["cooper"]), median(times[c.name])
			fmt.Printf("%d rows, medians: %.2f s against %.2f s of %s: %.2f times as long\n", n, ours, theirs, c.name, ours/theirs)
		}
		return nil
	})
}

// streamed runs a client whose output goes nowhere.
func streamed(ctx context.Context, args []string) (usage, error) {
	// The shell's redirection, so that nobody of ours reads what comes.
	cmd := exec.CommandContext(ctx, "sh", append([]string{"-c", `exec "$@" > /dev/null`, "sh"}, args...)...) //nolint:gosec // one of ours
	return measured(cmd)
}

// scanned plans a scan of one association, and measures its apply; there must be as many links
// as values.
func (s *setup) scanned(ctx context.Context, o *owner, association string, links int64) (u usage, err error) {
	ws, declared := filepath.Join(s.dir, "ws-gc"), filepath.Join(s.dir, "cooper.yaml")
	defer removeAll(ws, declared)
	yaml := fmt.Sprintf("version: 1\ndatabase: %s:env:BENCH_DSN\nbuckets: [bench]\nlimits: {rows_per_second: %d}\nbusy: {threads_running: 1000, active_backends: 1000}\n"+
		"handles: {table: files, id: id, bucket: =bench, key: k}\nassociations: {links: %s}\n", o.engine, s.garbage.rate, association)
	if err := os.WriteFile(declared, []byte(yaml), 0o600); err != nil {
		return u, err
	}
	run := func(args ...string) (usage, error) {
		settle()
		cmd := exec.CommandContext(ctx, s.cooper, args...) //nolint:gosec // the binary that is measured
		cmd.Env = append(s.environment("http://127.0.0.1:9"), "COOPER_WORKSPACE="+ws, "BENCH_DSN="+o.url)
		return measured(cmd)
	}
	planned, err := run("gc", "scan", "--config", declared, "--plan-only", "--quiet")
	if err != nil {
		return u, err
	}
	args := []string{"apply", "latest", "--quiet", "--json"}
	if u, err = run(args...); err != nil {
		return u, err
	}
	if !strings.Contains(u.out, fmt.Sprintf(`"links":%d,`, links)) {
		return u, fmt.Errorf("there are not %d links: %.2000s", links, u.out)
	}
	size, err := sizeOf(filepath.Join(ws, "ledger", "gc"))
	fmt.Printf("planning, ranges cut: %v; facts: %.1f MB, %.1f bytes a link\n", planned, float64(size)/1e6, float64(size)/float64(links))
	return u, err
}

func sizeOf(dir string) (n int64, err error) {
	err = filepath.Walk(dir, func(_ string, i os.FileInfo, err error) error {
		if err == nil && i.Mode().IsRegular() {
			n += i.Size()
		}
		return err
	})
	return n, err
}
