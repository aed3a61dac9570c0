package reading

import (
	"strings"
	"testing"

	"cooper/internal/store"
)

// TestVouched: what stores tell of two versions is believed where it is a sum of all bytes of both, and nowhere else.
func TestVouched(t *testing.T) {
	md5, other := strings.Repeat("a", 32), strings.Repeat("b", 32)
	full := func(sums map[string]string) store.Object {
		return store.Object{ChecksumType: "FULL_OBJECT", Checksums: sums, ETag: md5}
	}
	etag := func(etag, encryption string) store.Object { return store.Object{ETag: etag, Encryption: encryption} }
	for name, c := range map[string]struct {
		a, b  store.Object
		proof string
		equal bool
	}{
		"the same checksum, other ETags":    {full(map[string]string{"CRC32": "x"}), store.Object{ChecksumType: "FULL_OBJECT", Checksums: map[string]string{"CRC32": "x"}, ETag: other}, "crc32", true},
		"another checksum, the same ETag":   {full(map[string]string{"CRC32": "x"}), full(map[string]string{"CRC32": "y"}), "crc32", false},
		"one of two checksums is another":   {full(map[string]string{"CRC32": "x", "SHA256": "s"}), full(map[string]string{"CRC32": "x", "SHA256": "t"}), "sha256", false},
		"a checksum of parts tells nothing": {store.Object{ChecksumType: "COMPOSITE", Checksums: map[string]string{"CRC32": "x"}, ETag: "e"}, store.Object{ChecksumType: "COMPOSITE", Checksums: map[string]string{"CRC32": "x"}, ETag: "e"}, "", false},
		"checksums of other kinds, MD5":     {full(map[string]string{"CRC32": "x"}), full(map[string]string{"SHA1": "y"}), ByETag, true},
		"MD5, in either case":               {etag(md5, ""), etag(strings.ToUpper(md5), "AES256"), ByETag, true},
		"MD5 of the same parts":             {etag(md5+"-12", ""), etag(md5+"-12", ""), ByETag, true},
		"MD5 of other parts":                {etag(md5+"-12", ""), etag(md5+"-13", ""), "", false},
		"another MD5 may be another cut":    {etag(md5, ""), etag(other, ""), "", false},
		"no MD5 under a key":                {etag(md5, "aws:kms"), etag(md5, ""), "", false},
		"no MD5 under a key, the other way": {etag(md5, ""), etag(md5, "SSE-C"), "", false},
		"an ETag that is no MD5":            {etag("abc", ""), etag("abc", ""), "", false},
		"nothing":                           {store.Object{}, store.Object{}, "", false},
	} {
		if proof, equal := Vouched(&c.a, &c.b); proof != c.proof || equal != c.equal {
			t.Errorf("%s: %q, %v", name, proof, equal)
		}
	}
}
