package inventory

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"os"
	"path/filepath"

	"github.com/parquet-go/parquet-go"
	"golang.org/x/sys/unix"

	"cooper"
)

// outFile is a Parquet file being written, and its digest.
type outFile struct {
	parquet *parquet.Writer //nolint:staticcheck // the generic one takes rows only; this one takes columns as well
	f       *os.File
	w       *bufio.Writer
	sum     hash.Hash
	meta    File
}

// createFile begins dir/name with the given schema.
func createFile(dir, name string, schema *parquet.Schema) (*outFile, error) {
	f, err := os.OpenFile(filepath.Join(dir, name), os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o666)
	if err != nil {
		return nil, writeError(dir, err)
	}
	o := &outFile{f: f, sum: sha256.New(), meta: File{Name: name}}
	o.w = bufio.NewWriterSize(o, 1<<20)
	o.parquet = parquet.NewWriter(o.w, append(writerOptions(), schema)...)
	return o, nil
}

// Write counts and hashes what goes to the disk.
func (o *outFile) Write(b []byte) (int, error) {
	n, err := o.f.Write(b)
	o.meta.Bytes += int64(n)
	_, _ = o.sum.Write(b[:n]) // a hash never fails
	return n, err
}

// finish writes the footer and syncs.
func (o *outFile) finish() (File, error) {
	err := o.parquet.Close()
	if err == nil {
		err = o.w.Flush()
	}
	if err == nil {
		o.meta.Footer, err = footerSum(o.f, o.meta.Bytes)
	}
	if err == nil {
		err = o.f.Sync()
	}
	if err = errors.Join(err, o.f.Close()); err != nil {
		return File{}, writeError(o.f.Name(), err)
	}
	o.meta.SHA256 = hex.EncodeToString(o.sum.Sum(nil))
	return o.meta, nil
}

// footerSum is the digest, in hex, of the end of a Parquet file of size bytes:
// its footer, the footer's length in four bytes, and four letters.
// https://parquet.apache.org/docs/file-format/
func footerSum(f io.ReaderAt, size int64) (string, error) {
	const end = 8
	var last [end]byte
	if _, err := f.ReadAt(last[:], size-end); err != nil {
		return "", err
	}
	length := int64(binary.LittleEndian.Uint32(last[:])) + end
	if length > size {
		return "", errors.New("its footer is longer than the file")
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, io.NewSectionReader(f, size-length, length)); err != nil {
		return "", err
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// abandon closes a file that will be removed.
func (o *outFile) abandon() {
	_ = o.f.Close() // nothing of it is kept
}

// writeError gives a kind to an error of writing below path.
func writeError(path string, err error) error {
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		return &cooper.Error{
			Kind: cooper.KindFull, Where: path, Message: "no space left for the snapshot", Err: err,
			Remedy: "Free some space, or remove old snapshots with `cooper snapshot rm`.",
		}
	}
	return &cooper.Error{Kind: cooper.KindInternal, Where: path, Message: "cannot write the snapshot", Err: err}
}

// syncDir makes names in dir durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return writeError(dir, err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return writeError(dir, err)
	}
	return nil
}
