package archive

import (
	"fmt"
	"maps"
	"net/url"
	"strings"

	"cooper"
	"cooper/internal/gcop"
	"cooper/internal/store"
)

// The metadata that a copy in the archive has beside that of its original. docs/formats/gc.md describes it.
const (
	ours        = "cooper-archive-"
	metaVersion = ours + "version" // the version id of the original
	metaETag    = ours + "etag"
	metaHandle  = ours + "handle" // one of its handles, percent-encoded; and how many more there are
	metaSource  = ours + "source" // BUCKET/KEY, percent-encoded
	metaTime    = ours + "time"
	metaRun     = ours + "run"
	metaClass   = ours + "class" // of the original; none for STANDARD
)

// mostMetadata is how many bytes names and values of metadata may have.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html
const mostMetadata = 2048

func isOurs(name string) bool { return strings.HasPrefix(strings.ToLower(name), ours) }

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
		if !isOurs(name) {
			m[name], size = value, size+len(name)+len(value)
		}
	}
	if !add(metaVersion, encoded(it.Version.VersionID)) || !add(metaETag, encoded(it.Version.ETag)) {
		return nil, nil, it.error(cooper.KindConflict, "its metadata has no room for a note of where it comes from", "Take some of its metadata away, or leave it.")
	}
	handle := ""
	if len(o.holders) > 0 {
		if handle = encoded(gcop.Handle(o.holders[0].Kind, o.holders[0].ID)); len(o.holders) > 1 {
			handle += fmt.Sprintf(" +%d", len(o.holders)-1)
		}
	}
	for _, x := range [][2]string{
		{metaClass, classOf(&it.source)}, {metaRun, b.run}, {metaTime, cooper.InstantOf(b.opt.Clock()).String()}, {metaHandle, handle}, {metaSource, strings.ReplaceAll(encoded(o.bucket+"/"+o.key), "%2F", "/")},
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
	source, told := m[metaSource]
	return m[metaVersion] == encoded(it.Version.VersionID) && strings.EqualFold(m[metaETag], encoded(it.Version.ETag)) &&
		(!told || source == strings.ReplaceAll(encoded(o.bucket+"/"+o.key), "%2F", "/"))
}

// theirs is the metadata of a copy without our own.
func theirs(m map[string]string) map[string]string {
	m = maps.Clone(m)
	maps.DeleteFunc(m, func(name, _ string) bool { return isOurs(name) })
	return m
}
