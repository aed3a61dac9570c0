package background

import (
	"errors"
	"fmt"
	"os"
	"sync"
)

// How large a log may grow: so many files of so many bytes.
const (
	logSize  = 10 << 20
	logFiles = 5
)

// Log is the log of a run, in files that take turns: the newest is at path, the
// one before at path.1, and so on. Standard output and standard error may be tied
// to it, so that what others write there is within its bounds, too.
type Log struct {
	path string
	size int64 // of a file, from which on the next one is begun
	fds  []int // tied to the newest file

	mu sync.Mutex
	f  *os.File
}

func openLog(path string, size int64, fds ...int) (*Log, error) {
	l := &Log{path: path, size: size, fds: fds}
	return l, l.open()
}

func (l *Log) open() error {
	f, err := os.OpenFile(l.path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return local(l.path, err)
	}
	for _, fd := range l.fds {
		if err := tie(int(f.Fd()), fd); err != nil {
			return errors.Join(local(l.path, err), f.Close())
		}
	}
	if l.f != nil {
		err = l.f.Close()
	}
	l.f = f
	return err
}

// Write appends to the log.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n, err := l.f.Write(p)
	return n, errors.Join(err, l.turn())
}

// Check begins the next file if others have filled this one.
func (l *Log) Check() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.turn()
}

// turn begins the next file when this one is full. Where names cannot be changed,
// this one begins anew: the bound comes first.
func (l *Log) turn() error {
	info, err := l.f.Stat()
	if err != nil || info.Size() < l.size {
		return err
	}
	for n := logFiles - 1; n > 0; n-- {
		err = os.Rename(numbered(l.path, n-1), numbered(l.path, n))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return errors.Join(err, l.f.Truncate(0))
		}
	}
	return l.open()
}

// Close ends the use of the log; what is tied to it stays so.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.f.Close()
}

// numbered is the name of the nth file, counted from the newest, which is 0.
func numbered(path string, n int) string {
	if n == 0 {
		return path
	}
	return fmt.Sprintf("%s.%d", path, n)
}
