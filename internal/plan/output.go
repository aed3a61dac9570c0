package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"os"
	"path/filepath"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress/zstd"

	"cooper/internal/parquetrows"
	"cooper/internal/seal"
)

// output is a Parquet file in the making.
type output struct {
	f      *os.File
	w      *parquetrows.Writer[row]
	sum    hash.Hash
	sums   seal.Summer
	first  int
	shards int
}

// flush hands the buffered rows to the Parquet writer, opening a file if none
// is open.
func (w *Writer) flush() error {
	if len(w.buf) == 0 {
		return nil
	}
	if w.out == nil {
		name := fmt.Sprintf("actions-%05d.parquet", len(w.files))
		f, err := os.OpenFile(filepath.Join(w.tmp, name), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
		if err != nil {
			return local(w.tmp, err)
		}
		w.out = &output{f: f, sum: sha256.New(), first: w.shards}
		w.out.w = parquetrows.NewWriter[row](w.out, 0,
			parquet.Compression(&zstd.Codec{Level: zstd.SpeedFastest}),
			parquet.CreatedBy("cooper", "plan", fmt.Sprint(Format)))
	}
	if err := w.out.w.Write(w.buf); err != nil {
		return local(w.tmp, err)
	}
	clear(w.buf)
	w.buf = w.buf[:0]
	return nil
}

func (w *Writer) endFile() error {
	o := w.out
	if o == nil {
		return nil
	}
	w.out = nil
	err := o.w.Close()
	if err == nil {
		err = o.f.Sync()
	}
	if cerr := o.f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return local(o.f.Name(), err)
	}
	w.files = append(w.files, File{
		Name: filepath.Base(o.f.Name()), First: o.first, Shards: o.shards,
		SHA256: hex.EncodeToString(o.sum.Sum(nil)), Sums: o.sums.Sums(),
	})
	return nil
}

// Write writes to the file, its digest and its sums.
func (o *output) Write(p []byte) (int, error) {
	n, err := o.f.Write(p)
	_, _ = o.sum.Write(p[:n]) // neither fails
	_, _ = o.sums.Write(p[:n])
	return n, err
}

func writeSynced(name string, b []byte) error {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return local(name, err)
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return local(name, err)
	}
	return nil
}

func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return local(dir, err)
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return local(dir, err)
	}
	return nil
}
