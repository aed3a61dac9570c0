package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	_ "modernc.org/sqlite" // the owner's database
)

// archiveOptions are what the parts of the archive are told.
type archiveOptions struct {
	objects int
	jobs    int
	delay   time.Duration
}

// archiveBucket is into which objects are archived.
const archiveBucket = "depot"

// platform is a bucket, and the database of its owner: one file in ten is linked, nothing links to the others.
type platform struct {
	*setup
	*owner
	srv          *server
	ws, declared string
	what         bed
}

// sqliteOwner is a database in a file.
func (s *setup) sqliteOwner(context.Context) (*owner, error) {
	return &owner{engine: "sqlite", url: "sqlite:" + filepath.Join(s.dir, "owner.db"), stop: func() error {
		removeAll(filepath.Join(s.dir, "owner.db"), filepath.Join(s.dir, "owner.db-wal"), filepath.Join(s.dir, "owner.db-shm"))
		return nil
	}}, nil
}

// statements make the platform's tables.
func (p *platform) statements() string {
	var b strings.Builder
	b.WriteString("CREATE TABLE files (id BIGINT PRIMARY KEY, k VARCHAR(99) NOT NULL, status VARCHAR(20) NOT NULL);\nCREATE INDEX files_k ON files (k);\n" +
		"CREATE TABLE posts (id BIGINT PRIMARY KEY, file BIGINT NOT NULL);\nCREATE INDEX posts_file ON posts (file);\n")
	many := func(table string, step int, row func(i int) string) {
		const most = 1000
		var rows []string
		for i := 0; i < p.what.objects; i += step {
			if rows = append(rows, row(i)); len(rows) == most || i+step >= p.what.objects {
				b.WriteString("INSERT INTO " + table + " VALUES " + strings.Join(rows, ", ") + ";\n")
				rows = nil
			}
		}
	}
	many("files", 1, func(i int) string { return fmt.Sprintf("(%d, '%s', 'AVAILABLE')", i, p.what.key(i)) })
	many("posts", linkedOf, func(i int) string { return fmt.Sprintf("(%d, %d)", i, i) })
	return b.String()
}

// linkedOf: one file of so many is linked.
const linkedOf = 10

// going is how many objects nothing links to.
func (p *platform) going() int { return p.what.objects - (p.what.objects+linkedOf-1)/linkedOf }

// cooper runs the binary.
func (p *platform) cooperArgs(ctx context.Context, args ...string) (usage, error) {
	settle()
	cmd := exec.CommandContext(ctx, p.setup.cooper, append(args, "--quiet")...) //nolint:gosec // the binary that is measured
	cmd.Env = append(p.environment(p.srv.url), "COOPER_WORKSPACE="+p.ws, "BENCH_DSN="+p.url)
	return measured(cmd)
}

func (p *platform) gc(ctx context.Context, args ...string) (usage, error) {
	return p.cooperArgs(ctx, append(append([]string{"gc"}, args...), "--config", p.declared)...)
}

// fill makes the platform, and has Cooper find what nothing links to.
func (p *platform) fill(ctx context.Context) (err error) {
	p.ws, p.declared = filepath.Join(p.dir, "ws-archive"), filepath.Join(p.dir, "archive.yaml")
	at := p.engine + ":env:BENCH_DSN"
	if path, is := strings.CutPrefix(p.url, "sqlite:"); is {
		at = p.url
		err = inFile(ctx, path, p.statements())
	} else {
		err = p.sql(ctx, strings.NewReader(p.statements()))
	}
	if err != nil {
		return err
	}
	yaml := fmt.Sprintf("version: 1\ndatabase: %s\nbuckets: [%s]\nlimits: {rows_per_second: %d}\nbusy: {threads_running: 1000, active_backends: 1000}\n"+
		"handles: {table: files, id: id, bucket: =%s, key: k, modified: {column: \"'2024-01-01 00:00:00'\"}, status: {column: status, write: true}}\n"+
		"associations: {posts: {table: posts, object: id, handle: file}}\ndetect: {scans: 1, apart: 0s, settle: 0s, unmodified: 0s}\narchive: {bucket: %s, after: 0s, smallest: 1B}\n",
		at, bucketName, p.garbage.rate, bucketName, archiveBucket)
	if err := os.WriteFile(p.declared, []byte(yaml), 0o600); err != nil {
		return err
	}
	for range 2 { // the first detection marks them, by the second they may go
		if _, err := p.cooperArgs(ctx, "snapshot", "s3://"+bucketName, "--list"); err != nil {
			return err
		}
		if _, err := p.gc(ctx, "scan"); err != nil {
			return err
		}
		u, err := p.gc(ctx, "detect", "--yes")
		if _, confirm, stopped := strings.Cut(u.out, "--confirm "); stopped { // nothing was ever marked before
			_, err = p.cooperArgs(ctx, "apply", "latest", "--confirm", strings.Fields(confirm)[0])
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (p *platform) clear() {
	removeAll(p.ws, p.declared)
	p.srv.stop()
}

// inFile runs statements in a file of SQLite.
func inFile(ctx context.Context, path, statements string) (err error) {
	db, err := sql.Open("sqlite", path+"?_pragma=synchronous(off)")
	if err != nil {
		return err
	}
	defer finally(&err, db.Close)
	for _, text := range []string{"PRAGMA journal_mode = wal", "BEGIN; " + statements + "; COMMIT"} {
		if _, err := db.ExecContext(ctx, text); err != nil {
			return err
		}
	}
	return nil
}

// withPlatform makes one for f on a database of its own.
func (s *setup) withPlatform(ctx context.Context, start func(context.Context) (*owner, error), n int, f func(*platform) error) error {
	return s.on(ctx, start, func(o *owner) (err error) {
		p := &platform{setup: s, owner: o, what: bed{objects: n, size: archiveSize, perDir: 40}}
		if p.srv, err = s.startServer(p.what); err != nil {
			return err
		}
		defer p.clear()
		if err := p.fill(ctx); err != nil {
			return err
		}
		return f(p)
	})
}

const archiveSize = 1024 // bytes of an object

// archiveTurns measures archiving and restoring, each as the apply of a plan, against bare loops with as many
// requests at once on a server of its own, in turns.
func (s *setup) archiveTurns(ctx context.Context, start func(context.Context) (*owner, error)) error {
	rates := map[string][]float64{}
	fmt.Println("| round | | objects/s | wall s | CPU s of the program | of the server | peak MB | growth MB | requests an object |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
	for round := range s.rounds {
		turns := []func() error{
			func() error { return s.bareTurn(ctx, round, rates) },
			func() error {
				return s.withPlatform(ctx, start, s.archived.objects, func(p *platform) error { return p.turn(ctx, round, rates) })
			},
		}
		for i := range turns {
			if err := turns[(i+round)%2](); err != nil {
				return err
			}
		}
	}
	for _, what := range moves {
		ours := median(rates["cooper "+what])
		fmt.Printf("%s, medians: %.0f objects/s", what, ours)
		for _, loop := range bareLoops[what] {
			var xs []float64
			for i, r := range rates["cooper "+what] {
				xs = append(xs, 100*r/rates[loop][i])
			}
			fmt.Printf("; %.0f of the loop %s: %.0f %%", median(rates[loop]), loop, median(xs))
		}
		fmt.Println()
	}
	return nil
}

// moves are what is measured.
var moves = []string{"archive", "restore"}

// row measures what takes n objects from here to there.
func (s *server) row(ctx context.Context, round, n int, name string, rates map[string][]float64, run func() (usage, float64, error)) error {
	if _, err := s.requests(ctx); err != nil {
		return err
	}
	before := cpuOf(s.cmd.Process.Pid)
	u, wall, err := run()
	if err != nil {
		return err
	}
	requests, err := s.requests(ctx)
	if err != nil {
		return err
	}
	rates[name] = append(rates[name], float64(n)/wall)
	fmt.Printf("| %d | %s | %.0f | %.1f | %.1f | %.1f | %d | %+d | %.2f |\n", round+1, name, float64(n)/wall, wall, u.cpu, cpuOf(s.cmd.Process.Pid)-before, u.rss/1e6, u.growth()/1e6, float64(requests)/float64(n))
	return nil
}

// held are the keys that the server's buckets hold, less Cooper's own.
type held struct{ Bench, Depot int }

func (s *server) holds(ctx context.Context, want held) error {
	answer, err := s.ask(ctx, "/held")
	if err != nil {
		return err
	}
	var is held
	if err := json.Unmarshal([]byte(answer), &is); err != nil {
		return err
	}
	if is != want {
		return fmt.Errorf("the buckets hold %+v, not %+v", is, want)
	}
	return nil
}

// turn measures Cooper.
func (p *platform) turn(ctx context.Context, round int, rates map[string][]float64) error {
	n, all := p.going(), p.what.objects
	for _, what := range moves {
		args, want := []string{"plan", "archive", "--share-stop", "100%"}, held{all - n, n}
		if what == "restore" {
			args, want = []string{"restore", "--prefix", "s3://" + bucketName + "/", "--plan-only"}, held{all, n}
		}
		planned, err := p.gc(ctx, args...)
		if err != nil {
			return err
		}
		err = p.srv.row(ctx, round, n, "cooper "+what, rates, func() (usage, float64, error) {
			u, err := p.cooperArgs(ctx, "apply", "latest", "--jobs", strconv.Itoa(p.archived.jobs))
			return u, u.wall, err
		})
		if err == nil {
			err = p.srv.holds(ctx, want)
		}
		if err != nil {
			return err
		}
		fmt.Printf("| %d | its plan | | %.1f | %.1f | | %d | | |\n", round+1, planned.wall, planned.cpu, planned.rss/1e6)
	}
	return nil
}

// archivePlan measures planning alone.
func (s *setup) archivePlan(ctx context.Context) error {
	return s.withPlatform(ctx, s.sqliteOwner, s.archived.objects, func(p *platform) error {
		for range s.rounds {
			u, err := p.gc(ctx, "plan", "archive", "--share-stop", "100%")
			if err != nil {
				return err
			}
			fmt.Printf("a plan of %d archivals: %v\n", p.going(), u)
		}
		return nil
	})
}

// bareTurn measures the bare loops, each on a server of its own.
func (s *setup) bareTurn(ctx context.Context, round int, rates map[string][]float64) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	n := (&platform{what: bed{objects: s.archived.objects}}).going()
	for _, as := range bareLoops["archive"] {
		srv, err := s.startServer(bed{objects: n, size: archiveSize, perDir: 40})
		if err != nil {
			return err
		}
		loop := func(name string) error {
			return srv.row(ctx, round, n, name, rates, func() (u usage, wall float64, err error) {
				cmd := exec.CommandContext(ctx, self, "-floor", srv.url, "-bare", name, "-archive-jobs", strconv.Itoa(s.archived.jobs)) //nolint:gosec // this program
				cmd.Env = s.environment(srv.url)
				if u, err = measured(cmd); err == nil {
					wall, err = strconv.ParseFloat(strings.TrimSpace(u.out), 64)
				}
				return u, wall, err
			})
		}
		back := strings.Replace(as, "archive", "restore", 1)
		err = loop(as)
		if err == nil {
			err = srv.holds(ctx, held{0, n})
		}
		if err == nil {
			err = loop(back)
		}
		if err == nil {
			err = srv.holds(ctx, held{n, n})
		}
		srv.stop()
		if err != nil {
			return errors.Join(err, ctx.Err())
		}
	}
	return nil
}
