package s3

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"cooper"
	"cooper/internal/store"
)

var checksumHeaders = map[string]string{
	"X-Amz-Checksum-Crc32":     "CRC32",
	"X-Amz-Checksum-Crc32c":    "CRC32C",
	"X-Amz-Checksum-Crc64nvme": "CRC64NVME",
	"X-Amz-Checksum-Sha1":      "SHA1",
	"X-Amz-Checksum-Sha256":    "SHA256",
}

const metadataPrefix = "X-Amz-Meta-"

// objectOf reads the headers of an answer to GET, HEAD or PUT; length is that
// of its body.
func objectOf(key string, h http.Header, length int64) (store.Object, error) {
	o := store.Object{Key: key, Size: length, Length: length, Tags: store.Untold}
	for name, vs := range h {
		v := vs[0]
		switch name {
		case "Etag":
			o.ETag = etagOf(v)
		case "Content-Type":
			o.ContentType = v
		case "Last-Modified":
			if t, err := http.ParseTime(v); err == nil {
				o.LastModified = cooper.InstantOf(t)
			}
		case "Content-Encoding":
			o.Headers.ContentEncoding = withoutChunked(strings.Join(vs, ","))
		case "Cache-Control":
			o.Headers.CacheControl = strings.Join(vs, ",")
		case "Content-Disposition":
			o.Headers.ContentDisposition = v
		case "Content-Language":
			o.Headers.ContentLanguage = strings.Join(vs, ",")
		case "Expires":
			o.Headers.Expires = v
		default:
			if !strings.HasPrefix(name, "X-Amz-") {
				break
			}
			if err := amazonHeader(&o, name, vs); err != nil {
				return o, err
			}
		}
	}
	return o, nil
}

// amazonHeader takes in one header of S3's own. What is protected or cannot be
// read whole must not be taken for what is not: there, nonsense is an error.
func amazonHeader(o *store.Object, name string, vs []string) (err error) {
	v := vs[0]
	switch name {
	case "X-Amz-Version-Id":
		o.VersionID = v
	case headerClass:
		o.StorageClass = v
	case "X-Amz-Checksum-Type":
		o.ChecksumType = v
	case headerSSE:
		o.Encryption = v
	case headerKMSKey:
		o.KMSKey = v
	case headerBucketKey:
		o.BucketKey = strings.EqualFold(v, "true")
	case "X-Amz-Restore":
		o.Restore = v
	case "X-Amz-Archive-Status":
		o.ArchiveStatus = v
	case headerRedirect:
		o.Headers.Redirect = v
	case headerLockMode:
		o.Lock.Mode = v
	case headerLockUntil:
		t, err := time.Parse(time.RFC3339Nano, v)
		if err != nil || t.IsZero() {
			return malformed("retention until %q", clip(v, 100))
		}
		o.Lock.Until = cooper.InstantOf(t)
	case headerHold:
		o.Lock.LegalHold = v != "OFF"
	case "X-Amz-Tagging-Count":
		o.Tags, err = count(v, 0, "tags")
	case "X-Amz-Missing-Meta":
		o.HiddenMetadata, err = count(v, 0, "missing entries of metadata")
	case "X-Amz-Mp-Parts-Count":
		o.Parts, err = count(v, 1, "parts")
	default:
		if key, ok := strings.CutPrefix(name, metadataPrefix); ok {
			if o.Metadata == nil {
				o.Metadata = map[string]string{}
			}
			o.Metadata[strings.ToLower(key)] = strings.Join(vs, ",")
		} else if a, ok := checksumHeaders[name]; ok {
			if o.Checksums == nil {
				o.Checksums = map[string]string{}
			}
			o.Checksums[a] = v
		}
	}
	return err
}

func count(s string, least int, what string) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < least {
		return 0, malformed("%q as the number of %s", clip(s, 40), what)
	}
	return n, nil
}

// withoutChunked takes the encoding of the transfer out of that of the object,
// where a store has kept it.
func withoutChunked(encoding string) string {
	if !strings.Contains(encoding, "aws-chunked") {
		return encoding
	}
	var rest []string
	for one := range strings.SplitSeq(encoding, ",") {
		if one = strings.TrimSpace(one); one != "aws-chunked" && one != "" {
			rest = append(rest, one)
		}
	}
	return strings.Join(rest, ",")
}

// describe reads the answer to a GET or HEAD and holds it against what was
// asked for, because some stores ignore conditions and ranges. A negative length
// is not told.
func describe(status int, h http.Header, length int64, ref store.Ref, r store.Range) (store.Object, error) {
	o, err := objectOf(ref.Key, h, length)
	if err != nil {
		return o, err
	}
	first := int64(0)
	if status == http.StatusPartialContent {
		var last int64
		first, last, o.Size, err = contentRange(h.Get("Content-Range"))
		if err != nil {
			return o, err
		}
		if length < 0 {
			length = last - first + 1
			o.Length = length
		}
		if last-first+1 != length {
			return o, malformed("Content-Range %q with %d bytes", clip(h.Get("Content-Range"), 100), length)
		}
	}
	if r != (store.Range{}) {
		want := o.Size - r.From
		if r.Length > 0 {
			want = min(want, r.Length)
		}
		if first != r.From || length != want {
			return o, malformed("bytes %d+%d of %d, asked for %d+%d", first, length, o.Size, r.From, r.Length)
		}
	}
	if otherTag(&o, ref) {
		return o, another(&o)
	}
	if ref.VersionID != "" && ref.VersionID != cooper.NullVersion && o.VersionID != "" && o.VersionID != ref.VersionID {
		return o, &failure{status: http.StatusPreconditionFailed, message: "another version: " + clip(o.VersionID, 80)}
	}
	return o, nil
}

// contentRange reads "bytes FIRST-LAST/SIZE".
func contentRange(s string) (first, last, size int64, err error) {
	bad := malformed("Content-Range %q", clip(s, 100))
	spec, ok := strings.CutPrefix(s, "bytes ")
	if !ok {
		return 0, 0, 0, bad
	}
	span, total, ok1 := strings.Cut(spec, "/")
	from, to, ok2 := strings.Cut(span, "-")
	first, err1 := strconv.ParseInt(from, 10, 64)
	last, err2 := strconv.ParseInt(to, 10, 64)
	size, err3 := strconv.ParseInt(total, 10, 64)
	if !ok1 || !ok2 || errors.Join(err1, err2, err3) != nil || first < 0 || last < first || size <= last {
		return 0, 0, 0, bad
	}
	return first, last, size, nil
}

// vouched checks that the store, where it names the SHA-256 of what it stored,
// names the right one.
func vouched(o store.Object, s sums) error {
	want := base64.StdEncoding.EncodeToString(s.sha256)
	if got := o.Checksums["SHA256"]; got != "" && got != want {
		return &failure{corrupt: true, err: fmt.Errorf("the store names SHA-256 %s, sent was %s", clip(got, 80), want)}
	}
	return nil
}

func malformed(format string, args ...any) *failure {
	return &failure{malformed: true, err: fmt.Errorf(format, args...)}
}

// etagOf takes the quotes off, and the mark of weakness that proxies add.
func etagOf(s string) string { return strings.Trim(strings.TrimPrefix(s, "W/"), `"`) }
