// Package mem is an S3 server in memory, for tests, demonstrations and
// benchmarks: versions, null versions, storage classes, restores, checksums,
// multipart uploads, tags, ACLs, object lock, encryption (in name and ETags
// alone), keys of any bytes, and a clock of one's own.
//
// It promises to answer as S3 does, also where S3 is awkward: paths are taken
// from the raw request and never cleaned, delete markers answer 405 by version
// id and 404 without, multipart uploads are dated by their beginning, times are
// cut to the second, pages end anywhere. With keys configured it checks the
// SigV4 signature of every request (in headers, not in queries; neither the age
// of the signature nor those of single chunks).
//
// It addresses buckets by path alone, keeps everything in memory, and leaves
// faults of the network to package fault. What it does not know it refuses with
// NotImplemented. Told so, it departs from S3 as real stores do (see Quirks). It is no store.Reader: package s3 reaches it over HTTP, like
// any other server.
package mem

import (
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// DefaultRegion is where buckets are unless SetRegion says otherwise.
const DefaultRegion = "us-east-1"

// Options configures a Server; the zero value will do.
type Options struct {
	// Clock dates what is written; time.Now if nil.
	Clock func() time.Time
	// AccessKey and SecretKey are the only credentials accepted. Without an
	// AccessKey any are, and none.
	AccessKey, SecretKey string
	// PageSize is the most rows a listing gives in one page; 1000 if 0.
	PageSize int
	// MaxCopy is how many bytes one request copies at most; 5 GiB if 0.
	MaxCopy int64
	// MinPartSize is the least size in bytes of every part of a multipart
	// upload but the last; 5 MiB if 0.
	MinPartSize int64
}

// Server is the store. It is an http.Handler and safe for concurrent use; its
// other methods arrange what no client could. These panic when they are told
// of a bucket or version that does not exist: the test is wrong then.
type Server struct {
	opts Options

	mu      sync.RWMutex // guards everything below that is not atomic
	buckets map[string]*bucket
	serial  uint64 // of version and upload ids

	quirks   atomic.Pointer[quirks]
	requests atomic.Uint64
	counts   map[string]*atomic.Int64 // by operation; the map never changes
}

// New makes a server without buckets.
func New(opts Options) *Server {
	if opts.Clock == nil {
		opts.Clock = time.Now
	}
	if opts.PageSize == 0 {
		opts.PageSize = 1000
	}
	if opts.MaxCopy == 0 {
		opts.MaxCopy = maxBody
	}
	if opts.MinPartSize == 0 {
		opts.MinPartSize = 5 << 20
	}
	s := &Server{opts: opts, buckets: map[string]*bucket{}, counts: map[string]*atomic.Int64{}}
	s.SetQuirks()
	for op := range handlers {
		s.counts[op] = new(atomic.Int64)
	}
	s.counts[Unknown] = new(atomic.Int64)
	return s
}

// now is the clock's time to the second, all that S3 keeps.
func (s *Server) now() time.Time { return s.opts.Clock().UTC().Truncate(time.Second) }

// Counts gives the requests received since the last ResetCounts, by the S3
// name of the operation (GetObject, ListObjectVersions, …), refused ones
// included. Operations that were not asked for are absent.
func (s *Server) Counts() map[string]int64 {
	m := map[string]int64{}
	for op, n := range s.counts {
		if v := n.Load(); v != 0 {
			m[op] = v
		}
	}
	return m
}

// ResetCounts starts counting anew.
func (s *Server) ResetCounts() {
	for _, n := range s.counts {
		n.Store(0)
	}
}

// ServeHTTP answers one S3 request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.serve(w, r, *s.quirks.Load()) }

func (s *Server) serve(w http.ResponseWriter, r *http.Request, q quirks) {
	c := &call{w: w, r: r, id: s.requests.Add(1), quirks: q}
	w.Header()["X-Amz-Request-Id"] = []string{strconv.FormatUint(c.id, 10)}
	err := c.parse()
	s.counts[c.op].Add(1)
	if err == nil {
		err = s.authorize(c)
	}
	done := false
	if err == nil {
		done, err = s.oddity(c)
	}
	if err == nil && !done {
		err = handlers[c.op](s, c)
	}
	if err != nil {
		c.refuse(err)
	}
}
