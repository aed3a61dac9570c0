package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// guardOptions are what the part gc-guard is told.
type guardOptions struct {
	handles int64
	clients int
	time    time.Duration
}

// guardPart measures how many ids a guard resolves in a second and how long that takes, of handles at
// random of which one in a thousand is an alarm: alone, and while a scan reads the same database.
func (s *setup) guardPart(ctx context.Context) error {
	const objects = 1000
	return s.on(ctx, postgreSQL, func(o *owner) (err error) {
		at, err := s.startServer(bed{objects: objects, size: 100, perDir: 40})
		if err != nil {
			return err
		}
		defer at.stop()
		var sql strings.Builder
		fmt.Fprintf(&sql, "CREATE TABLE objects (n BIGINT PRIMARY KEY, k VARCHAR(99));\n")
		for i := range objects {
			fmt.Fprintf(&sql, "INSERT INTO objects VALUES (%d, '%s');\n", i, bed{objects, 100, 40}.key(i))
		}
		fmt.Fprintf(&sql, "CREATE TABLE files (id BIGINT PRIMARY KEY, k VARCHAR(99), status VARCHAR(20)); INSERT INTO files SELECT i, k, CASE WHEN MOD(i, 1000) = 7 THEN 'UNLINKED' ELSE 'AVAILABLE' END FROM (%s) AS s JOIN objects ON n = MOD(i, %d);\n"+
			"CREATE TABLE links (a BIGINT, b BIGINT, PRIMARY KEY (a, b)); INSERT INTO links SELECT FLOOR(i / 10), i FROM (%s) AS s;\n%s;\n", o.series(s.guard.handles), objects, o.series(s.guard.handles), o.settle)
		if err := o.sql(ctx, strings.NewReader(sql.String())); err != nil {
			return err
		}
		ws, declared := filepath.Join(s.dir, "ws-guard"), filepath.Join(s.dir, "guard.yaml")
		defer removeAll(ws, declared)
		yaml := fmt.Sprintf("version: 1\ndatabase: %s:env:BENCH_DSN\nbuckets: [%s]\nhandles: {table: files, id: id, bucket: =%s, key: k, status: {column: status}}\nassociations: {links: {table: links, object: a, handle: b}}\n", o.engine, bucketName, bucketName)
		if err := os.WriteFile(declared, []byte(yaml), 0o600); err != nil {
			return err
		}
		command := func(args ...string) *exec.Cmd {
			cmd := exec.CommandContext(ctx, s.cooper, append(args, "--config", declared)...) //nolint:gosec // the binary that is measured
			cmd.Env = append(s.environment(at.url), "COOPER_WORKSPACE="+ws, "BENCH_DSN="+o.url, "AWS_ACCESS_KEY_ID=access", "AWS_SECRET_ACCESS_KEY=secret")
			return cmd
		}
		guard := command("gc", "guard", "--listen", "127.0.0.1:0", "--rate", "1000000")
		url, stop, err := startGuard(guard)
		if err != nil {
			return err
		}
		answered := 0
		defer finally(&err, func() error {
			err := stop()
			spent := guard.ProcessState.UserTime() + guard.ProcessState.SystemTime()
			fmt.Printf("the guard's own processor time: %v for a resolve\n", (spent / time.Duration(max(1, answered))).Round(time.Microsecond))
			return err
		})
		first, err := s.resolveAll(ctx, url) // what is asked for the first time
		if err != nil {
			return err
		}
		alone, err := s.resolveAll(ctx, url)
		if err != nil {
			return err
		}
		fmt.Println("alone:", alone)
		scans, stopScans := context.WithCancel(ctx)
		scanned := make(chan int)
		go func() {
			n := 0
			for scans.Err() == nil {
				cmd := exec.CommandContext(scans, s.cooper, "gc", "scan", "--quiet", "--config", declared) //nolint:gosec // as above
				cmd.Env = command("gc").Env
				if out, err := cmd.CombinedOutput(); err == nil {
					n++
				} else if scans.Err() == nil {
					fmt.Printf("the scan: %v: %.300s\n", err, out)
					break
				}
			}
			scanned <- n
		}()
		beside, err := s.resolveAll(ctx, url)
		stopScans()
		answered = len(first.took) + len(alone.took) + len(beside.took)
		fmt.Printf("beside scans (%d ended): %v\n", <-scanned, beside)
		return err
	})
}

// startGuard starts a guard, and gives where it listens and how it is stopped.
func startGuard(cmd *exec.Cmd) (url string, stop func() error, err error) {
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	r := bufio.NewReader(out)
	line, err := r.ReadBytes('\n')
	var first struct{ Listening string }
	if err == nil {
		err = json.Unmarshal(line, &first)
	}
	logged := make(chan struct{})
	go func() {
		defer close(logged)
		_, _ = io.Copy(io.Discard, r) // its log
	}()
	return first.Listening, func() error {
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			return err
		}
		<-logged
		return cmd.Wait()
	}, err
}

// resolved is how it went.
type resolved struct {
	took   []time.Duration
	failed int
	over   time.Duration
}

func (r resolved) String() string {
	slices.Sort(r.took)
	if len(r.took) == 0 {
		return fmt.Sprintf("nothing was answered, %d failed", r.failed)
	}
	at := func(share float64) time.Duration {
		return r.took[int(share*float64(len(r.took)-1))].Round(10 * time.Microsecond)
	}
	return fmt.Sprintf("%.0f resolves/s; p50 %v, p99 %v, p99.9 %v, longest %v; %d failed", float64(len(r.took))/r.over.Seconds(), at(0.5), at(0.99), at(0.999), at(1), r.failed)
}

// resolveAll has many clients ask for handles at random for a while.
func (s *setup) resolveAll(ctx context.Context, url string) (all resolved, err error) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: s.guard.clients}}
	defer client.CloseIdleConnections()
	began := time.Now()
	var mu sync.Mutex
	var group sync.WaitGroup
	for c := range s.guard.clients {
		group.Go(func() {
			r := rand.New(rand.NewPCG(uint64(c), uint64(began.UnixNano()))) //nolint:gosec // any numbers will do
			var took []time.Duration
			failed := 0
			for time.Since(began) < s.guard.time && ctx.Err() == nil {
				t := time.Now()
				res, err := client.Get(fmt.Sprintf("%s/v1/resolve/%d", url, r.Int64N(s.guard.handles)))
				if err == nil {
					_, err = io.Copy(io.Discard, res.Body)
					_ = res.Body.Close()
				}
				if err != nil || res.StatusCode != http.StatusOK {
					failed++
					continue
				}
				took = append(took, time.Since(t))
			}
			mu.Lock()
			defer mu.Unlock()
			all.took, all.failed = append(all.took, took...), all.failed+failed
		})
	}
	group.Wait()
	all.over = time.Since(began)
	return all, ctx.Err()
}
