package report

import (
	"cmp"
	"slices"

	"cooper"
	"cooper/internal/price"
)

// maxClasses is how many storage classes and tiers are told apart: there are
// some fifteen, but an inventory may claim any.
const maxClasses = 64

// big is the size in bytes from which lifecycle rules move objects by default,
// and from which no class charges for more than there is.
const big = 128 * kib

// class counts the versions of one storage class and tier.
type class struct {
	name        string // of both
	class, tier string
	rate        price.Rate
	known       bool
	Part
	// big are the latest versions of at least big bytes, by age.
	big [ages]Amount
}

// classes counts by class.
type classes struct {
	prices *price.Table
	list   []*class
	other  *class // of those beyond maxClasses
	// last is the class that was asked for last, with its names.
	last               *class
	storageClass, tier string
}

// of gives where to count a version.
func (c *classes) of(v *cooper.Version) *class {
	if c.last == nil || v.StorageClass != c.storageClass || v.Tier != c.tier {
		c.storageClass, c.tier = v.StorageClass, v.Tier
		c.last = c.get(v.StorageClass, v.Tier)
	}
	return c.last
}

func (c *classes) get(storageClass, tier string) *class {
	name := price.StorageName(storageClass, tier)
	for _, x := range c.list {
		if x.name == name {
			return x
		}
	}
	if len(c.list) < maxClasses {
		x := &class{name: name, class: storageClass, tier: tier}
		x.rate, x.known = c.prices.Rate(storageClass, tier)
		c.list = append(c.list, x)
		return x
	}
	return c.rest()
}

// rest is where classes beyond maxClasses are counted.
func (c *classes) rest() *class {
	if c.other == nil {
		c.other = &class{name: "other"}
		c.other.rate, _ = c.prices.Rate("", "")
	}
	return c.other
}

// merge adds what d counted.
func (c *classes) merge(d *classes) {
	add := func(to, from *class) {
		to.add(&from.Part)
		for i := range to.big {
			to.big[i].add(from.big[i])
		}
	}
	for _, x := range d.list {
		add(c.get(x.class, x.tier), x)
	}
	if d.other != nil {
		add(c.rest(), d.other)
	}
}

// all are the classes, that of the others last.
func (c *classes) all() []*class {
	if c.other == nil {
		return c.list
	}
	return append(c.list[:len(c.list):len(c.list)], c.other)
}

// rows gives the dearest class first.
func (c *classes) rows() []Row {
	var rows []Row
	for _, x := range c.all() {
		if !x.empty() {
			rows = append(rows, Row{Name: x.name, Other: x == c.other, Part: x.Part})
		}
	}
	slices.SortFunc(rows, func(a, b Row) int {
		x, y := a.All(), b.All()
		return cmp.Or(cmp.Compare(y.Cost, x.Cost), cmp.Compare(y.Bytes, x.Bytes), cmp.Compare(a.Name, b.Name))
	})
	return rows
}
