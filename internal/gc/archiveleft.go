package gc

import (
	"strings"

	"cooper"
	"cooper/internal/bucketop"
	"cooper/internal/gcop"
)

// waiting is an object for which something may stand under another key.
type waiting struct {
	key string
	*candidate
}

// later is a heap, by key.
type later []*waiting

func (l later) Len() int           { return len(l) }
func (l later) Less(i, j int) bool { return l[i].key < l[j].key }
func (l later) Swap(i, j int)      { l[i], l[j] = l[j], l[i] }
func (l *later) Push(x any)        { *l = append(*l, x.(*waiting)) }
func (l *later) Pop() any {
	x := (*l)[len(*l)-1]
	*l = (*l)[:len(*l)-1]
	return x
}

// leaves tells why an object is left; empty if it goes.
func (a *archiver) leaves(key string, rows []cooper.Version) string {
	in := a.in
	latest, copies := 0, 0
	ids := map[string]bool{}
	for i := range rows {
		v := &rows[i]
		if v.Latest {
			latest++
		}
		ids[v.VersionID] = true
		if v.DeleteMarker {
			continue
		}
		copies++
		_, guarded := a.guard(v)
		switch {
		case v.Encryption == "SSE-C":
			return SkippedSSEC
		case v.Archived():
			return SkippedCold
		case !guarded:
			return SkippedUnguarded
		}
	}
	switch {
	case latest != 1 || len(ids) < len(rows):
		return SkippedAmbiguous
	case a.walk.rejectedKey(key):
		return SkippedRejected
	case len(gcop.ArchiveKey(a.bucket, key)) > longestKey:
		return SkippedLongKey
	case rows[0].Size < in.Smallest:
		return SkippedSmall
	case copies > 1 && in.Archiving.Versioning[in.Archiving.Bucket] != "Enabled":
		return SkippedVersions
	case len(rows) > mostVersionsOfAKey:
		return SkippedMost
	}
	return ""
}

// guard tells how a removal is kept from hitting a version written since; not ok if it cannot be.
func (a *archiver) guard(v *cooper.Version) (g bucketop.Guard, ok bool) {
	return guardOf(v, a.in.Archiving.Versioning[a.bucket], a.in.Archiving.Unguarded)
}

// proofOf is how a copy of a version is expected to be proven.
func proofOf(v *cooper.Version) gcop.Proof {
	keyed := strings.Contains(v.Encryption, "KMS")
	parts := strings.Contains(v.ETag, "-")
	switch {
	case v.DeleteMarker:
		return gcop.Unneeded
	case v.Checksum == "CRC64NVME", v.Checksum != "" && !parts:
		return gcop.ByChecksum
	case !keyed && (len(v.ETag) == 32 || parts && len(v.ETag) > 32):
		return gcop.ByETag
	}
	return gcop.ByReading
}
