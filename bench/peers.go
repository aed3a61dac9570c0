package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// peerOptions say how other programs are measured beside Cooper.
type peerOptions struct {
	tools  string        // directory in which they are installed
	limit  time.Duration // a run of theirs is stopped after so long
	divide int           // so many times fewer objects
	json   string        // a file that gets every figure
}

// The runs of a part.
const (
	firstRun  = "first"
	unchanged = "unchanged"
	cold      = "unchanged, cold"
	changed   = "1 %"
)

// peersFirst measures first backups of 50,000 objects of 4 KiB, and the floor.
func (s *setup) peersFirst(ctx context.Context) error {
	return s.contest(ctx, "peers-first", bed{50_000, 4096, 100}, func(ctx context.Context, c *contest) error { return c.firstRuns(ctx, s.rounds) })
}

// peersFew does the same, once, with few objects in each directory.
func (s *setup) peersFew(ctx context.Context) error {
	return s.contest(ctx, "peers-few", bed{50_000, 4096, 10}, func(ctx context.Context, c *contest) error { return c.firstRuns(ctx, 1) })
}

// peers100k measures unchanged runs, and one after 1 % were overwritten.
func (s *setup) peers100k(ctx context.Context) error {
	return s.contest(ctx, "peers-100k", bed{100_000, 4096, 100}, func(ctx context.Context, c *contest) error { return c.days(ctx, s.rounds) })
}

// peersWide does the same, once, with many objects in each directory.
func (s *setup) peersWide(ctx context.Context) error {
	return s.contest(ctx, "peers-wide", bed{100_000, 4096, 1000}, func(ctx context.Context, c *contest) error { return c.days(ctx, 1) })
}

// peersMillion does the same at 10^6, once.
func (s *setup) peersMillion(ctx context.Context) error {
	return s.contest(ctx, "peers-million", bed{1_000_000, 256, 100}, func(ctx context.Context, c *contest) error { return c.days(ctx, 1) })
}

// peersDir has all objects in one directory, and the first run too. What takes
// more than a minute here would take hours.
func (s *setup) peersDir(ctx context.Context) error {
	return s.contest(ctx, "peers-dir", bed{100_000, 4096, 100_000}, func(ctx context.Context, c *contest) error {
		c.limit = min(c.limit, time.Minute)
		report, err := c.report(ctx)
		if err != nil {
			return err
		}
		for _, p := range c.others {
			if err := c.run(ctx, p, firstRun, 0, report, 0); err != nil {
				return err
			}
		}
		return c.days(ctx, 1)
	})
}

// firstRuns measures first backups in some rounds.
func (c *contest) firstRuns(ctx context.Context, rounds int) error {
	best, err := c.bestFloor(ctx)
	if err != nil {
		return err
	}
	report, err := c.report(ctx)
	if err != nil {
		return err
	}
	for round := range rounds {
		if err := c.floor(ctx, firstRun, c.bed.objects, best, round); err != nil {
			return err
		}
		for _, p := range c.inTurn(round) {
			if err := c.run(ctx, p, firstRun, round, report, 0); err != nil {
				return err
			}
			if err := c.forget(p); err != nil {
				return err
			}
		}
	}
	return nil
}

// days makes Cooper's first backup, has the others begin with the same, and
// measures how all look at an unchanged bucket in some rounds, at last with nothing
// of the tree in memory, and follow a change of 1 %.
func (c *contest) days(ctx context.Context, rounds int) error {
	report, err := c.report(ctx)
	if err != nil {
		return err
	}
	if err := c.run(ctx, c.ours, firstRun, 0, report, 0); err != nil {
		return err
	}
	if err := c.complete(ctx); err != nil {
		return err
	}
	for round := range rounds {
		if report, err = c.report(ctx); err != nil {
			return err
		}
		for _, p := range c.inTurn(round) {
			if err := c.run(ctx, p, unchanged, round, report, 0); err != nil {
				return err
			}
		}
	}
	if err := c.coldRuns(ctx); err != nil {
		return err
	}
	some := c.bed.objects / 100
	if err := c.server.change(ctx, some); err != nil {
		return err
	}
	if report, err = c.report(ctx); err != nil {
		return err
	}
	for _, p := range c.programs() {
		if err := c.run(ctx, p, changed, 0, report, some); err != nil {
			return err
		}
	}
	return c.floor(ctx, changed, some, 32, 0)
}

// coldRuns measures an unchanged run as it is on a machine that has done other
// work since the last one.
func (c *contest) coldRuns(ctx context.Context) error {
	if err := dropCaches(); errors.Is(err, os.ErrPermission) {
		fmt.Println("not measured with cold caches: only root can empty them")
		return nil
	} else if err != nil {
		return err
	}
	report, err := c.report(ctx)
	if err != nil {
		return err
	}
	for _, p := range c.programs() {
		if err := c.run(ctx, p, cold, 0, report, 0); err != nil {
			return err
		}
	}
	return nil
}

// complete makes the trees by hand that a program has not made, or not finished
// within its time.
func (c *contest) complete(ctx context.Context) error {
	from, err := newest(c.trees[c.ours].dir, c.trees[c.ours].work)
	if err != nil {
		return err
	}
	for _, p := range c.others {
		if t := c.trees[p]; t.runs > 0 && !t.stopped {
			continue
		}
		if err := c.forget(p); err != nil {
			return err
		}
		if err := p.byHand(ctx, from, c.trees[p].dir); err != nil {
			return err
		}
	}
	return nil
}

// contest runs a part: its server, its programs, its table.
func (s *setup) contest(ctx context.Context, part string, what bed, measure func(context.Context, *contest) error) (err error) {
	if d := s.peers.divide; d > 1 {
		if what.perDir == what.objects {
			what.perDir /= d
		}
		what.objects /= d
	}
	c := &contest{setup: s, part: part, bed: what, limit: s.peers.limit, ours: cooperProgram(s.cooper), trees: map[*program]*grown{}}
	var missing []string
	if c.others, missing = s.peers.installed(); len(missing) > 0 {
		fmt.Printf("without %s: scripts/peers installs it\n", strings.Join(missing, " and "))
	}
	for _, p := range c.programs() {
		c.trees[p] = &grown{dir: filepath.Join(s.dir, "tree-"+p.name), work: filepath.Join(s.dir, "work-"+p.name)}
		v, err := p.versionLine(ctx)
		if err != nil {
			return err
		}
		fmt.Println(v)
	}
	fmt.Printf("%d objects of %d bytes, %d to a directory\n\n", what.objects, what.size, what.perDir)
	if c.table, err = newTable(s.peers.json); err != nil {
		return err
	}
	defer finally(&err, c.table.close)
	if c.server, err = s.startServer(what); err != nil {
		return err
	}
	defer c.server.stop()
	err = measure(ctx, c)
	// What was measured is told also if the rest failed.
	fmt.Println()
	c.table.print(os.Stdout)
	for _, p := range c.programs() {
		err = errors.Join(err, c.forget(p))
	}
	return errors.Join(err, os.RemoveAll(filepath.Join(s.dir, "ws-report")))
}
