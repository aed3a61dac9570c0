// Package inventory keeps snapshots: what a bucket held at one time, checked,
// normalised, sorted, and immutable.
//
// A Source (an S3 Inventory report, a live listing) delivers rows in any
// order. Build sorts them within a fixed memory budget, sets aside what makes
// no sense, and writes a snapshot of Parquet files that plain DuckDB can read.
// Snapshots are read as one sorted sequence of versions. What follows from a
// snapshot is left to missions.
package inventory

import (
	"context"
	"strings"
	"unicode/utf8"

	"cooper"
	"cooper/internal/seal"
)

// Scope is the part of a bucket that a snapshot speaks about. What lies
// outside can never look deleted.
type Scope struct {
	// Prefix is empty for a whole bucket.
	Prefix string `json:"prefix"`
	// CurrentOnly: older versions and delete markers were not listed.
	CurrentOnly bool `json:"current_only"`
}

// Meta describes a snapshot; it is what `snapshot show --json` prints.
type Meta struct {
	Format int    `json:"format"`
	ID     string `json:"id"`
	Source string `json:"source"` // where it was read from: s3://…/manifest.json, a directory, "listing of s3://…"
	Bucket string `json:"bucket"` // the bucket it describes
	// Store is the one that the bucket is in; nil if the source does not tell.
	Store   *cooper.Store  `json:"store,omitempty"`
	TakenAt cooper.Instant `json:"taken_at"` // the moment it speaks of: the manifest's creationTimestamp, the listing's beginning
	Created cooper.Instant `json:"created"`  // when Build finished
	Scope   Scope          `json:"scope"`
	// Complete: every file of the report was read whole, nothing failed.
	// Rejected rows do not make a snapshot incomplete: their keys are kept in
	// rejected.parquet and never look deleted.
	Complete      bool  `json:"complete"`
	Versions      int64 `json:"versions"` // without delete markers
	DeleteMarkers int64 `json:"delete_markers"`
	Bytes         int64 `json:"bytes"` // all versions
	// Latest and LatestBytes count the keys a mirror shows.
	Latest      int64 `json:"latest"`
	LatestBytes int64 `json:"latest_bytes"`
	Rejected    int64 `json:"rejected"`
	// Torn counts those of them whose key could not be read. While there are
	// some, nothing may look absent: any of them could be the missing one.
	Torn int64 `json:"torn"`
	// Unnamed counts keys that a listing cannot tell, as XML has no word for a
	// character of theirs: they stand in the snapshot with U+FFFD in its place, and
	// are there under other names. While there are some, no key that has such a
	// character may look absent: see Untellable.
	Unnamed int64 `json:"unnamed,omitempty"`
	// Duplicates counts rows that repeated another exactly; they were dropped.
	Duplicates int64 `json:"duplicates"`
	// Keys is how many there are, of whatever versions; 0 in snapshots that were made
	// before they were counted.
	Keys int64 `json:"keys,omitempty"`
	// Ambiguous counts keys with several latest versions, which contradict each other;
	// missions leave them alone. (Never counted for CurrentOnly.)
	Ambiguous int64 `json:"ambiguous"`
	// Hidden counts keys of which no version is the latest: nothing is shown of them.
	Hidden int64 `json:"hidden,omitempty"`
	// Outside counts rows that lay outside Scope.Prefix; they were dropped.
	Outside int64 `json:"outside"`
	// Runs is how many sorted pieces were merged to make the snapshot.
	Runs int `json:"runs"`
	// Columns are those the report had, as it names them.
	Columns []string `json:"columns,omitempty"`
	// Files are the data files of this snapshot, relative to its directory, in
	// key order; with rows and first and last key.
	Files []File `json:"files"`
	// RejectedFile holds the rejected rows, sorted by key; nil if there are none.
	RejectedFile *File `json:"rejected_file,omitempty"`
}

// Contradicts tells whether so many keys contradict themselves, more than one in a
// thousand or a thousand in all, that it is not the keys that are odd, but what they were
// read from.
func (m *Meta) Contradicts() bool {
	return m.Ambiguous >= 1000 || m.Keys > 0 && m.Ambiguous > m.Keys/1000
}

// MakesNoSense tells whether more rows were set aside than taken: it is the source that is
// not what it is taken for.
func (m *Meta) MakesNoSense() bool { return m.Rejected > m.Versions+m.DeleteMarkers }

// File is one Parquet file of a snapshot.
type File struct {
	Name   string `json:"name"`
	Rows   int64  `json:"rows"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
	// Sums are of its blocks: no byte of it is believed that does not fit them. Files
	// of format 1 have none, and are read whole for their SHA256 first.
	Sums seal.Sums `json:"sums,omitzero"`
	// Footer is in format 1 alone: the SHA-256 of Parquet's description at the
	// file's end.
	Footer   string `json:"footer_sha256,omitempty"`
	FirstKey string `json:"first_key"`
	LastKey  string `json:"last_key"`
}

// Rejected is a row that was set aside.
type Rejected struct {
	File string // of the report
	Row  int64  // 1 is the first
	Key  []byte // as far as it could be read; not always UTF-8
	// Torn tells that Key is not, or may not be, the key of the object.
	Torn   bool
	Reason string
}

// Sink takes the rows of a Part. Neither method keeps its argument's memory:
// strings in v may point into a buffer the part uses again.
type Sink interface {
	Version(v *cooper.Version) error
	Reject(r Rejected) error
}

// UnnamedSink is a Sink that counts keys that are not told: see Meta.Unnamed. Their
// rows come as others do.
type UnnamedSink interface{ Unnamed(keys int64) }

// Untellable tells whether a key has a character that XML 1.0 has no word for, so that
// a listing that is not encoded cannot tell the key.
// https://www.w3.org/TR/xml/#charsets
func Untellable(key string) bool {
	return strings.ContainsFunc(key, func(r rune) bool {
		return r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0xfffe || r == 0xffff || r == utf8.RuneError
	})
}

// Part is a piece of a source that can be read by itself, beside others.
type Part interface {
	// Name says which piece in messages.
	Name() string
	// Read delivers every row once, in any order. An error means that the part
	// was not read whole.
	Read(ctx context.Context, to Sink) error
}

// Source is where a snapshot comes from. Meta gives Source, Bucket, TakenAt,
// Scope and Columns; Build fills in the rest. A source of current versions
// only marks every row as the latest.
type Source interface {
	Meta() Meta
	Parts() []Part
}

// Iterator walks sorted versions. The version Next returns is good until the
// following call, its strings for ever. After the last one Next gives io.EOF.
type Iterator interface {
	Next() (*cooper.Version, error)
	Close() error
}
