package codec

import (
	"bytes"
	"fmt"
	"io"

	"cooper"
	"cooper/internal/codec/cfb8"
	"cooper/internal/codec/sniff"
)

// peeker can show its first bytes before they are read.
type peeker struct {
	r    io.Reader
	want int
	head []byte // the first bytes, at most want
	rest *bytes.Reader
	err  error // that ended the head
}

// newPeeker shows as much as e must see, and sniffing wants to.
func newPeeker(r io.Reader, e *sniff.Expectations) *peeker {
	return &peeker{r: r, want: max(e.Need(), sniff.HeadSize)}
}

// peek reads the head, which is shorter than want only if the content is, or
// if err tells of a failure.
func (p *peeker) peek() {
	if p.rest != nil {
		return
	}
	p.head = make([]byte, p.want)
	n := 0
	for n < p.want && p.err == nil {
		var m int
		m, p.err = p.r.Read(p.head[n:])
		n += m
	}
	p.head = p.head[:n]
	p.rest = bytes.NewReader(p.head)
}

func (p *peeker) Read(b []byte) (int, error) {
	p.peek()
	if p.rest.Len() > 0 {
		return p.rest.Read(b)
	}
	if p.err != nil {
		return 0, p.err
	}
	return p.r.Read(b)
}

// guard lets a content pass that is as expected.
type guard struct {
	*peeker
	expect *sniff.Expectations
	raw    *peeker  // what is stored, if it is encrypted
	stored *counter // the same, and how it failed
	judged bool
}

func (g *guard) Read(b []byte) (int, error) {
	if !g.judged {
		if g.peek(); g.err != nil && !ended(g.err) {
			return 0, g.explain(g.err)
		}
		if v := g.expect.Check(g.head); v != sniff.Matches {
			return 0, g.unexpected(v)
		}
		g.judged = true
	}
	return g.peeker.Read(b)
}

// explain adds to an error of the format that a wrong key may be the cause.
func (g *guard) explain(err error) error {
	if g.raw == nil || g.stored.err != nil || len(g.raw.head) < cfb8.IVSize {
		return err
	}
	return &cooper.Error{Kind: cooper.KindInvalid, Message: "a wrong key, or not encrypted as was declared", Err: err}
}

// unexpected says as well as can be why a content is not as expected.
func (g *guard) unexpected(v sniff.Verdict) error {
	e := &cooper.Error{Kind: cooper.KindInvalid, Remedy: "Check the key of this prefix, and what its contents are declared to be."}
	switch {
	case v == sniff.Short:
		e.Message = fmt.Sprintf("too short to tell a right key from a wrong one: %d bytes", len(g.head))
		e.Remedy = "Leave it, or look at it by hand."
	case g.raw == nil:
		e.Message = fmt.Sprintf("not what was declared (%s): looks like %s", g.expect, sniff.Sniff(g.head).Name)
	case g.expect.Check(g.raw.head) == sniff.Matches:
		e.Message = "not encrypted, where encryption was declared"
	case sniff.Sniff(g.raw.head) != sniff.Noise && sniff.Sniff(g.raw.head) != sniff.Unknown:
		e.Message = "not encrypted as was declared: looks like " + sniff.Sniff(g.raw.head).Name
	default:
		e.Message = fmt.Sprintf("a wrong key, or not what was declared (%s)", g.expect)
	}
	return e
}
