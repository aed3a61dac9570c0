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

// Eyes is how a bucket can be looked at: l itself where it lists versions; where
// it cannot, and the bucket never had any but current ones, a listing of those.
// near is a key that the look begins at. It takes one request, or two, and is
// made before anything is written: a run that can write and not look would leave
// everything half done.
func Eyes(ctx context.Context, l store.Lister, prefix, near, versioning string) (store.Lister, error) {
	nothing := func(int, *cooper.Version) {}
	_, err := Keys(ctx, l, prefix, []string{near}, nothing)
	if err == nil {
		return l, nil
	}
	switch cooper.KindOf(err) {
	case cooper.KindInterrupted, cooper.KindUsage, cooper.KindTimeout:
		return nil, err
	}
	if versioning == "" {
		all := current{l}
		if _, second := Keys(ctx, all, prefix, []string{near}, nothing); second == nil {
			return all, nil
		}
	}
	return nil, err
}

// current lists the current versions alone, which are all that a bucket has
// whose versioning never was enabled.
type current struct{ store.Lister }

func (c current) List(ctx context.Context, q store.ListQuery, page func([]cooper.Version, []string) error) error {
	q.Current = true
	return c.Lister.List(ctx, q, func(vs []cooper.Version, prefixes []string) error {
		for i := range vs {
			vs[i].Latest = true
		}
		return page(vs, prefixes)
	})
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
	if len(vs) > 0 && w.next > w.first && w.keys[w.next] > vs[len(vs)-1].Key {
		return errEnough
	}
	return nil
}

// Own tells whether a version has an id that the store gave to it alone.
func Own(id string) bool { return id != "" && id != cooper.NullVersion }

// Is tells what a listed version is of the planned one whose id it bears. An id
// of its own names one version for ever, whatever the store says of its time
// later. A null version is another as soon as anything differs; and yet, where
// size and ETag do not, it may be the one that was planned: some stores date a
// version anew when a newer one supersedes it. An absent ETag contradicts nothing.
func Is(planned, now *cooper.Version) Likeness {
	content := planned.DeleteMarker == now.DeleteMarker && planned.Size == now.Size &&
		(planned.DeleteMarker || planned.ETag == "" || now.ETag == "" || strings.EqualFold(planned.ETag, now.ETag))
	switch {
	case !content:
		return Another
	// Listings and inventories differ in what they tell below a second.
	case Own(now.VersionID), planned.LastModified/1000 == now.LastModified/1000:
		return Itself
	}
	return Redated
}

// Likeness is how like a listed version is to a planned one of the same id.
type Likeness int

// The likenesses.
const (
	Another Likeness = iota // another content, or a delete marker
	Redated                 // the same content under another time
	Itself
)

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
