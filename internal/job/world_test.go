package job

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"cooper"
	"cooper/internal/plan"
	"cooper/internal/progress"
	"cooper/internal/query"
	"cooper/internal/store/mem"
)

// The machine's own AWS configuration must not decide what tests see.
func TestMain(m *testing.M) {
	for name, value := range map[string]string{
		"AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull, "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_ACCESS_KEY_ID": "access", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "us-east-1",
	} {
		if err := os.Setenv(name, value); err != nil {
			panic(err)
		}
	}
	goleak.VerifyTestMain(m)
}

// world is what a job gets from outside, without any command line: a store in memory, a
// workspace, and somebody who listens: what jobs tell and ask it writes down, and answers.
type world struct {
	*Env
	t     *testing.T
	store *mem.Server
	dir   string // holds what a test makes

	mu   sync.Mutex
	at   time.Time
	told []string
	// begun are the plans that were carried out, shown those that were shown: in whole, or
	// not.
	begun, shown []string
	asked        []string
	// answer says yes or no; nil: nobody is there.
	answer  func(question string) bool
	doubted bool
	// stopped is called when something comes to its end that was followed.
	stopped func()
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), stopped: func() {}, at: time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)}
	w.store = mem.New(mem.Options{Clock: w.clock, MinPartSize: 1})
	server := httptest.NewServer(w.store)
	t.Cleanup(server.Close)
	w.Env = &Env{
		Workspace: filepath.Join(w.dir, "ws"), Clock: w.clock, Memory: 512 << 20,
		Stores: &S3{Endpoint: server.URL}, Engine: DuckDB, Listener: w,
	}
	return w
}

// emptyLab is a world with the bucket lab.
func emptyLab(t *testing.T, versioning string) *world {
	t.Helper()
	w := newWorld(t)
	w.store.CreateBucket("lab", versioning)
	return w
}

// clock goes on by a second each time it is looked at.
func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.at = w.at.Add(time.Second)
	return w.at
}

// later lets time pass.
func (w *world) later(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.at = w.at.Add(d)
}

func (w *world) Tell(level Level, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.told = append(w.told, fmt.Sprintf("%d %s", level, text))
}

func (w *world) Follow(*progress.Counters) (stop func()) { return func() { w.stopped() } }

func (w *world) Begun(id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.begun = append(w.begun, id)
}

func (w *world) ShowPlan(h *plan.Header, whole bool) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	how := "in short"
	if whole {
		how = "whole"
	}
	w.shown = append(w.shown, h.ID+" "+how)
	return nil
}

func (w *world) Ask(_ context.Context, question string) (yes, there bool, err error) {
	if w.answer == nil {
		return false, false, nil
	}
	w.mu.Lock()
	w.asked = append(w.asked, question)
	w.mu.Unlock()
	return w.answer(question), true, nil
}

func (w *world) Doubt() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.doubted = true
}

// path is one in the directory of the test.
func (w *world) path(name string) string { return filepath.Join(w.dir, name) }

// put writes objects, whose content is their key and the text.
func (w *world) put(text string, keys ...string) {
	for _, key := range keys {
		w.store.Put("lab", key, []byte(key+" "+text), mem.PutOptions{})
	}
}

// files are those below a directory, with what they contain, in order; none of those
// that begin with a dot.
func (w *world) files(name string) []string {
	w.t.Helper()
	var got []string
	root := w.path(name)
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err == nil && path != root && strings.HasPrefix(d.Name(), ".") && d.IsDir() {
			return filepath.SkipDir
		}
		if err != nil || d.IsDir() || strings.HasPrefix(d.Name(), ".") {
			return err
		}
		b, err := os.ReadFile(path)
		rel, _ := filepath.Rel(root, path)
		got = append(got, rel+": "+string(b))
		return err
	})
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		w.t.Fatal(err)
	}
	return got
}

// facts are what the ledger says of a plan: verb, status and key of each action.
func (w *world) facts(id string) []string {
	w.t.Helper()
	return w.rows("SELECT concat_ws(' ', verb, status, key) FROM outcome WHERE plan = ? ORDER BY ALL", id)
}

// rows are the answers to a question, a column of text.
func (w *world) rows(sql string, args ...any) (got []string) {
	w.t.Helper()
	err := Ask(w.t.Context(), w.Env, Question{}, func(db query.Engine) (err error) {
		rows, err := db.Query(w.t.Context(), sql, args...)
		if err != nil {
			return err
		}
		defer finally(&err, rows.Close)
		for {
			row, err := rows.Next()
			if errors.Is(err, io.EOF) {
				return nil
			} else if err != nil {
				return err
			}
			got = append(got, fmt.Sprint(row[0]))
		}
	})
	w.ok(err)
	return got
}

// ok wants no error.
func (w *world) ok(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// same wants lists to be alike.
func (w *world) same(what string, got []string, want ...string) {
	w.t.Helper()
	if !slices.Equal(got, want) {
		w.t.Errorf("%s:\n  %s\nwanted:\n  %s", what, strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

// refused wants an error of a kind.
func (w *world) refused(err error, kind cooper.Kind) {
	w.t.Helper()
	if cooper.KindOf(err) != kind {
		w.t.Errorf("%v; wanted one of the kind %s", err, kind)
	}
}

// heard tells whether something was told.
func (w *world) heard(text string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.ContainsFunc(w.told, func(s string) bool { return strings.Contains(s, text) })
}

// went wants a job to have carried a plan out to its end, the last that was begun.
func (w *world) went(r Result, err error, mission string) Result {
	w.t.Helper()
	w.ok(err)
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case r.Plan == nil || r.Applied == nil:
		w.t.Fatalf("nothing was carried out: %+v", r)
	case r.Plan.Mission != mission || !r.Applied.Finished || r.Applied.Plan != r.Plan.ID || r.Words.Unfinished == "":
		w.t.Fatalf("a plan of %s: %+v", r.Plan.Mission, r)
	case len(w.begun) == 0 || w.begun[len(w.begun)-1] != r.Plan.ID:
		w.t.Fatalf("the plan was not begun, but %v", w.begun)
	}
	return r
}
