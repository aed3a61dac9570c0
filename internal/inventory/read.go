package inventory

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/parquet-go/parquet-go"

	"cooper"
	"cooper/internal/parquetrows"
	"cooper/internal/seal"
)

// ahead is how many batches are decoded before they are asked for.
const ahead = 8

// versions is the Iterator of a snapshot. A goroutine decodes ahead of the
// reader.
type versions struct {
	ctx     context.Context
	cancel  context.CancelFunc
	full    chan []cooper.Version
	empty   chan []cooper.Version
	failure error // why full was closed, once it is

	rows []cooper.Version // what is being read
	at   int
	err  error // what Next gives from now on
}

// Versions walks the versions in the order of cooper.Version.Compare. Close
// the iterator when done; it is for one goroutine.
//
// A file that is gone is KindMissing, one that is damaged KindCorrupt.
func (s *Snapshot) Versions(ctx context.Context, opt IterOptions) Iterator {
	v := &versions{full: make(chan []cooper.Version, ahead), empty: make(chan []cooper.Version, ahead+2)}
	v.ctx, v.cancel = context.WithCancel(ctx)
	for range cap(v.empty) {
		v.empty <- nil
	}
	go func() {
		defer close(v.full)
		v.failure = s.decodeFiles(v, opt)
	}()
	return v
}

// Next gives the next version.
func (v *versions) Next() (*cooper.Version, error) {
	if v.at < len(v.rows) {
		v.at++
		return &v.rows[v.at-1], nil
	}
	return v.refill()
}

// refill goes on to the next batch.
func (v *versions) refill() (*cooper.Version, error) {
	if v.err != nil {
		return nil, v.err
	}
	if v.rows != nil {
		v.empty <- v.rows // there is room for all there are
		v.rows = nil
	}
	rows, ok := <-v.full
	if !ok {
		v.err = v.failure
		if v.err == nil {
			v.err = io.EOF
		}
		return nil, v.err
	}
	v.rows, v.at = rows, 1
	return &rows[0], nil
}

// Close stops decoding.
func (v *versions) Close() error {
	v.cancel()
	for range v.full {
		// Wait until the goroutine has seen it and let go of its file.
	}
	if v.err == nil {
		v.err = errClosed
	}
	v.rows, v.at = nil, 0
	return nil
}

var errClosed = &cooper.Error{Kind: cooper.KindInternal, Message: "iterator is closed"}

// deliver sends rows to the reader.
func (v *versions) deliver(rows []cooper.Version) error {
	select {
	case v.full <- rows:
		return nil
	case <-v.ctx.Done():
		return context.Cause(v.ctx)
	}
}

// take gets a batch to fill.
func (v *versions) take() ([]cooper.Version, error) {
	select {
	case rows := <-v.empty:
		if rows == nil {
			rows = make([]cooper.Version, batchRows)
		}
		return rows, nil
	case <-v.ctx.Done():
		return nil, context.Cause(v.ctx)
	}
}

// decodeFiles delivers what opt selects from all files.
func (s *Snapshot) decodeFiles(v *versions, opt IterOptions) error {
	for _, f := range s.meta.Files {
		here, behind := opt.selects(f.FirstKey, f.LastKey)
		if here && f.Rows > 0 {
			if err := s.decodeFile(v, f, &opt); err != nil {
				return err
			}
		}
		if !behind {
			break
		}
	}
	return nil
}

func (s *Snapshot) decodeFile(v *versions, f File, opt *IterOptions) (err error) {
	path := filepath.Join(s.dir, f.Name)
	defer rescue(path, &err)
	file, err := openFile(v.ctx, path, f, fileSchema)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.close()) }()
	for i, group := range file.parquet.RowGroups() {
		here, behind, inside := true, true, false
		if first, last, ok := file.bounds(i); ok {
			here, behind = opt.selects(first, last)
			inside = first >= opt.From && (opt.To == "" || last < opt.To) && opt.Prefix == ""
		}
		if here {
			if err := decodeGroup(v, path, group, opt, inside); err != nil {
				return err
			}
		}
		if !behind {
			break
		}
	}
	return nil
}

// bounds gives the first and the last key of row group i, if it tells them.
func (f *inFile) bounds(i int) (first, last string, ok bool) {
	b := f.parquet.Metadata().RowGroups[i].Columns[colKey].MetaData.Statistics
	return string(b.MinValue), string(b.MaxValue), b.MinValue != nil && b.MaxValue != nil
}

// decodeGroup delivers what opt selects from a group: everything if the group
// lies inside of what it selects.
func decodeGroup(v *versions, path string, group parquet.RowGroup, opt *IterOptions, inside bool) (err error) {
	c := openColumns(group, opt.Omit)
	defer func() { err = errors.Join(err, c.close()) }()
	for {
		n, err := c.ready(batchRows)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return damaged(path, err)
		}
		rows, err := v.take()
		if err != nil {
			return err
		}
		rows = rows[:n]
		c.decode(rows)
		c.skip(n)
		if !inside {
			rows = slices.DeleteFunc(rows, func(r cooper.Version) bool { return !opt.holds(r.Key) })
		}
		if len(rows) == 0 {
			v.empty <- rows
			continue
		}
		if err := v.deliver(rows); err != nil {
			return err
		}
	}
}

// inFile is a Parquet file of a snapshot, open for reading.
type inFile struct {
	f       *os.File
	parquet *parquet.File
}

// openFile opens a file of which no byte is believed unchecked.
func openFile(ctx context.Context, path string, meta File, schema *parquet.Schema) (*inFile, error) {
	f, sound, err := openSound(ctx, path, meta)
	if err != nil {
		return nil, err
	}
	p, err := parquetrows.Open(sound, meta.Bytes, parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true), parquet.ReadBufferSize(128<<10))
	if err == nil && p.NumRows() != meta.Rows {
		err = fmt.Errorf("it has %d rows instead of %d", p.NumRows(), meta.Rows)
	}
	if err == nil && !parquet.EqualNodes(p.Schema(), schema) {
		err = errors.New("its columns are not those of a snapshot")
	}
	if err != nil {
		return nil, errors.Join(damaged(path, err), f.Close())
	}
	return &inFile{f, p}, nil
}

func (f *inFile) close() error { return f.f.Close() }

// readError gives a kind to an error of opening or reading a file.
func readError(path string, err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return &cooper.Error{
			Kind: cooper.KindMissing, Where: path, Message: "a file of the snapshot is gone", Err: err,
			Remedy: "Take the snapshot again.",
		}
	}
	return &cooper.Error{Kind: cooper.KindInternal, Where: path, Message: "the snapshot cannot be read", Err: err}
}

// damaged is the error of a file that is not as it was written.
func damaged(path string, err error) error {
	return &cooper.Error{
		Kind: cooper.KindCorrupt, Where: path, Message: "the snapshot is damaged", Err: seal.Cause(err),
		Remedy: "Remove it with `cooper snapshot rm` and take it again.",
	}
}

// rescue turns a panic into an error. The decoder is somebody else's and meant
// for files that are as they were written: what it cannot bear is damage.
func rescue(path string, err *error) {
	if r := recover(); r != nil {
		*err = damaged(path, fmt.Errorf("%v", r))
	}
}
