package inventory

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"os"
	"path/filepath"

	"github.com/parquet-go/parquet-go"
	"golang.org/x/sys/unix"

	"cooper"
	"cooper/internal/seal"
)

// outFile is a Parquet file being written, its digest, and the sums of its blocks.
type outFile struct {
	parquet *parquet.Writer //nolint:staticcheck // the generic one takes rows only; this one takes columns as well
	f       *os.File
	w       *bufio.Writer
	sum     hash.Hash
	sums    seal.Summer
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
	_, _ = o.sum.Write(b[:n]) // neither fails
	_, _ = o.sums.Write(b[:n])
	return n, err
}

// finish writes the footer and syncs.
func (o *outFile) finish() (File, error) {
	err := o.parquet.Close()
	if err == nil {
		err = o.w.Flush()
	}
	if err == nil {
		err = o.f.Sync()
	}
	if err = errors.Join(err, o.f.Close()); err != nil {
		return File{}, writeError(o.f.Name(), err)
	}
	o.meta.SHA256, o.meta.Sums = hex.EncodeToString(o.sum.Sum(nil)), o.sums.Sums()
	return o.meta, nil
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
