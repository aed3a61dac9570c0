package inventory

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"strings"
	"sync"

	"cooper"
	"cooper/internal/inventory/ident"
)

// While they are sorted, versions are records: a key that sorts bytewise as
// cooper.Version.Compare does down to the time, and data that holds the rest.
//
// The key is the object's key, in which a zero byte becomes 00 FF, ended by
// 00 00; a byte that is 0 for the latest version; and the time, newest first,
// in eight bytes.

// tail is how many bytes follow the object's key in a record's key.
const tail = 2 + 1 + 8

// appendObjectKey appends key so that its end sorts before any other byte.
func appendObjectKey[T string | []byte](dst []byte, key T) []byte {
	if strings.IndexByte(string(key), 0) < 0 {
		dst = append(dst, key...)
	} else {
		for i := range len(key) {
			if dst = append(dst, key[i]); key[i] == 0 {
				dst = append(dst, 0xff)
			}
		}
	}
	return append(dst, 0, 0)
}

// appendUnescaped undoes appendObjectKey for a key without its end.
func appendUnescaped(dst, escaped []byte) []byte {
	for {
		i := bytes.IndexByte(escaped, 0)
		if i < 0 {
			return append(dst, escaped...)
		}
		dst = append(dst, escaped[:i+1]...)
		escaped = escaped[i+2:]
	}
}

// objectKey is the object's key in a record's key.
func objectKey(key []byte) string { return string(appendUnescaped(nil, key[:len(key)-tail])) }

// sameObject tells whether two records' keys are about the same object.
func sameObject(a, b []byte) bool {
	return len(a) == len(b) && bytes.Equal(a[:len(a)-9], b[:len(b)-9])
}

func appendSortKey(dst []byte, v *cooper.Version) []byte {
	dst = appendObjectKey(dst, v.Key)
	if v.Latest {
		dst = append(dst, 0)
	} else {
		dst = append(dst, 1)
	}
	return binary.BigEndian.AppendUint64(dst, ^(uint64(v.LastModified) ^ 1<<63))
}

// row is a record, taken apart without copying.
type row struct {
	escaped      []byte // the object's key as it is in the record
	versionID    []byte // binary, or nil
	versionText  []byte
	eTag         []byte // binary, or nil
	eTagText     []byte
	size         int64
	lastModified cooper.Instant
	latest       bool
	deleteMarker bool
	class        class
}

// Bits of the first byte of a record's data.
const (
	isDeleteMarker = 1 << iota
	hasBinaryVersion
	hasBinaryETag
	hasETagText
)

// appendData appends what of v is not in the sort key. number is that of its
// class, 0 if it has none.
func appendData(dst []byte, v *cooper.Version, number uint64) []byte {
	var version [ident.VersionIDSize]byte
	var eTag [ident.ETagSize]byte
	binaryVersion := ident.ParseVersionID(&version, v.VersionID)
	eTagText, binaryETag := ident.ParseETag(&eTag, v.ETag)
	if !binaryETag {
		eTagText = v.ETag
	}
	dst = append(dst, flag(v.DeleteMarker, isDeleteMarker)|flag(binaryVersion, hasBinaryVersion)|
		flag(binaryETag, hasBinaryETag)|flag(eTagText != "", hasETagText))
	dst = binary.AppendUvarint(dst, uint64(v.Size))
	dst = binary.AppendUvarint(dst, number)
	if number == 0 {
		for _, s := range [...]string{v.StorageClass, v.Tier, v.Encryption, v.Checksum} {
			dst = appendText(dst, s)
		}
	}
	if binaryVersion {
		dst = append(dst, version[:]...)
	} else {
		dst = appendText(dst, v.VersionID)
	}
	if binaryETag {
		dst = append(dst, eTag[:]...)
	}
	if eTagText != "" {
		dst = appendText(dst, eTagText)
	}
	return dst
}

func flag(b bool, bit byte) byte {
	if b {
		return bit
	}
	return 0
}

func appendText(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

// peek gives two facts of a record's data without taking all of it apart.
func peek(data []byte) (size int64, deleteMarker bool) {
	u, _ := binary.Uvarint(data[1:])
	return int64(u), data[0]&isDeleteMarker != 0
}

// parse takes a record of this process apart.
func (r *row) parse(key, data []byte, classes *classes) {
	n := len(key)
	r.escaped = key[:n-tail]
	r.latest = key[n-9] == 0
	r.lastModified = cooper.Instant(^binary.BigEndian.Uint64(key[n-8:]) ^ 1<<63)
	r.parseData(data, classes)
}

func (r *row) parseData(data []byte, classes *classes) {
	bits := data[0]
	r.deleteMarker = bits&isDeleteMarker != 0
	size, n := binary.Uvarint(data[1:])
	r.size = int64(size)
	data = data[1+n:]
	number, n := binary.Uvarint(data)
	data = data[n:]
	if number != 0 {
		r.class = classes.at(number)
	} else {
		for _, field := range [...]*string{&r.class.storage, &r.class.tier, &r.class.encryption, &r.class.checksum} {
			var text []byte
			text, data = cutText(data)
			*field = string(text)
		}
	}
	r.versionID, r.versionText, r.eTag, r.eTagText = nil, nil, nil, nil
	if bits&hasBinaryVersion != 0 {
		r.versionID, data = data[:ident.VersionIDSize], data[ident.VersionIDSize:]
	} else {
		r.versionText, data = cutText(data)
	}
	if bits&hasBinaryETag != 0 {
		r.eTag, data = data[:ident.ETagSize], data[ident.ETagSize:]
	}
	if bits&hasETagText != 0 {
		r.eTagText, _ = cutText(data)
	}
}

func cutText(data []byte) (text, rest []byte) {
	size, n := binary.Uvarint(data)
	end := n + int(size)
	return data[n:end], data[end:]
}

// compareData orders records with the same key: as versions compare, and then
// by everything else, so that no two different rows are equal.
func (c *classes) compareData(a, b []byte) int {
	if bytes.Equal(a, b) {
		return 0
	}
	var r, s row
	r.parseData(a, c)
	s.parseData(b, c)
	var x, y [64]byte
	return cmp.Or(
		bytes.Compare(r.appendVersionID(x[:0]), s.appendVersionID(y[:0])),
		bytes.Compare(r.appendETag(x[:0]), s.appendETag(y[:0])),
		cmp.Compare(r.size, s.size),
		cmp.Compare(flag(r.deleteMarker, 1), flag(s.deleteMarker, 1)),
		r.class.compare(s.class))
}

func (r *row) appendVersionID(dst []byte) []byte {
	return append(ident.AppendVersionID(dst, r.versionID, ""), r.versionText...)
}

func (r *row) appendETag(dst []byte) []byte {
	return append(ident.AppendETag(dst, r.eTag, ""), r.eTagText...)
}

// class is what few versions differ in.
type class struct{ storage, tier, encryption, checksum string }

func classOf(v *cooper.Version) class {
	return class{v.StorageClass, v.Tier, v.Encryption, v.Checksum}
}

func (c class) compare(d class) int {
	return cmp.Or(strings.Compare(c.storage, d.storage), strings.Compare(c.tier, d.tier),
		strings.Compare(c.encryption, d.encryption), strings.Compare(c.checksum, d.checksum))
}

// These bound the memory that a report of nothing but different classes takes.
const (
	maxClasses   = 1 << 12
	maxClassText = 1 << 8 // bytes of one class
)

// classes numbers classes from 1.
type classes struct {
	mu      sync.RWMutex
	numbers map[class]uint64
	// list is never moved: who was given a number may look it up without mu.
	list [maxClasses]class
}

// number is that of k, 0 if there are too many already. k may point into
// memory that is used again; what comes back does not.
func (c *classes) number(k class) (uint64, class) {
	c.mu.RLock()
	n, ok := c.numbers[k]
	c.mu.RUnlock()
	if ok {
		return n, c.at(n)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if n, ok := c.numbers[k]; ok {
		return n, c.at(n)
	}
	k = class{strings.Clone(k.storage), strings.Clone(k.tier), strings.Clone(k.encryption), strings.Clone(k.checksum)}
	if len(c.numbers) == maxClasses || len(k.storage)+len(k.tier)+len(k.encryption)+len(k.checksum) > maxClassText {
		return 0, k
	}
	if c.numbers == nil {
		c.numbers = map[class]uint64{}
	}
	n = uint64(len(c.numbers) + 1)
	c.list[n-1] = k
	c.numbers[k] = n
	return n, k
}

func (c *classes) at(number uint64) class { return c.list[number-1] }
