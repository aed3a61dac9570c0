package catalog

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Ranges is a set of numbers ≥ 0, kept as sorted ranges that neither touch nor
// overlap. In JSON it is a string such as "0-41,43".
type Ranges struct{ spans []interval }

type interval struct{ first, last int }

// Has tells whether n is in the set.
func (r *Ranges) Has(n int) bool {
	i, ok := slices.BinarySearchFunc(r.spans, n, func(s interval, n int) int { return s.first - n })
	return ok || i > 0 && n <= r.spans[i-1].last
}

// Count is how many numbers are in the set.
func (r *Ranges) Count() int {
	n := 0
	for _, s := range r.spans {
		n += s.last - s.first + 1
	}
	return n
}

// With is the set and n; r stays as it is.
func (r Ranges) With(n int) Ranges {
	if r.Has(n) {
		return r
	}
	i, _ := slices.BinarySearchFunc(r.spans, n, func(s interval, n int) int { return s.first - n })
	spans := slices.Insert(slices.Clone(r.spans), i, interval{n, n})
	if i+1 < len(spans) && spans[i+1].first == n+1 {
		spans[i].last = spans[i+1].last
		spans = slices.Delete(spans, i+1, i+2)
	}
	if i > 0 && spans[i-1].last == n-1 {
		spans[i-1].last = spans[i].last
		spans = slices.Delete(spans, i, i+1)
	}
	return Ranges{spans}
}

// String is the form that UnmarshalText reads.
func (r Ranges) String() string {
	var b strings.Builder
	for i, s := range r.spans {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.Itoa(s.first))
		if s.last > s.first {
			b.WriteByte('-')
			b.WriteString(strconv.Itoa(s.last))
		}
	}
	return b.String()
}

// MarshalText writes String.
func (r Ranges) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads what MarshalText writes and refuses ranges that are not
// in order.
func (r *Ranges) UnmarshalText(b []byte) error {
	var spans []interval
	if len(b) > 0 {
		before := -2
		for part := range strings.SplitSeq(string(b), ",") {
			first, last, isRange := strings.Cut(part, "-")
			if !isRange {
				last = first
			}
			f, err1 := strconv.Atoi(first)
			l, err2 := strconv.Atoi(last)
			if err1 != nil || err2 != nil || f <= before+1 || l < f || l == math.MaxInt {
				return fmt.Errorf("%q is no list of ranges", b)
			}
			spans = append(spans, interval{f, l})
			before = l
		}
	}
	r.spans = spans
	return nil
}
