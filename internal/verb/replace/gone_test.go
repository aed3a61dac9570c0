package replace

import (
	"context"
	"strings"
	"testing"

	"cooper"
	"cooper/internal/bucketop/bucketoptest"
	"cooper/internal/store"
	"cooper/internal/store/mem"
)

// listing is a store whose listings show superseded versions otherwise than they
// were.
type listing struct {
	realBucket
	change func(v *cooper.Version)
}

func (b listing) List(ctx context.Context, q store.ListQuery, page func([]cooper.Version, []string) error) error {
	return b.realBucket.List(ctx, q, func(vs []cooper.Version, prefixes []string) error {
		for i := range vs {
			if !vs[i].Latest {
				b.change(&vs[i])
			}
		}
		return page(vs, prefixes)
	})
}

// TestListedIsThere: an original counts as gone only if its id is not listed; what
// else the listing says of it decides whether it is removed, or stays and is told.
func TestListedIsThere(t *testing.T) {
	for name, c := range map[string]struct {
		null       bool // it was there before versioning was enabled
		change     func(v *cooper.Version)
		want, left string
	}{
		"as it was":               {false, func(*cooper.Version) {}, "done", "k=Z:1!"},
		"dated anew":              {false, func(v *cooper.Version) { v.LastModified += 60_000 }, "done", "k=Z:1!"},
		"without an ETag":         {false, func(v *cooper.Version) { v.ETag = "" }, "done", "k=Z:1!"},
		"another ETag":            {false, func(v *cooper.Version) { v.ETag = "f" }, "changed", "k=Z:1! k=1"},
		"another size":            {false, func(v *cooper.Version) { v.Size++ }, "changed", "k=Z:1! k=1"},
		"null, as it was":         {true, func(*cooper.Version) {}, "done", "k=Z:1!"},
		"null, dated anew":        {true, func(v *cooper.Version) { v.LastModified += 60_000 }, "changed", "k=Z:1! k=1"},
		"null, another ETag":      {true, func(v *cooper.Version) { v.ETag = "f" }, "changed", "k=Z:1! k=1"},
		"null, a delete marker":   {true, func(v *cooper.Version) { v.DeleteMarker = true }, "changed", "k=Z:1! k=1"},
		"null, and without a tag": {true, func(v *cooper.Version) { v.ETag = "" }, "done", "k=Z:1!"},
	} {
		t.Run(name, func(t *testing.T) {
			versioning := enabled
			if c.null {
				versioning = ""
			}
			w := newWorld(t, versioning, inPlace, mem.Options{})
			w.put("p/k", "1")
			w.Server.SetVersioning("lab", enabled)
			w.versioning, w.rw.Versioning = enabled, enabled
			w.swap = func(b realBucket) realBucket { return listing{b, c.change} }
			outs := w.must(w.planOf(w.plan()))
			if bucketoptest.Statuses(outs) != c.want || w.versions() != c.left {
				t.Errorf("%s, left: %s", bucketoptest.Statuses(outs), w.versions())
			}
			if told := strings.Contains(outs[0].Message, "the original stayed"); told != (c.want == "changed") {
				t.Errorf("%+v", outs[0])
			}
		})
	}
}
