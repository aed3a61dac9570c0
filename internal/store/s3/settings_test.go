package s3

import (
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"

	"cooper"
	"cooper/internal/store"
	"cooper/internal/store/mem"
)

// refusing answers the requests of some operations with errors.
func refusing(t *testing.T, srv http.Handler, answers map[string]string) string {
	t.Helper()
	return serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		code := answers[mem.Operation(r)]
		status := http.StatusNotFound
		switch code {
		case "":
			srv.ServeHTTP(w, r)
			return
		case "AccessDenied":
			status = http.StatusForbidden
		case "NotImplemented":
			status = http.StatusNotImplemented
		case "InternalError":
			status = http.StatusInternalServerError
		}
		w.WriteHeader(status)
		fmt.Fprint(w, s3Error(code))
	}))
}

func TestSettings(t *testing.T) {
	const ownership, acl, lock, encryption = "GetBucketOwnershipControls", "GetBucketAcl", "GetObjectLockConfiguration", "GetBucketEncryption"
	kms := store.Encryption{Method: "aws:kms", KMSKey: "arn:aws:kms:us-east-1:1:key/k", BucketKey: true}
	for name, c := range map[string]struct {
		arrange func(*mem.Server)
		answers map[string]string
		want    store.Settings
		kind    cooper.Kind
	}{
		"as new": {want: store.Settings{Encryption: store.Encryption{Method: "AES256"}}},
		"all": {arrange: func(s *mem.Server) {
			s.SetACLs(testBucket, true)
			s.EnableLock(testBucket)
			s.SetEncryption(testBucket, kms)
		}, want: store.Settings{Grants: true, Lock: true, Encryption: kms, Owner: mem.Owner}},
		"nothing set":    {answers: map[string]string{ownership: "OwnershipControlsNotFoundError", lock: "ObjectLockConfigurationNotFoundError", encryption: "ServerSideEncryptionConfigurationNotFoundError"}, want: store.Settings{Grants: true, Owner: mem.Owner}},
		"nothing known":  {answers: map[string]string{ownership: "NotImplemented", acl: "NotImplemented", lock: "NotImplemented", encryption: "NotImplemented"}},
		"all denied":     {answers: map[string]string{ownership: "AccessDenied", acl: "AccessDenied", lock: "AccessDenied", encryption: "AccessDenied"}, want: store.Settings{Grants: true, Lock: true}},
		"failing":        {answers: map[string]string{lock: "InternalError"}, kind: cooper.KindStore},
		"no such bucket": {answers: map[string]string{encryption: "NoSuchBucket"}, kind: cooper.KindMissing},
	} {
		srv := memory(t)
		if c.arrange != nil {
			c.arrange(srv)
		}
		b := openTest(t, refusing(t, srv, c.answers))
		got, err := b.Settings(t.Context())
		if cooper.KindOf(err) != c.kind || err == nil && got != c.want {
			t.Errorf("%s: %+v, %v; want %+v, kind %q", name, got, err, c.want, c.kind)
		}
	}
}

// What may not be read is an error, never nothing.
func TestTagsAndGrantsThatAreNotTold(t *testing.T) {
	for code, kind := range map[string]cooper.Kind{"AccessDenied": cooper.KindDenied, "NotImplemented": "", "NoSuchKey": cooper.KindMissing, "InternalError": cooper.KindStore} {
		srv := memory(t)
		srv.Put(testBucket, "k", nil, mem.PutOptions{Tags: map[string]string{"a": "b"}})
		b := openTest(t, refusing(t, srv, map[string]string{"GetObjectTagging": code, "GetObjectAcl": code}))
		tags, err := b.Tags(t.Context(), store.Ref{Key: "k"})
		if cooper.KindOf(err) != kind || len(tags) != 0 {
			t.Errorf("tags, %s: %v, %v", code, tags, err)
		}
		if grants, err := b.Grants(t.Context(), store.Ref{Key: "k"}); cooper.KindOf(err) != kind || len(grants) != 0 {
			t.Errorf("grants, %s: %v, %v", code, grants, err)
		}
	}
	srv := memory(t)
	id := srv.Delete(testBucket, "k")
	b := openTest(t, serve(t, srv))
	for _, ref := range []store.Ref{{Key: "k"}, {Key: "k", VersionID: id}} {
		if _, err := b.Tags(t.Context(), ref); cooper.KindOf(err) != cooper.KindMissing {
			t.Errorf("tags of a delete marker: %v", err)
		}
	}
}

// Where the owner is not told, the whole ACL is, so that none of it is lost.
func TestGrantsOfAnUnknownOwner(t *testing.T) {
	srv := memory(t)
	srv.SetACLs(testBucket, true)
	srv.Put(testBucket, "k", nil, mem.PutOptions{})
	b := openTest(t, refusing(t, srv, map[string]string{"GetBucketAcl": "AccessDenied"}))
	got, err := b.Grants(t.Context(), store.Ref{Key: "k"})
	if err != nil || len(got) != 1 || got[0] != ownersRight(mem.Owner) {
		t.Fatalf("%+v, %v", got, err)
	}
	if _, err := b.Put(t.Context(), store.Put{Key: "copy", Body: strings.NewReader(""), Grants: got}); err != nil {
		t.Fatal(err)
	}
	if copied, err := b.Grants(t.Context(), store.Ref{Key: "copy"}); err != nil || len(copied) != 1 || copied[0] != got[0] {
		t.Errorf("%+v, %v", copied, err)
	}
}

func TestMalformedTagsAndGrants(t *testing.T) {
	for body, request := range map[string]func(*Bucket) error{
		"<Tagging><TagSet><Tag><Key>a</Key><Value>1</Value></Tag><Tag><Key>a</Key><Value>2</Value></Tag></TagSet></Tagging>": func(b *Bucket) error {
			_, err := b.Tags(t.Context(), store.Ref{Key: "k"})
			return err
		},
		"<AccessControlPolicy><AccessControlList><Grant><Permission>READ</Permission></Grant></AccessControlList></AccessControlPolicy>": func(b *Bucket) error {
			_, err := b.Grants(t.Context(), store.Ref{Key: "k"})
			return err
		},
	} {
		b := openTest(t, serve(t, stub(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, body) })))
		if err := request(b); cooper.KindOf(err) != cooper.KindInvalid {
			t.Errorf("%s: %v", body, err)
		}
	}
}

// Versions have their own tags.
func TestTagsByVersion(t *testing.T) {
	srv := memory(t)
	b := openTest(t, serve(t, srv))
	for i := range 2 {
		want := map[string]string{"n": fmt.Sprint(i)}
		id := srv.Put(testBucket, "k", nil, mem.PutOptions{Tags: want})
		srv.Put(testBucket, "k", nil, mem.PutOptions{})
		if got, err := b.Tags(t.Context(), store.Ref{Key: "k", VersionID: id}); err != nil || !maps.Equal(got, want) {
			t.Errorf("%v, %v; want %v", got, err, want)
		}
	}
}

// An object under a customer's key is said to be one.
func TestCustomersKey(t *testing.T) {
	srv := memory(t)
	srv.Put(testBucket, "k", []byte("x"), mem.PutOptions{Encryption: "SSE-C"})
	b := openTest(t, serve(t, srv))
	_, _, err := b.Get(t.Context(), store.Ref{Key: "k"}, store.Range{})
	if cooper.KindOf(err) != cooper.KindInvalid || !strings.Contains(err.Error(), "Server Side Encryption") {
		t.Error(err)
	}
}
