// Package md5lanes computes the MD5 of contents in memory, several at a time.
//
// MD5 is what a store vouches with for most objects that were ever uploaded, and
// it is slow, because each step waits for the one before: one content uses a
// sixteenth of what a machine with wide vectors can do. Goroutines that call Sum
// at about the same time share them. It promises the sums of crypto/md5, on every
// machine; no goroutine of its own; and a lone content in the time that
// crypto/md5 takes.
//
// What a sum is compared with is left to package checksum.
package md5lanes

import (
	"crypto/md5"
	"encoding/binary"
	"runtime"
	"slices"
	"sync"
)

const (
	block    = md5.BlockSize
	numLanes = 16
	stepSize = 2048 // bytes of each lane between two looks at who waits
	// least is the size from which sharing pays, in bytes.
	least = 1024
)

// path is a way to compute; higher ones need more of the machine.
type path int

const (
	portable path = iota // crypto/md5
	eight                // AVX2
	sixteen              // AVX-512
)

// lanes is what the instructions work on.
type lanes struct {
	state [4][numLanes]uint32
	text  [numLanes][stepSize]byte
}

// work is one content, or what is left of it.
type work struct {
	state [4]uint32
	text  []byte // whole blocks
	// padded is the end of the content, behind the whole blocks.
	padded []byte
	room   [2 * block]byte
	turn   chan bool // false: done; true: you lead
}

// begin makes w ready for b, as RFC 1321 has it: a one, zeros, and the length in
// bits.
func (w *work) begin(b []byte) {
	w.state = [4]uint32{0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476}
	whole := len(b) &^ (block - 1)
	w.text = b[:whole]
	w.room = [2 * block]byte{}
	n := copy(w.room[:], b[whole:])
	w.room[n] = 0x80
	w.padded = w.room[:block]
	if n+1+8 > block {
		w.padded = w.room[:]
	}
	binary.LittleEndian.PutUint64(w.padded[len(w.padded)-8:], uint64(len(b))*8)
}

// advance forgets n bytes that were taken, and tells whether there are more.
func (w *work) advance(n int) bool {
	if w.text = w.text[n:]; len(w.text) == 0 {
		w.text, w.padded = w.padded, nil
	}
	return len(w.text) > 0
}

func (w *work) sum() (sum [md5.Size]byte) {
	for i, v := range w.state {
		binary.LittleEndian.PutUint32(sum[4*i:], v)
	}
	return sum
}

// summer computes sums side by side.
type summer struct {
	path    path
	mu      sync.Mutex
	waiting []*work
	leaders int // of calls that compute, for themselves and for others
	lanes   sync.Pool
	works   sync.Pool
}

var shared = newSummer(available())

func newSummer(p path) *summer {
	return &summer{
		path:  p,
		lanes: sync.Pool{New: func() any { return new(lanes) }},
		works: sync.Pool{New: func() any { return &work{turn: make(chan bool, 1)} }},
	}
}

// Sum gives the MD5 of b.
func Sum(b []byte) [md5.Size]byte { return shared.sum(b) }

func (s *summer) sum(b []byte) [md5.Size]byte {
	if s.path == portable || len(b) < least {
		return md5.Sum(b)
	}
	w := s.works.Get().(*work)
	defer s.works.Put(w)
	w.begin(b)
	s.mu.Lock()
	if s.leaders > 0 && len(s.waiting) < numLanes*s.leaders {
		s.waiting = append(s.waiting, w)
		s.mu.Unlock()
		if lead := <-w.turn; !lead {
			return w.sum()
		}
		s.lead(w)
		return w.sum()
	}
	s.leaders++
	s.mu.Unlock()
	// Whoever is about to compute one as well may come first, and share: without this, two goroutines wake each
	// other and the rest never arrive.
	runtime.Gosched()
	if s.alone() {
		w.text = nil // b is the caller's
		return md5.Sum(b)
	}
	s.lead(w)
	return w.sum()
}

// alone gives up leading if nobody waits: one content by itself is done faster
// without lanes.
func (s *summer) alone() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.waiting) > 0 {
		return false
	}
	s.leaders--
	return true
}

// lead computes own, and whatever waits beside it, until own is done. Then it
// passes the lead on: somebody leads as long as anybody waits.
func (s *summer) lead(own *work) {
	l := s.lanes.Get().(*lanes)
	in := append(make([]*work, 0, numLanes), own)
	for len(in) > 0 && in[0] == own {
		in = s.step(l, s.join(in), own)
	}
	s.lanes.Put(l)

	s.mu.Lock()
	defer s.mu.Unlock()
	// What is unfinished goes on first.
	s.waiting = slices.Insert(s.waiting, 0, in...)
	if len(s.waiting) == 0 {
		s.leaders--
		return
	}
	next := s.waiting[0]
	s.waiting = slices.Delete(s.waiting, 0, 1)
	next.turn <- true
}

// join takes those who wait into the free lanes.
func (s *summer) join(in []*work) []*work {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := min(len(s.waiting), numLanes-len(in))
	in = append(in, s.waiting[:n]...)
	s.waiting = slices.Delete(s.waiting, 0, n)
	return in
}

// step takes the same number of bytes of each, and gives those that have more,
// in their order; the others, but own, are told that they are done.
func (s *summer) step(l *lanes, in []*work, own *work) []*work {
	n := stepSize
	for _, w := range in {
		n = min(n, len(w.text))
	}
	for i, w := range in {
		copy(l.text[i][:n], w.text)
		for j, v := range w.state {
			l.state[j][i] = v
		}
	}
	l.blocks(len(in), n, s.path)
	more := in[:0]
	for i, w := range in {
		for j := range w.state {
			w.state[j] = l.state[j][i]
		}
		switch {
		case w.advance(n):
			more = append(more, w)
		case w != own:
			w.turn <- false
		}
	}
	return more
}
