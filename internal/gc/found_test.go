package gc

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"cooper/internal/ledger/gcfacts"
)

// BenchmarkFound counts what five million links to two million handles lead to.
func BenchmarkFound(b *testing.B) {
	const handles, links, shards = 2_000_000, 5_000_000, 20
	key := func(i int) string {
		return fmt.Sprintf("uploads/2026/%02d/%d/photo-%08x.jpg", 1+i%12, i/1000, uint32(i)*2654435761)
	}
	for _, of := range []string{"numbers", "keys", "readings"} {
		b.Run(of, func(b *testing.B) {
			l := newLedger(b)
			for n := range shards {
				l.shard(scanID, n, gcfacts.Range{What: gcfacts.OfKind}, func(w *gcfacts.Writer) error {
					var errs []error
					for i := n * handles / shards; i < (n+1)*handles/shards; i++ {
						errs = append(errs, w.Handle(gcfacts.Handle{ID: fmt.Sprint(i), Bucket: "b", Key: key(i), Size: 1}))
					}
					return errors.Join(errs...)
				})
			}
			r := rand.New(rand.NewPCG(1, 2))
			for n := range shards {
				l.shard(scanID, shards+n, gcfacts.Range{What: gcfacts.OfAssociation, Name: "a"}, func(w *gcfacts.Writer) error {
					var errs []error
					for i := range links / shards {
						to := r.IntN(handles)
						readings := map[string][]gcfacts.Target{
							"numbers": {{ID: fmt.Sprint(to)}}, "keys": {{Bucket: "b", Key: key(to)}}, "readings": {{Bucket: "b", Key: key(to) + "."}, {Bucket: "b", Key: key(to)}},
						}[of]
						errs = append(errs, w.Link("a", fmt.Sprint(i), readings...))
					}
					return errors.Join(errs...)
				})
			}
			e := l.engine()
			for b.Loop() {
				if found, err := foundOf(context.Background(), e, scanID); err != nil || found["a"] != links {
					b.Fatal(found, err)
				}
			}
		})
	}
}
