package job

import (
	"context"
	"testing"

	"cooper"
	"cooper/internal/store"
)

// tagged answers for tags and HEAD, by key.
type tagged struct {
	store.Reader
	store.Describer
	tags, head map[string]cooper.Kind
}

func (t tagged) Tags(_ context.Context, ref store.Ref) (map[string]string, error) {
	return nil, kindError(t.tags[ref.Key])
}

func (t tagged) Head(_ context.Context, ref store.Ref, _ int) (store.Object, error) {
	return store.Object{}, kindError(t.head[ref.Key])
}

func kindError(k cooper.Kind) error {
	if k == "" {
		return nil
	}
	return &cooper.Error{Kind: k}
}

func TestMayReadTags(t *testing.T) {
	type kinds = map[string]cooper.Kind
	for _, c := range []struct {
		name       string
		tags, head kinds
		want       cooper.Kind
	}{
		{"told", nil, nil, ""},
		{"denied", kinds{"a": cooper.KindDenied}, nil, cooper.KindRefused},
		{"the first is gone", kinds{"a": cooper.KindMissing, "b": cooper.KindDenied}, nil, cooper.KindRefused},
		{"one that nobody may read", kinds{"a": cooper.KindDenied}, kinds{"a": cooper.KindDenied}, ""},
		{"the store is down", kinds{"a": cooper.KindStore}, nil, cooper.KindStore},
	} {
		actions := []cooper.Action{{Version: cooper.Version{Identity: cooper.Identity{Key: "a"}}}, {Version: cooper.Version{Identity: cooper.Identity{Key: "b"}}}}
		if err := mayReadTags(context.Background(), tagged{tags: c.tags, head: c.head}, actions); cooper.KindOf(err) != c.want {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}
