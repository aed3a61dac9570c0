package gcop

import (
	"errors"
	"maps"
	"net/url"
	"strings"
)

// The metadata that a copy in an archive bucket has beside that of its original: whose it is. docs/formats/gc.md
// describes it.
const (
	NotePrefix  = "cooper-archive-"
	NoteVersion = NotePrefix + "version" // the version id of the original, percent-encoded, as the others are
	NoteETag    = NotePrefix + "etag"
	NoteHandle  = NotePrefix + "handle" // one of its handles; and how many more there are
	NoteSource  = NotePrefix + "source" // BUCKET/KEY
	NoteTime    = NotePrefix + "time"
	NoteRun     = NotePrefix + "run"
	NoteClass   = NotePrefix + "class" // of the original; none for STANDARD
)

// IsNote tells whether metadata of that name is a copy's own, and not its original's.
func IsNote(name string) bool { return strings.HasPrefix(strings.ToLower(name), NotePrefix) }

// WithoutNote is the metadata of a copy as its original has it.
func WithoutNote(metadata map[string]string) map[string]string {
	m := maps.Clone(metadata)
	maps.DeleteFunc(m, func(name, _ string) bool { return IsNote(name) })
	return m
}

// Noted reads what a copy says that it is of: the version id and the ETag of its original. Not ok if it says nothing that can be read, or
// that it is of another object than one.
func Noted(metadata map[string]string, bucket, key string) (version, etag string, ok bool) {
	version, err1 := url.QueryUnescape(metadata[NoteVersion])
	etag, err2 := url.QueryUnescape(metadata[NoteETag])
	source, err3 := url.QueryUnescape(metadata[NoteSource])
	return version, etag, errors.Join(err1, err2, err3) == nil && version != "" && etag != "" && (source == "" || source == ArchiveKey(bucket, key))
}
