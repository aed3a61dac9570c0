package catalog

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/parquet-go/parquet-go"

	"cooper"
	"cooper/internal/tree/safefs"
)

// span is a range of keys: those that begin with prefix, as bytes; with only,
// just the prefix itself.
type span struct {
	prefix string
	only   bool
}

// ends tells whether no key at or after key is in the span.
func (s span) ends(key string) bool {
	if s.only {
		return key > s.prefix
	}
	return key > s.prefix && !strings.HasPrefix(key, s.prefix)
}

// overlaps tells whether a file may hold keys of the span.
func (s span) overlaps(f *File) bool { return f.LastKey >= s.prefix && !s.ends(f.FirstKey) }

// scan reads the pages of one sorted sequence in order.
type scan struct {
	files  []openFile
	span   span
	buffer int // bytes read at once, for each column

	parquet *parquet.File // of files[0]
	group   int           // the next row group
	rows    int64         // read from files[0]
	left    int64         // not read yet of the row group
	columns []column      // of the row group before it; nil between groups
}

// openFile is a file whose handle was taken before a compaction could remove
// its name.
type openFile struct {
	meta File
	f    safefs.File
}

// openScan opens the files of s that can have rows in the span.
func openScan(fsys safefs.FS, s *Sorted, sp span, buffer int) (*scan, error) {
	sc := &scan{span: sp, buffer: buffer}
	for i := range s.Files {
		if !sp.overlaps(&s.Files[i]) {
			continue
		}
		f, err := fsys.Open(dir + "/" + s.Files[i].Name)
		if err != nil {
			return nil, errors.Join(err, sc.close())
		}
		sc.files = append(sc.files, openFile{s.Files[i], f})
	}
	return sc, nil
}

func (s *scan) close() error {
	err := s.endGroup()
	for _, f := range s.files {
		err = errors.Join(err, f.f.Close())
	}
	s.files = nil
	return err
}

func (s *scan) endGroup() error {
	var err error
	for i := range s.columns {
		s.columns[i].release()
		err = errors.Join(err, s.columns[i].pages.Close())
	}
	s.columns = nil
	return err
}

// next decodes the following page into rows, which has room for it, and gives
// what was used of it; io.EOF after the last one. Pages may have rows outside
// of the span.
func (s *scan) next(rows []Row) (_ []Row, err error) {
	defer func() {
		// What reads Parquet panics on some files that are not what they should
		// be; there is no other way to learn of it.
		if p := recover(); p != nil {
			err = s.corrupt(fmt.Errorf("%v", p))
		}
	}()
	for {
		if s.columns == nil {
			if err := s.openGroup(); err != nil {
				return nil, err
			}
		}
		n, err := s.nextPage()
		if errors.Is(err, io.EOF) && s.left == 0 {
			if err := s.endGroup(); err != nil {
				return nil, s.corrupt(err)
			}
			continue
		}
		if err != nil {
			return nil, s.corrupt(err)
		}
		if n > cap(rows) {
			return nil, s.corrupt(errShape)
		}
		rows = rows[:n]
		if err := decode(s.columns, rows); err != nil {
			return nil, s.corrupt(err)
		}
		s.rows += int64(n)
		s.left -= int64(n)
		return rows, nil
	}
}

func (s *scan) corrupt(err error) error {
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF // nobody may take this for the end of the rows
	}
	where := "the catalog"
	if len(s.files) > 0 {
		where = dir + "/" + s.files[0].meta.Name
	}
	return &cooper.Error{Kind: cooper.KindCorrupt, Where: where, Message: "the catalog file cannot be read", Err: err,
		Remedy: "look after the disk; bring the file back from a copy of the tree's .cooper/catalog"}
}

// nextPage moves every column on by one page, of the same rows.
func (s *scan) nextPage() (int, error) {
	rows := -1
	for i := range s.columns {
		n, err := s.columns[i].next()
		if errors.Is(err, io.EOF) && i > 0 && rows >= 0 {
			return 0, errShape
		}
		if err != nil {
			return 0, err
		}
		if rows >= 0 && n != rows {
			return 0, errShape
		}
		rows = n
	}
	return rows, nil
}

// openGroup goes to the next row group that can have rows in the span.
func (s *scan) openGroup() error {
	for len(s.files) > 0 {
		if s.parquet == nil {
			if err := s.openParquet(); err != nil {
				return s.corrupt(err)
			}
		}
		groups := s.parquet.RowGroups()
		for s.group < len(groups) {
			g := groups[s.group]
			s.group++
			first, ok, err := s.firstRow(g)
			if err != nil {
				return s.corrupt(err)
			}
			if !ok {
				continue
			}
			s.left = g.NumRows() - first
			s.columns = make([]column, columnCount)
			for i, chunk := range g.ColumnChunks() {
				s.columns[i].pages = chunk.Pages()
			}
			for i := range s.columns {
				if first == 0 {
					break
				}
				if err := s.columns[i].pages.SeekToRow(first); err != nil {
					return s.corrupt(err)
				}
			}
			return nil
		}
		if whole := s.span.prefix == "" && !s.span.only; whole && s.rows != s.files[0].meta.Rows {
			return s.corrupt(fmt.Errorf("it has %d rows and should have %d", s.rows, s.files[0].meta.Rows))
		}
		if err := s.files[0].f.Close(); err != nil {
			return err
		}
		s.files, s.parquet = s.files[1:], nil
	}
	return io.EOF
}

func (s *scan) openParquet() error {
	f := s.files[0]
	p, err := parquet.OpenFile(f.f, f.meta.Bytes, parquet.SkipBloomFilters(true),
		parquet.SkipPageIndex(s.span.prefix == ""), parquet.ReadBufferSize(s.buffer))
	if err != nil {
		return err
	}
	if !parquet.EqualNodes(p.Schema(), fileSchema) {
		return errors.New("it has other columns than a catalog")
	}
	s.parquet, s.group, s.rows = p, 0, 0
	return nil
}

// firstRow is the first row of the first page that reaches the span.
func (s *scan) firstRow(g parquet.RowGroup) (row int64, ok bool, err error) {
	if s.span.prefix == "" {
		return 0, true, nil
	}
	keys := g.ColumnChunks()[colKey]
	index, err := keys.ColumnIndex()
	if err != nil {
		return 0, false, err
	}
	offsets, err := keys.OffsetIndex()
	if err != nil {
		return 0, false, err
	}
	for i := range index.NumPages() {
		if string(index.MaxValue(i).ByteArray()) >= s.span.prefix {
			return offsets.FirstRowIndex(i), !s.span.ends(string(index.MinValue(i).ByteArray())), nil
		}
	}
	return 0, false, nil
}
