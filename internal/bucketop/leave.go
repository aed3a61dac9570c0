package bucketop

import "cooper/internal/codec/sniff"

// Reasons to leave an object as it is, beside those of Leave.
const (
	ReasonSaving = "does not shrink"
	ReasonLocked = "locked"                           // its original could not be removed
	ReasonNoRoom = "no room for a note of its origin" // in its metadata, where that is needed
	// ReasonETag: it came alike each time, and its ETag looks like an MD5 and is not one
	// of it. That may be how the store makes ETags, or damage there.
	ReasonETag    = "its ETag is no MD5 of it, and nothing else vouches for it"
	ReasonLongKey = "its key has no room for a suffix" // of 1,024 bytes
)

// ReasonRanged begins the reason to leave what is read by ranges: it names the
// format.
const ReasonRanged = "read by ranges: "

// Leave says why a content that looks like f is not worth compressing; nothing
// if it is, or may be. What is read by ranges no program opens afterwards: it is
// left unless ranged is set.
func Leave(f sniff.Format, ranged bool) string {
	switch {
	case f.Ranged() && !ranged:
		return ReasonRanged + f.Name
	case f.Shrinks != sniff.Unlikely:
		return ""
	case f == sniff.Empty:
		return "empty"
	case f == sniff.Noise:
		return "looks like noise: encrypted, or compressed"
	case f.Compressed():
		return "compressed already: " + f.Name
	}
	return ReasonSaving + ": " + f.Name
}

// Saves tells whether to store after bytes in place of before saves the share
// least, and anything at all.
func Saves(before, after int64, least float64) bool {
	return after < before && float64(before-after) >= least*float64(before)
}
