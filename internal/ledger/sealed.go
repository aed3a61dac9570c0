package ledger

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"github.com/parquet-go/parquet-go"
	"golang.org/x/sync/errgroup"

	"cooper"
	"cooper/internal/parquetrows"
	"cooper/internal/seal"
)

// A file of format 2 carries the sums of all its other bytes in a gap before the footer:
//
//	PAR1, pages, indexes | sums, their length, gapMagic | footer, its length, PAR1
//
// Offsets in Parquet count from the beginning of a file, and the footer's place follows from the
// end, so that nothing refers to the gap and readers pass over it. It is in the same file because a
// file is renamed as a whole, copied as a whole, and removed as a whole.
// https://parquet.apache.org/docs/file-format/
const (
	gapMagic = "cpr:sums"
	gapTail  = 4 + int64(len(gapMagic)) // the sums' length, little-endian, and the magic
	endMagic = "PAR1"
	end      = 4 + int64(len(endMagic)) // likewise, of the footer
	// maxFooter bounds a footer, in bytes: some 3 kB for each row group.
	maxFooter = 256 << 20
)

// sealing is a file of facts being written, and the sums of its blocks.
type sealing struct {
	f    *os.File
	sums seal.Summer
}

func (s *sealing) Write(b []byte) (int, error) {
	n, err := s.f.Write(b)
	_, _ = s.sums.Write(b[:n]) // it never fails
	return n, err
}

// seal makes room before the footer for the sums. The file is not to be seen before it is done.
func (s *sealing) seal() error {
	size := s.sums.Size()
	footer, err := footerOf(s.f, size)
	if err != nil {
		return err
	}
	tail := make([]byte, size-footer)
	if _, err := s.f.ReadAt(tail, footer); err != nil {
		return err
	}
	text, err := s.sums.Sums().MarshalText()
	if err != nil {
		return err
	}
	gap := binary.LittleEndian.AppendUint32(text, uint32(len(text)))
	gap = append(gap, gapMagic...)
	_, err = s.f.WriteAt(append(gap, tail...), footer)
	return err
}

// footerOf is where the footer of a Parquet file of size bytes begins.
func footerOf(f io.ReaderAt, size int64) (int64, error) {
	var b [end]byte
	if size < end {
		return 0, fmt.Errorf("%w: it has %d bytes", seal.ErrDamaged, size)
	}
	if _, err := f.ReadAt(b[:], size-end); err != nil {
		return 0, err
	}
	length := int64(binary.LittleEndian.Uint32(b[:]))
	if string(b[4:]) != endMagic || length > size-end || length > maxFooter {
		return 0, fmt.Errorf("%w: its end is not that of Parquet", seal.ErrDamaged)
	}
	return size - end - length, nil
}

// input is an open file of facts.
type input struct {
	name  string
	in    io.ReaderAt // without the gap, and checked where there are sums
	size  int64
	sound *seal.Reader // nil in format 1
}

// opened finds the sums of f.
func opened(f *os.File) (*input, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, local(f.Name(), err)
	}
	in := &input{name: f.Name(), in: f, size: info.Size()}
	if err := in.find(f); errors.Is(err, seal.ErrDamaged) || errors.Is(err, io.EOF) {
		return nil, damaged(in.name, err)
	} else if err != nil {
		return nil, local(in.name, err)
	}
	return in, nil
}

func (in *input) find(f io.ReaderAt) error {
	footer, err := footerOf(f, in.size)
	if err != nil {
		return err
	}
	var tail [gapTail]byte
	if footer < gapTail {
		return nil
	}
	if _, err := f.ReadAt(tail[:], footer-gapTail); err != nil || string(tail[4:]) != gapMagic {
		return err
	}
	length := int64(binary.LittleEndian.Uint32(tail[:]))
	const most = 1024 // sums are some 350 bytes
	if length > min(most, footer-gapTail) {
		return fmt.Errorf("%w: its sums are cut short", seal.ErrDamaged)
	}
	text := make([]byte, length)
	from := footer - gapTail - length
	if _, err := f.ReadAt(text, from); err != nil {
		return err
	}
	var sums seal.Sums
	if err := sums.UnmarshalText(text); err != nil {
		return fmt.Errorf("%w: %w", seal.ErrDamaged, err)
	}
	in.size -= footer - from
	in.sound, err = seal.NewReader(&without{f, from, footer - from}, in.size, sums)
	in.in = in.sound
	return err
}

// without leaves out length bytes of a file from the one at from on.
type without struct {
	f            io.ReaderAt
	from, length int64
}

func (w *without) ReadAt(b []byte, off int64) (n int, err error) {
	if off < w.from {
		n, err = w.f.ReadAt(b[:min(int64(len(b)), w.from-off)], off)
		if n == len(b) || err != nil {
			return n, err
		}
	}
	m, err := w.f.ReadAt(b[n:], off+int64(n)+w.length)
	return n + m, err
}

// parquet opens what is in the file, and checks its format.
func (in *input) parquet() (*parquet.File, error) {
	pq, err := parquetrows.Open(in.in, in.size, parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		return nil, damaged(in.name, err)
	}
	// Whether there have to be sums, the footer says: one flipped bit does not make 1 of 2.
	switch v, _ := pq.Lookup(formatKey); {
	case v == fmt.Sprint(Format) && in.sound == nil, v == "1" && in.sound != nil:
		return nil, damaged(in.name, fmt.Errorf("%w: format %s", seal.ErrDamaged, v))
	case v != fmt.Sprint(Format) && v != "1":
		return nil, &cooper.Error{Kind: cooper.KindInvalid, Where: in.name, Message: fmt.Sprintf("the file has ledger format %q; this program knows up to %d", v, Format),
			Remedy: "Use the version of cooper that wrote it. If there is none, the file is damaged: move it out of the ledger to go on without these facts."}
	}
	if err := in.belongs(pq); err != nil {
		return nil, damaged(in.name, fmt.Errorf("%w: %w", errElsewhere, err))
	}
	return pq, nil
}

// errElsewhere: a file that is whole, under the name of another, would count twice and hide it.
var errElsewhere = errors.New("it is another file of the ledger")

// marks are columns by which tables are told apart.
var marks = map[string]string{Outcome: "checked", Content: "state", Run: "counts"}

// belongs wants the facts to be those that the file's name tells of: its table, its run, its shard.
func (in *input) belongs(pq *parquet.File) error {
	dir, base := filepath.Split(in.name)
	if mark, known := marks[filepath.Base(dir)]; known && pq.Root().Column(mark) == nil {
		return errors.New("its columns are not those of the table")
	}
	base, _, _ = strings.Cut(base, suffix)
	run := runOf(base + suffix)
	for _, g := range pq.Metadata().RowGroups {
		if first := &g.Columns[0].MetaData; g.NumRows > 0 && (string(first.Statistics.MinValue) != run || string(first.Statistics.MaxValue) != run) {
			return fmt.Errorf("its rows are of the run %s", cooper.Quote(string(first.Statistics.MinValue)))
		}
	}
	if shard, ok := strings.CutPrefix(base, run+"-"); ok {
		n, err := strconv.Atoi(shard)
		if has, _ := pq.Lookup(shardsKey); err != nil || has != ranges([]int{n}) || base+suffix != shardName(run, n) {
			return fmt.Errorf("its rows are of the shard %s", cooper.Quote(has))
		}
	}
	return nil
}

// unsealed tells whether a file is of format 1.
func unsealed(name string) (yes bool, err error) {
	err = withInput(name, func(in *input) error {
		yes = in.sound == nil
		return nil
	})
	return yes, err
}

// Files are the files of a table that a reader of *.parquet sees.
func (l *Ledger) Files(table string) ([]string, error) {
	dir := filepath.Join(l.dir, table)
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, local(dir, err)
	}
	var names []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), suffix) {
			names = append(names, filepath.Join(dir, e.Name()))
		}
	}
	return names, nil
}

// Verify checks files of facts for those who read them by other means: a damaged one is
// KindInvalid. Files of format 1 have nothing to be checked by but what a look at their end
// tells. One that is gone meanwhile, because it was folded into another, is passed over.
func Verify(ctx context.Context, names []string) error {
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	errs := make([]error, len(names))
	for i, name := range names {
		g.Go(func() error {
			errs[i] = verify(ctx, name)
			return nil
		})
	}
	_ = g.Wait() // they are in errs, in the order of names
	return errors.Join(errors.Join(errs...), twice(names))
}

// twice refuses files of shards whose facts a compacted file has, too: they come back with a backup,
// and each fact would count twice until the run is compacted again.
func twice(names []string) error {
	whole := map[string]map[int]bool{} // by the name of the compacted file; nil if there is none
	for _, name := range names {
		if filepath.Base(name) == runOf(filepath.Base(name))+suffix {
			whole[name] = map[int]bool{}
		}
	}
	for _, name := range names {
		dir, base := filepath.Split(name)
		run := runOf(base)
		compacted := dir + run + suffix
		shard, err := strconv.Atoi(strings.TrimPrefix(strings.TrimSuffix(base, suffix), run+"-"))
		if name == compacted || err != nil || whole[compacted] == nil {
			continue
		}
		if len(whole[compacted]) == 0 {
			shards, err := shardsIn(compacted)
			if err != nil {
				return err
			}
			for _, n := range shards {
				whole[compacted][n] = true
			}
		}
		if !whole[compacted][shard] {
			continue
		}
		if _, err := os.Lstat(name); err == nil { // else it was folded just now
			return damaged(name, fmt.Errorf("%w: its facts are in %s, too", errElsewhere, run+suffix))
		}
	}
	return nil
}

func verify(ctx context.Context, name string) error {
	err := withInput(name, func(in *input) error {
		if _, err := in.parquet(); err != nil || in.sound == nil {
			return err
		}
		switch err := in.sound.Verify(ctx); {
		case errors.Is(err, seal.ErrDamaged):
			return damaged(name, err)
		case err != nil:
			return local(name, err)
		}
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// sealRuns writes files of the table run that are of format 1 anew, each in one step.
func (l *Ledger) sealRuns(ctx context.Context) error {
	names, err := l.Files(Run)
	if err != nil {
		return err
	}
	for _, name := range names {
		old, err := unsealed(name)
		if err != nil {
			return err
		}
		if !old {
			continue
		}
		var rows []runRow
		err = readRows(ctx, name, func(some []runRow) error { rows = append(rows, some...); return nil })
		if err != nil {
			return err
		}
		if err := l.create(Run, filepath.Base(name), func(w io.Writer) error { return writeRuns(w, rows) }); err != nil {
			return err
		}
	}
	return nil
}
