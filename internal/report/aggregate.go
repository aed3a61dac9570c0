package report

import (
	"cooper"
)

// aggregate is all that is counted of one part of a snapshot, of whole keys in
// order. Its size does not depend on theirs.
type aggregate struct {
	now      cooper.Instant
	tree     *treeBuilder // nil once it is done
	root     *node
	classes  classes
	ages     [ages]Part
	sizes    [sizes]Part
	suffixes *suffixes

	// stale are noncurrent versions by how long ago they were superseded.
	stale [ages]Amount
	// soleMarkers counts delete markers that hide nothing; markers those that
	// are the latest of their key, by how long all else has been noncurrent.
	soleMarkers int64
	markers     [ages]int64
	// compress are latest versions that shrink, and saved is what that saves a
	// month.
	compress Amount
	saved    float64
	rows     int64

	key keyState
}

// keyState is what is known of the key whose versions come by.
type keyState struct {
	key    string
	any    bool
	part   Part
	newest cooper.Instant
	before cooper.Instant // LastModified of the version before, which is newer
	rows   int
	hidden bool           // the first version is a delete marker and the latest
	since  cooper.Instant // when the second was superseded
	suffix *suffix
}

func newAggregate(opt *Options, now cooper.Instant) *aggregate {
	return &aggregate{
		now: now, tree: newTreeBuilder(opt.Prefix, opt.Depth, opt.nodes),
		classes: classes{prices: &opt.Prices}, suffixes: newSuffixes(),
	}
}

// add counts the next version.
func (a *aggregate) add(v *cooper.Version) {
	a.rows++
	k := &a.key
	if !k.any || v.Key != k.key {
		a.endKey()
		*k = keyState{key: v.Key, any: true, suffix: a.suffixes.of(v.Key), hidden: v.Latest && v.DeleteMarker}
	}
	age := ageOf(v.LastModified, a.now)
	var cost float64
	if v.DeleteMarker {
		k.part.DeleteMarkers++
		a.ages[age].DeleteMarkers++
		k.suffix.DeleteMarkers++
	} else {
		cost = a.bytes(v, age)
		k.part.one(v, cost)
		a.ages[age].one(v, cost)
		k.suffix.one(v, cost)
	}
	if k.rows == 1 {
		k.since = k.before
	}
	if !v.Latest && !v.DeleteMarker {
		// Superseded when the next newer version was made; that of the first
		// version is not known.
		a.stale[ageOf(k.before, a.now)].one(v.Size, cost)
	}
	k.before = v.LastModified
	k.newest = max(k.newest, v.LastModified)
	k.rows++
}

// bytes counts a version that has bytes by class and size, and gives its cost
// a month.
func (a *aggregate) bytes(v *cooper.Version, age int) float64 {
	c := a.classes.of(v)
	cost := c.rate.Month(v.Size)
	c.one(v, cost)
	a.sizes[sizeOf(v.Size)].one(v, cost)
	if !v.Latest {
		return cost
	}
	if v.Size >= big {
		c.big[age].one(v.Size, cost)
	}
	if a.key.suffix.compresses && v.Size >= compressFrom && !v.Archived() {
		a.compress.one(v.Size, cost)
		a.saved += cost - c.rate.Month(v.Size/compressRatio)
	}
	return cost
}

// endKey counts what is known once all versions of a key came by.
func (a *aggregate) endKey() {
	k := &a.key
	if !k.any {
		return
	}
	a.tree.add(k.key, &k.part, k.newest)
	switch {
	case !k.hidden:
	case k.rows == 1:
		a.soleMarkers++
	default:
		a.markers[ageOf(k.since, a.now)]++
	}
}

// finish ends the last key.
func (a *aggregate) finish() {
	a.endKey()
	a.key = keyState{}
	a.root = a.tree.finish()
	a.tree = nil
}

// merge adds the part that follows; both are finished.
func (a *aggregate) merge(b *aggregate) {
	a.root.merge(b.root)
	a.classes.merge(&b.classes)
	a.suffixes.merge(b.suffixes)
	for i := range ages {
		a.ages[i].add(&b.ages[i])
		a.stale[i].add(b.stale[i])
		a.markers[i] += b.markers[i]
	}
	for i := range sizes {
		a.sizes[i].add(&b.sizes[i])
	}
	a.soleMarkers += b.soleMarkers
	a.compress.add(b.compress)
	a.saved += b.saved
	a.rows += b.rows
}
