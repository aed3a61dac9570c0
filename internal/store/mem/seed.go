package mem

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"cooper"
	"cooper/internal/store"
)

// PutOptions are what a version may have beside its bytes; the zero value is a
// plain STANDARD object written now.
type PutOptions struct {
	Class        string    // storage class; STANDARD if empty
	Tier         string    // Intelligent-Tiering access tier, as inventories name it: FREQUENT, ARCHIVE, …
	LastModified time.Time // the clock's time if zero
	ContentType  string
	Metadata     map[string]string
	Headers      store.Headers
	Tags         map[string]string
	Grants       []store.Grant // the whole ACL; none: all to the owner
	Lock         store.Lock
	// Encryption is SSE-S3 (the same as empty), SSE-KMS, DSSE-KMS, SSE-C or
	// NOT-SSE. The ETag is an MD5 for SSE-S3 and NOT-SSE only; a version with
	// SSE-C cannot be read without its customer key, which the server takes on
	// trust.
	Encryption string
	// KMSKey and BucketKey go with SSE-KMS and DSSE-KMS.
	KMSKey    string
	BucketKey bool
	// PartSize makes the version a multipart upload of parts of so many bytes.
	PartSize int64
	// Checksum is the algorithm of a checksum kept with the version (CRC32,
	// CRC32C, CRC64NVME, SHA1, SHA256); none if empty. Composite makes it one
	// of the parts' checksums.
	Checksum  string
	Composite bool
}

// CreateBucket makes a bucket; versioning is Enabled, Suspended or empty.
func (s *Server) CreateBucket(name, versioning string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.buckets[name] != nil {
		panic("mem: bucket " + name + " exists already")
	}
	s.buckets[name] = newBucket(versioning, s.now())
}

// SetVersioning switches a bucket's versioning to Enabled or Suspended.
func (s *Server) SetVersioning(bucket, versioning string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mustBucket(bucket).versioning = versioning
}

// SetRegion moves a bucket: requests signed for another region are refused
// with the region's name, as S3 does.
func (s *Server) SetRegion(bucket, region string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mustBucket(bucket).region = region
}

// Deny makes every request for keys with the prefix answer AccessDenied.
func (s *Server) Deny(bucket, prefix string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.mustBucket(bucket)
	b.denied = append(b.denied, prefix)
}

// Put writes a version and gives its id: null unless versioning is enabled.
// The key may be any bytes at all. The body is not copied.
func (s *Server) Put(bucket, key string, body []byte, o PutOptions) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.mustBucket(bucket)
	v := s.build(b, body, o)
	s.supersede(b, key)
	return b.add(key, v)
}

// OverwriteNull writes a null version, replacing the one there is, whatever
// the bucket's versioning: as if it had been suspended for a moment.
func (s *Server) OverwriteNull(bucket, key string, body []byte, o PutOptions) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.mustBucket(bucket)
	v := s.build(b, body, o)
	v.id = cooper.NullVersion
	s.supersede(b, key)
	b.add(key, v)
}

// build makes the version that o describes.
func (s *Server) build(b *bucket, body []byte, o PutOptions) *version {
	v := &version{
		id: s.versionID(b), body: body, class: o.Class, tier: o.Tier, encryption: o.Encryption,
		metadata: o.Metadata, modified: o.LastModified.UTC().Truncate(time.Second), opaque: s.has(ETagNoMD5),
	}
	if o.LastModified.IsZero() {
		v.modified = s.now()
	}
	v.headers = headersOf(o)
	v.tags, v.grants, v.lock = o.Tags, o.Grants, o.Lock
	if v.byKey() && v.encryption != "SSE-C" {
		v.kmsKey, v.bucketKey = keyARN(o.KMSKey, b.inRegion()), o.BucketKey
	}
	if !v.plainTags() {
		s.serial++
		v.salt = s.serial
	}
	if o.PartSize > 0 {
		for part := range slices.Chunk(body, int(o.PartSize)) {
			v.parts = append(v.parts, int64(len(part)))
		}
		if len(v.parts) == 0 {
			v.parts = []int64{0}
		}
	}
	v.etag = v.computeETag()
	if o.Checksum != "" {
		v.sum = checksum{algorithm: o.Checksum, kind: fullObject}
		if o.Composite {
			v.sum.kind = composite
		}
		v.sum.value = v.computeSum()
	}
	return v
}

// headersOf are the headers that come back with a version.
func headersOf(o PutOptions) map[string]string {
	all := map[string]string{
		"Content-Type": o.ContentType, "Content-Encoding": o.Headers.ContentEncoding, "Cache-Control": o.Headers.CacheControl,
		"Content-Disposition": o.Headers.ContentDisposition, "Content-Language": o.Headers.ContentLanguage, "Expires": o.Headers.Expires,
		"X-Amz-Website-Redirect-Location": o.Headers.Redirect,
	}
	maps.DeleteFunc(all, func(_, value string) bool { return value == "" })
	return all
}

// BeginUpload leaves a multipart upload of a key unfinished, with the given
// parts, and gives its id. Of the options Class and LastModified count, the
// time when it was begun.
func (s *Server) BeginUpload(bucket, key string, o PutOptions, parts ...[]byte) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.mustBucket(bucket)
	v := s.build(b, nil, o)
	v.sum = checksum{algorithm: defaultAlgorithm, kind: fullObject}
	u := &upload{key: key, begun: v.modified, draft: v, parts: map[int]part{}}
	for i, body := range parts {
		u.parts[i+1] = newPart(body, v.modified)
	}
	id := s.newID()
	b.uploads[id] = u
	return id
}

// Delete deletes a key as a client would who names no version: by a delete
// marker, whose id it gives, or for good (empty id) where there is no versioning.
func (s *Server) Delete(bucket, key string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if v := s.remove(s.mustBucket(bucket), key); v != nil {
		return v.id
	}
	return ""
}

// DeleteMarker writes a delete marker dated at, and gives its id.
func (s *Server) DeleteMarker(bucket, key string, at time.Time) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.mustBucket(bucket)
	s.supersede(b, key)
	return b.add(key, &version{id: s.versionID(b), marker: true, modified: at.UTC().Truncate(time.Second)})
}

// DeleteVersion removes one version for good.
func (s *Server) DeleteVersion(bucket, key, id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mustVersion(bucket, key, id)
	s.buckets[bucket].drop(key, id)
}

// SetClass moves a version to a storage class and access tier, as a lifecycle
// rule would; a restored copy is gone with it.
func (s *Server) SetClass(bucket, key, id, class, tier string) {
	s.change(bucket, key, id, func(v *version) { v.class, v.tier, v.restore = class, tier, nil })
}

// SetTags gives a version other tags, which makes no new one.
func (s *Server) SetTags(bucket, key, id string, tags map[string]string) {
	s.change(bucket, key, id, func(v *version) { v.tags = tags })
}

// CompleteRestore finishes a restore that a client requested: at once the
// version can be read until its days have passed.
func (s *Server) CompleteRestore(bucket, key, id string) {
	s.change(bucket, key, id, func(v *version) {
		if v.restore == nil {
			panic(fmt.Sprintf("mem: no restore of %q was requested", key))
		}
		v.finishRestore(s.now())
	})
}

// Corrupt flips a bit of the stored bytes and leaves ETag and checksums alone.
func (s *Server) Corrupt(bucket, key, id string) {
	s.change(bucket, key, id, func(v *version) {
		if len(v.body) == 0 {
			panic(fmt.Sprintf("mem: %q has no bytes to corrupt", key))
		}
		v.body = slices.Clone(v.body)
		v.body[len(v.body)/2] ^= 1
	})
}

// Body gives the stored bytes of a version; false if there is none, or a
// delete marker. The empty version id is the latest one.
func (s *Server) Body(bucket, key, id string) ([]byte, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	v := s.mustBucket(bucket).get(key, id)
	if v == nil || v.marker {
		return nil, false
	}
	return v.body, true
}

// Versions lists every version of a bucket in the order in which S3 does: by
// key bytewise, the latest first.
func (s *Server) Versions(bucket string) []cooper.Version {
	s.mu.RLock()
	defer s.mu.RUnlock()
	b := s.mustBucket(bucket)
	var all []cooper.Version
	for key := range b.keys.all {
		vs := b.entries[key]
		for i, v := range slices.Backward(vs) {
			all = append(all, v.describe(key, b.isLatest(key, i)))
		}
	}
	return all
}

func (s *Server) mustBucket(name string) *bucket {
	if b := s.buckets[name]; b != nil {
		return b
	}
	panic("mem: no bucket " + name)
}

func (s *Server) mustVersion(bucket, key, id string) *version {
	if v := s.mustBucket(bucket).get(key, id); v != nil {
		return v
	}
	panic(fmt.Sprintf("mem: no version %q of %q in %s", id, key, bucket))
}

// change replaces a version by a changed copy: versions that readers hold
// never change.
func (s *Server) change(bucket, key, id string, f func(*version)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := *s.mustVersion(bucket, key, id)
	f(&v)
	s.buckets[bucket].swap(key, &v)
}

func (b *bucket) isDenied(key string) bool {
	return slices.ContainsFunc(b.denied, func(p string) bool { return strings.HasPrefix(key, p) })
}
