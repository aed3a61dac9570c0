package background

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"cooper"
	"cooper/internal/progress"
	"cooper/internal/seal"
)

// Env names the directory of the run to the process that is to be it.
const Env = "COOPER_BACKGROUND"

// parentFD is where the process that starts a run waits for word.
const parentFD = 3

// Session is the run seen from its own process. Its methods are safe for concurrent
// use; what goes wrong in keeping a run's state is told in its log and ends no run.
type Session struct {
	path  string
	clock func() time.Time
	log   *Log
	lock  *os.File

	mu     sync.Mutex
	state  State
	parent *os.File // nil once the word was given
}

// Enter makes this process the run at path, as Start has arranged: its standard
// output and standard error become the log. SIGTERM is handled already: a run that was
// asked to stop before it began gets one. KindLocked if the run has a process.
func Enter(path string, clock func() time.Time) (*Session, error) {
	syscall.CloseOnExec(parentFD)
	s := &Session{path: path, clock: clock, parent: os.NewFile(parentFD, "parent")}
	var err error
	if s.lock, err = lock(filepath.Join(path, lockName)); errors.Is(err, errHeld) {
		return nil, &cooper.Error{Kind: cooper.KindLocked, Where: path, Message: "the run has another process", Remedy: "See cooper runs."}
	} else if err != nil {
		return nil, local(path, err)
	}
	r, err := Open(path)
	if err != nil {
		return nil, err
	}
	s.state = r.State
	if s.state.Process, err = myself(); err != nil {
		return nil, err
	}
	s.state.Starts++
	s.state.Started = cooper.InstantOf(clock())
	if err := writeState(path, &s.state); err != nil {
		return nil, err
	}
	if s.log, err = openLog(filepath.Join(path, logName), logSize, 1, 2); err != nil {
		return nil, err
	}
	word := "began"
	if s.state.Starts > 1 {
		word = "taken up again"
	}
	s.line("%s: cooper %s", word, strings.Join(Hidden(s.state.Now), " "))
	return s, s.stopped()
}

// stopped stops this process if that was asked for before it had a name.
func (s *Session) stopped() error {
	switch _, err := os.Lstat(filepath.Join(s.path, stopName)); {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return local(s.path, err)
	}
	return syscall.Kill(os.Getpid(), syscall.SIGTERM)
}

// ID is the id of the run.
func (s *Session) ID() string { return filepath.Base(s.path) }

// Log is where the run writes.
func (s *Session) Log() io.Writer { return s.log }

// line writes a line of our own.
func (s *Session) line(format string, args ...any) {
	fmt.Fprintf(s.log, s.clock().Format(time.DateTime)+" "+format+"\n", args...)
}

// Working tells whoever started the run that it has come to its work: all that was
// wrong with its command would have been found by now.
func (s *Session) Working() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.parent == nil {
		return
	}
	_, _ = s.parent.WriteString(working) // who started it may be gone
	_ = s.parent.Close()
	s.parent = nil
}

const working = "working\n"

// Plan notes the plan that the run carries out from now on.
func (s *Session) Plan(id string) { s.change(func(st *State) { st.Plan = id }) }

// End notes how the run ended. Nothing of it may be used after that.
func (s *Session) End(exit int, message string) {
	s.line("ended with exit code %d", exit)
	s.change(func(st *State) {
		st.Ended, st.Exit, st.Message = cooper.InstantOf(s.clock()), exit, message
	})
	_ = errors.Join(s.log.Close(), s.lock.Close()) // all is written
}

func (s *Session) change(f func(*State)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(&s.state)
	if err := writeState(s.path, &s.state); err != nil {
		s.line("the state of the run cannot be written: %v", err)
	}
}

// noteEvery is how often progress is noted, and the log looked at.
const noteEvery = 5 * time.Second

// Watch notes the progress of the run until the returned function is called, and
// says that it is working.
func (s *Session) Watch(snapshot func() progress.Snapshot) (stop func()) {
	s.note(snapshot()) // so that whoever started it finds some
	s.Working()
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(noteEvery)
		defer tick.Stop()
		for {
			select {
			case <-quit:
				s.note(snapshot())
				return
			case <-tick.C:
				s.note(snapshot())
			}
		}
	}()
	return sync.OnceFunc(func() { close(quit); <-done })
}

// note writes progress beside the state.
func (s *Session) note(p progress.Snapshot) {
	err := Note(s.path, Progress{
		At: cooper.InstantOf(s.clock()), Phase: p.Phase, Objects: p.Objects, TotalObjects: p.TotalObjects, Bytes: p.Bytes, TotalBytes: p.TotalBytes,
		Failed: p.Failures(), ETA: p.ETA.Seconds(), Until: cooper.InstantOf(p.Until),
	})
	if err = errors.Join(err, s.log.Check()); err != nil {
		s.line("the progress of the run cannot be written: %v", err)
	}
}

// Note writes how far the run at path is, in one step. It is not synced: after a power cut
// nobody asks for it.
func Note(path string, p Progress) error {
	b, err := json.Marshal(noted{Format, p})
	if err == nil {
		b, err = seal.Document(b)
	}
	name := filepath.Join(path, progressName)
	if err == nil {
		err = os.WriteFile(name+".tmp", b, 0o600)
	}
	if err == nil {
		err = os.Rename(name+".tmp", name)
	}
	return err
}
