package mem

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// ownSuffix is what MarkerSuffix puts behind the key of a marker.
const ownSuffix = "[store:1]"

// inXML gives a key as XML 1.0 can hold it, without references.
func inXML(key string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t', r == '\n', r >= ' ' && r <= 0xd7ff, r >= 0xe000 && r < 0xfffe, r >= 0x10000:
			return r
		}
		return utf8.RuneError
	}, key)
}

// encodingType is what a listing says of its keys.
func (c *call) encodingType() string {
	if c.has(ListNotEncoded) {
		return ""
	}
	return c.query.Get("encoding-type")
}

// nextMarker is how a listing tells the key after which it goes on.
func (c *call) nextMarker(key string) string {
	if c.has(MarkerSuffix) {
		key += ownSuffix
	}
	if c.has(RawNextMarker) {
		return inXML(key)
	}
	return c.encode(key)
}

// listedTime is what a listing says of when a version was written.
func (c *call) listedTime(v *version) string {
	at := v.modified
	if c.has(ListOtherTime) {
		at = at.Add(-37 * time.Second)
	}
	if c.has(ListZoneTime) {
		return at.In(time.FixedZone("", 2*60*60)).Format(time.RFC3339)
	}
	return at.Format(xmlTime)
}

// oddHeaders changes what an answer to GET or HEAD says of an object.
func (c *call) oddHeaders(h http.Header) {
	if c.has(ReadWeakETag) {
		h["Etag"] = []string{"W/" + h.Get("Etag")}
	}
	if c.has(ReadNoETag) {
		delete(h, "Etag")
	}
	byID := c.r.Method == http.MethodHead || c.query.Has("versionId")
	if c.has(TagCountNever) || c.has(TagsUnknown) || c.has(TagCountByID) && !byID {
		delete(h, "X-Amz-Tagging-Count")
	}
}

// transcode answers a read with the object in another encoding than it is
// stored in; it tells whether it did. Neither length nor checksum can be told
// then.
func (c *call) transcode(v *version, h http.Header) bool {
	accepted, stored := c.r.Header.Get("Accept-Encoding"), v.headers["Content-Encoding"]
	accepts := strings.Contains(accepted, "gzip")
	var body []byte
	switch {
	case c.has(Gunzips) && stored == "gzip" && !accepts:
		z, err := gzip.NewReader(bytes.NewReader(v.body))
		if err != nil {
			return false
		}
		if body, err = io.ReadAll(z); err != nil {
			return false
		}
		delete(h, "Content-Encoding")
		h["X-Goog-Stored-Content-Encoding"] = []string{"gzip"}
		h["X-Goog-Stored-Content-Length"] = []string{strconv.Itoa(len(v.body))}
	case c.has(Gzips) && stored == "" && (accepts || accepted == "") && strings.HasPrefix(h.Get("Content-Type"), "text/") && c.r.Header.Get("Range") == "":
		var out bytes.Buffer
		z := gzip.NewWriter(&out)
		_, err := z.Write(v.body)
		if cerr := z.Close(); err != nil || cerr != nil {
			return false
		}
		body = out.Bytes()
		h["Content-Encoding"] = []string{"gzip"}
		if tag := h.Get("Etag"); tag != "" && !strings.HasPrefix(tag, "W/") {
			h["Etag"] = []string{"W/" + tag}
		}
	default:
		return false
	}
	c.w.WriteHeader(http.StatusOK)
	if c.r.Method == http.MethodHead {
		return true
	}
	if err := http.NewResponseController(c.w).Flush(); err != nil { // without a length
		return true
	}
	c.write(body)
	return true
}
