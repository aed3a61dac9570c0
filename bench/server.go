package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
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

func keyOf(i int) string { return fmt.Sprintf("zarr/%04x/%d/%d/%d", i/5000, i/1000%5, i/40%25, i%40) }

// serveObjects is the server's process: a bucket of n objects in memory, and
// the address /change/N which overwrites N of them.
func serveObjects(ctx context.Context, n, size int) error {
	s := mem.New(mem.Options{Clock: time.Now})
	s.CreateBucket(bucketName, "Enabled")
	// A thousand contents are enough: only their number matters.
	bodies := make([][]byte, min(n, 1000))
	for i := range bodies {
		bodies[i] = make([]byte, size)
		if _, err := rand.Read(bodies[i]); err != nil {
			return err
		}
	}
	put := func(i, salt int) { s.Put(bucketName, keyOf(i), bodies[(i+salt)%len(bodies)], mem.PutOptions{}) }
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
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	srv := &http.Server{Handler: handler(mux, s), ReadHeaderTimeout: time.Minute}
	go func() {
		<-ctx.Done()
		_ = srv.Close() // the process ends
	}()
	fmt.Printf("listening on http://%s\n", l.Addr())
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// handler keeps the mux, which cleans paths, away from everything but /change.
func handler(mux *http.ServeMux, s *mem.Server) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/change/") {
			mux.ServeHTTP(w, r)
			return
		}
		s.ServeHTTP(w, r)
	})
}

// server is the child process that serves.
type server struct {
	cmd *exec.Cmd
	url string
}

func (s *setup) startServer(n, size int) (*server, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, "-serve", strconv.Itoa(n), "-size", strconv.Itoa(size))
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

func (s *server) change(ctx context.Context, n int) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+"/change/"+strconv.Itoa(n), nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("change: %s", res.Status)
	}
	return nil
}

func (s *server) stop() {
	// How it ends does not matter.
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
}
