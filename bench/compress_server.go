package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"cooper/internal/codec/cfb8"
	"cooper/internal/store/mem"
)

// left is what a bucket holds after a run.
type left struct {
	Plain      int   // objects named as at the beginning
	Compressed int   // objects named .zst
	Bytes      int64 // of these
	Requests   int64 // since the bucket was filled
}

// serveSensors is the server's process: a bucket without versioning, in memory,
// and addresses of its own: /fill puts the bucket back to how it began, /left
// tells what it holds.
func serveSensors(ctx context.Context, what sensors) error {
	bodies, err := what.bodies()
	if err != nil {
		return err
	}
	var current atomic.Pointer[mem.Server]
	fill := func() {
		current.Store(nil) // what was there goes before there is more
		runtime.GC()
		current.Store(fillSensors(what, bodies))
	}
	fill()
	return serve(ctx, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/fill":
			fill()
		case "/left":
			if err := json.NewEncoder(w).Encode(leftIn(current.Load())); err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
			}
		default:
			current.Load().ServeHTTP(w, r)
		}
	}))
}

// fillSensors makes the bucket as it is in the beginning.
func fillSensors(what sensors, bodies [][]byte) *mem.Server {
	s := mem.New(mem.Options{Clock: time.Now})
	s.CreateBucket(bucketName, "")
	for i := range what.objects {
		s.Put(bucketName, what.key(i), bodies[i%distinct], mem.PutOptions{ContentType: "text/csv"})
	}
	return s
}

func leftIn(s *mem.Server) left {
	var l left
	for _, v := range s.Versions(bucketName) {
		if strings.HasSuffix(v.Key, ".zst") {
			l.Compressed++
			l.Bytes += v.Size
		} else {
			l.Plain++
		}
	}
	for _, c := range s.Counts() {
		l.Requests += c
	}
	return l
}

// bodies makes all contents, on all CPUs.
func (s sensors) bodies() ([][]byte, error) {
	bodies := make([][]byte, min(s.objects, distinct))
	var side cfb8.Encryptor
	var next atomic.Int64
	var group sync.WaitGroup
	failed := make(chan error, 1)
	for range 8 * runtime.NumCPU() {
		group.Go(func() {
			for {
				c := int(next.Add(1)) - 1
				if c >= len(bodies) {
					return
				}
				var err error
				if bodies[c], err = s.stored(c, &side); err != nil {
					select {
					case failed <- err:
					default:
					}
					return
				}
			}
		})
	}
	group.Wait()
	select {
	case err := <-failed:
		return nil, err
	default:
		return bodies, nil
	}
}

// serve answers at an address of this machine, which it prints, until the
// context ends.
func serve(ctx context.Context, h http.Handler) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	srv := &http.Server{Handler: h, ReadHeaderTimeout: time.Minute}
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

// startSensors starts the server's process.
func (s *setup) startSensors(what sensors) (*server, error) {
	kind := plainKind
	if what.encrypted {
		kind = encryptedKind
	}
	return launch("-serve", strconv.Itoa(what.objects), "-sensors", kind)
}

// refill puts the bucket back to how it began.
func (s *server) refill(ctx context.Context) error {
	_, err := s.ask(ctx, "/fill")
	return err
}

// left tells what the bucket holds.
func (s *server) left(ctx context.Context) (l left, err error) {
	answer, err := s.ask(ctx, "/left")
	if err != nil {
		return l, err
	}
	return l, json.Unmarshal([]byte(answer), &l)
}

// fetch gives the bytes of an object.
func (s *server) fetch(ctx context.Context, key string) ([]byte, error) {
	body, err := newFloorClient(s.url, 1).get(ctx, key)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	return io.ReadAll(body)
}
