package scan

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"cooper/internal/config"
	"cooper/internal/database"
	"cooper/internal/database/mysql"
	"cooper/internal/database/mysqltest"
	pg "cooper/internal/database/postgres"
	"cooper/internal/postgres/pgtest"
	"cooper/internal/store"
	"cooper/internal/store/mem"
	"cooper/internal/store/s3"
)

// fixture is a file of one of the made-up platforms.
func fixture(t testing.TB, set, name string) string {
	t.Helper()
	path := filepath.Join("..", "..", "..", "..", "shared", "gc", set, name)
	if _, err := os.Stat(path); err != nil {
		t.Skipf("the made-up platforms are not here: %v", err)
	}
	return path
}

// expected are the lines of a list, none where there is no file.
func expected(t testing.TB, set, name string) (lines []string) {
	t.Helper()
	b, err := os.ReadFile(fixture(t, set, filepath.Join("expected", name)))
	must(t, err)
	for line := range strings.Lines(string(b)) {
		lines = append(lines, strings.TrimSuffix(line, "\n"))
	}
	slices.Sort(lines)
	return lines
}

// load gives a dump to a client of the database's own.
func load(t testing.TB, set string, client ...string) {
	t.Helper()
	f, err := os.Open(fixture(t, set, "dump.sql.gz"))
	must(t, err)
	defer f.Close()
	dump, err := gzip.NewReader(f)
	must(t, err)
	cmd := exec.Command(client[0], client[1:]...) //nolint:gosec // a client of a test's
	cmd.Stdin = dump
	if out, err := cmd.CombinedOutput(); errors.Is(err, exec.ErrNotFound) {
		t.Skip(err)
	} else if err != nil {
		t.Fatalf("%v: %.500s", err, out)
	}
}

func loadConfig(t testing.TB, set string) *config.Config {
	t.Helper()
	src, err := os.ReadFile(fixture(t, set, "cooper.yaml"))
	must(t, err)
	c, err := config.Parse("cooper.yaml", src)
	must(t, err)
	return c
}

// quick are limits of tests.
func quick() database.Options {
	return database.Options{Limits: database.Limits{RowsPerSecond: 1e9, Busy: 1e6, Connections: 4}}
}

// platform is the one on MariaDB, with its change sets.
func platform(t testing.TB) *world {
	t.Helper()
	fixture(t, "platform", "dump.sql.gz")
	s, err := maria()
	if errors.Is(err, mysqltest.ErrMissing) {
		t.Skip(err)
	}
	must(t, err)
	dsn, command := schema(t, s)
	load(t, "platform", command...)
	db, err := mysql.Open(ctx, dsn, quick())
	must(t, err)
	t.Cleanup(func() { must(t, db.Close()) })
	w := newWorld(t, db, loadConfig(t, "platform"))
	w.dsn = dsn
	w.url, w.store = changeSets(t)
	return w
}

// changeSets serves the objects of the platform.
func changeSets(t testing.TB) (string, opener) {
	server := mem.New(mem.Options{})
	f, err := os.Open(fixture(t, "platform", "objects.tar.gz"))
	must(t, err)
	defer f.Close()
	z, err := gzip.NewReader(f)
	must(t, err)
	made := map[string]bool{}
	for files := tar.NewReader(z); ; {
		h, err := files.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		must(t, err)
		bucket, key, _ := strings.Cut(h.Name, "/")
		body, err := io.ReadAll(files)
		must(t, err)
		if !made[bucket] {
			made[bucket] = true
			server.CreateBucket(bucket, "")
		}
		if h.Typeflag == tar.TypeReg {
			server.Put(bucket, key, body, mem.PutOptions{})
		}
	}
	return served(t, server)
}

// opener opens buckets.
type opener func(ctx context.Context, bucket string) (store.Reader, error)

// served opens buckets of a server, and gives its address.
func served(t testing.TB, server http.Handler) (string, opener) {
	web := httptest.NewServer(server)
	t.Cleanup(web.Close)
	return web.URL, func(ctx context.Context, bucket string) (store.Reader, error) {
		b, err := s3.Open(ctx, bucket, s3.Config{Endpoint: web.URL})
		if err != nil {
			return nil, err
		}
		t.Cleanup(func() { must(t, b.Close()) })
		return b, nil
	}
}

// rails is the one on PostgreSQL.
func rails(t testing.TB) *world {
	t.Helper()
	fixture(t, "rails", "dump.sql.gz")
	s, err := elephant()
	if errors.Is(err, pgtest.ErrMissing) {
		t.Skip(err)
	}
	must(t, err)
	dsn := catalog(t, s)
	load(t, "rails", "psql", "-q", "-v", "ON_ERROR_STOP=1", dsn)
	db, err := pg.Open(ctx, dsn, quick())
	must(t, err)
	t.Cleanup(func() { must(t, db.Close()) })
	return newWorld(t, db, loadConfig(t, "rails"))
}

// schema makes an empty database on MariaDB for one test, and gives its address and how a
// client reaches it.
func schema(t testing.TB, s *mysqltest.Server) (dsn string, command []string) {
	t.Helper()
	u, err := url.Parse(s.URL())
	must(t, err)
	name := fmt.Sprintf("of_%d", databases.Add(1))
	command = []string{"mariadb", "--no-defaults", "--default-character-set=utf8mb4", "-uroot", "-S" + s.Socket()}
	client(t, "CREATE DATABASE "+name+" CHARACTER SET utf8mb4", command...)
	u.Path = "/" + name
	return u.String(), append(command, name)
}

// catalog makes one on PostgreSQL.
func catalog(t testing.TB, s *pgtest.Server) string {
	t.Helper()
	u, err := url.Parse(s.URL())
	must(t, err)
	name := fmt.Sprintf("of_%d", databases.Add(1))
	client(t, "CREATE DATABASE "+name, "psql", "-q", "-v", "ON_ERROR_STOP=1", s.URL())
	u.Path = "/" + name
	return u.String()
}

var databases atomic.Int64

// TestGiven: links and what is malformed are what the platforms' makers say.
func TestGiven(t *testing.T) {
	for set, make := range map[string]func(testing.TB) *world{"platform": platform, "rails": rails} {
		t.Run(set, func(t *testing.T) {
			w := make(t)
			w.whole(100)
			same(t, "links", w.links(), expected(t, set, "links.tsv"))
			key := func(lines []string) (short []string) {
				for _, l := range lines {
					short = append(short, l[:strings.LastIndexByte(l, '\t')])
				}
				return short
			}
			same(t, "malformed", key(w.malformed()), key(expected(t, set, "malformed.tsv")))
			t.Log(strings.Join(w.malformed(), "\n"))
		})
	}
}
