package store

import (
	"strings"

	"cooper"
)

// OtherTime is what Differs says where nothing but the time is another. Of a version
// whose content an ETag says to be the same it is a matter of taste: some stores tell
// another time by listing than by GET.
const OtherTime = "time of modification"

// Differs names a part of v's identity that an answer contradicts; empty if none.
// What either does not tell contradicts nothing, nor does the time of a version with
// an id that the store gave to it alone: some stores (versitygw) date it anew once
// it is superseded.
func Differs(v *cooper.Version, o *Object) string {
	own := v.VersionID != "" && v.VersionID != cooper.NullVersion
	switch {
	case o.ETag != "" && v.ETag != "" && !strings.EqualFold(o.ETag, v.ETag):
		return "ETag"
	case o.Size >= 0 && o.Size != v.Size:
		return "size"
	case o.VersionID != "" && v.VersionID != "" && o.VersionID != v.VersionID:
		return "version id"
	case !own && !SameSecond(o.LastModified, v.LastModified):
		return OtherTime
	}
	return ""
}

// SameSecond compares the time of an answer, which has whole seconds, with one
// that may have milliseconds; stores cut or round. An unknown time is like any.
func SameSecond(answer, planned cooper.Instant) bool {
	d := answer - planned
	return answer == 0 || planned == 0 || -1000 < d && d < 1000
}
