package serve

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"cooper"
)

// handler lets through to h who may ask, within the limits, and writes down what came of it.
func (s *Server) handler(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := &noted{at: s.opt.Clock()}
		a := &answer{ResponseWriter: w}
		r = r.WithContext(context.WithValue(r.Context(), notedKey{}, n))
		defer func() {
			if p := recover(); p != nil {
				s.trouble("panic", &cooper.Error{Kind: cooper.KindInternal, Where: r.Method + " " + shownPath(r), Message: fmt.Sprintf("an answer failed: %v", p)})
				if a.status == 0 {
					Problem(a, http.StatusInternalServerError, &cooper.Error{Kind: cooper.KindInternal, Message: "this is a bug"})
				}
			}
			s.log.write(n, a, r, s.opt.Clock())
		}()
		r.Body = http.MaxBytesReader(a, r.Body, s.opt.Limits.Body)
		s.admit(a, r, n, h)
	})
}

// admit answers who may not ask, or not now.
func (s *Server) admit(w http.ResponseWriter, r *http.Request, n *noted, h http.Handler) {
	if s.tokens == nil && !ours(hostOf(r.Host)) {
		// A page of a stranger's in a browser here may have a name that leads to this machine.
		Problem(w, http.StatusMisdirectedRequest, &cooper.Error{Kind: cooper.KindDenied, Message: "this is answered to this machine alone", Remedy: "Call it by 127.0.0.1 or localhost."})
		return
	}
	select {
	case s.together <- struct{}{}:
		defer func() { <-s.together }()
	default:
		later(w, http.StatusServiceUnavailable, time.Second, "too many ask at once")
		return
	}
	c, err := s.client(r)
	s.trouble("tokens", err)
	if err != nil {
		later(w, http.StatusServiceUnavailable, lookEvery, "the tokens cannot be read, so nobody is let in")
		return
	}
	who := "at " + hostOf(r.RemoteAddr)
	if c != nil && c.Name != "" {
		who = "as " + c.Name
		n.client = c.Name
	}
	if wait := s.rates.take(who, s.opt.Clock()); wait > 0 {
		later(w, http.StatusTooManyRequests, wait, "you ask too often")
		return
	}
	if c == nil {
		w.Header().Set("WWW-Authenticate", `Bearer realm="cooper"`)
		Problem(w, http.StatusUnauthorized, &cooper.Error{Kind: cooper.KindDenied, Message: "this is answered to clients with a token alone", Remedy: "Send the header Authorization: Bearer TOKEN."})
		return
	}
	h.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), clientKey{}, c)))
}

// client is who asks; nil for a stranger.
func (s *Server) client(r *http.Request) (*Client, error) {
	if s.tokens == nil {
		return &Client{}, nil
	}
	values := r.Header.Values("Authorization")
	token := ""
	if len(values) == 1 {
		if scheme, rest, ok := strings.Cut(values[0], " "); ok && strings.EqualFold(scheme, "Bearer") {
			token = strings.TrimSpace(rest)
		}
	}
	return s.tokens.find(token, s.opt.Clock())
}

// hostOf is an address without its port.
func hostOf(address string) string {
	if host, _, err := net.SplitHostPort(address); err == nil {
		return host
	}
	return address
}

// later asks to try again.
func later(w http.ResponseWriter, status int, wait time.Duration, message string) {
	w.Header().Set("Retry-After", strconv.Itoa(max(1, int((wait+time.Second-1)/time.Second))))
	Problem(w, status, &cooper.Error{Kind: cooper.KindLocked, Message: message, Remedy: "Try again later."})
}

// Answer answers with JSON. That a client has gone is no matter of the handler's.
func Answer(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		status, b = http.StatusInternalServerError, []byte(`{"error":{"kind":"internal","message":"this is a bug"}}`)
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(append(b, '\n'))
}

// Problem answers with an error, in the form that errors have everywhere. Its cause is not shown.
func Problem(w http.ResponseWriter, status int, e *cooper.Error) {
	Answer(w, status, map[string]any{"error": Said(e)})
}

// Told is an error as clients see it.
type Told struct {
	Kind    cooper.Kind `json:"kind"`
	Message string      `json:"message"`
	Where   string      `json:"where,omitempty"`
	Remedy  string      `json:"remedy,omitempty"`
}

// Said makes one of an error, without its cause.
func Said(e *cooper.Error) Told {
	return Told{Kind: e.Kind, Message: e.Message, Where: e.Where, Remedy: e.Remedy}
}

// rates says who asks too often: of each, tokens in a bucket that fills over time.
type rates struct {
	rate  float64
	burst float64

	mu  sync.Mutex
	who map[string]*bucket
}

type bucket struct {
	has float64
	at  time.Time
}

// mostClients is how many are remembered; those whose buckets are full need not be.
const mostClients = 10_000

func newRates(rate float64, burst int) *rates {
	return &rates{rate: rate, burst: max(1, float64(burst)), who: map[string]*bucket{}}
}

// take takes one request's, or tells how long to wait for it.
func (r *rates) take(who string, now time.Time) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	b := r.who[who]
	if b == nil {
		if len(r.who) >= mostClients {
			r.forget(now)
		}
		b = &bucket{r.burst, now}
		r.who[who] = b
	}
	b.fill(r, now)
	if b.has >= 1 {
		b.has--
		return 0
	}
	return time.Duration((1 - b.has) / r.rate * float64(time.Second))
}

func (b *bucket) fill(r *rates, now time.Time) {
	if d := now.Sub(b.at); d > 0 {
		b.has = min(r.burst, b.has+d.Seconds()*r.rate)
	}
	b.at = now
}

// forget drops those that are full, and if that is nobody, all: whoever asks from so many addresses is
// held up by the other limits.
func (r *rates) forget(now time.Time) {
	for who, b := range r.who {
		if b.fill(r, now); b.has >= r.burst {
			delete(r.who, who)
		}
	}
	if len(r.who) >= mostClients {
		clear(r.who)
	}
}
