package mem

import (
	"bufio"
	"bytes"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// maxBody is the most S3 takes in one request, in bytes.
const maxBody = 5 << 30

// maxDocument bounds the XML documents that requests bring; S3's own bound
// for the largest, a completion of 10,000 parts, is of this order.
const maxDocument = 4 << 20

// upload bodies up to this size are read into a buffer made in advance: what a
// client announces is no reason to allocate it.
const trusted = 64 << 20

// body reads what a request brings and checks it against all the hashes that
// came with it. The checksum is that of the client, none if it sent none.
func (c *call) body(limit int64) ([]byte, checksum, error) {
	size := c.r.ContentLength
	payload := c.r.Header.Get("X-Amz-Content-Sha256")
	chunked := strings.HasPrefix(payload, "STREAMING-") || strings.Contains(c.r.Header.Get("Content-Encoding"), "aws-chunked")
	if chunked {
		n, err := strconv.ParseInt(c.r.Header.Get("X-Amz-Decoded-Content-Length"), 10, 64)
		if err != nil {
			return nil, checksum{}, fail(http.StatusLengthRequired, "MissingContentLength", "You must provide the Content-Length HTTP header.")
		}
		size = n
	}
	switch {
	case size < 0:
		return nil, checksum{}, fail(http.StatusLengthRequired, "MissingContentLength", "You must provide the Content-Length HTTP header.")
	case size > limit:
		return nil, checksum{}, fail(http.StatusBadRequest, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed size")
	}
	var trailer http.Header
	var from io.Reader = c.r.Body
	if chunked {
		trailer = http.Header{}
		from = &chunks{r: bufio.NewReader(c.r.Body), trailer: trailer}
	}
	b, err := readExactly(from, size)
	if err != nil {
		return nil, checksum{}, err
	}
	sum, err := c.verify(b, payload, trailer)
	return b, sum, err
}

// readExactly reads size bytes to the end of r.
func readExactly(r io.Reader, size int64) ([]byte, error) {
	buf := bytes.NewBuffer(make([]byte, 0, min(size, trusted)+bytes.MinRead))
	n, err := buf.ReadFrom(io.LimitReader(r, size+1))
	var f *failure
	switch {
	case errors.As(err, &f):
		return nil, f
	case err != nil || n != size:
		return nil, errIncomplete
	}
	return buf.Bytes(), nil
}

// verify compares a body with Content-MD5, the signed payload hash and the
// checksum in headers or trailer.
func (c *call) verify(b []byte, payload string, trailer http.Header) (checksum, error) {
	if want := c.r.Header.Get("Content-Md5"); want != "" {
		raw, err := base64.StdEncoding.DecodeString(want)
		if err != nil || len(raw) != md5.Size {
			return checksum{}, fail(http.StatusBadRequest, "InvalidDigest", "The Content-MD5 you specified was invalid.")
		}
		if sum := md5.Sum(b); !bytes.Equal(sum[:], raw) {
			return checksum{}, fail(http.StatusBadRequest, "BadDigest", "The Content-MD5 you specified did not match what we received.")
		}
	}
	if len(payload) == 2*sha256.Size {
		if sum := sha256.Sum256(b); hex.EncodeToString(sum[:]) != payload {
			return checksum{}, fail(http.StatusBadRequest, "XAmzContentSHA256Mismatch", "The provided 'x-amz-content-sha256' header does not match what was computed.")
		}
	}
	algorithm, value := declared(c.r.Header)
	if algorithm == "" {
		algorithm, value = declared(trailer)
	}
	if announced := c.r.Header.Get("X-Amz-Trailer"); announced != "" && algorithm == "" {
		return checksum{}, fail(http.StatusBadRequest, "MalformedTrailerError", "The request contained trailing data that was not well-formed or did not conform to our published schema.")
	}
	if algorithm == "" || c.has(ChecksumsIgnored) {
		return checksum{}, nil
	}
	if digest(algorithm, b) != value {
		return checksum{}, fail(http.StatusBadRequest, "BadDigest", "The "+algorithm+" you specified did not match the calculated checksum.")
	}
	return checksum{algorithm: algorithm, kind: fullObject, value: value}, nil
}

// document reads an XML document that a request brings.
func (c *call) document() ([]byte, error) {
	b, _, err := c.body(maxDocument)
	return b, err
}

// chunks decodes the aws-chunked encoding: chunks of "SIZE[;chunk-signature=…]",
// a last one of size 0, then trailers. Signatures of chunks are not checked.
type chunks struct {
	r       *bufio.Reader
	left    int64 // of the current chunk
	begun   bool
	ended   bool
	trailer http.Header
}

var errBadChunk = fail(http.StatusBadRequest, "InvalidRequest", "The body is not a well-formed aws-chunked stream.")

func (c *chunks) Read(p []byte) (int, error) {
	for c.left == 0 {
		if c.ended {
			return 0, io.EOF
		}
		if err := c.next(); err != nil {
			return 0, err
		}
	}
	n, err := c.r.Read(p[:min(int64(len(p)), c.left)])
	c.left -= int64(n)
	if errors.Is(err, io.EOF) && (c.left > 0 || n == 0) {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// next reads the line before a chunk, and after the last one the trailers.
func (c *chunks) next() error {
	if c.begun {
		switch line, err := c.line(); {
		case err != nil:
			return err
		case line != "":
			return errBadChunk
		}
	}
	c.begun = true
	line, err := c.line()
	if err != nil {
		return err
	}
	size, _, _ := strings.Cut(line, ";")
	if c.left, err = strconv.ParseInt(size, 16, 64); err != nil || c.left < 0 {
		return errBadChunk
	}
	if c.left > 0 {
		return nil
	}
	c.ended = true
	for {
		line, err := c.line()
		if err != nil {
			return err
		}
		if line == "" {
			return nil
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok || len(c.trailer) > 8 {
			return errBadChunk
		}
		c.trailer.Set(strings.TrimSpace(name), strings.TrimSpace(value))
	}
}

// line reads up to a line feed; lines longer than the buffer are refused. The
// stream may end after none of them.
func (c *chunks) line() (string, error) {
	b, err := c.r.ReadSlice('\n')
	switch {
	case errors.Is(err, io.EOF):
		return "", io.ErrUnexpectedEOF
	case err != nil:
		return "", errBadChunk
	}
	return strings.TrimRight(string(b), "\r\n"), nil
}
