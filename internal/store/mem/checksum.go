package mem

import (
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"hash"
	"hash/crc32"
	"hash/crc64"
	"net/http"
)

// checksum is what S3 keeps beside the ETag; the zero value is none.
type checksum struct {
	algorithm string
	kind      string // fullObject or composite
	value     string // base64, for composite ones with -N
}

// The checksum types of S3.
const (
	fullObject = "FULL_OBJECT"
	composite  = "COMPOSITE"
)

// defaultAlgorithm is what S3 computes for uploads that bring no checksum.
const defaultAlgorithm = "CRC64NVME"

var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	nvme       = crc64.MakeTable(0x9a6c9329ac4bc9b5) // the NVMe polynomial, reflected
)

// algorithms are the ones S3 knows. SHA ones exist of whole multipart uploads
// only as composite, which is why each says what it defaults to.
var algorithms = map[string]struct {
	header string
	new    func() hash.Hash
	parts  string // the default kind for multipart uploads
}{
	"CRC32":     {"X-Amz-Checksum-Crc32", func() hash.Hash { return crc32.NewIEEE() }, composite},
	"CRC32C":    {"X-Amz-Checksum-Crc32c", func() hash.Hash { return crc32.New(castagnoli) }, composite},
	"CRC64NVME": {"X-Amz-Checksum-Crc64nvme", func() hash.Hash { return crc64.New(nvme) }, fullObject},
	"SHA1":      {"X-Amz-Checksum-Sha1", sha1.New, composite},
	"SHA256":    {"X-Amz-Checksum-Sha256", sha256.New, composite},
}

// digest is a checksum in base64, as S3 sends it.
func digest(algorithm string, b []byte) string {
	return base64.StdEncoding.EncodeToString(rawDigest(algorithm, b))
}

func rawDigest(algorithm string, b []byte) []byte {
	switch algorithm { // the ones that need no allocation
	case "CRC64NVME":
		return binary.BigEndian.AppendUint64(nil, crc64.Checksum(b, nvme))
	case "CRC32":
		return binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE(b))
	}
	h := algorithms[algorithm].new()
	h.Write(b)
	return h.Sum(nil)
}

// declared finds the checksum that headers or trailers bring; empty if none.
func declared(h http.Header) (algorithm, value string) {
	for name, a := range algorithms {
		if v := h.Get(a.header); v != "" {
			return name, v
		}
	}
	return "", ""
}
