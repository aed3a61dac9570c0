package s3

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"cooper"
	"cooper/internal/store"
	"cooper/internal/store/mem"
)

// everything is an object with all that S3 keeps.
func everything() store.Put {
	return store.Put{
		Key: "k", Body: strings.NewReader(""), ContentType: "text/csv", Metadata: map[string]string{"Origin": "v1"},
		Headers: store.Headers{ContentEncoding: "zstd", CacheControl: "no-store", ContentDisposition: `attachment; filename="a.csv"`,
			ContentLanguage: "de", Expires: "never", Redirect: "/elsewhere"},
		Tags: map[string]string{"b": "ü", "a c": "x&y=z+1"}, StorageClass: "STANDARD_IA",
		Encryption: store.Encryption{Method: "aws:kms", KMSKey: "key-1", BucketKey: true},
		Grants: []store.Grant{{ID: "two", Permission: "READ"}, {URI: "http://group", Permission: "READ"}, {Email: "a@b", Permission: "WRITE_ACP"},
			{ID: "one", Permission: "READ"}, {ID: "three", Permission: "FULL_CONTROL"}},
		Lock: store.Lock{Mode: "COMPLIANCE", Until: cooper.InstantOf(time.Date(2999, 1, 2, 3, 4, 5, 6e6, time.UTC)), LegalHold: true},
	}
}

const everythingSaid = `
Cache-Control: no-store
Content-Disposition: attachment; filename="a.csv"
Content-Encoding: zstd
Content-Language: de
Content-Type: text/csv
Expires: never
X-Amz-Grant-Full-Control: id="` + mem.Owner + `", id="three"
X-Amz-Grant-Read: id="one", id="two", uri="http://group"
X-Amz-Grant-Write-Acp: emailAddress="a@b"
X-Amz-Meta-Origin: v1
X-Amz-Object-Lock-Legal-Hold: ON
X-Amz-Object-Lock-Mode: COMPLIANCE
X-Amz-Object-Lock-Retain-Until-Date: 2999-01-02T03:04:05.006Z
X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id: key-1
X-Amz-Server-Side-Encryption-Bucket-Key-Enabled: true
X-Amz-Server-Side-Encryption: aws:kms
X-Amz-Storage-Class: STANDARD_IA
X-Amz-Tagging: a%20c=x%26y%3Dz%2B1&b=%C3%BC
X-Amz-Website-Redirect-Location: /elsewhere
`

// ofTransfer are headers that say nothing of the object.
var ofTransfer = []string{"Authorization", "User-Agent", "Content-Md5", "Content-Length", "Accept-Encoding", "X-Amz-Checksum-Sha256",
	"X-Amz-Checksum-Crc32", "X-Amz-Sdk-Checksum-Algorithm", "X-Amz-Date", "X-Amz-Content-Sha256", "Amz-Sdk-Invocation-Id", "Amz-Sdk-Request"}

// A write in one and one in parts, by either client, say the same of an object;
// all of it is signed.
func TestWhatIsSaidOfAnObject(t *testing.T) {
	both(t, func(t *testing.T, change []func(*Config)) {
		srv := memory(t)
		said := map[string]string{}
		b := openTest(t, between(t, srv, func(r *http.Request) bool {
			signed := r.Header.Get("Authorization")
			if signed == "" { // where the bucket is asked for
				return false
			}
			var lines []string
			for name, values := range r.Header {
				if slices.Contains(ofTransfer, name) {
					continue
				}
				lines = append(lines, name+": "+values[0]+"\n")
				if !strings.Contains(signed, strings.ToLower(name)) {
					t.Errorf("%s is not signed", name)
				}
			}
			slices.Sort(lines)
			said[mem.Operation(r)] = "\n" + strings.Join(lines, "")
			return false
		}), change...)
		srv.SetACLs(testBucket, true)
		srv.EnableLock(testBucket)
		if _, err := b.Put(t.Context(), everything()); err != nil {
			t.Fatal(err)
		}
		parts, err := b.Begin(t.Context(), everything())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parts.Complete(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, op := range []string{"PutObject", "CreateMultipartUpload"} {
			if said[op] != everythingSaid {
				t.Errorf("%s says %s, want %s", op, said[op], everythingSaid)
			}
		}
		if said["CompleteMultipartUpload"] != "\n" && said["CompleteMultipartUpload"] != "\nContent-Type: application/xml\n" {
			t.Errorf("the completion says %s", said["CompleteMultipartUpload"])
		}
	})
}

// What comes back is what was put, whichever request tells it; nothing that
// protects an object is lost on a malformed answer.
func TestAnswersDescribe(t *testing.T) {
	full := http.Header{
		"Etag": {`W/"abc"`}, "Content-Encoding": {"aws-chunked, zstd"}, "X-Amz-Tagging-Count": {"3"}, "X-Amz-Missing-Meta": {"2"},
		headerLockMode: {"GOVERNANCE"}, headerLockUntil: {"2999-01-02T03:04:05Z"}, headerHold: {"ON"}, headerSSE: {"aws:kms"},
		headerKMSKey: {"arn:k"}, headerBucketKey: {"true"}, "Expires": {"soon"}, headerRedirect: {"/x"},
	}
	o, err := objectOf("k", full, 5)
	want := store.Object{Key: "k", ETag: "abc", Size: 5, Length: 5, Encryption: "aws:kms", KMSKey: "arn:k", BucketKey: true, Tags: 3, HiddenMetadata: 2,
		Headers: store.Headers{ContentEncoding: "zstd", Expires: "soon", Redirect: "/x"},
		Lock:    store.Lock{Mode: "GOVERNANCE", Until: cooper.InstantOf(time.Date(2999, 1, 2, 3, 4, 5, 0, time.UTC)), LegalHold: true}}
	if err != nil || fmt.Sprintf("%+v", o) != fmt.Sprintf("%+v", want) {
		t.Errorf("%+v, %v; want %+v", o, err, want)
	}
	for name, value := range map[string]string{
		headerLockUntil: "tomorrow", "X-Amz-Tagging-Count": "-1", "X-Amz-Missing-Meta": "some", "X-Amz-Mp-Parts-Count": "0",
	} {
		if _, err := objectOf("k", http.Header{name: {value}}, 0); err == nil {
			t.Errorf("%s: %s is taken", name, value)
		}
	}
	if o, _ := objectOf("k", http.Header{headerHold: {"on"}}, 0); !o.Lock.LegalHold {
		t.Error("a legal hold in other letters is none")
	}
	for header, want := range map[string]int{"X-Amz-Tagging-Count": 0, "X-Amz-Other": store.Untold} {
		if o, err := objectOf("k", http.Header{header: {"0"}}, 0); err != nil || o.Tags != want {
			t.Errorf("%s: 0 says %d tags, %v; want %d", header, o.Tags, err, want)
		}
	}
}

// After an answer that got lost, only what bears all that was sent is ours.
func TestLostAnswerToPutIfMatch(t *testing.T) {
	for _, state := range []string{"", "Enabled", "Suspended"} {
		for _, sse := range []string{"AES256", "aws:kms"} {
			for _, c := range []struct {
				body string
				meta map[string]string
				want cooper.Kind
			}{
				{"", nil, ""}, // nobody writes meanwhile
				{"your", map[string]string{"origin": "mine"}, cooper.KindChanged},
				{"mine", map[string]string{"origin": "yours"}, cooper.KindChanged},
				{"mine", nil, cooper.KindChanged},
			} {
				srv := mem.New(mem.Options{})
				srv.CreateBucket(testBucket, state)
				srv.SetEncryption(testBucket, store.Encryption{Method: sse})
				srv.Put(testBucket, "k", []byte("old"), mem.PutOptions{})
				old := srv.Versions(testBucket)[0]
				var puts atomic.Int64
				b := openTest(t, between(t, srv, func(r *http.Request) bool {
					if r.Method != http.MethodPut {
						return false
					}
					n := puts.Add(1)
					if n == 2 && c.body != "" {
						srv.Put(testBucket, "k", []byte(c.body), mem.PutOptions{Metadata: c.meta, Checksum: "SHA256"})
					}
					return n == 1
				}))
				p := store.Put{Key: "k", Size: 4, Body: strings.NewReader("mine"), IfMatch: old.ETag, Metadata: map[string]string{"Origin": "mine "}}
				o, err := b.Put(t.Context(), p)
				if cooper.KindOf(err) != c.want || puts.Load() != 2 {
					t.Errorf("%q %s, then %q: %+v, %v", state, sse, c.body, o, err)
				}
				if err == nil {
					wantCurrent(t, srv, o, []byte("mine"))
				}
			}
		}
	}
}

func TestDescriptionsThatCannotBeSent(t *testing.T) {
	srv := memory(t)
	b := openTest(t, serve(t, srv))
	for name, change := range map[string]func(*store.Put){
		"header":          func(p *store.Put) { p.Headers.ContentEncoding = "a\nb" },
		"class":           func(p *store.Put) { p.StorageClass = "\x00" },
		"key without KMS": func(p *store.Put) { p.Encryption.KMSKey = "k" },
		"endless lock":    func(p *store.Put) { p.Lock.Mode = "COMPLIANCE" },
		"ETag":            func(p *store.Put) { p.IfMatch = "\r" },
	} {
		p := store.Put{Key: "k", Body: strings.NewReader("")}
		change(&p)
		if _, err := b.Put(t.Context(), p); cooper.KindOf(err) != cooper.KindInvalid {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := b.Begin(t.Context(), p); cooper.KindOf(err) != cooper.KindInvalid {
			t.Errorf("%s, in parts: %v", name, err)
		}
	}
	if n := srv.Counts(); n["PutObject"]+n["CreateMultipartUpload"] != 0 {
		t.Errorf("sent: %v", n)
	}
}

// FuzzTagging: tags arrive as they were meant.
func FuzzTagging(f *testing.F) {
	f.Add("a c", "x&y=z+1")
	f.Fuzz(func(t *testing.T, k, v string) {
		header := tagging(map[string]string{k: v, "other": "tag"})
		q, err := url.ParseQuery(header)
		if err != nil || q.Get(k) != v && k != "other" || !printable(header) {
			t.Errorf("%q=%q becomes %q, which says %v, %v", k, v, header, q, err)
		}
	})
}
