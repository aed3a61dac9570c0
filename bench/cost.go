package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"cooper"
	"cooper/internal/inventory"
	"cooper/internal/inventory/invtest"
)

// cost compares the CPU time that two builds take, in turns: the binary and the one it
// is measured against, for an unchanged day, a first backup and a compression.
func (s *setup) cost(ctx context.Context) error {
	if s.against == "" {
		return errors.New("-against names the binary to measure against")
	}
	for _, f := range []func(context.Context) error{s.costOfADay, s.costOfAFirst, s.costOfACompression} {
		if err := f(ctx); err != nil {
			return err
		}
	}
	return nil
}

// builds are the two, each of which has files of its own: neither need read what
// the other writes.
func (s *setup) builds() []build {
	with := func(name, binary string) build {
		own := *s
		own.cooper = binary
		return build{&own, name}
	}
	return []build{with("against", s.against), with("cooper", s.cooper)}
}

type build struct {
	*setup
	name string
}

func (b *build) path(name string) string { return filepath.Join(b.dir, b.name+"-"+name) }

// turns measures both, the other one first each time, and tells by how much the CPU times
// differ.
func (s *setup) turns(what string, run func(*build) (usage, error)) error {
	builds := s.builds()
	times := map[string][]float64{}
	for round := range s.rounds {
		for i := range builds {
			b := &builds[(i+round)%len(builds)]
			settle()
			u, err := run(b)
			if err != nil {
				return fmt.Errorf("%s: %w", b.name, err)
			}
			fmt.Printf("%s, round %d, %-7s %v\n", what, round+1, b.name, u)
			times[b.name] = append(times[b.name], u.cpu)
		}
	}
	was, is := median(times["against"]), median(times["cooper"])
	fmt.Printf("%s: %.2f s CPU against %.2f s, the medians: %+.1f %%\n", what, is, was, 100*(is/was-1))
	return nil
}

// costOfADay is the unchanged day. So that each build has a tree of its own format, it
// makes it by itself, from an inventory of nothing but delete markers, of which there is nothing to
// fetch: their rows are as long as others'.
func (s *setup) costOfADay(ctx context.Context) error {
	n := s.versions
	src := markers{invtest.Synthetic(n, 1, invtest.Options{Parts: 8, Shuffle: 3})}
	again := markers{invtest.Synthetic(n, 1, invtest.Options{Parts: 8, Shuffle: 7})}
	bucket := src.Meta().Bucket
	reports := [2]string{filepath.Join(s.dir, "report-1"), filepath.Join(s.dir, "report-2")}
	defer removeAll(reports[:]...)
	for i, what := range []inventory.Source{src, again} {
		if err := writeReport(ctx, what, reports[i], src.Meta().TakenAt+cooper.Instant(i)*day); err != nil {
			return err
		}
	}
	run := func(b *build, report string, more ...string) (usage, error) {
		u, err := b.cooperRun(ctx, "http://127.0.0.1:9", b.name+"-ws", append([]string{"backup", "run", "s3://" + bucket, b.path("tree"),
			"--inventory", filepath.Join(report, bucket, "bench"), "--json"}, more...)...)
		return u, errors.Join(err, os.RemoveAll(b.path("ws")))
	}
	for _, b := range s.builds() {
		defer removeAll(b.path("tree"))
		u, err := run(&b, reports[0])
		if err != nil {
			return err
		}
		fmt.Printf("%d versions, their tree made by %s: %v\n", n, b.name, u)
	}
	return s.turns(fmt.Sprintf("unchanged day of %d versions", n), func(b *build) (usage, error) {
		u, err := run(b, reports[1], "--plan-only")
		if err == nil && !strings.Contains(u.out, `"totals":{}`) {
			err = fmt.Errorf("the plan is not empty: %.2000s", u.out)
		}
		return u, err
	})
}

// markers makes delete markers of all versions of a source.
type markers struct{ inventory.Source }

func (m markers) Parts() []inventory.Part {
	parts := m.Source.Parts()
	for i := range parts {
		parts[i] = markersPart{parts[i]}
	}
	return parts
}

type markersPart struct{ inventory.Part }

func (p markersPart) Read(ctx context.Context, to inventory.Sink) error {
	return p.Part.Read(ctx, markersSink{to})
}

type markersSink struct{ inventory.Sink }

func (s markersSink) Version(v *cooper.Version) error {
	marker := *v
	marker.DeleteMarker = true
	return s.Sink.Version(&marker)
}

// costOfAFirst is the first backup of objects of 4 KiB.
func (s *setup) costOfAFirst(ctx context.Context) error {
	srv, err := s.startServer(bed{objects: s.compress.objects, size: 4096, perDir: 40})
	if err != nil {
		return err
	}
	defer srv.stop()
	return s.turns(fmt.Sprintf("first backup of %d objects", s.compress.objects), func(b *build) (usage, error) {
		defer removeAll(b.path("tree"), b.path("ws"))
		return b.cooperRun(ctx, srv.url, b.name+"-ws", "backup", "run", "s3://"+bucketName, b.path("tree"), "--list")
	})
}

// costOfACompression is that of a bucket of the compress part.
func (s *setup) costOfACompression(ctx context.Context) error {
	srv, err := s.startSensors(sensors{s.compress.objects, false})
	if err != nil {
		return err
	}
	defer srv.stop()
	return s.turns(fmt.Sprintf("compression of %d objects", s.compress.objects), func(b *build) (usage, error) {
		defer removeAll(b.path("ws"))
		if err := srv.refill(ctx); err != nil {
			return usage{}, err
		}
		u, err := b.cooperRun(ctx, srv.url, b.name+"-ws", "compress", "run", "s3://"+bucketName, "--list", "--yes")
		if err != nil {
			return u, err
		}
		if l, err := srv.left(ctx); err != nil || l.Plain != 0 {
			return u, errors.Join(err, fmt.Errorf("%d objects are as they were", l.Plain))
		}
		return u, nil
	})
}
