package e2e

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"cooper/internal/database/mysqltest"
	"cooper/internal/postgres/pgtest"
	"cooper/internal/store/mem"
	"cooper/test/e2etest"
)

// platform is a made-up platform: a database that a test starts, and its buckets.
type platform struct {
	t        *testing.T
	made     string // the directory of all platforms
	set      string
	env      string // NAME=ADDRESS, of the database
	config   string
	url      string // of the store
	store    *mem.Server
	ws       string
	hourAgo  bool // commands see a clock that is an hour behind
	database func(sql string)
	asked    func(sql string) [][]string // the rows of an answer
	log      string                      // of the server, on MariaDB and MySQL
}

// given is a file of a platform.
func (p *platform) given(name string) string { return filepath.Join(p.made, p.set, name) }

// made makes the platforms for today, as ages are relative to it.
func made(t *testing.T) string {
	t.Helper()
	maker := filepath.Join("..", "..", "..", "shared", "gc", "gen", "all.sh")
	if _, err := os.Stat(maker); err != nil {
		t.Skipf("the made-up platforms are not here: %v", err)
	}
	if _, err := exec.LookPath("python3"); err != nil {
		t.Skip(err)
	}
	dir := t.TempDir()
	cmd := exec.Command("sh", maker, dir)
	cmd.Env = append(os.Environ(), "GC_NOW="+time.Now().UTC().Format(time.DateOnly))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return dir
}

func unzipped(t *testing.T, path string) *gzip.Reader {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

// client gives a database's own client something to do.
func client(t *testing.T, in io.Reader, args ...string) {
	t.Helper()
	cmd := exec.Command(args[0], args[1:]...) //nolint:gosec // a client of a test's
	cmd.Stdin = in
	if out, err := cmd.CombinedOutput(); errors.Is(err, exec.ErrNotFound) {
		t.Skip(err)
	} else if err != nil {
		t.Fatalf("%v: %.500s", err, out)
	}
}

// answers are the rows that a database's own client writes, with tabs between columns.
func answers(t *testing.T, args ...string) (rows [][]string) {
	t.Helper()
	out, err := exec.Command(args[0], args[1:]...).Output() //nolint:gosec // a client of a test's
	if err != nil {
		t.Fatalf("%v: %v", args, err)
	}
	for line := range strings.Lines(string(out)) {
		rows = append(rows, strings.Split(strings.TrimSuffix(line, "\n"), "\t"))
	}
	return rows
}

// newPlatform loads one that was given; SET on MySQL, on MySQL's own server.
func newPlatform(t *testing.T, set string) *platform {
	set, oracle := strings.CutSuffix(set, " on MySQL")
	p := &platform{t: t, set: set, made: made(t), ws: filepath.Join(t.TempDir(), "ws"), config: filepath.Join(t.TempDir(), "cooper.yaml")}
	dump := unzipped(t, p.given("dump.sql.gz"))
	declared, err := os.ReadFile(p.given("cooper.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(p.config, declared, 0o600); err != nil {
		t.Fatal(err)
	}
	if set == "rails" {
		s, err := pgtest.Start(context.Background())
		if errors.Is(err, pgtest.ErrMissing) {
			t.Skip(err)
		} else if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { ended(t, s.Stop()) })
		u, err := url.Parse(s.URL())
		if err != nil {
			t.Fatal(err)
		}
		p.database = func(sql string) { client(t, nil, "psql", "-q", "-v", "ON_ERROR_STOP=1", "-c", sql, u.String()) }
		p.database("CREATE DATABASE app")
		u.Path = "/app"
		client(t, dump, "psql", "-q", "-v", "ON_ERROR_STOP=1", u.String())
		p.env = "APP_DSN=" + u.String()
		p.asked = func(sql string) [][]string { return answers(t, "psql", "-q", "-At", "-F\t", "-c", sql, u.String()) }
	} else {
		start := mysqltest.Start
		if oracle {
			start = mysqltest.StartMySQL
		}
		s, err := start(context.Background())
		if errors.Is(err, mysqltest.ErrMissing) {
			t.Skip(err)
		} else if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { ended(t, s.Stop()) })
		args := []string{"mariadb", "--no-defaults", "--default-character-set=utf8mb4", "-uroot", "-S" + s.Socket()}
		p.database = func(sql string) { client(t, nil, append(args, "-e", sql, mysqltest.Name)...) }
		p.asked = func(sql string) [][]string {
			return answers(t, append(args, "-N", "-B", "--raw", "-e", sql, mysqltest.Name)...)
		}
		client(t, dump, append(args, mysqltest.Name)...)
		p.env, p.log = "PLATFORM_DSN="+s.URL(), s.Log()
	}
	p.serve()
	return p
}

func ended(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
}

// serve serves the objects of the platform.
func (p *platform) serve() {
	server := mem.New(mem.Options{})
	p.store = server
	if p.set == "platform" {
		made := map[string]bool{}
		for files := tar.NewReader(unzipped(p.t, p.given("objects.tar.gz"))); ; {
			h, err := files.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				p.t.Fatal(err)
			}
			bucket, key, _ := strings.Cut(h.Name, "/")
			if !made[bucket] {
				made[bucket] = true
				server.CreateBucket(bucket, "")
			}
			body, err := io.ReadAll(files)
			if err != nil {
				p.t.Fatal(err)
			}
			if h.Typeflag == tar.TypeReg {
				server.Put(bucket, key, body, mem.PutOptions{})
			}
		}
	}
	web := httptest.NewServer(server)
	p.t.Cleanup(web.Close)
	p.url = web.URL
}

// gc carries out a command of gc, which must end with a code.
func (p *platform) gc(code int, args ...string) string {
	p.t.Helper()
	return p.cooper(code, append(append([]string{"gc"}, args...), "--config", p.config)...)
}

func (p *platform) cooper(code int, args ...string) string {
	p.t.Helper()
	cmd := e2etest.Command(p.t.Context(), p.url, p.ws, args...)
	cmd.Env = append(cmd.Env, p.env)
	if p.hourAgo {
		asBehind(p.t, cmd)
	}
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) || cmd.ProcessState.ExitCode() != code {
		p.t.Fatalf("cooper %v: %v\n%s\n%s", args, err, out.String(), said.String())
	}
	return out.String()
}

// lists compares all lists with what the platform's makers say.
func (p *platform) lists() {
	p.t.Helper()
	p.compare(map[string]string{"links": "links.tsv", "linked": "linked.txt", "malformed": "malformed.tsv", "dangling": "dangling.tsv", "refusals": "refusals.tsv"})
}

// compare compares lists with files.
func (p *platform) compare(files map[string]string) {
	p.t.Helper()
	for name, file := range files {
		var want []string
		text, err := os.ReadFile(filepath.Join(p.given("expected"), file))
		if err != nil && !errors.Is(err, os.ErrNotExist) { // those that would be empty are left out
			p.t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			want = append(want, strings.TrimSuffix(line, "\n"))
		}
		var got []string
		for line := range strings.Lines(p.gc(0, "list", name, "--tsv")) {
			got = append(got, strings.TrimSuffix(line, "\n"))
		}
		if !slices.IsSorted(got) {
			p.t.Errorf("%s is not sorted", name)
		}
		if name == "malformed" { // why a value cannot be read is said in words of our own
			for i, l := range want {
				want[i] = l[:strings.LastIndexByte(l, '\t')]
			}
			for i, l := range got {
				got[i] = l[:strings.LastIndexByte(l, '\t')]
			}
		}
		slices.Sort(want)
		e2etest.Same(p.t, got, want)
	}
}

// TestGarbage: what the commands say of the made-up platforms is what their makers say.
func TestGarbage(t *testing.T) {
	for _, set := range []string{"platform", "platform on MySQL", "rails"} {
		t.Run(set, func(t *testing.T) {
			t.Parallel()
			p := newPlatform(t, set)
			if out := p.gc(0, "check"); !strings.Contains(out, "A scan reads about ") {
				t.Error(out)
			}
			// Some values cannot be read.
			if out := p.gc(3, "scan"); !strings.Contains(out, "not complete") {
				t.Error(out)
			}
			p.lists()
			var before, after struct {
				Last    struct{ Complete bool }
				Counted []string
			}
			status := func(v any) {
				if err := json.Unmarshal([]byte(p.gc(0, "status", "--json")), v); err != nil {
					t.Fatal(err)
				}
			}
			status(&before)
			p.gc(0, "acknowledge", "--all-listed")
			if status(&after); before.Last.Complete || !after.Last.Complete || len(after.Counted) != 1 {
				t.Errorf("before and after values were acknowledged: %+v, %+v", before, after)
			}
			p.lists()
			// The same is found again, and no value has to be acknowledged anew.
			p.gc(0, "scan")
			p.lists()
			p.detected()
		})
	}
}

// TestGarbageDenied: ranges that could not be read are tried again by the same plan once the
// owner has granted the right, and the scan is worth nothing before.
func TestGarbageDenied(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, "rails")
	p.database("CREATE ROLE reader LOGIN PASSWORD 'reads'")
	name, address, _ := strings.Cut(p.env, "=")
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword("reader", "reads")
	p.database = func(sql string) { client(t, nil, "psql", "-q", "-v", "ON_ERROR_STOP=1", "-c", sql, address) }
	p.env = name + "=" + u.String()
	p.database("GRANT pg_read_all_data TO reader")
	p.gc(0, "scan", "--plan-only")
	p.database("REVOKE pg_read_all_data FROM reader")
	p.database("GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader; REVOKE SELECT ON documents FROM reader; GRANT USAGE ON SCHEMA tenant_a, tenant_b, tenant_c TO reader; GRANT SELECT ON tenant_a.uploads, tenant_b.uploads, tenant_c.uploads TO reader")
	for range 2 {
		if out := p.cooper(3, "apply", "latest"); !strings.Contains(out, "stopped") || strings.Contains(out, "complete") {
			t.Error(out)
		}
		if n := p.cooper(0, "ledger", "sql", "--json", "SELECT count(*) AS n FROM gc_range WHERE table_name LIKE '%documents'"); strings.TrimSpace(n) != `{"n":0}` {
			t.Error(n)
		}
	}
	p.database("GRANT SELECT ON documents TO reader")
	if out := p.cooper(3, "apply", "latest"); !strings.Contains(out, "not complete") { // some values cannot be read
		t.Error(out)
	}
	p.lists()
	p.gc(0, "acknowledge", "--all-listed")
	if out := p.cooper(0, "ledger", "sql", "--json", "SELECT count(*) - count(DISTINCT shard) AS n FROM gc_range"); strings.TrimSpace(out) != `{"n":0}` {
		t.Error(out)
	}
}

// TestGarbageKilled: a scan that is killed at any instant, again and again, and gone on
// with has found what one that was let be finds, each link once.
func TestGarbageKilled(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("twenty kills take a while")
	}
	strace := e2etest.Strace(t)
	p := newPlatform(t, "rails")
	p.gc(3, "scan")
	whole := p.linkRows()
	if len(whole) < 100 {
		t.Fatalf("only %d rows of links", len(whole))
	}
	kills, r := 0, rand.New(rand.NewPCG(11, 20)) //nolint:gosec // repeatable
	for round := 0; kills < 20; round++ {
		if round == 10 {
			t.Fatalf("only %d kills in %d rounds", kills, round)
		}
		p.ws = filepath.Join(t.TempDir(), "ws")
		p.gc(0, "scan", "--plan-only")
		for p.killed(strace, []string{"fsync", "renameat"}[r.IntN(2)], 1+r.IntN(3)) {
			kills++
		}
		p.cooper(3, "apply", "latest", "--quiet") // some values cannot be read
		p.lists()
		e2etest.Same(t, p.linkRows(), whole)
		for what, sql := range map[string]string{
			"ranges that are there twice": "SELECT count(*) - count(DISTINCT shard) AS n FROM gc_range",
			"ends but one of the scan":    "SELECT count(*) - 1 AS n FROM gc_scan",
		} {
			if n := p.cooper(0, "ledger", "sql", "--json", sql); strings.TrimSpace(n) != `{"n":0}` {
				t.Errorf("%s: %s", what, n)
			}
		}
	}
	t.Logf("%d kills", kills)
}

// linkRows are those of links, as the ledger has them: one that were there twice is twice here.
func (p *platform) linkRows() []string {
	p.t.Helper()
	var rows []string
	for line := range strings.Lines(p.cooper(0, "ledger", "sql", "--json", "SELECT * EXCLUDE (scan) FROM gc_link")) {
		rows = append(rows, strings.TrimSuffix(line, "\n"))
	}
	slices.Sort(rows)
	return rows
}

// killed carries the plan out, and tells whether it was killed at the nth call of a name;
// else it has come to its end.
func (p *platform) killed(strace, call string, nth int) bool {
	p.t.Helper()
	cmd := e2etest.Command(p.t.Context(), p.url, p.ws, "apply", "latest", "--quiet")
	cmd.Env = append(cmd.Env, p.env)
	var said bytes.Buffer
	cmd.Stderr = &said
	e2etest.KilledAt(cmd, strace, call, nth)
	if err := cmd.Run(); err != nil && !cmd.ProcessState.Exited() {
		return true
	}
	if code := cmd.ProcessState.ExitCode(); code != 3 {
		p.t.Fatalf("neither killed nor at its end, but %v: %s", code, said.String())
	}
	return false
}
