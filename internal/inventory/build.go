package inventory

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/parquet-go/parquet-go"

	"cooper"
	"cooper/internal/inventory/extsort"
	"cooper/internal/seal"
)

// format is the version of a snapshot's files that this package writes and
// the newest that it reads.
const (
	format = 2
	// sealed is the first format whose description has a seal, and whose files
	// have sums.
	sealed = 2
)

const (
	metaName     = "meta.json"
	rejectedName = "rejected.parquet"
	// rejectedMemory is the budget in bytes for rejected rows held to be sorted.
	rejectedMemory = 16 << 20
)

// BuildOptions are the settings of Build. The zero value will do.
type BuildOptions struct {
	// Memory is the budget in bytes for rows held to be sorted; 1 GiB if 0.
	// What else Build needs does not depend on the number of rows: some 150 MB,
	// and a quarter of a megabyte for each sorted run.
	Memory int64
	// TempDir is an existing directory where sorted runs are spilled when rows
	// do not fit in Memory; the snapshot's own if empty.
	TempDir string
	// Workers is how many parts are read at once; one for each CPU if 0.
	Workers int
	// Clock tells when Build finished; time.Now if nil.
	Clock func() time.Time
	// ID becomes Meta.ID; the directory's base name if empty.
	ID string
	// Progress is called now and then, never by two goroutines at once, with
	// how many rows were read and how many of the sorted ones were written.
	Progress func(read, written int64)
}

func (o *BuildOptions) fill(dir string) {
	if o.Memory <= 0 {
		o.Memory = 1 << 30
	}
	if o.Workers <= 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.ID == "" {
		o.ID = filepath.Base(dir)
	}
	if o.Progress == nil {
		o.Progress = func(int64, int64) {}
	}
}

// Build reads src and writes a snapshot into dir, which must not exist. The
// snapshot appears whole or not at all: it is made beside dir, in a directory
// whose name goes on with ".tmp-", synced, and renamed. The data files follow
// from the rows alone, however they were ordered and split.
//
// An error of a part is an error of Build, with the part's kind; KindFull
// means that a disk has no room.
func Build(ctx context.Context, dir string, src Source, opt BuildOptions) (meta Meta, err error) {
	opt.fill(dir)
	if _, err := os.Lstat(dir); !errors.Is(err, fs.ErrNotExist) {
		return Meta{}, &cooper.Error{Kind: cooper.KindConflict, Where: dir, Message: "a snapshot cannot be written: something is there", Err: err}
	}
	parent := filepath.Dir(dir)
	if err := os.MkdirAll(parent, 0o777); err != nil {
		return Meta{}, writeError(parent, err)
	}
	tmp, err := os.MkdirTemp(parent, filepath.Base(dir)+".tmp-*")
	if err != nil {
		return Meta{}, writeError(parent, err)
	}
	if err := os.Chmod(tmp, 0o755); err != nil {
		return Meta{}, errors.Join(writeError(tmp, err), os.RemoveAll(tmp))
	}
	defer func() {
		// Once renamed there is nothing left here.
		err = errors.Join(err, os.RemoveAll(tmp))
	}()
	if opt.TempDir == "" {
		opt.TempDir = tmp
	}
	b := &build{dir: tmp, opt: opt, meta: src.Meta()}
	if err := b.run(ctx, src.Parts()); err != nil {
		return Meta{}, err
	}
	if ctx.Err() != nil {
		return Meta{}, context.Cause(ctx)
	}
	if err := publish(tmp, dir); err != nil {
		return Meta{}, err
	}
	return b.meta, nil
}

// build is one run of Build.
type build struct {
	dir     string
	opt     BuildOptions
	meta    Meta
	classes classes

	mu            sync.Mutex
	read, written int64
}

func (b *build) progress(read, written int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.read, b.written = max(b.read, read), max(b.written, written)
	b.opt.Progress(b.read, b.written)
}

func (b *build) run(ctx context.Context, parts []Part) (err error) {
	workers := max(min(b.opt.Workers, len(parts)), 1)
	versions := extsort.New(extsort.Options{
		Memory: b.opt.Memory, Feeders: workers, Dir: b.opt.TempDir, Compare: b.classes.compareData,
	})
	rejects := extsort.New(extsort.Options{Memory: rejectedMemory, Feeders: workers, Dir: b.opt.TempDir})
	defer func() { err = errors.Join(err, versions.Close(), rejects.Close()) }()
	in := &intake{
		scope: b.meta.Scope, versions: versions, rejects: rejects, classes: &b.classes,
		progress: func(read int64) { b.progress(read, 0) },
	}
	if err := in.run(ctx, parts, workers); err != nil {
		return err
	}
	b.meta.Format, b.meta.ID = format, b.opt.ID
	b.meta.Outside, b.meta.Rejected, b.meta.Torn, b.meta.Unnamed = in.outside, in.rejected, in.torn, in.unnamed
	if err := b.assemble(ctx, versions, in.read); err != nil {
		return err
	}
	if err := b.setAside(ctx, rejects); err != nil {
		return err
	}
	b.meta.Complete = true
	b.meta.Created = cooper.InstantOf(b.opt.Clock())
	return writeMeta(b.dir, &b.meta)
}

// assemble writes the data files.
func (b *build) assemble(ctx context.Context, versions *extsort.Sorter, rows int64) error {
	// A row has its two digests, and some bytes for all else.
	const rowBytes = 48
	if err := extsort.CheckSpace(b.dir, rows*rowBytes); err != nil {
		return err
	}
	merge, err := versions.Merge(ctx)
	if err != nil {
		return err
	}
	b.meta.Runs = merge.Runs()
	a := &assembler{
		dir: b.dir, merge: merge, classes: &b.classes, workers: b.opt.Workers, meta: &b.meta,
		progress: func(written int64) { b.progress(0, written) },
	}
	return a.run(ctx)
}

// setAside writes the rejected rows, if there are any.
func (b *build) setAside(ctx context.Context, rejects *extsort.Sorter) error {
	if b.meta.Rejected == 0 {
		return nil
	}
	merge, err := rejects.Merge(ctx)
	if err != nil {
		return err
	}
	out, err := createFile(b.dir, rejectedName, parquet.SchemaOf(rejectedRow{}))
	if err != nil {
		return err
	}
	if err := writeRejected(ctx, out, merge); err != nil {
		out.abandon()
		return err
	}
	f, err := out.finish()
	b.meta.RejectedFile = &f
	return err
}

func writeRejected(ctx context.Context, out *outFile, merge *extsort.Merge) error {
	for merge.Next() {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		r := parseRejected(merge.Key(), merge.Data())
		row := rejectedRow{
			File: strings.ToValidUTF8(r.File, "\uFFFD"), Row: r.Row, Key: r.Key,
			Reason: strings.ToValidUTF8(r.Reason, "\uFFFD"),
		}
		if err := out.parquet.Write(&row); err != nil {
			return writeError(out.f.Name(), err)
		}
		if out.meta.Rows++; out.meta.Rows%groupRows == 0 {
			if err := out.parquet.Flush(); err != nil {
				return writeError(out.f.Name(), err)
			}
		}
	}
	return merge.Err()
}

func writeMeta(dir string, meta *Meta) (err error) {
	meta.Files = slices.Clip(meta.Files)
	text, err := json.MarshalIndent(meta, "", "  ")
	if err == nil {
		text, err = seal.Document(text)
	}
	if err != nil {
		return writeError(dir, err)
	}
	f, err := os.OpenFile(filepath.Join(dir, metaName), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o666)
	if err != nil {
		return writeError(dir, err)
	}
	_, err = f.Write(text)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return writeError(f.Name(), err)
	}
	return nil
}

// publish gives the finished directory its name. Everything in it is synced
// before, so that a crash leaves either no snapshot or a whole one.
func publish(tmp, dir string) error {
	if err := syncDir(tmp); err != nil {
		return err
	}
	if err := os.Rename(tmp, dir); err != nil {
		return writeError(dir, err)
	}
	return syncDir(filepath.Dir(dir))
}
