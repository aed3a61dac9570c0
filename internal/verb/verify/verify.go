// Package verify is the verb that reads the bytes of a version in a tree and
// compares them with its ETag, or with the hash of what was fetched.
//
// It promises to change no file. Damage is a result, not a failure: the action is
// done when it is known how things are, and the catalog learns it. Which versions
// to read is left to the mission, fetching damaged ones again to a repair.
package verify

import (
	"context"
	"errors"
	"io"
	"syscall"

	"cooper"
	"cooper/internal/checksum"
	"cooper/internal/tree/catalog"
	"cooper/internal/tree/safefs"
	"cooper/internal/treeop"
)

// Source is the tree whose versions are read.
type Source interface {
	OpenRow(row *catalog.Row) (safefs.File, error)
}

// Verb reads versions.
type Verb struct {
	from  Source
	moved func(bytes int64)
}

// New makes the verb; moved, which may be nil, hears of bytes as they are read.
func New(from Source, moved func(bytes int64)) *Verb {
	if moved == nil {
		moved = func(int64) {}
	}
	return &Verb{from, moved}
}

// Do reads a version.
func (v *Verb) Do(ctx context.Context, a *cooper.Action) cooper.Outcome {
	row, err := treeop.Before(*a)
	var res checksum.Result
	if err == nil {
		res, err = v.read(ctx, &row)
	}
	if errors.Is(err, syscall.EIO) {
		res, err = checksum.Result{Check: cooper.Corrupt, Method: "the disk cannot read it"}, nil
	}
	if err != nil {
		kind := cooper.KindOf(err)
		if ctx.Err() != nil {
			kind = cooper.KindInterrupted
		}
		return cooper.Outcome{Status: cooper.Failed, Kind: kind, Message: err.Error(), Remedy: cooper.RemedyOf(err)}
	}
	return cooper.Outcome{Status: cooper.Done, Check: res.Check, Method: res.Method, Hash: res.Hash}
}

func (v *Verb) read(ctx context.Context, row *catalog.Row) (res checksum.Result, err error) {
	f, err := v.from.OpenRow(row)
	if err != nil {
		return res, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return checksum.Recheck(ctx, counted{f, v.moved}, row.Known())
}

type counted struct {
	io.Reader
	moved func(int64)
}

func (c counted) Read(b []byte) (int, error) {
	n, err := c.Reader.Read(b)
	c.moved(int64(n))
	return n, err
}
