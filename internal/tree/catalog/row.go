// Package catalog keeps the list of every version a tree knows: where its
// bytes are, how far they were verified, and when the bucket showed it.
//
// It is a sorted base and sorted deltas, all Parquet, under one generation
// pointer; a delta appears together with the progress of the run that made it,
// or not at all. Readers see one sorted sequence of rows, the newest word on
// each. Moving bytes is left to package tree.
package catalog

import "cooper"

// Place is where the bytes of a version are.
type Place uint8

// The places.
const (
	Nowhere Place = iota // there are no bytes: a delete marker, not fetched yet, or pruned
	Mirror               // under its own path
	History              // under the day it was superseded
)

// Reasons why a version is in history.
const (
	Older      = "older"       // was not the latest when first seen
	Replaced   = "replaced"    // another version became the latest
	Deleted    = "deleted"     // a delete marker became the latest
	Vanished   = "vanished"    // absent from two complete snapshots, without a delete marker
	RolledBack = "rolled-back" // a rollback put another version in its place
)

// Pruned is the reason why a version that was in history has no bytes: they
// were deleted, as a person asked. Method says when. Its row stays as long as
// the bucket lists the version, so that it is not fetched again.
const Pruned = "pruned"

// Adopted begins the Method of a version that was taken over from another
// program, as long as its bytes are not verified: which version it is, that
// program alone said.
const Adopted = "adopted"

// Row is one version in the catalog.
type Row struct {
	cooper.Identity
	DeleteMarker bool
	Place        Place
	// Reason and Superseded are about versions that are not in the mirror;
	// Superseded is when it stopped being the latest, and names the day of the
	// history directory (UTC).
	Reason     string
	Superseded cooper.Instant
	// Shown lists when the bucket was seen to show this version as the latest:
	// from, until, from, until, …: instants of snapshots; until is the first
	// snapshot that showed something else. An odd length means it still does.
	// Delete markers have it too.
	Shown []int64
	// FirstSeen is the instant of the first snapshot that listed it.
	FirstSeen cooper.Instant
	// AbsentSince is the instant of the first complete covering snapshot that
	// did not list it, 0 while it is listed. Gone is that of the second.
	AbsentSince cooper.Instant
	Gone        cooper.Instant
	// Check, Method and Hash: as in cooper.Outcome.
	Check  cooper.Check
	Method string
	Hash   []byte
	// Told is what the store told of the version beside all this, nil if nobody asked.
	// What a newer row of the same identity leaves out, an older one still says.
	Told *Told
	// Dropped removes the row: in deltas only (a pruned version that is gone from
	// the bucket, too; or an identity that was replaced by the same version with
	// its version id known).
	Dropped bool
}

// Told is what a store says of a version beside its identity. Nil is not known,
// which is something else than known to be empty.
type Told struct {
	ContentType, ContentEncoding, ContentDisposition, ContentLanguage, CacheControl *string
	// Metadata and Tags are JSON objects of strings: the user's metadata, without
	// x-amz-meta-, and the tags.
	Metadata, Tags *string
	// ChecksumMethod is that of S3 (SHA256, CRC64NVME, …), with "-" and the number of
	// parts if it is one of the checksums of parts; Checksum are its bytes.
	ChecksumMethod *string
	Checksum       []byte
}

// texts are the fields that are text, in the order of their columns.
func (t *Told) texts() [toldTexts]**string {
	return [toldTexts]**string{&t.ContentType, &t.ContentEncoding, &t.ContentDisposition, &t.ContentLanguage, &t.CacheControl, &t.Metadata, &t.Tags, &t.ChecksumMethod}
}

const toldTexts = 8

// over is what t says, and older where t leaves something out. Neither is changed.
func (t *Told) over(older *Told) *Told {
	if t == nil || older == nil || t == older {
		if t == nil {
			return older
		}
		return t
	}
	sum, was := *t, *older
	mine, theirs := sum.texts(), was.texts()
	for i := range mine {
		if *mine[i] == nil {
			*mine[i] = *theirs[i]
		}
	}
	if sum.Checksum == nil && t.ChecksumMethod == nil {
		sum.Checksum = older.Checksum
	}
	return &sum
}

// Iterator walks rows in identity order. The row is good until the next call,
// its strings for ever. io.EOF ends it.
type Iterator interface {
	Next() (*Row, error)
	Close() error
}
