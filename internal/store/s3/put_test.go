package s3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"cooper"
	"cooper/internal/store"
	"cooper/internal/store/mem"
)

// between lets f see each request before the server does, and lose answers:
// the server does what is asked, and the client is not told.
func between(t *testing.T, srv http.Handler, f func(r *http.Request) (lose bool)) string {
	t.Helper()
	return serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if f(r) {
			srv.ServeHTTP(httptest.NewRecorder(), r)
			panic(http.ErrAbortHandler)
		}
		srv.ServeHTTP(w, r)
	}))
}

func memory(t *testing.T) *mem.Server {
	t.Helper()
	srv := mem.New(mem.Options{AccessKey: "access", SecretKey: "secret", PageSize: 3, MinPartSize: 1})
	srv.CreateBucket(testBucket, "Enabled")
	return srv
}

// A lost answer to a conditional write must not look like another's object.
func TestLostAnswerToPut(t *testing.T) {
	both(t, func(t *testing.T, change []func(*Config)) {
		srv := memory(t)
		var lost atomic.Int64
		b := openTest(t, between(t, srv, func(r *http.Request) bool { return r.Method == http.MethodPut && lost.Add(1) == 1 }), change...)
		p := store.Put{Key: "k", Size: 4, Body: strings.NewReader("mine"), IfNoneMatch: true}
		o, err := b.Put(t.Context(), p)
		if err != nil || o.Size != 4 || o.VersionID == "" || lost.Load() != 2 {
			t.Fatal(o, err, lost.Load())
		}
		// Now something is there, and it is not what is sent.
		lost.Store(0)
		p.Body = strings.NewReader("your")
		if _, err := b.Put(t.Context(), p); cooper.KindOf(err) != cooper.KindConflict {
			t.Fatal(err)
		}
		// The same bytes, but no answer was lost: another wrote them.
		p.Body = strings.NewReader("mine")
		if _, err := b.Put(t.Context(), p); cooper.KindOf(err) != cooper.KindConflict {
			t.Fatal(err)
		}
	})
}

// What is there cannot be seen at first either: that settles nothing.
func TestLostAnswerAndAFailingLook(t *testing.T) {
	both(t, func(t *testing.T, change []func(*Config)) {
		srv := memory(t)
		var puts, looks atomic.Int64
		inner := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodHead && strings.HasSuffix(r.URL.Path, "/k") && looks.Add(1) == 1 {
				w.WriteHeader(http.StatusInternalServerError)
				return
			}
			srv.ServeHTTP(w, r)
		})
		b := openTest(t, between(t, inner, func(r *http.Request) bool { return r.Method == http.MethodPut && puts.Add(1) == 1 }), change...)
		o, err := b.Put(t.Context(), store.Put{Key: "k", Size: 4, Body: strings.NewReader("mine"), IfNoneMatch: true})
		if err != nil || o.Size != 4 || looks.Load() != 2 {
			t.Fatal(o, err, looks.Load())
		}
	})
}

// A transport that reads on after its attempt has ended gets nothing, so that
// it cannot take bytes from the next one.
func TestSectionsEnd(t *testing.T) {
	src := newSource(struct{ io.ReadSeeker }{strings.NewReader("0123456789")})
	first, second := src.section(2, 5), src.section(2, 5)
	begin := make([]byte, 2)
	if _, err := io.ReadFull(first, begin); err != nil || string(begin) != "23" {
		t.Fatalf("%q, %v", begin, err)
	}
	first.end()
	if n, err := first.Read(make([]byte, 1)); n != 0 || !errors.Is(err, errEnded) {
		t.Fatal(n, err)
	}
	if b, err := io.ReadAll(second); err != nil || string(b) != "23456" {
		t.Fatalf("%q, %v", b, err)
	}
}

func TestLostAnswersToParts(t *testing.T) {
	both(t, func(t *testing.T, change []func(*Config)) {
		srv := memory(t)
		var mu sync.Mutex
		seen := map[string]bool{}
		url := between(t, srv, func(r *http.Request) bool {
			mu.Lock()
			defer mu.Unlock()
			first := !seen[r.Method+r.RequestURI]
			seen[r.Method+r.RequestURI] = true
			return first && r.Method != http.MethodHead && r.URL.Query().Has("uploadId")
		})
		b := openTest(t, url, change...)
		b.partSize = 1 << 20
		body := make([]byte, 5<<20+77)
		for i := range body {
			body[i] = byte(i * i >> 7)
		}
		// A body that can be read from many places, and one that cannot.
		for i, r := range []io.ReadSeeker{bytes.NewReader(body), struct{ io.ReadSeeker }{bytes.NewReader(body)}} {
			key := fmt.Sprint("k", i)
			o, err := b.Put(t.Context(), store.Put{Key: key, Size: int64(len(body)), Body: r, IfNoneMatch: true})
			if err != nil || !strings.HasSuffix(o.ETag, "-6") {
				t.Fatalf("%+v, %v", o, err)
			}
			if got, _ := srv.Body(testBucket, key, o.VersionID); !bytes.Equal(got, body) {
				t.Fatal("other bytes arrived")
			}
		}
	})
}

// A failed upload in parts leaves nothing behind, also when it was cancelled.
func TestPartsAreGivenUp(t *testing.T) {
	for _, how := range []string{"denied", "cancelled", "unreadable"} {
		both(t, func(t *testing.T, change []func(*Config)) {
			srv := memory(t)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			url := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Query().Get("partNumber") == "3" {
					switch how {
					case "denied":
						w.WriteHeader(http.StatusForbidden)
						return
					case "cancelled":
						cancel()
					}
				}
				srv.ServeHTTP(w, r)
			}))
			b := openTest(t, url, change...)
			b.partSize = 1 << 20
			var body io.ReadSeeker = bytes.NewReader(make([]byte, 5<<20))
			want := cooper.KindDenied
			switch how {
			case "cancelled":
				want = cooper.KindInterrupted
			case "unreadable":
				want = cooper.KindInternal
				body = &unreadable{Reader: bytes.NewReader(make([]byte, 5<<20)), from: 3 << 20}
			}
			_, err := b.Put(ctx, store.Put{Key: "k", Size: 5 << 20, Body: body})
			if cooper.KindOf(err) != want {
				t.Errorf("%s: %v", how, err)
			}
			if n := srv.Counts(); n["AbortMultipartUpload"] != 1 || n["CompleteMultipartUpload"] != 0 {
				t.Errorf("%s: %v", how, n)
			}
		})
	}
}

type unreadable struct {
	*bytes.Reader
	from int64
}

func (u *unreadable) ReadAt(p []byte, off int64) (int, error) {
	if off+int64(len(p)) > u.from {
		return 0, errors.New("bad sector")
	}
	return u.Reader.ReadAt(p, off)
}

func TestPutRefuses(t *testing.T) {
	b := openTest(t, serve(t, memory(t)))
	for name, p := range map[string]store.Put{
		"no key":        {Body: strings.NewReader("")},
		"no body":       {Key: "k"},
		"too short":     {Key: "k", Body: strings.NewReader("abc"), Size: 4},
		"too long":      {Key: "k", Body: strings.NewReader("abc"), Size: 2},
		"negative":      {Key: "k", Body: strings.NewReader("abc"), Size: -1},
		"header":        {Key: "k", Body: strings.NewReader(""), ContentType: "a\r\nX: y"},
		"metadata name": {Key: "k", Body: strings.NewReader(""), Metadata: map[string]string{"a b": "c"}},
		"metadata":      {Key: "k", Body: strings.NewReader(""), Metadata: map[string]string{"a": "c\n"}},
	} {
		if _, err := b.Put(t.Context(), p); cooper.KindOf(err) != cooper.KindInvalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	if u := b.Usage(); u.Put != 0 {
		t.Errorf("%d requests were sent", u.Put)
	}
}

func TestPartSizes(t *testing.T) {
	for _, size := range []int64{1, defaultPartSize, 625 << 30, 625<<30 + 1, 5 << 40, 50 << 40} {
		part := partSizeFor(size, defaultPartSize)
		if n := (size + part - 1) / part; n > maxParts || part < defaultPartSize || part > 6<<30 {
			t.Errorf("%d bytes: %d parts of %d", size, n, part)
		}
	}
}

// A store that damages what it gets, and says so by another checksum.
func TestPutIsVouchedFor(t *testing.T) {
	b := openTest(t, serve(t, stub(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Content-Md5") == "" || r.Header.Get("X-Amz-Checksum-Sha256") == "" {
			t.Error("no checksums were sent")
		}
		w.Header().Set("X-Amz-Checksum-Sha256", "AAAA")
	})))
	b.policy.Attempts = 2
	if _, err := b.Put(t.Context(), store.Put{Key: "k", Body: strings.NewReader("")}); cooper.KindOf(err) != cooper.KindCorrupt {
		t.Fatal(err)
	}
}

// MD5 goes along until the store has shown that it compares with SHA-256, and
// again once it does not any more.
func TestPutSendsMD5WhereItIsNeeded(t *testing.T) {
	for name, client := range clients {
		t.Run(name, func(t *testing.T) {
			var names atomic.Bool
			requests := make(chan string, 10)
			b := openTest(t, serve(t, stub(func(w http.ResponseWriter, r *http.Request) {
				note := "SHA-256"
				if r.Header.Get("X-Amz-Checksum-Sha256") == "" {
					note = "nothing"
				}
				if r.Header.Get("Content-Md5") != "" {
					note += " and MD5"
				}
				requests <- note
				if names.Load() {
					w.Header().Set("X-Amz-Checksum-Sha256", r.Header.Get("X-Amz-Checksum-Sha256"))
				}
			})), client...)
			b.policy.Attempts = 2
			want := []string{"SHA-256 and MD5", "SHA-256 and MD5", "SHA-256", "SHA-256 and MD5", "SHA-256 and MD5"}
			for i, now := range []bool{false, true, false, false} {
				names.Store(now) // the third is sent again
				if _, err := b.Put(t.Context(), store.Put{Key: "k", Body: strings.NewReader("abc"), Size: 3}); err != nil {
					t.Fatal(i, err)
				}
			}
			close(requests)
			var sent []string
			for r := range requests {
				sent = append(sent, r)
			}
			if !slices.Equal(sent, want) {
				t.Errorf("sent %q, not %q", sent, want)
			}
		})
	}
}
