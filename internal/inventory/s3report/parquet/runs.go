package parquet

import (
	"encoding/binary"
	"errors"
)

var errNumber = errors.New("a number is malformed")

// hybrid reads runs of equal values and of packed ones, which are levels, booleans
// or places in a dictionary.
type hybrid struct {
	b     []byte
	width int // bits of each value, at most 32
	// backwards: an older form, of levels of one bit, the first at the top of the
	// byte, and no runs.
	backwards bool

	left   int // values of the run at hand
	packed bool
	value  uint32
	bit    int // where in b the next packed value is
	stop   int // where in b the run ends
}

// next fills out.
func (h *hybrid) next(out []uint32) error {
	if h.backwards {
		return h.nextBackwards(out)
	}
	for len(out) > 0 {
		if h.left == 0 {
			if err := h.run(); err != nil {
				return err
			}
			continue
		}
		n := min(h.left, len(out))
		if h.packed {
			for i := range n {
				out[i] = uint32(bitsAt(h.b, h.bit, h.width))
				h.bit += h.width
			}
		} else {
			for i := range n {
				out[i] = h.value
			}
		}
		h.left -= n
		if h.left == 0 {
			h.b = h.b[h.stop:]
		}
		out = out[n:]
	}
	return nil
}

// run begins the next one.
func (h *hybrid) run() error {
	head, used := binary.Uvarint(h.b)
	if used == 0 {
		return errShort
	}
	count := head >> 1
	if used < 0 || count > 1<<31 {
		return errNumber
	}
	if h.packed = head&1 != 0; h.packed {
		// Eight values at a time. The last run may be cut short where its values
		// end.
		bytes := count * uint64(h.width)
		have := uint64(len(h.b) - used)
		h.left, h.bit, h.stop = int(count*8), used*8, used+int(min(bytes, have))
		if bytes > have {
			h.left = int(have * 8 / uint64(h.width))
			if h.left == 0 {
				return errShort
			}
		}
	} else {
		size := (h.width + 7) / 8
		if len(h.b)-used < size {
			return errShort
		}
		h.value = 0
		for i := range size {
			h.value |= uint32(h.b[used+i]) << (8 * i)
		}
		if h.width < 32 && h.value>>h.width != 0 {
			return errNumber
		}
		h.left, h.stop = int(count), used+size
	}
	if h.left == 0 {
		h.b = h.b[h.stop:]
	}
	return nil
}

func (h *hybrid) nextBackwards(out []uint32) error {
	for i := range out {
		if h.bit/8 >= len(h.b) {
			return errShort
		}
		out[i] = uint32(h.b[h.bit/8]>>(7-h.bit%8)) & 1
		h.bit++
	}
	return nil
}

// bitsAt gives the width bits, at most 64, that begin at a bit of b; what is behind
// its end is zero.
func bitsAt(b []byte, bit, width int) uint64 {
	at, shift := bit/8, bit%8
	var v, high uint64
	if at+9 <= len(b) {
		v, high = binary.LittleEndian.Uint64(b[at:]), uint64(b[at+8])
	} else {
		for i := 0; i < 9 && at+i < len(b); i++ {
			if i == 8 {
				high = uint64(b[at+i])
			} else {
				v |= uint64(b[at+i]) << (8 * i)
			}
		}
	}
	v >>= shift
	if shift > 0 {
		v |= high << (64 - shift)
	}
	if width < 64 {
		v &= 1<<width - 1
	}
	return v
}

// delta reads whole numbers that are stored as what each adds to the one before.
type delta struct {
	b      []byte
	left   int // values
	each   int // values of a miniblock
	minis  int // of a block
	value  int64
	first  bool // value is still to be given
	least  int64
	widths []byte // of the miniblocks to come
	width  int
	mini   int // values left of the miniblock
	bit    int // where in b the next one is
}

// newDelta reads the header. There may be most values.
func newDelta(b []byte, most int) (d *delta, err error) {
	var head [3]uint64 // values of a block, miniblocks of a block, values
	for i := range head {
		v, used := binary.Uvarint(b)
		if used <= 0 {
			return nil, errNumber
		}
		head[i], b = v, b[used:]
	}
	first, used := binary.Varint(b)
	block, minis := head[0], head[1]
	if used <= 0 || block == 0 || block > 1<<20 || minis == 0 || minis > block || block%minis != 0 || block/minis%8 != 0 {
		return nil, errNumber
	}
	if head[2] > uint64(most) {
		return nil, errLong
	}
	return &delta{b: b[used:], left: int(head[2]), each: int(block / minis), minis: int(minis), value: first, first: true}, nil
}

// next gives the next value.
func (d *delta) next() (int64, error) {
	if d.left == 0 {
		return 0, errShort
	}
	d.left--
	if d.first {
		d.first = false
		return d.value, nil
	}
	if d.mini == 0 {
		if err := d.turn(); err != nil {
			return 0, err
		}
	}
	d.mini--
	d.value += d.least + int64(bitsAt(d.b, d.bit, d.width))
	if d.bit += d.width; d.bit > 8*len(d.b) {
		return 0, errShort
	}
	return d.value, nil
}

// turn goes to the next miniblock, of the next block if need be.
func (d *delta) turn() error {
	d.b = d.b[min(d.size(), len(d.b)):]
	d.bit, d.width, d.mini = 0, 0, d.each
	if len(d.widths) == 0 {
		least, used := binary.Varint(d.b)
		if used <= 0 || len(d.b)-used < d.minis {
			return errShort
		}
		d.least, d.widths, d.b = least, d.b[used:used+d.minis], d.b[used+d.minis:]
	}
	d.width, d.widths = int(d.widths[0]), d.widths[1:]
	if d.width > 64 {
		return errNumber
	}
	return nil
}

// size is how many bytes the miniblock at hand has, those behind the last value
// included.
func (d *delta) size() int { return (d.bit + d.mini*d.width) / 8 }

// rest gives what is behind the values, which stay to be read.
func (d *delta) rest() ([]byte, error) {
	scan := *d
	if scan.first {
		scan.first = false
		scan.left = max(scan.left-1, 0)
	}
	for scan.left > 0 {
		if err := scan.turn(); err != nil {
			return nil, err
		}
		scan.left -= min(scan.left, scan.each)
		if scan.size() > len(scan.b) {
			return nil, errShort
		}
	}
	return scan.b[scan.size():], nil
}
