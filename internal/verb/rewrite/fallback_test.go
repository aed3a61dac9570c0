package rewrite

import (
	"bytes"
	"context"

	"cooper/internal/store"
	"cooper/internal/store/s3"
)

type fallback struct{ *s3.Bucket }

func (fallback) Tags(context.Context, store.Ref) (map[string]string, error) { return nil, nil }
func (fallback) Grants(context.Context, store.Ref) ([]store.Grant, error)   { return nil, nil }
func (fallback) Settings(context.Context) (store.Settings, error)           { return store.Settings{}, nil }
func (f fallback) Begin(_ context.Context, p store.Put) (store.Parts, error) {
	return &fparts{f: f, p: p}, nil
}
func (fallback) Discard(context.Context, string, string) error { return nil }

type fparts struct {
	f fallback
	p store.Put
	b []byte
}

func (p *fparts) UploadID() string { return "u" }
func (p *fparts) PartSize() int    { return 16 << 20 }
func (p *fparts) Part(_ context.Context, b []byte) error {
	p.b = append(p.b, b...)
	return nil
}
func (p *fparts) Complete(ctx context.Context) (store.Object, error) {
	p.p.Body, p.p.Size = bytes.NewReader(p.b), int64(len(p.b))
	return p.f.Put(ctx, p.p)
}
func (p *fparts) Abort(context.Context) error { return nil }
