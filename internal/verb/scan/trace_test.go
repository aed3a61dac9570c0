package scan

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cooper"
	"cooper/internal/apply"
	"cooper/internal/ledger/gcfacts"
	"cooper/internal/store"
	"cooper/internal/store/mem"
	"cooper/internal/verb/verbtest"
)

const labYAML = `version: 1
database: mysql:env:DSN
buckets: [lab]
handles: {table: files, id: ID, key: K, modified: M, preview: P}
protect: [{table: holds, handle: F}]
associations:
  plain: {table: refs, object: O, handle: F}
  sets: {table: sets, object: ID, fetch: {bucket: B, key: K}, as: [json], at: '.ids | each'}
`

// labTables are what is there: files, holds, what links.
func labTables() map[string][][]string {
	return map[string][][]string{
		"files": {{"ID", "K", "M", "P"}, {"1", "a", "2026-01-01 00:00:00", "2"}, {"2", "b", "NULL", "NULL"}, {"3", "c", "0000-00-00 00:00:00", "NULL"}, {"4", "d", "NULL", ""}},
		"holds": {{"ID", "F"}, {"1", "3"}},
		"refs":  {{"ID", "O", "F"}, {"1", "one", "1"}, {"2", "one", "1"}, {"3", "two", "x"}, {"4", "two", "NULL"}, {"5", "two", "9"}},
		"sets":  {{"ID", "B", "K"}, {"1", "lab", "good"}, {"2", "lab", "gone"}},
	}
}

// lab is a world whose machine and bucket write down what happens to them.
type lab struct {
	*world
	on  *verbtest.World
	db  *memory
	sum apply.Summary // of the last run
}

func newLab(t testing.TB) *lab {
	on := verbtest.New(t, "", mem.Options{})
	on.URL = verbtest.Serve(t, on)
	on.Server.Put(verbtest.Lab, "good", []byte(`{"ids":[2,3,3]}`), mem.PutOptions{})
	l := &lab{on: on, db: &memory{tables: labTables()}}
	l.db.on = func(line string) (err error) {
		on.Alone(func() {
			if !on.Dead {
				on.Trace = append(on.Trace, line)
				if on.Dead = len(on.Trace) == on.CrashAt; on.Dead {
					on.Cancel(verbtest.ErrDead)
				}
			}
			if on.Dead {
				err = verbtest.ErrDead
			}
		})
		return err
	}
	l.world = newWorld(t, l.db, parsed(t, labYAML))
	l.workers, l.threads = 1, 1
	return l
}

// process runs the plan as a process of its own.
func (l *lab) process(ctx context.Context) error {
	bucket, end := l.on.Begin()
	defer end()
	l.store = func(context.Context, string) (store.Reader, error) { return bucket, nil }
	l.journal = l.on.Files()
	var err error
	l.sum, err = l.run(ctx)
	l.on.Alone(func() {}) // whatever request it was that it died of has ended
	return err
}

var labLinks = []string{"plain\tone\t1", "plain\ttwo\t9", "sets\t1\t2", "sets\t1\t3"}

// TestTrace compares what is asked of the database and of the bucket, and what is done to
// files of the journal, with testdata/trace.txt.
func TestTrace(t *testing.T) {
	l := newLab(t)
	l.db.tables["sets"] = l.db.tables["sets"][:2] // objects of a range are fetched at the same time
	l.planned(4)
	must(t, l.process(ctx))
	verbtest.Golden(t, "testdata/trace.txt", strings.Join(l.on.Trace, "\n")+"\n")
	same(t, "links", l.links(), labLinks)
}

// TestReadAnew: what came before a range was begun again does not count.
func TestReadAnew(t *testing.T) {
	l := newLab(t)
	l.db.again = true
	l.planned(3)
	must(t, l.process(ctx))
	same(t, "links", l.links(), labLinks)
	if c := l.counted()["plain"]; c != [4]int64{5, 3, 1, 0} {
		t.Error(c)
	}
	same(t, "held", l.held(), []string{"preview :2 from 1", "protect holds :3"})
}

// TestLookupGrows: a value that a query gives only once the range was read may stand in its
// rows: they are read anew.
func TestLookupGrows(t *testing.T) {
	for most, finished := range map[int]bool{2: true, 9: false} {
		l := newLab(t)
		l.config = parsed(t, `version: 1
database: mysql:env:DSN
buckets: [lab]
handles: {table: files, id: ID, key: K}
associations: {grown: {table: docs, object: ID, value: D, as: [json], lookup: {v: SELECT kinds}, at: '.[] | select(.[0] | IN($v[])) | .[1]'}}
`)
		l.db.most = most
		l.db.tables["docs"] = [][]string{{"ID", "D"}, {"1", `[["a",1],["b",2],["c",3]]`}}
		l.db.tables["kinds"] = [][]string{{"ID", "V"}, {"1", "a"}, {"2", "b"}, {"3", "x"}, {"4", "x4"}, {"5", "x5"}, {"6", "x6"}, {"7", "x7"}, {"8", "x8"}, {"9", "x9"}}
		l.planned(5)
		must(t, l.process(ctx))
		if failed := l.sum.Kinds[cooper.KindChanged] == 1; failed == finished {
			t.Errorf("%d: %+v", most, l.sum)
		}
		if finished {
			same(t, "links", l.links(), []string{"grown\t1\t1", "grown\t1\t2"})
		}
	}
}

// TestCrash: the machine stops after each request and each file operation, and the scan is
// gone on with: the links are there, each once.
func TestCrash(t *testing.T) {
	whole := newLab(t)
	whole.planned(5)
	must(t, whole.process(ctx))
	want, malformed := whole.raw(), whole.malformed()
	step := 1
	if testing.Short() {
		step = 7
	}
	crashes := 0
	for at, more := 1, true; more; at += step {
		l := newLab(t)
		l.planned(5)
		ctx, cancel := context.WithCancelCause(ctx)
		l.on.Cancel, l.on.CrashAt, l.on.Deaf = cancel, at, at%2 == 0
		err := l.process(ctx)
		cancel(nil)
		// Of the last that happens nobody learns whether the machine stopped there.
		if l.on.Alone(func() { more = l.on.Dead }); err != nil && !more {
			t.Fatalf("at %d: %v", at, err)
		}
		if more {
			crashes++
			l.on.Runs++
			l.on.CrashAt = 0
			l.on.Restart()
			must(t, l.process(context.Background()))
		}
		same(t, fmt.Sprint("links, after ", at), l.raw(), want)
		same(t, fmt.Sprint("malformed, after ", at), l.malformed(), malformed)
	}
	t.Logf("%d crashes", crashes)
}

// TestTarget: another database, another configuration, another plan, undoing.
func TestTarget(t *testing.T) {
	l := newLab(t)
	l.planned(2)
	for name, change := range map[string]func(){
		"configuration": func() { l.configuration = "other" },
		"path":          func() { l.configuration = "digest"; l.config.Database.Text = "mysql:env:OTHER" },
	} {
		change()
		if err := l.process(ctx); cooper.KindOf(err) != cooper.KindRefused {
			t.Errorf("%s: %v", name, err)
		}
	}
	if there, err := l.facts.Has(planID, 0); err != nil || there {
		t.Error(there, err)
	}
}

// TestDenied: what may not be read is no value that cannot be read: the range fails, and the
// others are read.
func TestDenied(t *testing.T) {
	l := newLab(t)
	l.on.Server.Deny(verbtest.Lab, "good")
	l.planned(5)
	must(t, l.process(ctx))
	if l.sum.Kinds[cooper.KindDenied] != 1 || l.sum.Count(cooper.Done) != int64(l.plan.Shards()-1) {
		t.Errorf("%+v", l.sum)
	}
	same(t, "links", l.links(), labLinks[:2])
	same(t, "malformed", l.malformed(), []string{"plain\trefs\t3\tnot an id: x"})
}

// TestDamagedHandles: where the facts of the scan's own handles cannot be read, the run ends;
// no range is taken for one that cannot be read.
func TestDamagedHandles(t *testing.T) {
	l := newLab(t)
	l.planned(2)
	l.db.on = func(line string) error {
		if !strings.HasPrefix(line, "read s.refs") {
			return nil
		}
		names, err := filepath.Glob(filepath.Join(l.dir, "ledger", "gc", planID, "shard-*", gcfacts.Handles+".parquet"))
		if err != nil || len(names) == 0 {
			return fmt.Errorf("no files: %w", err)
		}
		return os.WriteFile(names[0], []byte("damaged"), 0o600)
	}
	if err := l.process(ctx); cooper.KindOf(err) != cooper.KindInternal {
		t.Error(err)
	}
	if got := l.counted()["sets"]; got != [4]int64{} {
		t.Error(got)
	}
}
