package remove

import (
	"context"
	"strings"
	"testing"

	"cooper"
	"cooper/internal/bucketop/bucketoptest"
	"cooper/internal/permit"
	"cooper/internal/store"
	"cooper/internal/store/mem"
)

// mute is a store that answers success to the removal of one key, and does nothing.
type mute struct {
	Bucket
	key string
}

func (b mute) Remove(ctx context.Context, p permit.Permit, rs []store.Removal) []error {
	var real []store.Removal
	for _, r := range rs {
		if r.Key != b.key {
			real = append(real, r)
		}
	}
	errs := make([]error, len(rs))
	for i, err := range b.Bucket.Remove(ctx, p, real) {
		errs[i] = err
	}
	return errs
}

// TestMisnamed: a key that has the sign for what a listing cannot tell counts as
// removed only if it is not listed any more.
func TestMisnamed(t *testing.T) {
	for _, versioning := range []string{"Enabled", ""} {
		w := newWorld(t, versioning, mem.Options{})
		w.put("p/a\ufffdb", "1")
		w.put("p/c\ufffdd", "1")
		w.put("p/e", "1")
		tg := w.target(t.TempDir(), versioning)
		tg = New(mute{w.bucket, "p/a\ufffdb"}, tg.opt)
		outs, err := w.commit(t.Context(), tg, w.actions("p/", versioning))
		if err != nil || bucketoptest.Statuses(outs) != "invalid done done" {
			t.Errorf("%q: %s, %v", versioning, bucketoptest.Statuses(outs), err)
		}
		if o := outs[0]; !strings.Contains(o.Message, "lists it still") || o.Remedy == "" || o.Status != cooper.Failed {
			t.Errorf("%+v", o)
		}
	}
}
