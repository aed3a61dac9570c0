package s3

import (
	"bytes"
	"crypto/md5"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"cooper"
	"cooper/internal/permit"
	"cooper/internal/store"
	"cooper/internal/store/mem"
)

// A store without DeleteObjects removes versions one by one; what is known of it is
// not tried again.
func TestRemovalsWithoutDeleteObjects(t *testing.T) {
	for _, answer := range []struct {
		status int
		code   string
	}{{501, "NotImplemented"}, {400, "NotImplemented"}, {405, "MethodNotAllowed"}} {
		for _, known := range [][]Lack{nil, {LacksDeleteMany}} {
			srv := mem.New(mem.Options{})
			srv.CreateBucket(testBucket, "Enabled")
			tried := 0
			var mu sync.Mutex
			b, learnt := learning(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Query().Has("delete") {
					mu.Lock()
					tried++
					mu.Unlock()
					w.WriteHeader(answer.status)
					fmt.Fprint(w, s3Error(answer.code))
					return
				}
				srv.ServeHTTP(w, r)
			}), known...)
			var rs []store.Removal
			for i := range 40 {
				id := srv.Put(testBucket, fmt.Sprint("k", i/2), nil, mem.PutOptions{})
				rs = append(rs, store.Removal{Key: fmt.Sprint("k", i/2), VersionID: id, Once: i%4 == 0})
			}
			srv.Deny(testBucket, "k7")
			for i, err := range b.Remove(t.Context(), permit.Issue("r"), rs) {
				if want := map[bool]cooper.Kind{true: cooper.KindDenied}[rs[i].Key == "k7"]; cooper.KindOf(err) != want {
					t.Errorf("%+v: %s: %v", answer, rs[i].Key, err)
				}
			}
			if left := srv.Versions(testBucket); len(left) != 2 {
				t.Errorf("%+v: %d versions are left", answer, len(left))
			}
			// Once more without the checksum, which could be what is not known.
			if want := 1 - len(known); tried < want || tried > 2*want || len(learnt()) != want {
				t.Errorf("%+v: tried %d times, found %q", answer, tried, learnt())
			}
		}
	}
}

// unsaying changes the answers of a store to DeleteObjects.
func unsaying(srv http.Handler, change func(string) string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !r.URL.Query().Has("delete") {
			srv.ServeHTTP(w, r)
			return
		}
		rec := &recorder{header: http.Header{}}
		srv.ServeHTTP(rec, r)
		w.WriteHeader(rec.status)
		fmt.Fprint(w, change(rec.body.String()))
	})
}

type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (r *recorder) Header() http.Header { return r.header }

func (r *recorder) WriteHeader(status int) { r.status = status }

func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	return r.body.Write(b)
}

func cutElement(doc, name string) string {
	for {
		i := strings.Index(doc, "<"+name+">")
		if i < 0 {
			return doc
		}
		j := strings.Index(doc, "</"+name+">") + len(name) + 3
		doc = doc[:i] + doc[j:]
	}
}

// What a store leaves open about removals is settled by a look.
func TestRemovalsThatAreLookedAt(t *testing.T) {
	for name, change := range map[string]func(string) string{
		"no version ids, as OpenStack Swift": func(doc string) string { return cutElement(doc, "VersionId") },
		"nothing":                            func(string) string { return rows() },
	} {
		srv := mem.New(mem.Options{})
		srv.CreateBucket(testBucket, "Enabled")
		asked := map[string]int{}
		var mu sync.Mutex
		b, _ := learning(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			asked[mem.Operation(r)]++
			mu.Unlock()
			unsaying(srv, change).ServeHTTP(w, r)
		}))
		var rs []store.Removal
		for i := range 20 {
			key := fmt.Sprint("k", i/2)
			rs = append(rs, store.Removal{Key: key, VersionID: srv.Put(testBucket, key, nil, mem.PutOptions{})})
		}
		stays := srv.Put(testBucket, "k3", nil, mem.PutOptions{})
		srv.Deny(testBucket, "k7")
		for i, err := range b.Remove(t.Context(), permit.Issue("r"), rs) {
			denied := rs[i].Key == "k7"
			if name == "nothing" && denied {
				if cooper.KindOf(err) != cooper.KindInvalid {
					t.Errorf("%s: %v", name, err)
				}
			} else if want := map[bool]cooper.Kind{true: cooper.KindDenied}[denied]; cooper.KindOf(err) != want {
				t.Errorf("%s: %s: %v", name, rs[i].Key, err)
			}
		}
		left := srv.Versions(testBucket)
		if len(left) != 3 || !slices.ContainsFunc(left, func(v cooper.Version) bool { return v.VersionID == stays }) {
			t.Errorf("%s: left %v", name, left)
		}
		if name != "nothing" && asked["DeleteObjects"] != 1 {
			t.Errorf("%s: %v", name, asked)
		}
	}
}

// An object is not removed under a name that is not its own, whatever a store says.
func TestRemovalUnderAGarbledName(t *testing.T) {
	srv := mem.New(mem.Options{})
	srv.CreateBucket(testBucket, "Enabled")
	id := srv.Put(testBucket, "a\x01", nil, mem.PutOptions{})
	real := srv.Put(testBucket, "b\ufffd", nil, mem.PutOptions{})
	marker := srv.Delete(testBucket, "b\ufffd")
	b := openTest(t, serve(t, srv))
	errs := b.Remove(t.Context(), permit.Issue("r"), []store.Removal{{Key: "a\ufffd", VersionID: id}, {Key: "b\ufffd", VersionID: real}, {Key: "b\ufffd", VersionID: marker}})
	if cooper.KindOf(errs[0]) != cooper.KindInvalid || errs[1] != nil || errs[2] != nil {
		t.Error(errs)
	}
	if left := srv.Versions(testBucket); len(left) != 1 || left[0].Key != "a\x01" {
		t.Error(left)
	}
}

// A condition that a store says does not hold although it does is the store's fault.
func TestConditionsThatNeverHold(t *testing.T) {
	both(t, func(t *testing.T, change []func(*Config)) {
		srv := memory(t)
		srv.Put(testBucket, "k", []byte("content"), mem.PutOptions{})
		asked := []string{}
		b := openTest(t, serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("If-Match") != "" {
				asked = append(asked, r.Method+" if")
				w.WriteHeader(http.StatusPreconditionFailed)
				return
			}
			if strings.HasSuffix(r.URL.Path, "/k") {
				asked = append(asked, r.Method)
			}
			srv.ServeHTTP(w, r)
		})), change...)
		etag := fmt.Sprintf("%x", md5.Sum([]byte("content")))
		for range 2 {
			_, rc, err := b.Get(t.Context(), store.Ref{Key: "k", IfMatch: strings.ToUpper(etag)}, store.Range{})
			if err != nil {
				t.Fatal(err)
			}
			rc.Close()
		}
		// Compared here, another ETag is still another.
		for _, call := range []func() error{
			func() error { _, err := b.Head(t.Context(), store.Ref{Key: "k", IfMatch: "other"}, 0); return err },
			func() error {
				_, _, err := b.Get(t.Context(), store.Ref{Key: "k", IfMatch: "other"}, store.Range{})
				return err
			},
		} {
			if err := call(); cooper.KindOf(err) != cooper.KindChanged {
				t.Error(err)
			}
		}
		if got := strings.Join(asked, ", "); got != "GET if, HEAD, GET, GET, HEAD, GET" {
			t.Error(got)
		}
	})
	// What did change is changed.
	srv := memory(t)
	srv.Put(testBucket, "k", []byte("new"), mem.PutOptions{})
	b := openTest(t, serve(t, srv))
	if _, _, err := b.Get(t.Context(), store.Ref{Key: "k", IfMatch: "old"}, store.Range{}); cooper.KindOf(err) != cooper.KindChanged || b.blind.Load() {
		t.Error(err)
	}
}

const minioACL = `<AccessControlPolicy><Owner><ID></ID><DisplayName></DisplayName></Owner><AccessControlList><Grant>
<Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="CanonicalUser"><Type>CanonicalUser</Type></Grantee><Permission>FULL_CONTROL</Permission></Grant></AccessControlList></AccessControlPolicy>`
