package warc

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/textproto"
	"strconv"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"

	"cooper"
)

// Record is one that was read, and proven.
type Record struct {
	Offset, Length int64 // where its gzip member stands in the file, in bytes
	Type           string
	ID             string
	URI            string
	At             time.Time
	Block          []byte // what follows its head
	Digest         Digest // of its body; zero where it has none
	body           int
}

// Body is the body of the answer, without its head.
func (rec *Record) Body() []byte { return rec.Block[rec.body:] }

// Head is the HTTP head of the answer, with the empty line after it.
func (rec *Record) Head() []byte { return rec.Block[:rec.body] }

// LongestRecord is the longest block that is read, in bytes.
const LongestRecord = 1 << 30

// longestHead is the longest head of a record or of an answer.
const longestHead = 16 << 20

// Reader reads the records of a file one behind the other.
type Reader struct {
	in  *counted
	zip *gzip.Reader
}

// NewReader reads a file from its beginning, or from where a record begins: at is where that is.
func NewReader(r io.Reader, at int64) *Reader {
	return &Reader{in: &counted{r: bufio.NewReaderSize(r, 1<<16), at: at}}
}

// Next is the next record; io.EOF behind the last. The error is KindCorrupt where the record is not
// what was written: with Where, the byte at which its member begins. Nothing after it can be read then.
func (r *Reader) Next() (*Record, error) {
	start := r.in.at
	if _, err := r.in.r.Peek(1); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, io.EOF
		}
		return nil, err
	}
	rec, err := r.record()
	if err != nil {
		var mine *cooper.Error
		if !errors.As(err, &mine) {
			err = &cooper.Error{Kind: cooper.KindCorrupt, Message: "no whole record: " + err.Error(), Err: err}
		}
		if errors.As(err, &mine) {
			mine.Where = fmt.Sprintf("byte %d", start)
		}
		return nil, err
	}
	rec.Offset, rec.Length = start, r.in.at-start
	return rec, nil
}

func corrupt(format string, args ...any) error {
	return &cooper.Error{Kind: cooper.KindCorrupt, Message: fmt.Sprintf(format, args...)}
}

func (r *Reader) record() (*Record, error) {
	if r.zip == nil {
		zip, err := gzip.NewReader(r.in)
		if err != nil {
			return nil, err
		}
		r.zip = zip
	} else if err := r.zip.Reset(r.in); err != nil {
		return nil, err
	}
	r.zip.Multistream(false)
	var b bytes.Buffer
	const longest = LongestRecord + longestHead
	// To the end of the member, so that its sum is checked.
	if n, err := io.Copy(&b, io.LimitReader(r.zip, longest+1)); err != nil {
		return nil, err
	} else if n > longest {
		return nil, corrupt("a record is longer than %d bytes", longest)
	}
	first, rest, ok := bytes.Cut(b.Bytes(), []byte(end))
	if !ok || !bytes.HasPrefix(first, []byte("WARC/1.")) {
		return nil, corrupt("a record begins with %.20q", b.Bytes())
	}
	fields, err := textproto.NewReader(bufio.NewReader(io.MultiReader(bytes.NewReader(first[bytes.IndexByte(first, '\n')+1:]), strings.NewReader(end)))).ReadMIMEHeader()
	if err != nil {
		return nil, corrupt("the head of a record: %v", err)
	}
	length, err := strconv.ParseInt(fields.Get("Content-Length"), 10, 64)
	if err != nil || length < 0 || length > int64(len(rest)) || string(rest[length:]) != end {
		return nil, corrupt("a record of %d bytes says that it has %q", len(rest)-len(end), fields.Get("Content-Length"))
	}
	rec := &Record{Type: fields.Get("WARC-Type"), ID: fields.Get("WARC-Record-ID"), URI: fields.Get("WARC-Target-URI"), Block: rest[:length:length]}
	if rec.At, err = time.Parse(time.RFC3339, fields.Get("WARC-Date")); err != nil {
		return nil, corrupt("the date of a record is %q", fields.Get("WARC-Date"))
	}
	return rec, rec.prove(fields)
}

// prove compares a record with what its head says of it.
func (rec *Record) prove(fields textproto.MIMEHeader) error {
	if want := fields.Get("WARC-Block-Digest"); want != "" {
		if d, err := ParseDigest(want); err != nil || d != Sum(rec.Block) {
			return corrupt("the digest of a record is not %s", want)
		}
	}
	if rec.Type != "response" {
		return nil
	}
	at := bytes.Index(rec.Block, []byte(end))
	if at < 0 {
		return corrupt("an answer has no end of its head")
	}
	rec.body = at + len(end)
	rec.Digest = Sum(rec.Body())
	want := fields.Get("WARC-Payload-Digest")
	if d, err := ParseDigest(want); err != nil || d != rec.Digest {
		return corrupt("the digest of a body is %v, not %s", rec.Digest, want)
	}
	return nil
}

// counted knows where in the file it is, and reads no further than it was asked to.
type counted struct {
	r  *bufio.Reader
	at int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.at += int64(n)
	return n, err
}

// ReadByte keeps the decompressor from reading ahead.
func (c *counted) ReadByte() (byte, error) {
	b, err := c.r.ReadByte()
	if err == nil {
		c.at++
	}
	return b, err
}
