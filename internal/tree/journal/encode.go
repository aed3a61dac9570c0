package journal

import (
	"encoding/binary"
	"hash/crc32"
	"slices"

	"cooper"
	"cooper/internal/tree/catalog"
)

// A file is the magic line and records: length (4 bytes, little-endian, of the
// payload), CRC-32C (4 bytes, of the payload), payload. The first byte of a
// payload says what it is. Numbers are varints, strings have their length in
// front.
//
// The magic line ends with the format: 2 if there is a change that programs which
// know 1 alone could not read, so that they say so and take it for no damage.
const (
	magic  = "cooper journal "
	magic1 = magic + "1\n"
	magic2 = magic + "2\n"
)

const (
	recHeader    = 'H'
	recChange    = 'C'
	recOutcome   = 'O'
	recSeal      = 'S'
	recAmendment = 'A'
)

const frame = 8 // bytes before a payload

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

type encoder struct {
	b     []byte
	begin int // of the record under way
}

func (e *encoder) record(kind byte) {
	e.begin = len(e.b)
	e.b = append(e.b, make([]byte, frame)...)
	e.b = append(e.b, kind)
}

func (e *encoder) end() {
	payload := e.b[e.begin+frame:]
	binary.LittleEndian.PutUint32(e.b[e.begin:], uint32(len(payload)))
	binary.LittleEndian.PutUint32(e.b[e.begin+4:], crc32.Checksum(payload, castagnoli))
}

func (e *encoder) int(n int64)              { e.b = binary.AppendVarint(e.b, n) }
func (e *encoder) string(s string)          { e.b = append(binary.AppendUvarint(e.b, uint64(len(s))), s...) }
func (e *encoder) bytes(b []byte)           { e.b = append(binary.AppendUvarint(e.b, uint64(len(b))), b...) }
func (e *encoder) instant(i cooper.Instant) { e.int(int64(i)) }

func (e *encoder) bool(v bool) {
	if v {
		e.b = append(e.b, 1)
	} else {
		e.b = append(e.b, 0)
	}
}

// Encode gives the file of an entry, without its amendments.
func Encode(entry *Entry) []byte {
	e := &encoder{b: make([]byte, 0, len(magic2)+256*(len(entry.Changes)+len(entry.Outcomes)+1))}
	if slices.ContainsFunc(entry.Changes, func(c Change) bool { return c.Op > Record }) {
		e.b = append(e.b, magic2...)
	} else {
		e.b = append(e.b, magic1...)
	}
	e.record(recHeader)
	e.string(entry.Run)
	e.string(entry.Plan)
	e.int(int64(entry.Shard))
	e.int(entry.Generation)
	e.end()
	for i := range entry.Changes {
		c := &entry.Changes[i]
		e.record(recChange)
		e.b = append(e.b, byte(c.Op))
		e.int(int64(c.Outcome))
		e.row(&c.Old)
		e.row(&c.New)
		e.end()
	}
	for i := range entry.Outcomes {
		e.record(recOutcome)
		e.outcome(&entry.Outcomes[i])
		e.end()
	}
	e.record(recSeal)
	e.int(int64(len(entry.Changes)))
	e.int(int64(len(entry.Outcomes)))
	e.end()
	return e.b
}

// EncodeAmendments gives what is to be added to an entry's file.
func EncodeAmendments(as []Amendment) []byte {
	e := &encoder{}
	for i := range as {
		e.record(recAmendment)
		e.int(int64(as[i].Change))
		e.string(string(as[i].Kind))
		e.string(as[i].Message)
		e.end()
	}
	return e.b
}

func (e *encoder) identity(id *cooper.Identity) {
	e.string(id.Key)
	e.string(id.VersionID)
	e.string(id.ETag)
	e.int(id.Size)
	e.instant(id.LastModified)
}

func (e *encoder) row(r *catalog.Row) {
	e.identity(&r.Identity)
	e.bool(r.DeleteMarker)
	e.b = append(e.b, byte(r.Place))
	e.string(r.Reason)
	e.instant(r.Superseded)
	e.int(int64(len(r.Shown)))
	for _, at := range r.Shown {
		e.int(at)
	}
	e.instant(r.FirstSeen)
	e.instant(r.AbsentSince)
	e.instant(r.Gone)
	e.string(string(r.Check))
	e.string(r.Method)
	e.bytes(r.Hash)
	e.bool(r.Dropped)
}

func (e *encoder) outcome(o *cooper.Outcome) {
	e.int(o.Action)
	e.string(o.Verb)
	e.identity(&o.Identity)
	e.string(string(o.Status))
	e.string(string(o.Kind))
	e.string(o.Message)
	e.instant(o.At)
	e.int(o.Bytes)
	e.int(o.Requests)
	e.string(string(o.Check))
	e.string(o.Method)
	e.bytes(o.Hash)
}
