package mem_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"

	"cooper/internal/store/mem"
)

const bucket = "b"

// serve starts a server with keys configured, so that every request of every
// test has its signature checked.
func serve(t testing.TB, o mem.Options, versioning string) (*mem.Server, *s3.Client, string) {
	t.Helper()
	o.AccessKey, o.SecretKey = "access", "secret"
	srv := mem.New(o)
	srv.CreateBucket(bucket, versioning)
	web := httptest.NewServer(srv)
	t.Cleanup(web.Close)
	return srv, client(web.URL, "us-east-1", "secret"), web.URL
}

func client(url, region, secret string) *s3.Client {
	return s3.New(s3.Options{
		Region: region, BaseEndpoint: &url, UsePathStyle: true, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("access", secret, ""),
	})
}

// do sends a request past the network, without a signature.
func do(t testing.TB, srv *mem.Server, method, target, body string, headers ...string) (int, http.Header, string) {
	t.Helper()
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	for i := 0; i < len(headers); i += 2 {
		if headers[i+1] != "" {
			r.Header.Set(headers[i], headers[i+1])
		}
	}
	w := httptest.NewRecorder()
	srv.ServeHTTP(w, r)
	return w.Code, w.Header(), w.Body.String()
}

func ctx() context.Context { return context.Background() }

// code is the S3 error code of err, empty if there is none.
func code(err error) string {
	var e smithy.APIError
	if errors.As(err, &e) {
		return e.ErrorCode()
	}
	return ""
}

func str(s string) *string { return aws.String(s) }
