package mem

import (
	"fmt"
	"net/http"
	"slices"
)

// Quirk is a way in which a real store departs from S3. Quirks says what each
// does, and where it was seen.
type Quirk string

// quirks are the ones that are switched on.
type quirks map[Quirk]bool

// SetQuirks makes the server behave with these quirks and no others.
func (s *Server) SetQuirks(names ...Quirk) {
	set := quirks{}
	for _, name := range names {
		if !slices.ContainsFunc(Quirks, func(d Described) bool { return d.Name == name }) {
			panic(fmt.Sprintf("mem: no quirk %q", name))
		}
		set[name] = true
	}
	s.quirks.Store(&set)
}

// has tells whether the server as a whole has a quirk, one of those that change
// what is stored.
func (s *Server) has(q Quirk) bool { return (*s.quirks.Load())[q] }

// has tells whether a request is answered with a quirk.
func (c *call) has(q Quirk) bool { return c.quirks[q] }

// Plain serves the same buckets without the quirks of answers, for who arranges
// a bucket or looks at what has become of it. Quirks that change what is stored
// (dates of superseded versions, deletion without marker, ETags) stay.
func (s *Server) Plain() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.serve(w, r, nil) })
}

// oddity answers requests that a quirk refuses whatever they are about, or
// answers with something else. It tells whether it did.
func (s *Server) oddity(c *call) (bool, error) {
	if len(c.quirks) == 0 {
		return false, nil
	}
	for _, refuse := range []func(*call) error{oddSignature, oddVersions, oddChecksums, oddConditions, oddDeletes, oddCopies, oddSettings} {
		if err := refuse(c); err != nil {
			return true, err
		}
	}
	switch {
	case c.op == "GetBucketOwnershipControls" && c.has(OwnershipIsListing), c.op == "GetBucketEncryption" && c.has(EncryptionIsListing):
		return true, s.listObjects(c)
	case c.op == "GetObjectTagging" && c.has(TagsAreContent):
		return true, s.getObject(c)
	}
	return false, nil
}

var errUnknownFunction = fail(http.StatusNotImplemented, "NotImplemented", "A header or query you provided requested a function that is not implemented.")

// oddSignature: who changes Accept-Encoding on the way finds that the signature
// of it does not hold.
func oddSignature(c *call) error {
	sig, signed := parseSignature(c.r.Header.Get("Authorization"))
	if signed && c.has(AcceptEncodingChanged) && slices.Contains(sig.headers, "accept-encoding") {
		return fail(http.StatusForbidden, "SignatureDoesNotMatch", "Access denied.")
	}
	return nil
}

func oddVersions(c *call) error {
	none := c.has(NoVersionsAPI)
	switch {
	case c.op == "ListObjectVersions" && (none || c.has(VersionsUnknown)),
		c.op == "GetBucketVersioning" && (none || c.has(VersioningUnknown)),
		(c.op == "GetObjectTagging" || c.op == "PutObjectTagging") && c.has(TagsUnknown),
		c.op == "RestoreObject" && c.has(RestoreUnknown):
		return errUnknownFunction
	case none && c.query.Has("versionId"):
		return fail(http.StatusNotImplemented, "NotImplemented", c.op+" search parameter versionId not implemented")
	case c.query.Get("versionId") != "null":
	case c.op == "HeadObject" && c.has(HeadNullMissing):
		return fail(http.StatusNotFound, "NoSuchVersion", "The specified version does not exist.")
	case c.op == "HeadObject" && c.has(HeadNullRefused):
		return invalidArgument("Invalid version id specified")
	case (c.op == "GetObjectTagging" || c.op == "PutObjectTagging") && c.has(TagsNullMissing):
		return fail(http.StatusNotFound, "NoSuchVersion", "The specified version does not exist.")
	}
	return nil
}

func oddChecksums(c *call) error {
	refuses, knowsNot := c.has(ChecksumsRefused), c.has(ChecksumsUnknown)
	if !refuses && !knowsNot {
		return nil
	}
	if refuses && c.r.Header.Get("X-Amz-Checksum-Mode") != "" {
		return unsupportedHeader("x-amz-checksum-mode")
	}
	if c.r.Method == http.MethodGet || c.r.Method == http.MethodHead {
		return nil
	}
	names := []string{"X-Amz-Sdk-Checksum-Algorithm", "X-Amz-Checksum-Algorithm", "X-Amz-Checksum-Type", "X-Amz-Trailer"}
	for _, a := range algorithms {
		names = append(names, a.header)
	}
	for _, name := range names {
		switch {
		case c.r.Header.Get(name) == "":
		case refuses:
			return unsupportedHeader(name)
		default:
			return fail(http.StatusNotImplemented, "NotImplemented", "A header you provided implies functionality that is not implemented")
		}
	}
	return nil
}

func unsupportedHeader(name string) error {
	return invalidArgument("Unsupported header '" + name + "' received for this API call.")
}

func oddConditions(c *call) error {
	writes := c.op == "PutObject" || c.op == "CompleteMultipartUpload"
	match := c.r.Header.Get("If-Match") != ""
	switch {
	case c.op == "PutObject" && match && c.has(PutMatchFails):
		return errPrecondition.with("Condition", "If-Match")
	case writes && match && c.has(PutMatchUnknown), c.op == "DeleteObject" && match && c.has(DeleteMatchUnknown):
		return errUnknownFunction
	case (c.op == "GetObject" || c.op == "HeadObject") && match && c.has(ReadMatchFails):
		return errPrecondition.with("Condition", "If-Match")
	}
	return nil
}

func oddDeletes(c *call) error {
	switch {
	case c.op != "DeleteObjects":
	case c.has(NoDeleteObjects):
		return errUnknownFunction
	case c.has(DeleteObjectsInvalid):
		return fail(http.StatusBadRequest, "InvalidRequest", "POST ?delete is not implemented for objects.")
	}
	return nil
}

func oddSettings(c *call) error {
	if c.op == "GetBucketOwnershipControls" {
		switch {
		case c.has(OwnershipFails):
			return fail(http.StatusInternalServerError, "InternalError", "unexpected status code 500")
		case c.has(GrantWithoutID):
			return errUnknownFunction
		}
	}
	switch c.op {
	case "GetObjectRetention", "GetObjectLegalHold", "GetBucketLifecycleConfiguration", "ListBucketIntelligentTieringConfigurations",
		"GetBucketOwnershipControls", "GetObjectLockConfiguration", "GetBucketEncryption", "GetBucketAcl", "GetObjectAcl":
		if c.has(SettingsUnknown) {
			return errUnknownFunction
		}
	}
	return nil
}
