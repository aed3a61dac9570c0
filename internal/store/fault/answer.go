package fault

import (
	"io"
	"math/rand/v2"
	"net/http"
)

// answer passes an answer back, harmed as kind says.
func (p *Proxy) answer(w http.ResponseWriter, r *http.Request, res *http.Response, kind Kind, dice *rand.Rand) {
	for name, values := range res.Header {
		if name != "Connection" {
			w.Header()[name] = values
		}
	}
	var body io.Reader = res.Body
	size := res.ContentLength
	if r.Method == http.MethodHead {
		size = 0
	}
	if size <= 0 || res.StatusCode >= 300 { // nothing there that is worth harming
		kind = ""
	}
	switch kind {
	case Cut, Stall:
		body = io.LimitReader(body, dice.Int64N(size))
	case Flip:
		body = &flipper{r: body, at: dice.Int64N(size), bit: 1 << dice.IntN(8)}
	}
	w.WriteHeader(res.StatusCode)
	if _, err := io.Copy(w, body); err != nil {
		abort()
	}
	if kind != Cut && kind != Stall {
		return
	}
	if err := http.NewResponseController(w).Flush(); err != nil || kind == Cut {
		abort()
	}
	p.hang(r)
	if _, err := io.Copy(w, res.Body); err != nil {
		abort()
	}
}

// flipper flips a bit of the byte at a position.
type flipper struct {
	r   io.Reader
	at  int64 // bytes still to come before it
	bit byte
}

func (f *flipper) Read(b []byte) (int, error) {
	n, err := f.r.Read(b)
	if 0 <= f.at && f.at < int64(n) {
		b[f.at] ^= f.bit
	}
	f.at -= int64(n)
	return n, err
}
