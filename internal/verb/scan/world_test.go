package scan

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"cooper"
	"cooper/internal/apply"
	"cooper/internal/config"
	"cooper/internal/database"
	"cooper/internal/database/mysqltest"
	"cooper/internal/gcop"
	"cooper/internal/journal"
	"cooper/internal/ledger"
	"cooper/internal/ledger/gcfacts"
	"cooper/internal/plan"
	"cooper/internal/postgres/pgtest"
	"cooper/internal/store"
)

var ctx = context.Background()

// Servers are started with the first test that needs one.
var (
	maria = sync.OnceValues(func() (*mysqltest.Server, error) {
		s, err := mysqltest.Start(ctx)
		if err == nil {
			started = append(started, s.Stop)
		}
		return s, err
	})
	elephant = sync.OnceValues(func() (*pgtest.Server, error) {
		s, err := pgtest.Start(ctx)
		if err == nil {
			started = append(started, s.Stop)
		}
		return s, err
	})
	started []func() error
)

func TestMain(m *testing.M) {
	for name, value := range map[string]string{
		"AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull, "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_ACCESS_KEY_ID": "access", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "us-east-1",
	} {
		if err := os.Setenv(name, value); err != nil {
			panic(err)
		}
	}
	if dir := os.Getenv(childEnv); dir != "" {
		child(dir)
		return
	}
	code := m.Run()
	for _, stop := range started {
		if err := stop(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
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

// now is the time of all scans.
var now = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

// world is a database, a configuration, buckets, and what a machine keeps.
type world struct {
	t      testing.TB
	dir    string
	db     database.Database
	config *config.Config
	store  opener
	// dsn and url are where database and buckets are, of worlds that other processes enter.
	dsn, url string
	facts    *gcfacts.Store
	plan     *plan.Plan
	runs     int
	clock    func() time.Time
	journal  journal.Dir
	// configuration is the digest of the one at hand.
	configuration string
	// threads and workers are those of a run.
	threads, workers int
}

func newWorld(t testing.TB, db database.Database, c *config.Config) *world {
	dir := t.TempDir()
	must(t, os.Mkdir(filepath.Join(dir, "journal"), 0o755))
	return &world{
		journal: journal.At(filepath.Join(dir, "journal")), configuration: "digest",
		t: t, dir: dir, db: db, config: c, facts: gcfacts.Open(filepath.Join(dir, "ledger")), workers: 2, clock: func() time.Time { return now },
		store: func(context.Context, string) (store.Reader, error) { return nil, errors.New("there are no buckets") },
	}
}

const planID = "p-20260301T000000Z-0001"

// scanning is what plans of tests have in common.
func (w *world) scanning(s *database.Server) gcop.Scanning {
	return gcop.Scanning{Config: "/cooper.yaml", Configuration: "digest", Server: s.Identity, Engine: s.Engine, Time: cooper.InstantOf(now)}
}

// tasks are those of a scan in ranges of so many rows, of handles and of links.
func (w *world) tasks(rows int64) (handles, links []gcop.Task) {
	c := w.config
	table := func(declared *config.Table, t gcop.Task) (all []gcop.Task) {
		var except []string
		for _, e := range declared.Except {
			except = append(except, e.Text)
		}
		p, err := database.ParsePattern(declared.Text, except...)
		must(w.t, err)
		listing, err := w.db.Tables(ctx, p)
		must(w.t, err)
		if len(listing.Tables) == 0 {
			w.t.Fatalf("there is no table %s", declared.Text)
		}
		for _, l := range listing.Tables {
			described, err := w.db.Describe(ctx, l.Name)
			must(w.t, err)
			ranges, err := w.db.Ranges(ctx, &database.Source{Table: described}, rows)
			must(w.t, err)
			for i, r := range ranges {
				t.Schema, t.Table, t.Number, t.Key, t.After, t.To, t.Rows = l.Schema, l.Table, i, r.Key, r.After, r.To, r.Rows
				all = append(all, t)
			}
		}
		return all
	}
	for _, h := range c.Handles {
		t := gcop.Task{What: gcop.Kind, Name: h.Kind, Rows: -1}
		if h.Query != "" {
			handles = append(handles, t)
		} else {
			handles = append(handles, table(&h.Table, t)...)
		}
	}
	for _, d := range c.Derived {
		handles = append(handles, gcop.Task{What: gcop.Derived, Name: d.Name, Rows: -1})
	}
	for role, guards := range map[string][]*config.Guard{gcop.Protect: c.Protect, gcop.InFlight: c.InFlight} {
		for _, g := range guards {
			if g.Table.Given() {
				handles = append(handles, table(&g.Table, gcop.Task{What: gcop.Hold, Name: role, Column: g.Handle, Where: g.Where, Of: g.Of})...)
			}
		}
	}
	for _, a := range c.Associations {
		links = append(links, table(&a.Table, gcop.Task{What: gcop.Association, Name: a.Name})...)
	}
	return handles, links
}

// planned makes the plan of a scan.
func (w *world) planned(rows int64) {
	w.t.Helper()
	server, err := w.db.Server(ctx)
	must(w.t, err)
	dir := filepath.Join(w.dir, "plan")
	out, err := plan.Create(dir, planID, plan.Limits{Actions: gcop.ActionsAShard})
	must(w.t, err)
	handles, links := w.tasks(rows)
	for _, phase := range []struct {
		name  string
		tasks []gcop.Task
	}{{gcop.Handles, handles}, {gcop.Links, links}} {
		must(w.t, out.Phase(phase.name))
		for i := range phase.tasks {
			must(w.t, out.Add(phase.tasks[i].Action(), true))
		}
	}
	policy, err := json.Marshal(map[string]any{"scanning": w.scanning(server)})
	must(w.t, err)
	_, err = out.Finish(plan.Header{Mission: "gc-scan", Created: cooper.InstantOf(now), Target: plan.Target{Kind: gcop.TargetKind, Path: w.config.Database.Text}, Policy: policy})
	must(w.t, err)
	w.plan, err = plan.Open(dir)
	must(w.t, err)
}

// run carries the plan out, or goes on with it, as one process.
func (w *world) run(ctx context.Context) (sum apply.Summary, err error) {
	server, err := w.db.Server(context.Background())
	if err != nil {
		return sum, err
	}
	s, err := New(Options{
		Plan: planID, Scanning: w.scanning(server), Config: w.config, Database: w.db, Server: server, Facts: w.facts,
		Store: w.store, Clock: w.clock, Threads: w.threads, Secure: true,
	})
	if err != nil {
		return sum, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	w.runs++
	return apply.Run(ctx, apply.Job{
		Run: fmt.Sprintf("r-20260301T000000Z-%04x", w.runs), Plan: w.plan, Verbs: s.Verbs(), Facts: ledger.Open(filepath.Join(w.dir, "ledger")), Clock: w.clock,
		Target:  NewTarget(s, TargetOptions{Journal: w.journal, Path: w.config.Database.Text, Configuration: w.configuration}),
		Workers: w.workers, ShardsInFlight: w.workers,
	})
}

// whole plans and runs a scan, all of whose ranges have to be read.
func (w *world) whole(rows int64) {
	w.t.Helper()
	w.planned(rows)
	sum, err := w.run(ctx)
	must(w.t, err)
	if n := sum.Count(cooper.Done); n != int64(w.plan.Shards()) {
		w.t.Fatalf("%d of %d ranges were read: %+v", n, w.plan.Shards(), sum)
	}
}
