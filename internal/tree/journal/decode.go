package journal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"strconv"

	"cooper"
	"cooper/internal/tree/catalog"
)

// ErrTorn says that an entry is not whole.
var ErrTorn = errors.New("the journal is torn")

// ErrNewer says that an entry has a format which this program does not know.
var ErrNewer = errors.New("the journal has a newer format")

// skipMagic gives where the records begin.
func skipMagic(b []byte) (at int, err error) {
	for _, m := range []string{magic1, magic2} { // the formats differ in nothing but the operations
		if bytes.HasPrefix(b, []byte(m)) {
			return len(m), nil
		}
		if bytes.HasPrefix([]byte(m), b) {
			return 0, ErrTorn
		}
	}
	if rest, ok := bytes.CutPrefix(b, []byte(magic)); ok {
		line, _, whole := bytes.Cut(rest[:min(len(rest), 8)], []byte("\n"))
		n, err := strconv.Atoi(string(line))
		switch {
		case err == nil && n > 2 && whole:
			return 0, fmt.Errorf("%w, %d", ErrNewer, n)
		case err == nil && n > 2 && len(rest) < 8:
			return 0, ErrTorn
		}
	}
	return 0, errors.New("this is no journal")
}

// Decode reads an entry's file with its amendments. Size is how many bytes of
// b they take: what follows is an amendment that was cut short. Errors: ErrTorn
// if the entry is not whole; ErrNewer; others if it is whole and makes no sense.
func Decode(b []byte) (entry *Entry, size int, err error) {
	at, err := skipMagic(b)
	if err != nil {
		return nil, 0, err
	}
	entry = &Entry{}
	sealed, headed := false, false
	for {
		payload, ok := nextRecord(b[at:])
		if !ok {
			break
		}
		d := &decoder{b: payload[1:]}
		switch kind := payload[0]; {
		case kind == recHeader && !headed:
			headed = true
			entry.Run, entry.Plan, entry.Shard, entry.Generation = d.string(), d.string(), int(d.int()), d.int()
		case kind == recChange && headed && !sealed:
			entry.Changes = append(entry.Changes, d.change())
		case kind == recOutcome && headed && !sealed:
			entry.Outcomes = append(entry.Outcomes, d.outcome())
		case kind == recSeal && headed && !sealed:
			sealed = true
			if d.int() != int64(len(entry.Changes)) || d.int() != int64(len(entry.Outcomes)) {
				return nil, 0, errors.New("records are missing in the middle of the journal")
			}
		case kind == recAmendment && sealed:
			entry.Amendments = append(entry.Amendments, Amendment{Change: int(d.int()), Kind: cooper.Kind(d.string()), Message: d.string()})
		default:
			return nil, 0, fmt.Errorf("a record of kind %q is out of place", kind)
		}
		if d.bad || len(d.b) != 0 {
			return nil, 0, fmt.Errorf("a record of kind %q makes no sense", payload[0])
		}
		at += frame + len(payload)
	}
	if !sealed {
		return nil, 0, ErrTorn
	}
	if err := entry.check(); err != nil {
		return nil, 0, err
	}
	return entry, at, nil
}

// check looks at the numbers that others use as indexes.
func (entry *Entry) check() error {
	if entry.Plan == "" || entry.Shard < 0 {
		return errors.New("the journal names no shard")
	}
	for i := range entry.Changes {
		if n := entry.Changes[i].Outcome; n < 0 || n >= len(entry.Outcomes) {
			return fmt.Errorf("a change has outcome %d of %d", n, len(entry.Outcomes))
		}
	}
	for _, a := range entry.Amendments {
		if a.Change < 0 || a.Change >= len(entry.Changes) {
			return fmt.Errorf("an amendment is about change %d of %d", a.Change, len(entry.Changes))
		}
	}
	return nil
}

// nextRecord gives the payload of the record at the beginning of b, if it is
// whole.
func nextRecord(b []byte) ([]byte, bool) {
	if len(b) < frame {
		return nil, false
	}
	size := uint64(binary.LittleEndian.Uint32(b))
	if size == 0 || size > uint64(len(b)-frame) {
		return nil, false
	}
	payload := b[frame : frame+size]
	return payload, crc32.Checksum(payload, castagnoli) == binary.LittleEndian.Uint32(b[4:])
}

// decoder reads a payload. After the first thing that makes no sense it is bad
// and gives zeros.
type decoder struct {
	b   []byte
	bad bool
}

func (d *decoder) fail() {
	d.bad, d.b = true, nil
}

func (d *decoder) int() int64 {
	n, size := binary.Varint(d.b)
	if size <= 0 {
		d.fail()
		return 0
	}
	d.b = d.b[size:]
	return n
}

func (d *decoder) take() []byte {
	n, size := binary.Uvarint(d.b)
	if size <= 0 || n > uint64(len(d.b)-size) {
		d.fail()
		return nil
	}
	b := d.b[size : size+int(n)]
	d.b = d.b[size+int(n):]
	return b
}

func (d *decoder) string() string          { return string(d.take()) }
func (d *decoder) instant() cooper.Instant { return cooper.Instant(d.int()) }

func (d *decoder) bytes() []byte {
	if b := d.take(); len(b) > 0 {
		return append([]byte(nil), b...)
	}
	return nil
}

func (d *decoder) byte() byte {
	if len(d.b) == 0 {
		d.fail()
		return 0
	}
	c := d.b[0]
	d.b = d.b[1:]
	return c
}

func (d *decoder) bool() bool { return d.byte() != 0 }

func (d *decoder) change() Change {
	c := Change{Op: Op(d.byte()), Outcome: int(d.int()), Old: d.row(), New: d.row()}
	if c.Op < Place || c.Op > Mend || c.Old.Place > catalog.History || c.New.Place > catalog.History {
		d.fail()
	}
	return c
}

func (d *decoder) identity() cooper.Identity {
	return cooper.Identity{Key: d.string(), VersionID: d.string(), ETag: d.string(), Size: d.int(), LastModified: d.instant()}
}

func (d *decoder) row() catalog.Row {
	r := catalog.Row{Identity: d.identity(), DeleteMarker: d.bool(), Place: catalog.Place(d.byte()), Reason: d.string(), Superseded: d.instant()}
	n := d.int()
	if n < 0 || n > int64(len(d.b)) { // each takes a byte at least
		d.fail()
		return r
	}
	if n > 0 {
		r.Shown = make([]int64, n)
		for i := range r.Shown {
			r.Shown[i] = d.int()
		}
	}
	r.FirstSeen, r.AbsentSince, r.Gone = d.instant(), d.instant(), d.instant()
	r.Check, r.Method, r.Hash, r.Dropped = cooper.Check(d.string()), d.string(), d.bytes(), d.bool()
	return r
}

func (d *decoder) outcome() cooper.Outcome {
	return cooper.Outcome{Action: d.int(), Verb: d.string(), Identity: d.identity(), Status: cooper.Status(d.string()), Kind: cooper.Kind(d.string()),
		Message: d.string(), At: d.instant(), Bytes: d.int(), Requests: d.int(), Check: cooper.Check(d.string()), Method: d.string(), Hash: d.bytes()}
}
