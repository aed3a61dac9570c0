package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// floorClient signs and sends GETs and does nothing else: what is left when
// everything that makes a client safe is taken away.
type floorClient struct {
	http *http.Transport
	url  string
	host string
	key  []byte
	day  string
}

func newFloorClient(url string, concurrency int) *floorClient {
	day := time.Now().UTC().Format("20060102")
	key := []byte("AWS4bench-secret")
	for _, part := range []string{day, "us-east-1", "s3", "aws4_request"} {
		key = hmacOf(key, part)
	}
	return &floorClient{
		http: &http.Transport{MaxIdleConns: concurrency, MaxIdleConnsPerHost: concurrency, DisableCompression: true, WriteBufferSize: floorBuffer, ReadBufferSize: floorBuffer},
		url:  url, host: url[len("http://"):], key: key, day: day,
	}
}

func hmacOf(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

// floorBuffer takes a small object with its headers at once, in bytes.
const floorBuffer = 16 << 10

const emptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

func (c *floorClient) get(ctx context.Context, key string) (io.ReadCloser, error) {
	res, err := c.send(ctx, http.MethodGet, "/"+key, "", nil, emptyHash, nil)
	if err != nil {
		return nil, err
	}
	return res.Body, nil
}

// header is one that is signed; its name is in lower case, and those of a
// request are sorted.
type header struct{ name, value string }

// send signs and sends one request about the bucket; path and query are as they
// are sent.
func (c *floorClient) send(ctx context.Context, method, path, query string, body []byte, hash string, hs []header) (*http.Response, error) {
	path = "/" + bucketName + path
	stamp := time.Now().UTC().Format("20060102T150405Z")
	hs = append(append([]header{{"host", c.host}}, hs...), header{"x-amz-content-sha256", hash}, header{"x-amz-date", stamp})
	slices.SortFunc(hs, func(a, b header) int { return strings.Compare(a.name, b.name) })
	var lines, names strings.Builder
	for i, h := range hs {
		if i > 0 {
			names.WriteByte(';')
		}
		names.WriteString(h.name)
		lines.WriteString(h.name + ":" + h.value + "\n")
	}
	canonical := method + "\n" + path + "\n" + query + "\n" + lines.String() + "\n" + names.String() + "\n" + hash
	sum := sha256.Sum256([]byte(canonical))
	scope := c.day + "/us-east-1/s3/aws4_request"
	signature := hex.EncodeToString(hmacOf(c.key, "AWS4-HMAC-SHA256\n"+stamp+"\n"+scope+"\n"+hex.EncodeToString(sum[:])))
	if query != "" {
		path += "?" + query
	}
	req, err := http.NewRequestWithContext(ctx, method, c.url+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	for _, h := range hs {
		if h.name != "host" {
			req.Header[http.CanonicalHeaderKey(h.name)] = []string{h.value}
		}
	}
	req.Header["Authorization"] = []string{"AWS4-HMAC-SHA256 Credential=bench/" + scope + ",SignedHeaders=" + names.String() + ",Signature=" + signature}
	res, err := c.http.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusOK {
		res.Body.Close()
		return nil, fmt.Errorf("%s %s: %s", method, path, res.Status)
	}
	return res, nil
}

// floor fetches the first n objects into files and returns the seconds it took. Nothing
// is checked, synced or remembered.
func floor(ctx context.Context, url, dir string, what bed, n, concurrency int) (float64, error) {
	c := newFloorClient(url, concurrency)
	defer c.http.CloseIdleConnections()
	var next atomic.Int64
	var dirs sync.Map
	errs := make(chan error, concurrency)
	began := time.Now()
	for range concurrency {
		go func() {
			buf := make([]byte, 64<<10)
			for {
				i := int(next.Add(1)) - 1
				if i >= n {
					errs <- nil
					return
				}
				if err := fetchOne(ctx, c, dir, what.key(i), &dirs, buf); err != nil {
					errs <- err
					return
				}
			}
		}()
	}
	var failed error
	for range concurrency {
		if err := <-errs; err != nil {
			failed = err
		}
	}
	return time.Since(began).Seconds(), failed
}

func fetchOne(ctx context.Context, c *floorClient, dir, key string, dirs *sync.Map, buf []byte) error {
	body, err := c.get(ctx, key)
	if err != nil {
		return err
	}
	defer body.Close()
	path := filepath.Join(dir, key)
	parent := filepath.Dir(path)
	if _, ok := dirs.Load(parent); !ok {
		if err := os.MkdirAll(parent, 0o755); err != nil {
			return err
		}
		dirs.Store(parent, true)
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if _, err := io.CopyBuffer(struct{ io.Writer }{f}, body, buf); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}
