package archive

import (
	"context"
	"fmt"
	"testing"

	"golang.org/x/sync/errgroup"

	"cooper"
	"cooper/internal/apply"
	"cooper/internal/gcop"
	"cooper/internal/journal"
	"cooper/internal/ledger"
	"cooper/internal/permit"
	"cooper/internal/store"
	"cooper/internal/store/mem"
	"cooper/internal/store/s3"
	"cooper/internal/verb/verbtest"
)

const benched = 10_000

// noFacts is a ledger that keeps nothing.
type noFacts struct{}

func (noFacts) WriteOutcomes(context.Context, string, int, string, string, []cooper.Outcome) error {
	return nil
}

func (noFacts) WriteRun(context.Context, ledger.RunFact) error { return nil }

// BenchmarkArchive archives objects with a handle each, 16 at once.
func BenchmarkArchive(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		w := newWorld(b, "Enabled", "", mem.Options{})
		w.plan.Size = 1000
		w.URL = verbtest.Serve(b, w.Server) // many at once, and nothing is written down
		for i := range benched {
			key := fmt.Sprintf("%06d", i)
			w.Server.Put(lab, key, []byte(key), mem.PutOptions{})
		}
		verbtest.Must(b, w.plan.Phase(gcop.Archive))
		for i, v := range w.Server.Versions(lab) {
			x := gcop.Archival{Bucket: lab, To: gcop.ArchiveKey(lab, v.Key), Class: class, Proof: gcop.ByETag, Last: true, Versions: 1, Handles: w.unlinked(fmt.Sprint(i)), Reason: "unlinked"}
			a, err := x.Action(v)
			verbtest.Must(b, err)
			verbtest.Must(b, w.plan.Add(a, true))
		}
		w.planned()
		w.jobs = 16
		opt, done := w.options()
		opt.Journal = journal.At(b.TempDir())
		target, err := New(&w.plan.Head, opt)
		verbtest.Must(b, err)
		b.StartTimer()
		_, err = apply.Run(context.Background(), apply.Job{Run: "r-1", Plan: w.plan, Facts: noFacts{}, Target: target, Verbs: map[string]apply.Verb{gcop.Archive: nil}, Clock: verbtest.Clock})
		verbtest.Must(b, err)
		b.StopTimer()
		done()
		if w.objects(lab) != "" {
			b.Fatal("something stays")
		}
		b.StartTimer()
	}
	b.ReportMetric(float64(benched*b.N)/b.Elapsed().Seconds(), "objects/s")
}

// BenchmarkBare looks at as many objects and their tags, copies them, looks at the copies, and removes the originals in
// thousands: without any handle, manifest or journal.
func BenchmarkBare(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		w := newWorld(b, "Enabled", "", mem.Options{})
		url := verbtest.Serve(b, w.Server)
		for i := range benched {
			key := fmt.Sprintf("%06d", i)
			w.Server.Put(lab, key, []byte(key), mem.PutOptions{})
		}
		open := func(name string) *s3.Bucket {
			bucket, err := s3.Open(context.Background(), name, s3.Config{Endpoint: url})
			verbtest.Must(b, err)
			b.Cleanup(func() { verbtest.Must(b, bucket.Close()) })
			return bucket
		}
		from, to := open(lab), open(depot)
		all := w.Server.Versions(lab)
		b.StartTimer()
		var g errgroup.Group
		g.SetLimit(16)
		for i := range all {
			g.Go(func() error {
				v := &all[i]
				src, err := from.Head(b.Context(), store.Ref{Key: v.Key, VersionID: v.VersionID}, 0)
				if err != nil {
					return err
				}
				src.Key = v.Key
				tags, err := from.Tags(b.Context(), store.Ref{Key: v.Key, VersionID: v.VersionID})
				if err != nil {
					return err
				}
				p := store.Describe(&src, lab+"/"+v.Key, tags, nil)
				p.StorageClass, p.IfNoneMatch = class, true
				made, err := to.Copy(b.Context(), permit.Issue("r"), from, store.Copy{Source: src, Put: p})
				if err == nil {
					_, err = to.Head(b.Context(), store.Ref{Key: p.Key, VersionID: made.VersionID}, 0)
				}
				return err
			})
		}
		verbtest.Must(b, g.Wait())
		for at := 0; at < len(all); at += store.MaxRemovals {
			var rs []store.Removal
			for _, v := range all[at:min(at+store.MaxRemovals, len(all))] {
				rs = append(rs, store.Removal{Key: v.Key, VersionID: v.VersionID})
			}
			for _, err := range from.Remove(b.Context(), permit.Issue("r"), rs) {
				verbtest.Must(b, err)
			}
		}
	}
	b.ReportMetric(float64(benched*b.N)/b.Elapsed().Seconds(), "objects/s")
}
