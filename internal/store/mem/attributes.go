package mem

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"cooper"
	"cooper/internal/store"
)

// attributes are what a version has beside bytes, headers and metadata.
type attributes struct {
	tags      map[string]string
	grants    []store.Grant // none: all to the owner
	lock      store.Lock
	kmsKey    string // an ARN
	bucketKey bool
	// salt makes the ETag of what KMS encrypts differ from any other.
	salt uint64
}

// Owner is the canonical id of whom every bucket and version belongs to.
const Owner = "75aa57f09aa0c8caeab4f8c24e99d10f8e7faeebf76c078efc7c6caea54ba06a"

// fullControl is the right to everything.
const fullControl = "FULL_CONTROL"

// Names of headers that requests and answers share.
const (
	headerSSE       = "X-Amz-Server-Side-Encryption"
	headerKMSKey    = "X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id"
	headerBucketKey = "X-Amz-Server-Side-Encryption-Bucket-Key-Enabled"
	headerLockMode  = "X-Amz-Object-Lock-Mode"
	headerLockUntil = "X-Amz-Object-Lock-Retain-Until-Date"
	headerHold      = "X-Amz-Object-Lock-Legal-Hold"
)

// describeByAttributes reads from a request's headers what v is to have, and
// holds it against the settings of the bucket, which must exist.
func (s *Server) describeByAttributes(c *call, v *version) (err error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	b, err := s.bucketOf(c)
	if err != nil {
		return err
	}
	h := c.r.Header
	if v.tags, err = tagsOf(h.Get("X-Amz-Tagging")); err != nil {
		return err
	}
	if v.grants, err = b.grantsOf(h); err != nil {
		return err
	}
	if v.lock, err = s.lockOf(c, b); err != nil {
		return err
	}
	if v.encryption == "SSE-C" {
		return nil
	}
	want := store.Encryption{Method: h.Get(headerSSE), KMSKey: h.Get(headerKMSKey), BucketKey: h.Get(headerBucketKey) == "true"}
	if want.Method == "" {
		if want.KMSKey != "" {
			return invalidArgument("Server Side Encryption with AWS KMS managed key requires HTTP header x-amz-server-side-encryption : aws:kms")
		}
		want = b.encryption
	}
	return v.encrypt(want, b.inRegion())
}

// inventoryNames are what inventories call the methods of encryption.
var inventoryNames = map[string]string{"": "", "AES256": "", "aws:kms": "SSE-KMS", "aws:kms:dsse": "DSSE-KMS"}

func (v *version) encrypt(want store.Encryption, region string) error {
	name, ok := inventoryNames[want.Method]
	if !ok {
		return invalidArgument("The encryption method specified is not supported").with("ArgumentValue", want.Method)
	}
	v.encryption = name
	switch {
	case name == "" && want.KMSKey != "":
		return invalidArgument("Server Side Encryption with AWS KMS managed key requires HTTP header x-amz-server-side-encryption : aws:kms")
	case name != "":
		v.kmsKey, v.bucketKey = keyARN(want.KMSKey, region), want.BucketKey
	}
	return nil
}

// keyARN is the full name of a key of KMS; that of S3 itself if none is named.
func keyARN(key, region string) string {
	if strings.HasPrefix(key, "arn:") {
		return key
	}
	return "arn:aws:kms:" + region + ":123456789012:key/" + cmp.Or(key, "aws-s3")
}

var errBadTags = fail(http.StatusBadRequest, "InvalidArgument", "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates.")

// tagsOf reads the header of tags, a query.
func tagsOf(header string) (map[string]string, error) {
	if header == "" {
		return nil, nil
	}
	q, err := url.ParseQuery(header)
	if err != nil {
		return nil, errBadTags
	}
	tags := make(map[string]string, len(q))
	for k, vs := range q {
		if len(vs) != 1 {
			return nil, errBadTags
		}
		tags[k] = vs[0]
	}
	return tags, checkTags(tags)
}

func checkTags(tags map[string]string) error {
	if len(tags) > 10 {
		return fail(http.StatusBadRequest, "BadRequest", "Object tags cannot be greater than 10")
	}
	for k, v := range tags {
		if k == "" || utf8.RuneCountInString(k) > 128 || strings.HasPrefix(k, "aws:") {
			return fail(http.StatusBadRequest, "InvalidTag", "The TagKey you have provided is invalid")
		}
		if utf8.RuneCountInString(v) > 256 {
			return fail(http.StatusBadRequest, "InvalidTag", "The TagValue you have provided is invalid")
		}
	}
	return nil
}

// grantHeaders are the rights that headers can give.
var grantHeaders = [][2]string{
	{"X-Amz-Grant-Full-Control", fullControl}, {"X-Amz-Grant-Read", "READ"},
	{"X-Amz-Grant-Read-Acp", "READ_ACP"}, {"X-Amz-Grant-Write-Acp", "WRITE_ACP"},
}

// grantsOf reads an ACL from headers.
func (b *bucket) grantsOf(h http.Header) ([]store.Grant, error) {
	canned := h.Get("X-Amz-Acl")
	var grants []store.Grant
	for _, one := range grantHeaders {
		header := h.Get(one[0])
		if header == "" {
			continue
		}
		for who := range strings.SplitSeq(header, ",") {
			g, err := grantOf(strings.TrimSpace(who), one[1])
			if err != nil {
				return nil, err
			}
			grants = append(grants, g)
		}
	}
	switch {
	case canned == "" && grants == nil:
		return nil, nil
	case b.ownerEnforced() && (grants != nil || canned != "bucket-owner-full-control"):
		return nil, fail(http.StatusBadRequest, "AccessControlListNotSupported", "The bucket does not allow ACLs")
	case canned != "" && grants != nil:
		return nil, fail(http.StatusBadRequest, "InvalidRequest", "Specifying both Canned ACLs and Header Grants is not allowed")
	}
	switch canned {
	case "", "private", "bucket-owner-full-control":
		return grants, nil
	case "public-read":
		return []store.Grant{{ID: Owner, Permission: fullControl}, {URI: "http://acs.amazonaws.com/groups/global/AllUsers", Permission: "READ"}}, nil
	}
	return nil, fail(http.StatusNotImplemented, "NotImplemented", "This server does not know the canned ACL.")
}

// grantOf reads one grantee: id="…", uri="…" or emailAddress="…".
func grantOf(who, permission string) (store.Grant, error) {
	kind, value, _ := strings.Cut(who, "=")
	value = strings.Trim(value, `"`)
	g := store.Grant{Permission: permission}
	switch {
	case value == "":
		return g, invalidArgument("Argument format not recognized")
	case kind == "id":
		g.ID = value
	case kind == "uri":
		g.URI = value
	case kind == "emailAddress":
		g.Email = value
	default:
		return g, invalidArgument("Argument format not recognized")
	}
	return g, nil
}

// lockOf reads an object lock from headers.
func (s *Server) lockOf(c *call, b *bucket) (l store.Lock, err error) {
	h := c.r.Header
	until := h.Get(headerLockUntil)
	l.Mode = h.Get(headerLockMode)
	hold := h.Get(headerHold)
	switch {
	case l.Mode == "" && until == "" && hold == "":
		return l, nil
	case !b.lock:
		return l, fail(http.StatusBadRequest, "InvalidRequest", "Bucket is missing Object Lock Configuration")
	case (l.Mode == "") != (until == ""):
		return l, invalidArgument("x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied")
	case l.Mode != "" && l.Mode != "GOVERNANCE" && l.Mode != "COMPLIANCE":
		return l, invalidArgument("Unknown wormMode directive.")
	case hold != "" && hold != "ON" && hold != "OFF":
		return l, invalidArgument("Legal Hold must be either of 'ON' or 'OFF'")
	}
	if algorithm, _ := declared(h); algorithm == "" && h.Get("Content-Md5") == "" && h.Get("X-Amz-Trailer") == "" && c.op == "PutObject" {
		return l, fail(http.StatusBadRequest, "InvalidRequest", "Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with Object Lock parameters")
	}
	l.LegalHold = hold == "ON"
	if until == "" {
		return l, nil
	}
	t, err := time.Parse(time.RFC3339Nano, until)
	if err != nil {
		return l, invalidArgument("The retain until date must be provided in ISO 8601 format")
	}
	if l.Until = cooper.InstantOf(t); !t.After(s.now()) {
		return l, invalidArgument("The retain until date must be in the future!")
	}
	return l, nil
}

// protects tells whether a version cannot be removed for good.
func (v *version) protects(now time.Time, bypass bool) bool {
	l := v.lock
	if bypass && l.Mode == "GOVERNANCE" {
		l.Mode = ""
	}
	return l.Holds(cooper.InstantOf(now))
}

// setAttributes says in headers what a version has.
func (v *version) setAttributes(h http.Header) {
	if n := len(v.tags); n > 0 {
		h["X-Amz-Tagging-Count"] = []string{strconv.Itoa(n)}
	}
	if v.lock.Mode != "" {
		h[headerLockMode] = []string{v.lock.Mode}
		h[headerLockUntil] = []string{v.lock.Until.Time().Format(xmlTime)}
	}
	if v.lock.LegalHold {
		h[headerHold] = []string{"ON"}
	}
}

// setEncryption says in headers how a version is encrypted.
func (v *version) setEncryption(h http.Header) {
	switch v.encryption {
	case "", "SSE-S3":
		h[headerSSE] = []string{"AES256"}
	case "SSE-KMS":
		h[headerSSE] = []string{"aws:kms"}
	case "DSSE-KMS":
		h[headerSSE] = []string{"aws:kms:dsse"}
	case "SSE-C":
		h[headerSSE+"-Customer-Algorithm"] = []string{"AES256"}
	}
	if v.kmsKey != "" {
		h[headerKMSKey] = []string{v.kmsKey}
	}
	if v.bucketKey {
		h[headerBucketKey] = []string{"true"}
	}
}

// acl is the whole ACL of a version.
func (v *version) acl() []store.Grant {
	if v.grants == nil {
		return []store.Grant{{ID: Owner, Permission: fullControl}}
	}
	return slices.Clone(v.grants)
}
