package s3

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cooper"
	"cooper/internal/permit"
	"cooper/internal/store"
	"cooper/internal/store/fault"
	"cooper/internal/store/mem"
)

var issued = permit.Issue("r-test")

// original writes what is to be copied, and describes it.
func original(t *testing.T, srv *mem.Server, b *Bucket, key string, body []byte, o mem.PutOptions) store.Object {
	t.Helper()
	id := srv.Put(testBucket, key, body, o)
	src, err := b.Head(t.Context(), store.Ref{Key: key, VersionID: id}, 0)
	if err != nil {
		t.Fatal(err)
	}
	return src
}

func versionsOf(srv *mem.Server, key string) (n int) {
	for _, v := range srv.Versions(testBucket) {
		if v.Key == key {
			n++
		}
	}
	return n
}

func isCopy(r *http.Request) bool { return r.Header.Get("X-Amz-Copy-Source") != "" }

// A copy whose answer got lost is looked up before it is repeated: there is one, and
// never two, also without a condition, and onto itself.
func TestLostAnswerToCopy(t *testing.T) {
	both(t, func(t *testing.T, change []func(*Config)) {
		for name, c := range map[string]struct {
			key     string
			options mem.PutOptions
			change  func(*store.Put)
			before  int
		}{
			"if nothing is there": {"l", mem.PutOptions{}, func(p *store.Put) { p.IfNoneMatch = true }, 0},
			"whatever is there":   {"l", mem.PutOptions{Metadata: map[string]string{"a": "b"}}, func(*store.Put) {}, 0},
			"onto itself":         {"k", mem.PutOptions{}, func(*store.Put) {}, 1},
			"by checksum": {"l", mem.PutOptions{Checksum: "CRC64NVME", Encryption: "SSE-KMS"},
				func(p *store.Put) { p.Metadata = map[string]string{"c": "d"} }, 0},
		} {
			srv := memory(t)
			var copies atomic.Int64
			b := openTest(t, between(t, srv, func(r *http.Request) bool { return isCopy(r) && copies.Add(1) == 1 }), change...)
			src := original(t, srv, b, "k", []byte("bytes"), c.options)
			p := store.Describe(&src, c.key, nil, nil)
			c.change(&p)
			o, err := b.Copy(t.Context(), issued, b, store.Copy{Source: src, Put: p})
			if err != nil || copies.Load() != 1 || o.VersionID == "" || o.VersionID == src.VersionID {
				t.Errorf("%s: %+v, %v, %d copies", name, o, err, copies.Load())
			}
			if n := versionsOf(srv, c.key); n != c.before+1 {
				t.Errorf("%s: %d versions", name, n)
			}
		}
	})
}

// What was not delivered is not there, and another's object is not ours.
func TestCopyAfterAFailure(t *testing.T) {
	both(t, func(t *testing.T, change []func(*Config)) {
		srv := memory(t)
		var copies atomic.Int64
		inner := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if isCopy(r) && copies.Add(1) == 1 {
				srv.Put(testBucket, "l", []byte("other"), mem.PutOptions{}) // somebody comes first
				w.WriteHeader(http.StatusInternalServerError)
				return
			}
			srv.ServeHTTP(w, r)
		})
		b := openTest(t, serve(t, inner), change...)
		src := original(t, srv, b, "k", []byte("bytes"), mem.PutOptions{})
		p := store.Describe(&src, "l", nil, nil)
		p.IfNoneMatch = true
		if _, err := b.Copy(t.Context(), permit.Permit{}, b, store.Copy{Source: src, Put: p}); cooper.KindOf(err) != cooper.KindConflict {
			t.Errorf("%v", err)
		}
		if body, _ := srv.Body(testBucket, "l", ""); string(body) != "other" || copies.Load() != 2 {
			t.Errorf("%q, %d copies", body, copies.Load())
		}
	})
}

// The version that is copied onto itself is not its copy.
func TestSelfCopyAfterAFailure(t *testing.T) {
	for _, versioning := range []string{"", "Enabled"} {
		both(t, func(t *testing.T, change []func(*Config)) {
			srv := mem.New(mem.Options{AccessKey: "access", SecretKey: "secret"})
			srv.CreateBucket(testBucket, versioning)
			var copies atomic.Int64
			b := openTest(t, serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if isCopy(r) && copies.Add(1) == 1 {
					w.WriteHeader(http.StatusInternalServerError)
					return
				}
				srv.ServeHTTP(w, r)
			})), change...)
			src := original(t, srv, b, "k", []byte("bytes"), mem.PutOptions{LastModified: time.Unix(1000, 0)})
			o, err := b.Copy(t.Context(), issued, b, store.Copy{Source: src, Put: store.Describe(&src, "k", nil, nil)})
			if err != nil || copies.Load() != 2 || o.LastModified <= src.LastModified {
				t.Errorf("%q: %+v, %v, %d copies", versioning, o, err, copies.Load())
			}
		})
	}
}

// An error that comes as a success is an error, whatever comes before it.
func TestCopyRefusedWith200(t *testing.T) {
	for code, want := range map[string]cooper.Kind{
		"NoSuchKey": cooper.KindMissing, "AccessDenied": cooper.KindDenied, "InvalidObjectState": cooper.KindArchived,
		"ObjectNotInActiveTierError": cooper.KindArchived, "PreconditionFailed": cooper.KindChanged, "NotImplemented": cooper.KindInvalid,
		"InternalError": "", "SlowDown": "", "": "", // what passes
	} {
		both(t, func(t *testing.T, change []func(*Config)) {
			srv := memory(t)
			var copies atomic.Int64
			inner := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if !isCopy(r) || want == "" && copies.Add(1) > 2 {
					srv.ServeHTTP(w, r)
					return
				}
				doc := ""
				if code != "" {
					doc = "<Error><Code>" + code + "</Code><Message>no</Message></Error>"
				}
				fmt.Fprint(w, `<?xml version="1.0" encoding="UTF-8"?>`+"\n"+strings.Repeat(" \n", 1000)+doc)
			})
			b := openTest(t, serve(t, inner), change...)
			src := original(t, srv, b, "k", []byte("bytes"), mem.PutOptions{})
			_, err := b.Copy(t.Context(), issued, b, store.Copy{Source: src, Put: store.Describe(&src, "l", nil, nil)})
			if cooper.KindOf(err) != want {
				t.Errorf("%q: %v, want %q", code, err, want)
			}
			if n := versionsOf(srv, "l"); (n == 1) != (want == "") {
				t.Errorf("%q: %d versions", code, n)
			}
		})
	}
}

// A store that copies another version than was named is found out, if it tells.
func TestCopyOfAnotherVersion(t *testing.T) {
	both(t, func(t *testing.T, change []func(*Config)) {
		srv := memory(t)
		b := openTest(t, serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if isCopy(r) {
				r.Header.Set("X-Amz-Copy-Source", testBucket+"/k")
				r.Header.Del("X-Amz-Copy-Source-If-Match")
				r.Header.Del("Authorization")
				plain := mem.New(mem.Options{})
				plain.CreateBucket(testBucket, "Enabled")
				plain.Put(testBucket, "k", []byte("other"), mem.PutOptions{})
				plain.ServeHTTP(w, r)
				return
			}
			srv.ServeHTTP(w, r)
		})), change...)
		srv.Put(testBucket, "before", nil, mem.PutOptions{})
		src := original(t, srv, b, "k", []byte("bytes"), mem.PutOptions{})
		if _, err := b.Copy(t.Context(), issued, b, store.Copy{Source: src, Put: store.Describe(&src, "l", nil, nil)}); cooper.KindOf(err) != cooper.KindInvalid || !strings.Contains(err.Error(), "instead of") {
			t.Errorf("%v", err)
		}
	})
}

// TestLargeCopies: what one request cannot copy goes in the parts that it has, or in
// parts of our own, with the checksum that it has.
func TestLargeCopies(t *testing.T) {
	body := bytes.Repeat([]byte("0123456789"), 10)
	both(t, func(t *testing.T, change []func(*Config)) {
		for name, c := range map[string]struct {
			options mem.PutOptions
			same    bool  // the ETag
			parts   int64 // copied
		}{
			"in its parts":          {mem.PutOptions{PartSize: 30}, true, 4},
			"without parts":         {mem.PutOptions{}, false, 3},
			"in parts too large":    {mem.PutOptions{PartSize: 50}, false, 3},
			"a checksum of parts":   {mem.PutOptions{PartSize: 30, Checksum: "SHA256", Composite: true}, true, 4},
			"a checksum of all":     {mem.PutOptions{PartSize: 30, Checksum: "CRC32C"}, true, 4},
			"the checksum of all":   {mem.PutOptions{PartSize: 30, Checksum: "CRC64NVME"}, true, 4},
			"encrypted, a checksum": {mem.PutOptions{PartSize: 30, Checksum: "CRC32", Encryption: "SSE-KMS"}, false, 4},
		} {
			srv := mem.New(mem.Options{AccessKey: "access", SecretKey: "secret", MinPartSize: 1, MaxCopy: 40})
			srv.CreateBucket(testBucket, "Enabled")
			b := openTest(t, serve(t, srv), change...)
			b.copyMost = 40
			src := original(t, srv, b, "k", body, c.options)
			p := store.Describe(&src, "l", map[string]string{"a": "b"}, nil)
			p.IfNoneMatch = true
			srv.ResetCounts()
			o, err := b.Copy(t.Context(), permit.Permit{}, b, store.Copy{Source: src, Put: p})
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			got, err := b.Head(t.Context(), store.Ref{Key: "l"}, 0)
			if err != nil {
				t.Fatal(err)
			}
			if (o.ETag == src.ETag) != c.same || o.ETag != got.ETag || o.Size != 100 || srv.Counts()["UploadPartCopy"] != c.parts || got.KMSKey != src.KMSKey {
				t.Errorf("%s: %+v and %+v of %+v, %v", name, o, got, src, srv.Counts())
			}
			for algorithm, sum := range src.Checksums {
				if o.Checksums[algorithm] != sum || got.ChecksumType != src.ChecksumType {
					t.Errorf("%s: checksums %v %s, those of the source are %v %s", name, o.Checksums, got.ChecksumType, src.Checksums, src.ChecksumType)
				}
			}
			if stored, _ := srv.Body(testBucket, "l", ""); !bytes.Equal(stored, body) {
				t.Errorf("%s: the copy holds %d bytes", name, len(stored))
			}
		}
	})
}

// A copy in parts that fails leaves no parts.
func TestFailedPartsAreAborted(t *testing.T) {
	both(t, func(t *testing.T, change []func(*Config)) {
		srv := memory(t)
		var parts atomic.Int64
		b := openTest(t, serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if isCopy(r) && parts.Add(1) == 2 {
				w.WriteHeader(http.StatusForbidden)
				return
			}
			srv.ServeHTTP(w, r)
		})), change...)
		src := original(t, srv, b, "k", bytes.Repeat([]byte("x"), 100), mem.PutOptions{PartSize: 30})
		_, err := b.Copy(t.Context(), issued, b, store.Copy{Source: src, Put: store.Describe(&src, "l", nil, nil), AsParts: true})
		if cooper.KindOf(err) != cooper.KindDenied {
			t.Errorf("%v", err)
		}
		err = b.Uploads(t.Context(), "", func(us []store.Upload) error { return fmt.Errorf("%d uploads remain", len(us)) })
		if err != nil || versionsOf(srv, "l") != 0 || srv.Counts()["AbortMultipartUpload"] != 1 {
			t.Errorf("%v, %v", err, srv.Counts())
		}
	})
}

// Through a proxy that harms a third of all requests, each copy is made once, and
// tags are those that were written.
func TestCopiesThroughFaults(t *testing.T) {
	both(t, func(t *testing.T, change []func(*Config)) {
		srv := memory(t)
		target, err := url.Parse(serve(t, srv))
		if err != nil {
			t.Fatal(err)
		}
		proxy, err := fault.New(target, fault.Plan{Seed: 7, Burst: 5, Rates: map[fault.Kind]float64{
			fault.Error: 0.08, fault.SlowDown: 0.02, fault.TooMany: 0.02, fault.Drop: 0.06, fault.Cut: 0.06, fault.Twice: 0.04, fault.Lost: 0.08,
		}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(proxy.Close)
		b := openTest(t, serve(t, proxy), change...)
		const n = 60
		var wg sync.WaitGroup
		for i := range n {
			wg.Go(func() {
				key, body := fmt.Sprintf("k %03d", i), bytes.Repeat([]byte{byte(i)}, 200+i)
				id := srv.Put(testBucket, key, body, mem.PutOptions{PartSize: int64(i%2) * 50, Tags: map[string]string{"a": "b"}})
				src, err := b.Head(t.Context(), store.Ref{Key: key, VersionID: id}, 0)
				if err != nil {
					t.Errorf("head %s: %v", key, err)
					return
				}
				p := store.Describe(&src, "copy/"+key, map[string]string{"a": "b"}, nil)
				p.IfNoneMatch, p.Metadata = true, map[string]string{"run": key}
				o, err := b.Copy(t.Context(), permit.Permit{}, b, store.Copy{Source: src, Put: p, AsParts: true})
				if err == nil {
					err = b.SetTags(t.Context(), issued, store.Ref{Key: p.Key, VersionID: o.VersionID}, map[string]string{"c": key})
				}
				tags, terr := b.Tags(t.Context(), store.Ref{Key: p.Key, VersionID: o.VersionID})
				stored, _ := srv.Body(testBucket, p.Key, "")
				if err != nil || terr != nil || o.ETag != src.ETag || len(tags) != 1 || tags["c"] != key || !bytes.Equal(stored, body) {
					t.Errorf("%s: %+v, %v, %v, tags %q, %d bytes", key, o, err, terr, tags, len(stored))
				}
				if v := versionsOf(srv, p.Key); v != 1 {
					t.Errorf("%s: %d versions", p.Key, v)
				}
			})
		}
		wg.Wait()
		t.Logf("%d faults, %+v", len(proxy.Log()), b.Usage())
		if len(proxy.Log()) < 50 {
			t.Errorf("only %d faults: the test is worth little", len(proxy.Log()))
		}
	})
}

func TestCopySources(t *testing.T) {
	for _, c := range [][4]string{
		{"b", "k", "", "b/k"}, {"b", "a b/ü+%", "", "b/a%20b/%C3%BC%2B%25"}, {"b", "/a//b?c", "null", "b//a//b%3Fc?versionId=null"},
		{"b", "k", "a+/=", "b/k?versionId=a%2B%2F%3D"}, {"arn:aws:s3:r:1:accesspoint/p", "k", "v", "arn%3Aaws%3As3%3Ar%3A1%3Aaccesspoint/p/object/k?versionId=v"},
	} {
		if got := copySource(c[0], c[1], c[2]); got != c[3] {
			t.Errorf("%q: %s, want %s", c[:3], got, c[3])
		}
	}
}

func TestParsingCopies(t *testing.T) {
	const head = `<?xml version="1.0" encoding="UTF-8"?>` + "\n"
	c, err := parseCopied([]byte(head + "\n  <CopyObjectResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><LastModified>2025-01-02T03:04:05.000Z</LastModified><ETag>&quot;abc&quot;</ETag><ChecksumCRC32>x</ChecksumCRC32><ChecksumType>FULL_OBJECT</ChecksumType></CopyObjectResult>"))
	if err != nil {
		t.Fatal(err)
	}
	o, err := c.object("k", http.Header{"X-Amz-Version-Id": {"v"}})
	if err != nil || o.ETag != "abc" || o.VersionID != "v" || o.Size != store.Untold || o.Checksums["CRC32"] != "x" || o.ChecksumType != fullObject || o.LastModified.String() != "2025-01-02T03:04:05Z" {
		t.Errorf("%+v, %v", o, err)
	}
	for name, text := range map[string]string{
		"nothing": "", "blanks": head + "   ", "cut": head + "<CopyObjectResult><ETag>a</ETag>", "another": head + "<ListBucketResult></ListBucketResult>",
		"an error": "<Error><Code>X</Code></Error>", "no XML": "ok", "no ETag": "<CopyPartResult><ETag/></CopyPartResult>",
	} {
		c, err := parseCopied([]byte(text))
		if err == nil {
			_, err = c.object("k", nil)
		}
		if err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}

// TestUnknownLocks: a store is believed that it has no locks unless it says of the
// bucket that it has.
func TestUnknownLocks(t *testing.T) {
	for name, c := range map[string]struct {
		bucket string // what it says of the bucket
		status int
		want   cooper.Kind
	}{
		"none":    {"", http.StatusNotImplemented, ""},
		"enabled": {"<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled></ObjectLockConfiguration>", http.StatusOK, cooper.KindInvalid},
		"denied":  {"<Error><Code>AccessDenied</Code></Error>", http.StatusForbidden, cooper.KindInvalid},
	} {
		b := openTest(t, serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch q := r.URL.Query(); {
			case q.Has("object-lock"):
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, c.bucket)
			case q.Has("retention"), q.Has("legal-hold"):
				w.WriteHeader(http.StatusNotImplemented)
			}
		})))
		l, err := b.Lock(t.Context(), store.Ref{Key: "k"})
		if cooper.KindOf(err) != c.want || l != (store.Lock{}) {
			t.Errorf("%s: %+v, %v", name, l, err)
		}
	}
}
