// Package fault is an HTTP proxy that stands before an S3 server and harms what
// passes: errors, throttling, cut and flipped bodies, hangs, requests delivered
// twice, lost answers.
//
// It promises that what happens to a request follows from the plan's seed, the
// request itself and how often it was sent before, not from timing or order;
// that the same request is harmed only so often, so that who retries gets
// through; and that everything it did can be asked for afterwards. What it lets
// pass arrives byte for byte, so that signatures hold. Request bodies are kept in
// memory. What the client makes of it is left to the test.
package fault

import (
	"bytes"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync"

	"cooper/internal/store/mem"
)

// Kind is a fault.
type Kind string

// The faults, in the order in which their rates are laid out.
const (
	Error    Kind = "500"      // InternalError, nothing delivered
	SlowDown Kind = "slowdown" // 503 SlowDown, nothing delivered; comes in bursts
	TooMany  Kind = "429"      // nothing delivered
	Drop     Kind = "drop"     // the connection is closed, nothing delivered
	Cut      Kind = "cut"      // delivered; the answer's body ends half-way
	Flip     Kind = "flip"     // delivered; one bit of an object's bytes is wrong
	Hang     Kind = "hang"     // no answer, nothing delivered, until the client gives up or Release
	Stall    Kind = "stall"    // delivered; half of the body, and then a hang
	Twice    Kind = "twice"    // delivered twice, one after the other; the first answer counts
	Lost     Kind = "lost"     // delivered, and the connection closed without an answer
)

var kinds = []Kind{Error, SlowDown, TooMany, Drop, Cut, Flip, Hang, Stall, Twice, Lost}

// Plan says what goes wrong, and how often.
type Plan struct {
	Seed uint64
	// Rates are shares of the requests, from 0 to 1, together at most 1. Cut and
	// Stall spare answers without a body, Flip all but GetObject.
	Rates map[Kind]float64
	// Operations are those to harm, by S3's names; all if empty.
	Operations []string
	// MaxRepeat is how often the same request (method, address, range,
	// conditions) is harmed at most; 3 if 0. Bursts do not count.
	MaxRepeat int
	// Burst is how many requests in all a SlowDown hits: the one it was meant
	// for and the next ones, whichever they are; 1 if 0.
	Burst int
}

// Injected is one fault that happened.
type Injected struct {
	Kind      Kind
	Operation string // S3's name
	Target    string // path and query as sent
	Repeat    int    // how often the same request had come before
}

// Proxy is the http.Handler. It is safe for concurrent use.
type Proxy struct {
	target   *url.URL
	plan     Plan
	upstream *http.Transport
	released chan struct{}

	mu      sync.Mutex
	on      bool
	seen    map[string]*history
	burst   int // requests that the current burst still hits
	log     []Injected
	release sync.Once
}

// history is what happened to one request so far.
type history struct{ sent, harmed int }

// New makes a proxy for the server at target, of which scheme and host count.
func New(target *url.URL, plan Plan) (*Proxy, error) {
	total := 0.0
	for kind, rate := range plan.Rates {
		if !slices.Contains(kinds, kind) || rate < 0 {
			return nil, fmt.Errorf("fault: rate %v for %q makes no sense", rate, kind)
		}
		total += rate
	}
	if total > 1 {
		return nil, fmt.Errorf("fault: the rates sum to %v", total)
	}
	if plan.MaxRepeat == 0 {
		plan.MaxRepeat = 3
	}
	if plan.Burst == 0 {
		plan.Burst = 1
	}
	return &Proxy{
		target: target, plan: plan, on: true, seen: map[string]*history{}, released: make(chan struct{}),
		upstream: &http.Transport{MaxIdleConnsPerHost: 256, DisableCompression: true},
	}, nil
}

// Enable switches the faults on or off; they are on at first.
func (p *Proxy) Enable(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.on = on
}

// Release lets everything that hangs go on, now and for ever.
func (p *Proxy) Release() { p.release.Do(func() { close(p.released) }) }

// Close releases what hangs and closes idle connections to the server.
func (p *Proxy) Close() {
	p.Release()
	p.upstream.CloseIdleConnections()
}

// Log gives the faults so far, in the order in which they were decided.
func (p *Proxy) Log() []Injected {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.log)
}

// Count gives how many faults of a kind there were.
func (p *Proxy) Count(kind Kind) int {
	n := 0
	for _, f := range p.Log() {
		if f.Kind == kind {
			n++
		}
	}
	return n
}

// fate decides what happens to a request; empty: nothing.
func (p *Proxy) fate(r *http.Request) (Kind, *rand.Rand) {
	id := fmt.Sprintln(r.Method, r.RequestURI, r.Header["Range"], r.Header["If-Match"], r.Header["If-None-Match"])
	operation := mem.Operation(r)
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.on || len(p.plan.Operations) > 0 && !slices.Contains(p.plan.Operations, operation) {
		return "", nil
	}
	h := p.seen[id]
	if h == nil {
		h = &history{}
		p.seen[id] = h
	}
	sum := fnv.New64a()
	sum.Write([]byte(id))
	dice := rand.New(rand.NewPCG(p.plan.Seed^sum.Sum64(), uint64(h.sent)))
	repeat := h.sent
	h.sent++
	kind := p.roll(dice.Float64())
	switch {
	case p.burst > 0:
		p.burst--
		kind = SlowDown
	case kind == "" || h.harmed >= p.plan.MaxRepeat, kind == Flip && operation != "GetObject":
		return "", nil
	default:
		h.harmed++
		if kind == SlowDown {
			p.burst = p.plan.Burst - 1
		}
	}
	p.log = append(p.log, Injected{Kind: kind, Operation: operation, Target: r.RequestURI, Repeat: repeat})
	return kind, dice
}

// roll finds the fault that x, from 0 to 1, falls on.
func (p *Proxy) roll(x float64) Kind {
	for _, kind := range kinds {
		if x -= p.plan.Rates[kind]; x < 0 {
			return kind
		}
	}
	return ""
}

// ServeHTTP passes one request on, or does not.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil { // the client broke off
		abort()
	}
	kind, dice := p.fate(r)
	switch kind {
	case Error:
		refuse(w, http.StatusInternalServerError, "InternalError")
		return
	case SlowDown:
		refuse(w, http.StatusServiceUnavailable, "SlowDown")
		return
	case TooMany:
		refuse(w, http.StatusTooManyRequests, "TooManyRequests")
		return
	case Drop:
		abort()
	case Hang:
		p.hang(r)
	}
	res, err := p.deliver(r, body)
	if err != nil {
		abort()
	}
	defer res.Body.Close()
	switch kind {
	case Twice:
		again, err := p.deliver(r, body)
		if err != nil {
			abort()
		}
		defer again.Body.Close()
		drain(again)
	case Lost:
		drain(res)
		abort()
	}
	p.answer(w, r, res, kind, dice)
}

// abort closes the connection to the client without a further word.
func abort() { panic(http.ErrAbortHandler) }

func refuse(w http.ResponseWriter, status int, code string) {
	body := `<?xml version="1.0" encoding="UTF-8"?>` + "\n<Error><Code>" + code + "</Code><Message>A fault, on purpose.</Message></Error>"
	w.Header().Set("Content-Type", "application/xml")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body) // a client that has gone is nobody's error here
}

// hang waits until the client gives up, which ends the request, or Release.
func (p *Proxy) hang(r *http.Request) {
	select {
	case <-r.Context().Done():
		abort()
	case <-p.released:
	}
}

// deliver sends the request on as it came: path, host and headers are signed.
func (p *Proxy) deliver(r *http.Request, body []byte) (*http.Response, error) {
	out := (&http.Request{
		Method: r.Method, Host: r.Host, Header: r.Header.Clone(), ContentLength: int64(len(body)),
		URL:  &url.URL{Scheme: p.target.Scheme, Host: p.target.Host, Opaque: r.RequestURI},
		Body: io.NopCloser(bytes.NewReader(body)),
	}).WithContext(r.Context())
	if len(body) == 0 {
		out.Body = http.NoBody
	}
	out.Header.Del("Connection")
	out.Header.Del("Expect") // the body is here already
	if out.Header.Get("User-Agent") == "" {
		out.Header["User-Agent"] = nil // keeps net/http from adding its own
	}
	return p.upstream.RoundTrip(out)
}

// drain reads an answer that nobody gets.
func drain(res *http.Response) {
	_, _ = io.Copy(io.Discard, res.Body) // whatever it was, nobody waits for it
}
