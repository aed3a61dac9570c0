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
	"slices"
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
	_, each := l.(unmarked)
	for next := 0; next < len(keys); {
		w := &walk{keys: keys, first: next, next: next, found: found}
		q := store.ListQuery{Prefix: prefix, After: justBefore(keys[next], prefix)}
		if each {
			w.keys, q = keys[:next+1], store.ListQuery{Prefix: keys[next]}
		}
		err := l.List(ctx, q, w.page)
		requests += max(w.pages, 1)
		switch {
		case err == nil && each:
			w.next = next + 1
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
// It takes two requests, or three, and is made before anything is written: a run
// that can write and not look would leave everything half done.
func Eyes(ctx context.Context, l store.Lister, prefix, versioning string) (store.Lister, error) {
	rows, err := page(ctx, l, prefix, "")
	if err != nil && answered(err) && versioning == "" {
		l = current{l}
		if instead, failed := page(ctx, l, prefix, ""); failed == nil {
			rows, err = instead, nil
		}
	}
	if err != nil {
		return nil, blind(err)
	}
	for range 3 { // what is written meanwhile looks like it, once
		sound, err := marked(ctx, l, prefix, rows)
		if err != nil {
			return nil, blind(err)
		}
		if sound {
			return l, nil
		}
		if rows, err = page(ctx, l, prefix, ""); err != nil {
			return nil, blind(err)
		}
	}
	return unmarked{l}, nil
}

// marked tells whether a listing that is told to begin within rows, which are the
// first ones, does. There are stores that pass over the first row behind a marker,
// which would be the latest version of the key that is looked for (moto does).
func marked(ctx context.Context, l store.Lister, prefix string, rows []cooper.Version) (bool, error) {
	at := slices.IndexFunc(rows, func(v cooper.Version) bool { return justBefore(v.Key, prefix) != "" })
	if at < 0 {
		return true, nil
	}
	after := justBefore(rows[at].Key, prefix)
	behind, err := page(ctx, l, prefix, after)
	want := slices.IndexFunc(rows, func(v cooper.Version) bool { return v.Key > after })
	return len(behind) > 0 && behind[0].Key == rows[want].Key && behind[0].VersionID == rows[want].VersionID, err
}

// page is the first one of a listing, and those behind it that are needed for a
// key that a listing can begin with.
func page(ctx context.Context, l store.Lister, prefix, after string) (rows []cooper.Version, err error) {
	err = l.List(ctx, store.ListQuery{Prefix: prefix, After: after}, func(vs []cooper.Version, _ []string) error {
		rows = append(rows, vs...)
		if slices.ContainsFunc(vs, func(v cooper.Version) bool { return justBefore(v.Key, prefix) != "" }) {
			return errEnough
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return rows, err
}

// answered tells whether an error is the store's word, and not the lack of one.
func answered(err error) bool {
	switch cooper.KindOf(err) {
	case cooper.KindInterrupted, cooper.KindTimeout, cooper.KindUsage:
		return false
	}
	return true
}

// Singly makes Keys ask about keys one by one.
func Singly(l store.Lister) store.Lister { return unmarked{l} }

// unmarked is a store whose listings cannot be trusted to begin where they are
// told to: keys are asked about one by one.
type unmarked struct{ store.Lister }

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
