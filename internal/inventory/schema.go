package inventory

import (
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress/zstd"

	"cooper/internal/inventory/ident"
)

// The shape of data files. Rows are in row groups of groupRows and in pages of
// pageRows, the same rows in each column, so that they can be read page by
// page; a group also ends after groupBytes, for keys of absurd length. Where a
// file ends depends on the rows alone: the same rows make the same files.
const (
	pageRows   = 8 << 10
	groupRows  = 16 * pageRows
	groupBytes = 64 << 20
	fileGroups = 64
)

// fileRow gives the columns of a data file. Keys are sorted, so each is stored
// as what it adds to the one before. Digests do not compress: nothing is tried.
type fileRow struct {
	Key          string                    `parquet:"key,delta,zstd"`
	VersionID    [ident.VersionIDSize]byte `parquet:"version_id,optional,uncompressed"`
	VersionText  string                    `parquet:"version_text,optional,zstd"`
	ETag         [ident.ETagSize]byte      `parquet:"etag,optional,uncompressed"`
	ETagText     string                    `parquet:"etag_text,optional,zstd"`
	Size         int64                     `parquet:"size,delta,uncompressed"`
	LastModified int64                     `parquet:"last_modified,optional,delta,timestamp(millisecond),zstd"`
	IsLatest     bool                      `parquet:"is_latest,zstd"`
	DeleteMarker bool                      `parquet:"is_delete_marker,zstd"`
	StorageClass string                    `parquet:"storage_class,dict,zstd"`
	Tier         string                    `parquet:"tier,dict,zstd"`
	Encryption   string                    `parquet:"encryption,dict,zstd"`
	Checksum     string                    `parquet:"checksum,dict,zstd"`
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
	colIsLatest
	colDeleteMarker
	colStorageClass
	colTier
	colEncryption
	colChecksum
	columnCount
)

var fileSchema = parquet.SchemaOf(fileRow{})

// rejectedRow gives the columns of the file of rejected rows.
type rejectedRow struct {
	File   string `parquet:"file,dict,zstd"`
	Row    int64  `parquet:"row,zstd"`
	Key    []byte `parquet:"key,delta,zstd"`
	Reason string `parquet:"reason,dict,zstd"`
}

// fast is the cheapest compression that is worth it: most bytes are digests.
var fast = &zstd.Codec{Level: zstd.SpeedFastest}

// writerOptions are those of every file of a snapshot.
func writerOptions() []parquet.WriterOption {
	return []parquet.WriterOption{
		parquet.CreatedBy("cooper", "", ""),
		parquet.Compression(fast),
		// Pages are ended explicitly, never by size.
		parquet.PageBufferSize(256 << 10),
		// Bounds of digests, and of what is nearly always the same, tell nothing
		// and cost a comparison each.
		parquet.SkipPageBounds("version_id"), parquet.SkipPageBounds("version_text"),
		parquet.SkipPageBounds("etag"), parquet.SkipPageBounds("etag_text"),
		parquet.SkipPageBounds("storage_class"), parquet.SkipPageBounds("tier"),
		parquet.SkipPageBounds("encryption"), parquet.SkipPageBounds("checksum"),
	}
}
