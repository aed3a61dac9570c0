package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"cooper"
	"cooper/internal/apply"
	"cooper/internal/permit"
	"cooper/internal/store"
	"cooper/internal/store/s3"
)

// bareLoops are what archiving and restoring are measured against: programs that copy with the store's own copy, and
// remember nothing. All look at an original first, as who keeps its metadata and adds his own has to, and at each copy,
// whose size and ETag they compare; the careful ones ask for tags as well, which no answer to HEAD tells for certain. Originals
// are removed in thousands.
var bareLoops = map[string][]string{
	"archive": {"plain archive", "careful archive"},
	"restore": {"plain restore", "careful restore"},
}

// runBare is the process of a bare loop: it prints how many seconds the loop took, without the listing before it.
func runBare(ctx context.Context, url, as string, jobs int) (err error) {
	open := func(name string) (*s3.Bucket, error) { return s3.Open(ctx, name, s3.Config{Endpoint: url}) }
	bench, err := open(bucketName)
	if err != nil {
		return err
	}
	defer finally(&err, bench.Close)
	depot, err := open(archiveBucket)
	if err != nil {
		return err
	}
	defer finally(&err, depot.Close)
	from, to, key := bench, depot, func(k string) string { return bucketName + "/" + k }
	restores := strings.HasSuffix(as, "restore")
	if restores {
		from, to, key = depot, bench, func(k string) string { return strings.TrimPrefix(k, bucketName+"/") }
	}
	var all []cooper.Version
	err = from.List(ctx, store.ListQuery{}, func(vs []cooper.Version, _ []string) error {
		all = append(all, vs...)
		return nil
	})
	if err != nil {
		return err
	}
	began := time.Now()
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(jobs)
	for i := range all {
		g.Go(func() error {
			v := &all[i]
			src, err := from.Head(gctx, store.Ref{Key: v.Key, VersionID: v.VersionID, IfMatch: v.ETag, Size: v.Size}, 0)
			if err != nil {
				return err
			}
			src.Key = v.Key
			var tags map[string]string
			if strings.HasPrefix(as, "careful") {
				if tags, err = from.Tags(gctx, store.Ref{Key: v.Key, VersionID: v.VersionID}); err != nil {
					return err
				}
			}
			p := store.Describe(&src, key(v.Key), tags, nil)
			if p.IfNoneMatch = true; !restores {
				p.StorageClass = "STANDARD_IA"
			}
			made, err := to.Copy(gctx, permit.Permit{}, from, store.Copy{Source: src, Put: p})
			if err != nil {
				return err
			}
			made, err = to.Head(gctx, store.Ref{Key: p.Key, VersionID: made.VersionID}, 0)
			if err == nil && (made.Size != v.Size || !strings.EqualFold(made.ETag, v.ETag)) {
				err = errors.New("the copy of " + v.Key + " is another object")
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	if !restores {
		if err := apply.Mend("r-bench", func(p permit.Permit) error {
			for some := range slices.Chunk(all, store.MaxRemovals) {
				rs := make([]store.Removal, len(some))
				for i, v := range some {
					rs[i] = store.Removal{Key: v.Key, VersionID: v.VersionID}
				}
				if err := errors.Join(from.Remove(ctx, p, rs)...); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			return err
		}
	}
	fmt.Printf("%.3f\n", time.Since(began).Seconds())
	return nil
}
