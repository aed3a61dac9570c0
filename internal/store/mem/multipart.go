package mem

import (
	"crypto/md5"
	"encoding/hex"
	"encoding/xml"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxParts is the highest part number.
const maxParts = 10000

// upload is a multipart upload under way.
type upload struct {
	key   string
	begun time.Time
	draft *version // the object as its beginning described it; its sum says which checksum is wanted
	parts map[int]part
}

// part is an uploaded part.
type part struct {
	body     []byte
	etag     string
	value    string // its checksum, of the upload's algorithm
	modified time.Time
}

func newPart(body []byte, at time.Time) part {
	hash := md5.Sum(body)
	return part{body: body, etag: hex.EncodeToString(hash[:]), modified: at}
}

func (s *Server) createMultipartUpload(c *call) error {
	v, err := s.draft(c)
	if err != nil {
		return err
	}
	v.sum = checksum{algorithm: defaultAlgorithm, kind: fullObject}
	if name := c.r.Header.Get("X-Amz-Checksum-Algorithm"); name != "" {
		a, ok := algorithms[name]
		if !ok {
			return fail(http.StatusBadRequest, "InvalidRequest", "Checksum algorithm provided is unsupported.")
		}
		v.sum = checksum{algorithm: name, kind: a.parts}
	}
	switch kind := c.r.Header.Get("X-Amz-Checksum-Type"); kind {
	case "":
	case fullObject, composite:
		v.sum.kind = kind
	default:
		return invalidArgument("Value for x-amz-checksum-type header is invalid.")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	b, err := s.bucketOf(c)
	if err != nil {
		return err
	}
	id := s.newID()
	b.uploads[id] = &upload{key: c.key, begun: v.modified, draft: v, parts: map[int]part{}}
	h := c.w.Header()
	if !c.has(ChecksumsIgnored) {
		h["X-Amz-Checksum-Algorithm"] = []string{v.sum.algorithm}
		h["X-Amz-Checksum-Type"] = []string{v.sum.kind}
	}
	v.setEncryption(h)
	x := newXML()
	x.root("InitiateMultipartUploadResult")
	x.element("Bucket", c.bucket)
	x.element("Key", c.key)
	x.element("UploadId", id)
	x.close("InitiateMultipartUploadResult")
	x.send(c, http.StatusOK)
	return nil
}

// uploadOf finds the upload that a request names, under the lock.
func (s *Server) uploadOf(c *call) (*bucket, *upload, error) {
	b, err := s.bucketOf(c)
	if err != nil {
		return nil, nil, err
	}
	u := b.uploads[c.query.Get("uploadId")]
	if u == nil || u.key != c.key {
		return nil, nil, errNoSuchUpload.with("UploadId", c.query.Get("uploadId"))
	}
	return b, u, nil
}

func (s *Server) uploadPart(c *call) error {
	n, err := strconv.Atoi(c.query.Get("partNumber"))
	if err != nil || n < 1 || n > maxParts {
		return invalidArgument("Part number must be an integer between 1 and 10000, inclusive")
	}
	if err := s.exists(c); err != nil {
		return err
	}
	body, sum, err := c.body(maxBody)
	if err != nil {
		return err
	}
	p := newPart(body, s.now())
	s.mu.Lock()
	defer s.mu.Unlock()
	_, u, err := s.uploadOf(c)
	if err != nil {
		return err
	}
	algorithm := u.draft.sum.algorithm
	p.value = sum.value
	if sum.algorithm != algorithm {
		p.value = digest(algorithm, body)
	}
	s.salted(u, &p)
	u.parts[n] = p
	h := c.w.Header()
	u.draft.setEncryption(h)
	h["Etag"] = []string{`"` + p.etag + `"`}
	if !c.has(ChecksumsIgnored) {
		h[algorithms[algorithm].header] = []string{p.value}
	}
	c.w.WriteHeader(http.StatusOK)
	return nil
}

// completion is the body of CompleteMultipartUpload.
type completion struct {
	Part []struct {
		PartNumber int
		ETag       string
	}
}

func (s *Server) completeMultipartUpload(c *call) error {
	doc, err := c.document()
	if err != nil {
		return err
	}
	var req completion
	if err := xml.Unmarshal(doc, &req); err != nil || len(req.Part) == 0 || len(req.Part) > maxParts {
		return errMalformedXML
	}
	s.mu.Lock()
	_, u, err := s.uploadOf(c)
	var v *version
	if err == nil {
		v, err = u.assemble(req, s.opts.MinPartSize)
	}
	s.mu.Unlock()
	if err != nil {
		return err
	}
	v.sum.value = v.computeSum()
	if _, want := declared(c.r.Header); want != "" && !c.has(ChecksumsIgnored) && want != v.sum.value && want+"-"+strconv.Itoa(len(v.parts)) != v.sum.value {
		return fail(http.StatusBadRequest, "BadDigest", "The "+v.sum.algorithm+" you specified did not match the calculated checksum.")
	}
	if err := s.store(c, v); err != nil {
		return err
	}
	x := newXML()
	x.root("CompleteMultipartUploadResult")
	x.element("Location", "/"+c.bucket+c.raw)
	x.element("Bucket", c.bucket)
	x.element("Key", c.key)
	x.element("ETag", `"`+v.etag+`"`)
	if !c.has(ChecksumsIgnored) {
		x.element("Checksum"+v.sum.algorithm, v.sum.value)
		x.element("ChecksumType", v.sum.kind)
	}
	x.close("CompleteMultipartUploadResult")
	x.send(c, http.StatusOK)
	return nil
}

// assemble makes the version out of the parts that the client lists.
func (u *upload) assemble(req completion, least int64) (*version, error) {
	v := *u.draft
	var size int
	for i, want := range req.Part {
		if i > 0 && want.PartNumber <= req.Part[i-1].PartNumber {
			return nil, fail(http.StatusBadRequest, "InvalidPartOrder", "The list of parts was not in ascending order. Parts must be ordered by part number.")
		}
		p, ok := u.parts[want.PartNumber]
		if !ok || strings.Trim(want.ETag, `"`) != p.etag {
			return nil, fail(http.StatusBadRequest, "InvalidPart", "One or more of the specified parts could not be found.  The part may not have been uploaded, or the specified entity tag may not match the part's entity tag.").
				with("PartNumber", strconv.Itoa(want.PartNumber))
		}
		if int64(len(p.body)) < least && i < len(req.Part)-1 {
			return nil, fail(http.StatusBadRequest, "EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size")
		}
		size += len(p.body)
	}
	v.body = make([]byte, 0, size)
	for _, want := range req.Part {
		body := u.parts[want.PartNumber].body
		v.parts = append(v.parts, int64(len(body)))
		v.body = append(v.body, body...)
	}
	return &v, nil
}

func (s *Server) abortMultipartUpload(c *call) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, _, err := s.uploadOf(c)
	if err != nil {
		return err
	}
	delete(b.uploads, c.query.Get("uploadId"))
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}
