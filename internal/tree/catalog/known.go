package catalog

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"

	"cooper"
	"cooper/internal/checksum"
)

// methodPruned begins the Method of a pruned version's row; the day (UTC)
// follows.
const methodPruned = "pruned "

// MethodPruned is the Method of a version that was pruned at that instant.
func MethodPruned(at cooper.Instant) string { return methodPruned + at.Time().Format(time.DateOnly) }

// Pruned tells whether the bytes of a version were deleted by a prune, and not
// brought back.
func (r *Row) Pruned() bool { return r.Place == Nowhere && r.Reason == Pruned }

// PrunedOn is the day (UTC) on which a version was pruned, such as 2026-11-22;
// empty if it was not.
func (r *Row) PrunedOn() string {
	if !r.Pruned() {
		return ""
	}
	return strings.TrimPrefix(r.Method, methodPruned)
}

// Adopted tells whether which version a row's bytes are is only what another
// program said: they are not verified.
func (r *Row) Adopted() bool {
	return r.Check != cooper.Verified && strings.HasPrefix(r.Method, Adopted)
}

// Known is what a row knows of its bytes, for comparing them again.
func (r *Row) Known() checksum.Known {
	return checksum.Known{ETag: r.ETag, Size: r.Size, Check: r.Check, Method: r.Method, Hash: r.Hash, Uncompared: r.Adopted()}
}

// doubtful begins what stands for the ETag of bytes of which nobody knows any more
// which version they are. No store gives such an ETag.
const doubtful = "doubtful-"

// DoubtfulETag stands for the ETag of bytes that were taken over as the version id,
// and are not. It follows from what they were called, so that no two of a key
// are taken for one: where times are coarse, their sizes and times may be equal.
func DoubtfulETag(id *cooper.Identity) string {
	h := sha256.New()
	for _, s := range []string{id.Key, id.VersionID, id.ETag, strconv.FormatInt(id.Size, 10), strconv.FormatInt(int64(id.LastModified), 10)} {
		fmt.Fprintf(h, "%d:%s", len(s), s)
	}
	return doubtful + hex.EncodeToString(h.Sum(nil)[:16])
}

// Doubtful tells whether nobody knows which version a row's bytes are.
func (r *Row) Doubtful() bool {
	return r.VersionID == "" && (r.ETag == "" || strings.HasPrefix(r.ETag, doubtful))
}
