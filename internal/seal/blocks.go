package seal

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math/bits"
	"strconv"
	"strings"
)

// Blocks of a file: as small as they can be without being more than maxBlocks, so
// that the sums of any file take some 300 bytes, and a reader of few bytes checks
// little more than these.
const (
	minBlock  = 64 << 10
	maxBlock  = 1 << 56
	maxBlocks = 64
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Sums are the CRC-32C of each block of a file. The zero value is that of no file:
// nothing is vouched for. They can be compared.
type Sums struct {
	block int64
	crcs  string // four bytes each, the most significant first
}

func (s Sums) blocks() int { return len(s.crcs) / 4 }

// crc is that of block i.
func (s Sums) crc(i int64) uint32 {
	c := s.crcs[4*i : 4*i+4]
	return uint32(c[0])<<24 | uint32(c[1])<<16 | uint32(c[2])<<8 | uint32(c[3])
}

// IsZero tells that there are none, as of files of old formats.
func (s Sums) IsZero() bool { return s.block == 0 }

// fits tells whether these may be the sums of size bytes.
func (s Sums) fits(size int64) bool {
	return s.block > 0 && size >= 0 && int64(s.blocks()) == (size+s.block-1)/s.block
}

// MarshalText writes the length of a block in bytes, a colon, and the checksums as base64, four
// bytes each, the most significant first.
func (s Sums) MarshalText() ([]byte, error) {
	if s.IsZero() {
		return []byte{}, nil
	}
	return fmt.Appendf(nil, "%d:%s", s.block, base64.RawStdEncoding.EncodeToString([]byte(s.crcs))), nil
}

// UnmarshalText reads what MarshalText writes.
func (s *Sums) UnmarshalText(text []byte) error {
	*s = Sums{}
	if len(text) == 0 {
		return nil
	}
	length, sums, ok := strings.Cut(string(text), ":")
	block, err := strconv.ParseInt(length, 10, 64)
	if !ok || err != nil || block < minBlock || block > maxBlock || bits.OnesCount64(uint64(block)) != 1 || strconv.FormatInt(block, 10) != length {
		return fmt.Errorf("%q is no length of blocks", length)
	}
	raw, err := base64.RawStdEncoding.Strict().DecodeString(sums)
	if err != nil || len(raw)%4 != 0 || len(raw) > 4*maxBlocks || base64.RawStdEncoding.EncodeToString(raw) != sums { // it passes over line ends
		return fmt.Errorf("%q are no checksums of blocks", sums)
	}
	s.block, s.crcs = block, string(raw)
	return nil
}

// Summer takes the bytes of a file, in order, and sums its blocks. The zero value is
// ready for use.
type Summer struct {
	block int64
	crcs  []uint32
	crc   uint32 // of the block that is not full
	n     int64  // its bytes
	size  int64
}

// Write never fails.
func (s *Summer) Write(b []byte) (int, error) {
	if s.block == 0 {
		s.block = minBlock
	}
	for rest := b; len(rest) > 0; {
		k := min(int64(len(rest)), s.block-s.n)
		s.crc = crc32.Update(s.crc, castagnoli, rest[:k])
		s.n += k
		rest = rest[k:]
		if s.n == s.block {
			s.end()
		}
	}
	s.size += int64(len(b))
	return len(b), nil
}

// end ends a full block, and makes pairs of blocks one where they are too many.
func (s *Summer) end() {
	s.crcs = append(s.crcs, s.crc)
	s.crc, s.n = 0, 0
	if len(s.crcs) < maxBlocks {
		return
	}
	shift := zeros(s.block)
	for i := range maxBlocks / 2 {
		s.crcs[i] = shift.times(s.crcs[2*i]) ^ s.crcs[2*i+1]
	}
	s.crcs = s.crcs[:maxBlocks/2]
	s.block *= 2
}

// Size is how many bytes were written.
func (s *Summer) Size() int64 { return s.size }

// Sums are those of what was written. More may be written after.
func (s *Summer) Sums() Sums {
	raw := make([]byte, 0, 4*len(s.crcs)+4)
	for _, c := range s.crcs {
		raw = binary.BigEndian.AppendUint32(raw, c)
	}
	if s.n > 0 {
		raw = binary.BigEndian.AppendUint32(raw, s.crc)
	}
	return Sums{block: max(s.block, minBlock), crcs: string(raw)}
}

// matrix is a linear map of 32 bits; column i is what bit i becomes.
type matrix [32]uint32

func (m *matrix) times(v uint32) uint32 {
	var out uint32
	for ; v != 0; v &= v - 1 {
		out ^= m[bits.TrailingZeros32(v)]
	}
	return out
}

// zeros is what n zero bytes, a power of two of them, make of a CRC-32C: with it the sum of two blocks
// follows from theirs (M. Adler's combination of checksums).
func zeros(n int64) *matrix {
	var m matrix // one zero bit
	m[0] = crc32.Castagnoli
	for i := 1; i < 32; i++ {
		m[i] = 1 << (i - 1)
	}
	for range 3 + bits.TrailingZeros64(uint64(n)) { // twice as many bits each time
		var square matrix
		for i := range m {
			square[i] = m.times(m[i])
		}
		m = square
	}
	return &m
}
