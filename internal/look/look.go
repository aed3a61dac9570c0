// Package look finds out how a bucket is right before it is changed: which
// versions some keys have, and whether the store keeps its word about
// conditions.
//
// It promises that all versions of every key asked about are shown, at the cost
// of about one request for a thousand versions where the keys lie close
// together, and of one for each key where they do not; and that a probe touches
// nothing but an object of its own. What is done about the answers is left to
// the verbs, the repetition of requests to the store.
package look

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

// Keys shows each version that the bucket has of keys, which are in order,
// each of them once, and begin with prefix: found gets its position in keys,
// and a version id that is never empty. Nothing else of the bucket is listed
// beyond the pages on which they are. It gives how many requests that took, and
// an error that ends a run: without a look nothing is to be removed.
func Keys(ctx context.Context, l store.Lister, prefix string, keys []string, found func(i int, v *cooper.Version)) (requests int64, err error) {
	for next := 0; next < len(keys); {
		w := &walk{keys: keys, first: next, next: next, found: found}
		err := l.List(ctx, store.ListQuery{Prefix: prefix, After: justBefore(keys[next], prefix)}, w.page)
		requests += max(w.pages, 1)
		switch {
		case err == nil:
			return requests, nil // the bucket has no more
		case !errors.Is(err, errEnough):
			return requests, blind(err)
		}
		next = w.next
	}
	return requests, nil
}

// blind is the error of a look that failed.
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

// walk is one listing.
type walk struct {
	keys  []string
	found func(i int, v *cooper.Version)
	first int // the key it began with
	next  int // the first key that may have rows to come
	pages int64
}

func (w *walk) page(vs []cooper.Version, _ []string) error {
	w.pages++
	for i := range vs {
		v := &vs[i]
		for w.next < len(w.keys) && w.keys[w.next] < v.Key {
			w.next++
		}
		if w.next == len(w.keys) {
			return errEnough
		}
		if w.keys[w.next] == v.Key {
			if v.VersionID == "" {
				v.VersionID = cooper.NullVersion
			}
			w.found(w.next, v)
		}
	}
	// What is to come is further on: a listing from there reaches further than
	// the next page would. One that brought nothing new would be made for ever.
	if w.next > w.first && w.keys[w.next] > vs[len(vs)-1].Key {
		return errEnough
	}
	return nil
}

// Same tells whether a version now is the one that was planned. Listings and
// inventories differ in what they tell below a second.
func Same(planned, now *cooper.Version) bool {
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
