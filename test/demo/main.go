// Command demo tells the story of a backup with the built binary: it starts an
// embedded S3 server, fills a bucket, takes stock of it, backs it up, changes it,
// kills the second backup half-way, takes it up again, verifies, brings a lost
// file back, reports what has changed, compresses another bucket in place, finds
// the files of a platform that nothing links to, archives them, and brings one back.
// Everything happens for real, on this machine, below one directory that
// is left for looking at.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

func main() {
	cooper := flag.String("cooper", "build/cooper", "the binary")
	server := flag.String("server", "build/s3server", "the S3 server")
	dir := flag.String("dir", "build/demo", "where everything goes; emptied first")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, *cooper, *server, *dir)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, cooper, server, dir string) (err error) {
	s, err := newStage(ctx, cooper, server, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	for _, chapter := range []func(context.Context) error{s.fill, s.stock, s.firstBackup, s.change, s.killed, s.verified, s.restored, s.compared, s.compressed, s.garbage, s.guarded, s.archived, s.brought, s.asked} {
		if err := chapter(ctx); err != nil {
			return err
		}
	}
	s.tell("The end", "The tree is left in %s: look around.\n"+
		"    mirror/   the bucket as it is          history/  what was replaced or deleted\n"+
		"The report is a page of its own: open %s in a browser.\n"+
		"It took %.0f seconds in all.", s.tree, s.page(), time.Since(s.began).Seconds())
	return nil
}

// stage is where the story plays.
type stage struct {
	bin, dir, tree string
	began          time.Time
	chapter        int
	serverCmd      *exec.Cmd
	bucket         *bucket
	reports        *bucket
	phones         *bucket
	app, cold      *bucket
	lost           string // the key that is deleted and brought back
	goroot         string // where the source of Go is
}

func newStage(ctx context.Context, cooper, server, dir string) (*stage, error) {
	bin, err := filepath.Abs(cooper)
	if err != nil {
		return nil, err
	}
	dir, err = filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	// Only ever empty a directory that an earlier demo made.
	marker := filepath.Join(dir, ".cooper-demo")
	if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
		if _, err := os.Stat(marker); err != nil {
			return nil, fmt.Errorf("%s is not empty and no earlier demo made it; choose another with -dir", dir)
		}
		if err := os.RemoveAll(dir); err != nil {
			return nil, err
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	if err := os.WriteFile(marker, nil, 0o644); err != nil {
		return nil, err
	}
	goroot, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	if err != nil {
		return nil, err
	}
	s := &stage{goroot: strings.TrimSpace(string(goroot)), bin: bin, dir: dir, tree: filepath.Join(dir, "backup"), began: time.Now()}
	endpoint, err := s.startServer(server)
	if err != nil {
		return nil, err
	}
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": accessKey, "AWS_SECRET_ACCESS_KEY": secretKey, "AWS_REGION": "us-east-1",
		"AWS_ENDPOINT_URL_S3": endpoint, "COOPER_WORKSPACE": filepath.Join(dir, "workspace"),
		"AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull,
	} {
		if err := os.Setenv(name, value); err != nil {
			return nil, err
		}
	}
	client := newClient(endpoint)
	if s.bucket, err = createBucket(ctx, client, "lab"); err != nil {
		return nil, errors.Join(err, s.close())
	}
	if s.reports, err = createBucket(ctx, client, "reports"); err != nil {
		return nil, errors.Join(err, s.close())
	}
	if s.phones, err = createBucket(ctx, client, "phones"); err != nil {
		return nil, errors.Join(err, s.close())
	}
	if s.app, err = createBucket(ctx, client, "app"); err != nil {
		return nil, errors.Join(err, s.close())
	}
	if s.cold, err = createBucket(ctx, client, "cold"); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// tell begins a chapter.
func (s *stage) tell(title, format string, args ...any) {
	s.chapter++
	fmt.Printf("\n%s\n%s\n", bold(fmt.Sprintf("%d. %s", s.chapter, title)), fmt.Sprintf(format, args...))
}

// cooper runs the binary as a person would, showing the command line.
func (s *stage) cooper(ctx context.Context, args ...string) error {
	cmd := s.command(ctx, args...)
	return cmd.Run()
}

func (s *stage) command(ctx context.Context, args ...string) *exec.Cmd {
	shown := make([]string, len(args))
	for i, a := range args {
		shown[i] = strings.Replace(a, s.dir+"/", "", 1)
		if strings.ContainsAny(shown[i], " *'") {
			shown[i] = `"` + shown[i] + `"`
		}
	}
	fmt.Printf("\n  $ cooper %s\n", strings.Join(shown, " "))
	cmd := exec.CommandContext(ctx, s.bin, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = s.dir, os.Stdout, os.Stderr
	return cmd
}

func (s *stage) inventory(ctx context.Context) error {
	return s.cooper(ctx, "inventory", "write", "s3://lab", "s3://reports/inventory/")
}

const reports = "s3://reports/inventory/lab/cooper/"

func (s *stage) fill(ctx context.Context) error {
	s.tell("A bucket", "An S3 server that keeps versions, and a bucket with the source of Go and some image chunks.")
	began := time.Now()
	n, size, err := s.bucket.putTree(ctx, filepath.Join(s.goroot, "src"), "go/src")
	if err != nil {
		return err
	}
	chunks, err := s.bucket.putChunks(ctx, "zarr/0c5f/0", 3000, 1)
	if err != nil {
		return err
	}
	if err := s.bucket.abandon(ctx, "zarr/0c5f/raw.tif", 5<<20); err != nil {
		return err
	}
	fmt.Printf("Uploaded %d files (%d MB) and %d chunks in %.1f s; and one large upload was never finished.\n", n, size/1e6, chunks, time.Since(began).Seconds())
	return s.inventory(ctx)
}

func (s *stage) stock(ctx context.Context) error {
	s.tell("Taking stock", "What is in there, and what does it cost? A snapshot of the inventory tells.")
	if err := s.cooper(ctx, "snapshot", "s3://lab", "--inventory", reports); err != nil {
		return err
	}
	return s.cooper(ctx, "report")
}

func (s *stage) firstBackup(ctx context.Context) error {
	s.tell("The first backup", "A plan, and the bytes.")
	return s.cooper(ctx, "backup", "run", "s3://lab", s.tree, "--inventory", reports)
}

func (s *stage) change(ctx context.Context) error {
	s.tell("Life goes on", "Some files are overwritten, some deleted, a whole image is computed anew.")
	s.lost = "go/src/fmt/print.go"
	keys, err := s.bucket.list(ctx, "go/src/net/")
	if err != nil {
		return err
	}
	for i, key := range keys {
		switch {
		case i%3 == 0:
			err = s.bucket.put(ctx, key, []byte("// rewritten\npackage net\n"))
		case i%7 == 1:
			err = s.bucket.remove(ctx, key)
		}
		if err != nil {
			return err
		}
	}
	if err := s.bucket.remove(ctx, s.lost); err != nil {
		return err
	}
	chunks, err := s.bucket.putChunks(ctx, "zarr/0c5f/0", 3000, 2)
	if err != nil {
		return err
	}
	fmt.Printf("%d files touched, %d chunks rewritten, and somebody deleted %s.\n", len(keys), chunks, s.lost)
	return s.inventory(ctx)
}

// killed kills a run with SIGKILL once it has staged some files, and runs it
// again.
func (s *stage) killed(ctx context.Context) error {
	s.tell("The power fails", "The next run is killed with SIGKILL while it is at work; then it is simply started again.")
	cmd := s.command(ctx, "backup", "run", "s3://lab", s.tree, "--inventory", reports)
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	var staged int
watch:
	for {
		select {
		case err := <-ended:
			return errors.Join(errors.New("the run was over before it could be killed"), err)
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(2 * time.Millisecond):
			if staged = countFiles(filepath.Join(s.tree, ".cooper", "staging")); staged >= 1000 {
				break watch
			}
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		return err
	}
	if err := <-ended; err == nil {
		return errors.New("the run was over before it could be killed")
	}
	fmt.Printf("\n  %s with %d files fetched and none of them in place yet\n", bold("killed"), staged)
	return s.cooper(ctx, "backup", "run", "s3://lab", s.tree, "--inventory", reports)
}

func (s *stage) verified(ctx context.Context) error {
	s.tell("Is it all there?", "Every file is read and hashed again.")
	if err := s.cooper(ctx, "backup", "verify", s.tree, "--content"); err != nil {
		return err
	}
	return s.cooper(ctx, "backup", "status", s.tree)
}

func (s *stage) restored(ctx context.Context) error {
	s.tell("The lost file", "%s was deleted from the bucket. Here it is as it was before.", s.lost)
	to := filepath.Join(s.dir, "restored")
	_, at, err := s.firstSnapshot(ctx)
	if err != nil {
		return err
	}
	if err := s.cooper(ctx, "backup", "history", s.tree, s.lost); err != nil {
		return err
	}
	if err := s.cooper(ctx, "backup", "restore", s.tree, "--at", at, "--prefix", s.lost, "--to", to); err != nil {
		return err
	}
	return compare(filepath.Join(s.goroot, "src", strings.TrimPrefix(s.lost, "go/src/")), filepath.Join(to, s.lost))
}

// page is where the report as HTML goes.
func (s *stage) page() string { return filepath.Join(s.dir, "report.html") }

func (s *stage) compared(ctx context.Context) error {
	s.tell("What has changed", "The bucket then and now, on the terminal and as a page one can zoom.")
	first, _, err := s.firstSnapshot(ctx)
	if err != nil {
		return err
	}
	return s.cooper(ctx, "report", "latest", "--compare", first, "--html", s.page())
}

func (s *stage) asked(ctx context.Context) error {
	s.tell("Facts", "What was done can be asked.")
	return s.cooper(ctx, "ledger", "sql", "SELECT verb, status, count(*) AS objects, sum(bytes) AS bytes FROM outcome GROUP BY ALL ORDER BY ALL")
}
