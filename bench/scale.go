package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"cooper"
	"cooper/internal/apply"
	"cooper/internal/inventory"
	"cooper/internal/inventory/invtest"
	"cooper/internal/inventory/s3report"
	"cooper/internal/permit"
	"cooper/internal/tree"
	"cooper/internal/tree/catalog"
)

// scale measures how long an unchanged day takes at sizes where nobody would
// fetch the objects for a benchmark: a catalog of n versions without their
// files, and a report of the same versions in another order and split. That
// nothing of mirror and history is looked at shows in that nothing is missed.
func (s *setup) scale(ctx context.Context, sizes ...int64) error {
	for _, n := range sizes {
		if err := s.scaleOf(ctx, n); err != nil {
			return err
		}
	}
	return nil
}

const day = cooper.Instant(24 * 60 * 60 * 1000)

func (s *setup) scaleOf(ctx context.Context, n int64) error {
	treeDir, ws := filepath.Join(s.dir, "tree"), filepath.Join(s.dir, "ws")
	report := filepath.Join(s.dir, "report")
	defer removeAll(treeDir, ws, report)
	began := time.Now()
	taken, err := s.knownTree(ctx, n, treeDir)
	if err != nil {
		return err
	}
	src := invtest.Synthetic(n, 1, invtest.Options{Parts: 8, Shuffle: 7})
	if err := writeReport(ctx, src, report, taken+day); err != nil {
		return err
	}
	fmt.Printf("%d versions prepared in %.0f s\n", n, time.Since(began).Seconds())
	for range s.rounds {
		u, err := s.cooperRun(ctx, "http://127.0.0.1:9", "ws", "backup", "run", "s3://"+src.Meta().Bucket, treeDir,
			"--inventory", filepath.Join(report, src.Meta().Bucket, "bench"), "--plan-only", "--json")
		if err != nil {
			return err
		}
		if !strings.Contains(u.out, `"totals":{}`) {
			return fmt.Errorf("the plan is not empty: %.2000s", u.out)
		}
		fmt.Printf("%d versions, unchanged, shuffled: %v: %.0f versions/s\n", n, u, float64(n)/u.wall)
		if err := os.RemoveAll(ws); err != nil {
			return err
		}
	}
	return nil
}

// knownTree makes a tree whose catalog lists the versions, all of them in
// place.
func (s *setup) knownTree(ctx context.Context, n int64, dir string) (taken cooper.Instant, err error) {
	snapDir := filepath.Join(s.dir, "snapshot")
	defer removeAll(snapDir)
	meta, err := inventory.Build(ctx, snapDir, invtest.Synthetic(n, 1, invtest.Options{}), inventory.BuildOptions{Memory: 2 << 30, TempDir: s.dir, ID: "s-bench"})
	if err != nil {
		return 0, err
	}
	snap, err := inventory.Open(snapDir)
	if err != nil {
		return 0, err
	}
	t, err := tree.Open(dir, tree.Options{Create: true})
	if err != nil {
		return 0, err
	}
	defer finally(&err, t.Close)
	it := snap.Versions(ctx, inventory.IterOptions{})
	defer finally(&err, it.Close)
	keys := inventory.Groups(it)
	return meta.TakenAt, apply.Mend("r-bench", func(p permit.Permit) error {
		state := t.Catalog().State()
		state.Runs = []catalog.Sorted{{}}
		state.Observed = []catalog.Observed{{ID: meta.ID, TakenAt: meta.TakenAt, Bucket: meta.Bucket, Complete: true, Finished: true}}
		for {
			rows, err := nextRows(keys, meta.TakenAt)
			if err != nil {
				return err
			}
			if len(rows) == 0 {
				return t.Catalog().Compact(ctx, p, true)
			}
			part, err := t.Catalog().Append(p, rows)
			if err != nil {
				return err
			}
			state.Runs[0].Files = append(state.Runs[0].Files, part.Files...)
			if err := t.Catalog().Publish(p, state); err != nil {
				return err
			}
		}
	})
}

// nextRows makes catalog rows of the next whole keys.
func nextRows(keys *inventory.GroupReader, taken cooper.Instant) ([]catalog.Row, error) {
	const enough = 1_000_000
	var rows []catalog.Row
	for len(rows) < enough {
		group, err := keys.Next()
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, err
		}
		for _, v := range group {
			r := catalog.Row{Identity: v.Identity, DeleteMarker: v.DeleteMarker, FirstSeen: taken, Place: catalog.Mirror, Check: cooper.Verified, Method: "md5"}
			switch {
			case v.DeleteMarker:
				r.Place, r.Check, r.Method = catalog.Nowhere, "", ""
			case !v.Latest:
				r.Place, r.Reason, r.Superseded = catalog.History, catalog.Older, v.LastModified+day
			}
			if v.Latest {
				r.Shown = []int64{int64(taken)}
			}
			rows = append(rows, r)
		}
	}
	return rows, nil
}

// writeReport writes what a source delivers, in its own order.
func writeReport(ctx context.Context, src inventory.Source, dir string, taken cooper.Instant) error {
	p := &pull{batches: make(chan []cooper.Version, 4), failed: make(chan error, 1)}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		defer close(p.batches)
		for _, part := range src.Parts() {
			if err := part.Read(ctx, &pusher{p, ctx.Done()}); err != nil {
				p.failed <- err
				return
			}
		}
		p.batches <- p.last
	}()
	_, err := s3report.WriteDir(ctx, dir, s3report.WriteOptions{SourceBucket: src.Meta().Bucket, ConfigID: "bench", Format: "CSV", TakenAt: taken, MaxRows: 2_500_000, TempDir: os.TempDir()}, p)
	return err
}

// pull turns the rows of a sink into rows that can be asked for.
type pull struct {
	batches chan []cooper.Version
	failed  chan error
	now     []cooper.Version
	last    []cooper.Version
}

func (p *pull) Next() (*cooper.Version, error) {
	for len(p.now) == 0 {
		b, ok := <-p.batches
		if !ok {
			select {
			case err := <-p.failed:
				return nil, err
			default:
				return nil, io.EOF
			}
		}
		p.now = b
	}
	v := &p.now[0]
	p.now = p.now[1:]
	return v, nil
}

type pusher struct {
	to   *pull
	stop <-chan struct{}
}

func (p *pusher) Version(v *cooper.Version) error {
	c := *v
	c.Key, c.VersionID, c.ETag = strings.Clone(v.Key), strings.Clone(v.VersionID), strings.Clone(v.ETag)
	p.to.last = append(p.to.last, c)
	if len(p.to.last) < 1000 {
		return nil
	}
	select {
	case p.to.batches <- p.to.last:
		p.to.last = nil
		return nil
	case <-p.stop:
		return context.Canceled
	}
}

func (p *pusher) Reject(inventory.Rejected) error { return errors.New("a synthetic row was rejected") }
