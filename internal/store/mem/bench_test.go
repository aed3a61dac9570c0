package mem_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"cooper/internal/store/mem"
)

// BenchmarkGet is 4 KiB objects over HTTP, client included, without signatures.
func BenchmarkGet(b *testing.B) {
	srv := mem.New(mem.Options{})
	srv.CreateBucket(bucket, "Enabled")
	body := make([]byte, 4096)
	for i := range 1000 {
		srv.Put(bucket, fmt.Sprintf("dir/k%03d", i), body, mem.PutOptions{})
	}
	web := httptest.NewServer(srv)
	defer web.Close()
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	defer transport.CloseIdleConnections()
	b.SetParallelism(16)
	b.ReportAllocs()
	b.RunParallel(func(p *testing.PB) {
		for i := 0; p.Next(); i++ {
			r, err := http.NewRequest(http.MethodGet, fmt.Sprintf("%s/b/dir/k%03d", web.URL, i%1000), nil)
			if err != nil {
				b.Error(err)
				return
			}
			res, err := transport.RoundTrip(r)
			if err != nil {
				b.Error(err)
				return
			}
			if n, err := io.Copy(io.Discard, res.Body); err != nil || n != 4096 {
				b.Error(n, err)
			}
			res.Body.Close()
		}
	})
}

// BenchmarkHandler is what the server itself costs, for one GET and one PUT of
// 4 KiB.
func BenchmarkHandler(b *testing.B) {
	for _, method := range []string{http.MethodGet, http.MethodPut} {
		b.Run(method, func(b *testing.B) {
			srv := mem.New(mem.Options{})
			srv.CreateBucket(bucket, "")
			body := strings.Repeat("x", 4096)
			srv.Put(bucket, "k", []byte(body), mem.PutOptions{})
			b.ReportAllocs()
			for b.Loop() {
				r := httptest.NewRequest(method, "/b/k", strings.NewReader(body))
				srv.ServeHTTP(discard{}, r)
			}
		})
	}
}

type discard struct{}

func (discard) Header() http.Header         { return http.Header{} }
func (discard) Write(b []byte) (int, error) { return len(b), nil }
func (discard) WriteHeader(int)             {}

// BenchmarkList is a page of 1,000 versions in a bucket of 100,000.
func BenchmarkList(b *testing.B) {
	srv := mem.New(mem.Options{})
	srv.CreateBucket(bucket, "Enabled")
	for i := range 100_000 {
		srv.Put(bucket, fmt.Sprintf("dir/%06d", i), nil, mem.PutOptions{})
	}
	b.ReportAllocs()
	for b.Loop() {
		w := httptest.NewRecorder()
		srv.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/b?versions&encoding-type=url&key-marker=dir/050000", nil))
		if w.Code != http.StatusOK {
			b.Fatal(w.Code)
		}
	}
}
