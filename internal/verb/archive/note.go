package archive

import (
	"fmt"
	"net/url"
	"strings"

	"cooper"
	"cooper/internal/gcop"
	"cooper/internal/store"
)

// mostMetadata is how many bytes names and values of metadata may have.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html
const mostMetadata = 2048

// encoded writes a text so that a header carries it as it is.
func encoded(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

// note adds to the metadata of an original what its copy says of itself, as far as there is room; what there is none for
// is in the manifest alone. Without version and ETag nobody could take the copy up.
func (b *batch) note(o *object, it *item, from map[string]string) (m map[string]string, noRoom []string, err error) {
	m = map[string]string{}
	size := 0
	add := func(name, value string) bool {
		if size+len(name)+len(value) > mostMetadata {
			return false
		}
		m[name], size = value, size+len(name)+len(value)
		return true
	}
	for name, value := range from {
		if !gcop.IsNote(name) {
			m[name], size = value, size+len(name)+len(value)
		}
	}
	if !add(gcop.NoteVersion, encoded(it.Version.VersionID)) || !add(gcop.NoteETag, encoded(it.Version.ETag)) {
		return nil, nil, it.error(cooper.KindConflict, "its metadata has no room for a note of where it comes from", "Take some of its metadata away, or leave it.")
	}
	handle := ""
	if len(o.holders) > 0 {
		if handle = encoded(gcop.Handle(o.holders[0].Kind, o.holders[0].ID)); len(o.holders) > 1 {
			handle += fmt.Sprintf(" +%d", len(o.holders)-1)
		}
	}
	for _, x := range [][2]string{
		{gcop.NoteClass, classOf(&it.source)}, {gcop.NoteRun, b.run}, {gcop.NoteTime, cooper.InstantOf(b.opt.Clock()).String()}, {gcop.NoteHandle, handle}, {gcop.NoteSource, strings.ReplaceAll(encoded(o.bucket+"/"+o.key), "%2F", "/")},
	} {
		if x[1] != "" && !add(x[0], x[1]) {
			noRoom = append(noRoom, x[0])
		}
	}
	return m, noRoom, nil
}

// classOf is the class of an original, if it is not the one that is meant where none is said.
func classOf(source *store.Object) string {
	if store.SameClass(source.StorageClass, "") {
		return ""
	}
	return encoded(source.StorageClass)
}

// isCopy tells whether something in the archive says that it is the copy of a version. Where it says of what it is, that
// counts, too.
func (b *batch) isCopy(o *object, it *item, there *store.Object) bool {
	m := there.Metadata
	source, told := m[gcop.NoteSource]
	return m[gcop.NoteVersion] == encoded(it.Version.VersionID) && strings.EqualFold(m[gcop.NoteETag], encoded(it.Version.ETag)) &&
		(!told || source == strings.ReplaceAll(encoded(o.bucket+"/"+o.key), "%2F", "/"))
}
