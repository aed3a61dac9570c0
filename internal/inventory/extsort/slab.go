package extsort

import (
	"bytes"
	"encoding/binary"
	"slices"
)

const (
	// Blocks grow from the smaller size to the larger; a record that is larger
	// still has a block of its own.
	smallBlock = 64 << 10
	largeBlock = 32 << 20
	headerSize = 8  // two lengths before each record
	refSize    = 16 // in bytes
)

// ref stands for one record while sorting.
type ref struct {
	head   uint64 // eight bytes of the key, from the depth that is being sorted
	block  uint32
	offset uint32 // of the record's header in its block
}

// slab holds records in blocks without pointers.
type slab struct {
	blocks   [][]byte
	next     int // the block to fill next, where a former use left some
	used     int // bytes of the last block
	current  []byte
	bytes    int64 // of all records
	refs     []ref
	unsorted bool
	touched  byte // keeps what touch does from being optimised away
}

func (s *slab) len() int { return len(s.refs) }

// size is the memory that records and refs take, in bytes.
func (s *slab) size() int64 { return s.bytes }

func recordSize(key, data []byte) int64 {
	return int64(headerSize + len(key) + len(data) + refSize)
}

// reset forgets the records and keeps the memory.
func (s *slab) reset() {
	s.refs, s.next, s.used, s.current, s.bytes, s.unsorted = s.refs[:0], 0, 0, nil, 0, false
}

// trim gives back blocks that are not in use.
func (s *slab) trim() {
	clear(s.blocks[s.next:])
	s.blocks = s.blocks[:s.next]
}

func (s *slab) add(key, data []byte, compare func(a, b []byte) int) {
	n := headerSize + len(key) + len(data)
	if s.used+n > len(s.current) {
		s.grow(n)
	}
	b := s.current[s.used : s.used+n]
	binary.LittleEndian.PutUint32(b, uint32(len(key)))
	binary.LittleEndian.PutUint32(b[4:], uint32(len(data)))
	copy(b[headerSize:], key)
	copy(b[headerSize+len(key):], data)
	if !s.unsorted && len(s.refs) > 0 {
		k, d := s.record(len(s.refs) - 1)
		c := bytes.Compare(k, key)
		s.unsorted = c > 0 || c == 0 && compare(d, data) > 0
	}
	s.refs = append(s.refs, ref{block: uint32(s.next - 1), offset: uint32(s.used)})
	s.used += n
	s.bytes += recordSize(key, data)
}

// grow makes current a block with room for n bytes.
func (s *slab) grow(n int) {
	if s.next == len(s.blocks) {
		size := min(smallBlock<<min(s.next, 16), largeBlock)
		s.blocks = append(s.blocks, make([]byte, max(n, size)))
	} else if len(s.blocks[s.next]) < n {
		s.blocks[s.next] = make([]byte, n)
	}
	s.current = s.blocks[s.next]
	s.next++
	s.used = 0
}

// record gives the key and data of the i-th record.
func (s *slab) record(i int) (key, data []byte) {
	r := &s.refs[i]
	b := s.blocks[r.block][r.offset:]
	k := headerSize + binary.LittleEndian.Uint32(b)
	d := k + binary.LittleEndian.Uint32(b[4:])
	return b[headerSize:k:k], b[k:d:d]
}

// walk calls do with all records in the order of refs, until one fails.
func (s *slab) walk(do func(key, data []byte) error) error {
	for i := range s.refs {
		if i%touchAhead == 0 {
			s.touch(i)
		}
		if err := do(s.record(i)); err != nil {
			return err
		}
	}
	return nil
}

// touchAhead is how many records touch reads.
const touchAhead = 64

// touch reads a little of the records from i on. Sorted records lie all over
// memory; asked for one after the other each would be waited for, asked for
// all at once they come at the same time.
func (s *slab) touch(i int) {
	sum := byte(0)
	for _, r := range s.refs[i:min(i+touchAhead, len(s.refs))] {
		b := s.blocks[r.block][r.offset:]
		sum += b[0] + b[min(64, len(b)-1)] + b[min(128, len(b)-1)]
	}
	s.touched = sum
}

func (s *slab) key(r *ref) []byte {
	b := s.blocks[r.block][r.offset:]
	return b[headerSize : headerSize+binary.LittleEndian.Uint32(b)]
}

func (s *slab) data(r *ref) []byte {
	b := s.blocks[r.block][r.offset:]
	k := headerSize + binary.LittleEndian.Uint32(b)
	return b[k : k+binary.LittleEndian.Uint32(b[4:])]
}

// sort puts the records in order: a three-way radix quicksort that keeps eight
// bytes of each key at hand and skips what all keys of a group have in common,
// so that a long shared path is read once and not at every comparison.
func (s *slab) sort(compare func(a, b []byte) int) {
	if !s.unsorted {
		return
	}
	s.unsorted = false
	sorter{s, compare}.group(s.refs, 0)
}

type sorter struct {
	*slab
	compare func(a, b []byte) int
}

// small is the length up to which insertion is faster.
const small = 12

// group sorts refs, whose keys agree in their first depth bytes.
func (s sorter) group(refs []ref, depth int) {
	if len(refs) < 2 {
		return
	}
	if len(refs) > small {
		depth = s.common(refs, depth)
	}
	ended := s.load(refs, depth)
	if ended {
		// No key is a prefix of another, so if one ends here all do.
		slices.SortFunc(refs, func(a, b ref) int { return s.compare(s.data(&a), s.data(&b)) })
		return
	}
	s.partition(refs, depth)
}

// common extends depth over what all keys share.
func (s sorter) common(refs []ref, depth int) int {
	first := s.key(&refs[0])
	n := len(first)
	for i := 1; i < len(refs); i++ {
		k := s.key(&refs[i])
		if len(k) >= n && bytes.Equal(k[depth:n], first[depth:n]) {
			continue
		}
		if n = depth + shared(k[depth:], first[depth:n]); n == depth {
			break
		}
	}
	return n
}

// load reads the heads at depth, and tells whether the keys end there.
func (s sorter) load(refs []ref, depth int) (ended bool) {
	for i := range refs {
		r := &refs[i]
		k := s.key(r)[depth:]
		if len(k) == 0 {
			return true
		}
		r.head = head(k)
	}
	return false
}

// partition sorts refs by their heads, and what has equal heads deeper.
func (s sorter) partition(refs []ref, depth int) {
	for len(refs) > small {
		pivot := median(refs)
		lt, i, gt := 0, 0, len(refs)
		for i < gt {
			switch h := refs[i].head; {
			case h < pivot:
				refs[lt], refs[i] = refs[i], refs[lt]
				lt++
				i++
			case h > pivot:
				gt--
				refs[gt], refs[i] = refs[i], refs[gt]
			default:
				i++
			}
		}
		s.deeper(refs[lt:gt], depth)
		// Recurse into the shorter side, so that the stack stays shallow.
		if less, more := refs[:lt], refs[gt:]; len(less) < len(more) {
			s.partition(less, depth)
			refs = more
		} else {
			s.partition(more, depth)
			refs = less
		}
	}
	s.insertion(refs, depth)
}

// deeper sorts refs, whose heads at depth are equal.
func (s sorter) deeper(refs []ref, depth int) {
	if len(refs) < 2 {
		return
	}
	s.group(refs, min(depth+8, len(s.key(&refs[0]))))
}

func (s sorter) insertion(refs []ref, depth int) {
	for i := 1; i < len(refs); i++ {
		for j := i; j > 0 && s.less(&refs[j], &refs[j-1], depth); j-- {
			refs[j], refs[j-1] = refs[j-1], refs[j]
		}
	}
}

func (s sorter) less(a, b *ref, depth int) bool {
	if a.head != b.head {
		return a.head < b.head
	}
	if c := bytes.Compare(s.key(a)[depth:], s.key(b)[depth:]); c != 0 {
		return c < 0
	}
	return s.compare(s.data(a), s.data(b)) < 0
}

// median guesses a middle head from three, or for many from nine.
func median(refs []ref) uint64 {
	n := len(refs)
	if n < 200 {
		return median3(refs[0].head, refs[n/2].head, refs[n-1].head)
	}
	e := n / 8
	return median3(
		median3(refs[0].head, refs[e].head, refs[2*e].head),
		median3(refs[3*e].head, refs[4*e].head, refs[5*e].head),
		median3(refs[6*e].head, refs[7*e].head, refs[n-1].head))
}

func median3(a, b, c uint64) uint64 {
	return max(min(a, b), min(max(a, b), c))
}

// head is the first eight bytes of k as a number, zeros after its end.
func head(k []byte) uint64 {
	if len(k) >= 8 {
		return binary.BigEndian.Uint64(k)
	}
	var b [8]byte
	copy(b[:], k)
	return binary.BigEndian.Uint64(b[:])
}

// shared is how many bytes a and b have in common at their beginnings.
func shared(a, b []byte) int {
	n := min(len(a), len(b))
	i := 0
	for ; i+8 <= n; i += 8 {
		if binary.LittleEndian.Uint64(a[i:]) != binary.LittleEndian.Uint64(b[i:]) {
			break
		}
	}
	for i < n && a[i] == b[i] {
		i++
	}
	return i
}
