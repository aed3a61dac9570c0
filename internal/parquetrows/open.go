package parquetrows

import (
	"io"

	"github.com/parquet-go/parquet-go"

	"cooper/internal/parquetrows/layout"
)

// Open opens a file of size bytes that this program wrote. What it says of itself is
// checked before the library believes it: the library can panic on what is damaged
// otherwise.
func Open(r io.ReaderAt, size int64, options ...parquet.FileOption) (*parquet.File, error) {
	if err := layout.CheckOwn(r, size); err != nil {
		return nil, err
	}
	return parquet.OpenFile(r, size, options...)
}
