package mem

import (
	"net/http"
	"net/url"
	"strings"
)

// Unknown is the operation of a request that S3 does not know, or that this
// server does not.
const Unknown = "Unknown"

// call is one request on its way.
type call struct {
	w   http.ResponseWriter
	r   *http.Request
	id  uint64 // the number of the request
	op  string // S3's name of the operation
	raw string // the path as it was sent, still escaped
	// bucket and key are unescaped; empty where the request names none.
	bucket, key string
	query       url.Values
	quirks      quirks
}

// handlers are the operations this server knows.
var handlers = map[string]func(*Server, *call) error{
	Unknown:                   (*Server).notImplemented,
	"ListBuckets":             (*Server).listBuckets,
	"CreateBucket":            (*Server).createBucket,
	"DeleteBucket":            (*Server).deleteBucket,
	"HeadBucket":              (*Server).headBucket,
	"GetBucketLocation":       (*Server).getBucketLocation,
	"GetBucketVersioning":     (*Server).getBucketVersioning,
	"PutBucketVersioning":     (*Server).putBucketVersioning,
	"ListObjectsV2":           (*Server).listObjects,
	"ListObjectVersions":      (*Server).listObjectVersions,
	"ListMultipartUploads":    (*Server).listMultipartUploads,
	"DeleteObjects":           (*Server).deleteObjects,
	"GetObject":               (*Server).getObject,
	"HeadObject":              (*Server).getObject,
	"PutObject":               (*Server).putObject,
	"CopyObject":              (*Server).copyObject,
	"UploadPartCopy":          (*Server).uploadPartCopy,
	"DeleteObject":            (*Server).deleteObject,
	"RestoreObject":           (*Server).restoreObject,
	"CreateMultipartUpload":   (*Server).createMultipartUpload,
	"UploadPart":              (*Server).uploadPart,
	"CompleteMultipartUpload": (*Server).completeMultipartUpload,
	"AbortMultipartUpload":    (*Server).abortMultipartUpload,
	"ListParts":               (*Server).listParts,

	"GetBucketAcl":               (*Server).getBucketACL,
	"GetBucketEncryption":        (*Server).getBucketEncryption,
	"GetObjectLockConfiguration": (*Server).getObjectLockConfiguration,
	"GetBucketOwnershipControls": (*Server).getBucketOwnershipControls,
	"GetObjectAcl":               (*Server).getObjectACL,
	"GetObjectTagging":           (*Server).getObjectTagging,
	"PutObjectTagging":           (*Server).putObjectTagging,
	"GetObjectRetention":         (*Server).getObjectRetention,
	"GetObjectLegalHold":         (*Server).getObjectLegalHold,

	"GetBucketLifecycleConfiguration":            (*Server).getLifecycle,
	"PutBucketLifecycleConfiguration":            (*Server).putLifecycle,
	"ListBucketIntelligentTieringConfigurations": (*Server).listTierings,
	"PutBucketIntelligentTieringConfiguration":   (*Server).putTiering,
}

func (s *Server) notImplemented(*call) error {
	return fail(http.StatusNotImplemented, "NotImplemented", "This server does not know the operation.")
}

// parse reads bucket, key and query from the request as it was sent: what
// net/http made of the path may be cleaned already.
func (c *call) parse() error {
	target := c.r.RequestURI
	if target == "" { // made by hand, never on the wire
		target = c.r.URL.EscapedPath() + "?" + c.r.URL.RawQuery
	}
	if rest, absolute := strings.CutPrefix(target, "http://"); absolute {
		target = rest[max(0, strings.IndexAny(rest+"/", "/?")):]
	}
	path, query, _ := strings.Cut(target, "?")
	c.raw = path
	c.op = Unknown
	name, key, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	var err error
	if c.bucket, err = url.PathUnescape(name); err != nil {
		return fail(http.StatusBadRequest, "InvalidURI", "Couldn't parse the specified URI.")
	}
	if c.key, err = url.PathUnescape(key); err != nil {
		return fail(http.StatusBadRequest, "InvalidURI", "Couldn't parse the specified URI.")
	}
	if c.query, err = url.ParseQuery(query); err != nil {
		return fail(http.StatusBadRequest, "InvalidURI", "Couldn't parse the specified URI.")
	}
	c.op = operation(c.r.Method, c.bucket, c.key, c.query, c.r.Header)
	return nil
}

// Operation names the S3 operation that a request asks for, Unknown if it is
// none that this server knows. The request is not changed.
func Operation(r *http.Request) string {
	c := &call{r: r}
	if err := c.parse(); err != nil {
		return Unknown
	}
	return c.op
}

func operation(method, bucket, key string, q url.Values, h http.Header) string {
	if len(q) > 0 {
		if op, ok := subresource(method, key, q); ok && bucket != "" {
			return op
		}
	}
	switch {
	case bucket == "" && key == "" && method == http.MethodGet:
		return "ListBuckets"
	case bucket == "":
		return Unknown
	case key == "":
		return bucketOperation(method, q)
	}
	return objectOperation(method, q, h)
}

func bucketOperation(method string, q url.Values) string {
	switch method {
	case http.MethodHead:
		return "HeadBucket"
	case http.MethodDelete:
		return "DeleteBucket"
	case http.MethodPut:
		if q.Has("versioning") {
			return "PutBucketVersioning"
		}
		return "CreateBucket"
	case http.MethodPost:
		if q.Has("delete") {
			return "DeleteObjects"
		}
	case http.MethodGet:
		switch {
		case q.Has("location"):
			return "GetBucketLocation"
		case q.Has("versioning"):
			return "GetBucketVersioning"
		case q.Has("versions"):
			return "ListObjectVersions"
		case q.Has("uploads"):
			return "ListMultipartUploads"
		case q.Get("list-type") == "2":
			return "ListObjectsV2"
		}
	}
	return Unknown
}

func objectOperation(method string, q url.Values, h http.Header) string {
	switch method {
	case http.MethodGet:
		if q.Has("uploadId") {
			return "ListParts"
		}
		return "GetObject"
	case http.MethodHead:
		return "HeadObject"
	case http.MethodDelete:
		if q.Has("uploadId") {
			return "AbortMultipartUpload"
		}
		return "DeleteObject"
	case http.MethodPut:
		copied := h.Get("X-Amz-Copy-Source") != ""
		switch {
		case q.Has("uploadId") && !copied:
			return "UploadPart"
		case q.Has("uploadId"):
			return "UploadPartCopy"
		case copied:
			return "CopyObject"
		}
		return "PutObject"
	case http.MethodPost:
		switch {
		case q.Has("uploads"):
			return "CreateMultipartUpload"
		case q.Has("uploadId"):
			return "CompleteMultipartUpload"
		case q.Has("restore"):
			return "RestoreObject"
		}
	}
	return Unknown
}
