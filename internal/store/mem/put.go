package mem

import (
	"net/http"
	"strings"
	"unicode/utf8"
)

const metaPrefix = "X-Amz-Meta-"

// kept are the headers that are stored with an object and come back.
var kept = []string{"Content-Type", "Content-Encoding", "Content-Disposition", "Content-Language", "Cache-Control", "Expires", "X-Amz-Website-Redirect-Location"}

var classes = map[string]bool{
	"STANDARD": true, "STANDARD_IA": true, "ONEZONE_IA": true, "INTELLIGENT_TIERING": true, "REDUCED_REDUNDANCY": true,
	"GLACIER": true, "GLACIER_IR": true, "DEEP_ARCHIVE": true, "EXPRESS_ONEZONE": true,
}

// draft begins a version as the headers of a request describe it. Its bucket
// must be there.
func (s *Server) draft(c *call) (*version, error) {
	if len(c.key) > 1024 {
		return nil, fail(http.StatusBadRequest, "KeyTooLongError", "Your key is too long")
	}
	if !utf8.ValidString(c.key) {
		return nil, fail(http.StatusBadRequest, "InvalidURI", "Couldn't parse the specified URI.")
	}
	v := &version{modified: s.now(), opaque: s.has(ETagNoMD5), class: c.r.Header.Get("X-Amz-Storage-Class")}
	if v.class != "" && !classes[v.class] {
		return nil, fail(http.StatusBadRequest, "InvalidStorageClass", "The storage class you specified is not valid")
	}
	if v.class == "INTELLIGENT_TIERING" {
		v.tier = "FREQUENT"
	}
	if c.r.Header.Get(headerSSE+"-Customer-Algorithm") != "" {
		v.encryption = "SSE-C"
	}
	v.describeBy(c.r.Header)
	return v, s.describeByAttributes(c, v)
}

// describeBy takes over metadata and the headers that are kept.
func (v *version) describeBy(h http.Header) {
	v.headers, v.metadata = nil, nil
	for _, name := range kept {
		value := h.Get(name)
		if name == "Content-Encoding" {
			value = withoutChunked(value)
		}
		if value != "" {
			if v.headers == nil {
				v.headers = map[string]string{}
			}
			v.headers[name] = value
		}
	}
	for name, values := range h {
		if meta, ok := strings.CutPrefix(name, metaPrefix); ok {
			if v.metadata == nil {
				v.metadata = map[string]string{}
			}
			v.metadata[strings.ToLower(meta)] = strings.Join(values, ",")
		}
	}
}

// withoutChunked takes the encoding of the transfer out of that of the object.
func withoutChunked(encoding string) string {
	var rest []string
	for one := range strings.SplitSeq(encoding, ",") {
		if one = strings.TrimSpace(one); one != "aws-chunked" && one != "" {
			rest = append(rest, one)
		}
	}
	return strings.Join(rest, ",")
}

// exists checks that the bucket of a request is there before its body is read.
func (s *Server) exists(c *call) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	_, err := s.bucketOf(c)
	return err
}

func (s *Server) putObject(c *call) error {
	v, err := s.draft(c)
	if err != nil {
		return err
	}
	if v.body, v.sum, err = c.body(maxBody); err != nil {
		return err
	}
	if v.sum.algorithm == "" {
		v.sum = checksum{algorithm: defaultAlgorithm, kind: fullObject, value: digest(defaultAlgorithm, v.body)}
	}
	if err := s.store(c, v); err != nil {
		return err
	}
	h := c.w.Header()
	h["Etag"] = []string{`"` + v.etag + `"`}
	if !c.has(ChecksumsIgnored) {
		h[algorithms[v.sum.algorithm].header] = []string{v.sum.value}
		h["X-Amz-Checksum-Type"] = []string{v.sum.kind}
	}
	c.w.WriteHeader(http.StatusOK)
	return nil
}

// store makes v the current version of the request's key if the request's
// conditions hold, and says in the answer's headers which it is. An upload in
// parts ends with it.
func (s *Server) store(c *call, v *version) error {
	if v.plainTags() { // hash what can be long without the lock
		v.etag = v.computeETag()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	b, err := s.bucketOf(c)
	if err != nil {
		return err
	}
	if err := writable(c, b.get(c.key, "")); err != nil {
		return err
	}
	if id := c.query.Get("uploadId"); id != "" {
		if b.uploads[id] == nil {
			return errNoSuchUpload.with("UploadId", id)
		}
		delete(b.uploads, id)
	}
	v.id = s.versionID(b)
	if v.etag == "" {
		s.serial++
		v.salt = s.serial
		v.etag = v.computeETag()
	}
	s.supersede(b, c.key)
	b.add(c.key, v)
	if b.versioning != "" {
		c.w.Header()["X-Amz-Version-Id"] = []string{v.id}
	}
	v.setEncryption(c.w.Header())
	return nil
}

// writable checks If-None-Match and If-Match against the current version, nil
// if there is none.
func writable(c *call, current *version) error {
	there := current != nil && !current.marker
	parts := c.op == "CompleteMultipartUpload"
	copies := c.op == "CopyObject"
	noneIgnored := copies && c.has(CopyNoneIgnored) || !parts && !copies && c.has(PutNoneIgnored) || parts && (c.has(CompleteNoneIgnored) || c.has(CompleteUnguarded))
	matchIgnored := copies && c.has(CopyNoneIgnored) || !parts && !copies && c.has(PutMatchIgnored) || parts && c.has(CompleteUnguarded)
	if m := c.r.Header.Get("If-None-Match"); m != "" && !noneIgnored {
		if m != "*" {
			return fail(http.StatusNotImplemented, "NotImplemented", "A header you provided implies functionality that is not implemented").with("Header", "If-None-Match")
		}
		if there {
			return errPrecondition.with("Condition", "If-None-Match")
		}
	}
	if m := c.r.Header.Get("If-Match"); m != "" && !matchIgnored {
		if !there {
			return errNoSuchKey.with("Key", c.key)
		}
		if !etagMatches(m, current.etag) {
			return errPrecondition.with("Condition", "If-Match")
		}
	}
	return nil
}
