package mem

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// A list is a sorted slice, whatever was put in and taken out of it.
func TestKeyList(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var l keyList
	there := map[string]bool{}
	var sorted []string
	for i := range 60_000 {
		key := fmt.Sprintf("%d/%d", r.IntN(40), r.IntN(400))
		if i > 14_000 { // it shrinks, to nothing
			if len(there) == 0 {
				break
			}
			for k := range there {
				key = k
				break
			}
		}
		if there[key] {
			delete(there, key)
			l.remove(key)
		} else {
			there[key] = true
			l.add(key)
		}
		if i%500 != 0 && len(there) > 0 {
			continue
		}
		sorted = sorted[:0]
		for k := range there {
			sorted = append(sorted, k)
		}
		slices.Sort(sorted)
		if got := slices.Collect(l.all); !slices.Equal(got, sorted) {
			t.Fatalf("after %d changes: %d keys, not %d", i, len(got), len(sorted))
		}
		for _, from := range []string{"", "1", "17/", "17/3", "39/399", "5", "x"} {
			at, _ := slices.BinarySearch(sorted, from)
			c := l.seek(from)
			for k := at; k < min(at+1500, len(sorted)); k++ {
				if !c.more() || c.key() != sorted[k] {
					t.Fatalf("after %d changes: not %q behind %q", i, sorted[k], from)
				}
				c.next()
			}
			for at < len(sorted) && strings.HasPrefix(sorted[at], from) {
				at++
			}
			c = l.seek(from)
			if c.pass(from); c.more() != (at < len(sorted)) || c.more() && c.key() != sorted[at] {
				t.Fatalf("after %d changes: what is behind all of %q", i, from)
			}
		}
	}
	if len(there) != 0 || len(l.pieces) != 0 {
		t.Fatalf("%d keys and %d pieces are left", len(there), len(l.pieces))
	}
}
