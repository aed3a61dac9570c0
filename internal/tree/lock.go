package tree

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	"cooper"
	"cooper/internal/tree/safefs"
)

// Holder says who takes the lock.
type Holder struct {
	Run     string `json:"run"`
	Command string `json:"command"`
}

// holderFile is what the lock file holds while the lock is taken.
type holderFile struct {
	Holder
	PID   int            `json:"pid"`
	Host  string         `json:"host"`
	Since cooper.Instant `json:"since"`
	// Token is chosen at random: where locks do not reach from host to host, as on some
	// network file systems, it tells whose the lock is.
	Token string `json:"token"`
}

// lockState is the lock of this process, if it has it.
type lockState struct {
	mu   sync.Mutex
	file safefs.File // nil: not locked
	info safefs.Info
	line []byte // what it holds
}

func (l *lockState) set(f safefs.File, info safefs.Info, line []byte) {
	l.mu.Lock()
	l.file, l.info, l.line = f, info, line
	l.mu.Unlock()
}

// check is an error unless the lock is held, and the file that is locked still
// is the one others would lock, and nobody else has written to it.
func (l *lockState) check(fsys safefs.FS) error {
	l.mu.Lock()
	file, held, line := l.file, l.info, l.line
	l.mu.Unlock()
	if file == nil {
		return internal("the tree was to be changed without its lock")
	}
	what := "its file was replaced or removed"
	now, err := fsys.Lstat(lockPath)
	if err == nil && now.Inode == held.Inode && now.Dev == held.Dev {
		// Opened anew each time: so network file systems ask the server.
		var b []byte
		if b, err = readLock(fsys); err == nil && bytes.Equal(b, line) {
			return nil
		}
		what = "somebody else has taken it" + takenBy(b)
	}
	return &cooper.Error{Kind: cooper.KindLocked, Where: lockPath, Err: err,
		Message: "the tree's lock was lost: " + what,
		Remedy:  "make sure no other run works on the tree, then run again; never remove the lock file of a run"}
}

func readLock(fsys safefs.FS) ([]byte, error) {
	f, err := fsys.Open(lockPath)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(f, maxLock))
	return b, errors.Join(err, f.Close())
}

// maxLock bounds what is read of a lock's file.
const maxLock = 4096

// Holder says who has the tree's lock, or had it when it was killed; empty if nobody.
func (t *Tree) Holder() string {
	b, err := readLock(t.fs)
	if err != nil {
		return ""
	}
	return strings.TrimPrefix(takenBy(b), ": ")
}

// takenBy names who a lock's file says has it, if it does.
func takenBy(b []byte) string {
	var h holderFile
	if json.Unmarshal(b, &h) != nil || h.PID == 0 {
		return ""
	}
	return fmt.Sprintf(": %s (run %s), process %d on %s since %s", h.Command, h.Run, h.PID, h.Host, h.Since)
}

func tryLock(f safefs.File) (bool, error) {
	l, ok := f.(safefs.Locker)
	if !ok {
		return false, internal("the file system cannot lock")
	}
	return l.TryLock()
}

// Lock takes the tree's lock, without waiting. The context it gives is
// cancelled when the lock is lost; the function gives the lock back. KindLocked
// names who has it. Everything that takes a Permit needs the lock.
func (t *Tree) Lock(ctx context.Context, h Holder) (context.Context, func() error, error) {
	f, info, err := t.takeLock()
	if err != nil {
		return nil, nil, err
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	line, err := json.Marshal(holderFile{Holder: h, PID: os.Getpid(), Host: host, Since: t.now(), Token: rand.Text()})
	line = append(line, '\n')
	if err == nil {
		err = f.Truncate(0)
	}
	if err == nil {
		_, err = f.Write(line)
	}
	if err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	// What was read before the lock may be old by now.
	if t.catalog != nil { // else it is to be made again
		if err := t.catalog.Refresh(); err != nil {
			return nil, nil, errors.Join(err, f.Close())
		}
	}
	t.locked.set(f, info, line)
	lctx, cancel := context.WithCancelCause(ctx)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go t.watchLock(cancel, stop, stopped)
	var once sync.Once
	release := func() error {
		var err error
		once.Do(func() {
			close(stop)
			<-stopped
			cancel(nil)
			t.mu.Lock()
			t.recovered = false
			t.mu.Unlock()
			mine := t.locked.check(t.fs) == nil
			t.locked.set(nil, safefs.Info{}, nil)
			if mine { // else it is somebody else's line by now
				err = f.Truncate(0)
			}
			err = errors.Join(err, f.Close())
		})
		return err
	}
	return lctx, release, nil
}

func (t *Tree) watchLock(cancel context.CancelCauseFunc, stop, stopped chan struct{}) {
	defer close(stopped)
	tick, end := t.tick()
	defer end()
	for {
		select {
		case <-stop:
			return
		case <-tick:
			if err := t.locked.check(t.fs); err != nil {
				cancel(err)
				return
			}
		}
	}
}

// takeLock locks the file that is at the lock's path, also if it was replaced
// meanwhile.
func (t *Tree) takeLock() (safefs.File, safefs.Info, error) {
	for {
		f, err := t.fs.OpenWrite(lockPath)
		if err != nil {
			return nil, safefs.Info{}, err
		}
		ok, err := tryLock(f)
		if err == nil && !ok {
			err = t.lockedBy(f)
		}
		var mine, there safefs.Info
		if err == nil {
			mine, err = f.Stat()
		}
		if err == nil {
			there, err = t.fs.Lstat(lockPath)
		}
		if err == nil && mine.Inode == there.Inode && mine.Dev == there.Dev {
			return f, mine, nil
		}
		if err = errors.Join(err, f.Close()); err != nil && cooper.KindOf(err) != cooper.KindMissing {
			return nil, safefs.Info{}, err
		}
	}
}

func (t *Tree) lockedBy(f safefs.File) error {
	e := &cooper.Error{Kind: cooper.KindLocked, Where: t.dir, Message: "another run works on this tree",
		Remedy: "wait until it has ended, or stop it"}
	if b, err := io.ReadAll(io.LimitReader(f, maxLock)); err == nil {
		e.Message += takenBy(b)
	}
	return e
}
