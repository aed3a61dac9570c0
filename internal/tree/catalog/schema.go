package catalog

import (
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress/zstd"

	"cooper/internal/inventory/ident"
)

// The shape of catalog files. Every column has the same rows in the page of
// the same number, so that a file can be read page by page. A file of a merge
// ends at the first new key after fileRows rows.
const (
	pageRows  = 8 << 10
	groupRows = 16 * pageRows
	fileRows  = 32 * groupRows
	// pageBytes ends a page early when keys are of absurd length.
	pageBytes = 8 << 20
)

// fileRow gives the columns of a catalog file. Keys are sorted, so each is
// stored as what it adds to the one before; digests do not compress. Times
// that repeat (snapshots) are stored as numbers of a dictionary.
type fileRow struct {
	Key          string                    `parquet:"key,delta,zstd"`
	VersionID    [ident.VersionIDSize]byte `parquet:"version_id,optional,uncompressed"`
	VersionText  string                    `parquet:"version_text,optional,zstd"`
	ETag         [ident.ETagSize]byte      `parquet:"etag,optional,uncompressed"`
	ETagText     string                    `parquet:"etag_text,optional,zstd"`
	Size         int64                     `parquet:"size,zstd"`
	LastModified int64                     `parquet:"last_modified,optional,delta,timestamp(millisecond),zstd"`
	DeleteMarker bool                      `parquet:"is_delete_marker,zstd"`
	Place        string                    `parquet:"place,dict,zstd"`
	Reason       string                    `parquet:"reason,dict,zstd"`
	Superseded   int64                     `parquet:"superseded,optional,delta,timestamp(millisecond),zstd"`
	Shown        []int64                   `parquet:"shown,list,zstd" parquet-element:",dict,timestamp(millisecond),zstd"`
	FirstSeen    int64                     `parquet:"first_seen,optional,dict,timestamp(millisecond),zstd"`
	AbsentSince  int64                     `parquet:"absent_since,optional,dict,timestamp(millisecond),zstd"`
	Gone         int64                     `parquet:"gone,optional,dict,timestamp(millisecond),zstd"`
	Check        string                    `parquet:"check,dict,zstd"`
	Method       string                    `parquet:"method,dict,zstd"`
	Hash         []byte                    `parquet:"hash,optional,uncompressed"`
	Dropped      bool                      `parquet:"dropped,zstd"`
}

// toldRow are the columns that format 2 adds. They are of few values, or NULL.
type toldRow struct {
	fileRow
	ContentType        string `parquet:"content_type,optional,dict,zstd"`
	ContentEncoding    string `parquet:"content_encoding,optional,dict,zstd"`
	ContentDisposition string `parquet:"content_disposition,optional,dict,zstd"`
	ContentLanguage    string `parquet:"content_language,optional,dict,zstd"`
	CacheControl       string `parquet:"cache_control,optional,dict,zstd"`
	Metadata           string `parquet:"metadata,optional,dict,zstd,json"`
	Tags               string `parquet:"tags,optional,dict,zstd,json"`
	ChecksumMethod     string `parquet:"checksum_method,optional,dict,zstd"`
	Checksum           []byte `parquet:"checksum,optional,uncompressed"`
}

// The columns of fileRow by number.
const (
	colKey = iota
	colVersionID
	colVersionText
	colETag
	colETagText
	colSize
	colLastModified
	colDeleteMarker
	colPlace
	colReason
	colSuperseded
	colShown
	colFirstSeen
	colAbsentSince
	colGone
	colCheck
	colMethod
	colHash
	colDropped
	columnCount1 // of format 1
	colTold      = columnCount1
	colChecksum  = colTold + toldTexts
	columnCount  = colChecksum + 1
)

var (
	schema1    = parquet.SchemaOf(fileRow{})
	fileSchema = parquet.SchemaOf(toldRow{})
)

// placeNames are the values of the column place, by Place.
var placeNames = [...]string{Nowhere: "nowhere", Mirror: "mirror", History: "history"}

// String is the name that the catalog's files and messages use.
func (p Place) String() string {
	if int(p) < len(placeNames) {
		return placeNames[p]
	}
	return "unknown"
}

// maxKey is the length of the longest key in bytes.
const maxKey = 1024

func writerOptions() []parquet.WriterOption {
	return []parquet.WriterOption{
		fileSchema,
		parquet.CreatedBy("cooper", "", ""),
		parquet.Compression(&zstd.Codec{Level: zstd.SpeedFastest}),
		// How much is made room for at once; pages are ended explicitly.
		parquet.PageBufferSize(256 << 10),
		// Whole keys, so that one can be found without reading others.
		parquet.ColumnIndexSizeLimit(func(path []string) int {
			if len(path) == 1 && path[0] == "key" {
				return maxKey
			}
			return parquet.DefaultColumnIndexSizeLimit
		}),
		parquet.SkipPageBounds("version_id"), parquet.SkipPageBounds("version_text"),
		parquet.SkipPageBounds("etag"), parquet.SkipPageBounds("etag_text"), parquet.SkipPageBounds("hash"),
		parquet.SkipPageBounds("metadata"), parquet.SkipPageBounds("tags"), parquet.SkipPageBounds("checksum"),
	}
}
