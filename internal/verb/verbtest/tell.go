package verbtest

import (
	"encoding/xml"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"cooper"
)

// Line writes a request down with what matters to most: its operation, key, version
// and conditions.
func Line(op string, r *http.Request, body []byte) string {
	return line(op, r, body, func(string) string { return "the ETag is right" })
}

// LineOfETags is a Line with the ETags of conditions.
func LineOfETags(op string, r *http.Request, body []byte) string {
	return line(op, r, body, func(etag string) string { return etag })
}

func line(op string, r *http.Request, body []byte, etag func(string) string) string {
	switch op {
	case "DeleteObjects":
		var doc struct {
			Object []struct{ Key, VersionId, ETag string }
		}
		if err := xml.Unmarshal(body, &doc); err != nil {
			return op + " " + err.Error()
		}
		text := op
		for _, o := range doc.Object {
			text += fmt.Sprintf(" %s@%s", o.Key, o.VersionId)
			if o.ETag != "" {
				text += " if " + etag(o.ETag)
			}
		}
		return text
	case "ListObjectVersions":
		return op + fmt.Sprintf(" after %q", r.URL.Query().Get("key-marker"))
	}
	text := op + " " + KeyOf(r)
	if v := r.URL.Query().Get("versionId"); v != "" {
		text += "@" + v
	}
	if m := r.Header.Get("If-Match"); m != "" {
		text += " if " + etag(m)
	}
	if r.Header.Get("If-None-Match") != "" {
		text += " if nothing is there"
	}
	return text
}

// KeyOf is the key that a request is about.
func KeyOf(r *http.Request) string {
	key, _ := strings.CutPrefix(r.URL.Path, "/"+Lab)
	return strings.TrimPrefix(key, "/")
}

// Version is one of a key, as a plan would have it.
func (w *World) Version(key, id string) cooper.Version {
	w.t.Helper()
	return w.find(key, func(v *cooper.Version) bool { return v.VersionID == id })
}

// Latest is the current version of a key, as a plan would have it.
func (w *World) Latest(key string) cooper.Version {
	w.t.Helper()
	return w.find(key, func(v *cooper.Version) bool { return v.Latest })
}

func (w *World) find(key string, is func(*cooper.Version) bool) cooper.Version {
	w.t.Helper()
	for _, v := range w.Server.Versions(Lab) {
		if v.Key == key && is(&v) {
			return v
		}
	}
	w.t.Fatalf("no such version of %q", key)
	return cooper.Version{}
}

// Body is what a version holds, the current one if id is empty; nil for nothing.
func (w *World) Body(key, id string) []byte {
	b, _ := w.Server.Body(Lab, key, id)
	return b
}

// Left lists what the bucket has, one version a line; tell adds what it holds, if not
// nil.
func (w *World) Left(tell func(body []byte) string) string {
	var b strings.Builder
	for _, v := range w.Server.Versions(Lab) {
		fmt.Fprintf(&b, "%s@%s", v.Key, v.VersionID)
		if body, ok := w.Server.Body(Lab, v.Key, v.VersionID); ok && !v.DeleteMarker && tell != nil {
			b.WriteString(" " + tell(body))
		}
		if v.DeleteMarker {
			b.WriteString(" marker")
		}
		if v.Latest {
			b.WriteString(" latest")
		}
		b.WriteString("\n")
	}
	return b.String()
}

// Named gives version ids of a text short names, in the order in which they come.
func Named(text string) string {
	var ids []string
	for word := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == ' ' || r == '\n' }) {
		if _, id, ok := strings.Cut(word, "@"); ok && len(id) == 32 && id != cooper.NullVersion && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	for i, id := range ids {
		text = strings.ReplaceAll(text, id, fmt.Sprint("v", i+1))
	}
	return text
}

// States are those that the versioning of a bucket can have gone through, the last
// one included.
func States(versioning string) []string {
	return map[string][]string{"": {""}, "Enabled": {"", "Enabled"}, "Suspended": {"", "Enabled", "Suspended"}}[versioning]
}
