package invtest

import (
	"encoding/hex"
	"slices"
	"strconv"
	"unsafe"

	"cooper"
	"cooper/internal/inventory"
	"cooper/internal/inventory/ident"
)

const (
	// cycle is how many rows make a round: one for each of its objects, and
	// one more for the older version of the last.
	cycle = 41
	// chunks is how many objects an array has.
	chunks = 1200
	day    = 24 * 60 * 60 * 1000 // in milliseconds
)

// rows computes versions from their numbers.
type rows struct {
	n, arrays int64
	seed      uint64
	opt       Options
	chunk     []string // what follows an array's name, sorted
}

func newRows(n int64, seed uint64, opt Options) *rows {
	r := &rows{n: n, arrays: n/chunks + 1, seed: seed, opt: opt}
	for _, level := range []struct{ name, side int }{{0, 30}, {1, 15}, {2, 5}} {
		for i := range level.side * level.side {
			r.chunk = append(r.chunk, "/"+strconv.Itoa(level.name)+"/0/0/"+
				strconv.Itoa(i/level.side)+"/"+strconv.Itoa(i%level.side))
		}
	}
	for i := len(r.chunk); i < chunks; i++ {
		r.chunk = append(r.chunk, "/3/"+strconv.Itoa(i))
	}
	slices.Sort(r.chunk)
	return r
}

// hash gives 64 bits that look random for each object and purpose.
func (r *rows) hash(x int64, purpose uint64) uint64 {
	return mix(mix(r.seed+purpose*0x9e3779b97f4a7c15) ^ uint64(x)*0xd1342543de82ef95)
}

func mix(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}

// Purposes of hashes.
const (
	forName = iota + 1
	forTime
	forDeletion
	forChange
	forSize
	forParts
	forVersionID // and the two that follow
	forETag      = forVersionID + 3
	forNew       = 100 // added where the version is a newer one
)

// appendKey gives the key of an object; keys sort as their numbers do.
func (r *rows) appendKey(b []byte, object int64) []byte {
	array := object / chunks
	name := [2]uint64{
		uint64(array)<<32/uint64(r.arrays)<<32 | r.hash(array, forName)>>32,
		mix(r.hash(array, forName)),
	}
	b = append(b, "zarr/"...)
	for i, word := range name {
		for shift := 48; shift >= 0; shift -= 16 {
			b = append(b, '0', '0', '0', '0')
			digits := strconv.AppendUint(make([]byte, 0, 8), word>>shift&0xffff, 16)
			copy(b[len(b)-len(digits):], digits)
			if i == 0 && shift < 48 || i == 1 && shift == 48 {
				b = append(b, '-')
			}
		}
	}
	if array%20 == 0 {
		b = append(b, "/img=1 é"...)
	}
	return append(b, r.chunk[object%chunks]...)
}

// writer delivers rows through buffers of its own.
type writer struct {
	rows           *rows
	to             inventory.Sink
	key, id, eTag  []byte
	v              cooper.Version
	binary, digest []byte
}

// row delivers the version with number i, and a newer one if there is one.
func (w *writer) row(i int64) error {
	r := w.rows
	object, older := i/cycle*(cycle-1)+min(i%cycle, cycle-2), i%cycle == cycle-1
	pair := object%(cycle-1) == cycle-2
	w.key = r.appendKey(w.key[:0], object)
	changed := !older && float64(r.hash(object, forChange)>>11)/(1<<53) < r.opt.Change
	if changed {
		w.fill(object, forNew)
		w.v.LastModified = r.opt.TakenAt - cooper.Instant(r.hash(object, forNew+forTime)%day)
		w.v.Latest = true
		if err := w.deliver(); err != nil {
			return err
		}
	}
	if older {
		w.fill(object, 2*forNew)
		w.v.LastModified -= day + cooper.Instant(r.hash(object, forTime)%(100*day))
	} else {
		w.fill(object, 0)
		w.v.Latest = !changed
		if pair && r.hash(object, forDeletion)%3 == 0 {
			w.v.DeleteMarker, w.v.ETag, w.v.Size = true, "", 0
		}
	}
	return w.deliver()
}

func (w *writer) deliver() error {
	if w.rows.opt.CurrentOnly {
		if !w.v.Latest || w.v.DeleteMarker {
			return nil
		}
		w.v.VersionID = ""
	}
	return w.to.Version(&w.v)
}

// fill describes an ordinary version of an object.
func (w *writer) fill(object int64, which uint64) {
	r := w.rows
	w.binary, w.digest = w.binary[:0], w.digest[:0]
	for k := range uint64(ident.VersionIDSize / 8) {
		w.binary = appendWord(w.binary, r.hash(object, which+forVersionID+k))
	}
	for k := range uint64(ident.ETagSize / 8) {
		w.digest = appendWord(w.digest, r.hash(object, which+forETag+k))
	}
	w.id = ident.AppendVersionID(w.id[:0], w.binary, "")
	w.eTag = hex.AppendEncode(w.eTag[:0], w.digest)
	if h := r.hash(object, which+forParts); h%500 == 0 {
		w.eTag = strconv.AppendUint(append(w.eTag, '-'), 2+h>>32%50, 10)
	}
	array := object / chunks
	w.v = cooper.Version{
		Identity: cooper.Identity{
			Key: view(w.key), VersionID: view(w.id), ETag: view(w.eTag),
			Size:         int64(r.hash(object, which+forSize) % 2_000_000),
			LastModified: takenAt - 700*day + cooper.Instant(r.hash(array, forTime)%(600*day)) + cooper.Instant(object%chunks*150),
		},
		StorageClass: "STANDARD", Encryption: "SSE-S3",
	}
	if array%50 == 1 {
		w.v.StorageClass, w.v.Tier = "INTELLIGENT_TIERING", "FREQUENT"
	}
}

func appendWord(b []byte, w uint64) []byte {
	for range 8 {
		b = append(b, byte(w))
		w >>= 8
	}
	return b
}

// view is b as a string, good until b changes: as long as a Sink needs it.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// permutation is an order of the numbers below n that needs no memory.
type permutation struct {
	n, seed uint64
	half    uint // bits of each half of the domain, which is at least n
}

func newPermutation(n int64, seed uint64) permutation {
	p := permutation{n: uint64(n), seed: seed, half: 1}
	for uint64(1)<<(2*p.half) < p.n {
		p.half++
	}
	return p
}

// at is where i goes: a Feistel network over the domain, walked until it
// falls below n.
func (p permutation) at(i int64) int64 {
	if p.seed == 0 {
		return i
	}
	mask := uint64(1)<<p.half - 1
	for x := uint64(i); ; {
		left, right := x>>p.half, x&mask
		for round := range uint64(4) {
			left, right = right, left^mix(right^p.seed<<8^round<<60)&mask
		}
		if x = left<<p.half | right; x < p.n {
			return int64(x)
		}
	}
}
