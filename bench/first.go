package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// first measures a first backup of 50,000 objects of 4 KiB against the floor.
func (s *setup) first(ctx context.Context) error {
	const n = 50_000
	what := bed{objects: n, size: 4096, perDir: 40}
	srv, err := s.startServer(what)
	if err != nil {
		return err
	}
	defer srv.stop()
	report := filepath.Join(s.dir, "report")
	if _, err := s.cooperRun(ctx, srv.url, "ws-report", "inventory", "write", "s3://"+bucketName, report); err != nil {
		return err
	}
	best, at := 0.0, 0
	for _, c := range []int{8, 16, 32, 64, 128} {
		dir := filepath.Join(s.dir, "floor")
		settle()
		t, err := floor(ctx, srv.url, dir, what, n, c)
		if err != nil {
			return err
		}
		fmt.Printf("floor, %3d at once: %.1f s, %.0f objects/s\n", c, t, n/t)
		if best == 0 || t < best {
			best, at = t, c
		}
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
	}
	var ratios, floors, ours []float64
	for i := range s.rounds {
		dir := filepath.Join(s.dir, "floor")
		settle()
		t, err := floor(ctx, srv.url, dir, what, n, at)
		if err != nil {
			return err
		}
		tree := filepath.Join(s.dir, "tree")
		ws := fmt.Sprintf("ws-first-%d", i)
		settle()
		u, err := s.cooperRun(ctx, srv.url, ws, "backup", "run", "s3://"+bucketName, tree, "--inventory", filepath.Join(report, bucketName, "cooper"))
		if err != nil {
			return err
		}
		fmt.Printf("round %d: floor %.1f s; first backup %v: %.0f %% of the floor's rate\n", i+1, t, u, 100*t/u.wall)
		ratios, floors, ours = append(ratios, t/u.wall), append(floors, t), append(ours, u.wall)
		for _, d := range []string{dir, tree, filepath.Join(s.dir, ws)} {
			if err := os.RemoveAll(d); err != nil {
				return err
			}
		}
	}
	fmt.Printf("median: floor %.1f s at %d at once, first backup %.1f s, %.0f %% of the floor's rate\n", median(floors), at, median(ours), 100*median(ratios))
	return os.RemoveAll(report)
}

// settle lets the disk finish what the measurement before left to it.
func settle() { syscall.Sync() }

// million measures an unchanged and a 1 % run at 10^6 objects.
func (s *setup) million(ctx context.Context) error {
	const n = 1_000_000
	what := bed{objects: n, size: 256, perDir: 40}
	srv, err := s.startServer(what)
	if err != nil {
		return err
	}
	defer srv.stop()
	tree := filepath.Join(s.dir, "tree")
	bucket := "s3://" + bucketName
	backup := func(what string) error {
		report := filepath.Join(s.dir, "report-"+what)
		if _, err := s.cooperRun(ctx, srv.url, "ws-report", "inventory", "write", bucket, report); err != nil {
			return err
		}
		u, err := s.cooperRun(ctx, srv.url, "ws", "backup", "run", bucket, tree, "--inventory", filepath.Join(report, bucketName, "cooper"))
		if err == nil {
			fmt.Printf("%-10s %v\n", what+":", u)
		}
		return err
	}
	if err := backup("first"); err != nil {
		return err
	}
	for range s.rounds {
		// The same report under another name: a day on which nothing changed.
		if err := backup("unchanged"); err != nil {
			return err
		}
		if err := os.RemoveAll(filepath.Join(s.dir, "report-unchanged")); err != nil {
			return err
		}
	}
	if err := srv.change(ctx, n/100); err != nil {
		return err
	}
	if err := backup("1 %"); err != nil {
		return err
	}
	t, err := floor(ctx, srv.url, filepath.Join(s.dir, "floor"), what, n/100, 32)
	if err != nil {
		return err
	}
	fmt.Printf("floor for 1 %% alone (knowing what to fetch): %.1f s\n", t)
	for _, d := range []string{tree, "ws", "ws-report", "floor", "report-first", "report-1 %"} {
		if !filepath.IsAbs(d) {
			d = filepath.Join(s.dir, d)
		}
		if err := os.RemoveAll(d); err != nil {
			return err
		}
	}
	return nil
}
