package report

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash/maphash"
	"math"
	"math/bits"
	"slices"
	"sync/atomic"

	"cooper"
	"cooper/internal/inventory"
	"cooper/internal/inventory/extsort"
	"cooper/internal/inventory/ident"
)

const (
	// shownGroups is how many groups of duplicates a report lists, and
	// shownCopies how many keys of each.
	shownGroups = 50
	shownCopies = 5
)

// finder finds duplicates in two passes. The first marks a place, chosen by a
// hash of ETag and size, for each version; the second sorts the versions whose
// place was marked twice, which are all duplicates and a few others. What has no
// double costs a bit or two and no disk.
type finder struct {
	opt  *Options
	seed maphash.Seed
	// once and twice are sets of places.
	once, twice []uint64
}

// placesEach is how many places there are for a version, if there is memory
// for them.
const placesEach = 8

func newFinder(versions int64, opt *Options) *finder {
	// Half of the memory at most, for two sets.
	places := min(uint64(versions)*placesEach, uint64(opt.Memory)/4*8)
	words := uint64(1) << (bits.Len64(max(places/64, 1<<10)) - 1)
	return &finder{opt: opt, seed: maphash.MakeSeed(), once: make([]uint64, words), twice: make([]uint64, words)}
}

// candidate tells whether v can be a duplicate at all.
func candidate(v *cooper.Version) bool { return v.Size > 0 && v.ETag != "" && !v.DeleteMarker }

// place gives where a version is marked.
func (f *finder) place(v *cooper.Version) (word, bit uint64) {
	h := maphash.String(f.seed, v.ETag) ^ uint64(v.Size)*0x9e3779b97f4a7c15
	return h / 64 % uint64(len(f.once)), 1 << (h % 64)
}

// see marks a version. Any goroutine may call it.
func (f *finder) see(v *cooper.Version) {
	if !candidate(v) {
		return
	}
	word, bit := f.place(v)
	if atomic.LoadUint64(&f.once[word])&bit == 0 && atomic.OrUint64(&f.once[word], bit)&bit == 0 {
		return
	}
	if atomic.LoadUint64(&f.twice[word])&bit == 0 {
		atomic.OrUint64(&f.twice[word], bit)
	}
}

// find reads the snapshot again, once all of its versions were seen.
func (f *finder) find(ctx context.Context, s *inventory.Snapshot) (d *Duplicates, err error) {
	sorter := extsort.New(extsort.Options{Memory: f.opt.Memory / 2, Feeders: f.opt.Workers, Dir: f.opt.TempDir, Compare: compareCopies})
	defer func() { err = errors.Join(err, sorter.Close()) }()
	feeders := make(chan *extsort.Feeder, f.opt.Workers)
	for range f.opt.Workers {
		feeders <- sorter.Feeder()
	}
	it := inventory.IterOptions{Prefix: f.opt.Prefix, Omit: inventory.FieldVersionID}
	err = inParts(ctx, s, it, f.opt, func(next each) (struct{}, error) {
		feeder := <-feeders
		defer func() { feeders <- feeder }()
		classes := classes{prices: &f.opt.Prices}
		var key, data []byte
		return struct{}{}, next(func(v *cooper.Version) error {
			if !candidate(v) {
				return nil
			}
			if word, bit := f.place(v); f.twice[word]&bit == 0 {
				return nil
			}
			key = appendContent(key[:0], v)
			data = appendCopy(data[:0], v, classes.of(v).rate.Month(v.Size))
			return feeder.Add(ctx, key, data)
		})
	}, func(struct{}) {})
	if err != nil {
		return nil, err
	}
	f.once, f.twice = nil, nil
	for range f.opt.Workers {
		feeder := <-feeders
		feeder.Close()
	}
	merge, err := sorter.Merge(ctx)
	if err != nil {
		return nil, err
	}
	return gather(ctx, merge)
}

// appendContent is what duplicates have in common: size, then the ETag, which
// says itself where it ends.
func appendContent(b []byte, v *cooper.Version) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(v.Size))
	var digest [ident.ETagSize]byte
	text, ok := ident.ParseETag(&digest, v.ETag)
	if !ok {
		b, text = append(b, 0), v.ETag
	} else {
		b = append(append(b, 1), digest[:]...)
	}
	return append(binary.BigEndian.AppendUint32(b, uint32(len(text))), text...)
}

// eTag is the ETag in what appendContent wrote.
func eTag(content []byte) string {
	content = content[8:]
	if content[0] == 0 {
		return string(content[5:])
	}
	return hex.EncodeToString(content[1:1+ident.ETagSize]) + string(content[1+ident.ETagSize+4:])
}

// costSize is the length of a copy's cost, which stands at its end.
const costSize = 8

// appendCopy describes one of the duplicates: latest versions before others,
// each in the order of their keys.
func appendCopy(b []byte, v *cooper.Version, cost float64) []byte {
	which := byte(1)
	if v.Latest {
		which = 0
	}
	b = append(append(b, which), v.Key...)
	return binary.BigEndian.AppendUint64(b, math.Float64bits(cost))
}

func compareCopies(a, b []byte) int {
	x, y := len(a)-costSize, len(b)-costSize
	return cmp.Or(bytes.Compare(a[:x], b[:y]), bytes.Compare(a[x:], b[y:]))
}

// group is the content that is being gathered.
type group struct {
	content []byte
	copies  int64
	extra   Amount // all but the first
	current Amount // the part of extra among latest versions
	keys    [][]byte
}

func (g *group) begin(content []byte) {
	g.content = append(g.content[:0], content...)
	g.copies, g.extra, g.current, g.keys = 0, Amount{}, Amount{}, g.keys[:0]
}

func (g *group) add(data []byte) {
	size := int64(binary.BigEndian.Uint64(g.content))
	key := data[1 : len(data)-costSize]
	cost := math.Float64frombits(binary.BigEndian.Uint64(data[len(data)-costSize:]))
	if g.copies++; g.copies > 1 {
		g.extra.one(size, cost)
		if data[0] == 0 {
			g.current.one(size, cost)
		}
	}
	if len(g.keys) < shownCopies && (len(g.keys) == 0 || !bytes.Equal(g.keys[len(g.keys)-1], key)) {
		g.keys = append(g.keys, bytes.Clone(key))
	}
}

// gather sums up sorted copies.
func gather(ctx context.Context, merge *extsort.Merge) (*Duplicates, error) {
	d := gatherer{Duplicates: Duplicates{Largest: []Group{}}}
	var g group
	for n := 0; merge.Next(); n++ {
		if n%4096 == 0 && ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if !bytes.Equal(merge.Key(), g.content) {
			d.add(&g)
			g.begin(merge.Key())
		}
		g.add(merge.Data())
	}
	d.add(&g)
	d.trim()
	return &d.Duplicates, merge.Err()
}

// gatherer sums up groups.
type gatherer struct {
	Duplicates
	floor int64 // of extra bytes: smaller groups are not among the largest
}

// add counts a group if it is one.
func (d *gatherer) add(g *group) {
	if g.copies < 2 {
		return
	}
	d.Groups++
	d.Extra.add(g.extra)
	d.Current.add(g.current)
	size := int64(binary.BigEndian.Uint64(g.content))
	if g.extra.Bytes < d.floor {
		return
	}
	x := Group{ETag: eTag(g.content), Size: size, Copies: g.copies}
	for _, k := range g.keys {
		x.Keys = append(x.Keys, string(k))
	}
	if d.Largest = append(d.Largest, x); len(d.Largest) >= 2*shownGroups {
		d.trim()
	}
}

func (g *Group) extra() int64 {
	if n := g.Copies - 1; n == 0 || g.Size <= math.MaxInt64/n {
		return n * g.Size
	}
	return math.MaxInt64
}

// trim keeps the largest groups, in order.
func (d *gatherer) trim() {
	slices.SortFunc(d.Largest, func(a, b Group) int {
		return cmp.Or(cmp.Compare(b.extra(), a.extra()), cmp.Compare(b.Size, a.Size), cmp.Compare(a.ETag, b.ETag))
	})
	d.Largest = d.Largest[:min(shownGroups, len(d.Largest))]
	if len(d.Largest) == shownGroups {
		d.floor = d.Largest[shownGroups-1].extra()
	}
}
