package mem

import (
	"crypto/md5"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
	"time"

	"cooper"
	"cooper/internal/store"
)

// bucket is one bucket. The server's mutex guards it.
type bucket struct {
	versioning string
	region     string
	created    time.Time
	denied     []string              // prefixes
	acls       bool                  // ACLs count
	lock       bool                  // object lock is enabled
	encryption store.Encryption      // the default
	entries    map[string][]*version // the latest version is the last; never empty
	keys       keyList               // those of entries
	hidden     map[string]bool       // keys of which no version is latest
	uploads    map[string]*upload
	lifecycle  []byte            // a document; nil if there is none
	tierings   map[string]string // configurations of Intelligent-Tiering by id: what is in them
}

func newBucket(versioning string, now time.Time) *bucket {
	return &bucket{versioning: versioning, created: now, entries: map[string][]*version{}, uploads: map[string]*upload{}, hidden: map[string]bool{}}
}

// version is one version. It never changes once it is in a bucket, so that it
// can be read without the lock; changes swap in a copy.
type version struct {
	id         string
	marker     bool
	body       []byte
	etag       string
	modified   time.Time
	class      string // empty: STANDARD
	tier       string
	encryption string // empty: SSE-S3
	headers    map[string]string
	metadata   map[string]string
	attributes
	opaque  bool    // the ETag is no MD5
	parts   []int64 // sizes in bytes; nil unless a multipart upload
	sum     checksum
	restore *restore
}

// get finds a version; the empty id is the latest. nil if there is none.
func (b *bucket) get(key, id string) *version {
	vs := b.entries[key]
	if id == "" && b.hidden[key] {
		return nil
	}
	if i := find(vs, id); i >= 0 {
		return vs[i]
	}
	return nil
}

// find gives the position of a version, -1 if there is none.
func find(vs []*version, id string) int {
	if id == "" {
		return len(vs) - 1
	}
	return slices.IndexFunc(vs, func(v *version) bool { return v.id == id })
}

// add makes v the latest version of key and gives its id. A null version
// takes the place of another.
func (b *bucket) add(key string, v *version) string {
	vs, known := b.entries[key]
	if !known {
		b.keys.add(key)
	}
	if v.id == cooper.NullVersion {
		vs = slices.DeleteFunc(vs, func(w *version) bool { return w.id == cooper.NullVersion })
	}
	b.entries[key] = append(vs, v)
	delete(b.hidden, key)
	return v.id
}

// drop removes a version for good and gives it, nil if there was none.
func (b *bucket) drop(key, id string) *version {
	vs := b.entries[key]
	i := find(vs, id)
	if i < 0 {
		return nil
	}
	v := vs[i]
	if vs = slices.Delete(vs, i, i+1); len(vs) > 0 {
		b.entries[key] = vs
	} else {
		delete(b.entries, key)
		delete(b.hidden, key)
		b.keys.remove(key)
	}
	return v
}

// swap puts v in the place of the version with its id.
func (b *bucket) swap(key string, v *version) {
	vs := b.entries[key]
	vs[find(vs, v.id)] = v
}

// remove deletes the current version as DELETE without a version id does. It
// gives the delete marker, nil where none was needed.
func (s *Server) remove(b *bucket, key string) *version {
	switch {
	case b.versioning == "":
		b.drop(key, cooper.NullVersion)
		return nil
	case b.versioning == suspended && s.has(NoneLatest):
		if b.entries[key] != nil {
			b.hidden[key] = true
		}
		return nil
	}
	v := &version{id: s.versionID(b), marker: true, modified: s.now()}
	if hides := b.get(key, ""); hides != nil && s.has(MarkerPredated) {
		v.modified = hides.modified.Add(-time.Second)
	}
	s.supersede(b, key)
	b.add(key, v)
	return v
}

// supersede does to what is current what a quirk does when something newer
// comes.
func (s *Server) supersede(b *bucket, key string) {
	if old := b.get(key, ""); old != nil && !old.marker && s.has(Redated) {
		v := *old
		v.modified = s.now()
		b.swap(key, &v)
	}
}

// isLatest tells whether the i-th of a key's versions is the latest.
func (b *bucket) isLatest(key string, i int) bool {
	return i == len(b.entries[key])-1 && !b.hidden[key]
}

// versionID makes the id of the next version of a bucket.
func (s *Server) versionID(b *bucket) string {
	if b.versioning != enabled {
		return cooper.NullVersion
	}
	return s.newID()
}

// The values of a bucket's versioning, beside the empty one.
const (
	enabled   = "Enabled"
	suspended = "Suspended"
)

const idAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._"

const idLength = 32

// newID gives an id that looks random but follows from how many came before,
// so that runs can be compared. Its first eleven letters alone are unique: they
// hold a bijective mix of the serial number.
func (s *Server) newID() string {
	s.serial++
	id := make([]byte, 0, idLength+1)
	for word := range uint64(3) {
		x := mix(s.serial + word<<56)
		for range 11 {
			id = append(id, idAlphabet[x&63])
			x >>= 6
		}
	}
	return string(id[:idLength])
}

// mix is the finaliser of splitmix64.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// byKey tells whether it is encrypted with a key other than S3's own.
func (v *version) byKey() bool {
	return v.encryption != "" && v.encryption != "SSE-S3" && v.encryption != "NOT-SSE"
}

// plainTags tells whether ETags are MD5 sums.
func (v *version) plainTags() bool {
	return !v.opaque && !v.byKey()
}

// partBodies cuts the body as the upload did; one part if it was none.
func (v *version) partBodies() [][]byte {
	if v.parts == nil {
		return [][]byte{v.body}
	}
	rest := v.body
	bodies := make([][]byte, len(v.parts))
	for i, n := range v.parts {
		bodies[i], rest = rest[:n], rest[n:]
	}
	return bodies
}

// computeETag is the MD5, or that of the parts' MD5s, or for what a key
// encrypts something that is no hash of the content at all.
func (v *version) computeETag() string {
	var etag string
	if v.plainTags() {
		if v.parts == nil {
			sum := md5.Sum(v.body)
			return hex.EncodeToString(sum[:])
		}
		h := md5.New()
		for _, part := range v.partBodies() {
			sum := md5.Sum(part)
			h.Write(sum[:])
		}
		etag = hex.EncodeToString(h.Sum(nil))
	} else {
		sum := md5.Sum(v.body)
		sum = md5.Sum(binary.BigEndian.AppendUint64(append(sum[:], v.encryption+v.id...), v.salt))
		etag = hex.EncodeToString(sum[:])
	}
	if v.parts != nil {
		etag += "-" + strconv.Itoa(len(v.parts))
	}
	return etag
}

// computeSum is the version's checksum over the bytes it has, in base64.
func (v *version) computeSum() string {
	if v.sum.kind != composite {
		return digest(v.sum.algorithm, v.body)
	}
	var all []byte
	bodies := v.partBodies()
	for _, part := range bodies {
		all = append(all, rawDigest(v.sum.algorithm, part)...)
	}
	return digest(v.sum.algorithm, all) + "-" + strconv.Itoa(len(bodies))
}

// describe says what an inventory would.
func (v *version) describe(key string, latest bool) cooper.Version {
	d := cooper.Version{
		Identity: cooper.Identity{Key: key, VersionID: v.id, ETag: v.etag, Size: int64(len(v.body)), LastModified: cooper.InstantOf(v.modified)},
		Latest:   latest, DeleteMarker: v.marker,
	}
	if v.marker {
		return d
	}
	d.StorageClass, d.Tier, d.Checksum, d.Encryption = v.storageClass(), v.tier, v.sum.algorithm, v.encryption
	if d.Encryption == "" {
		d.Encryption = "SSE-S3"
	}
	return d
}

func (v *version) storageClass() string {
	if v.class == "" {
		return "STANDARD"
	}
	return v.class
}

// restore is a temporary copy of an archived version.
type restore struct {
	days  int       // how long it is to stay
	until time.Time // zero while it is under way
}

// finishRestore makes the version readable. Out of an Intelligent-Tiering
// archive it moves for good, else until its days have passed: to the next
// midnight after, as S3 rounds.
func (v *version) finishRestore(now time.Time) {
	if v.class == "INTELLIGENT_TIERING" {
		v.tier, v.restore = "FREQUENT", nil
		return
	}
	until := now.AddDate(0, 0, v.restore.days+1).Truncate(24 * time.Hour)
	v.restore = &restore{days: v.restore.days, until: until}
}

// restored tells whether a temporary copy can be read.
func (v *version) restored(now time.Time) bool {
	return v.restore != nil && now.Before(v.restore.until)
}

// archived tells whether reading is refused.
func (v *version) archived(now time.Time) bool {
	d := cooper.Version{StorageClass: v.class, Tier: v.tier}
	return d.Archived() && !v.restored(now)
}

// etagMatches tells whether an If-Match or If-None-Match header names etag.
func etagMatches(header, etag string) bool {
	for one := range strings.SplitSeq(header, ",") {
		one = strings.Trim(strings.TrimSpace(one), `"`)
		if one == "*" || one == etag {
			return true
		}
	}
	return false
}
