package s3report

import (
	"bufio"
	"errors"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/parquet-go/parquet-go"

	"cooper"
	"cooper/internal/parquetrows"
)

// encoder writes rows of a data file.
type encoder interface {
	add(v *cooper.Version) error
	close() error
}

func newEncoder(w io.Writer, opt *WriteOptions) encoder {
	switch {
	case opt.Format == CSV:
		z := gzip.NewWriter(w)
		return &csvEncoder{gz: z, buf: bufio.NewWriterSize(z, scanBuffer), bucket: opt.SourceBucket, current: opt.CurrentOnly}
	case opt.CurrentOnly:
		return newParquetEncoder(w, opt.SourceBucket, currentRow)
	}
	return newParquetEncoder(w, opt.SourceBucket, versionRow)
}

// written are the columns of reports written here, in S3's order, with their
// Parquet types. versions marks those that only reports of all versions have.
var written = []struct {
	csv, parquet string
	versions     bool
}{
	{"Bucket", "required binary bucket (STRING)", false},
	{"Key", "required binary key (STRING)", false},
	{"VersionId", "optional binary version_id (STRING)", true},
	{"IsLatest", "optional boolean is_latest", true},
	{"IsDeleteMarker", "optional boolean is_delete_marker", true},
	{"Size", "optional int64 size", false},
	{"LastModifiedDate", "optional int64 last_modified_date (TIMESTAMP(MILLIS,true))", false},
	{"ETag", "optional binary e_tag (STRING)", false},
	{"StorageClass", "optional binary storage_class (STRING)", false},
	{"IsMultipartUploaded", "optional boolean is_multipart_uploaded", false},
	{"EncryptionStatus", "optional binary encryption_status (STRING)", false},
	{"IntelligentTieringAccessTier", "optional binary intelligent_tiering_access_tier (STRING)", false},
	{"ChecksumAlgorithm", "optional binary checksum_algorithm (STRING)", false},
}

// fileSchema is what the manifest says about the columns.
func fileSchema(format string, currentOnly bool) string {
	var names, fields []string
	for _, c := range written {
		if c.versions && currentOnly {
			continue
		}
		names, fields = append(names, c.csv), append(fields, c.parquet+";")
	}
	if format == CSV {
		return strings.Join(names, ", ")
	}
	return "message s3.inventory { " + strings.Join(fields, " ") + " }"
}

// multipart tells whether an ETag is one of a multipart upload.
func multipart(etag string) bool { return strings.Contains(etag, "-") }

// reportedVersion is a version id as reports give it: empty for the null version.
func reportedVersion(id string) string {
	if id == cooper.NullVersion {
		return ""
	}
	return id
}

type csvEncoder struct {
	gz      *gzip.Writer
	buf     *bufio.Writer
	bucket  string
	current bool
	line    []byte
}

func (e *csvEncoder) add(v *cooper.Version) error {
	b := appendField(e.line[:0], e.bucket)
	b = append(appendEscaped(append(b, ',', '"'), v.Key), '"')
	if !e.current {
		b = appendField(append(b, ','), reportedVersion(v.VersionID))
		b = appendBool(append(b, ','), v.Latest)
		b = appendBool(append(b, ','), v.DeleteMarker)
	}
	b = append(b, ',', '"')
	if !v.DeleteMarker {
		b = strconv.AppendInt(b, v.Size, 10)
	}
	b = append(b, '"', ',', '"')
	if v.LastModified != 0 {
		b = v.LastModified.Time().AppendFormat(b, "2006-01-02T15:04:05.000Z")
	}
	b = append(b, '"')
	for _, s := range [...]string{v.ETag, v.StorageClass} {
		b = appendField(append(b, ','), s)
	}
	b = appendBool(append(b, ','), multipart(v.ETag))
	for _, s := range [...]string{v.Encryption, v.Tier, v.Checksum} {
		b = appendField(append(b, ','), s)
	}
	e.line = append(b, '\n')
	_, err := e.buf.Write(e.line)
	return err
}

func (e *csvEncoder) close() error {
	return errors.Join(e.buf.Flush(), e.gz.Close())
}

func appendField(b []byte, s string) []byte {
	b = append(b, '"')
	if strings.IndexByte(s, '"') >= 0 {
		s = strings.ReplaceAll(s, `"`, `""`)
	}
	return append(append(b, s...), '"')
}

func appendBool(b []byte, v bool) []byte {
	return append(strconv.AppendBool(append(b, '"'), v), '"')
}

// appendEscaped encodes a key as S3 does: letters, digits and a few signs as they
// are, spaces as plus signs, other bytes with percent signs.
func appendEscaped(b []byte, key string) []byte {
	const digits = "0123456789ABCDEF"
	for i := range len(key) {
		c := key[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9',
			c == '/', c == '.', c == '-', c == '_', c == '*':
			b = append(b, c)
		case c == ' ':
			b = append(b, '+')
		default:
			b = append(b, '%', digits[c>>4], digits[c&15])
		}
	}
	return b
}

// The rows of Parquet reports. Optional text is null where it is empty; numbers
// and booleans are pointers, since theirs must tell zero from null.
type parquetCurrent struct {
	Bucket       string    `parquet:"bucket,dict"`
	Key          string    `parquet:"key"`
	Size         *int64    `parquet:"size"`
	LastModified time.Time `parquet:"last_modified_date,optional,timestamp(millisecond)"`
	ETag         string    `parquet:"e_tag,optional"`
	StorageClass string    `parquet:"storage_class,optional,dict"`
	Multipart    *bool     `parquet:"is_multipart_uploaded"`
	Encryption   string    `parquet:"encryption_status,optional,dict"`
	Tier         string    `parquet:"intelligent_tiering_access_tier,optional,dict"`
	Checksum     string    `parquet:"checksum_algorithm,optional,dict"`
}

type parquetVersion struct {
	Bucket         string    `parquet:"bucket,dict"`
	Key            string    `parquet:"key"`
	VersionID      string    `parquet:"version_id,optional"`
	IsLatest       *bool     `parquet:"is_latest"`
	IsDeleteMarker *bool     `parquet:"is_delete_marker"`
	Size           *int64    `parquet:"size"`
	LastModified   time.Time `parquet:"last_modified_date,optional,timestamp(millisecond)"`
	ETag           string    `parquet:"e_tag,optional"`
	StorageClass   string    `parquet:"storage_class,optional,dict"`
	Multipart      *bool     `parquet:"is_multipart_uploaded"`
	Encryption     string    `parquet:"encryption_status,optional,dict"`
	Tier           string    `parquet:"intelligent_tiering_access_tier,optional,dict"`
	Checksum       string    `parquet:"checksum_algorithm,optional,dict"`
}

var yes, no = true, false

func pointer(b bool) *bool {
	if b {
		return &yes
	}
	return &no
}

func currentRow(bucket string, v *cooper.Version) parquetCurrent {
	r := parquetCurrent{
		Bucket: bucket, Key: v.Key, LastModified: v.LastModified.Time(), ETag: v.ETag, StorageClass: v.StorageClass,
		Multipart: pointer(multipart(v.ETag)), Encryption: v.Encryption, Tier: v.Tier, Checksum: v.Checksum,
	}
	if !v.DeleteMarker {
		size := v.Size
		r.Size = &size
	}
	return r
}

func versionRow(bucket string, v *cooper.Version) parquetVersion {
	c := currentRow(bucket, v)
	return parquetVersion{
		Bucket: c.Bucket, Key: c.Key,
		VersionID: reportedVersion(v.VersionID), IsLatest: pointer(v.Latest), IsDeleteMarker: pointer(v.DeleteMarker),
		Size: c.Size, LastModified: c.LastModified, ETag: c.ETag, StorageClass: c.StorageClass,
		Multipart: c.Multipart, Encryption: c.Encryption, Tier: c.Tier, Checksum: c.Checksum,
	}
}

// rowsPerGroup bounds what of a Parquet file is in memory, while it is written
// and by others when it is read.
const rowsPerGroup = 100_000

type parquetEncoder[T any] struct {
	w      *parquetrows.Writer[T]
	bucket string
	row    func(bucket string, v *cooper.Version) T
	batch  []T
}

// encodedRows is how many rows are handed to the library at once.
const encodedRows = 1024

func newParquetEncoder[T any](w io.Writer, bucket string, row func(string, *cooper.Version) T) encoder {
	schema := parquet.NewSchema("s3.inventory", parquet.SchemaOf(*new(T)))
	return &parquetEncoder[T]{
		w:      parquetrows.NewWriter[T](w, rowsPerGroup, schema, parquet.Compression(&parquet.Snappy)),
		bucket: bucket, row: row,
	}
}

func (e *parquetEncoder[T]) add(v *cooper.Version) error {
	e.batch = append(e.batch, e.row(e.bucket, v))
	if len(e.batch) < encodedRows {
		return nil
	}
	return e.flush()
}

func (e *parquetEncoder[T]) flush() error {
	err := e.w.Write(e.batch)
	e.batch = e.batch[:0]
	return err
}

func (e *parquetEncoder[T]) close() error {
	return errors.Join(e.flush(), e.w.Close())
}
