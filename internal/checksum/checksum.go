// Package checksum tells whether bytes are those a store vouches for.
//
// A store vouches by the ETag, which is an MD5 only of objects uploaded in one
// piece and not encrypted with a key of the customer's, or an MD5 over the MD5s
// of parts whose size must be found out; and by checksums it may have been
// given. The answer is verified, unverifiable with a reason, or corrupt:
// nothing passes for verified that was not compared with something.
//
// A Hasher checks bytes while they stream by, and reads them once more only
// where the likeliest guess was wrong. Recheck looks at bytes that were checked
// before, without a store. Getting the bytes, and what to do about corrupt
// ones, is left to others.
package checksum

import (
	"bytes"

	"cooper"
)

// Claim is what is known about what the bytes ought to be.
type Claim struct {
	ETag string // without quotes
	Size int64  // in bytes
	// Encryption is how the store encrypts the object, in the words of a
	// response header (AES256, aws:kms, aws:kms:dsse) or of an inventory (SSE-S3,
	// SSE-KMS, DSSE-KMS, SSE-C, NOT-SSE); empty if unknown.
	Encryption string
	// Checksums and ChecksumType are as in store.Object.
	Checksums    map[string]string
	ChecksumType string
	// Hashed: the SHA-256 is wanted in any case, as nobody will know the ETag later.
	Hashed bool
}

// Result is what came of comparing. Hash is the SHA-256 of the bytes where the
// ETag does not vouch for them, so that a later Recheck can find damage.
type Result struct {
	Check  cooper.Check
	Method string
	Hash   []byte
	// Came is the SHA-256 of corrupt bytes that nothing is against but an ETag
	// that looks like an MD5: see Alike.
	Came []byte
}

// AlikeTimes is how often bytes must come alike before they are kept against the
// word of their ETag.
const AlikeTimes = 3

// MethodAlike says why such bytes are unverifiable.
const MethodAlike = "the ETag is no MD5 of the bytes, which came alike each time"

// Alike is what is known of bytes that came alike AlikeTimes, each time with the
// Result r: an ETag that looks like an MD5 need not be one (what AWS Backup
// restores has others, and what gateways to file systems serve), while damage on
// the way is never the same.
func Alike(r Result) Result {
	if r.Check != cooper.Corrupt || r.Came == nil {
		return r
	}
	return Result{Check: cooper.Unverifiable, Method: MethodAlike, Hash: r.Came}
}

// Comings follows what comes of reading the same bytes again and again.
type Comings struct {
	n      int
	came   []byte
	unlike bool
}

// See takes in the next result, and gives what is known by now.
func (c *Comings) See(r Result) Result {
	c.unlike = c.unlike || c.n > 0 && !bytes.Equal(r.Came, c.came)
	c.n, c.came = c.n+1, r.Came
	if c.n < AlikeTimes || c.unlike {
		return r
	}
	return Alike(r)
}

// The forms of an ETag.
type form uint8

const (
	opaque    form = iota // tells nothing about the bytes
	plain                 // an MD5, or looks like one
	multipart             // an MD5 over the MD5s of parts, or looks like one
)

// maxParts is S3's limit.
const maxParts = 10000

// parseETag takes an ETag apart: 32 hex digits, or these with "-" and the
// number of parts.
func parseETag(etag string) (sum [16]byte, parts int, f form) {
	if len(etag) < 32 {
		return sum, 0, opaque
	}
	for i := range sum {
		hi, lo := nibble(etag[2*i]), nibble(etag[2*i+1])
		if hi < 0 || lo < 0 {
			return sum, 0, opaque
		}
		sum[i] = byte(hi<<4 | lo)
	}
	rest := etag[32:]
	if rest == "" {
		return sum, 0, plain
	}
	if rest[0] != '-' || len(rest) < 2 || len(rest) > 6 || rest[1] == '0' {
		return sum, 0, opaque
	}
	for _, c := range []byte(rest[1:]) {
		if c < '0' || c > '9' {
			return sum, 0, opaque
		}
		parts = 10*parts + int(c-'0')
	}
	if parts > maxParts {
		return sum, 0, opaque
	}
	return sum, parts, multipart
}

func nibble(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// keyed names the encryption under which ETags are no MD5, for messages; empty
// if there is none that is known of.
func keyed(encryption string) string {
	switch encryption {
	case "aws:kms", "SSE-KMS":
		return "SSE-KMS"
	case "aws:kms:dsse", "DSSE-KMS":
		return "DSSE-KMS"
	case "SSE-C":
		return "SSE-C"
	}
	return ""
}
