package store

import (
	"strconv"
	"strings"

	"cooper"
)

// Difference is a part of a version's identity that an answer contradicts. Its zero
// value is none.
type Difference struct{ what, found, planned string }

// OtherTime tells whether nothing but the time is another. Of a version whose content an ETag says
// to be the same it is a matter of taste: some stores tell another time by listing
// than by GET.
func (d Difference) OtherTime() bool { return d.what == otherTime }

// String names the part, and both values.
func (d Difference) String() string {
	return d.what + " (found " + d.found + ", planned " + d.planned + ")"
}

const otherTime = "time of modification"

// Differs tells which part of v's identity an answer contradicts.
// What either does not tell contradicts nothing, nor does the time of a version with
// an id that the store gave to it alone: some stores (versitygw) date it anew once
// it is superseded.
func Differs(v *cooper.Version, o *Object) (d Difference, differs bool) {
	own := v.VersionID != "" && v.VersionID != cooper.NullVersion
	switch {
	case o.ETag != "" && v.ETag != "" && !strings.EqualFold(o.ETag, v.ETag):
		return Difference{"ETag", cooper.Quote(o.ETag), cooper.Quote(v.ETag)}, true
	case o.Size >= 0 && o.Size != v.Size:
		return Difference{"size", bytes(o.Size), bytes(v.Size)}, true
	case o.VersionID != "" && v.VersionID != "" && o.VersionID != v.VersionID:
		return Difference{"version id", cooper.Quote(o.VersionID), cooper.Quote(v.VersionID)}, true
	case !own && !SameSecond(o.LastModified, v.LastModified):
		return Difference{otherTime, o.LastModified.String(), v.LastModified.String()}, true
	}
	return d, false
}

func bytes(n int64) string { return strconv.FormatInt(n, 10) + " bytes" }

// SameSecond compares the time of an answer, which has whole seconds, with one
// that may have milliseconds; stores cut or round. An unknown time is like any.
func SameSecond(answer, planned cooper.Instant) bool {
	d := answer - planned
	return answer == 0 || planned == 0 || -1000 < d && d < 1000
}
