package plan

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sort"

	"github.com/parquet-go/parquet-go"

	"cooper"
	"cooper/internal/parquetrows"
	"cooper/internal/seal"
)

// maxHeader bounds plan.json, in bytes: some 100 for each of the files, which
// hold a million actions each.
const maxHeader = 64 << 20

// Plan is a plan on disk. Its methods may be called at the same time.
type Plan struct {
	dir    string
	h      Header
	learnt seal.Learnt // of files without sums
}

// Open reads the header of the plan at dir and checks its format and digest.
// It does not look at the files of actions: see Verify.
func Open(dir string) (*Plan, error) {
	name := filepath.Join(dir, headerName)
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &cooper.Error{Kind: cooper.KindUsage, Where: dir, Message: "there is no plan", Remedy: "See `cooper plan ls`.", Err: err}
	} else if err != nil {
		return nil, local(name, err)
	}
	b, err := io.ReadAll(io.LimitReader(f, maxHeader+1))
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return nil, local(name, err)
	}
	if len(b) > maxHeader {
		return nil, invalid(name, "the header is too large", nil)
	}
	h, err := decodeHeader(name, b)
	if err != nil {
		return nil, err
	}
	if seal.Misplaced(dir, h.ID) {
		return nil, invalid(name, "this is the plan "+h.ID+", in the place of another", nil)
	}
	return &Plan{dir: dir, h: h}, nil
}

// decodeHeader reads a header and checks its seal, its format, its digest, and that
// its phases and files cover the same shards.
func decodeHeader(where string, b []byte) (Header, error) {
	var h Header
	var newer *seal.Newer
	if err := seal.Decode(b, sealed, Format, &h); errors.As(err, &newer) {
		return h, &cooper.Error{Kind: cooper.KindInvalid, Where: where,
			Message: fmt.Sprintf("the plan has format %d; this program reads up to %d", newer.Format, newer.Known),
			Remedy:  "Use the version of cooper that made it, or make the plan anew."}
	} else if err != nil {
		return h, invalid(where, "the header is damaged", err)
	}
	want, err := digest(h)
	if err != nil {
		return h, err
	}
	if want != h.Digest {
		return h, invalid(where, "the header was changed: its digest does not match", nil)
	}
	return h, h.check(where)
}

// check makes sure that shards are numbered without gaps, in phases and files.
func (h *Header) check(where string) error {
	inPhases, inFiles := 0, 0
	for _, p := range h.Phases {
		if p.First != inPhases || p.Shards < 0 || p.Count < int64(p.Shards) {
			return invalid(where, fmt.Sprintf("phase %q is out of order", p.Name), nil)
		}
		inPhases += p.Shards
	}
	for _, f := range h.Files {
		if f.First != inFiles || f.Shards < 1 || filepath.Base(f.Name) != f.Name || f.Name == "." || f.Name == ".." {
			return invalid(where, fmt.Sprintf("file %q is out of order", f.Name), nil)
		}
		if h.Format >= sealed && f.Sums.IsZero() {
			return invalid(where, fmt.Sprintf("file %q has no checksums", f.Name), nil)
		}
		inFiles += f.Shards
	}
	if inPhases != inFiles {
		return invalid(where, fmt.Sprintf("the phases have %d shards, the files %d", inPhases, inFiles), nil)
	}
	return nil
}

// Header is what plan.json says.
func (p *Plan) Header() Header { return p.h }

// Dir is where the plan is.
func (p *Plan) Dir() string { return p.dir }

// Shards is how many there are, over all phases.
func (p *Plan) Shards() int {
	n := 0
	for _, f := range p.h.Files {
		n += f.Shards
	}
	return n
}

// PhaseOf names the phase that a shard belongs to, empty if there is no such
// shard.
func (p *Plan) PhaseOf(shard int) string {
	if ph := p.phaseOf(shard); ph != nil {
		return ph.Name
	}
	return ""
}

func (p *Plan) phaseOf(shard int) *Phase {
	for i := range p.h.Phases {
		if ph := &p.h.Phases[i]; shard >= ph.First && shard < ph.First+ph.Shards {
			return ph
		}
	}
	return nil
}

// Shard reads the actions of one shard, in order.
func (p *Plan) Shard(ctx context.Context, n int) ([]cooper.Action, error) {
	if n < 0 || n >= p.Shards() {
		return nil, invalid(p.dir, fmt.Sprintf("there is no shard %d", n), nil)
	}
	in, err := p.open(ctx, p.fileOf(n))
	if err != nil {
		return nil, err
	}
	actions, err := p.read(ctx, in, n, nil)
	return actions, errors.Join(err, in.close())
}

// Actions walks over all actions, shard by shard.
func (p *Plan) Actions(ctx context.Context) *Iterator {
	return &Iterator{p: p, ctx: ctx, end: p.Shards()}
}

// phaseActions walks over the actions of one phase.
func (p *Plan) phaseActions(ctx context.Context, ph *Phase) *Iterator {
	return &Iterator{p: p, ctx: ctx, file: p.fileOf(ph.First), shard: ph.First, end: ph.First + ph.Shards}
}

// fileOf is the index of the file that holds a shard.
func (p *Plan) fileOf(shard int) int {
	return sort.Search(len(p.h.Files), func(i int) bool { return p.h.Files[i].First+p.h.Files[i].Shards > shard })
}

// Iterator walks over actions of a plan; memory holds one shard.
type Iterator struct {
	p     *Plan
	ctx   context.Context
	in    *input
	file  int // the next to open
	shard int // the next to read
	end   int // the one not to read any more
	batch []cooper.Action
	next  int
}

// Next gives the following action, good until the call after, and io.EOF after
// the last one.
func (it *Iterator) Next() (*cooper.Action, error) {
	for it.next == len(it.batch) {
		if it.shard == it.end {
			return nil, io.EOF
		}
		if it.in == nil || it.shard >= it.in.first+it.in.shards {
			if err := it.Close(); err != nil {
				return nil, err
			}
			var err error
			if it.in, err = it.p.open(it.ctx, it.file); err != nil {
				return nil, err
			}
			it.file++
		}
		var err error
		clear(it.batch)
		it.next = 0
		if it.batch, err = it.p.read(it.ctx, it.in, it.shard, it.batch[:0]); err != nil {
			it.batch = nil
			return nil, err
		}
		it.shard++
	}
	it.next++
	return &it.batch[it.next-1], nil
}

// Close releases the file that is open.
func (it *Iterator) Close() error {
	if it.in == nil {
		return nil
	}
	in := it.in
	it.in = nil
	return in.close()
}

// input is an open file of actions.
type input struct {
	name          string
	f             *os.File
	pq            *parquet.File
	first, shards int
}

func (in *input) close() error {
	if err := in.f.Close(); err != nil {
		return local(in.name, err)
	}
	return nil
}

// open opens the i-th file and checks that it has the shards it should.
func (p *Plan) open(ctx context.Context, i int) (*input, error) {
	file := p.h.Files[i]
	in := &input{name: filepath.Join(p.dir, file.Name), first: file.First, shards: file.Shards}
	var err error
	if in.f, err = os.Open(in.name); err != nil {
		return nil, missingFile(in.name, err)
	}
	err = guard(in.name, func() error {
		sound, size, err := p.sound(ctx, in.f, &file)
		if err != nil {
			return err
		}
		in.pq, err = parquetrows.Open(sound, size, parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
		if err != nil {
			return invalid(in.name, "the file is damaged", err)
		}
		if n := len(in.pq.RowGroups()); n != file.Shards {
			return invalid(in.name, fmt.Sprintf("the file has %d shards instead of %d", n, file.Shards), nil)
		}
		return nil
	})
	if err != nil {
		return nil, errors.Join(err, in.f.Close())
	}
	return in, nil
}

// read appends the actions of shard n, which in holds.
func (p *Plan) read(ctx context.Context, in *input, n int, to []cooper.Action) ([]cooper.Action, error) {
	phase := p.phaseOf(n)
	err := guard(in.name, func() (err error) {
		group := in.pq.RowGroups()[n-in.first]
		if group.NumRows() > phase.Count {
			return invalid(in.name, fmt.Sprintf("shard %d has more actions than its phase", n), nil)
		}
		r := parquet.NewGenericRowGroupReader[row](group)
		defer func() {
			if cerr := r.Close(); err == nil && cerr != nil {
				err = invalid(in.name, "the file is damaged", cerr)
			}
		}()
		rows := make([]row, 256)
		for {
			if err := ctx.Err(); err != nil {
				return err
			}
			got, rerr := r.Read(rows)
			for i := range rows[:got] {
				if int(rows[i].Shard) != n || rows[i].Phase != phase.Name {
					return invalid(in.name, fmt.Sprintf("shard %d holds an action of shard %d, phase %q", n, rows[i].Shard, rows[i].Phase), nil)
				}
				a, err := rows[i].action()
				if err != nil {
					return invalid(in.name, fmt.Sprintf("action %d: its args are damaged", rows[i].ID), err)
				}
				to = append(to, a)
			}
			if rerr == io.EOF { //nolint:errorlint // an error that wraps EOF is damage, not the end
				return nil
			} else if rerr != nil {
				return invalid(in.name, "the file is damaged", rerr)
			} else if got == 0 {
				return invalid(in.name, "the file ends early", nil)
			}
		}
	})
	return to, err
}

// guard runs f, which reads a file that may be damaged. The Parquet library
// panics on some damage that its checks do not foresee: that is an error like
// the others.
func guard(where string, f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = invalid(where, fmt.Sprintf("the file is damaged: %v", r), nil)
		}
	}()
	return f()
}

func missingFile(name string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return invalid(name, "the file is missing", err)
	}
	return local(name, err)
}
