package raw

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/pierrec/lz4/v4"

	"cooper"
)

// Longest is how long a line or a member may be if nothing else is said, in bytes.
const Longest = 256 << 20

// Summary is what a file came to.
type Summary struct {
	Items   int64 // of all kinds
	Bytes   int64 // uncompressed
	Trouble error // why it was not read whole: KindCorrupt; nil if it was
}

// Read gives each item of a file to each, in the order of the file. Longest bounds a line or a
// member, in bytes. An error of each ends it and is returned as it is, also one of r that is no
// matter of the bytes; what is wrong with the file is in the summary.
func Read(ctx context.Context, format Format, r io.Reader, longest int, each func(*Item) error) (Summary, error) {
	src := &source{ctx: ctx, r: r}
	x := &reader{each: each, longest: longest}
	plain, err := uncompressed(src)
	if err == nil {
		x.in = bufio.NewReaderSize(&counting{r: plain, n: &x.sum.Bytes}, 1<<18)
		switch format {
		case Posts, Can:
			err = x.archive(format)
		default:
			err = x.lines(x.in, "")
		}
	}
	switch {
	case x.stopped != nil:
		return x.sum, x.stopped
	case src.err != nil:
		return x.sum, src.err
	case err != nil:
		x.sum.Trouble = &cooper.Error{Kind: cooper.KindCorrupt, Where: fmt.Sprintf("byte %d, uncompressed", x.sum.Bytes), Message: "the file cannot be read to its end: " + err.Error(), Err: err}
	}
	return x.sum, nil
}

// Places counts the posts or lines of a file, whatever stands in them. Of two files with one stem
// the line at a place is the post at that place, if both have as many.
func Places(ctx context.Context, format Format, r io.Reader) (n int64, sum Summary, err error) {
	sum, err = Read(ctx, format, r, 0, func(it *Item) error {
		if it.Post || it.Unread == TooLong || it.Unread == CutOff {
			n++
		}
		return nil
	})
	return n, sum, err
}

// source keeps apart what goes wrong below the bytes.
type source struct {
	ctx context.Context //nolint:containedctx // a reader has no other way to be told
	r   io.Reader
	err error
}

func (s *source) Read(p []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		s.err = err
		return 0, err
	}
	n, err := s.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}

// uncompressed reads what is inside, whatever the name says: by the first bytes.
func uncompressed(r io.Reader) (io.Reader, error) {
	b := bufio.NewReaderSize(r, 1<<18)
	head, err := b.Peek(4)
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		return gzip.NewReader(b)
	case bytes.HasPrefix(head, []byte{0x04, 0x22, 0x4d, 0x18}):
		return lz4.NewReader(b), nil
	case err != nil && !errors.Is(err, io.EOF):
		return nil, err
	default:
		return b, nil
	}
}

// reader is a file that is being read.
type reader struct {
	in      *bufio.Reader
	each    func(*Item) error
	longest int
	sum     Summary
	buf     []byte
	stopped error // of each
}

var errStopped = errors.New("stopped")

// give hands an item on.
func (x *reader) give(it *Item) error {
	it.Position = x.sum.Items
	x.sum.Items++
	if err := x.each(it); err != nil {
		x.stopped = err
		return errStopped
	}
	return nil
}

// lines reads a measurement a line.
func (x *reader) lines(r *bufio.Reader, member string) error {
	for {
		long, err := x.line(r)
		text, ended := bytes.CutSuffix(x.buf, []byte("\n"))
		it := Item{Member: member, Text: text, Newline: ended}
		switch {
		case err != nil && len(x.buf) == 0:
			return unlessEnd(err)
		case err != nil && !errors.Is(err, io.EOF):
			it.Unread = CutOff
		case long:
			it.Unread = TooLong
		case len(bytes.TrimSpace(text)) == 0:
			it.Unread = Blank
		}
		if stop := x.give(&it); stop != nil {
			return stop
		}
		if err != nil {
			return unlessEnd(err)
		}
	}
}

// line reads up to the end of a line into buf, and keeps no more of it than allowed.
func (x *reader) line(r *bufio.Reader) (long bool, err error) {
	x.buf = x.buf[:0]
	for {
		part, err := r.ReadSlice('\n')
		if room := x.longest - len(x.buf); len(part) > room {
			part, long = part[:room], true
		}
		x.buf = append(x.buf, part...)
		if !errors.Is(err, bufio.ErrBufferFull) {
			return long, err
		}
	}
}

// unlessEnd is nil where a file, or a member, has ended as it should.
func unlessEnd(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// archive reads the members of a tar. Where a header is damaged it looks for the next, and for
// another archive behind the end of one.
func (x *reader) archive(format Format) error {
	for damaged := false; ; {
		t := tar.NewReader(x.in)
		for {
			h, err := t.Next()
			if err == nil {
				damaged = false
				err = x.member(format, t, h)
			} else if errors.Is(err, tar.ErrHeader) {
				// Whole blocks were taken, so that the next one may be a header.
				if damaged {
					break
				}
				if err = x.give(&Item{Unread: Damaged}); err == nil {
					damaged = true
					break
				}
			}
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return err
			}
		}
		if more, err := x.more(); !more {
			return err
		}
	}
}

// more skips empty blocks, and tells whether anything follows.
func (x *reader) more() (bool, error) {
	for {
		block, err := x.in.Peek(blockSize)
		if len(bytes.Trim(block, "\x00")) > 0 {
			return true, nil
		}
		if err != nil {
			return false, unlessEnd(err)
		}
		if _, err := x.in.Discard(blockSize); err != nil {
			return false, err
		}
	}
}

const blockSize = 512 // of a tar

// member reads one member.
func (x *reader) member(format Format, t *tar.Reader, h *tar.Header) error {
	suffix := map[Format]string{Posts: ".post", Can: ".json"}[format]
	switch {
	case h.Typeflag == tar.TypeDir:
		return nil
	case h.Typeflag != tar.TypeReg || !strings.HasSuffix(h.Name, suffix):
		return x.give(&Item{Member: h.Name, Unread: NoMember})
	case format == Can:
		return x.lines(bufio.NewReaderSize(t, 1<<16), h.Name)
	}
	b := bytes.NewBuffer(x.buf[:0])
	_, err := io.Copy(b, io.LimitReader(t, int64(x.longest)))
	x.buf = b.Bytes()
	it := Item{Member: h.Name, Text: x.buf, Post: true}
	switch {
	case err != nil:
		it.Unread = CutOff
	case h.Size > int64(x.longest):
		it.Unread = TooLong
	}
	if stop := x.give(&it); stop != nil {
		return stop
	}
	return err
}

// counting counts what is read.
type counting struct {
	r io.Reader
	n *int64
}

func (c *counting) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	*c.n += int64(n)
	return n, err
}
