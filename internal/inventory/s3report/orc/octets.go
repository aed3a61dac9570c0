package orc

// octets reads bytes in runs.
// https://orc.apache.org/specification/ORCv1/#byte-run-length-encoding
type octets struct {
	s        *stream
	repeat   byte
	repeated int // how often repeat is still to come
	literal  int // how many bytes of the stream are
}

func (r *octets) reset(s *stream) { *r = octets{s: s} }

func (r *octets) next() (byte, error) {
	if r.repeated == 0 && r.literal == 0 {
		b, err := r.s.byte()
		if err != nil {
			return 0, err
		}
		if b >= 0x80 {
			r.literal = 256 - int(b)
		} else {
			if r.repeat, err = r.s.byte(); err != nil {
				return 0, err
			}
			r.repeated = int(b) + 3
		}
	}
	if r.repeated > 0 {
		r.repeated--
		return r.repeat, nil
	}
	r.literal--
	return r.s.byte()
}

// read fills dst with signed numbers.
func (r *octets) read(dst []int64) error {
	for i := range dst {
		b, err := r.next()
		if err != nil {
			return err
		}
		dst[i] = int64(int8(b))
	}
	return nil
}

// ended tells whether nothing is left.
func (r *octets) ended() (bool, error) {
	if r.repeated > 0 || r.literal > 0 {
		return false, nil
	}
	return r.s.ended()
}

// bits reads single bits, which are packed into runs of bytes.
type bits struct {
	octets octets
	byte   byte
	left   int // bits of it, its lowest ones
}

func (r *bits) reset(s *stream) {
	r.octets.reset(s)
	r.left = 0
}

func (r *bits) next() (bool, error) {
	if r.left == 0 {
		var err error
		if r.byte, err = r.octets.next(); err != nil {
			return false, err
		}
		r.left = 8
	}
	r.left--
	return r.byte>>r.left&1 != 0, nil
}

// read fills dst with ones and zeros.
func (r *bits) read(dst []int64) error {
	for i := range dst {
		b, err := r.next()
		if err != nil {
			return err
		}
		dst[i] = 0
		if b {
			dst[i] = 1
		}
	}
	return nil
}

// ended tells whether nothing is left, but for what fills the last byte up.
func (r *bits) ended() (bool, error) { return r.octets.ended() }
