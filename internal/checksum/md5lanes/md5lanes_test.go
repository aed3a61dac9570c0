package md5lanes

import (
	"crypto/md5"
	"fmt"
	"math/rand/v2"
	"sync"
	"syscall"
	"testing"
	"time"
)

func noise(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// Every path gives what crypto/md5 does, whatever is computed beside, at every
// length around those where padding and steps change.
func TestSum(t *testing.T) {
	var lengths []int
	for _, around := range []int{least, least + block, stepSize, 2 * stepSize, 3*stepSize + 40} {
		for d := -10; d <= 66; d++ {
			lengths = append(lengths, around+d)
		}
	}
	lengths = append(lengths, 0, 1, 55, 56, 64, 100_000, 262_144)
	for p := portable; p <= available(); p++ {
		for _, together := range []int{1, 2, 3, 9, 16, 17, 50} {
			s := newSummer(p)
			next := make(chan int)
			var group sync.WaitGroup
			for g := range together {
				group.Go(func() {
					r := rand.New(rand.NewPCG(uint64(g), uint64(together)))
					for n := range next {
						b := noise(r, n)
						if got := s.sum(b); got != md5.Sum(b) {
							t.Errorf("path %d, %d together: %d bytes give %x, not %x", p, together, n, got, md5.Sum(b))
						}
					}
				})
			}
			for _, n := range lengths {
				next <- n
			}
			close(next)
			group.Wait()
			if s.leaders != 0 || len(s.waiting) != 0 {
				t.Errorf("%d leaders and %d waiting are left", s.leaders, len(s.waiting))
			}
		}
	}
}

// Lanes do not mix, however full they are.
func TestLanes(t *testing.T) {
	for p := eight; p <= available(); p++ {
		for count := 1; count <= numLanes; count++ {
			r := rand.New(rand.NewPCG(1, uint64(count)))
			s := newSummer(p)
			var l lanes
			for i := range l.text {
				copy(l.text[i][:], noise(r, stepSize)) // of another time
			}
			var all, in []*work
			var want [][md5.Size]byte
			for i := range count {
				b := noise(r, 1500+i*700)
				w := &work{turn: make(chan bool, 1)}
				w.begin(b)
				all, want = append(all, w), append(want, md5.Sum(b))
			}
			for in = append(in, all...); len(in) > 0; {
				in = s.step(&l, in, nil)
			}
			for i, w := range all {
				if w.sum() != want[i] {
					t.Errorf("path %d, lane %d of %d", p, i, count)
				}
				select {
				case lead := <-w.turn:
					if lead {
						t.Error("a work that is done was told to lead")
					}
				default:
					t.Error("a work that is done was not told")
				}
			}
		}
	}
}

func BenchmarkSum(b *testing.B) {
	var docs [][]byte
	r := rand.New(rand.NewPCG(1, 2))
	total := 0
	for range 256 {
		docs = append(docs, noise(r, 2000+r.IntN(90_000)))
		total += len(docs[len(docs)-1])
	}
	for _, together := range []int{1, 2, 8, 64} {
		for p := portable; p <= available(); p++ {
			b.Run(fmt.Sprintf("path %d/%d at once", p, together), func(b *testing.B) {
				s := newSummer(p)
				b.SetBytes(int64(total) / int64(len(docs)))
				var group sync.WaitGroup
				before := cpu()
				for g := range together {
					group.Go(func() {
						for i := g; i < b.N; i += together {
							s.sum(docs[i%len(docs)])
						}
					})
				}
				group.Wait()
				// By CPU time, which other work on the machine disturbs less.
				b.ReportMetric(float64(b.N)*float64(total/len(docs))/1e6/(cpu()-before).Seconds(), "MB/CPU-s")
			})
		}
	}
}

func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
