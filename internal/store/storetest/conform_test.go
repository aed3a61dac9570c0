package storetest_test

import (
	"net/http/httptest"
	"testing"

	"cooper/internal/store/mem"
	"cooper/internal/store/s3"
	"cooper/internal/store/storetest"
)

func TestS3OverMemory(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "access")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	storetest.Run(t, func(t *testing.T) storetest.Env {
		srv := mem.New(mem.Options{AccessKey: "access", SecretKey: "secret", PageSize: 7})
		srv.CreateBucket("bucket", "")
		web := httptest.NewServer(srv)
		t.Cleanup(web.Close)
		b, err := s3.Open(t.Context(), "bucket", s3.Config{Endpoint: web.URL})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { b.Close() })
		return storetest.Env{
			Reader: b, Writer: b, Lister: b, Archiver: b, PageSize: 7,
			Seed:            storetest.NewClient(web.URL, "access", "secret", "bucket"),
			CompleteRestore: func(key, id string) { srv.CompleteRestore("bucket", key, id) },
		}
	})
}
