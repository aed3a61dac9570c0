package unpack

import (
	"archive/zip"
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
)

// A bad is why something cannot be read.
type bad string

func (b bad) Error() string { return string(b) }

// A layer decodes bytes into bytes. What it gives is valid until it is used again.
type layer interface {
	decode(data []byte, limit int64) ([]byte, error)
}

// drain reads to the end, at most limit bytes.
func drain(to *bytes.Buffer, r io.Reader, limit int64) error {
	n, err := io.Copy(to, io.LimitReader(r, limit+1))
	if err == nil && n > limit {
		return bad(TooMuch)
	}
	return err
}

// room gives up memory that a single large value needed.
func room(b *bytes.Buffer) {
	if b.Cap() > 1<<20 {
		*b = bytes.Buffer{}
	}
	b.Reset()
}

// torn is the reason for an error of a compressed stream.
func torn(name string, err error) error {
	var b bad
	switch {
	case errors.As(err, &b):
		return err
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return bad(name + " cut short")
	}
	return bad(name + " broken")
}

type gzipLayer struct {
	in  bytes.Reader
	z   gzip.Reader
	out bytes.Buffer
}

func (g *gzipLayer) decode(data []byte, limit int64) ([]byte, error) {
	if len(data) == 0 {
		return nil, bad(Empty)
	}
	if data[0] != 0x1f || len(data) > 1 && data[1] != 0x8b {
		return nil, bad("not gzip")
	}
	g.in.Reset(data)
	if err := g.z.Reset(&g.in); err != nil {
		return nil, torn("gzip", err)
	}
	g.z.Multistream(false)
	room(&g.out)
	if err := drain(&g.out, &g.z, limit); err != nil {
		return nil, torn("gzip", err)
	}
	if rest := data[len(data)-g.in.Len():]; len(rest) > 0 {
		if bytes.HasPrefix(rest, []byte{0x1f, 0x8b}) {
			return nil, bad("a second gzip member")
		}
		return nil, bad("bytes behind the gzip")
	}
	return g.out.Bytes(), nil
}

type zlibLayer struct {
	in  bytes.Reader
	z   io.ReadCloser
	out bytes.Buffer
}

func (l *zlibLayer) decode(data []byte, limit int64) ([]byte, error) {
	if len(data) == 0 {
		return nil, bad(Empty)
	}
	l.in.Reset(data)
	var err error
	if l.z == nil {
		l.z, err = zlib.NewReader(&l.in)
	} else {
		err = l.z.(zlib.Resetter).Reset(&l.in, nil)
	}
	if err != nil {
		if errors.Is(err, zlib.ErrHeader) {
			return nil, bad("not zlib")
		}
		return nil, torn("zlib", err)
	}
	room(&l.out)
	if err := drain(&l.out, l.z, limit); err != nil {
		return nil, torn("zlib", err)
	}
	if l.in.Len() > 0 {
		return nil, bad("bytes behind the zlib")
	}
	return l.out.Bytes(), nil
}

type zipLayer struct {
	name string
	out  bytes.Buffer
}

func (l *zipLayer) decode(data []byte, limit int64) ([]byte, error) {
	if len(data) == 0 {
		return nil, bad(Empty)
	}
	if !bytes.HasPrefix(data, []byte("PK")) {
		return nil, bad("not zip")
	}
	if err := wholeZip(data); err != nil {
		return nil, err
	}
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, bad("zip broken or cut short")
	}
	var member *zip.File
	for _, f := range z.File {
		if f.Name != l.name {
			continue
		}
		if member != nil {
			return nil, bad("zip with " + l.name + " twice")
		}
		member = f
	}
	if member == nil {
		return nil, bad("zip without " + l.name)
	}
	if member.Flags&1 != 0 {
		return nil, bad("zip that is encrypted")
	}
	r, err := member.Open()
	if err != nil {
		return nil, bad("zip broken")
	}
	defer r.Close()
	room(&l.out)
	if err := drain(&l.out, r, limit); err != nil {
		return nil, torn("zip", err)
	}
	return l.out.Bytes(), nil
}

// wholeZip looks that an archive is all there is: a reader of zip takes the last directory
// that it finds, whatever stands before and behind it.
func wholeZip(data []byte) error {
	at := bytes.LastIndex(data, []byte("PK\x05\x06"))
	if at < 0 || len(data)-at < 22 {
		return bad("zip broken or cut short")
	}
	end := data[at:]
	if 22+int(binary.LittleEndian.Uint16(end[20:])) != len(end) {
		return bad("bytes behind the zip")
	}
	size, offset := binary.LittleEndian.Uint32(end[12:]), binary.LittleEndian.Uint32(end[16:])
	if size != math.MaxUint32 && offset != math.MaxUint32 && int64(size)+int64(offset) != int64(at) {
		return bad("bytes before the zip")
	}
	return nil
}

// base64Layer reads base64 with padding or without, also in lines.
type base64Layer struct {
	name string
	e    *base64.Encoding
	out  []byte
}

func (l *base64Layer) decode(data []byte, _ int64) ([]byte, error) {
	whole := bytes.TrimRight(data, "\r\n")
	text := bytes.TrimRight(whole, "=")
	if len(whole)-len(text) > 2 {
		return nil, bad(l.name + " broken")
	}
	if n := l.e.DecodedLen(len(text)); cap(l.out) < n || cap(l.out) > 1<<20 {
		l.out = make([]byte, n)
	}
	n, err := l.e.Decode(l.out[:cap(l.out)], text)
	if err != nil {
		return nil, bad(l.name + " broken")
	}
	return l.out[:n], nil
}

// newLayer makes a layer by its name in a Spec; nil where it is none that gives bytes.
func newLayer(as string) layer {
	name, member, _ := strings.Cut(as, " ")
	switch name {
	case "gzip":
		return &gzipLayer{}
	case "zlib":
		return &zlibLayer{}
	case "zip":
		return &zipLayer{name: member}
	case "base64":
		return &base64Layer{name: as, e: base64.RawStdEncoding}
	case "base64url":
		return &base64Layer{name: as, e: base64.RawURLEncoding}
	}
	return nil
}
