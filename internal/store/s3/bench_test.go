package s3

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"cooper/internal/store"
)

// The null server runs in a process of its own, so that its time is not counted.
const nullServer = "COOPER_TEST_NULL_SERVER"

func runNullServer() {
	body := strings.Repeat("x", 4096)
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Etag", `"620f0b67a91f7f74151bc5be745b7110"`)
		w.Header().Set("X-Amz-Version-Id", "v1")
		w.Header().Set("Last-Modified", "Fri, 02 Jan 2026 03:04:05 GMT")
		w.Header().Set("Content-Length", "4096")
		_, _ = io.WriteString(w, body)
	}), Addr: os.Getenv(nullServer), ReadHeaderTimeout: time.Minute}
	panic(srv.ListenAndServe())
}

func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// nullAddress starts a null server for the length of a benchmark.
func nullAddress(b *testing.B, addr string) string {
	b.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), nullServer+"="+addr)
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	for range 100 {
		if res, err := http.Get("http://" + addr); err == nil {
			_ = res.Body.Close()
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	return addr
}

// BenchmarkPut4KiB is a conditional PUT with some metadata.
func BenchmarkPut4KiB(b *testing.B) {
	addr := nullAddress(b, "127.0.0.1:29872")
	content := bytes.Repeat([]byte("x"), 4096)
	for _, name := range []string{"lean", "SDK"} {
		b.Run(name, func(b *testing.B) {
			bucket := openTest(b, "http://"+addr, append(clients[name], func(c *Config) { c.Region = "us-east-1" })...)
			before := cpu()
			b.ReportAllocs()
			b.SetParallelism(32)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					_, err := bucket.Put(b.Context(), store.Put{
						Key: "a/key/of/some/length", Size: 4096, Body: bytes.NewReader(content), IfNoneMatch: true,
						ContentType: "text/csv", Metadata: map[string]string{"origin": "something of some length"},
					})
					if err != nil {
						b.Error(err)
						return
					}
				}
			})
			b.ReportMetric(float64((cpu()-before).Microseconds())/float64(b.N), "cpu-µs/op")
		})
	}
}

func BenchmarkGet4KiB(b *testing.B) {
	addr := nullAddress(b, "127.0.0.1:29871")
	for _, name := range []string{"lean", "SDK"} {
		b.Run(name, func(b *testing.B) {
			bucket := openTest(b, "http://"+addr, append(clients[name], func(c *Config) { c.Region = "us-east-1" })...)
			before := cpu()
			b.SetParallelism(32)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					_, rc, err := bucket.Get(b.Context(), store.Ref{Key: "a/key/of/some/length", VersionID: "v1"}, store.Range{})
					if err != nil {
						b.Error(err)
						return
					}
					if _, err := io.Copy(io.Discard, rc); err != nil {
						b.Error(err)
					}
					_ = rc.Close()
				}
			})
			b.ReportMetric(float64((cpu()-before).Microseconds())/float64(b.N), "cpu-µs/op")
		})
	}
}
