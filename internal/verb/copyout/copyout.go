// Package copyout copies versions out of a backup tree, to a directory or a
// bucket: it is both the verb and the target of a restore.
//
// It promises that bytes are compared with what the catalog knows of them
// before anybody sees the copy, and that damaged ones are copied only if the
// action says so, and never called good; that what is right at the destination already
// is left as it is; that nothing else there is overwritten unless the action
// says so; that nothing is written outside of the destination, whatever a key
// looks like; and that it may be stopped at any instant and started again. It
// changes nothing in the tree. Which versions to copy is left to the mission.
package copyout

import (
	"context"
	"errors"
	"io"
	"sync"

	"cooper"
	"cooper/internal/checksum"
	"cooper/internal/tree/catalog"
	"cooper/internal/tree/safefs"
	"cooper/internal/treeop"
)

// Source is the tree that versions are copied from.
type Source interface {
	Dir() string
	Catalog() *catalog.Catalog
	OpenRow(row *catalog.Row) (safefs.File, error)
}

// version is what an action asks to be copied.
type version struct {
	*cooper.Version
	row     catalog.Row
	replace bool
	damaged bool
}

func versionOf(a *cooper.Action) (version, error) {
	args, err := treeop.Decode(a.Args)
	if err != nil {
		return version{}, err
	}
	row, err := treeop.Before(*a)
	return version{Version: &a.Version, row: row, replace: args.Replace, damaged: args.Damaged}, err
}

func (v *version) recheck() *checksum.Rechecker { return checksum.NewRecheck(v.row.Known()) }

// judge says of bytes, read to their end, whether they are damaged, and whether
// they may be copied. What the catalog calls corrupt is so until the bytes are
// proven; they may be of a sort that cannot be.
func (v *version) judge(res checksum.Result) (_ checksum.Result, ok bool) {
	if v.row.Check == cooper.Corrupt && res.Check != cooper.Verified && res.Check != cooper.Corrupt {
		res.Check, res.Method = cooper.Corrupt, "known to be corrupt"
	}
	return res, res.Check != cooper.Corrupt || v.damaged
}

// alreadyThere is the method of outcomes that copied nothing.
const alreadyThere = "already there"

// outcome tells how copying ended. Damaged bytes are a failure, copied or not.
func outcome(ctx context.Context, v *version, res checksum.Result, err error) cooper.Outcome {
	if err == nil && res.Check == cooper.Corrupt {
		message := "the bytes in the tree are damaged: " + res.Method
		if v.damaged {
			message = "copied as it is, but " + message
		}
		err = &cooper.Error{Kind: cooper.KindCorrupt, Message: message, Remedy: "cooper backup verify DIR --content --repair fetches them again."}
	}
	if err == nil {
		return cooper.Outcome{Status: cooper.Done, Check: res.Check, Method: res.Method}
	}
	kind := cooper.KindOf(err)
	if ctx.Err() != nil {
		kind = cooper.KindInterrupted
	}
	return cooper.Outcome{Status: cooper.Failed, Kind: kind, Message: err.Error(), Remedy: cooper.RemedyOf(err), Check: res.Check, Method: res.Method}
}

func conflict(where, message string) error {
	return &cooper.Error{
		Kind: cooper.KindConflict, Where: where, Message: message,
		Remedy: "Restore to another place, move it away, or allow replacing.",
	}
}

var buffers = sync.Pool{New: func() any { b := make([]byte, 256<<10); return &b }}

// pump is io.Copy with a pooled buffer, minding ctx.
func pump(ctx context.Context, to io.Writer, from io.Reader) (n int64, err error) {
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	for ctx.Err() == nil {
		k, err := from.Read(*buf)
		n += int64(k)
		if _, werr := to.Write((*buf)[:k]); werr != nil {
			return n, werr
		}
		if errors.Is(err, io.EOF) {
			return n, nil
		} else if err != nil {
			return n, err
		}
	}
	return n, context.Cause(ctx)
}
