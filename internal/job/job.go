// Package job carries jobs out, from what a person wants to the facts about what came
// of it: it takes snapshots, lets missions plan, asks for consent, and carries plans out
// under the lock of their target.
//
// It promises that every plan goes the same way, whatever its mission (see run.go): lock,
// recover, check, apply, compact, summary. It prints nothing and knows no command line:
// whom it tells, shows and asks is a Listener, which a terminal, a log, a page or a worker
// of a fleet implements. All else that comes from outside is in Env. Beside cmd it is the
// one place that chooses technologies, each in a file of its own: s3.go, duckdb.go,
// postgres.go, database.go.
//
// What should happen is decided by missions, how it happens by verbs and targets; how one
// mission is put together from them is known to its own file here and to nothing else. A
// mission is added with a line in the table of mission.go.
package job

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"cooper"
	"cooper/internal/apply"
	"cooper/internal/hours"
	"cooper/internal/inventory"
	"cooper/internal/plan"
	"cooper/internal/progress"
	"cooper/internal/query"
	"cooper/internal/store"
	"cooper/internal/workspace"
)

// Env is all that comes from outside. All fields but Hours must be given.
type Env struct {
	// Workspace is its directory, an absolute path; it is made when it is needed.
	Workspace string
	Clock     func() time.Time
	// Memory is what the process may use, in bytes.
	Memory int64
	// Stores opens buckets; S3 is one.
	Stores Stores
	// Engine opens what answers SQL; DuckDB is one.
	Engine func(EngineOptions) (query.Engine, error)
	// Hours are those at which work may be taken up; the zero value is always.
	Hours hours.Hours
	// Listener hears of everything, and answers.
	Listener Listener
}

// Stores opens buckets. concurrency is how many requests may be under way at once; 0
// leaves it to the store. Errors are those of s3.Open.
type Stores interface {
	Open(ctx context.Context, e *Env, bucket string, concurrency int) (Bucket, error)
}

// Bucket is one that was opened: what stores can do, and what they tell of themselves.
type Bucket interface {
	store.Bucket
	store.Presigner
	store.Clock
	Traffic
	Name() string
	// Endpoint is the store's URL; empty for Amazon S3.
	Endpoint() string
	// Store says which store it is in, and whose it is there.
	Store(ctx context.Context) (cooper.Store, error)
	Close() error
}

// Traffic is what an open bucket was asked and answered so far.
type Traffic interface {
	Usage() store.Usage
	// Moved is how many bytes went over the wire, both ways.
	Moved() int64
	Waiting() []store.Wait
}

// EngineOptions are what an engine depends on.
type EngineOptions struct {
	Memory  int64  // in bytes
	TempDir string // where it may spill to; empty: nowhere
}

// A Level says how much what is told matters.
type Level int

// What is told.
const (
	// Aside is of interest to who watches closely.
	Aside Level = iota
	// Note belongs to the progress of a job.
	Note
	// Caution ought to be read; a program finds it in the result.
	Caution
	// Warning ought to be read also by a program.
	Warning
)

// A Listener hears what a job does, and answers what it asks. Its methods may be called
// by several goroutines.
type Listener interface {
	// Tell passes a sentence on. It may quote keys, which may hold anything.
	Tell(level Level, text string)
	// Follow shows how far something has come, until stop is called; that may be
	// called twice.
	Follow(c *progress.Counters) (stop func())
	// Begun tells that the plan id is carried out from now on.
	Begun(id string)
	// ShowPlan shows a plan that is about to be carried out; whole means that a person
	// is to decide about it.
	ShowPlan(h *plan.Header, whole bool) error
	// Ask wants a yes or a no. there is false where nobody can be asked.
	Ask(ctx context.Context, question string) (yes, there bool, err error)
	// Doubt tells that what a snapshot says cannot be right as a whole: whatever comes
	// of the job is no success.
	Doubt()
}

// ErrSomeFailed ends a job that went through although objects failed; the result tells
// of them.
var ErrSomeFailed = errors.New("some objects failed")

// Result is what a job comes to. It is good, as far as it goes, also beside an error.
type Result struct {
	Snapshot *inventory.Meta `json:"snapshot,omitempty"`
	Plan     *plan.Header    `json:"plan,omitempty"`
	Applied  *apply.Summary  `json:"applied,omitempty"`
	// Became is of compress run, Estimate of compress estimate.
	Became   *Became    `json:"became,omitempty"`
	Estimate *Estimated `json:"estimate,omitempty"`
	// Uploads is of purge uploads.
	Uploads *UploadsFound `json:"uploads,omitempty"`
	// Scanned is of gc scan.
	Scanned *GCScanned `json:"scanned,omitempty"`
	// Detected is of gc detect.
	Detected *GCDetected `json:"detected,omitempty"`

	// Nothing says, where a plan has nothing to do, what that means.
	Nothing string `json:"-"`
	// Words of the mission, for who shows the result to a person.
	Words Words `json:"-"`
	// Notes are to be told after the result.
	Notes []string `json:"-"`
}

// Words are what missions say differently.
type Words struct {
	// Unfinished says what holds where no shard was completed.
	Unfinished string
	// Next are steps to take about failures of a kind, where the mission knows better
	// than the failures do.
	Next map[cooper.Kind]string
}

// usage is an error of how a job was asked for.
func usage(message, remedy string) error {
	return &cooper.Error{Kind: cooper.KindUsage, Message: message, Remedy: remedy}
}

// tell passes on a sentence.
func (e *Env) tell(level Level, format string, args ...any) {
	e.Listener.Tell(level, fmt.Sprintf(format, args...))
}

// now is the time by this machine's clock.
func (e *Env) now() cooper.Instant { return cooper.InstantOf(e.Clock()) }

// work is a job under way: its workspace is open.
type work struct {
	*Env
	ws *workspace.Workspace
	// ahead is by how much this machine's clock is ahead of the store's, where that
	// matters.
	ahead time.Duration
}

// begin opens the workspace for f.
func (e *Env) begin(f func(w *work) error) (err error) {
	ws, err := e.OpenWorkspace()
	if err != nil {
		return err
	}
	defer finally(&err, ws.Close)
	return f(&work{Env: e, ws: ws})
}

// OpenWorkspace opens the workspace, and makes it if it is not there.
func (e *Env) OpenWorkspace() (*workspace.Workspace, error) {
	return workspace.Open(e.Workspace, workspace.Options{Clock: e.Clock})
}

// tempDir makes a directory for what f has to put aside.
func (w *work) tempDir(f func(dir string) error) error {
	return TempDir(w.Env, w.ws, f)
}

// TempDir makes a directory of the workspace for what f has to put aside. What of it
// cannot be removed is cleared by a later start, and told.
func TempDir(e *Env, ws *workspace.Workspace, f func(dir string) error) error {
	dir, err := ws.TempDir()
	if err != nil {
		return err
	}
	defer e.clear(dir)
	return f(dir)
}

// clear removes a temporary directory. What stays is cleared by a later start; there is
// nothing else to do about it.
func (e *Env) clear(dir string) {
	if err := os.RemoveAll(dir); err != nil && !errors.Is(err, os.ErrNotExist) {
		e.tell(Warning, "left behind: %v", err)
	}
}

// finally runs clean-up whose error must not be lost.
func finally(err *error, f func() error) { *err = errors.Join(*err, f()) }
