// Package hook hands events on to programs of somebody else: to one that listens at a URL, or to one that is
// run for each.
//
// It promises:
//
//   - An event is handed on until the other has taken it: with a 2xx, or by ending with 0. So it may come
//     more than once, under the same id; and the next does not come before.
//   - Between attempts there is more and more time. Nothing waits in memory but the one event.
//   - What is sent to a URL is signed with a secret that both know, together with the time. Nothing is sent
//     in plain text to another machine, and no redirect is followed.
//
// Which events there are, and where one goes on, is left to others.
package hook

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"os/exec"
	"strings"
	"time"

	"cooper"
)

// Hook takes events, one after the other.
type Hook interface {
	// Take hands an event on, once.
	Take(ctx context.Context, id string, body []byte) error
}

// Headers of what is sent to a URL.
const (
	EventHeader     = "Cooper-Event"
	SignatureHeader = "Cooper-Signature"
)

// Time is how long one attempt may take.
const Time = 30 * time.Second

// Web is somebody who listens at a URL.
type Web struct {
	url    string
	secret []byte
	clock  func() time.Time
	client *http.Client
}

// NewWeb makes one.
func NewWeb(address string, secret []byte, clock func() time.Time) (*Web, error) {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return nil, &cooper.Error{Kind: cooper.KindUsage, Message: "the hook is no URL", Remedy: "Write it like https://HOST/PATH."}
	case u.Scheme == "http" && !here(u.Hostname()):
		return nil, &cooper.Error{Kind: cooper.KindRefused, Where: u.Host, Message: "events would be sent to another machine in plain text", Remedy: "Use https."}
	case len(secret) < 16:
		return nil, &cooper.Error{Kind: cooper.KindUsage, Message: "what is sent to a hook is signed, and the secret has less than 16 bytes", Remedy: "Set COOPER_HOOK_SECRET, such as to what \"openssl rand -hex 32\" prints, here and where the hook listens."}
	}
	return &Web{url: address, secret: secret, clock: clock, client: &http.Client{
		Timeout: Time, Transport: http.DefaultTransport.(*http.Transport).Clone(), CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

func here(host string) bool {
	a, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && a.IsLoopback()
}

// Close gives up connections.
func (w *Web) Close() error {
	w.client.CloseIdleConnections()
	return nil
}

// Sign is the value of SignatureHeader: the time in seconds, and the HMAC-SHA256 of it, a dot and the body.
func Sign(secret, body []byte, at time.Time) string {
	m := hmac.New(sha256.New, secret)
	stamp := fmt.Sprint(at.Unix())
	m.Write([]byte(stamp + "."))
	m.Write(body)
	return "t=" + stamp + ",v1=" + hex.EncodeToString(m.Sum(nil))
}

// Take implements Hook.
func (w *Web) Take(ctx context.Context, id string, body []byte) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "cooper")
	r.Header.Set(EventHeader, id)
	r.Header.Set(SignatureHeader, Sign(w.secret, body, w.clock()))
	res, err := w.client.Do(r)
	if err != nil {
		var of *url.Error
		if errors.As(err, &of) { // the URL may hold a secret
			err = of.Err
		}
		return &cooper.Error{Kind: cooper.KindStore, Where: r.URL.Host, Message: "the hook cannot be reached", Err: err}
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 64<<10)) // what it says does not matter
	_ = res.Body.Close()
	if res.StatusCode < 200 || res.StatusCode > 299 {
		return &cooper.Error{Kind: cooper.KindStore, Where: r.URL.Host, Message: "the hook answers " + res.Status}
	}
	return nil
}

// Program is run for each event, which it finds on its standard input; what it prints is shown to nobody.
type Program struct{ Command []string }

// Take implements Hook.
func (p *Program) Take(ctx context.Context, id string, body []byte) error {
	within, cancel := context.WithTimeout(ctx, Time)
	defer cancel()
	cmd := exec.CommandContext(within, p.Command[0], p.Command[1:]...) //nolint:gosec // a person has named it
	cmd.Env = append(cmd.Environ(), "COOPER_EVENT="+id)
	cmd.Stdin, cmd.WaitDelay = bytes.NewReader(append(body, '\n')), 5*time.Second
	if err := cmd.Run(); err != nil {
		if within.Err() != nil {
			err = context.Cause(within)
		}
		return &cooper.Error{Kind: cooper.KindStore, Where: p.Command[0], Message: "the program has not taken the event", Err: err}
	}
	return nil
}

// Patience says how often is tried.
type Patience struct {
	// Attempts is how often; 0: until the context ends.
	Attempts int
	// Wait waits between attempts.
	Wait func(ctx context.Context, d time.Duration) error
	// Failed is told of an attempt that has failed, and when the next comes.
	Failed func(err error, next time.Duration)
}

// The time between two attempts.
const (
	firstPause = time.Second
	mostPause  = 5 * time.Minute
)

// Hand hands an event on until it was taken.
func Hand(ctx context.Context, h Hook, id string, body []byte, p Patience) error {
	pause := firstPause
	for n := 1; ; n++ {
		err := h.Take(ctx, id, body)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case n == p.Attempts:
			return &cooper.Error{Kind: cooper.KindOf(err), Where: "event " + id, Message: fmt.Sprintf("nobody took it, in %d attempts", n), Err: err, Remedy: "Give the command again when the other is there: it goes on with this event."}
		}
		p.Failed(err, pause)
		if err := p.Wait(ctx, pause); err != nil {
			return err
		}
		pause = min(2*pause, mostPause)
	}
}
