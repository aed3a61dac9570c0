package remove

import (
	"context"
	"errors"
	"strings"
	"unicode/utf8"

	"cooper"
	"cooper/internal/store"
)

// errEnough ends a listing that has told what was to be known.
var errEnough = errors.New("enough")

// look finds out how the versions of the part are now. It lists from the first
// key on, and leaps to the next one where a page has none.
func (p *part) look(ctx context.Context) error {
	for next := 0; next < len(p.keys); {
		l := &looking{part: p, first: next, next: next}
		p.keys[next].items[0].out.Requests++
		err := p.bucket.List(ctx, store.ListQuery{Prefix: p.opt.Prefix, After: justBefore(p.keys[next].key, p.opt.Prefix)}, l.page)
		switch {
		case err == nil:
			return nil // the bucket has no more
		case !errors.Is(err, errEnough):
			return blind(err)
		}
		next = l.next
	}
	return nil
}

// blind is the error of a look that failed: without it nothing is removed.
func blind(err error) error {
	var ce *cooper.Error
	if !errors.As(err, &ce) {
		return err
	}
	e := *ce
	e.Message = strings.TrimSuffix("stopped, as the bucket cannot be looked at: "+e.Message, ": ")
	if e.Remedy == "" {
		e.Remedy = "See whether the store and the network are well, and carry the plan out again: it goes on where it stopped."
	}
	return &e
}

// looking is one listing.
type looking struct {
	*part
	first int // the key it began with
	next  int // the first key that may have rows to come
}

func (l *looking) page(vs []cooper.Version, _ []string) error {
	met := false
	for i := range vs {
		v := &vs[i]
		for l.next < len(l.keys) && l.keys[l.next].key < v.Key {
			l.next++
		}
		if l.next == len(l.keys) {
			return errEnough
		}
		if k := l.keys[l.next]; k.key == v.Key {
			k.found(v)
			met = true
		}
	}
	// A leap that does not get on would be made for ever.
	if !met && l.next > l.first {
		return errEnough
	}
	return nil
}

// found takes in a version that is there now.
func (k *keyed) found(v *cooper.Version) {
	id := v.VersionID
	if id == "" {
		id = cooper.NullVersion
	}
	if v.Latest {
		k.latest = id
	}
	it := k.byID[id]
	switch {
	case it == nil:
		if !v.Latest {
			k.unknown++
		}
	case id == cooper.NullVersion && !same(&it.Version, v):
		it.fail(cooper.KindChanged, "was overwritten since the snapshot")
		if !v.Latest {
			k.unknown++
		}
	default:
		it.present = true
	}
}

// same tells whether a null version is the one in the plan. Listings and
// inventories differ in what they tell below a second.
func same(planned, now *cooper.Version) bool {
	return planned.DeleteMarker == now.DeleteMarker && planned.Size == now.Size &&
		(planned.ETag == now.ETag || planned.DeleteMarker) && planned.LastModified/1000 == now.LastModified/1000
}

// longestMarker is how long a key may be at the beginning of a listing, in
// bytes: no key is longer.
const longestMarker = 1024

// justBefore gives a text that sorts before key, with few keys or none between,
// and not before prefix: a listing after it begins with key.
func justBefore(key, prefix string) string {
	r, n := utf8.DecodeLastRuneInString(key)
	head := key[:len(key)-n]
	switch {
	case len(head) < len(prefix):
		return "" // key is the prefix itself: the first of the listing
	case r == 0:
		return head
	case r == 0xe000: // what comes before are halves of characters
		r = 0xd7ff
	default:
		r--
	}
	before := head + string(r)
	if len(before)+utf8.UTFMax <= longestMarker {
		before += string(utf8.MaxRune)
	}
	return before
}
