package s3report

import (
	"bufio"
	"context"
	"crypto/md5" //nolint:gosec // what S3 signs its reports with
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"strings"
	"syscall"

	"github.com/klauspost/compress/gzip"

	"cooper"
	"cooper/internal/inventory"
)

// part is one data file of a report.
type part struct {
	file    dataFile
	schema  *schema
	bucket  string
	format  string
	tempDir string
	memory  int64 // what reading it may hold, in bytes
}

func (p *part) Name() string { return full(p.file.loc, p.file.name) }

// Read delivers the rows. A file in a bucket is fetched whole and checked before
// its first row is delivered, so that a body that arrived damaged can be
// fetched again. So is a Parquet or ORC file on a disk checked; a CSV file on a disk
// is checked while it is read.
func (p *part) Read(ctx context.Context, to inventory.Sink) error {
	body, size, err := p.file.loc.Open(ctx, p.file.name)
	if err != nil {
		return err
	}
	file, local := body.(*os.File)
	if !local {
		file, err = p.spool(ctx, body)
		if err != nil {
			return err
		}
		if size, err = fileSize(file); err != nil {
			return p.fail(cooper.KindInternal, "reading a temporary file", errors.Join(err, discard(file)))
		}
	}
	defer func() { _ = discardUnless(local, file) }()
	if p.format != CSV {
		if local {
			if err := p.verify(ctx, file); err != nil {
				return err
			}
		}
		if p.format == ORC {
			return p.readORC(ctx, file, size, to)
		}
		return p.readParquet(ctx, file, size, to)
	}
	check := newVerifier(reader{ctx, file})
	if err := p.readCSV(check, to); err != nil || !local {
		return err
	}
	return p.matches(check)
}

// readCSV delivers the rows of a CSV file, compressed or not.
func (p *part) readCSV(r io.Reader, to inventory.Sink) error {
	raw := bufio.NewReaderSize(r, scanBuffer)
	text := io.Reader(raw)
	magic, err := raw.Peek(2)
	switch {
	case err == nil && magic[0] == 0x1f && magic[1] == 0x8b:
		z, err := gzip.NewReader(raw)
		if err != nil {
			return p.unreadable(err)
		}
		text = z
	case err != nil && !errors.Is(err, io.EOF):
		return p.unreadable(err)
	case strings.HasSuffix(p.file.name, ".gz"):
		// Also a file of no bytes: compressed, no rows are some twenty.
		return p.unreadable(gzip.ErrHeader)
	}
	sc, row := newScanner(text), newRow(p.schema, p.bucket)
	for n := int64(1); ; n++ {
		fields, err := sc.next()
		if errors.Is(err, io.EOF) {
			break
		}
		var reason string
		if err == nil {
			reason = row.csv(fields)
		} else if reason = faultOf(err); reason == "" {
			return p.unreadable(err)
		} else {
			row.csvKey(fields)
		}
		if err := p.deliver(to, row, n, reason); err != nil {
			return err
		}
	}
	// Whatever is behind the text counts for the checksum.
	if _, err := io.Copy(io.Discard, raw); err != nil {
		return p.unreadable(err)
	}
	return nil
}

// faultOf is why a record is malformed, or empty for any other error.
func faultOf(err error) string {
	var bad malformed
	if errors.As(err, &bad) {
		return string(bad)
	}
	return ""
}

// deliverAll hands on the rows of a file by columns: next reads as many as it says, and
// gives io.EOF after the last; fill takes the i-th of them into row, and says why not.
func (p *part) deliverAll(ctx context.Context, to inventory.Sink, row *row, next func() (int, error), fill func(i int) (reason string)) error {
	for number := int64(0); ; {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		for i := range n {
			number++
			if err := p.deliver(to, row, number, fill(i)); err != nil {
				return err
			}
		}
	}
}

// deliver hands a row over, or sets it aside.
func (p *part) deliver(to inventory.Sink, row *row, n int64, reason string) error {
	if reason == "" {
		return to.Version(&row.version)
	}
	return to.Reject(inventory.Rejected{File: p.file.name, Row: n, Key: row.rejectedKey(), Torn: torn(reason), Reason: reason})
}

// maxFetches is how often a file is fetched that arrives damaged.
const maxFetches = 3

// spool fetches the file into a temporary one, as often as it takes to have it
// undamaged. It closes body.
func (p *part) spool(ctx context.Context, body io.ReadCloser) (*os.File, error) {
	for fetch := 1; ; fetch++ {
		file, err := p.spoolOnce(ctx, body)
		if cooper.KindOf(err) != cooper.KindCorrupt || fetch == maxFetches {
			return file, err
		}
		if body, _, err = p.file.loc.Open(ctx, p.file.name); err != nil {
			return nil, err
		}
	}
}

func (p *part) spoolOnce(ctx context.Context, body io.ReadCloser) (_ *os.File, err error) {
	defer func() { _ = body.Close() }() // it was only read
	file, err := tempFile(p.tempDir)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, discard(file))
		}
	}()
	check := newVerifier(reader{ctx, body})
	// A body without an end must not fill the disk.
	if _, err := io.Copy(file, io.LimitReader(check, p.file.size+1)); err != nil {
		if isFull(err) {
			return nil, tempError(err, file.Name())
		}
		return nil, p.fail(kindOfRead(err), "fetching it", err)
	}
	if err := p.matches(check); err != nil {
		return nil, err
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return nil, p.fail(cooper.KindInternal, "reading a temporary file", err)
	}
	return file, nil
}

// verify compares a whole file with the manifest.
func (p *part) verify(ctx context.Context, file *os.File) error {
	check := newVerifier(reader{ctx, file})
	if _, err := io.Copy(io.Discard, check); err != nil {
		return p.unreadable(err)
	}
	return p.matches(check)
}

// matches compares what went through check with the manifest.
func (p *part) matches(check *verifier) error {
	const remedy = "Fetch the file again, or take another report with --date."
	switch {
	case check.n != p.file.size:
		return &cooper.Error{Kind: cooper.KindCorrupt, Where: p.Name(), Remedy: remedy,
			Message: fmt.Sprintf("%d bytes were read where there should be %d", check.n, p.file.size)}
	case p.file.md5 != "" && check.sum() != p.file.md5:
		return &cooper.Error{Kind: cooper.KindCorrupt, Where: p.Name(), Remedy: remedy,
			Message: "the MD5 is " + check.sum() + ", the manifest says " + p.file.md5}
	}
	return nil
}

// unreadable is about a file whose bytes could not be read or make no sense.
func (p *part) unreadable(err error) error {
	kind := cooper.KindOf(err)
	var failure syscall.Errno
	if kind == cooper.KindInternal && !errors.As(err, &failure) {
		kind = cooper.KindCorrupt
	}
	return p.fail(kind, "the file cannot be read", err)
}

func (p *part) fail(kind cooper.Kind, message string, err error) error {
	return &cooper.Error{Kind: kind, Where: p.Name(), Message: message, Err: err}
}

// verifier counts and hashes what is read through it.
type verifier struct {
	r io.Reader
	h hash.Hash
	n int64 // bytes
}

func newVerifier(r io.Reader) *verifier {
	return &verifier{r: r, h: md5.New()} //nolint:gosec // see above
}

func (v *verifier) Read(p []byte) (int, error) {
	n, err := v.r.Read(p)
	v.n += int64(n)
	_, _ = v.h.Write(p[:n]) // a hash does not fail
	return n, err
}

func (v *verifier) sum() string { return hex.EncodeToString(v.h.Sum(nil)) }

// tempFile makes a file without a name where the system allows that, so that
// nothing stays behind whatever happens.
func tempFile(dir string) (*os.File, error) {
	file, err := os.CreateTemp(dir, "cooper-*")
	if err != nil {
		return nil, tempError(err, dir)
	}
	_ = os.Remove(file.Name()) // else discard does it
	return file, nil
}

// discard closes a temporary file and removes it, if it still has its name.
func discard(file *os.File) error {
	err := file.Close()
	if rm := os.Remove(file.Name()); rm != nil && !errors.Is(rm, os.ErrNotExist) {
		err = errors.Join(err, rm)
	}
	return err
}

func discardUnless(keep bool, file *os.File) error {
	if keep {
		return file.Close()
	}
	return discard(file)
}

func fileSize(file *os.File) (int64, error) {
	info, err := file.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func isFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// tempError is about a temporary file that could not be written.
func tempError(err error, where string) error {
	e := &cooper.Error{Kind: cooper.KindOf(err), Where: where, Message: "writing a temporary file", Err: err}
	if isFull(err) {
		e.Kind, e.Remedy = cooper.KindFull, "Make room, or name another directory for temporary files."
	}
	return e
}
