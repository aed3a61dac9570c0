package orc

import (
	"encoding/binary"
	"errors"
)

var errMessage = errors.New("a description in the file is malformed")

// field is one field of a protocol buffer message: a number, or bytes.
type field struct {
	number uint64
	value  uint64
	bytes  []byte
}

// eachField calls f for every field of a message.
func eachField(b []byte, f func(field) error) error {
	for len(b) > 0 {
		tag, n := binary.Uvarint(b)
		if n <= 0 || tag>>3 == 0 {
			return errMessage
		}
		b = b[n:]
		v := field{number: tag >> 3}
		switch tag & 7 {
		case 0:
			if v.value, n = binary.Uvarint(b); n <= 0 {
				return errMessage
			}
		case 1:
			n = 8
		case 2:
			size, k := binary.Uvarint(b)
			if k <= 0 || size > uint64(len(b)-k) {
				return errMessage
			}
			n = k + int(size)
			v.bytes = b[k:n:n]
		case 5:
			n = 4
		default:
			return errMessage
		}
		if n > len(b) {
			return errMessage
		}
		b = b[n:]
		if err := f(v); err != nil {
			return err
		}
	}
	return nil
}

// numbers calls f for the numbers of a repeated field, packed or not.
func (v field) numbers(f func(uint64) error) error {
	if v.bytes == nil {
		return f(v.value)
	}
	for b := v.bytes; len(b) > 0; {
		x, n := binary.Uvarint(b)
		if n <= 0 {
			return errMessage
		}
		if err := f(x); err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}
