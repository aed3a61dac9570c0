package shell

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"

	"cooper"
	"cooper/internal/job"
)

// StdoutName is what stands for stdout where a file is named.
const StdoutName = "-"

// CheckDeleted looks, before anything is done, at the name that --deleted gives.
func (s *Shell) CheckDeleted(name string) error {
	if name == StdoutName && s.JSON {
		return Usage("--deleted - and --json both write to stdout", "Give --deleted a file name.")
	}
	return nil
}

// WriteDeleted lets a file of this name appear with what the runs of a plan have removed
// from a bucket, or writes it to stdout. What was removed was removed, however a run ended:
// ctx should be one that goes on.
func (s *Shell) WriteDeleted(ctx context.Context, plan, name string, stdout io.Writer) error {
	e, err := s.Env()
	if err != nil {
		return err
	}
	return deletedFailed(name, writeTo(name, stdout, func(w io.Writer) error { return job.WriteRemoved(ctx, e, plan, w) }))
}

// deletedFailed says of what went wrong where the list is all the same; but not of a
// ledger that is damaged.
func deletedFailed(name string, err error) error {
	if err == nil || cooper.KindOf(err) == cooper.KindCorrupt {
		return err
	}
	return &cooper.Error{Kind: cooper.KindInternal, Where: "--deleted " + cooper.Quote(name), Err: err,
		Remedy: "The ledger has it all the same: cooper ledger sql \"SELECT key, version_id FROM outcome WHERE verb = 'remove' AND status = 'done'\" --json"}
}

// writeTo lets a file appear with all that f writes, or not at all; or writes to stdout.
func writeTo(name string, stdout io.Writer, f func(io.Writer) error) (err error) {
	if name == StdoutName {
		w := bufio.NewWriter(stdout)
		return errors.Join(f(w), w.Flush())
	}
	file, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".tmp-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(file.Name()))
		}
	}()
	w := bufio.NewWriter(file)
	err = f(w)
	if err == nil {
		err = w.Flush()
	}
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err == nil {
		err = os.Rename(file.Name(), name)
	}
	return err
}
