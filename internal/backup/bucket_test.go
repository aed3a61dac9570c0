package backup

import (
	"fmt"
	"slices"

	"cooper"
	"cooper/internal/inventory"

	"pgregory.net/rapid"
)

// bucket is an S3 bucket in memory, with versioning as S3 has it. Of each key
// it keeps the versions in the order in which they became current, the last
// being the latest.
type bucket struct {
	versioning string // "Enabled", "Suspended", or "" for never
	keys       map[string][]cooper.Version
	now        cooper.Instant
	writes     int
}

func newBucket(versioning string) *bucket {
	return &bucket{versioning: versioning, keys: map[string][]cooper.Version{}, now: 1_000_000}
}

// tick lets time pass; no two writes share a millisecond.
func (b *bucket) tick() { b.now += 1000 }

func (b *bucket) put(key string, begun cooper.Instant, etag string) {
	b.writes++
	v := cooper.Version{Identity: cooper.Identity{
		Key: key, ETag: etag, Size: int64(1 + b.writes%7), LastModified: begun,
	}}
	if etag == "" {
		v.ETag = fmt.Sprintf("e%d", b.writes)
	}
	b.write(v)
}

func (b *bucket) remove(key string) {
	b.writes++
	if b.versioning == "" {
		delete(b.keys, key)
		return
	}
	b.write(cooper.Version{Identity: cooper.Identity{Key: key, LastModified: b.now}, DeleteMarker: true})
}

func (b *bucket) write(v cooper.Version) {
	v.VersionID = cooper.NullVersion
	if b.versioning == "Enabled" {
		v.VersionID = fmt.Sprintf("v%d", b.writes)
	} else {
		b.keys[v.Key] = slices.DeleteFunc(b.keys[v.Key], func(w cooper.Version) bool { return w.VersionID == cooper.NullVersion })
	}
	b.keys[v.Key] = append(b.keys[v.Key], v)
	b.tick()
}

// expire removes one version for good.
func (b *bucket) expire(key string, i int) {
	b.keys[key] = slices.Delete(b.keys[key], i, i+1)
	if len(b.keys[key]) == 0 {
		delete(b.keys, key)
	}
}

// list takes stock of everything.
func (b *bucket) list() *snap {
	b.tick()
	s := &snap{meta: inventory.Meta{ID: fmt.Sprintf("s-%d", b.now), Bucket: "b", TakenAt: b.now, Complete: true}}
	for _, vs := range b.keys {
		for i, v := range vs {
			v.Latest = i == len(vs)-1
			s.versions = append(s.versions, v)
		}
	}
	return s
}

// currentOnly strips what a report of current versions does not have.
func (s *snap) currentOnly() {
	s.meta.Scope.CurrentOnly = true
	s.versions = slices.DeleteFunc(s.versions, func(v cooper.Version) bool { return !v.Latest || v.DeleteMarker })
	for i := range s.versions {
		s.versions[i].VersionID, s.versions[i].Latest = "", false
	}
}

var someKeys = []string{"a", "a-b", "a/b", "a/b/c", "a/b-c", "ab", "z/1", "z/2"}

// live does something to the bucket.
func (b *bucket) live(t *rapid.T) {
	key := rapid.SampledFrom(someKeys).Draw(t, "key")
	vs := b.keys[key]
	op := rapid.SampledFrom([]string{"put", "put", "put", "same content", "multipart", "remove", "expire", "expire old", "archive", "thaw"}).Draw(t, "op")
	if len(vs) == 0 && op != "put" && op != "multipart" {
		return
	}
	switch op {
	case "put":
		b.put(key, b.now, "")
	case "multipart": // dated by its beginning
		b.put(key, b.now-cooper.Instant(rapid.IntRange(1, 5000).Draw(t, "begun")), "")
	case "same content":
		b.put(key, b.now, vs[len(vs)-1].ETag)
	case "remove":
		b.remove(key)
	case "expire":
		b.expire(key, rapid.IntRange(0, len(vs)-1).Draw(t, "which"))
	case "expire old":
		b.keys[key] = vs[len(vs)-1:]
	case "archive", "thaw":
		class := map[string]string{"archive": "DEEP_ARCHIVE", "thaw": "STANDARD"}[op]
		if v := &vs[rapid.IntRange(0, len(vs)-1).Draw(t, "which")]; !v.DeleteMarker {
			v.StorageClass = class
		}
	}
}
