package catalog

import (
	"bufio"
	"errors"
	"io/fs"
	"slices"
	"strconv"
	"sync"
	"unsafe"

	"github.com/parquet-go/parquet-go"

	"cooper"
	"cooper/internal/inventory/ident"
	"cooper/internal/seal"
	"cooper/internal/tree/safefs"
)

// dir is where the catalog's files are.
const dir = ".cooper/catalog"

// writer writes sorted rows into one file or, if they are many, several.
type writer struct {
	fs     safefs.FS
	dir    string
	prefix string // of file names
	limit  int64  // rows after which a file may end
	sync   bool   // sync each file

	files   []File
	f       safefs.File
	buf     *bufio.Writer
	parquet *parquet.Writer //nolint:staticcheck // the generic one takes rows only; this one takes columns as well
	group   int             // rows in the row group
	page    page
	count   countingWriter
}

// newWriter makes a writer whose first file is prefix-0.parquet. Such files
// must not be part of the catalog; leftovers of that name are replaced.
func newWriter(fsys safefs.FS, in, prefix string, sync bool) *writer {
	return &writer{fs: fsys, dir: in, prefix: prefix, limit: fileRows, sync: sync}
}

// countingWriter counts and sums bytes, and keeps the first error as it was.
type countingWriter struct {
	f   safefs.File
	sum seal.Summer
	err error
}

func (c *countingWriter) Write(b []byte) (int, error) {
	n, err := c.f.Write(b)
	_, _ = c.sum.Write(b[:n]) // never fails
	if c.err == nil {
		c.err = err
	}
	return n, err
}

// add writes a row, which must come after the one before.
func (w *writer) add(r *Row) error {
	if w.f != nil {
		cur := &w.files[len(w.files)-1]
		if cur.Rows >= w.limit && cur.LastKey != r.Key {
			if err := w.endFile(); err != nil {
				return err
			}
		}
	}
	if w.f == nil {
		if err := w.beginFile(r.Key); err != nil {
			return err
		}
	}
	cur := &w.files[len(w.files)-1]
	cur.Rows++
	cur.LastKey = r.Key
	cur.Told = cur.Told || r.Told != nil
	w.page.add(r)
	if w.page.rows < pageRows && w.page.bytes < pageBytes {
		return nil
	}
	if err := w.endPage(); err != nil {
		return errors.Join(w.count.err, err)
	}
	return nil
}

func (w *writer) beginFile(key string) error {
	name := w.prefix + "-" + strconv.Itoa(len(w.files)) + ".parquet"
	f, err := w.fs.Create(w.dir + "/" + name)
	if errors.Is(err, fs.ErrExist) { // a leftover
		if err := w.fs.Remove(w.dir + "/" + name); err != nil {
			return err
		}
		f, err = w.fs.Create(w.dir + "/" + name)
	}
	if err != nil {
		return err
	}
	w.f = f
	w.files = append(w.files, File{Name: name, FirstKey: key})
	w.count = countingWriter{f: f}
	w.buf = bufio.NewWriterSize(&w.count, 256<<10)
	if w.parquet == nil {
		w.parquet = parquet.NewWriter(w.buf, writerOptions()...)
	} else {
		w.parquet.Reset(w.buf)
	}
	return nil
}

func (w *writer) endPage() error {
	if w.page.rows == 0 {
		return nil
	}
	w.group += w.page.rows
	if err := w.page.write(w.parquet.ColumnWriters()); err != nil {
		return err
	}
	if w.group >= groupRows {
		w.group = 0
		return w.parquet.Flush()
	}
	return nil
}

func (w *writer) endFile() error {
	err := w.endPage()
	w.group = 0
	if err == nil {
		err = w.parquet.Close()
	}
	if err == nil {
		err = w.buf.Flush()
	}
	if err == nil && w.sync {
		err = w.f.Sync()
	}
	if err != nil {
		err = errors.Join(w.count.err, err)
	}
	err = errors.Join(err, w.f.Close())
	w.f = nil
	last := &w.files[len(w.files)-1]
	last.Bytes, last.Sums = w.count.sum.Size(), w.count.sum.Sums()
	return err
}

// finish ends the last file. Without any row there is none.
func (w *writer) finish() ([]File, error) {
	if w.f == nil {
		return w.files, nil
	}
	err := w.endFile()
	return w.files, err
}

// abandon closes and removes what was written.
func (w *writer) abandon() error {
	var err error
	if w.f != nil {
		err = w.f.Close()
		w.f = nil
	}
	for _, f := range w.files {
		err = errors.Join(err, w.fs.Remove(w.dir+"/"+f.Name))
	}
	return err
}

// page collects the values of one page of each column.
type page struct {
	values [columnCount][]parquet.Value
	told   bool // some row has what a store told
	rows   int
	bytes  int
	// digests is room for binary ids; it never grows within a page, for values
	// point into it.
	digests []byte
}

const digestsSize = ident.ETagSize + ident.VersionIDSize

func (p *page) add(r *Row) {
	if p.digests == nil {
		p.digests = make([]byte, 0, pageRows*digestsSize)
	}
	p.put(colKey, text(r.Key))
	p.addIDs(r)
	p.put(colSize, parquet.Int64Value(r.Size))
	p.putTime(colLastModified, r.LastModified)
	p.put(colDeleteMarker, parquet.BooleanValue(r.DeleteMarker))
	p.put(colPlace, text(r.Place.String()))
	p.put(colReason, text(r.Reason))
	p.putTime(colSuperseded, r.Superseded)
	for i, at := range r.Shown {
		p.put(colShown, parquet.Int64Value(at).Level(min(i, 1), 1, colShown))
	}
	if len(r.Shown) == 0 {
		p.null(colShown)
	}
	p.putTime(colFirstSeen, r.FirstSeen)
	p.putTime(colAbsentSince, r.AbsentSince)
	p.putTime(colGone, r.Gone)
	p.put(colCheck, text(string(r.Check)))
	p.put(colMethod, text(r.Method))
	if len(r.Hash) > 0 {
		p.put(colHash, parquet.ByteArrayValue(r.Hash).Level(0, 1, colHash))
	} else {
		p.null(colHash)
	}
	p.put(colDropped, parquet.BooleanValue(r.Dropped))
	p.addTold(r.Told)
	p.rows++
	p.bytes += len(r.Key) + len(r.VersionID) + len(r.ETag) + len(r.Method) + 8*len(r.Shown)
}

// addTold adds what a store told. As long as no row of the page has any, nothing is
// kept: the page's NULLs are all the same.
func (p *page) addTold(t *Told) {
	if t == nil && !p.told {
		return
	}
	if !p.told {
		p.told = true
		for i := colTold; i < columnCount; i++ {
			p.values[i] = append(p.values[i], nullPage(i)[:p.rows]...)
		}
	}
	if t == nil {
		t = &Told{}
	}
	for i, s := range t.texts() {
		if *s == nil {
			p.null(colTold + i)
			continue
		}
		p.put(colTold+i, text(**s).Level(0, 1, colTold+i))
		p.bytes += len(**s)
	}
	if t.Checksum == nil {
		p.null(colChecksum)
	} else {
		p.put(colChecksum, parquet.ByteArrayValue(t.Checksum).Level(0, 1, colChecksum))
		p.bytes += len(t.Checksum)
	}
}

// nullPages are a page of NULLs for each column of what stores tell.
var nullPages = sync.OnceValue(func() (ps [columnCount - colTold][]parquet.Value) {
	for i := range ps {
		ps[i] = slices.Repeat([]parquet.Value{parquet.NullValue().Level(0, 0, colTold+i)}, pageRows)
	}
	return ps
})

func nullPage(column int) []parquet.Value { return nullPages()[column-colTold] }

func (p *page) addIDs(r *Row) {
	var version [ident.VersionIDSize]byte
	if ident.ParseVersionID(&version, r.VersionID) {
		p.put(colVersionID, parquet.FixedLenByteArrayValue(p.keep(version[:])).Level(0, 1, colVersionID))
		p.null(colVersionText)
	} else {
		p.null(colVersionID)
		p.put(colVersionText, text(r.VersionID).Level(0, 1, colVersionText))
	}
	var etag [ident.ETagSize]byte
	rest, ok := ident.ParseETag(&etag, r.ETag)
	if ok {
		p.put(colETag, parquet.FixedLenByteArrayValue(p.keep(etag[:])).Level(0, 1, colETag))
	} else {
		p.null(colETag)
		rest = r.ETag
	}
	if rest != "" {
		p.put(colETagText, text(rest).Level(0, 1, colETagText))
	} else {
		p.null(colETagText)
	}
}

func (p *page) keep(b []byte) []byte {
	at := len(p.digests)
	p.digests = append(p.digests, b...)
	return p.digests[at:]
}

func (p *page) put(column int, v parquet.Value) { p.values[column] = append(p.values[column], v) }

func (p *page) null(column int) { p.put(column, nulls[column]) }

// nulls are the values that stand for none, by column.
var nulls = func() (vs [columnCount]parquet.Value) {
	for i := range vs {
		vs[i] = parquet.NullValue().Level(0, 0, i)
	}
	return vs
}()

// putTime stores the unknown instant as NULL.
func (p *page) putTime(column int, at cooper.Instant) {
	if at == 0 {
		p.null(column)
		return
	}
	p.put(column, parquet.Int64Value(int64(at)).Level(0, 1, column))
}

// text lends a string's bytes to a value; nothing writes to them.
func text(s string) parquet.Value {
	return parquet.ByteArrayValue(unsafe.Slice(unsafe.StringData(s), len(s)))
}

// write ends the page in all columns. What is handed over at once stays one
// page.
func (p *page) write(columns []*parquet.ColumnWriter) error {
	for i, c := range columns {
		values := p.values[i]
		if i >= colTold && !p.told {
			values = nullPage(i)[:p.rows]
		}
		if _, err := c.WriteRowValues(values); err != nil {
			return err
		}
		if err := c.Flush(); err != nil {
			return err
		}
		clear(p.values[i]) // they point to the caller's strings
		p.values[i] = p.values[i][:0]
	}
	p.rows, p.bytes, p.digests, p.told = 0, 0, p.digests[:0], false
	return nil
}
