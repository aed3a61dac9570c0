package scan

import (
	"context"
	"encoding/binary"
	"slices"
	"strconv"
	"sync"

	"cooper"
	"cooper/internal/address"
	"cooper/internal/config"
	"cooper/internal/ledger/gcfacts"
	"cooper/internal/unpack"
)

// known are the handles of the scan, whose phase is over when links are read.
type known struct {
	mu      sync.Mutex
	learnt  bool
	handles filter
	buckets map[string][]string // those of handles, by kind, in the order of the facts
}

// mostBuckets is how many buckets of handles are remembered for a kind: more are no longer
// names that somebody chose.
const mostBuckets = 10_000

// learn reads the handles, once.
func (k *known) learn(ctx context.Context, s *Scan) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.learnt {
		return nil
	}
	// Without them no range can be read: it is not the range that fails.
	ours := func(err error) error {
		return &cooper.Error{Kind: cooper.KindInternal, Where: "plan " + s.opt.Plan, Message: "the handles of this scan cannot be read", Err: err, Remedy: cooper.RemedyOf(err)}
	}
	n, err := s.opt.Facts.CountHandles(s.opt.Plan)
	if err != nil {
		return ours(err)
	}
	k.handles, k.buckets = newFilter(2*n), map[string][]string{}
	seen := map[[2]string]bool{}
	err = s.opt.Facts.EachHandle(ctx, s.opt.Plan, func(h *gcfacts.Handle) error {
		k.handles.add(hashID(h.Kind, h.ID))
		if h.Bucket == "" {
			return nil
		}
		k.handles.add(hashKey(h.Bucket, h.Key))
		if b := [2]string{h.Kind, h.Bucket}; !seen[b] && len(seen) < mostBuckets {
			seen[b] = true
			k.buckets[h.Kind] = append(k.buckets[h.Kind], h.Bucket)
		}
		return nil
	})
	if err != nil && ctx.Err() == nil {
		return ours(err)
	}
	k.learnt = err == nil
	return err
}

// ids asks for those of a kind.
func (k *known) ids(kind string) *unpack.Known {
	return &unpack.Known{
		Number: func(n int64) bool { return k.handles.has(hashNumber(kind, n)) },
		Text:   func(id []byte) bool { return k.handles.has(hashID(kind, string(id))) },
	}
}

// key tells whether a handle, of any kind, may have an object: seldom one that none has.
func (k *known) key(p address.Place) bool { return k.handles.has(hashKey(p.Bucket, p.Key)) }

// bucketsOf are the buckets that keys of some kinds may be in: each that one of their
// handles is in, or that is declared, as a key that no handle has dangles somewhere.
func (s *Scan) bucketsOf(ctx context.Context, kinds []*config.Handles) (all []string, err error) {
	add := func(b string) {
		if !slices.Contains(all, b) {
			all = append(all, b)
		}
	}
	for _, h := range kinds {
		if b := h.Bucket.Constant; b != "" {
			add(b)
			continue
		}
		for _, b := range s.opt.Config.Buckets {
			add(b.Name)
		}
		if err := s.known.learn(ctx, s); err != nil {
			return nil, err
		}
		for _, b := range s.known.buckets[h.Kind] {
			add(b)
		}
	}
	return all, nil
}

// filter is a set that has all that was added, and one in a hundred thousand others: 24 bits
// for each, of which an element has 12.
type filter struct{ bits []uint64 }

const (
	filterBits   = 24
	filterHashes = 12
)

func newFilter(n int64) filter { return filter{make([]uint64, max(n, 1)*filterBits/64+1)} }

func (f *filter) add(h uint64) {
	n := uint64(len(f.bits)) * 64
	step := mix(h) | 1
	for range filterHashes {
		b := h % n
		f.bits[b/64] |= 1 << (b % 64)
		h += step
	}
}

func (f *filter) has(h uint64) bool {
	n := uint64(len(f.bits)) * 64
	if n == 0 {
		return false
	}
	step := mix(h) | 1
	for range filterHashes {
		if b := h % n; f.bits[b/64]&(1<<(b%64)) == 0 {
			return false
		}
		h += step
	}
	return true
}

// hashID hashes an id in its normal form: digits as the number that they are.
func hashID(kind, id string) uint64 {
	if n, err := strconv.ParseInt(id, 10, 64); err == nil && n >= 0 && (id[0] != '0' || len(id) == 1) && id[0] != '+' {
		return hashNumber(kind, n)
	}
	return mix(fnv(fnv(offset, kind), "\x01"+id))
}

func hashNumber(kind string, n int64) uint64 {
	var b [9]byte
	binary.LittleEndian.PutUint64(b[1:], uint64(n)) //nolint:gosec // its bits, whatever they mean
	return mix(fnv(fnv(offset, kind), string(b[:])))
}

func hashKey(bucket, key string) uint64 { return mix(fnv(fnv(offset, bucket), "\x02"+key)) }

const offset = 14695981039346656037

// fnv is FNV-1a, gone on with.
func fnv(h uint64, s string) uint64 {
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return h
}

// mix spreads a hash over all of its bits.
func mix(h uint64) uint64 {
	h ^= h >> 30
	h *= 0xbf58476d1ce4e5b9
	h ^= h >> 27
	h *= 0x94d049bb133111eb
	return h ^ h>>31
}
