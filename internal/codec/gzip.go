package codec

import (
	"errors"
	"io"

	"github.com/klauspost/compress/gzip"

	"cooper"
)

// gunzip gives the content of gzip members, one or several.
type gunzip struct {
	src *failing
	z   *gzip.Reader
	err error
}

// failing tells a failure of the reader below from a fault of its bytes.
type failing struct {
	r   io.Reader
	err error // of r, unless its end
}

func (f *failing) Read(p []byte) (int, error) {
	n, err := f.r.Read(p)
	if err != nil && !ended(err) {
		f.err = err
	}
	return n, err
}

func newGunzip(src io.Reader) *gunzip { return &gunzip{src: &failing{r: src}} }

func (g *gunzip) Read(p []byte) (int, error) {
	if g.err != nil {
		return 0, g.err
	}
	var n int
	if g.z == nil {
		// A header is read here, where its errors can be told.
		g.z, g.err = gzip.NewReader(g.src)
		if ended(g.err) {
			g.err = io.ErrUnexpectedEOF
		}
	}
	if g.err == nil {
		n, g.err = g.z.Read(p)
	}
	g.err = g.explain(g.err)
	return n, g.err
}

func (g *gunzip) explain(err error) error {
	switch {
	case err == nil:
		return nil
	case g.src.err != nil:
		return g.src.err
	case ended(err):
		return io.EOF
	case errors.Is(err, gzip.ErrChecksum):
		return &cooper.Error{Kind: cooper.KindCorrupt, Message: "the gzip stream does not match its checksum", Err: err}
	case errors.Is(err, io.ErrUnexpectedEOF):
		return &cooper.Error{Kind: cooper.KindInvalid, Message: "the gzip stream is cut short", Err: err}
	}
	return &cooper.Error{Kind: cooper.KindInvalid, Message: "not gzip, or followed by something that is none", Err: err}
}

func (g *gunzip) Close() error {
	if g.err == nil {
		g.err = errors.New("codec: read after Close")
	}
	return nil
}
