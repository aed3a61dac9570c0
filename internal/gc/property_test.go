package gc

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"cooper/internal/ledger/gcfacts"
)

// TestResolved: whatever handles and links there are, lists say what a loop over all of
// them does: each reading that leads to a handle is a link, and where none does the first
// dangles.
func TestResolved(t *testing.T) {
	for seed := range uint64(8) {
		r := rand.New(rand.NewPCG(seed, 1))
		pick := func(of ...string) string { return of[r.IntN(len(of))] }
		kinds := []string{""}
		if seed%2 == 1 {
			kinds = []string{"x", "y"}
		}
		id := func() string {
			return pick("1", "2", "3", "0a", "8f9e2a25-da75-4c6d-80be-9e1acd55fdfe", "A", "a")
		}
		key := func() string { return pick("a", "A", "a ", "b", "\xff", "é") }
		var handles []gcfacts.Handle
		for range r.IntN(12) {
			h := gcfacts.Handle{Kind: pick(kinds...), ID: id(), Bucket: pick("p", "q"), Key: key(), Size: -1}
			if !slices.ContainsFunc(handles, func(o gcfacts.Handle) bool { return o.Kind == h.Kind && o.ID == h.ID }) {
				handles = append(handles, h)
			}
		}
		name := func(kind, id string) string {
			if kind == "" {
				return id
			}
			return kind + ":" + id
		}
		var links, dangling []string
		found := int64(0)
		l := newLedger(t)
		l.shard(scanID, 0, gcfacts.Range{What: gcfacts.OfKind}, func(w *gcfacts.Writer) (err error) {
			for _, h := range handles {
				err = errors.Join(err, w.Handle(h))
			}
			return err
		})
		for shard := 1; shard < 3; shard++ {
			l.shard(scanID, shard, gcfacts.Range{What: gcfacts.OfAssociation, Name: "a"}, func(w *gcfacts.Writer) (err error) {
				for range r.IntN(20) {
					object := fmt.Sprint(r.IntN(3))
					var readings []gcfacts.Target
					for range 1 + r.IntN(3)*r.IntN(2) {
						if r.IntN(2) == 0 {
							readings = append(readings, gcfacts.Target{Kind: pick(kinds...), ID: id()})
						} else {
							readings = append(readings, gcfacts.Target{Kind: pick(append(kinds, "")...), Bucket: pick("p", "q"), Key: key()})
						}
					}
					var led []string
					for _, to := range readings {
						for _, h := range handles {
							if to.ID != "" && to.ID == h.ID && to.Kind == h.Kind || to.ID == "" && to.Bucket == h.Bucket && to.Key == h.Key && (to.Kind == "" || to.Kind == h.Kind) {
								led = append(led, "a\t"+object+"\t"+name(h.Kind, h.ID))
							}
						}
					}
					if first := readings[0]; led == nil {
						to := name(first.Kind, first.ID)
						if first.ID == "" {
							to = "key:" + first.Bucket + "/" + map[string]string{"\xff": "0xff", "é": `\u00e9`}[first.Key]
							if first.Key[0] < 0x80 {
								to += first.Key
							}
						}
						led = []string{"a\t" + object + "\t" + to}
						dangling = append(dangling, led...)
					}
					if !slices.Contains(dangling, led[0]) {
						found++
					}
					links = append(links, led...)
					err = errors.Join(err, w.Link("a", object, readings...))
				}
				return err
			})
		}
		e := l.engine()
		if got, err := foundOf(context.Background(), e, scanID); err != nil || got["a"] != found {
			t.Errorf("seed %d: %d lead to handles, and %d were counted: %v", seed, found, got["a"], err)
		}
		for what, want := range map[string][]string{"links": links, "dangling": dangling} {
			slices.Sort(want)
			same(t, fmt.Sprintf("seed %d: %s", seed, what), list(t, e, what, scanID), slices.Compact(want)...)
		}
	}
}
