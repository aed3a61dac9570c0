package mem

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"cooper"
)

// bucketOf finds the bucket of a request, under the lock.
func (s *Server) bucketOf(c *call) (*bucket, error) {
	b := s.buckets[c.bucket]
	if b == nil {
		return nil, errNoSuchBucket.with("BucketName", c.bucket)
	}
	if c.key != "" && b.isDenied(c.key) {
		return nil, errDenied
	}
	return b, nil
}

// wanted finds the version that a key and a version id name, the empty id
// naming the current one.
func wanted(b *bucket, key, id string) (*version, error) {
	v := b.get(key, id)
	switch {
	case v == nil && id != "":
		return nil, fail(http.StatusNotFound, "NoSuchVersion", "The specified version does not exist.").with("Key", key).with("VersionId", id)
	case v == nil:
		return nil, errNoSuchKey.with("Key", key)
	case v.marker && id != "":
		return nil, fail(http.StatusMethodNotAllowed, "MethodNotAllowed", "The specified method is not allowed against this resource.").
			with("ResourceType", "DeleteMarker").head("X-Amz-Delete-Marker", "true").head("X-Amz-Version-Id", v.id).head("Allow", "DELETE")
	case v.marker:
		return nil, errNoSuchKey.with("Key", key).head("X-Amz-Delete-Marker", "true").head("X-Amz-Version-Id", v.id)
	}
	return v, nil
}

// versionArg is the version id of a request, checked for what S3 refuses.
func (c *call) versionArg() (string, error) {
	if !c.query.Has("versionId") {
		return "", nil
	}
	id := c.query.Get("versionId")
	if id == "" {
		return "", invalidArgument("Version id cannot be the empty string").with("ArgumentName", "versionId")
	}
	if id != cooper.NullVersion && (len(id) != idLength || strings.Trim(id, idAlphabet) != "") {
		return "", invalidArgument("Invalid version id specified").with("ArgumentName", "versionId").with("ArgumentValue", id)
	}
	return id, nil
}

// lookup finds the version a request is about.
func (s *Server) lookup(c *call) (v *version, versioned bool, err error) {
	id, err := c.versionArg()
	if err != nil {
		return nil, false, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	b, err := s.bucketOf(c)
	if err != nil {
		return nil, false, err
	}
	v, err = wanted(b, c.key, id)
	return v, b.versioning != "", err
}

// getObject answers GetObject and HeadObject.
func (s *Server) getObject(c *call) error {
	v, versioned, err := s.lookup(c)
	if err != nil {
		return err
	}
	if err := readable(c, v); err != nil {
		return err
	}
	if c.r.Method == http.MethodGet && v.archived(s.now()) {
		return invalidState(v, "The operation is not valid for the object's storage class")
	}
	span, err := c.span(v)
	if err != nil {
		return err
	}
	h := c.w.Header()
	v.setHeaders(h, versioned, s.now())
	if c.oddHeaders(h); c.transcode(v, h) {
		return nil
	}
	if c.r.Header.Get("X-Amz-Checksum-Mode") != "" && span.whole && v.sum.value != "" && !c.has(ChecksumsIgnored) {
		h[algorithms[v.sum.algorithm].header] = []string{v.sum.value}
		h["X-Amz-Checksum-Type"] = []string{v.sum.kind}
	}
	if span.parts > 0 {
		h["X-Amz-Mp-Parts-Count"] = []string{strconv.Itoa(span.parts)}
	}
	h["Content-Length"] = []string{strconv.FormatInt(span.to-span.from, 10)}
	status := http.StatusOK
	if span.partial {
		status = http.StatusPartialContent
		if span.to > span.from {
			h["Content-Range"] = []string{"bytes " + strconv.FormatInt(span.from, 10) + "-" + strconv.FormatInt(span.to-1, 10) + "/" + strconv.Itoa(len(v.body))}
		}
	}
	c.w.WriteHeader(status)
	if c.r.Method == http.MethodGet {
		c.write(v.body[span.from:span.to])
	}
	return nil
}

// readable checks the conditions of a read.
func readable(c *call, v *version) error {
	if v.encryption == "SSE-C" && c.r.Header.Get("X-Amz-Server-Side-Encryption-Customer-Algorithm") == "" {
		return fail(http.StatusBadRequest, "InvalidRequest", "The object was stored using a form of Server Side Encryption. The correct parameters must be provided to retrieve the object.")
	}
	if m := c.r.Header.Get("If-Match"); m != "" && !etagMatches(m, v.etag) && !c.has(ReadMatchIgnored) {
		return errPrecondition.with("Condition", "If-Match")
	}
	if m := c.r.Header.Get("If-None-Match"); m != "" && etagMatches(m, v.etag) {
		return fail(http.StatusNotModified, "NotModified", "Not Modified").head("Etag", `"`+v.etag+`"`)
	}
	return nil
}

func invalidState(v *version, message string) *failure {
	f := fail(http.StatusForbidden, "InvalidObjectState", message).with("StorageClass", v.storageClass())
	if v.class == "INTELLIGENT_TIERING" {
		f = f.with("AccessTier", v.tier+"_ACCESS")
	}
	return f
}

// setHeaders says what a version is, without length or checksum.
func (v *version) setHeaders(h http.Header, versioned bool, now time.Time) {
	h["Content-Type"] = []string{"binary/octet-stream"}
	for name, value := range v.headers {
		h[name] = []string{value}
	}
	for name, value := range v.metadata {
		h[http.CanonicalHeaderKey(metaPrefix+name)] = []string{value}
	}
	h["Etag"] = []string{`"` + v.etag + `"`}
	h["Last-Modified"] = []string{v.modified.Format(http.TimeFormat)}
	h["Accept-Ranges"] = []string{"bytes"}
	if versioned {
		h["X-Amz-Version-Id"] = []string{v.id}
	}
	if class := v.storageClass(); class != "STANDARD" {
		h["X-Amz-Storage-Class"] = []string{class}
	}
	if d := (cooper.Version{StorageClass: v.class, Tier: v.tier}); v.class == "INTELLIGENT_TIERING" && d.Archived() {
		h["X-Amz-Archive-Status"] = []string{v.tier + "_ACCESS"}
	}
	v.setEncryption(h)
	v.setAttributes(h)
	switch {
	case v.restore == nil:
	case v.restore.until.IsZero():
		h["X-Amz-Restore"] = []string{`ongoing-request="true"`}
	case v.restored(now):
		h["X-Amz-Restore"] = []string{`ongoing-request="false", expiry-date="` + v.restore.until.Format(http.TimeFormat) + `"`}
	}
}

// span is the part of the body that a request asks for: from, and up to but
// without to.
type span struct {
	from, to int64
	whole    bool // the whole object
	partial  bool // the answer is a 206
	parts    int  // of the multipart upload, if the request named a part
}

// span works out partNumber or the Range header.
func (c *call) span(v *version) (span, error) {
	size := int64(len(v.body))
	all := span{to: size, whole: true}
	if c.query.Has("partNumber") {
		return c.part(v, all)
	}
	spec, ok := strings.CutPrefix(c.r.Header.Get("Range"), "bytes=")
	if !ok || strings.Contains(spec, ",") {
		return all, nil
	}
	first, last, ok := strings.Cut(spec, "-")
	if !ok {
		return all, nil
	}
	from, err1 := strconv.ParseInt(first, 10, 64)
	to, err2 := strconv.ParseInt(last, 10, 64)
	switch {
	case first == "" && err2 == nil && to >= 0: // the last so many bytes
		if to == 0 || size == 0 {
			return span{}, c.unsatisfiable(size)
		}
		from, to = max(0, size-to), size
	case err1 == nil && last == "":
		to = size
	case err1 == nil && err2 == nil && from <= to:
		to = min(to, size-1) + 1
	default: // S3 ignores what it cannot parse
		return all, nil
	}
	if from < 0 || from >= size {
		return span{}, c.unsatisfiable(size)
	}
	return span{from: from, to: to, partial: true, whole: from == 0 && to == size}, nil
}

func (c *call) unsatisfiable(size int64) error {
	return fail(http.StatusRequestedRangeNotSatisfiable, "InvalidRange", "The requested range is not satisfiable").
		with("ActualObjectSize", strconv.FormatInt(size, 10)).head("Content-Range", "bytes */"+strconv.FormatInt(size, 10))
}

func (c *call) part(v *version, all span) (span, error) {
	n, err := strconv.Atoi(c.query.Get("partNumber"))
	if err != nil || n < 1 || n > maxParts {
		return span{}, invalidArgument("Part number must be an integer between 1 and 10000, inclusive").with("ArgumentName", "partNumber")
	}
	all.partial = true
	if n == 1 && v.parts == nil {
		return all, nil
	}
	if n > len(v.parts) {
		return span{}, fail(http.StatusRequestedRangeNotSatisfiable, "InvalidPartNumber", "The requested partnumber is not satisfiable")
	}
	p := span{partial: true, parts: len(v.parts), whole: len(v.parts) == 1}
	for _, size := range v.parts[:n-1] {
		p.from += size
	}
	p.to = p.from + v.parts[n-1]
	return p, nil
}
