package s3

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

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
	o := store.Object{
		Key:          key,
		VersionID:    h.Get("X-Amz-Version-Id"),
		ETag:         etagOf(h.Get("Etag")),
		Size:         length,
		Length:       length,
		StorageClass: h.Get("X-Amz-Storage-Class"),
		ContentType:  h.Get("Content-Type"),
		ChecksumType: h.Get("X-Amz-Checksum-Type"),
		Encryption:   h.Get("X-Amz-Server-Side-Encryption"),
		Restore:      h.Get("X-Amz-Restore"),
	}
	if t, err := http.ParseTime(h.Get("Last-Modified")); err == nil {
		o.LastModified = cooper.InstantOf(t)
	}
	for name, vs := range h {
		switch {
		case !strings.HasPrefix(name, "X-Amz-"):
		case strings.HasPrefix(name, metadataPrefix):
			if o.Metadata == nil {
				o.Metadata = map[string]string{}
			}
			o.Metadata[strings.ToLower(name[len(metadataPrefix):])] = strings.Join(vs, ",")
		default:
			if a, ok := checksumHeaders[name]; ok {
				if o.Checksums == nil {
					o.Checksums = map[string]string{}
				}
				o.Checksums[a] = vs[0]
			}
		}
	}
	if n := h.Get("X-Amz-Mp-Parts-Count"); n != "" {
		parts, err := strconv.Atoi(n)
		if err != nil || parts < 1 {
			return o, malformed("%d as the number of parts", parts)
		}
		o.Parts = parts
	}
	return o, nil
}

// describe reads the answer to a GET or HEAD and holds it against what was
// asked for, because some stores ignore conditions and ranges.
func describe(status int, h http.Header, length int64, ref store.Ref, r store.Range) (store.Object, error) {
	if length < 0 {
		return store.Object{}, malformed("no Content-Length")
	}
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
	if ref.IfMatch != "" && o.ETag != "" && o.ETag != ref.IfMatch {
		return o, &failure{status: http.StatusPreconditionFailed, message: "another ETag: " + clip(o.ETag, 80)}
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
