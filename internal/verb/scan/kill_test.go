package scan

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cooper"
	"cooper/internal/config"
	"cooper/internal/database"
	"cooper/internal/database/mysql"
	"cooper/internal/journal"
	"cooper/internal/ledger/gcfacts"
	"cooper/internal/plan"
	"cooper/internal/store"
	"cooper/internal/store/s3"
)

// The environment of a process that carries out the plan of a world until it is killed.
const (
	childEnv  = "COOPER_TEST_SCAN"
	childDSN  = "COOPER_TEST_SCAN_DSN"
	childURL  = "COOPER_TEST_SCAN_URL"
	childYAML = "COOPER_TEST_SCAN_YAML"
	childRun  = "COOPER_TEST_SCAN_RUN"
)

// child carries a plan out, and writes a line for each thing that happens.
func child(dir string) {
	fail := func(err error) {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	tell := func() { fmt.Println("on") }
	db, err := mysql.Open(ctx, os.Getenv(childDSN), quick())
	fail(err)
	src, err := os.ReadFile(os.Getenv(childYAML))
	fail(err)
	c, err := config.Parse("cooper.yaml", src)
	fail(err)
	p, err := plan.Open(filepath.Join(dir, "plan"))
	fail(err)
	w := &world{dir: dir, db: &telling{db, tell}, config: c, facts: gcfacts.Open(filepath.Join(dir, "ledger")), plan: p, workers: 2, journal: journal.At(filepath.Join(dir, "journal")), configuration: "digest"}
	w.clock = func() time.Time { tell(); return now }
	_, err = fmt.Sscan(os.Getenv(childRun), &w.runs)
	fail(err)
	w.store = func(ctx context.Context, bucket string) (store.Reader, error) {
		return s3.Open(ctx, bucket, s3.Config{Endpoint: os.Getenv(childURL)})
	}
	_, err = w.run(ctx)
	fail(err)
}

// telling is a database of which is told what it gives.
type telling struct {
	database.Database
	tell func()
}

func (d *telling) Read(ctx context.Context, s *database.Source, r database.Range, sink database.Sink) error {
	return d.Database.Read(ctx, s, r, &tellingSink{sink, d.tell})
}

type tellingSink struct {
	database.Sink
	tell func()
}

func (s *tellingSink) Begin(snap database.Snapshot) error {
	s.tell()
	return s.Sink.Begin(snap)
}

func (s *tellingSink) Rows(rows []database.Row) error {
	s.tell()
	err := s.Sink.Rows(rows)
	s.tell()
	return err
}

// TestKilled: a scan that is killed, again and again, and gone on with has the same links,
// each once.
func TestKilled(t *testing.T) {
	if testing.Short() {
		t.Skip("kills many times")
	}
	w := platform(t)
	w.planned(60)
	const kills = 20
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // that it is the same each time is wanted
	killed := 0
	for range kills {
		w.runs++
		if w.killed(1 + random.IntN(60)) {
			killed++
		}
	}
	if killed < kills/2 {
		t.Errorf("killed only %d times", killed)
	}
	sum, err := w.run(ctx)
	must(t, err)
	if !sum.Finished || sum.Count(cooper.Failed) > 0 {
		t.Fatalf("%+v", sum)
	}
	t.Logf("%d kills; %d of %d ranges were left to the last", killed, sum.Committed, sum.Shards)
	same(t, "links", w.links(), expected(t, "platform", "links.tsv"))
	whole := newWorld(t, w.db, w.config)
	whole.store = w.store
	whole.whole(60)
	same(t, "rows of links", w.raw(), whole.raw())
	same(t, "malformed", w.malformed(), whole.malformed())
}

// killed carries the plan out as another process, which is killed once so many things have
// happened; it may have ended before.
func (w *world) killed(after int) bool {
	w.t.Helper()
	cmd := exec.Command(os.Args[0]) //nolint:gosec // this test
	cmd.Env = append(os.Environ(), childEnv+"="+w.dir, childDSN+"="+w.dsn, childURL+"="+w.url, childYAML+"="+fixture(w.t, "platform", "cooper.yaml"), childRun+"="+fmt.Sprint(w.runs))
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.StdoutPipe()
	must(w.t, err)
	must(w.t, cmd.Start())
	lines := bufio.NewScanner(out)
	for n := 0; n < after && lines.Scan(); n++ {
	}
	if err := cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		w.t.Fatal(err)
	}
	err = cmd.Wait()
	if cmd.ProcessState.ExitCode() == 1 {
		w.t.Fatalf("%v: %s", err, said.String())
	}
	return cmd.ProcessState.ExitCode() == -1
}
