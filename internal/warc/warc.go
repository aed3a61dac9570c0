// Package warc writes and reads archives of what servers answered: WARC 1.1 (ISO 28500:2017), each
// record compressed by gzip for itself, so that one can be read alone.
//
// It promises:
//
//   - The same response gives the same bytes, whenever it is written.
//   - What it writes is read by others as it was meant, whatever a hostile server or client has put into
//     addresses and headers: heads have one form, lengths are those of what is there, and headers that
//     speak of an encoding that a body no longer has are renamed (X-Archive-Orig-…).
//   - A record that is read was proven: its length, its digest, the sum of its gzip member. Nothing that
//     was cut off or changed passes for a record.
//   - Memory: a record, and what it is compressed to.
//
// Which bodies are kept, and where a record is, is left to others.
package warc

import (
	"bytes"
	"crypto/sha1" //nolint:gosec // the digest that archives of the web are known by
	"encoding/base32"
	"encoding/hex"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"

	"cooper"
)

// Digest is the SHA-1 of a body.
type Digest [sha1.Size]byte

// String is the digest in base32, upper case, as WARC files have it.
func (d Digest) String() string { return base32.StdEncoding.EncodeToString(d[:]) }

// Sum is the digest of a body.
func Sum(body []byte) Digest { return sha1.Sum(body) } //nolint:gosec // as above

// ParseDigest reads a digest: 32 letters of base32 in either case, or 40 hexadecimal digits, with
// sha1: before it or without.
func ParseDigest(text string) (d Digest, err error) {
	bare := strings.TrimPrefix(strings.ToLower(strings.TrimSpace(text)), "sha1:")
	var b []byte
	switch len(bare) {
	case base32.StdEncoding.EncodedLen(sha1.Size):
		b, err = base32.StdEncoding.DecodeString(strings.ToUpper(bare))
	case hex.EncodedLen(sha1.Size):
		b, err = hex.DecodeString(bare)
	}
	if err != nil || copy(d[:], b) != sha1.Size {
		return Digest{}, &cooper.Error{Kind: cooper.KindInvalid, Where: cooper.Quote(text), Message: "this is no SHA-1", Remedy: "give 32 letters of base32 or 40 hexadecimal digits", Err: err}
	}
	return d, nil
}

// Header is a line of an HTTP head.
type Header struct{ Name, Value string }

// Response is what a server answered.
type Response struct {
	URL     string
	At      time.Time
	Status  int // 0 where it is not known
	Headers []Header
	Body    []byte
}

const (
	version = "WARC/1.1\r\n"
	end     = "\r\n\r\n"
)

// Encoder writes records. It serves one goroutine, and what it returns is valid until the next record.
type Encoder struct {
	zip   *gzip.Writer
	plain bytes.Buffer
	out   bytes.Buffer
}

// NewEncoder makes one that compresses at a level of gzip.
func NewEncoder(level int) (*Encoder, error) {
	zip, err := gzip.NewWriterLevel(nil, level)
	if err != nil {
		return nil, &cooper.Error{Kind: cooper.KindInvalid, Message: err.Error(), Err: err}
	}
	return &Encoder{zip: zip}, nil
}

// Info is the record that stands at the beginning of a file, and says who wrote it. fields are names
// and values.
func (e *Encoder) Info(file string, at time.Time, fields ...Header) ([]byte, error) {
	var b bytes.Buffer
	for _, f := range append([]Header{{"format", "WARC File Format 1.1"}}, fields...) {
		fmt.Fprintf(&b, "%s: %s\r\n", fieldName(f.Name), fieldValue(f.Value))
	}
	e.plain.Reset()
	e.head("warcinfo", "", at, Sum(append([]byte(file+"\n"), b.Bytes()...)))
	fmt.Fprintf(&e.plain, "WARC-Filename: %s\r\nContent-Type: application/warc-fields\r\nContent-Length: %d\r\n\r\n", fieldValue(file), b.Len())
	e.plain.Write(b.Bytes())
	return e.member()
}

// Response is the record of what a server answered.
func (e *Encoder) Response(r *Response) ([]byte, Digest, error) {
	digest := Sum(r.Body)
	http := httpHead(r)
	block := sha1.New() //nolint:gosec // as above
	block.Write(http)
	block.Write(r.Body)
	var of Digest
	block.Sum(of[:0])
	uri := TargetURI(r.URL)
	odd := ""
	if uri == "" {
		uri = noAddress + digest.String()
		if r.URL != "" {
			odd = "Cooper-Address: " + escaped(r.URL[:min(len(r.URL), longestURI)], func(c byte) bool { return c > 0x20 && c < 0x7f && c != '%' }) + "\r\n"
		}
	}
	e.plain.Reset()
	e.head("response", uri, r.At, Sum(append([]byte(uri+"\n"), of[:]...)))
	e.plain.WriteString(odd)
	fmt.Fprintf(&e.plain, "WARC-Block-Digest: sha1:%v\r\nWARC-Payload-Digest: sha1:%v\r\nContent-Type: application/http;msgtype=response\r\nContent-Length: %d\r\n\r\n", of, digest, len(http)+len(r.Body))
	e.plain.Write(http)
	e.plain.Write(r.Body)
	b, err := e.member()
	return b, digest, err
}

// noAddress stands before the digest where an answer has no address that one can write down: that is
// then kept in a field of its own. It is one of HTTP as warcio 1.7.5 reads no answers of others, and in
// a domain that never will be one (RFC 2606).
const noAddress = "http://address.invalid/sha1:"

// head begins a record. Its id is made of what it has, so that it is the same whenever it is written.
func (e *Encoder) head(kind, uri string, at time.Time, id Digest) {
	id[6], id[8] = id[6]&0x0f|0x80, id[8]&0x3f|0x80 // version 8: one's own way (RFC 9562)
	e.plain.WriteString(version + "WARC-Type: " + kind + "\r\n")
	if uri != "" {
		e.plain.WriteString("WARC-Target-URI: " + uri + "\r\n")
	}
	fmt.Fprintf(&e.plain, "WARC-Date: %s\r\nWARC-Record-ID: <urn:uuid:%x-%x-%x-%x-%x>\r\n", date(at), id[:4], id[4:6], id[6:8], id[8:10], id[10:16])
}

// date is a time as WARC has it; years that have not four digits are none that one can write.
func date(at time.Time) string {
	if at = at.UTC(); at.Year() < 1 || at.Year() > 9999 {
		at = time.Unix(0, 0).UTC()
	}
	return at.Format("2006-01-02T15:04:05Z")
}

func (e *Encoder) member() ([]byte, error) {
	e.plain.WriteString(end)
	e.out.Reset()
	e.zip.Reset(&e.out)
	if _, err := e.zip.Write(e.plain.Bytes()); err != nil {
		return nil, err
	}
	if err := e.zip.Close(); err != nil {
		return nil, err
	}
	if e.plain.Cap() > 64<<20 { // one large body is not kept for ever
		e.plain = bytes.Buffer{}
	}
	return e.out.Bytes(), nil
}

// httpHead is the head of an answer, with the empty line after it.
func httpHead(r *Response) []byte {
	var b bytes.Buffer
	status := r.Status
	if status < 0 || status > 999 {
		status = 0
	}
	fmt.Fprintf(&b, "HTTP/1.1 %03d %s\r\n", status, http.StatusText(status))
	for _, h := range r.Headers {
		name := fieldName(h.Name)
		switch strings.ToLower(name) {
		case "":
			continue
		case "transfer-encoding", "content-encoding", "content-length", "trailer":
			name = "X-Archive-Orig-" + name
		}
		b.WriteString(name + ": " + fieldValue(h.Value) + "\r\n")
	}
	b.WriteString("Content-Length: " + strconv.Itoa(len(r.Body)) + "\r\n\r\n")
	return b.Bytes()
}

// fieldName is a name as RFC 9110 has it; every other byte becomes %XX.
func fieldName(s string) string {
	return escaped(s, func(c byte) bool {
		return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z' || strings.IndexByte("!#$&'*+-.^_`|~", c) >= 0
	})
}

// fieldValue is a value on one line.
func fieldValue(s string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if r < 0x20 || r == 0x7f {
			return ' '
		}
		return r
	}, s))
}

const upperHex = "0123456789ABCDEF"

// escaped writes every byte that is not kept as %XX.
func escaped(s string, keep func(byte) bool) string {
	n := 0
	for n < len(s) && keep(s[n]) {
		n++
	}
	if n == len(s) {
		return s
	}
	b := []byte(s[:n])
	for ; n < len(s); n++ {
		if c := s[n]; keep(c) {
			b = append(b, c)
		} else {
			b = append(b, '%', upperHex[c>>4], upperHex[c&15])
		}
	}
	return string(b)
}
