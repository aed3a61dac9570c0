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
)

// output is a Parquet file in the making.
type output struct {
	f      *os.File
	w      *parquetrows.Writer[row]
	sum    hash.Hash
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
		sum := sha256.New()
		w.out = &output{f: f, sum: sum, first: w.shards}
		w.out.w = parquetrows.NewWriter[row](&hashed{f, sum}, 0,
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
		SHA256: hex.EncodeToString(o.sum.Sum(nil)),
	})
	return nil
}

// hashed writes to a file and to its digest.
type hashed struct {
	f   *os.File
	sum hash.Hash
}

func (h *hashed) Write(p []byte) (int, error) {
	n, err := h.f.Write(p)
	_, _ = h.sum.Write(p[:n]) // a hash never fails
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
