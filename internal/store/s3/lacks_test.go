package s3

import (
	"bytes"
	"crypto/md5"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"cooper"
	"cooper/internal/permit"
	"cooper/internal/store"
	"cooper/internal/store/mem"
)

// learning opens the test bucket, and tells what was found lacking.
func learning(t *testing.T, h http.Handler, known ...Lack) (*Bucket, func() []Lack) {
	t.Helper()
	var mu sync.Mutex
	var found []Lack
	b := openTest(t, serve(t, h), func(c *Config) {
		c.Memory = func(string) ([]Lack, func(Lack)) {
			return known, func(l Lack) {
				mu.Lock()
				defer mu.Unlock()
				found = append(found, l)
			}
		}
	})
	return b, func() []Lack {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(found)
	}
}

func hasSum(h http.Header) bool {
	for name := range h {
		if strings.HasPrefix(name, "X-Amz-Checksum-") || name == "X-Amz-Sdk-Checksum-Algorithm" {
			return true
		}
	}
	return false
}

// A store that refuses headers with checksums is used without: the bytes are
// compared by MD5, objects checked by ETag, and the refusal is met once.
func TestChecksumHeadersThatAreRefused(t *testing.T) {
	for name, answer := range map[string]struct {
		status int
		body   string
	}{
		"Backblaze B2": {400, "<Error><Code>InvalidArgument</Code><Message>Unsupported header 'x-amz-checksum-sha256' received for this API call.</Message></Error>"},
		"S3Proxy":      {501, "<Error><Code>NotImplemented</Code><Message>A header you provided implies functionality that is not implemented.</Message></Error>"},
	} {
		srv := memory(t)
		refusals := 0
		var mu sync.Mutex
		b, learnt := learning(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if hasSum(r.Header) {
				mu.Lock()
				refusals++
				mu.Unlock()
				w.WriteHeader(answer.status)
				fmt.Fprint(w, answer.body)
				return
			}
			if r.Method == http.MethodPut && r.Header.Get("Content-Md5") == "" {
				t.Errorf("%s: nothing to compare the bytes with", name)
			}
			srv.ServeHTTP(w, r)
		}))
		body := []byte("content")
		for i := range 3 {
			if _, err := b.Put(t.Context(), store.Put{Key: fmt.Sprint("k", i), Size: int64(len(body)), Body: bytes.NewReader(body)}); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		for range 3 {
			o, rc, err := b.Get(t.Context(), store.Ref{Key: "k1"}, store.Range{})
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if got, err := io.ReadAll(rc); err != nil || !bytes.Equal(got, body) || o.ETag != fmt.Sprintf("%x", md5.Sum(body)) {
				t.Errorf("%s: %q, %+v, %v", name, got, o, err)
			}
			rc.Close()
		}
		var rs []store.Removal
		for _, v := range srv.Versions(testBucket) {
			rs = append(rs, store.Removal{Key: v.Key, VersionID: v.VersionID})
		}
		for _, err := range b.Remove(t.Context(), permit.Issue("r"), rs) {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if got := learnt(); !slices.Equal(got, []Lack{LacksSums, LacksSumMode}) || refusals != 2 {
			t.Errorf("%s: found %q after %d refusals", name, got, refusals)
		}
	}
}

// A refusal that has other reasons is no lack, and stays what it is.
func TestRefusalsThatAreNotOfTheHeader(t *testing.T) {
	for _, code := range []string{"InvalidRequest", "InvalidArgument", "NotImplemented"} {
		asked := 0
		b, learnt := learning(t, stub(func(w http.ResponseWriter, _ *http.Request) {
			asked++
			w.WriteHeader(map[bool]int{true: 501, false: 400}[code == "NotImplemented"])
			fmt.Fprintf(w, "<Error><Code>%s</Code><Message>A header is wrong.</Message></Error>", code)
		}))
		_, err := b.Put(t.Context(), store.Put{Key: "k", Body: bytes.NewReader(nil)})
		if err == nil || len(learnt()) > 0 || asked != 2 {
			t.Errorf("%s: %v, found %q after %d requests", code, err, learnt(), asked)
		}
	}
	// What the store knows neither with its checksum nor without is another lack.
	b, learnt := learning(t, stub(func(w http.ResponseWriter, r *http.Request) {
		status, code, message := 501, "NotImplemented", "DeleteObjects"
		switch {
		case hasSum(r.Header):
			status, code, message = 400, "InvalidArgument", "Unsupported header 'x-amz-checksum-sha256' received for this API call."
		case r.Method == http.MethodDelete:
			return
		}
		w.WriteHeader(status)
		fmt.Fprintf(w, "<Error><Code>%s</Code><Message>%s</Message></Error>", code, message)
	}))
	if err := b.Remove(t.Context(), permit.Issue("r"), []store.Removal{{Key: "k", VersionID: "v"}})[0]; err != nil || !slices.Equal(learnt(), []Lack{LacksDeleteMany}) {
		t.Errorf("%v, found %q", err, learnt())
	}
	// What got no answer without it may have been done.
	b, learnt = learning(t, stub(func(w http.ResponseWriter, r *http.Request) {
		if !hasSum(r.Header) {
			panic(http.ErrAbortHandler)
		}
		w.WriteHeader(400)
		fmt.Fprint(w, "<Error><Code>InvalidArgument</Code><Message>Unsupported header 'x-amz-checksum-sha256' received for this API call.</Message></Error>")
	}))
	err := b.Remove(t.Context(), permit.Issue("r"), []store.Removal{{Key: "k", VersionID: "v", Once: true}})[0]
	if cooper.KindOf(err) != cooper.KindStore || len(learnt()) > 0 {
		t.Errorf("%v (%s), found %q", err, cooper.KindOf(err), learnt())
	}
	// Damaged bytes are sent again, with their checksum.
	n := 0
	b, learnt = learning(t, stub(func(w http.ResponseWriter, r *http.Request) {
		if n++; n == 1 {
			w.WriteHeader(400)
			fmt.Fprint(w, "<Error><Code>BadDigest</Code><Message>The checksum did not match.</Message></Error>")
			return
		}
		if !hasSum(r.Header) {
			t.Error("sent again without its checksum")
		}
	}))
	if _, err := b.Put(t.Context(), store.Put{Key: "k", Body: bytes.NewReader(nil)}); err != nil || len(learnt()) > 0 {
		t.Error(err, learnt())
	}
}

// The environment may ask for what stores need that know no checksums.
func TestChecksumsOnlyWhenRequired(t *testing.T) {
	for name, value := range map[string]string{"AWS_REQUEST_CHECKSUM_CALCULATION": "when_required", "AWS_RESPONSE_CHECKSUM_VALIDATION": "when_required"} {
		t.Setenv(name, value)
	}
	srv := memory(t)
	b, learnt := learning(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if hasSum(r.Header) {
			t.Errorf("%s %s: %v", r.Method, r.URL, r.Header)
		}
		srv.ServeHTTP(w, r)
	}))
	if _, err := b.Put(t.Context(), store.Put{Key: "k", Body: bytes.NewReader(nil)}); err != nil {
		t.Error(err)
	}
	if _, err := b.Head(t.Context(), store.Ref{Key: "k"}, 0); err != nil || len(learnt()) > 0 {
		t.Error(err, learnt())
	}
	if os.Getenv("AWS_REQUEST_CHECKSUM_CALCULATION") == "" {
		t.Error("the test does not test")
	}
}

// What is asked only to be safe does not stop a run, nor hold it up.
func TestOptionalQuestions(t *testing.T) {
	list := "<ListBucketResult><Contents><Key>ctl\x01q</Key></Contents></ListBucketResult>"
	const ownership, acl, lock, encryption = "GetBucketOwnershipControls", "GetBucketAcl", "GetObjectLockConfiguration", "GetBucketEncryption"
	aes := store.Encryption{Method: "AES256"}
	type answer struct {
		status int
		body   string
	}
	for name, c := range map[string]struct {
		answers map[string]answer
		want    store.Settings
		lacks   []Lack
	}{
		"Ceph 16 lists the bucket": {map[string]answer{ownership: {200, list}}, store.Settings{Grants: true, Encryption: aes, Owner: mem.Owner}, []Lack{LacksOwnership}},
		"Swift lists the bucket":   {map[string]answer{ownership: {200, list}, encryption: {200, list}}, store.Settings{Grants: true, Owner: mem.Owner}, []Lack{LacksEncryption, LacksOwnership}},
		"Swift cannot list it":     {map[string]answer{ownership: {500, s3Error("InternalError")}, encryption: {500, s3Error("InternalError")}}, store.Settings{Grants: true, Owner: mem.Owner}, nil},
		"S3Mock":                   {map[string]answer{lock: {400, "<Error><Code>InvalidRequest</Code><Message>Bucket is missing Object Lock Configuration</Message></Error>"}}, store.Settings{Encryption: aes}, nil},
		"MinIO":                    {map[string]answer{ownership: {501, s3Error("NotImplemented")}, acl: {200, minioACL}}, store.Settings{Encryption: aes}, []Lack{LacksOwnership}},
		"nothing known":            {map[string]answer{ownership: {405, s3Error("MethodNotAllowed")}, acl: {501, ""}, lock: {501, s3Error("NotImplemented")}, encryption: {400, s3Error("NotImplemented")}}, store.Settings{}, []Lack{LacksACL, LacksEncryption, LacksLock, LacksOwnership}},
	} {
		for _, again := range []bool{false, true} {
			srv := memory(t)
			asked := map[string]int{}
			var known []Lack
			if again {
				known = c.lacks
			}
			b, learnt := learning(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				op := mem.Operation(r)
				asked[op]++
				if a, ok := c.answers[op]; ok {
					w.WriteHeader(a.status)
					fmt.Fprint(w, a.body)
					return
				}
				srv.ServeHTTP(w, r)
			}), known...)
			got, err := b.Settings(t.Context())
			if err != nil || got != c.want {
				t.Errorf("%s: %+v, %v; want %+v", name, got, err, c.want)
			}
			found := learnt()
			slices.Sort(found)
			if want := map[bool][]Lack{false: c.lacks}[again]; !slices.Equal(found, want) {
				t.Errorf("%s: found %q, want %q", name, found, want)
			}
			if n := slices.Max(slices.Collect(maps.Values(asked))); n > 2 {
				t.Errorf("%s: asked %v", name, asked)
			}
		}
	}
}

// An answer to ?tagging that is no tags is none of a store that does not know them, and
// an error of one that does.
func TestTagsThatAreSomethingElse(t *testing.T) {
	srv := memory(t)
	srv.Put(testBucket, "k", nil, mem.PutOptions{Tags: map[string]string{"a": "b"}})
	content := true
	b, learnt := learning(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if mem.Operation(r) == "GetObjectTagging" && content {
			fmt.Fprint(w, "time,value\n1,2\n")
			return
		}
		srv.ServeHTTP(w, r)
	}))
	if tags, err := b.Tags(t.Context(), store.Ref{Key: "k"}); err != nil || len(tags) > 0 || len(learnt()) > 0 {
		t.Error(tags, err, learnt())
	}
	content = false
	if tags, err := b.Tags(t.Context(), store.Ref{Key: "k"}); err != nil || len(tags) != 1 {
		t.Error(tags, err)
	}
	content = true
	if tags, err := b.Tags(t.Context(), store.Ref{Key: "k"}); err == nil {
		t.Error("tags that were there are none: ", tags)
	}
}

// A grant to nobody beside an owner without an id is the owner's.
func TestGrantsOfAnOwnerWithoutAnID(t *testing.T) {
	b := openTest(t, serve(t, stub(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, minioACL) })))
	if grants, err := b.Grants(t.Context(), store.Ref{Key: "k"}); err != nil || len(grants) > 0 {
		t.Error(grants, err)
	}
}

// A store that does not know ?versioning has no versions, and the way that is left is
// named where it cannot list them.
func TestStoresWithoutVersions(t *testing.T) {
	for _, doc := range []string{s3Error("NotImplemented"), "<ListBucketResult/>"} {
		b := openTest(t, serve(t, stub(func(w http.ResponseWriter, _ *http.Request) {
			if strings.HasPrefix(doc, "<List") {
				doc = strings.Replace(doc, "ListBucketResult", "ListBucketVersionsResult", 1)
			} else {
				w.WriteHeader(http.StatusNotImplemented)
			}
			fmt.Fprint(w, doc)
		})))
		if status, err := b.Versioning(t.Context()); err != nil || status != "" {
			t.Errorf("%q, %v", status, err)
		}
		err := b.List(t.Context(), store.ListQuery{}, func([]cooper.Version, []string) error { return nil })
		if cooper.KindOf(err) != cooper.KindInvalid || !strings.Contains(cooper.RemedyOf(err), "--current") {
			t.Errorf("%v: %s", err, cooper.RemedyOf(err))
		}
	}
	for _, code := range []string{"AccessDenied", "InternalError"} {
		b := openTest(t, refusing(t, memory(t), map[string]string{"GetBucketVersioning": code}))
		if status, err := b.Versioning(t.Context()); err == nil {
			t.Errorf("%s: %q", code, status)
		}
	}
}

// No request signs Accept-Encoding, whoever sends it: Google changes it.
func TestAcceptEncodingIsNotSigned(t *testing.T) {
	both(t, func(t *testing.T, change []func(*Config)) {
		srv := mem.New(mem.Options{AccessKey: "access", SecretKey: "secret"})
		srv.CreateBucket(testBucket, "Enabled")
		seen := map[string]bool{}
		b := openTest(t, serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.Contains(r.Header.Get("Authorization"), "accept-encoding") {
				t.Errorf("%s signs Accept-Encoding", mem.Operation(r))
			}
			if got := r.Header.Get(acceptEncoding); (r.Method == http.MethodGet || r.Method == http.MethodHead) && got != "identity" {
				t.Errorf("%s says Accept-Encoding: %q", mem.Operation(r), got)
			}
			seen[mem.Operation(r)] = true
			srv.ServeHTTP(w, r)
		})), change...)
		o, err := b.Put(t.Context(), store.Put{Key: "k", Body: bytes.NewReader(nil)})
		if err != nil {
			t.Fatal(err)
		}
		_, rc, err := b.Get(t.Context(), store.Ref{Key: "k"}, store.Range{})
		if err != nil {
			t.Fatal(err)
		}
		rc.Close()
		_, herr := b.Head(t.Context(), store.Ref{Key: "k"}, 0)
		_, serr := b.Settings(t.Context())
		_, verr := b.Versioning(t.Context())
		_, lerr := listAll(t, b, store.ListQuery{})
		errs := b.Remove(t.Context(), permit.Issue("r"), []store.Removal{{Key: "k", VersionID: o.VersionID}})
		for _, err := range append(errs, herr, serr, verr, lerr) {
			if err != nil {
				t.Error(err)
			}
		}
		if len(seen) < 9 {
			t.Errorf("seen: %v", seen)
		}
	})
}

// What was found in an earlier process counts, but for tags and ACLs, which one wrong
// answer would cost: they are asked for again, and nobody is told twice.
func TestKnownLacks(t *testing.T) {
	var learnt []Lack
	l := newLacks([]Lack{LacksTags, LacksACL, LacksSumMode}, func(one Lack) { learnt = append(learnt, one) })
	if l.lacks(LacksTags) || !l.open(LacksTags) || l.lacks(LacksACL) || !l.lacks(LacksSumMode) {
		t.Error("tags or ACLs are believed to be lacking, or what does no harm is not")
	}
	for _, one := range []Lack{LacksTags, LacksACL, LacksLock} {
		l.missing(one)
	}
	if !l.lacks(LacksTags) || !slices.Equal(learnt, []Lack{LacksLock}) {
		t.Errorf("learnt %v", learnt)
	}
}

// A versioned bucket is no bucket without versions for the name that a store gives
// its answer.
func TestVersioningByAnotherName(t *testing.T) {
	for root, want := range map[string]string{"VersioningConfiguration": "Enabled", "GetBucketVersioningResponse": "Enabled", "ListBucketResult": ""} {
		b := openTest(t, serve(t, stub(func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintf(w, `<?xml version="1.0"?><%s xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Status>Enabled</Status></%s>`, root, root)
		})))
		if got, err := b.Versioning(t.Context()); err != nil || got != want {
			t.Errorf("%s: %q, %v", root, got, err)
		}
	}
}
