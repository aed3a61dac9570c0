// Package background keeps runs that outlive the terminal they were started from:
// what they were told, whether they live, what they write, and how they ended.
//
// Each has a directory, background/ID in a workspace (docs/formats/workspace.md).
// It promises that a process is never taken for another one that got the same
// number, nor signalled in its place; that the log of a run stays within bounds
// whatever the run does; that all that comes to standard output and standard
// error, a panic included, is in it; and that one directory has one process at
// a time. What the runs do, which of them may run in the background, and how a
// run is taken up again, is left to the commands.
package background

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"cooper"
	"cooper/internal/seal"
)

// Format is the version of the files of a run; from sealed on they have a seal.
const (
	Format = 2
	sealed = 2
)

// The files of a run.
const (
	stateName    = "state.json"    // durable; written by whoever starts it, then by the run
	progressName = "progress.json" // may be lost
	stopName     = "stop"          // a person has asked it to stop
	lockName     = "lock"          // held by the process of the run
	takenName    = "taken"         // held by whoever starts it, until it has come to its work
	logName      = "log"           // the newest; log.1 is the one before
)

// State is what is known of a run for sure.
type State struct {
	Format int    `json:"format"`
	ID     string `json:"id"`
	// Args are those of the command that was given, Now those of the command
	// that runs, which is another one once the run was taken up again.
	Args []string `json:"args"`
	Now  []string `json:"now"`
	// Dir is the directory it works in, Nice that it has the lowest priority.
	Dir  string `json:"dir"`
	Nice bool   `json:"nice,omitempty"`
	// Plan is the last plan that it began to carry out.
	Plan  string         `json:"plan,omitempty"`
	Began cooper.Instant `json:"began"`
	// Starts is how often it was started; Process is the last one's.
	Starts  int            `json:"starts"`
	Started cooper.Instant `json:"started"`
	Process Process        `json:"process"`
	// Ended and what follows are of the last process, unknown while it lives or
	// if it could not tell any more. Exit is its exit code.
	Ended   cooper.Instant `json:"ended,omitempty"`
	Exit    int            `json:"exit"`
	Message string         `json:"message,omitempty"`
}

// Progress is how far a run was at a moment.
type Progress struct {
	At           cooper.Instant `json:"at"`
	Phase        string         `json:"phase"`
	Objects      int64          `json:"objects"`
	TotalObjects int64          `json:"total_objects"`
	Bytes        int64          `json:"bytes"`
	TotalBytes   int64          `json:"total_bytes"`
	Failed       int64          `json:"failed"`
	// ETA is what remains, in seconds; negative if nobody knows.
	ETA float64 `json:"eta_seconds"`
	// Until is when the run goes on, if it waits for an hour of the day.
	Until cooper.Instant `json:"waiting_until,omitempty"`
}

// Status is how a run is.
type Status string

// The statuses of a run.
const (
	Running  Status = "running"
	Waiting  Status = "waiting"  // for an hour of the day
	Stopping Status = "stopping" // asked to, and not ended yet
	Finished Status = "finished" // exit code 0 or 3: some objects may have failed
	Failed   Status = "failed"
	Stopped  Status = "stopped" // by a person
	CutOff   Status = "cut off" // killed, crashed, or lost in a restart of the machine
)

// Live tells whether a process of the run is there.
func (s Status) Live() bool { return s == Running || s == Waiting || s == Stopping }

// Run is a run as it is found.
type Run struct {
	State
	Status Status `json:"status"`
	// Why says more about a status, where there is more to say.
	Why string `json:"why,omitempty"`
	// Progress is nil if the run has told of none.
	Progress *Progress `json:"progress,omitempty"`
	path     string
}

// Create makes the directory of a run at path, whole, before anything of it is
// started. It is taken, as by Take, before anybody sees it.
func Create(path string, s State) (release func() error, err error) {
	tmp := path + ".tmp-new"
	if err := os.MkdirAll(tmp, 0o755); err != nil {
		return nil, local(tmp, err)
	}
	if err := writeState(tmp, &s); err != nil {
		return nil, err
	}
	if release, err = take(tmp); err != nil {
		return nil, err
	}
	if err := os.Rename(tmp, path); err != nil {
		return nil, errors.Join(local(path, err), release())
	}
	return release, nil
}

// Take makes the caller the one who starts the run anew, until it releases it: looked
// at before, it may have been started since, and has to be opened again. KindLocked:
// somebody else is at it.
func (r *Run) Take() (release func() error, err error) { return take(r.path) }

func take(path string) (release func() error, err error) {
	f, err := lock(filepath.Join(path, takenName))
	switch {
	case errors.Is(err, errHeld):
		return nil, Taken(path)
	case err != nil:
		return nil, local(path, err)
	}
	return f.Close, nil
}

// Taken is the error where somebody else has taken up the run at path.
func Taken(path string) error {
	id := filepath.Base(path)
	return &cooper.Error{Kind: cooper.KindLocked, Where: "run " + id, Message: "already taken up", Remedy: "Follow it with: cooper logs -f " + id}
}

// Open looks at the run at path.
func Open(path string) (*Run, error) {
	r := &Run{path: path}
	b, err := os.ReadFile(filepath.Join(path, stateName))
	if err != nil {
		return nil, local(path, err)
	}
	if err := seal.Decode(b, sealed, Format, &r.State); err != nil {
		return nil, &cooper.Error{Kind: cooper.KindInvalid, Where: filepath.Join(path, stateName), Message: "the state of the run is damaged, or of a newer cooper", Err: err,
			Remedy: "Remove the directory if the run is of no interest; its plan and its facts are kept elsewhere."}
	}
	if b, err := os.ReadFile(filepath.Join(path, progressName)); err == nil {
		r.Progress = progressOf(b)
	}
	return r, r.judge()
}

// noted is Progress as it is kept.
type noted struct {
	Format int `json:"format"`
	Progress
}

// progressOf reads how far a run was: nothing if that is damaged, as it is of use only if it
// can be believed. In format 1 there was neither number nor seal.
func progressOf(b []byte) *Progress {
	var n noted
	if seal.Decode(b, sealed, Format, &n) == nil {
		return &n.Progress
	}
	if _, err := seal.Open(b); errors.Is(err, seal.ErrNone) {
		d := json.NewDecoder(bytes.NewReader(b))
		d.DisallowUnknownFields()
		if n.Progress = (Progress{}); d.Decode(&n.Progress) == nil {
			return &n.Progress
		}
	}
	return nil
}

// judge finds out how the run is.
func (r *Run) judge() error {
	_, err := os.Lstat(filepath.Join(r.path, stopName))
	asked := err == nil
	if r.Ended != 0 {
		r.ended(asked)
		return nil
	}
	alive, err := r.Process.Alive()
	if err != nil {
		return err
	}
	elsewhere := false
	if !alive {
		if elsewhere, err = held(filepath.Join(r.path, lockName)); err != nil {
			return err
		}
	}
	switch {
	case elsewhere:
		r.Status, r.Why = Running, "on another machine, or in another container"
	case alive && asked:
		r.Status = Stopping
	case alive && r.Progress != nil && r.Progress.Until != 0 && r.Progress.At >= r.Started:
		r.Status = Waiting
	case alive:
		r.Status = Running
	case asked:
		r.Status = Stopped
	default:
		r.Status, r.Why = CutOff, "killed or crashed"
		if boot, err := bootID(); err == nil && r.Process.PID != 0 && boot != r.Process.Boot {
			r.Why = "by a restart of the machine"
		}
	}
	return nil
}

func (r *Run) ended(asked bool) {
	switch r.Exit {
	case 0, 3:
		r.Status = Finished
	case 130:
		r.Status, r.Why = CutOff, "by a signal that cooper stop did not send"
		if asked {
			r.Status, r.Why = Stopped, ""
		}
	default:
		r.Status = Failed
	}
}

// Elsewhere tells that the run lives where it cannot be signalled from here.
func (r *Run) Elsewhere() bool { return r.Status.Live() && r.Why != "" }

// Path is the directory of the run.
func (r *Run) Path() string { return r.path }

// Stop asks the run to stop, which it does when it has finished what is under way.
// One that was cut off counts as stopped from now on. Nothing happens to a run that
// has ended.
func (r *Run) Stop() error {
	if r.Elsewhere() {
		return &cooper.Error{Kind: cooper.KindRefused, Where: "run " + r.ID, Message: "it runs " + r.Why,
			Remedy: "Stop it from there."}
	}
	if !r.Status.Live() && r.Status != CutOff {
		return nil
	}
	// First the word, then the signal: what ends in between was asked to.
	name := filepath.Join(r.path, stopName)
	if err := writeFile(name, nil); err != nil {
		return err
	}
	// A process that begins only now sees the word itself: it looks for it once its
	// state is written.
	now, err := Open(r.path)
	if err != nil || !now.Status.Live() {
		return err
	}
	return now.Process.terminate()
}

// Drop removes the run's directory, also one that a crash left half removed. Nothing
// happens to one that somebody takes up or drops at the moment.
func (r *Run) Drop() (err error) {
	release, err := r.Take()
	if cooper.KindOf(err) == cooper.KindLocked || errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, release()) }()
	gone := r.path + ".tmp-gone"
	if err := os.Rename(r.path, gone); err != nil {
		return local(r.path, err)
	}
	if err := os.RemoveAll(gone); err != nil {
		return local(gone, err)
	}
	return nil
}

// Again makes a run that has ended ready to be started with the command now. It is
// taken.
func (r *Run) Again(now []string) error {
	if r.Status.Live() {
		return &cooper.Error{Kind: cooper.KindUsage, Where: "run " + r.ID, Message: "it is running", Remedy: "Follow it with: cooper logs -f " + r.ID}
	}
	if err := os.Remove(filepath.Join(r.path, stopName)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return local(r.path, err)
	}
	r.Now = now
	r.Process, r.Ended, r.Exit, r.Message = Process{}, 0, 0, ""
	return writeState(r.path, &r.State)
}

// writeState replaces the state in one step, durably.
func writeState(dir string, s *State) error {
	s.Format = Format
	b, err := json.MarshalIndent(s, "", " ")
	if err == nil {
		b, err = seal.Document(b)
	}
	if err != nil {
		return err
	}
	return writeFile(filepath.Join(dir, stateName), b)
}

// writeFile lets a file appear whole, and stay. Arguments may hold what is not for
// all eyes, so that the owner alone may read it.
func writeFile(name string, b []byte) error {
	tmp := name + ".tmp"
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return local(name, err)
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(tmp, name)
	}
	if err == nil {
		err = syncDir(filepath.Dir(name))
	}
	if err != nil {
		return local(name, err)
	}
	return nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func local(where string, err error) error {
	return &cooper.Error{Kind: cooper.KindInternal, Where: where, Err: err, Remedy: "Check the directory's rights and space."}
}

// Took is how long the run has been going on, or how long it took, from its first
// start on.
func (r *Run) Took(now time.Time) time.Duration {
	end := now
	if r.Ended != 0 {
		end = r.Ended.Time()
	}
	return max(0, end.Sub(r.Began.Time()))
}

// String names the run for messages.
func (r *Run) String() string { return fmt.Sprintf("run %s", r.ID) }
