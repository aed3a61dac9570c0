// Package journal keeps what runs that change a bucket must remember of a plan
// until the ledger knows it: which shards are done, what came of a shard, what
// was proven before anything was removed, and which uploads are open.
//
// It promises that a file of outcomes appears whole, durably, or not at all;
// that a shard counts as done only if that was written to the end; and that
// nothing here grows with the number of objects, apart from a line for each
// shard. Several plans of one bucket may have journals at once. The bucket's
// lock is the caller's to hold; what the outcomes mean, and what to do about
// them, is left to the verbs.
//
// The files of a plan, in a directory with its id:
//
//	done                  a line for each shard that is done
//	proving-NNNNN.jsonl   what was proven so far of a shard; not synced
//	proven-NNNNN.jsonl    what was proven of a shard whose originals may be going
//	shard-NNNNN.jsonl     what came of a shard whose facts may not be in the ledger
//	uploads.jsonl         multipart uploads that may be open, and probes
//
// The order for a shard, and why a crash between any two steps is harmless:
//
//  1. Note: a line of proving-N for each action, as it is done. What a crash of
//     the machine takes of them, from the first line on that is not whole, is
//     done again; one of the process takes nothing.
//  2. Prove: proven-N.
//  3. The bucket changes. After a crash, proven-N tells what need not be read
//     again; whether it is still so, a look at the bucket tells.
//  4. Write: shard-N. After a crash Unsettled gives it.
//  5. Its facts go to the ledger. After a crash Unsettled gives them again, and
//     the ledger takes them once.
//  6. Settle: the line in done, then proving-N, proven-N and shard-N go. After a crash
//     in between Unsettled gives the shard once more, and Settle ends it.
package journal

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"cooper"
	"cooper/internal/plan"
	"cooper/internal/tree/safefs"
)

// Format is the version of the journal's files. Lines have checksums since 3.
const (
	Format   = 3
	unsummed = 2 // the last without
)

// The files in a plan's directory.
const (
	doneName      = "done"
	uploadsName   = "uploads.jsonl"
	shardPrefix   = "shard-"
	provenPrefix  = "proven-"
	provingPrefix = "proving-"
	shardSuffix   = ".jsonl"
	tempSuffix    = ".tmp"
)

// Dir is where the journals of one bucket are.
type Dir struct {
	path string // for messages
	open func() (safefs.FS, error)
}

// At is the directory path, which must exist by the time it is used.
func At(path string) Dir {
	return Dir{path: path, open: func() (safefs.FS, error) { return safefs.Open(path) }}
}

// In is a file system that its caller closes.
func In(fsys safefs.FS) Dir {
	return Dir{open: func() (safefs.FS, error) { return unclosed{fsys}, nil }}
}

type unclosed struct{ safefs.FS }

func (unclosed) Close() error { return nil }

// with opens the directory for f.
func (d Dir) with(f func(safefs.FS) error) (err error) {
	fsys, err := d.open()
	if err != nil {
		return d.local(err)
	}
	defer func() { err = errors.Join(err, fsys.Close()) }()
	return f(fsys)
}

// local makes an error of a file one of the run: its kind is never that of an
// object.
func (d Dir) local(err error) error {
	if cooper.KindOf(err) == cooper.KindFull {
		return err
	}
	return &cooper.Error{Kind: cooper.KindInternal, Message: "the journal of the bucket", Err: err,
		Remedy: "See whether the directory can be written, and run the same command again: it goes on where it stopped."}
}

func (d Dir) damaged(name string, err error) error {
	e := &cooper.Error{Kind: cooper.KindInvalid, Where: filepath.Join(d.path, filepath.FromSlash(name)), Message: "the file is damaged", Err: err,
		Remedy: "Move it away to go on: what it says is lost to the ledger, no object is."}
	switch base := filepath.Base(e.Where); {
	case strings.HasPrefix(base, provenPrefix):
		e.Remedy = "Move it away to go on: what it says was done is proven again, and no object is lost."
	case base == doneName:
		e.Remedy = "Make a new plan; or move it away to go on with this one: what was done is looked at again, changes nothing, and is in the ledger twice."
	case base == uploadsName:
		e.Remedy = "Move it away to go on; cooper report uploads shows what is unfinished in the bucket, and a lifecycle rule can abort it."
	}
	return e
}

// Plan is the journal of one plan. It is safe for concurrent use.
type Plan struct {
	Dir
	id, target string
	done       map[int]bool
	uploads    openUploads
	notes      notes
}

// Open reads what is done of a plan, by its id; target is the plan's, as it
// names it.
func (d Dir) Open(id, target string) (*Plan, error) {
	p := &Plan{Dir: d, id: id, target: target, done: map[int]bool{}, uploads: openUploads{all: map[Upload]bool{}}, notes: notes{files: map[int]safefs.File{}}}
	return p, d.with(func(fsys safefs.FS) error {
		err := fsys.MkdirAll(id)
		if err == nil {
			err = fsys.SyncDir(".")
		}
		if err != nil {
			return d.local(err)
		}
		name := id + "/" + doneName
		b, err := readFile(fsys, name)
		if err != nil {
			return d.local(err)
		}
		for line := range strings.Lines(string(b)) {
			// What a crash has cut off or garbled is no number of a shard: that
			// shard was not settled yet, and will be.
			if n, ok := p.doneLine(line); ok {
				p.done[n] = true
			}
		}
		valid := func(line []byte) bool { _, ok := p.doneLine(string(line)); return ok }
		if err := undamaged(b, valid, written.Match); err != nil {
			return d.damaged(name, err)
		}
		return nil
	})
}

// doneLine reads a line of done: a number, and the checksum of plan and number.
func (p *Plan) doneLine(line string) (n int, ok bool) {
	number, _, _ := strings.Cut(line, " ")
	n, err := strconv.Atoi(number)
	return n, err == nil && line == doneText(p.id, n)
}

// written tells whether a line has the form of one of done.
var written = regexp.MustCompile(`^[0-9]+ [0-9a-f]{8}\n$`)

func doneText(id string, n int) string {
	sum := crc32.Checksum(fmt.Appendf(nil, "%s %d", id, n), crc32.MakeTable(crc32.Castagnoli))
	return fmt.Sprintf("%d %08x\n", n, sum)
}

// Done tells whether a shard was done when the journal was opened.
func (p *Plan) Done(shard int) bool { return p.done[shard] }

// Complete tells whether every shard of the plan was done.
func (p *Plan) Complete(h plan.Header) bool {
	for _, ph := range h.Phases {
		for n := ph.First; n < ph.First+ph.Shards; n++ {
			if !p.done[n] {
				return false
			}
		}
	}
	return true
}

// Settle notes that a shard is done, then forgets what came of it: the ledger
// knows.
func (d Dir) Settle(id string, shard int) error {
	return d.with(func(fsys safefs.FS) error {
		if err := appendLine(fsys, id, doneName, doneText(id, shard)); err != nil {
			return d.local(err)
		}
		// In this order: a shard without its file is never looked at again.
		if err := forget(fsys, id, shardName(provingPrefix, shard), shardName(provenPrefix, shard), shardName(shardPrefix, shard)); err != nil {
			return d.local(err)
		}
		return nil
	})
}

// appendLine adds a line to a file of the directory dir, durably.
func appendLine(fsys safefs.FS, dir, name, line string) error {
	f, err := fsys.OpenWrite(dir + "/" + name)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil {
		err = f.Truncate(info.Size) // the line goes to the end
	}
	if err == nil && info.Size > 0 {
		last := make([]byte, 1)
		// What an earlier line lacks does not become part of this one.
		if _, err = f.ReadAt(last, info.Size-1); err == nil && last[0] != '\n' {
			line = "\n" + line
		}
	}
	if err == nil {
		if _, err = f.Write([]byte(line)); err != nil { // half a line is in nobody's way
			err = errors.Join(err, f.Truncate(info.Size))
		}
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return fsys.SyncDir(dir)
}

// readFile gives what a file holds, nothing if it is not there.
func readFile(fsys safefs.FS, name string) (b []byte, err error) {
	f, err := fsys.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	var buf bytes.Buffer
	_, err = buf.ReadFrom(f)
	return buf.Bytes(), err
}
