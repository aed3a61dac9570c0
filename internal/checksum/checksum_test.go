package checksum

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"hash/crc64"
	"io"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"cooper"
)

func random(n int64) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{1})
	r.Read(b)
	return b
}

// etagOf is what S3 makes of an upload in parts of the sizes given; the last
// is repeated.
func etagOf(data []byte, sizes ...int64) string {
	h, n := md5.New(), 0
	for len(data) > 0 {
		size := min(sizes[min(n, len(sizes)-1)], int64(len(data)))
		sum := md5.Sum(data[:size])
		h.Write(sum[:])
		data, n = data[size:], n+1
	}
	return fmt.Sprintf("%x-%d", h.Sum(nil), n)
}

func plainETag(b []byte) string {
	sum := md5.Sum(b)
	return hex.EncodeToString(sum[:])
}

func sum64(h hash.Hash, b []byte) string {
	h.Write(b)
	return base64.StdEncoding.EncodeToString(h.Sum(nil))
}

func nvme(b []byte) string { return sum64(crc64.New(nvmeTable()), b) }

// composite is S3's checksum of checksums.
func composite(data []byte, size int64, algorithm func() hash.Hash) string {
	whole, n := algorithm(), 0
	for len(data) > 0 {
		k := min(size, int64(len(data)))
		h := algorithm()
		h.Write(data[:k])
		whole.Write(h.Sum(nil))
		data, n = data[k:], n+1
	}
	return fmt.Sprintf("%s-%d", base64.StdEncoding.EncodeToString(whole.Sum(nil)), n)
}

// asked is a store that knows the sizes of parts; it counts the questions.
type asked struct {
	sizes map[int]int64
	n     int
}

func (a *asked) size(_ context.Context, part int) (int64, error) {
	a.n++
	return a.sizes[part], nil
}

func check(t *testing.T, c Claim, data []byte, a *asked) Result {
	t.Helper()
	h := New(c)
	// Uneven pieces: no result may depend on how the bytes arrive.
	for rest := data; len(rest) > 0; {
		k := min(len(rest), 1+len(rest)/3)
		h.Write(rest[:k])
		rest = rest[k:]
	}
	r, err := h.Result(t.Context(), Evidence{Bytes: bytes.NewReader(data), PartSize: a.size})
	if err != nil {
		t.Fatal(err)
	}
	// What is in memory is judged the same, though by another way.
	whole, err := Whole(t.Context(), c, data, (&asked{sizes: a.sizes}).size)
	if err != nil || !reflect.DeepEqual(whole, r) {
		t.Errorf("Whole says %+v, %v; the Hasher %+v", whole, err, r)
	}
	return r
}

func TestCRC64NVMEKnownValue(t *testing.T) {
	// The check value of the catalogue of CRC algorithms, CRC-64/NVME.
	if got := crc64.Checksum([]byte("123456789"), nvmeTable()); got != 0xae8b14860a799888 {
		t.Errorf("%x", got)
	}
}

func TestResult(t *testing.T) {
	small := random(1000)
	large := random(20*mib + 12345)
	crc32c := func() hash.Hash { return crc32.New(castagnoli()) }
	odd := int64(6*mib + 7)
	for _, c := range []struct {
		name   string
		claim  Claim
		data   []byte
		parts  map[int]int64
		check  cooper.Check
		method string
		hashed bool
		asked  int
	}{
		{name: "plain MD5", claim: Claim{ETag: plainETag(small)}, data: small, check: cooper.Verified, method: "md5"},
		{name: "upper-case ETag", claim: Claim{ETag: strings.ToUpper(plainETag(small))}, data: small, check: cooper.Verified, method: "md5"},
		{name: "no bytes", claim: Claim{ETag: plainETag(nil)}, check: cooper.Verified, method: "md5"},
		{name: "no bytes, in one part", claim: Claim{ETag: fmt.Sprintf("%x-1", md5.Sum(hashOf(nil)))}, check: cooper.Verified, method: "multipart 1"},
		{name: "plain, wrong", claim: Claim{ETag: plainETag(small[1:])}, data: small, check: cooper.Corrupt, method: "does not match md5"},
		{name: "plain, wrong, but the store's checksum is right", claim: Claim{ETag: plainETag(small[1:]), Checksums: map[string]string{"CRC64NVME": nvme(small)}, ChecksumType: "FULL_OBJECT"}, data: small, check: cooper.Verified, method: "crc64nvme", hashed: true},
		{name: "plain, wrong, checksum wrong too", claim: Claim{ETag: plainETag(small[1:]), Checksums: map[string]string{"CRC64NVME": nvme(small[1:])}}, data: small, check: cooper.Corrupt, method: "does not match crc64nvme"},
		{name: "SSE-KMS without a checksum", claim: Claim{ETag: plainETag(small[1:]), Encryption: "aws:kms"}, data: small, check: cooper.Unverifiable, method: "sse-kms: the ETag is no MD5", hashed: true},
		{name: "SSE-KMS of the inventory, multipart", claim: Claim{ETag: plainETag(small[1:]) + "-3", Encryption: "SSE-KMS"}, data: large, check: cooper.Unverifiable, method: "sse-kms: the ETag is no MD5", hashed: true},
		{name: "SSE-KMS of a store whose ETag is an MD5 all the same", claim: Claim{ETag: plainETag(small), Encryption: "SSE-KMS"}, data: small, check: cooper.Verified, method: "md5"},
		{name: "SSE-KMS with a checksum", claim: Claim{ETag: plainETag(small[1:]), Encryption: "aws:kms", Checksums: map[string]string{"CRC32C": sum64(crc32c(), small)}}, data: small, check: cooper.Verified, method: "crc32c", hashed: true},
		{name: "SSE-KMS with a checksum that differs", claim: Claim{ETag: plainETag(small[1:]), Encryption: "aws:kms", Checksums: map[string]string{"CRC32C": sum64(crc32c(), small[1:])}}, data: small, check: cooper.Corrupt, method: "does not match crc32c"},
		{name: "SSE-KMS, composite checksum", claim: Claim{ETag: plainETag(small[1:]) + "-3", Encryption: "aws:kms", Checksums: map[string]string{"SHA256": composite(large, 8*mib, sha256.New)}, ChecksumType: "COMPOSITE"}, data: large, check: cooper.Verified, method: "composite sha256 8388608", hashed: true},
		{name: "ETag of another kind", claim: Claim{ETag: "0x8D9"}, data: small, check: cooper.Unverifiable, method: "the ETag is no MD5, and there is no checksum", hashed: true},
		{name: "ETag of another kind, checksum", claim: Claim{ETag: "0x8D9", Checksums: map[string]string{"SHA256": sum64(sha256.New(), small)}}, data: small, check: cooper.Verified, method: "sha256", hashed: true},
		{name: "8 MiB parts", claim: Claim{ETag: etagOf(large, 8*mib)}, data: large, check: cooper.Verified, method: "multipart 8388608"},
		{name: "15 MiB parts, an unlikelier size", claim: Claim{ETag: etagOf(large, 15*mib)}, data: large, check: cooper.Verified, method: "multipart 15728640"},
		{name: "one part", claim: Claim{ETag: etagOf(small, 8*mib)}, data: small, check: cooper.Verified, method: "multipart 1000"},
		{name: "one part, wrong", claim: Claim{ETag: etagOf(small[1:], 8*mib)}, data: small, check: cooper.Corrupt, method: "does not match the checksum of its one part"},
		{name: "parts as even as can be", claim: Claim{ETag: etagOf(large, (20*mib+12345+2)/3)}, data: large, check: cooper.Verified, method: "multipart 6994622"},
		{name: "size of the parts asked for", claim: Claim{ETag: etagOf(large, 9*mib+7)}, data: large, parts: map[int]int64{1: 9*mib + 7}, check: cooper.Verified, method: "multipart 9437191", asked: 1},
		{name: "the store does not tell", claim: Claim{ETag: etagOf(large, 9*mib+7)}, data: large, check: cooper.Unverifiable, method: "the store does not tell the size of its parts", hashed: true, asked: 1},
		{name: "unlike parts", claim: Claim{ETag: etagOf(large, 5*mib, odd, 9*mib)}, data: large, parts: map[int]int64{1: 5 * mib, 3: 20*mib + 12345 - 5*mib - odd}, check: cooper.Unverifiable, method: "multipart with parts of unlike sizes", hashed: true, asked: 1},
		{name: "unlike parts, the first like an even one", claim: Claim{ETag: etagOf(large, 8*mib, odd, 8*mib)}, data: large, parts: map[int]int64{1: 8 * mib, 3: 20*mib + 12345 - 8*mib - odd}, check: cooper.Unverifiable, method: "multipart with parts of unlike sizes", hashed: true, asked: 2},
		{name: "multipart, wrong", claim: Claim{ETag: etagOf(large[1:], 8*mib)}, data: large, parts: map[int]int64{1: 8 * mib, 3: 4*mib + 12345}, check: cooper.Corrupt, method: "does not match multipart 8388608", asked: 2},
		{name: "two parts, wrong", claim: Claim{ETag: etagOf(large[1:], 16*mib)}, data: large, parts: map[int]int64{1: 16 * mib}, check: cooper.Corrupt, method: "does not match multipart 16777216", asked: 1},
		{name: "unlike parts with a checksum of all", claim: Claim{ETag: etagOf(large, 8*mib, odd, 9*mib), Checksums: map[string]string{"CRC64NVME": nvme(large)}, ChecksumType: "FULL_OBJECT"}, data: large, check: cooper.Verified, method: "crc64nvme", hashed: true},
		{name: "too short", claim: Claim{ETag: plainETag(small), Size: 1001}, data: small, check: cooper.Corrupt, method: "1000 bytes instead of 1001"},
		{name: "nonsense for a checksum", claim: Claim{ETag: plainETag(small), Checksums: map[string]string{"CRC32": "!!", "SHA1": "AAAA-x"}}, data: small, check: cooper.Verified, method: "md5"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.claim.Size == 0 {
				c.claim.Size = int64(len(c.data))
			}
			a := &asked{sizes: c.parts}
			r := check(t, c.claim, c.data, a)
			if r.Check != c.check || r.Method != c.method || (r.Hash != nil) != c.hashed || a.n != c.asked {
				t.Errorf("%s, %q, hash %x, asked %d times", r.Check, r.Method, r.Hash, a.n)
			}
			if c.hashed && !bytes.Equal(r.Hash, hashOf256(c.data)) {
				t.Errorf("hash %x is not the SHA-256", r.Hash)
			}
			if r.Check == cooper.Verified || c.hashed {
				recheck(t, c.claim, r, c.data)
			}
		})
	}
}

func hashOf(b []byte) []byte { s := md5.Sum(b); return s[:] }

func hashOf256(b []byte) []byte { s := sha256.Sum256(b); return s[:] }

// recheck wants Recheck to agree with what the catalog remembers, and to see a
// single flipped bit and a lost byte.
func recheck(t *testing.T, c Claim, r Result, data []byte) {
	t.Helper()
	known := Known{ETag: c.ETag, Size: c.Size, Check: r.Check, Method: r.Method, Hash: r.Hash}
	again, err := Recheck(t.Context(), bytes.NewReader(data), known)
	if err != nil || again.Check != r.Check {
		t.Errorf("again: %+v, %v", again, err)
	}
	if len(data) == 0 {
		return
	}
	bad := bytes.Clone(data)
	bad[len(bad)/2] ^= 4
	damaged := [][]byte{bad}
	if len(data) < mib { // it takes its time
		damaged = append(damaged, data[:len(data)-1], append(bytes.Clone(data), 0))
	}
	for _, bad := range damaged {
		if again, err = Recheck(t.Context(), bytes.NewReader(bad), known); err != nil || again.Check != cooper.Corrupt {
			t.Errorf("damaged: %+v, %v", again, err)
		}
	}
}

func TestRecheckOfWhatWasNeverLookedAt(t *testing.T) {
	data := random(11 * mib)
	for _, c := range []struct {
		etag string
		want cooper.Check
	}{
		{plainETag(data), cooper.Verified},
		{etagOf(data, 5*mib), cooper.Verified},
		{plainETag(data[1:]), cooper.Unverifiable}, // may be SSE-KMS
		{"what", cooper.Unverifiable},
	} {
		r, err := Recheck(t.Context(), bytes.NewReader(data), Known{ETag: c.etag, Size: int64(len(data)), Check: cooper.Unverified})
		if err != nil || r.Check != c.want {
			t.Errorf("%s: %+v, %v", c.etag, r, err)
		}
	}
}

func TestRecheckOfWhatNobodyCompared(t *testing.T) {
	data := random(1000)
	for _, c := range []struct {
		etag string
		want cooper.Check
	}{
		{plainETag(data), cooper.Verified},
		{plainETag(data[1:]), cooper.Corrupt},
		{plainETag(data[1:]) + "-3", cooper.Unverifiable},
		{"what", cooper.Unverifiable},
	} {
		for _, k := range []Known{{Check: cooper.Unverified, Uncompared: true}, {Check: cooper.Corrupt}} {
			k.ETag, k.Size = c.etag, int64(len(data))
			if r, err := Recheck(t.Context(), bytes.NewReader(data), k); err != nil || r.Check != c.want {
				t.Errorf("%+v: %+v, %v", k, r, err)
			}
		}
	}
	hash := hashOf256(data)
	r, err := Recheck(t.Context(), bytes.NewReader(data), Known{Size: int64(len(data)), Check: cooper.Corrupt, Hash: hash})
	if err != nil || r.Check != cooper.Unverifiable || !bytes.Equal(r.Hash, hash) {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestErrorsOfEvidence(t *testing.T) {
	data := random(20 * mib)
	broken := errors.New("broken")
	claim := Claim{ETag: etagOf(data, 9*mib+7), Size: int64(len(data))}
	h := New(claim)
	h.Write(data)
	_, err := h.Result(t.Context(), Evidence{Bytes: bytes.NewReader(data), PartSize: func(context.Context, int) (int64, error) { return 0, broken }})
	if !errors.Is(err, broken) {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	h = New(claim)
	h.Write(data)
	if _, err = h.Result(ctx, Evidence{Bytes: bytes.NewReader(data)}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if _, err = Recheck(t.Context(), io.MultiReader(strings.NewReader("x"), failing{broken}), Known{}); !errors.Is(err, broken) {
		t.Error(err)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestCandidatesCutIntoSoManyParts(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		p := int64(5*mib) + r.Int64N(100*mib)
		size := 1 + r.Int64N(100*gib)
		if r.IntN(2) == 0 {
			p = clientSizes[r.IntN(len(clientSizes))]
		}
		n := count(size, p)
		for _, c := range candidates(size, int(n)) {
			if n > 1 && count(size, c) != n {
				t.Fatalf("%d bytes in parts of %d are not %d", size, c, n)
			}
		}
	}
	// Every size that clients use is found where it is the only one that fits.
	for _, p := range clientSizes[:16] {
		if c := candidates(p*9999, 9999); len(c) == 0 || c[0] != p {
			t.Errorf("%d: %v", p, c)
		}
	}
}

func FuzzParseETag(f *testing.F) {
	for _, s := range []string{"", "d41d8cd98f00b204e9800998ecf8427e", "d41d8cd98f00b204e9800998ecf8427e-12", "d41d8cd98f00b204e9800998ecf8427e-0"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		sum, parts, form := parseETag(s)
		text := hex.EncodeToString(sum[:])
		if form == multipart {
			text += fmt.Sprintf("-%d", parts)
		}
		if form != opaque && text != strings.ToLower(s) {
			t.Errorf("%q is read as %q", s, text)
		}
	})
}

func BenchmarkSmallObject(b *testing.B) {
	data := random(4096)
	claim := Claim{ETag: plainETag(data), Size: 4096}
	b.ReportAllocs()
	for b.Loop() {
		h := New(claim)
		h.Write(data)
		if r, err := h.Result(b.Context(), Evidence{}); err != nil || r.Check != cooper.Verified {
			b.Fatal(r, err)
		}
	}
}

// An ETag that looks like an MD5 is the only thing that can be excused.
func TestAlike(t *testing.T) {
	data := []byte("content")
	sum := sha256.Sum256(data)
	for name, c := range map[string]struct {
		claim Claim
		check cooper.Check
	}{
		"an ETag that is no MD5":          {Claim{ETag: strings.Repeat("0", 32)}, cooper.Unverifiable},
		"a checksum of the store's, too":  {Claim{ETag: strings.Repeat("0", 32), Checksums: map[string]string{"SHA256": base64.StdEncoding.EncodeToString(make([]byte, 32))}}, cooper.Corrupt},
		"of one part":                     {Claim{ETag: strings.Repeat("0", 32) + "-1"}, cooper.Corrupt},
		"too short":                       {Claim{ETag: strings.Repeat("0", 32), Size: 99}, cooper.Corrupt},
		"right":                           {Claim{ETag: plainETag(data)}, cooper.Verified},
		"right, and nobody will know why": {Claim{ETag: plainETag(data), Hashed: true}, cooper.Verified},
	} {
		if c.claim.Size == 0 {
			c.claim.Size = int64(len(data))
		}
		r := Alike(check(t, c.claim, data, &asked{}))
		if r.Check != c.check || r.Came != nil || (r.Check == cooper.Unverifiable || c.claim.Hashed) != bytes.Equal(r.Hash, sum[:]) {
			t.Errorf("%s: %+v", name, r)
		}
	}
}
