// Package store says what Cooper asks of an object store, in small interfaces
// that hold no vendor's types.
//
// A value of one of these interfaces is bound to one bucket. Errors are
// *cooper.Error with an object kind (missing, denied, changed, archived,
// timeout, store, …); an implementation retries what passes by itself, so that
// an error here is final for this run. Deciding what to do is left to missions,
// doing it to verbs.
package store

import (
	"context"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"cooper"
	"cooper/internal/permit"
)

// Object is what a store tells about one stored version.
type Object struct {
	Key       string
	VersionID string // empty where the store names none
	ETag      string // without quotes
	// Size is that of the whole object in bytes, also in the answer to a
	// request for a part or range of it; Untold if only its end will tell.
	Size         int64
	LastModified cooper.Instant // S3 answers to the second here
	StorageClass string
	ContentType  string
	Metadata     map[string]string
	// Parts is the number of parts of a multipart upload where the request
	// asked for a part, else 0.
	Parts int
	// Length is the length in bytes of the body, or of the part a HEAD asked for;
	// Untold as Size.
	Length int64
	// Checksums maps an algorithm (CRC32, CRC32C, CRC64NVME, SHA1, SHA256) to
	// what the store vouches for, base64 as sent; ChecksumType is
	// FULL_OBJECT or COMPOSITE.
	Checksums    map[string]string
	ChecksumType string
	// Encryption is AES256, aws:kms, aws:kms:dsse, or empty.
	Encryption string
	// KMSKey is the key of KMS it is encrypted with, an ARN; BucketKey that a
	// bucket key spares requests to KMS.
	KMSKey    string
	BucketKey bool
	// Restore is the x-amz-restore header, empty if none. ArchiveStatus is where
	// Intelligent-Tiering has archived it: ARCHIVE_ACCESS, DEEP_ARCHIVE_ACCESS, or empty.
	// Access reads both.
	Restore       string
	ArchiveStatus string
	Headers       Headers
	// Tags is how many tags it has, or Untold: S3 tells no count where there are none
	// and to those who may not read tags, and some stores never do. Describer
	// knows the tags themselves.
	Tags int
	// Lock is shown by S3 to those alone who may read retention and legal holds.
	Lock Lock
	// HiddenMetadata is how many entries of metadata the store has and cannot
	// send, as they fit into no header.
	HiddenMetadata int
}

// Untold is a number that an answer did not give. It is not 0: whether there are
// tags has to be asked for, how many bytes there are to be counted.
const Untold = -1

// Headers are what S3 keeps for those who read an object and does not mind
// itself.
type Headers struct {
	ContentEncoding, CacheControl, ContentDisposition, ContentLanguage string
	Expires                                                            string // as it was given
	Redirect                                                           string // of a website
}

// Lock is the object lock of a version.
type Lock struct {
	Mode      string // GOVERNANCE, COMPLIANCE, or empty for no retention
	Until     cooper.Instant
	LegalHold bool
}

// Holds tells whether a version must not be removed at the time now.
func (l Lock) Holds(now cooper.Instant) bool {
	return l.LegalHold || l.Mode != "" && l.Until > now
}

// Encryption is how a store is to encrypt, or encrypts, what it is given. The zero value
// leaves it to the bucket's default.
type Encryption struct {
	Method    string // AES256, aws:kms, aws:kms:dsse, or empty
	KMSKey    string // an id, alias or ARN; empty: the account's own key
	BucketKey bool
}

// Grant gives somebody a right to an object.
type Grant struct {
	// One of the three: a canonical user's id, the URI of a group, an address.
	ID, URI, Email string
	Permission     string // FULL_CONTROL, READ, READ_ACP or WRITE_ACP
}

// Ref names one version and the condition under which a request may succeed.
type Ref struct {
	Key       string
	VersionID string // empty: whatever is current; cooper.NullVersion: the null version
	// IfMatch makes the request fail with KindChanged unless the ETag is this
	// one. Empty: no condition.
	IfMatch string
	// Size is how many bytes are expected, where that is known, else 0: an answer of
	// another size is asked for again as it is stored, and only then believed.
	Size int64
}

// Range is part of an object: From is the first byte, Length how many; Length 0
// means to the end. The zero Range is the whole object.
type Range struct{ From, Length int64 }

// Reader reads versions.
type Reader interface {
	// Get opens the bytes. The body ends with io.ErrUnexpectedEOF or another
	// error, never silently, if it is cut short; the caller closes it.
	Get(ctx context.Context, ref Ref, r Range) (Object, io.ReadCloser, error)
	// Head describes a version without its bytes; part is 0 or the number of
	// a part to ask about.
	Head(ctx context.Context, ref Ref, part int) (Object, error)
}

// Put is an object to be written.
type Put struct {
	Key         string
	Size        int64 // in bytes, exactly what Body holds
	Body        io.ReadSeeker
	ContentType string
	Metadata    map[string]string
	Headers     Headers
	Tags        map[string]string
	// StorageClass is S3's name; empty is the store's default, STANDARD.
	StorageClass string
	Encryption   Encryption
	// Grants are the ACL beside the right of the bucket's owner to everything;
	// none leaves it to the store.
	Grants []Grant
	// Lock goes without a retention that has ended: stores refuse it.
	Lock Lock
	// IfNoneMatch asks that nothing be there yet: KindConflict otherwise.
	IfNoneMatch bool
	// IfMatch asks that what is current have this ETag: KindChanged otherwise,
	// also if nothing is there.
	IfMatch string
}

// Writer writes objects. Taking something away for good is Remover's, which asks for a permit.
type Writer interface {
	// Put stores the object, in parts where it is large, and returns once the
	// store vouches for it by checksum.
	Put(ctx context.Context, p Put) (Object, error)
}

// Removal names one version that is to go for good.
type Removal struct {
	Key string
	// VersionID is never empty: what is current may be another version by now.
	VersionID string
	// IfMatch makes the removal fail with KindChanged unless the key's current
	// version, whatever VersionID says, has this ETag. Some stores ignore it and
	// remove all the same. Empty: no condition.
	IfMatch string
	// Once keeps the removal from being sent again: what fails in a way that may
	// pass, throttling too, is an error, and it is not known whether the version
	// is there. For null versions that can be overwritten: by the time of a
	// second attempt they may be others.
	Once bool
}

// MaxRemovals is how many versions one request can remove.
const MaxRemovals = 1000

// Alone tells whether a key is removed by a request of its own: whether XML, in
// which one request names many, might not carry it as it is, also at stores that
// are careless about blanks and control characters.
func Alone(key string) bool {
	return !utf8.ValidString(key) || key != strings.TrimSpace(key) || strings.ContainsFunc(key, func(r rune) bool {
		return r < ' ' || r == 0x7f || r == utf8.RuneError || r >= 0x80 && r < 0xa0 || r&0xfffe == 0xfffe
	})
}

// Garbled tells whether a key may not be what the store calls the object: XML has no
// word for some characters, and stores that do not encode their listings write
// U+FFFD in their place.
func Garbled(key string) bool { return strings.Contains(key, "\ufffd") }

// Unnamed is the error of what is missing under a garbled key: it is there under
// another.
func Unnamed(where string, err error) error {
	return &cooper.Error{Kind: cooper.KindInvalid, Where: where, Message: "the store's listing cannot tell this key's name, and nothing is there under the one that it gives",
		Remedy: "Rename the object with a tool that knows its true key.", Err: err}
}

// Remover removes versions for good.
type Remover interface {
	// Remove removes each version, up to MaxRemovals with one request, in no
	// particular order; removals that depend on each other belong into different
	// calls. The answer is one error for each: nil says that the version is not
	// there any more, or never was. With IfMatch a missing key is KindMissing, as
	// stores look at the current version only. Some removals may have happened
	// although their error is not nil, as when an answer got lost.
	Remove(ctx context.Context, p permit.Permit, rs []Removal) []error
	// RemoveProbe removes an object of Cooper's own, whose key IsProbe, by a request
	// for it alone; any other key is KindInternal. Some stores remove a null version
	// only so, or only by its key: with no versionID it is what is current, which a
	// bucket that ever had versions hides at most. What is not there is no error.
	RemoveProbe(ctx context.Context, p permit.Permit, key, versionID string) error
}

// ProbeName begins the names, less the folders, of objects that runs try stores out
// on; the id of the run follows.
const ProbeName = ".cooper-probe-"

// IsProbe tells whether a key is that of such an object.
func IsProbe(key string) bool {
	return strings.HasPrefix(key[strings.LastIndexByte(key, '/')+1:], ProbeName)
}

// ListQuery asks for the versions of a part of a bucket.
type ListQuery struct {
	Prefix    string
	Delimiter string
	// After starts the listing strictly after all versions of this key.
	After string
	// Current lists current objects only, for stores or rights without
	// versions.
	Current bool
	// Garbled is told of rows whose keys cannot be believed: their page was not
	// encoded, and they have U+FFFD, which stores write for what XML has no word for.
	// They stand anywhere in the order, and may come twice. nil: they come among the
	// others of their page.
	Garbled func(vs []cooper.Version) error
}

// Lister lists a bucket.
type Lister interface {
	// List calls page for each page of answers, in key order, with the versions
	// and the common prefixes; it stops at page's first error. The slices are
	// page's to keep.
	List(ctx context.Context, q ListQuery, page func(vs []cooper.Version, prefixes []string) error) error
	// Versioning is "Enabled", "Suspended" or "" for never.
	Versioning(ctx context.Context) (string, error)
}

// Clock tells the time of a store.
type Clock interface {
	// Date is what the store's clock said in one of its last answers, to the
	// second, and by how much this machine's clock was ahead of it then (behind, if
	// less than 0); ok is false as long as no answer told.
	Date() (at time.Time, ahead time.Duration, ok bool)
}

// Upload is a multipart upload that was begun and neither completed nor
// aborted: its parts cost money and no listing of objects shows them.
type Upload struct {
	Key, UploadID string
	Initiated     cooper.Instant // when it was begun; zero where the store does not tell
	StorageClass  string         // of the object it would become; empty where the store does not tell
}

// Describer tells what versions have beside what Head tells, and what a bucket
// is set to. A store that knows nothing of one of these has none of it.
type Describer interface {
	// Tags are those of a version; KindDenied rather than none.
	Tags(ctx context.Context, ref Ref) (map[string]string, error)
	// Grants are the ACL of a version, without the right of the bucket's owner to
	// everything: that is what Put takes. Where the owner cannot be known it is
	// the whole ACL.
	Grants(ctx context.Context, ref Ref) ([]Grant, error)
	Settings(ctx context.Context) (Settings, error)
}

// Settings are what a bucket is set to.
type Settings struct {
	// Grants: versions may have ACLs that count. True also where the caller may
	// not know.
	Grants bool
	// Lock: object lock is enabled. True also where the caller may not know.
	Lock bool
	// Encryption is the default; its zero value: the store does not tell.
	Encryption Encryption
	// Owner is the canonical id of the bucket's owner; empty if not told.
	Owner string
}

// Streamer writes objects whose size is not known beforehand.
type Streamer interface {
	// Begin begins an upload in parts; p.Size is an upper bound in bytes, which
	// the sizes of parts follow from, and there is no p.Body. Nobody sees an
	// object before Complete.
	Begin(ctx context.Context, p Put) (Parts, error)
	// Discard aborts an upload that an earlier process began; one that is not
	// there any more is no error.
	Discard(ctx context.Context, key, uploadID string) error
}

// Parts is an upload in parts under way. It is not for concurrent use; Complete
// or Abort must be called.
type Parts interface {
	UploadID() string
	// PartSize is how many bytes the next part must have, unless it is the last.
	PartSize() int
	// Part stores the next part; it keeps nothing of b, which is no part if it is
	// empty. The store compares the bytes with their checksum. KindStore also if
	// somebody has ended the upload; never a kind that says something of what is
	// stored.
	Part(ctx context.Context, b []byte) error
	// Complete makes the object under the conditions of the Put. After an answer
	// that got lost it finds out whether the object is its own. What it cannot
	// complete it aborts. Kinds are those of Put.
	Complete(ctx context.Context) (Object, error)
	// Abort works also when ctx has ended, and after the end of the upload.
	Abort(ctx context.Context) error
}

// Uploaded is what has come so far of an upload in parts.
type Uploaded struct {
	Parts int
	Bytes int64
	// Newest is when the newest part came; zero without parts, and where the store
	// does not date every one.
	Newest cooper.Instant
}

// Uploads lists the multipart uploads of a bucket that are unfinished, and ends them.
type Uploads interface {
	// Uploads calls page for each page of answers, in key order, with what lies
	// under prefix (bytewise, without boundaries); it stops at page's first
	// error. The slices are page's to keep.
	Uploads(ctx context.Context, prefix string, page func([]Upload) error) error
	// Uploaded counts the parts stored so far and their bytes, one request for
	// each thousand of them. An upload that has ended since is KindMissing.
	Uploaded(ctx context.Context, u Upload) (Uploaded, error)
	// AbortUpload ends an upload, whoever has begun it: its parts are gone for good.
	// One that is not there is no error, and success proves nothing: there are stores
	// that answer so to what they have never seen. A listing tells.
	AbortUpload(ctx context.Context, p permit.Permit, u Upload) error
}

// Bucket is all of them, for whoever opens one bucket for several purposes.
type Bucket interface {
	Reader
	Writer
	Streamer
	Copier
	TagWriter
	Remover
	Lister
	Archiver
	Describer
	Locks
	Rules
	Uploads
}

// Wait is something that requests wait for, for people.
type Wait struct {
	For   string
	Since time.Time
}

// Usage counts what was sent to a store, by price class.
type Usage struct {
	Get, Head, Put, List, Restore, Delete, Retries, Throttled, BytesIn, BytesOut int64
}
