package orc

import (
	"encoding/binary"
	"errors"
)

var errRun = errors.New("a run of numbers is malformed")

// ints reads whole numbers in runs, of the first or the second version.
// https://orc.apache.org/specification/ORCv1/#run-length-encoding
type ints struct {
	s      *stream
	signed bool
	second bool // version
	run    [512]int64
	rest   []int64 // what is unread of it
}

func (r *ints) reset(s *stream, second bool) {
	r.s, r.second, r.rest = s, second, nil
}

// read fills dst.
func (r *ints) read(dst []int64) error {
	for len(dst) > 0 {
		if len(r.rest) == 0 {
			if err := r.next(); err != nil {
				return err
			}
		}
		n := copy(dst, r.rest)
		dst, r.rest = dst[n:], r.rest[n:]
	}
	return nil
}

// ended tells whether nothing is left.
func (r *ints) ended() (bool, error) {
	if len(r.rest) > 0 {
		return false, nil
	}
	return r.s.ended()
}

// next reads a run.
func (r *ints) next() (err error) {
	b, err := r.s.byte()
	if err != nil {
		return err
	}
	var n int
	switch {
	case !r.second && b < 0x80:
		n, err = r.repeated(int(b) + 3)
	case !r.second:
		n, err = r.literals(256 - int(b))
	case b>>6 == 0:
		n, err = r.shortRepeat(b)
	case b>>6 == 1:
		n, err = r.direct(b)
	case b>>6 == 2:
		n, err = r.patched(b)
	default:
		n, err = r.delta(b)
	}
	r.rest = r.run[:n]
	return err
}

func zigzag(u uint64) int64 { return int64(u>>1) ^ -int64(u&1) }

// number gives the value that u stands for.
func (r *ints) number(u uint64) int64 {
	if r.signed {
		return zigzag(u)
	}
	return int64(u)
}

// repeated is version 1: n numbers, each as much more than the one before.
func (r *ints) repeated(n int) (int, error) {
	step, err := r.s.byte()
	if err != nil {
		return 0, err
	}
	u, err := r.s.uvarint()
	v := r.number(u)
	for i := range n {
		r.run[i] = v
		v += int64(int8(step))
	}
	return n, err
}

// literals is version 1: n numbers, each as it is.
func (r *ints) literals(n int) (int, error) {
	for i := range n {
		u, err := r.s.uvarint()
		if err != nil {
			return 0, err
		}
		r.run[i] = r.number(u)
	}
	return n, nil
}

func (r *ints) shortRepeat(b byte) (int, error) {
	u, err := r.s.bigEndian(int(b>>3&7) + 1)
	n := int(b&7) + 3
	for i := range n {
		r.run[i] = r.number(u)
	}
	return n, err
}

// header gives a run's width in bits and its length in numbers.
func (r *ints) header(b byte) (width, n int, err error) {
	low, err := r.s.byte()
	return widths[b>>1&31], (int(b&1)<<8 | int(low)) + 1, err
}

func (r *ints) direct(b byte) (int, error) {
	width, n, err := r.header(b)
	if err == nil {
		err = r.unpack(r.run[:n], width)
	}
	if r.signed {
		for i, v := range r.run[:n] {
			r.run[i] = zigzag(uint64(v))
		}
	}
	return n, err
}

// patched is a run of numbers above a base, most of them small; what the few
// others have beyond the width comes in a list of patches.
func (r *ints) patched(b byte) (int, error) {
	width, n, err := r.header(b)
	if err != nil {
		return 0, err
	}
	h, err := r.s.take(2)
	if err != nil {
		return 0, err
	}
	baseBytes, patchWidth := int(h[0]>>5)+1, widths[h[0]&31]
	gapWidth, patches := int(h[1]>>5)+1, int(h[1]&31)
	if gapWidth+patchWidth > 64 {
		return 0, errRun
	}
	u, err := r.s.bigEndian(baseBytes)
	if err != nil {
		return 0, err
	}
	base, sign := int64(u), uint64(1)<<(8*baseBytes-1)
	if u&sign != 0 {
		base = -int64(u &^ sign)
	}
	if err := r.unpack(r.run[:n], width); err != nil {
		return 0, err
	}
	var list [31]int64
	if err := r.unpack(list[:patches], closestWidth(gapWidth+patchWidth)); err != nil {
		return 0, err
	}
	at := 0
	for _, entry := range list[:patches] {
		patch := uint64(entry) & (1<<patchWidth - 1)
		at += int(uint64(entry) >> patchWidth & (1<<gapWidth - 1))
		if patch == 0 {
			continue // but a larger gap than fits
		}
		if at >= n {
			return 0, errRun
		}
		r.run[at] |= int64(patch << width)
	}
	for i := range n {
		r.run[i] += base
	}
	return n, nil
}

// delta is a run of numbers that only rise or only fall.
func (r *ints) delta(b byte) (int, error) {
	width, n, err := r.header(b)
	if err != nil {
		return 0, err
	}
	if b>>1&31 == 0 {
		width = 0 // always the same step
	}
	u, err := r.s.uvarint()
	if err != nil {
		return 0, err
	}
	v := r.number(u)
	if u, err = r.s.uvarint(); err != nil {
		return 0, err
	}
	step := zigzag(u)
	r.run[0] = v
	if n > 1 {
		r.run[1] = v + step
	}
	if n <= 2 {
		return n, nil
	}
	if width == 0 {
		for i := 2; i < n; i++ {
			r.run[i] = r.run[i-1] + step
		}
		return n, nil
	}
	if err := r.unpack(r.run[2:n], width); err != nil {
		return 0, err
	}
	for i := 2; i < n; i++ {
		if step < 0 {
			r.run[i] = r.run[i-1] - r.run[i]
		} else {
			r.run[i] = r.run[i-1] + r.run[i]
		}
	}
	return n, nil
}

// widths are the bits that a code of five bits stands for.
var widths = [32]int{
	1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24,
	26, 28, 30, 32, 40, 48, 56, 64,
}

// closestWidth is the narrowest width of n bits or more.
func closestWidth(n int) int {
	for _, w := range widths {
		if w >= n {
			return w
		}
	}
	return 64
}

// unpack fills dst with numbers of width bits each, the highest bit first.
func (r *ints) unpack(dst []int64, width int) error {
	b, err := r.s.take((len(dst)*width + 7) / 8)
	if err != nil {
		return err
	}
	switch width {
	case 8:
		for i := range dst {
			dst[i] = int64(b[i])
		}
		return nil
	case 16:
		for i := range dst {
			dst[i] = int64(binary.BigEndian.Uint16(b[2*i:]))
		}
		return nil
	case 64:
		for i := range dst {
			dst[i] = int64(binary.BigEndian.Uint64(b[8*i:]))
		}
		return nil
	}
	// The other widths are 56 at most, so that one more byte always fits.
	bits, have, mask := uint64(0), 0, uint64(1)<<width-1
	for i := range dst {
		for have < width {
			bits = bits<<8 | uint64(b[0])
			have += 8
			b = b[1:]
		}
		have -= width
		dst[i] = int64(bits >> have & mask)
	}
	return nil
}
