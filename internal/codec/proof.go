package codec

import (
	"errors"
	"io"
)

// Proof decodes a stored form while it is written to it, as it is sent to a
// store: what Close tells is proven of those very bytes. It runs one goroutine
// until Close or Abort; one of them must be called.
type Proof struct {
	w    *io.PipeWriter
	done chan struct{}
	sums Sums
	err  error
}

// Prove begins a proof. What the store has when a proof succeeded decodes to
// the content that its Sums describe, provided that the store vouches for
// having received these bytes.
func (c Chain) Prove(o DecodeOptions) (*Proof, error) {
	r, w := io.Pipe()
	s, err := c.Decode(r, o)
	if err != nil {
		return nil, err
	}
	p := &Proof{w: w, done: make(chan struct{})}
	go func() {
		defer close(p.done)
		defer s.Close() //nolint:errcheck // it has nothing to tell
		if p.err = drain(s); p.err == nil {
			p.sums, p.err = s.Sums()
		}
		_ = r.CloseWithError(p.err) // it has nothing to tell
	}()
	return p, nil
}

// drainSize is the buffer of a proof, in bytes.
const drainSize = 32 << 10

func drain(r io.Reader) error {
	buf := make([]byte, drainSize)
	for {
		if _, err := r.Read(buf); ended(err) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// Write takes bytes of the stored form. It fails once they are known not to
// decode.
func (p *Proof) Write(b []byte) (int, error) { return p.w.Write(b) }

// Close ends the stored form and tells what it decodes to.
func (p *Proof) Close() (Sums, error) {
	_ = p.w.Close() // it has nothing to tell
	<-p.done
	return p.sums, p.err
}

// Abort gives the proof up.
func (p *Proof) Abort() {
	_ = p.w.CloseWithError(errors.New("codec: proof given up")) // it has nothing to tell
	<-p.done
}
