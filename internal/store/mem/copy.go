package mem

import (
	"crypto/md5"
	"encoding/binary"
	"encoding/hex"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// copyObject answers CopyObject: the same bytes under another key, or under
// the same one with another description.
func (s *Server) copyObject(c *call) error {
	err := s.copyTo(c)
	if err != nil && c.has(CopyRefusalsAre200) {
		c.refuseAs(err, http.StatusOK)
		return nil
	}
	return err
}

func (s *Server) copyTo(c *call) error {
	v, err := s.draft(c)
	if err != nil {
		return err
	}
	source, sourceKey, versioned, err := s.copySource(c)
	if err != nil {
		return err
	}
	if int64(len(source.body)) > s.opts.MaxCopy {
		return fail(http.StatusBadRequest, "InvalidRequest", "The specified copy source is larger than the maximum allowable size for a copy source: "+strconv.FormatInt(s.opts.MaxCopy, 10))
	}
	v.body, v.sum = source.body, source.sum
	if c.r.Header.Get("X-Amz-Tagging-Directive") != "REPLACE" {
		v.tags = source.tags
	}
	if c.has(CopyLosesTags) {
		v.tags = nil
	}
	switch c.r.Header.Get("X-Amz-Metadata-Directive") {
	case "REPLACE":
	case "", "COPY":
		v.headers, v.metadata = source.headers, source.metadata
		if sourceKey == c.bucket+"/"+c.key && v.storageClass() == source.storageClass() && c.r.Header.Get("X-Amz-Server-Side-Encryption") == "" {
			return fail(http.StatusBadRequest, "InvalidRequest", "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.")
		}
	default:
		return invalidArgument("Unknown metadata directive.")
	}
	switch {
	case v.sum.algorithm == "":
		v.sum = checksum{algorithm: defaultAlgorithm, kind: fullObject, value: digest(defaultAlgorithm, v.body)}
	case v.sum.kind == composite: // one of all bytes takes its place
		v.sum = checksum{algorithm: v.sum.algorithm, kind: fullObject, value: digest(v.sum.algorithm, v.body)}
	}
	if err := s.store(c, v); err != nil {
		return err
	}
	c.sourceVersion(source, versioned)
	x := newXML()
	x.root("CopyObjectResult")
	x.element("LastModified", v.modified.Format(xmlTime))
	x.element("ETag", `"`+v.etag+`"`)
	if !c.has(ChecksumsIgnored) {
		x.element("Checksum"+v.sum.algorithm, v.sum.value)
		x.element("ChecksumType", v.sum.kind)
	}
	x.close("CopyObjectResult")
	x.send(c, http.StatusOK)
	return nil
}

// sourceVersion says which version was copied.
func (c *call) sourceVersion(source *version, versioned bool) {
	if versioned && !c.has(CopyOfCurrent) {
		c.w.Header()["X-Amz-Copy-Source-Version-Id"] = []string{source.id}
	}
}

// copySource finds the version that a copy reads, and its bucket/key.
func (s *Server) copySource(c *call) (v *version, name string, versioned bool, err error) {
	path, query, _ := strings.Cut(strings.TrimPrefix(c.r.Header.Get("X-Amz-Copy-Source"), "/"), "?")
	name, err = url.PathUnescape(path)
	bucket, key, ok := strings.Cut(name, "/")
	if err != nil || !ok || key == "" {
		return nil, "", false, invalidArgument("Copy Source must mention the source bucket and key: sourcebucket/sourcekey")
	}
	id, err := url.QueryUnescape(strings.TrimPrefix(query, "versionId="))
	if err != nil {
		return nil, "", false, invalidArgument("Invalid version id specified")
	}
	if c.has(CopyOfCurrent) {
		id = ""
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	b, err := s.bucketOf(&call{bucket: bucket, key: key})
	if err != nil {
		return nil, "", false, err
	}
	if v, err = wantedSource(b, key, id); err != nil {
		return nil, "", false, err
	}
	if m := c.r.Header.Get("X-Amz-Copy-Source-If-Match"); m != "" && !etagMatches(m, v.etag) && !c.has(CopyMatchIgnored) {
		return nil, "", false, errPrecondition.with("Condition", "x-amz-copy-source-If-Match")
	}
	if v.encryption == "SSE-C" && c.r.Header.Get("X-Amz-Copy-Source-Server-Side-Encryption-Customer-Algorithm") == "" {
		return nil, "", false, fail(http.StatusBadRequest, "InvalidRequest", "The object was stored using a form of Server Side Encryption. The correct parameters must be provided to retrieve the object.")
	}
	if v.archived(s.now()) {
		return nil, "", false, invalidState(v, "Operation is not valid for the source object's storage class")
	}
	return v, name, b.versioning != "", nil
}

// wantedSource is wanted for a copy, to which S3 answers 400 where a delete marker
// is named: https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html
func wantedSource(b *bucket, key, id string) (*version, error) {
	v, err := wanted(b, key, id)
	if err != nil && id != "" && b.get(key, id) != nil {
		return nil, fail(http.StatusBadRequest, "InvalidRequest", "The source of a copy request may not specifically refer to a delete marker by version id.")
	}
	return v, err
}

// uploadPartCopy answers UploadPartCopy: a part whose bytes are those of a version,
// or a range of them.
func (s *Server) uploadPartCopy(c *call) error {
	n, err := strconv.Atoi(c.query.Get("partNumber"))
	if err != nil || n < 1 || n > maxParts {
		return invalidArgument("Part number must be an integer between 1 and 10000, inclusive")
	}
	if c.has(PartCopyUnknown) {
		return errUnknownFunction
	}
	source, _, versioned, err := s.copySource(c)
	if err != nil {
		return err
	}
	body, err := c.copyRange(source.body, s.opts.MinPartSize)
	if err != nil {
		return err
	}
	if int64(len(body)) > s.opts.MaxCopy {
		return fail(http.StatusBadRequest, "InvalidRequest", "The specified copy source is larger than the maximum allowable size for a copy source: "+strconv.FormatInt(s.opts.MaxCopy, 10))
	}
	p := newPart(body, s.now())
	s.mu.Lock()
	defer s.mu.Unlock()
	_, u, err := s.uploadOf(c)
	if err != nil {
		return err
	}
	algorithm := u.draft.sum.algorithm
	p.value = digest(algorithm, body)
	s.salted(u, &p)
	u.parts[n] = p
	c.sourceVersion(source, versioned)
	u.draft.setEncryption(c.w.Header())
	x := newXML()
	x.root("CopyPartResult")
	x.element("LastModified", p.modified.Format(xmlTime))
	x.element("ETag", `"`+p.etag+`"`)
	if !c.has(ChecksumsIgnored) {
		x.element("Checksum"+algorithm, p.value)
	}
	x.close("CopyPartResult")
	x.send(c, http.StatusOK)
	return nil
}

// copyRange is the part of body that a request names; S3 takes ranges only of what is
// larger than the smallest part.
func (c *call) copyRange(body []byte, least int64) ([]byte, error) {
	spec := c.r.Header.Get("X-Amz-Copy-Source-Range")
	if spec == "" {
		return body, nil
	}
	first, last, ok := strings.Cut(strings.TrimPrefix(spec, "bytes="), "-")
	from, err1 := strconv.ParseInt(first, 10, 64)
	to, err2 := strconv.ParseInt(last, 10, 64)
	switch {
	case !ok || !strings.HasPrefix(spec, "bytes=") || err1 != nil || err2 != nil || from > to:
		return nil, invalidArgument("The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy")
	case to >= int64(len(body)):
		return nil, invalidArgument("Range specified is not valid for source object of size: " + strconv.Itoa(len(body)))
	case int64(len(body)) <= least:
		return nil, fail(http.StatusBadRequest, "InvalidRequest", "The specified copy range is invalid for the source object size.")
	}
	return body[from : to+1], nil
}

// salted makes a part's ETag no hash of its bytes, where those of the object are none.
func (s *Server) salted(u *upload, p *part) {
	if !u.draft.plainTags() {
		s.serial++
		sum := md5.Sum(binary.BigEndian.AppendUint64([]byte(p.etag), s.serial))
		p.etag = hex.EncodeToString(sum[:])
	}
}

// copies tells whether a request makes a copy.
func (c *call) copies() bool { return c.op == "CopyObject" || c.op == "UploadPartCopy" }

// oddCopies refuses copies.
func oddCopies(c *call) error {
	_, query, _ := strings.Cut(c.r.Header.Get("X-Amz-Copy-Source"), "?")
	switch {
	case !c.copies():
	case c.has(CopyUnknown):
		return errUnknownFunction
	case c.has(NoVersionsAPI) && query != "":
		return fail(http.StatusNotImplemented, "NotImplemented", c.op+" of a version is not implemented")
	}
	return nil
}
