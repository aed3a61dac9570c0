package guard

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"cooper"
	"cooper/internal/gcstate"
	"cooper/internal/serve"
)

// Path is where ids are resolved: /v1/resolve/ID, or /v1/resolve/KIND/ID where there are kinds.
const Path = "/v1/resolve/"

// wait is how many seconds a client should let pass before it asks again for what is on its way.
const (
	waitForReturn = 600
	waitForOthers = 1
)

// Handler answers requests for Path: with JSON, or, with ?redirect, by sending the client to the file.
func (g *Guard) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+Path, g.serve)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, Path) {
			w.Header().Set("Allow", "GET, HEAD")
			serve.Problem(w, http.StatusMethodNotAllowed, &cooper.Error{Kind: cooper.KindUsage, Message: "files are only read here"})
			return
		}
		serve.Problem(w, http.StatusNotFound, &cooper.Error{Kind: cooper.KindUsage, Message: "nothing is here", Remedy: "Ask for " + Path + "ID, or " + Path + "KIND/ID."})
	})
	return mux
}

func (g *Guard) serve(w http.ResponseWriter, r *http.Request) {
	kind, id, err := g.named(r)
	if err != nil {
		g.problem(w, err)
		return
	}
	c := serve.ClientOf(r.Context())
	found, err := g.Resolve(r.Context(), kind, id, c.Name, c.May)
	if err != nil {
		if gone, ok := IsGone(err); ok {
			serve.Note(r.Context(), "status", string(gone.Status))
		}
		g.problem(w, err)
		return
	}
	serve.Note(r.Context(), "status", string(found.Status))
	if found.Alarm {
		serve.Note(r.Context(), "alarm", "asked for")
	}
	if r.URL.Query().Has("redirect") {
		h := w.Header()
		h.Set("Location", found.URL)
		h.Set("Cache-Control", "no-store")
		h.Set("Referrer-Policy", "no-referrer")
		w.WriteHeader(http.StatusTemporaryRedirect)
		return
	}
	serve.Answer(w, http.StatusOK, found)
}

// named takes kind and id from a path.
func (g *Guard) named(r *http.Request) (kind, id string, err error) {
	rest := strings.TrimPrefix(r.URL.EscapedPath(), Path)
	kind, id, both := strings.Cut(rest, "/")
	if !both {
		kind, id = "", rest
		if len(g.opt.Kinds) == 1 {
			for kind = range g.opt.Kinds {
			}
		}
	}
	if kind, err = url.PathUnescape(kind); err == nil {
		id, err = url.PathUnescape(id)
	}
	if err != nil || id == "" {
		return "", "", &cooper.Error{Kind: cooper.KindUsage, Message: "no id is named", Remedy: "Ask for " + Path + "ID, or " + Path + "KIND/ID."}
	}
	return kind, id, nil
}

// notThere is the answer about a file that is not in its place.
type notThere struct {
	Error  serve.Told     `json:"error"`
	Status gcstate.Status `json:"status"`
	Since  cooper.Instant `json:"since,omitempty"`
}

func (g *Guard) problem(w http.ResponseWriter, err error) {
	var e *cooper.Error
	if !errors.As(err, &e) {
		e = &cooper.Error{Kind: cooper.KindOf(err), Message: "it cannot be told now"}
	}
	again := func(seconds int) { w.Header().Set("Retry-After", strconv.Itoa(seconds)) }
	if gone, ok := IsGone(err); ok {
		status := http.StatusConflict
		switch gone.Status {
		case gcstate.Restoring:
			again(waitForReturn)
			status = http.StatusServiceUnavailable
		case gcstate.Deleted:
			status = http.StatusGone
		}
		serve.Answer(w, status, notThere{serve.Said(e), gone.Status, gone.Since})
		return
	}
	switch cooper.KindOf(err) {
	case cooper.KindUsage:
		serve.Problem(w, http.StatusBadRequest, e)
	case cooper.KindMissing:
		serve.Problem(w, http.StatusNotFound, e)
	case cooper.KindDenied:
		serve.Problem(w, http.StatusForbidden, e)
	case cooper.KindConflict, cooper.KindArchived:
		serve.Problem(w, http.StatusConflict, e)
	default: // what a client is told names no server of ours
		again(waitForOthers)
		serve.Problem(w, http.StatusServiceUnavailable, &cooper.Error{Kind: cooper.KindOf(err), Message: "it cannot be told now", Remedy: "Try again."})
	}
}
