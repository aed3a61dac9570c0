package listing

import (
	"errors"
	"strings"
	"unicode/utf8"

	"cooper"
	"cooper/internal/store"
)

// maxLevels is how many folders deep one division looks for siblings: each
// level costs a request.
const maxLevels = 6

// divide cuts off the upper part of what is left of a span, and lets others
// list it. A span that has nothing to be divided by is left as it is.
func (r *run) divide(s *span) error {
	r.mu.Lock()
	now := *s
	r.mu.Unlock()
	point, err := r.point(now)
	if err != nil || point == "" {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !s.holds(point) { // it was listed as far meanwhile
		return nil
	}
	r.waiting = append(r.waiting, &span{prefix: s.prefix, after: point, until: s.until, bounded: s.bounded, ripe: ripeAfter})
	s.until, s.bounded = point, true
	r.changed.Broadcast()
	return nil
}

// point is a key at which to divide: a folder beside the one being listed, as
// high up as there is one; else, in a flat folder, a place between its last key
// seen and its end.
func (r *run) point(s span) (string, error) {
	folder := s.prefix
	for range maxLevels {
		below, rest, deeper := strings.Cut(strings.TrimPrefix(s.after, folder), "/")
		// If the end lies in the same folder there, then there are no
		// siblings before it.
		if !deeper || !s.bounded || !strings.HasPrefix(s.until, folder+below+"/") {
			siblings, err := r.siblings(folder, s)
			if err != nil || len(siblings) > 0 {
				return middle(siblings), err
			}
		}
		if !deeper || rest == "" {
			break
		}
		folder += below + "/"
	}
	return between(s, folder), nil
}

// siblings lists folders right under folder that lie ahead of the span, as far
// as one page of answers tells.
func (r *run) siblings(folder string, s span) ([]string, error) {
	var ahead []string
	query := store.ListQuery{Prefix: folder, Delimiter: "/", After: s.after, Current: r.opt.Current}
	err := r.lister.List(r.ctx, query, func(_ []cooper.Version, prefixes []string) error {
		for _, p := range prefixes {
			if s.holds(p) {
				ahead = append(ahead, p)
			}
		}
		return errEnough
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return ahead, err
}

func middle(sorted []string) string {
	if len(sorted) == 0 {
		return ""
	}
	return sorted[len(sorted)/2]
}

// between makes a key half-way from the last one seen to the end of the span or
// of its folder, by the first sign in which they differ; "" if there is no room.
// Keys are text and ordered by code point, so that signs can be counted with.
// A half that turns out empty costs one request and halves what is left.
func between(s span, folder string) string {
	same := folder
	if s.bounded && strings.HasPrefix(s.until, folder) {
		same = common(s.after, s.until)
	}
	for {
		low, size := utf8.DecodeRuneInString(tail(s.after, same))
		if size == 0 {
			low = ' ' - 1 // the key ends here: any sign comes after it
		}
		high := rune('~' + 1) // most keys are ASCII
		if low >= '~' {
			high = utf8.MaxRune
		}
		if s.bounded && strings.HasPrefix(s.until, same) {
			if first, n := utf8.DecodeRuneInString(s.until[len(same):]); n > 0 {
				high = first
			}
		}
		if mid := low + (high-low)/2; mid > low && utf8.ValidRune(mid) {
			if key := same + string(mid); s.holds(key) {
				return key
			}
			return ""
		}
		if size == 0 || low == utf8.RuneError {
			return ""
		}
		same += string(low) // neighbours: look at the next sign
	}
}

// tail is what follows prefix in key; nothing if key does not begin so.
func tail(key, prefix string) string {
	rest, ok := strings.CutPrefix(key, prefix)
	if !ok {
		return ""
	}
	return rest
}

// common is the longest common beginning of whole signs.
func common(a, b string) string {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	for n > 0 && n < len(a) && !utf8.RuneStart(a[n]) {
		n--
	}
	return a[:n]
}
