package cfb8

import (
	"crypto/aes"
	"io"
	"runtime"
	"slices"
	"sync"
)

// Encryptor encrypts streams side by side: those whose Reads come together
// share the machine's AES pipeline, so that eight take hardly longer than one.
// The zero value is ready; it starts no goroutine. Share one among everything
// that encrypts.
type Encryptor struct {
	mu      sync.Mutex
	waiting []*work
	leaders int // Reads that are encrypting, for themselves and for others
	spare   sync.Pool
}

// work is what one Read wants encrypted.
type work struct {
	keys     *roundKeys
	register *[aes.BlockSize]byte
	text     []byte    // what is still to do, in place
	turn     chan bool // false: done; true: you lead
}

// EncryptReader gives the stored form of a plain stream.
type EncryptReader struct {
	e   *Encryptor
	src io.Reader
	s   *schedule
	iv  []byte // not yet given
	w   work
	reg [aes.BlockSize]byte
}

// Reader gives iv and then the ciphertext of plain. An IV must never serve
// twice with one key: take 16 random bytes. Reads of a few kilobytes or more
// are the fast ones. An error of plain comes as it is.
func (e *Encryptor) Reader(plain io.Reader, key *Key, iv [IVSize]byte) *EncryptReader {
	return e.reader(plain, key, iv, best())
}

func (e *Encryptor) reader(plain io.Reader, key *Key, iv [IVSize]byte, p path) *EncryptReader {
	r := &EncryptReader{e: e, src: plain, s: newSchedule(key, p), iv: iv[:], reg: iv}
	r.w = work{keys: &r.s.keys, register: &r.reg, turn: make(chan bool, 1)}
	return r
}

// Read gives bytes of the stored form.
func (r *EncryptReader) Read(p []byte) (int, error) {
	if len(r.iv) > 0 {
		n := copy(p, r.iv)
		r.iv = r.iv[n:]
		return n, nil
	}
	n, err := r.src.Read(p)
	switch {
	case n == 0:
	case r.s.path == portable:
		r.s.encrypt(&r.reg, p[:n])
	default:
		r.w.text = p[:n]
		r.e.encrypt(&r.w)
		r.w.text = nil
	}
	return n, err
}

// encrypt returns when w is done: by another's hands if somebody leads who has
// lanes to spare, else by leading.
func (e *Encryptor) encrypt(w *work) {
	e.mu.Lock()
	if e.leaders > 0 && len(e.waiting) < numLanes*e.leaders {
		e.waiting = append(e.waiting, w)
		e.mu.Unlock()
		if lead := <-w.turn; !lead {
			return
		}
	} else {
		e.leaders++
		e.mu.Unlock()
	}
	e.lead(w)
}

// lead encrypts own, and whatever waits beside it, until own is done. Then it
// passes the lead on: somebody leads as long as anybody waits.
func (e *Encryptor) lead(own *work) {
	l, ok := e.spare.Get().(*lanes)
	if !ok {
		l = new(lanes)
	}
	// Whoever is about to encrypt as well may come first, and share: without this, two goroutines wake each other
	// and the rest never arrive. Once only: at every step it would starve a long stream on a busy machine.
	runtime.Gosched()
	in := append(make([]*work, 0, numLanes), own)
	l.load(0, own)
	for len(own.text) > 0 {
		in = l.step(e.join(l, in), own)
	}
	e.spare.Put(l)

	e.mu.Lock()
	defer e.mu.Unlock()
	// What is unfinished goes on first.
	e.waiting = slices.Insert(e.waiting, 0, in...)
	if len(e.waiting) == 0 {
		e.leaders--
		return
	}
	next := e.waiting[0]
	e.waiting = slices.Delete(e.waiting, 0, 1)
	next.turn <- true
}

// join takes those who wait into the free lanes.
func (e *Encryptor) join(l *lanes, in []*work) []*work {
	e.mu.Lock()
	defer e.mu.Unlock()
	n := min(len(e.waiting), numLanes-len(in))
	for _, w := range e.waiting[:n] {
		l.load(len(in), w)
		in = append(in, w)
	}
	e.waiting = slices.Delete(e.waiting, 0, n)
	return in
}

// load puts a piece of work into lane i.
func (l *lanes) load(i int, w *work) {
	l.keys[i] = *w.keys
	l.registers[i] = *w.register
}

// step encrypts the same number of bytes of each, and gives those that have
// more, without own; the others are told that they are done.
func (l *lanes) step(in []*work, own *work) []*work {
	n := stepSize
	for _, w := range in {
		n = min(n, len(w.text))
	}
	for i, w := range in {
		copy(l.text[i][:n], w.text)
	}
	l.encrypt(len(in), n)
	more := in[:0]
	for i, w := range in {
		copy(w.text, l.text[i][:n])
		w.text = w.text[n:]
		*w.register = l.registers[i]
		switch {
		case len(w.text) == 0 && w != own:
			w.turn <- false
		case len(w.text) > 0:
			if len(more) != i {
				l.load(len(more), w)
			}
			more = append(more, w)
		}
	}
	return more
}
