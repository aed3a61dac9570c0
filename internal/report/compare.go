package report

import (
	"context"
	"errors"
	"fmt"
	"io"

	"cooper"
	"cooper/internal/inventory"
)

// compareDepth is how deep prefixes are told apart unless a depth is given.
const compareDepth = 2

// Compare tells what has changed from the snapshot then to s, below opt.Prefix. Both
// are read once, side by side. What makes them hard to compare is told in notes.
// Snapshots of different buckets, or of parts that have nothing in common, are
// KindUsage.
func Compare(ctx context.Context, then, s *inventory.Snapshot, opt Options) (c *Comparison, notes []string, err error) {
	opt.fill()
	prefix, notes, err := comparable(then.Meta(), s.Meta(), opt.Prefix)
	if err != nil {
		return nil, nil, err
	}
	depth := opt.Depth
	if depth <= 0 {
		depth = compareDepth
	}
	meta := then.Meta()
	current := meta.Scope.CurrentOnly || s.Meta().Scope.CurrentOnly
	var all *comparer
	err = inRanges(ctx, s, inventory.IterOptions{Prefix: prefix}, &opt, func(ctx context.Context, it inventory.IterOptions) (*comparer, error) {
		part := newComparer(&opt, len(prefix), depth, current)
		return part, part.run(then.Versions(ctx, it), s.Versions(ctx, it), opt.Progress)
	}, func(part *comparer) {
		if all == nil {
			all = part
			return
		}
		all.merge(part)
	})
	if err != nil {
		return nil, nil, err
	}
	c = &all.sum
	c.With, c.Prefixes = about(&meta), all.prefixes.largest()
	return c, notes, nil
}

// comparable gives the prefix that both snapshots speak about.
func comparable(then, now inventory.Meta, prefix string) (string, []string, error) {
	if then.Bucket != now.Bucket {
		return "", nil, &cooper.Error{
			Kind: cooper.KindUsage, Where: then.ID, Message: fmt.Sprintf("this is a snapshot of s3://%s, not of s3://%s", then.Bucket, now.Bucket),
			Remedy: "Compare snapshots of one bucket; see `cooper snapshot ls`.",
		}
	}
	for _, m := range []inventory.Meta{then, now} {
		switch p := m.Scope.Prefix; {
		case cooper.HasPrefix(prefix, p):
		case cooper.HasPrefix(p, prefix):
			prefix = p
		default:
			return "", nil, &cooper.Error{
				Kind: cooper.KindUsage, Where: m.ID, Message: fmt.Sprintf("the snapshot speaks of keys below %s alone, not of %s", cooper.Quote(p), cooper.Quote(prefix)),
				Remedy: "Compare snapshots that have a part of the bucket in common; see `cooper snapshot ls`.",
			}
		}
	}
	var notes []string
	if then.Scope.Prefix != now.Scope.Prefix {
		notes = append(notes, fmt.Sprintf("The snapshots differ in scope: compared is what lies below %s.", cooper.Quote(prefix)))
	}
	if then.Scope.CurrentOnly != now.Scope.CurrentOnly {
		notes = append(notes, "One of the snapshots lists current versions only: noncurrent ones are not compared.")
	}
	if !then.Complete || !now.Complete {
		notes = append(notes, "A snapshot is incomplete: what looks added or removed may only be missing from it.")
	}
	if then.TakenAt > now.TakenAt {
		notes = append(notes, "The snapshot compared with is the newer one: what is said to be added has gone since.")
	}
	if n := then.Rejected + now.Rejected; n > 0 {
		notes = append(notes, fmt.Sprintf("%d rows of the two inventories made no sense: their keys may look added or removed.", n))
	}
	if n := then.Ambiguous + now.Ambiguous; n > 0 {
		notes = append(notes, fmt.Sprintf("%d keys of the two snapshots have no latest version or several; of several the first is compared.", n))
	}
	return prefix, notes, nil
}

// comparer compares one part of two snapshots.
type comparer struct {
	current  bool // compare current versions only
	classes  classes
	sum      Comparison
	prefixes *changes
	seen     map[content]int64 // of one key, reused
}

func newComparer(opt *Options, root, depth int, current bool) *comparer {
	return &comparer{
		current: current, classes: classes{prices: &opt.Prices}, prefixes: newChanges(root, depth), seen: map[content]int64{},
	}
}

// run merges two sorted sequences, key by key.
func (c *comparer) run(then, now inventory.Iterator, progress func(int64)) (err error) {
	defer func() { err = errors.Join(err, then.Close(), now.Close()) }()
	const often = 1 << 14
	old, cur := ahead{groups: inventory.Groups(then)}, ahead{groups: inventory.Groups(now)}
	var n int64
	for {
		if err := errors.Join(old.fill(), cur.fill()); err != nil {
			return err
		}
		a, b := old.group, cur.group
		switch {
		case a == nil && b == nil:
			progress(n)
			return nil
		case b == nil || a != nil && a[0].Key < b[0].Key:
			b = nil
		case a == nil || b[0].Key < a[0].Key:
			a = nil
		}
		c.key(a, b)
		if a != nil {
			old.group = nil
		}
		if b != nil {
			cur.group = nil
		}
		if n += int64(len(b)); n >= often {
			progress(n)
			n = 0
		}
	}
}

// ahead holds the versions of the next key; nil after the last.
type ahead struct {
	groups *inventory.GroupReader
	group  []cooper.Version
	ended  bool
}

func (a *ahead) fill() (err error) {
	if a.group != nil || a.ended {
		return nil
	}
	if a.group, err = a.groups.Next(); errors.Is(err, io.EOF) {
		a.group, a.ended, err = nil, true, nil
	}
	return err
}

// key compares the versions of a key, then and now; one of them may be empty.
func (c *comparer) key(then, now []cooper.Version) {
	if unchanged(then, now) {
		return
	}
	c.versions(then, now)
	was, is := latest(then), latest(now)
	var x Changes
	switch {
	case was == nil && is == nil:
		return
	case was == nil:
		x.Added, x.Grown = Delta{1, is.Size}, is.Size
	case is == nil:
		x.Removed, x.Grown = Delta{1, was.Size}, -was.Size
	case was.ETag != is.ETag || was.Size != is.Size:
		x.Replaced, x.Grown = Delta{1, is.Size}, is.Size-was.Size
	default:
		return // other versions, or the same bytes uploaded again
	}
	c.sum.add(&x)
	if was == nil {
		was = is
	}
	c.prefixes.add(was.Key, &x)
}

// unchanged tells whether nothing at all is different, which is so for nearly
// every key.
func unchanged(then, now []cooper.Version) bool {
	if len(then) != len(now) {
		return false
	}
	for i := range then {
		if then[i] != now[i] {
			return false
		}
	}
	return true
}

// latest gives the latest version that has bytes.
func latest(vs []cooper.Version) *cooper.Version {
	for i := range vs {
		if vs[i].Latest && !vs[i].DeleteMarker {
			return &vs[i]
		}
	}
	return nil
}

// content tells versions of a key apart: by id where the store gave one, which
// it never gives again, else by what is known of the bytes.
type content struct {
	id, eTag string
	size     int64
	modified cooper.Instant
}

func (c *comparer) content(v *cooper.Version) content {
	if v.VersionID != "" && v.VersionID != cooper.NullVersion && !c.current {
		return content{id: v.VersionID}
	}
	return content{eTag: v.ETag, size: v.Size, modified: v.LastModified}
}

// versions counts what is new and what is gone, and the difference in cost.
func (c *comparer) versions(then, now []cooper.Version) {
	counts := func(v *cooper.Version) bool { return !v.DeleteMarker && (v.Latest || !c.current) }
	clear(c.seen)
	for i := range then {
		if v := &then[i]; counts(v) {
			c.seen[c.content(v)]++
			c.sum.Cost -= c.classes.of(v).rate.Month(v.Size)
		}
	}
	for i := range now {
		v := &now[i]
		if !counts(v) {
			continue
		}
		c.sum.Cost += c.classes.of(v).rate.Month(v.Size)
		if id := c.content(v); c.seen[id] > 0 {
			c.seen[id]--
		} else {
			c.sum.NewVersions.add(Delta{1, v.Size})
		}
	}
	for i := range then {
		v := &then[i]
		if id := c.content(v); counts(v) && c.seen[id] > 0 {
			c.seen[id]--
			c.sum.GoneVersions.add(Delta{1, v.Size})
		}
	}
}

// merge adds the part that follows.
func (c *comparer) merge(next *comparer) {
	c.sum.add(&next.sum.Changes)
	c.sum.NewVersions.add(next.sum.NewVersions)
	c.sum.GoneVersions.add(next.sum.GoneVersions)
	c.sum.Cost += next.sum.Cost
	c.prefixes.merge(next.prefixes)
}
