package tree

import (
	"fmt"
	"testing"
	"time"

	"cooper/internal/tree/safefs"
)

// unsynced is a file system without syncs, to see what the rest costs.
type unsynced struct{ safefs.FS }

func (unsynced) SyncAll() error       { return nil }
func (unsynced) SyncDir(string) error { return nil }

// BenchmarkCommit commits shards of 4,096 small files, 256 in a directory, that
// were staged before; staging is timed apart.
func BenchmarkCommit(b *testing.B) {
	for name, sync := range map[string]bool{"unsynced": false, "synced": true} {
		b.Run(name, func(b *testing.B) {
			real, err := safefs.Open(b.TempDir())
			check(b, err)
			var fsys safefs.FS = real
			if !sync {
				fsys = unsynced{real}
			}
			tr, err := openMem(fsys, true)
			check(b, err)
			_, release, err := tr.Lock(bg, Holder{})
			check(b, err)
			_, err = tr.Recover(bg, allowed, false)
			check(b, err)
			check(b, tr.Begin(bg, allowed, Run{Plan: "p", Shards: 1 << 20}))
			const files = 4096
			var staging, committing time.Duration
			shard := 0
			for b.Loop() {
				var changes []Change
				for i := range files {
					changes = append(changes, place(version(fmt.Sprintf("zarr/%04d/%02d/%03d", shard, i/256, i%256), 1)))
				}
				began := time.Now()
				for i := range changes {
					check(b, stage(tr, changes[i].New.Identity))
				}
				staging += time.Since(began)
				began = time.Now()
				shards := make([][]Change, shard+1)
				shards[shard] = changes
				p := plan{"p", shards}
				_, err := tr.Commit(bg, allowed, p.batch(shard))
				check(b, err)
				check(b, tr.Settled("p", shard))
				committing += time.Since(began)
				shard++
			}
			n := float64(shard * files)
			b.ReportMetric(n/staging.Seconds(), "staged/s")
			b.ReportMetric(n/committing.Seconds(), "committed/s")
			check(b, release())
			check(b, real.Close())
		})
	}
}
