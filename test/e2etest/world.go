package e2etest

import (
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"cooper/internal/store/mem"
)

// World is a server with the bucket lab, and reports of it on the disk.
type World struct {
	Server  *mem.Server
	URL     string
	Reports string
	t       *testing.T
}

// NewWorld gives a world whose bucket has this state of versioning, and is empty.
func NewWorld(t *testing.T, versioning string) *World {
	t.Helper()
	w := &World{t: t, Server: mem.New(mem.Options{Clock: NewClock()}), Reports: t.TempDir()}
	h := httptest.NewServer(w.Server)
	t.Cleanup(h.Close)
	w.URL = h.URL
	w.Server.CreateBucket("lab", versioning)
	return w
}

// NewClock gives times a second apart, so that no two writes share one.
func NewClock() func() time.Time {
	var mu sync.Mutex
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	return func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		now = now.Add(time.Second)
		return now
	}
}

// Fill puts n objects with contents that follow from seed.
func (w *World) Fill(n int, seed uint64) {
	for i := range n {
		w.Server.Put("lab", Key(i), Content(seed, i), mem.PutOptions{})
	}
}

// Change overwrites, deletes and adds about a fifth of n objects.
func (w *World) Change(n int, seed uint64) {
	for i := range n {
		switch {
		case i%11 == 0:
			w.Server.Put("lab", Key(i), Content(seed, i), mem.PutOptions{})
		case i%29 == 3:
			w.Server.Delete("lab", Key(i))
		case i%17 == 5:
			w.Server.Put("lab", Key(i)+"-more", Content(seed, i), mem.PutOptions{})
		case i%101 == 7:
			// A file becomes a directory.
			w.Server.Delete("lab", Key(i))
			w.Server.Put("lab", Key(i)+"/now/a/directory", Content(seed, i), mem.PutOptions{})
		}
	}
}

// Report has the binary write an inventory report of the bucket as it is, below a
// directory of its own, and gives that directory.
func (w *World) Report(name string) string {
	w.t.Helper()
	dir := filepath.Join(w.Reports, name)
	Must(w.t, w.URL, filepath.Join(w.t.TempDir(), "ws"), "inventory", "write", "s3://lab", dir)
	return filepath.Join(dir, "lab", "cooper")
}

// Key is that of the ith object.
func Key(i int) string { return fmt.Sprintf("zarr/%02d/%03d/%d", i%7, i/70, i) }

// Content is some bytes, which do not shrink.
func Content(seed uint64, i int) []byte {
	r := rand.New(rand.NewPCG(seed, uint64(i)))
	b := make([]byte, r.IntN(3000))
	for j := range b {
		b[j] = byte(r.Uint32())
	}
	return b
}

// Text is a content that shrinks, and is no other's.
func Text(name string, i int) []byte {
	return []byte(strings.Repeat(fmt.Sprintf("%s %d, 9.81, 0.00, 1.25\n", name, i), 30+i%50))
}
