package shell

import (
	"bufio"
	"errors"
	"io"
	"os"
	"path/filepath"

	"cooper"
	"cooper/internal/term"
	"cooper/internal/words"
)

// OneOutput refuses a page and JSON that both go to stdout.
func OneOutput(html string, json bool) error {
	if html == "-" && json {
		return Usage("--html - and --json both write to stdout", "Give --html a file name.")
	}
	return nil
}

// WritePage writes a page under another name first: whoever looks at the file
// finds the old one or the new one. - is stdout.
func (s *Shell) WritePage(path string, write func(io.Writer) error) (err error) {
	if path == "-" {
		w := bufio.NewWriterSize(s.Stdout, 1<<16)
		return errors.Join(write(w), w.Flush())
	}
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, "."+filepath.Base(path)+".*")
	if err != nil {
		return pageError(path, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(pageError(path, err), os.Remove(f.Name()))
		}
	}()
	w := bufio.NewWriterSize(f, 1<<16)
	err = write(w)
	if err == nil {
		err = w.Flush()
	}
	if err == nil {
		err = f.Chmod(0o644)
	}
	info, statErr := f.Stat()
	if err = errors.Join(err, statErr, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	s.Note("wrote %s, %s", term.Clean(path), words.Bytes(info.Size()))
	return nil
}

func pageError(path string, err error) error {
	return &cooper.Error{Kind: cooper.KindInternal, Where: path, Message: "the page cannot be written", Err: err, Remedy: "Give --html a file in a directory that can be written to."}
}
