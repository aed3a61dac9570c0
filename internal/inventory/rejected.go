package inventory

import (
	"context"
	"errors"
	"io"
	"path/filepath"
	"unicode/utf8"

	"github.com/parquet-go/parquet-go"
)

// KeyList walks sorted keys. It is for one goroutine.
type KeyList struct {
	ctx    context.Context
	path   string
	file   *inFile
	reader *parquet.GenericReader[rejectedRow]
	rows   []rejectedRow
	at     int
	last   string
	err    error // what Next gives from now on
}

// RejectedKeys lists, bytewise sorted and each once, the keys of rejected rows
// that are UTF-8: of these the bucket holds something, but nobody knows what.
// Close the list when done.
func (s *Snapshot) RejectedKeys(ctx context.Context) *KeyList {
	l := &KeyList{ctx: ctx}
	f := s.meta.RejectedFile
	if f == nil {
		l.err = io.EOF
		return l
	}
	l.path = filepath.Join(s.dir, f.Name)
	if l.file, l.err = openFile(ctx, l.path, *f, parquet.SchemaOf(rejectedRow{})); l.err == nil {
		l.reader = parquet.NewGenericReader[rejectedRow](l.file.parquet)
	}
	return l
}

// Next gives the next key, io.EOF after the last.
func (l *KeyList) Next() (string, error) {
	for l.err == nil {
		if l.at == len(l.rows) {
			if l.err = l.read(); l.err != nil {
				break
			}
		}
		key := l.rows[l.at].Key
		l.at++
		if len(key) > 0 && utf8.Valid(key) && string(key) != l.last {
			l.last = string(key)
			return l.last, nil
		}
	}
	return "", l.err
}

// read gets some rows, at least one.
func (l *KeyList) read() (err error) {
	defer rescue(l.path, &err)
	if l.ctx.Err() != nil {
		return context.Cause(l.ctx)
	}
	if l.rows == nil {
		l.rows = make([]rejectedRow, batchRows)
	}
	n, err := l.reader.Read(l.rows[:batchRows])
	l.rows, l.at = l.rows[:n], 0
	if n > 0 {
		return nil // an error will come again
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	if errors.Is(err, io.EOF) {
		return io.EOF
	}
	return damaged(l.path, err)
}

// Close frees what the list holds.
func (l *KeyList) Close() error {
	var errs []error
	if l.reader != nil {
		errs = append(errs, l.reader.Close())
	}
	if l.file != nil {
		errs = append(errs, l.file.close())
	}
	l.reader, l.file = nil, nil
	if l.err == nil {
		l.err = errClosed
	}
	return errors.Join(errs...)
}
