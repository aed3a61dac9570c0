package inventory

import (
	"bytes"
	"encoding/binary"

	"github.com/parquet-go/parquet-go"
)

// job is one row group on its way into a file: records are collected by the
// merge, encoded by any goroutine, and committed in order.
type job struct {
	group   *parquet.ConcurrentRowGroupWriter
	file    *outFile
	last    bool // the file ends with this group
	records []byte
	rows    int
	newest  []byte // the key of the record added last
	// encoded carries the result of encode to whoever commits.
	encoded chan error
	page    page
}

func newJob() *job { return &job{encoded: make(chan error, 1)} }

// begin starts an empty row group of f.
func (j *job) begin(f *outFile) {
	j.file, j.group = f, f.parquet.BeginRowGroup()
	j.last, j.records, j.rows = false, j.records[:0], 0
}

func (j *job) full() bool { return j.rows == groupRows || len(j.records) >= groupBytes }

// add copies a record and gives the copies, good until the job is done.
func (j *job) add(key, data []byte) (k, d []byte) {
	j.records = binary.AppendUvarint(j.records, uint64(len(key)))
	j.records = binary.AppendUvarint(j.records, uint64(len(data)))
	at := len(j.records)
	j.records = append(append(j.records, key...), data...)
	j.rows++
	j.newest = j.records[at : at+len(key)]
	return j.newest, j.records[at+len(key):]
}

// describe enters the group into its file's description.
func (j *job) describe() {
	m := &j.file.meta
	if m.Rows == 0 {
		size, n := binary.Uvarint(j.records)
		_, k := binary.Uvarint(j.records[n:])
		m.FirstKey = objectKey(j.records[n+k : n+k+int(size)])
	}
	m.LastKey = objectKey(j.newest)
	m.Rows += int64(j.rows)
}

// encode turns the records into pages.
func (j *job) encode(classes *classes) error {
	rest := j.records
	var r row
	for range j.rows {
		k, n := binary.Uvarint(rest)
		d, m := binary.Uvarint(rest[n:])
		rest = rest[n+m:]
		r.parse(rest[:k], rest[k:k+d], classes)
		rest = rest[k+d:]
		j.page.add(&r)
		if j.page.rows == pageRows {
			if err := j.page.write(j.group); err != nil {
				return err
			}
		}
	}
	return j.page.write(j.group)
}

// page collects the values of one page of each column.
type page struct {
	values [columnCount][]parquet.Value
	keys   []byte // room for keys that had to be unescaped
	rows   int
	// The class seen last, and the same in the order of the columns.
	class       class
	classValues [4]parquet.Value
}

// values gives the four in the order of the columns.
func (c class) values() [4]parquet.Value {
	return [4]parquet.Value{
		parquet.ValueOf(c.storage), parquet.ValueOf(c.tier),
		parquet.ValueOf(c.encryption), parquet.ValueOf(c.checksum),
	}
}

func (p *page) add(r *row) {
	key := r.escaped
	if bytes.IndexByte(key, 0) >= 0 {
		at := len(p.keys)
		p.keys = appendUnescaped(p.keys, key)
		key = p.keys[at:]
	}
	p.put(colKey, parquet.ByteArrayValue(key))
	if r.versionID != nil {
		p.put(colVersionID, parquet.FixedLenByteArrayValue(r.versionID).Level(0, 1, colVersionID))
		p.null(colVersionText)
	} else {
		p.null(colVersionID)
		p.put(colVersionText, parquet.ByteArrayValue(r.versionText).Level(0, 1, colVersionText))
	}
	if r.eTag != nil {
		p.put(colETag, parquet.FixedLenByteArrayValue(r.eTag).Level(0, 1, colETag))
	} else {
		p.null(colETag)
	}
	if len(r.eTagText) > 0 {
		p.put(colETagText, parquet.ByteArrayValue(r.eTagText).Level(0, 1, colETagText))
	} else {
		p.null(colETagText)
	}
	p.put(colSize, parquet.Int64Value(r.size))
	if r.lastModified != 0 {
		p.put(colLastModified, parquet.Int64Value(int64(r.lastModified)).Level(0, 1, colLastModified))
	} else {
		p.null(colLastModified)
	}
	p.put(colIsLatest, parquet.BooleanValue(r.latest))
	p.put(colDeleteMarker, parquet.BooleanValue(r.deleteMarker))
	if p.classValues[0].IsNull() || p.class != r.class {
		p.class = r.class
		p.classValues = r.class.values()
	}
	for i, v := range p.classValues {
		p.put(colStorageClass+i, v)
	}
	p.rows++
}

func (p *page) put(column int, v parquet.Value) { p.values[column] = append(p.values[column], v) }

func (p *page) null(column int) { p.put(column, parquet.NullValue().Level(0, 0, column)) }

// write ends the page in all columns.
func (p *page) write(group *parquet.ConcurrentRowGroupWriter) error {
	if p.rows == 0 {
		return nil
	}
	for i, w := range group.ColumnWriters() {
		if _, err := w.WriteRowValues(p.values[i]); err != nil {
			return err
		}
		if err := w.Flush(); err != nil {
			return err
		}
		p.values[i] = p.values[i][:0]
	}
	p.keys, p.rows = p.keys[:0], 0
	return nil
}
