package catalog

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/parquet-go/parquet-go"

	"cooper"
	"cooper/internal/seal"
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
	told    bool          // a page had something that a store told
	last    string        // key that was read
}

// openFile is a file whose handle was taken before a compaction could remove
// its name.
type openFile struct {
	meta File
	f    safefs.File
	r    io.ReaderAt // of f, checked

	salvaged bool // nothing is known of it but what it says itself
}

// openScan opens the files of s that can have rows in the span.
func (c *Catalog) openScan(s *Sorted, sp span, buffer int) (*scan, error) {
	sc := &scan{span: sp, buffer: buffer}
	for i := range s.Files {
		if !sp.overlaps(&s.Files[i]) {
			continue
		}
		f, err := c.openFile(&s.Files[i], sp.only)
		if err != nil {
			return nil, errors.Join(err, sc.close())
		}
		sc.files = append(sc.files, f)
	}
	return sc, nil
}

// openFile opens a file of the catalog. Every byte of it is checked before it is
// believed; where single keys are looked up, again and again, a block is checked
// the first time.
func (c *Catalog) openFile(meta *File, again bool) (openFile, error) {
	f, err := c.fs.Open(dir + "/" + meta.Name)
	if err != nil {
		return openFile{}, err
	}
	o := openFile{meta: *meta, f: f, r: f}
	if meta.Sums.IsZero() {
		return o, nil // of format 1
	}
	r, err := c.checkedBefore(meta, f, again)
	if err != nil {
		return openFile{}, errors.Join(corruptFile(meta.Name, err), f.Close())
	}
	o.r = r
	return o, nil
}

func (c *Catalog) checkedBefore(meta *File, f io.ReaderAt, again bool) (*seal.Reader, error) {
	if !again {
		return seal.NewReader(f, meta.Bytes, meta.Sums)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if r := c.checked[meta.Name]; r != nil && r.Sums() == meta.Sums {
		return r.On(f), nil
	}
	r, err := seal.NewReader(f, meta.Bytes, meta.Sums)
	if err != nil {
		return nil, err
	}
	if c.checked == nil || len(c.checked) >= maxChecked {
		c.checked = map[string]*seal.Reader{}
	}
	c.checked[meta.Name] = r
	return r, nil
}

// maxChecked bounds what is remembered of files that were looked into.
const maxChecked = 4096

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
		if !s.columns[i].empty() {
			err = errors.Join(err, s.columns[i].pages.Close())
		}
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
		if err := s.inOrder(rows); err != nil {
			return nil, s.corrupt(err)
		}
		s.told = s.told || tells(s.columns)
		s.rows += int64(n)
		s.left -= int64(n)
		return rows, nil
	}
}

// inOrder compares the keys at both ends of a page with what the pointer and the
// page before say.
func (s *scan) inOrder(rows []Row) error {
	if len(rows) == 0 {
		return errShape
	}
	first, last, meta := rows[0].Key, rows[len(rows)-1].Key, &s.files[0].meta
	if s.files[0].salvaged {
		s.last = last
		return nil
	}
	if first < s.last || first > last || first < meta.FirstKey || last > meta.LastKey || s.whole() && s.rows == 0 && first != meta.FirstKey {
		return fmt.Errorf("keys from %q to %q, which do not belong there", first, last)
	}
	s.last = last
	return nil
}

// whole tells whether all rows are wanted.
func (s *scan) whole() bool { return s.span.prefix == "" && !s.span.only }

// indexed tells whether the index of pages may be used: that of files of format 1
// is covered by no checksum.
func (s *scan) indexed() bool { return !s.files[0].meta.Sums.IsZero() }

func (s *scan) corrupt(err error) error {
	name := ""
	if len(s.files) > 0 {
		name = s.files[0].meta.Name
	}
	return corruptFile(name, err)
}

func corruptFile(name string, err error) error {
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF // nobody may take this for the end of the rows
	}
	where := dir
	if name != "" {
		where += "/" + name
	}
	return &cooper.Error{Kind: cooper.KindCorrupt, Where: where, Message: "the catalog file cannot be read", Err: err, Remedy: remedy}
}

// nextPage moves every column on by one page, of the same rows.
func (s *scan) nextPage() (int, error) {
	rows := -1
	for i := range s.columns {
		if s.columns[i].empty() {
			continue
		}
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
			chunks := g.ColumnChunks()
			s.columns = make([]column, len(chunks))
			for i, chunk := range chunks {
				if i >= colTold && s.nothing(s.group-1, i) {
					s.columns[i].none = true
					continue
				}
				s.columns[i].pages = chunk.Pages()
			}
			for i := range s.columns {
				if first == 0 {
					break
				}
				if s.columns[i].empty() {
					continue
				}
				if err := s.columns[i].pages.SeekToRow(first); err != nil {
					return s.corrupt(err)
				}
			}
			return nil
		}
		if meta := &s.files[0].meta; s.whole() && !s.files[0].salvaged && (s.rows != meta.Rows || s.last != meta.LastKey) {
			return s.corrupt(fmt.Errorf("it has %d rows up to key %q, and should have %d up to %q", s.rows, s.last, meta.Rows, meta.LastKey))
		}
		if err := s.files[0].f.Close(); err != nil {
			return err
		}
		s.files, s.parquet = s.files[1:], nil
	}
	return io.EOF
}

// nothing tells whether a column of what stores tell has no value in a row group.
func (s *scan) nothing(group, column int) bool {
	m := &s.parquet.Metadata().RowGroups[group]
	return m.Columns[column].MetaData.Statistics.NullCount == m.NumRows
}

func (s *scan) openParquet() error {
	f := s.files[0]
	if info, err := f.f.Stat(); err != nil {
		return err
	} else if info.Size != f.meta.Bytes {
		return fmt.Errorf("it has %d bytes and should have %d", info.Size, f.meta.Bytes)
	}
	p, err := parquet.OpenFile(f.r, f.meta.Bytes, parquet.SkipBloomFilters(true),
		parquet.SkipPageIndex(s.span.prefix == "" || !s.indexed()), parquet.ReadBufferSize(s.buffer))
	if err != nil {
		return err
	}
	want := fileSchema
	if f.meta.Sums.IsZero() && (!f.salvaged || parquet.EqualNodes(p.Schema(), schema1)) {
		want = schema1
	}
	if !parquet.EqualNodes(p.Schema(), want) {
		return errors.New("it has other columns than a catalog")
	}
	s.parquet, s.group, s.rows, s.last = p, 0, 0, ""
	return nil
}

// firstRow is the first row of the first page that reaches the span.
func (s *scan) firstRow(g parquet.RowGroup) (row int64, ok bool, err error) {
	if s.span.prefix == "" || !s.indexed() {
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
