package serve

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"cooper"
)

// log writes lines of JSON.
type log struct {
	to io.Writer

	mu   sync.Mutex
	err  error // the first
	lost int
}

// line is what is written of a request.
type line struct {
	At     cooper.Instant    `json:"at"`
	Client string            `json:"client,omitempty"`
	Remote string            `json:"remote"`
	Method string            `json:"method"`
	Path   string            `json:"path"`
	Status int               `json:"status"`
	Bytes  int64             `json:"bytes"`
	Millis float64           `json:"ms"`
	Notes  map[string]string `json:"notes,omitempty"`
}

// mostOfPath is how much of a path is written.
const mostOfPath = 512

// shownPath is the path of a request: without what stands behind the question mark, and without a token,
// should somebody have written one there.
func shownPath(r *http.Request) string {
	path := aToken.ReplaceAllString(r.URL.EscapedPath(), tokenBegins+"…")
	if len(path) > mostOfPath {
		path = path[:mostOfPath] + "…"
	}
	return path
}

func (l *log) write(n *noted, a *answer, r *http.Request, now time.Time) {
	if l.to == nil {
		return
	}
	n.mu.Lock()
	b, err := json.Marshal(line{
		At: cooper.InstantOf(n.at), Client: n.client, Remote: r.RemoteAddr, Method: r.Method, Path: shownPath(r), Status: a.code(), Bytes: a.bytes,
		Millis: float64(now.Sub(n.at).Microseconds()) / 1000, Notes: n.notes,
	})
	n.mu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil {
		_, err = l.to.Write(append(b, '\n'))
	}
	if err != nil {
		l.lost++
		if l.err == nil {
			l.err = err
		}
	}
}

// failed tells of lines that could not be written.
func (l *log) failed() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err == nil {
		return nil
	}
	return &cooper.Error{Kind: cooper.KindInternal, Message: fmt.Sprintf("%d requests could not be written to the log", l.lost), Err: l.err}
}

type notedKey struct{}

// noted is what is known of a request.
type noted struct {
	at     time.Time
	client string

	mu    sync.Mutex
	notes map[string]string
}

// Note adds something to the line of a request in the log.
func Note(ctx context.Context, name, value string) {
	n, ok := ctx.Value(notedKey{}).(*noted)
	if !ok {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.notes == nil {
		n.notes = map[string]string{}
	}
	n.notes[name] = value
}

// answer counts what is answered.
type answer struct {
	http.ResponseWriter
	status int
	bytes  int64
}

func (a *answer) WriteHeader(status int) {
	if a.status == 0 && status >= http.StatusOK {
		a.status = status
	}
	a.ResponseWriter.WriteHeader(status)
}

func (a *answer) Write(b []byte) (int, error) {
	if a.status == 0 {
		a.status = http.StatusOK
	}
	n, err := a.ResponseWriter.Write(b)
	a.bytes += int64(n)
	return n, err
}

// Unwrap is for http.ResponseController.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// code is the status; a handler that writes nothing has answered 200.
func (a *answer) code() int {
	if a.status == 0 {
		return http.StatusOK
	}
	return a.status
}
