package checksum

import (
	"bytes"
	"hash"
	"slices"
)

const (
	mib = 1 << 20
	gib = 1 << 30
	mb  = 1_000_000
)

// clientSizes are the part sizes that upload clients use by default or are
// commonly set to, the likeliest first: aws cli, boto3 and AWS CRT 8 MiB; Go,
// Java and rclone 5 MiB; MinIO 16; s5cmd 50; the console 17,179,870 bytes;
// Hadoop 64 MiB, 100 and 128 MB; s3cmd 15 MiB.
var clientSizes = []int64{
	8 * mib, 5 * mib, 16 * mib, 64 * mib, 50 * mib, 10 * mib, 100 * mib, 128 * mib,
	32 * mib, 25 * mib, 15 * mib, 20 * mib, 256 * mib, 512 * mib, gib, 17179870,
	100 * mb, 10 * mb, 5 * mb, 8 * mb, 16 * mb, 50 * mb, 64 * mb, 128 * mb, 25 * mb,
	6 * mib, 7 * mib, 12 * mib, 24 * mib, 40 * mib, 48 * mib, 80 * mib, 96 * mib, 200 * mib, 250 * mib,
	2 * gib, 3 * gib, 4 * gib, 5 * gib, 1000 * mb, 500 * mb, 250 * mb, 20 * mb, 32 * mb,
}

// maxCandidates bounds the work of trying part sizes.
const maxCandidates = 8

// candidates lists the part sizes that cut size bytes into exactly n parts,
// the likeliest first: what clients use, then what those choose that fit the
// size to a number of parts.
func candidates(size int64, n int) []int64 {
	if n < 1 || size < 0 {
		return nil
	}
	if n == 1 {
		return []int64{max(size, 1)} // every size from there on gives the same
	}
	var fit []int64
	add := func(p int64) {
		if p > 0 && len(fit) < maxCandidates && count(size, p) == int64(n) && !slices.Contains(fit, p) {
			fit = append(fit, p)
		}
	}
	for _, p := range clientSizes {
		add(p)
	}
	even := (size + int64(n) - 1) / int64(n)
	for _, unit := range []int64{5 * mib, mib, mb, 64 << 10} {
		add((even + unit - 1) / unit * unit)
	}
	for p := int64(mib); p <= 8*gib; p *= 2 {
		add(p)
	}
	add(even)
	add(size/int64(n) + 1)
	return fit
}

// count is how many parts of p bytes size bytes make.
func count(size, p int64) int64 { return (size + p - 1) / p }

// parted hashes parts of one size, and then the hashes of the parts.
type parted struct {
	size  int64
	left  int64
	part  hash.Hash
	whole hash.Hash
	parts int
	buf   []byte
}

func newParted(size int64, algorithm func() hash.Hash) *parted {
	return &parted{size: size, left: size, part: algorithm(), whole: algorithm()}
}

// Write never fails.
func (p *parted) Write(b []byte) (int, error) {
	n := len(b)
	for len(b) > 0 {
		k := min(int64(len(b)), p.left)
		p.part.Write(b[:k])
		b = b[k:]
		if p.left -= k; p.left == 0 {
			p.cut()
		}
	}
	return n, nil
}

func (p *parted) cut() {
	p.buf = p.part.Sum(p.buf[:0])
	p.whole.Write(p.buf)
	p.part.Reset()
	p.left = p.size
	p.parts++
}

// matches ends the last part and compares. No bytes at all are one empty part.
func (p *parted) matches(sum []byte, parts int) bool {
	if p.left != p.size || p.parts == 0 {
		p.cut()
	}
	return p.parts == parts && bytes.Equal(p.whole.Sum(nil), sum)
}
