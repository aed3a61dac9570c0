package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// contest is one part: programs that do the same jobs, one after the other, on
// one server and one disk.
type contest struct {
	*setup
	part    string
	bed     bed
	limit   time.Duration
	server  *server
	ours    *program
	others  []*program
	trees   map[*program]*grown
	reports int // written
	table   *table
}

// grown is a program's tree in the course of a part.
type grown struct {
	dir, work string
	runs      int
	stopped   bool // its last run took too long
	slow      bool // it takes too long to be repeated
}

func (c *contest) programs() []*program { return append([]*program{c.ours}, c.others...) }

// inTurn begins with another program in each round: what one leaves to disk and
// caches shall not always meet the same one.
func (c *contest) inTurn(round int) []*program {
	all := c.programs()
	at := round % len(all)
	return slices.Concat(all[at:], all[:at])
}

// report has the store write an inventory, as it would every day, and tells where.
func (c *contest) report(ctx context.Context) (string, error) {
	c.reports++
	base := fmt.Sprintf("s3://%s/%d/", reportBucket, c.reports)
	if _, err := c.cooperRun(ctx, c.server.url, "ws-report", "inventory", "write", "s3://"+bucketName, base); err != nil {
		return "", err
	}
	return base + bucketName + "/cooper/", nil
}

// patience is how long a run may take to be repeated in further rounds.
const patience = time.Minute

// run measures one run of a program, after which its tree has every object,
// and so many older versions. What takes too long is stopped and not asked again.
func (c *contest) run(ctx context.Context, p *program, run string, round int, report string, replaced int) error {
	t := c.trees[p]
	if t.stopped {
		fmt.Printf("%-15s round %d  %-10s not run: the run before was stopped\n", run, round+1, p.name)
		return nil
	}
	if t.slow && round > 0 {
		fmt.Printf("%-15s round %d  %-10s not repeated: it takes more than %v\n", run, round+1, p.name, patience)
		return nil
	}
	settle()
	if run == cold {
		if err := dropCaches(); err != nil {
			return err
		}
	}
	if _, err := c.server.requests(ctx); err != nil {
		return err
	}
	within := ctx
	if p != c.ours {
		var cancel context.CancelFunc
		within, cancel = context.WithTimeout(ctx, c.limit)
		defer cancel()
	}
	j := job{url: c.server.url, report: report, tree: t.dir, work: t.work, day: t.runs}
	cmd := exec.CommandContext(within, p.path, p.args(j)...)
	cmd.Env = append(c.environment(c.server.url), p.env(j)...)
	u, err := measured(cmd)
	t.runs++
	t.slow = u.wall > patience.Seconds()
	t.stopped = errors.Is(within.Err(), context.DeadlineExceeded) && err != nil
	if err != nil && !t.stopped {
		return err
	}
	f := figure{Part: c.part, Run: run, Objects: c.bed.objects, PerDir: c.bed.perDir, Program: p.name, Round: round + 1, Seconds: u.wall, CPU: u.cpu, Peak: u.rss, Stopped: t.stopped}
	if f.Requests, err = c.server.requests(ctx); err != nil {
		return err
	}
	n, err := p.files(t.dir)
	if err != nil {
		return err
	}
	f.Files = n[latest]
	if !t.stopped && (n[latest] != c.bed.objects || n[older] != replaced) {
		return fmt.Errorf("%s left %d latest and %d older versions, not %d and %d", p.name, n[latest], n[older], c.bed.objects, replaced)
	}
	return c.table.add(f)
}

// dropCaches empties the system's caches of files and directories.
func dropCaches() error {
	return os.WriteFile("/proc/sys/vm/drop_caches", []byte("3"), 0)
}

// forget removes what a program has made.
func (c *contest) forget(p *program) error {
	t := c.trees[p]
	t.runs, t.stopped = 0, false
	return errors.Join(os.RemoveAll(t.dir), os.RemoveAll(t.work))
}

// bestFloor finds how many requests at once make the floor fastest.
func (c *contest) bestFloor(ctx context.Context) (int, error) {
	best, at := 0.0, 0
	for _, n := range []int{8, 32, 128} {
		t, err := c.fetchAll(ctx, c.bed.objects, n)
		if err != nil {
			return 0, err
		}
		fmt.Printf("floor, %3d at once: %.1f s\n", n, t)
		if best == 0 || t < best {
			best, at = t, n
		}
	}
	return at, nil
}

// floor measures the bare loop of GETs, fetching the first n objects.
func (c *contest) floor(ctx context.Context, run string, n, concurrency, round int) error {
	t, err := c.fetchAll(ctx, n, concurrency)
	if err != nil {
		return err
	}
	return c.table.add(figure{
		Part: c.part, Run: run, Objects: c.bed.objects, PerDir: c.bed.perDir, Program: floorName, Round: round + 1, Seconds: t, Requests: int64(n), Files: n,
	})
}

func (c *contest) fetchAll(ctx context.Context, n, concurrency int) (float64, error) {
	dir := filepath.Join(c.dir, "floor")
	settle()
	t, err := floor(ctx, c.server.url, dir, c.bed, n, concurrency)
	return t, errors.Join(err, os.RemoveAll(dir))
}

// versionLine is what a program says of itself, the first line.
func (p *program) versionLine(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, p.path, p.version...).Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w", p.path, err)
	}
	line, _, _ := strings.Cut(string(out), "\n")
	return line, nil
}
