// Package cooper holds the nouns of the program: what a version of an object
// is, what is to be done to it, and what came of it.
//
// It imports the standard library alone and does nothing by itself. Every
// other package speaks in these types, so that a mission, which decides, and a
// verb, which acts, need not know each other.
package cooper

import (
	"cmp"
	"strconv"
	"strings"
	"time"
)

// Instant is a moment in milliseconds since 1970-01-01 UTC, the precision in
// which S3 inventories give times. Zero means unknown.
type Instant int64

// InstantOf converts t, cutting off what is finer than a millisecond; the zero
// time becomes the unknown instant.
func InstantOf(t time.Time) Instant {
	if t.IsZero() {
		return 0
	}
	return Instant(t.UnixMilli())
}

// Time converts i to UTC; the unknown instant becomes the zero time.
func (i Instant) Time() time.Time {
	if i == 0 {
		return time.Time{}
	}
	return time.UnixMilli(int64(i)).UTC()
}

// String gives RFC 3339 in UTC, with milliseconds only where there are some,
// and nothing at all for the unknown instant.
func (i Instant) String() string {
	if i == 0 {
		return ""
	}
	return i.Time().Format("2006-01-02T15:04:05.999Z07:00")
}

// MarshalText writes String.
func (i Instant) MarshalText() ([]byte, error) { return []byte(i.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (i *Instant) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		*i = 0
		return nil
	}
	t, err := time.Parse(time.RFC3339Nano, string(b))
	if err != nil {
		return err
	}
	*i = InstantOf(t)
	return nil
}

// NullVersion is the version id of a version that S3 gave none: everything in
// a bucket that never had versioning, and what was written while it was
// suspended.
const NullVersion = "null"

// Identity says which bytes are meant. All five parts count: a null version
// can be overwritten and keeps its key and version id.
type Identity struct {
	Key string `json:"key"`
	// VersionID is NullVersion where S3 has none, and empty where the
	// inventory does not tell (a report of current versions only).
	VersionID string `json:"version_id"`
	// ETag comes without quotes; delete markers have none.
	ETag string `json:"etag"`
	// Size is in bytes; 0 for delete markers.
	Size         int64   `json:"size"`
	LastModified Instant `json:"last_modified"`
}

// Same tells whether a and b are the same version. An unknown version id
// matches any other, so that a report of current versions can follow one of
// all versions.
func (a Identity) Same(b Identity) bool {
	if a.Key != b.Key || a.ETag != b.ETag || a.Size != b.Size || a.LastModified != b.LastModified {
		return false
	}
	return a.VersionID == b.VersionID || a.VersionID == "" || b.VersionID == ""
}

// Compare orders identities: keys bytewise, then the newest first, then by
// version id, ETag and size.
func (a Identity) Compare(b Identity) int {
	if c := strings.Compare(a.Key, b.Key); c != 0 {
		return c
	}
	if c := cmp.Compare(b.LastModified, a.LastModified); c != 0 {
		return c
	}
	if c := strings.Compare(a.VersionID, b.VersionID); c != 0 {
		return c
	}
	if c := strings.Compare(a.ETag, b.ETag); c != 0 {
		return c
	}
	return cmp.Compare(a.Size, b.Size)
}

// Version is one version of an object as an inventory describes it. Fields an
// inventory does not give are empty.
type Version struct {
	Identity
	// Latest is what the inventory said, never what times suggest.
	Latest       bool `json:"is_latest"`
	DeleteMarker bool `json:"is_delete_marker"`
	// StorageClass is S3's name, such as STANDARD or DEEP_ARCHIVE.
	StorageClass string `json:"storage_class,omitempty"`
	// Tier is the Intelligent-Tiering access tier, such as ARCHIVE.
	Tier string `json:"tier,omitempty"`
	// Encryption is the inventory's EncryptionStatus: NOT-SSE, SSE-S3,
	// SSE-KMS, DSSE-KMS or SSE-C.
	Encryption string `json:"encryption,omitempty"`
	// Checksum is the inventory's ChecksumAlgorithm, such as CRC64NVME.
	Checksum string `json:"checksum,omitempty"`
}

// Archived tells whether a GET would be refused until the version is restored:
// the classes GLACIER and DEEP_ARCHIVE and Intelligent-Tiering's two archive
// tiers.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/archived-objects.html
func (v *Version) Archived() bool {
	switch v.StorageClass {
	case "GLACIER", "DEEP_ARCHIVE":
		return true
	case "INTELLIGENT_TIERING":
		return strings.Contains(v.Tier, "ARCHIVE") && v.Tier != "ARCHIVE_INSTANT_ACCESS"
	}
	return false
}

// Compare is the order of a snapshot: by key, within a key the latest first,
// then as identities compare. It is total over distinct identities, so that
// the same rows make the same snapshot however they were shuffled.
func (v *Version) Compare(w *Version) int {
	if c := strings.Compare(v.Key, w.Key); c != 0 {
		return c
	}
	if v.Latest != w.Latest {
		if v.Latest {
			return -1
		}
		return 1
	}
	return v.Identity.Compare(w.Identity)
}

// Action is one verb applied to one version.
type Action struct {
	// ID is unique within a plan: its position in it.
	ID      int64   `json:"id"`
	Verb    string  `json:"verb"`
	Version Version `json:"version"`
	// Args are the verb's own; a verb documents the names it knows.
	Args map[string]string `json:"args,omitempty"`
}

// Status is what became of an action.
type Status string

// The statuses of an Outcome.
const (
	Done     Status = "done"     // the effect is there
	Deferred Status = "deferred" // cannot be done yet (archived); a later plan takes it up
	Ignored  Status = "ignored"  // failed with a kind the person chose to pass over
	Failed   Status = "failed"   // failed; a later plan tries again
)

// Check is how far the bytes of a version were verified.
type Check string

// The values of Check.
const (
	Verified     Check = "verified"     // the bytes hash to what the store vouches for
	Unverifiable Check = "unverifiable" // complete by size, but nothing to hash against; Method says why
	Corrupt      Check = "corrupt"      // the bytes hash to something else
	Unverified   Check = "unverified"   // never looked at
)

// Outcome is what came of one action: a fact, written once.
type Outcome struct {
	Action   int64  `json:"action"`
	Verb     string `json:"verb"`
	Identity        // of the version acted on
	Status   Status `json:"status"`
	Kind     Kind   `json:"kind,omitempty"`    // unless done
	Message  string `json:"message,omitempty"` // unless done
	// Remedy is a next step, if the failure tells of one; the ledger has none.
	Remedy string  `json:"remedy,omitempty"`
	At     Instant `json:"at"`
	// Bytes is how many were transferred, Requests how many were sent.
	Bytes    int64 `json:"bytes"`
	Requests int64 `json:"requests"`
	// Check, Method and Hash are about content that was fetched. Method names
	// the comparison ("md5", "multipart 8388608", "crc64nvme", …) or why there
	// was none. Hash is the SHA-256 where the ETag does not vouch for content.
	Check  Check  `json:"check,omitempty"`
	Method string `json:"method,omitempty"`
	Hash   []byte `json:"hash,omitempty"`
	// Content is what reading the version for its own sake has taught: of verbs
	// that compress and measure.
	Content *Content `json:"content,omitempty"`
}

// ContentState is what became of a version whose content was read.
type ContentState string

// The values of Content.State.
const (
	Rewritten ContentState = "rewritten" // stored anew, and proven to hold the same plain content
	Found     ContentState = "found"     // stored in this form already
	Sampled   ContentState = "sampled"   // tried out; nothing was stored
	Left      ContentState = "left"      // not worth it; Reason says why
)

// Content is what was learnt of a version by reading it. Hashes and sizes of
// the plain content are there only if all of it was read: PlainSize is -1
// otherwise.
type Content struct {
	State ContentState `json:"state"`
	// Reason is why it was left: "compressed already: gzip", "does not shrink", …
	Reason string `json:"reason,omitempty"`
	// PlainSize and StoredSize are in bytes; StoredSize is that of Stored.
	PlainSize  int64 `json:"plain_size"`
	StoredSize int64 `json:"stored_size"`
	// SHA256 and SHA1 are of the plain content.
	SHA256 []byte `json:"sha256,omitempty"`
	SHA1   []byte `json:"sha1,omitempty"`
	// Codec is how Stored is encoded, such as "zstd:3+aes256-cfb8"; a level of
	// compression that is not known is left out.
	Codec string `json:"codec,omitempty"`
	// Format is what the plain content looks like, such as "text".
	Format string `json:"format,omitempty"`
	// Stored is the version that holds the content from now on: another one if
	// State is Rewritten.
	Stored Identity `json:"stored"`
	// Trials are of Sampled.
	Trials []Trial `json:"trials,omitempty"`
}

// Trial is what a content would come to in another form.
type Trial struct {
	Codec  string `json:"codec"`
	Stored int64  `json:"stored_size"` // bytes
	Nanos  int64  `json:"nanos"`       // of one core, to encode and to prove it
}

// HasPrefix tells whether key lies under prefix with the boundaries that
// prefixes have in Cooper: "a/b" holds "a/b" and "a/b/c", never "a/bc". An
// empty prefix holds everything.
func HasPrefix(key, prefix string) bool {
	if !strings.HasPrefix(key, prefix) {
		return false
	}
	return prefix == "" || len(key) == len(prefix) || strings.HasSuffix(prefix, "/") || key[len(prefix)] == '/'
}

// Quote renders a key or path for a message: as it is if it is printable and
// has neither spaces at its ends nor quotes, else as a Go string.
func Quote(s string) string {
	q := strconv.Quote(s)
	if q[1:len(q)-1] == s && s != "" && s == strings.TrimSpace(s) {
		return s
	}
	return q
}

// QuoteURL is Quote for what is, or was meant to be, a URL, without what nobody
// should see of one: who asks, perhaps with a password, and what stands behind ? and
// #.
func QuoteURL(s string) string {
	// Up to the last @: a password may hold one, and anything else.
	if i := strings.LastIndexByte(s, '@'); i >= 0 && strings.Contains(s[:i], ":") {
		scheme, _, ok := strings.Cut(s[:i], "//")
		if !ok {
			return Quote("…" + s[i:])
		}
		s = scheme + "//…" + s[i:]
	}
	if i := strings.IndexAny(s, "?#"); i >= 0 && strings.Contains(s[:i], "//") {
		s = s[:i+1] + "…"
	}
	return Quote(s)
}
