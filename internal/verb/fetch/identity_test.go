package fetch_test

import (
	"bytes"
	"crypto/sha256"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"cooper"
	"cooper/internal/store/mem"
	"cooper/internal/verb/fetch"
)

// withoutETag serves what a server does, but for the ETag.
type withoutETag struct{ http.ResponseWriter }

func (w withoutETag) WriteHeader(status int) {
	w.Header().Del("ETag")
	w.ResponseWriter.WriteHeader(status)
}

func (w withoutETag) Write(b []byte) (int, error) {
	w.Header().Del("ETag")
	return w.ResponseWriter.Write(b)
}

// What the listing or the store does not tell contradicts nothing, and an overwrite is
// seen by what is told.
func TestIdentitiesThatAreNotWhole(t *testing.T) {
	for name, c := range map[string]struct {
		unlisted, untold bool // the ETag, by the listing and by GET
		change           func(s *mem.Server, at time.Time)
		kind             cooper.Kind
		check            cooper.Check
	}{
		"no ETag in the listing": {unlisted: true, check: cooper.Verified},
		"none in the answer":     {untold: true, check: cooper.Verified},
		"none at all":            {unlisted: true, untold: true, check: cooper.Unverifiable},
		"overwritten, none in listing": {unlisted: true, kind: cooper.KindChanged, change: func(s *mem.Server, at time.Time) {
			s.OverwriteNull(bucket, "k", []byte("two"), mem.PutOptions{LastModified: at})
		}},
		"overwritten, none at all": {unlisted: true, untold: true, kind: cooper.KindChanged, change: func(s *mem.Server, at time.Time) {
			s.OverwriteNull(bucket, "k", []byte("two"), mem.PutOptions{LastModified: at})
		}},
		"overwritten, none in answer": {untold: true, kind: cooper.KindChanged, change: func(s *mem.Server, at time.Time) {
			s.OverwriteNull(bucket, "k", []byte("two"), mem.PutOptions{LastModified: at})
		}},
		"other size, none in the lists": {unlisted: true, kind: cooper.KindChanged, change: func(s *mem.Server, _ time.Time) {
			s.OverwriteNull(bucket, "k", []byte("four"), mem.PutOptions{LastModified: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)})
		}},
	} {
		server := mem.New(mem.Options{})
		server.CreateBucket(bucket, "")
		web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if c.untold {
				w = withoutETag{w}
			}
			server.ServeHTTP(w, r)
		}))
		tr, b := openTree(t), openBucket(t, web.URL)
		then := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		server.Put(bucket, "k", []byte("one"), mem.PutOptions{LastModified: then})
		v := find(t, server, "k", cooper.NullVersion)
		if c.unlisted {
			v.ETag = ""
		}
		if c.change != nil {
			c.change(server, then.Add(time.Hour))
		}
		o := fetch.New(b, fetch.Into(tr.Staging()), fetch.Options{}).Do(t.Context(), &cooper.Action{Version: v})
		if o.Kind != c.kind || o.Check != c.check {
			t.Errorf("%s: %+v", name, o)
		}
		// Who does not know the ETag later needs the hash to compare with.
		if sum := sha256.Sum256([]byte("one")); o.Kind == "" && c.unlisted && !bytes.Equal(o.Hash, sum[:]) {
			t.Errorf("%s: hash %x", name, o.Hash)
		}
		web.Close()
	}
}

// What is missing under a name that a listing could not tell is there under another.
func TestMissingUnderAGarbledName(t *testing.T) {
	server := mem.New(mem.Options{})
	server.CreateBucket(bucket, "")
	web := httptest.NewServer(server)
	t.Cleanup(web.Close)
	tr, b := openTree(t), openBucket(t, web.URL)
	server.Put(bucket, "a\x01", []byte("one"), mem.PutOptions{})
	server.Put(bucket, "real\ufffd", []byte("one"), mem.PutOptions{})
	for key, kind := range map[string]cooper.Kind{"a\ufffd": cooper.KindInvalid, "real\ufffd": ""} {
		v := find(t, server, "real\ufffd", cooper.NullVersion)
		v.Key = key
		o := fetch.New(b, fetch.Into(tr.Staging()), fetch.Options{}).Do(t.Context(), &cooper.Action{Version: v})
		if o.Kind != kind || kind != "" && strings.Contains(o.Remedy, "snapshot") {
			t.Errorf("%q: %+v", key, o)
		}
	}
}

// Bytes that contradict their ETag are kept only if they come alike three times.
func TestBytesThatComeAlike(t *testing.T) {
	for name, c := range map[string]struct {
		differs int64 // this answer has other bytes
		kind    cooper.Kind
	}{"always alike": {0, ""}, "the second is another": {2, cooper.KindCorrupt}, "the last is another": {3, cooper.KindCorrupt}} {
		server := mem.New(mem.Options{})
		server.CreateBucket(bucket, "")
		server.Put(bucket, "k", []byte("content"), mem.PutOptions{})
		v := find(t, server, "k", cooper.NullVersion)
		server.Corrupt(bucket, "k", cooper.NullVersion)
		var n atomic.Int64
		web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/k") && n.Add(1) == c.differs {
				w.Header().Set("ETag", `"`+v.ETag+`"`)
				_, _ = w.Write([]byte("CONTENT"))
				return
			}
			server.ServeHTTP(w, r)
		}))
		tr, b := openTree(t), openBucket(t, web.URL)
		o := fetch.New(b, fetch.Into(tr.Staging()), fetch.Options{}).Do(t.Context(), &cooper.Action{Version: v})
		if o.Kind != c.kind || n.Load() != 3 || c.kind == "" && (o.Check != cooper.Unverifiable || len(o.Hash) == 0) {
			t.Errorf("%s: %+v after %d requests", name, o, n.Load())
		}
		if got := staged(t, tr, v.Identity); (got != nil) != (c.kind == "") {
			t.Errorf("%s: %q is staged", name, got)
		}
		web.Close()
	}
}
