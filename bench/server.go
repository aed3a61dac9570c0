package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"cooper/internal/store/mem"
)

const bucketName = "bench"

// reportBucket is where peers look for inventories.
const reportBucket = "reports"

// bed is what a server's bucket holds: so many objects of so many bytes, so
// many to a directory.
type bed struct{ objects, size, perDir int }

func (b bed) key(i int) string {
	d := b.perDir
	return fmt.Sprintf("zarr/%04x/%d/%d/%d", i/(125*d), i/(25*d)%5, i/d%25, i%d)
}

// serveObjects is the server's process: a bucket of objects in memory, and three
// addresses of its own: /change/N overwrites N of them, /requests tells how many
// requests came since it was last asked, /held how many versions buckets have.
//
// It waits a while before it answers others: as a store does that is not on this machine.
func serveObjects(ctx context.Context, what bed, delay time.Duration) error {
	n := what.objects
	s := mem.New(mem.Options{Clock: time.Now})
	s.CreateBucket(bucketName, "Enabled")
	s.CreateBucket(reportBucket, "")
	s.CreateBucket(archiveBucket, "Enabled")
	// A thousand contents are enough: only their number matters.
	bodies := make([][]byte, min(n, 1000))
	for i := range bodies {
		bodies[i] = make([]byte, what.size)
		if _, err := rand.Read(bodies[i]); err != nil {
			return err
		}
	}
	put := func(i, salt int) { s.Put(bucketName, what.key(i), bodies[(i+salt)%len(bodies)], mem.PutOptions{}) }
	for i := range n {
		put(i, 0)
	}
	mux := http.NewServeMux()
	mux.Handle("/", s)
	mux.HandleFunc("/change/{n}", func(w http.ResponseWriter, r *http.Request) {
		c, err := strconv.Atoi(r.PathValue("n"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		for i := range c {
			put(i*(n/c), 1)
		}
	})
	mux.HandleFunc("/held", func(w http.ResponseWriter, _ *http.Request) {
		of := func(bucket string) (n int) {
			for _, v := range s.Versions(bucket) {
				if !strings.HasPrefix(v.Key, ".cooper/") {
					n++
				}
			}
			return n
		}
		if err := json.NewEncoder(w).Encode(held{of(bucketName), of(archiveBucket)}); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
	mux.HandleFunc("/requests", func(w http.ResponseWriter, _ *http.Request) {
		total := int64(0)
		for _, c := range s.Counts() {
			total += c
		}
		s.ResetCounts()
		fmt.Fprint(w, total)
	})
	return serve(ctx, handler(mux, s, delay))
}

// handler keeps the mux, which cleans paths, away from everything else.
func handler(mux *http.ServeMux, s *mem.Server, delay time.Duration) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/change/") || r.URL.Path == "/requests" || r.URL.Path == "/held" {
			mux.ServeHTTP(w, r)
			return
		}
		if delay > 0 {
			time.Sleep(delay)
		}
		s.ServeHTTP(w, r)
	})
}

// server is the child process that serves.
type server struct {
	cmd *exec.Cmd
	url string
}

func (s *setup) startServer(what bed) (*server, error) {
	return launch("-serve", strconv.Itoa(what.objects), "-size", strconv.Itoa(what.size), "-per-dir", strconv.Itoa(what.perDir), "-archive-delay", s.archived.delay.String())
}

// launch starts this program as a server.
func launch(args ...string) (*server, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if url, ok := strings.CutPrefix(lines.Text(), "listening on "); ok {
			return &server{cmd, url}, nil
		}
	}
	return nil, errors.New("the server did not start")
}

// change overwrites n objects, spread over all.
func (s *server) change(ctx context.Context, n int) error {
	_, err := s.ask(ctx, "/change/"+strconv.Itoa(n))
	return err
}

// requests tells how many requests came since it was last asked.
func (s *server) requests(ctx context.Context) (int64, error) {
	answer, err := s.ask(ctx, "/requests")
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(answer, 10, 64)
}

func (s *server) ask(ctx context.Context, path string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+path, nil)
	if err != nil {
		return "", err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s: %s", path, res.Status)
	}
	b, err := io.ReadAll(res.Body)
	return string(b), err
}

func (s *server) stop() {
	// How it ends does not matter.
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
}
