package checksum

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"hash"
	"hash/crc32"
	"hash/crc64"
	"strconv"
	"strings"
	"sync"
)

// nvmePolynomial is that of CRC-64/NVME, 0xAD93D23594C93659, reversed.
const nvmePolynomial = 0x9a6c9329ac4bc9b5

var (
	nvmeTable  = sync.OnceValue(func() *crc64.Table { return crc64.MakeTable(nvmePolynomial) })
	castagnoli = sync.OnceValue(func() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) })
)

// algorithms are those of S3, the strongest first.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html
var algorithms = []struct {
	name string
	new  func() hash.Hash
}{
	{"SHA256", sha256.New},
	{"CRC64NVME", func() hash.Hash { return crc64.New(nvmeTable()) }},
	{"SHA1", sha1.New},
	{"CRC32C", func() hash.Hash { return crc32.New(castagnoli()) }},
	{"CRC32", func() hash.Hash { return crc32.NewIEEE() }},
}

// vouched is a checksum the store gave with an object.
type vouched struct {
	name  string // lower case, as it stands in Result.Method
	new   func() hash.Hash
	sum   []byte
	parts int // of a COMPOSITE one; 0 for one over the full object
}

// vouchedBy picks the strongest checksum of a claim that makes sense; nil if
// there is none.
func vouchedBy(c *Claim) *vouched {
	for _, a := range algorithms {
		text := c.Checksums[a.name]
		if text == "" {
			continue
		}
		v := &vouched{name: strings.ToLower(a.name), new: a.new}
		text, parts, composite := strings.Cut(text, "-")
		if composite {
			n, err := strconv.Atoi(parts)
			if err != nil || n < 1 || n > maxParts {
				continue
			}
			v.parts = n
		} else if c.ChecksumType == "COMPOSITE" {
			continue // of how many parts?
		}
		sum, err := base64.StdEncoding.DecodeString(text)
		if err != nil || len(sum) != a.new().Size() {
			continue
		}
		v.sum = sum
		return v
	}
	return nil
}

// A trial is a comparison that may succeed: bytes are written to it, then it is
// asked.
type trial interface {
	Write(b []byte) (int, error)
	// matches is asked once, after all bytes.
	matches() bool
	method() string
	// byETag: success means that the ETag vouches for the bytes.
	byETag() bool
}

// wholeTrial compares a hash of all bytes.
type wholeTrial struct {
	hash.Hash
	want []byte
	name string
	etag bool
}

func (t *wholeTrial) matches() bool  { return bytes.Equal(t.Sum(nil), t.want) }
func (t *wholeTrial) method() string { return t.name }
func (t *wholeTrial) byETag() bool   { return t.etag }

// partTrial compares a hash of hashes of parts.
type partTrial struct {
	*parted
	want  []byte
	parts int
	name  string
	etag  bool
}

func (t *partTrial) matches() bool  { return t.parted.matches(t.want, t.parts) }
func (t *partTrial) method() string { return t.name + " " + strconv.FormatInt(t.size, 10) }
func (t *partTrial) byETag() bool   { return t.etag }
