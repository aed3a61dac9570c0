package background

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Reader reads the log of a run across its files.
type Reader struct {
	path string
	f    *os.File
}

// Tail opens the log of a run at its last n lines; all that there is if n is
// negative. Close ends the use.
func (r *Run) Tail(n int) (*Reader, error) { return tail(filepath.Join(r.path, logName), n) }

func tail(path string, n int) (*Reader, error) {
	for i := range logFiles {
		f, err := os.Open(numbered(path, i))
		if errors.Is(err, fs.ErrNotExist) {
			if i == 0 { // nothing was written yet, or it is just being moved
				f, err = os.OpenFile(path, os.O_RDONLY|os.O_CREATE, 0o600)
			} else {
				f, err = os.Open(numbered(path, i-1))
			}
			if err != nil {
				return nil, local(path, err)
			}
			return &Reader{path: path, f: f}, nil
		} else if err != nil {
			return nil, local(path, err)
		}
		at, lines, err := lastLines(f, n)
		if err != nil {
			return nil, errors.Join(local(path, err), f.Close())
		}
		if n >= 0 && lines >= n || i == logFiles-1 {
			if _, err := f.Seek(at, io.SeekStart); err != nil {
				return nil, errors.Join(local(path, err), f.Close())
			}
			return &Reader{path: path, f: f}, nil
		}
		if n >= 0 {
			n -= lines
		}
		if err := f.Close(); err != nil {
			return nil, local(path, err)
		}
	}
	return nil, local(path, errors.New("no log")) // not reached: the last file is always taken
}

// lastLines finds where the last n lines of f begin, and how many there are.
func lastLines(f *os.File, n int) (at int64, lines int, err error) {
	if n < 0 {
		return 0, 0, nil
	}
	end, err := f.Seek(0, io.SeekEnd)
	if err != nil || end == 0 || n == 0 {
		return end, 0, err
	}
	buf := make([]byte, 64<<10)
	for at = end; at > 0; {
		k := min(at, int64(len(buf)))
		if _, err := f.ReadAt(buf[:k], at-k); err != nil {
			return 0, 0, err
		}
		piece := buf[:k]
		if at == end && piece[k-1] == '\n' {
			piece = piece[:k-1] // it ends the last line, and begins none
		}
		for {
			i := bytes.LastIndexByte(piece, '\n')
			if i < 0 {
				break
			}
			if lines++; lines == n {
				return at - k + int64(i) + 1, n, nil
			}
			piece = piece[:i]
		}
		at -= k
	}
	return 0, lines + 1, nil
}

// WriteTo writes what there is up to now.
func (r *Reader) WriteTo(w io.Writer) (int64, error) {
	var total int64
	for {
		n, err := io.Copy(w, r.f)
		total += n
		if err != nil {
			return total, err
		}
		if more, err := r.next(w); err != nil || !more {
			return total, err
		}
	}
}

// next goes on to the file after this one, if there is one.
func (r *Reader) next(w io.Writer) (bool, error) {
	for {
		i, err := r.place()
		switch {
		case err != nil:
			return false, err
		case i == 0:
			return false, nil
		case i > 0:
			i--
		default: // it took its last turn meanwhile
			if i, err = r.oldest(); err != nil {
				return false, err
			}
			fmt.Fprintln(w, "… lines were lost: the log grew faster than it was read")
		}
		f, err := os.Open(numbered(r.path, i))
		if errors.Is(err, fs.ErrNotExist) {
			continue // the files are just taking turns
		} else if err != nil {
			return false, local(r.path, err)
		}
		// Only if ours is where it was is this one the next.
		if now, err := r.place(); err != nil || now >= 0 && now != i+1 {
			if err := errors.Join(err, f.Close()); err != nil {
				return false, err
			}
			continue
		}
		old := r.f
		r.f = f
		// What was written to the old one since it was read to its end.
		_, err = io.Copy(w, old)
		return true, errors.Join(err, old.Close())
	}
}

// place is the number of the file that is open, -1 if it is gone.
func (r *Reader) place() (int, error) {
	ours, err := r.f.Stat()
	if err != nil {
		return 0, err
	}
	for i := range logFiles {
		info, err := os.Stat(numbered(r.path, i))
		if err == nil && os.SameFile(info, ours) {
			return i, nil
		} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return 0, local(r.path, err)
		}
	}
	return -1, nil
}

// oldest is the number of the oldest file.
func (r *Reader) oldest() (int, error) {
	for i := logFiles - 1; i >= 0; i-- {
		if _, err := os.Stat(numbered(r.path, i)); err == nil {
			return i, nil
		}
	}
	return 0, local(r.path, errors.New("the log was removed"))
}

// Close ends the use of the log.
func (r *Reader) Close() error { return r.f.Close() }

// Follow writes what is in the log and what comes, until done says that nothing
// more will come. Between looks it sleeps.
func (r *Reader) Follow(ctx context.Context, w io.Writer, sleep func(context.Context, time.Duration) error, done func() (bool, error)) error {
	for {
		ended, err := done() // before the look: what was written by then is read
		if err != nil {
			return err
		}
		if _, err := r.WriteTo(w); err != nil || ended {
			return err
		}
		if err := sleep(ctx, LookEvery); err != nil {
			return err
		}
	}
}

// LookEvery is how often a run is looked at by those who wait for it.
const LookEvery = 200 * time.Millisecond
