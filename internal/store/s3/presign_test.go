package s3

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"cooper"
	"cooper/internal/store"
	"cooper/internal/store/mem"
)

// TestPresignedAsTheSDKDoes: the address is the one that Amazon's own signer makes.
func TestPresignedAsTheSDKDoes(t *testing.T) {
	srv := mem.New(mem.Options{AccessKey: "access", SecretKey: "secret"})
	srv.CreateBucket(testBucket, "Enabled")
	b := openTest(t, serve(t, srv))
	for _, key := range []string{"a", "dir/b c+d%e", "é//..//x"} {
		got, until, err := b.Presign(t.Context(), store.Ref{Key: key, VersionID: "v 1"}, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		u := b.presign.at.url(key, params{{"versionId", "v 1"}, {"X-Amz-Expires", "60"}})
		want, _, err := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true }).PresignHTTP(t.Context(),
			aws.Credentials{AccessKeyID: "access", SecretAccessKey: "secret"}, &http.Request{Method: http.MethodGet, URL: u, Host: u.Host, Header: http.Header{}}, "UNSIGNED-PAYLOAD", "s3", b.region, until.Add(-time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		g, gerr := url.Parse(got)
		w, werr := url.Parse(want)
		if gerr != nil || werr != nil || g.EscapedPath() != w.EscapedPath() || !reflect.DeepEqual(g.Query(), w.Query()) {
			t.Errorf("%s\nand not\n%s", got, want)
		}
	}
}

// TestPresignedExpires: an address is good for as long as was asked, and no longer than the credentials.
func TestPresignedExpires(t *testing.T) {
	now := time.Date(2026, 3, 1, 0, 0, 0, 500, time.UTC)
	srv := mem.New(mem.Options{AccessKey: "access", SecretKey: "secret", Clock: func() time.Time { return now }})
	srv.CreateBucket(testBucket, "Enabled")
	b := openTest(t, serve(t, srv))
	b.now = func() time.Time { return now }
	id := srv.Put(testBucket, "k", []byte("x"), mem.PutOptions{})
	address, until, err := b.Presign(t.Context(), store.Ref{Key: "k", VersionID: id}, time.Minute)
	if err != nil || !until.Equal(now.Truncate(time.Second).Add(time.Minute)) {
		t.Fatal(until, err)
	}
	get := func() int {
		c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		res, err := c.Get(address)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
		return res.StatusCode
	}
	if now = now.Add(time.Minute); get() != http.StatusOK {
		t.Error("it is over too early")
	}
	if now = now.Add(time.Second); get() != http.StatusForbidden {
		t.Error("it is good for too long")
	}
	b.creds = aws.NewCredentialsCache(aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: "access", SecretAccessKey: "secret", SessionToken: "s+/=", CanExpire: true, Expires: now.Add(20 * time.Second)}, nil
	}))
	address, until, err = b.Presign(t.Context(), store.Ref{Key: "k", VersionID: id}, time.Minute)
	if err != nil || until.After(now.Add(20*time.Second)) || !strings.Contains(address, "X-Amz-Expires=20&") || !strings.Contains(address, "X-Amz-Security-Token=s%2B%2F%3D&") {
		t.Error(address, until, err)
	}
	if got := get(); got != http.StatusOK {
		t.Error(got)
	}
	b.creds = nil
	if _, _, err := b.Presign(t.Context(), store.Ref{Key: "k"}, time.Minute); cooper.KindOf(err) != cooper.KindDenied {
		t.Error(err)
	}
}
