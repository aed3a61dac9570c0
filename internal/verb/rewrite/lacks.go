package rewrite

import (
	"context"
	"slices"
	"strings"

	"cooper"
	"cooper/internal/bucketop"
	"cooper/internal/store"
)

// lacks names what would be lost with the original, as what is there does not
// have it: p is how the replacement would have been written. Empty says that it
// has everything. What we wrote for this version has what was sent with it, but
// for tags and ACL that an earlier version of this program was not told of. Content type and storage
// class are passed over, since programs guess and default them.
func (j *job) lacks(ctx context.Context, t *there, p *store.Put) (string, error) {
	replaced := j.inPlace() && j.v.VersionID == cooper.NullVersion && j.opt.Rewriting.Versioning != versioned // it is gone
	if replaced || j.opt.Rewriting.Originals != bucketop.RemoveOriginals {
		return "", nil
	}
	if what := lacksHeaders(&t.object, p); t.origin == nil && what != "" {
		return what, nil
	}
	if len(p.Tags) > 0 {
		tags, err := j.tags(ctx, &t.version.Identity)
		if err != nil {
			return "", err
		}
		for name, value := range p.Tags {
			if is, ok := tags[name]; !ok || is != value {
				return "tags", nil
			}
		}
	}
	if len(p.Grants) > 0 {
		grants, err := j.grants(ctx, &t.version.Identity)
		if err != nil {
			return "", err
		}
		for _, g := range p.Grants {
			if !slices.Contains(grants, g) {
				return "ACL", nil
			}
		}
	}
	return "", nil
}

// lacksHeaders looks at what a HEAD tells.
func lacksHeaders(is *store.Object, p *store.Put) string {
	// Sums of the bytes are as various as the bytes.
	ours, _ := ofBytes(p.Metadata, nil)
	theirs, _ := ofBytes(is.Metadata, nil)
	for name, value := range ours {
		there, ok := theirs[name]
		if name != OriginName && (!ok || strings.TrimSpace(there) != strings.TrimSpace(value)) {
			return "metadata"
		}
	}
	for _, h := range []struct{ name, was, is string }{
		{"Cache-Control", p.Headers.CacheControl, is.Headers.CacheControl},
		{"Content-Disposition", p.Headers.ContentDisposition, is.Headers.ContentDisposition},
		{"Content-Language", p.Headers.ContentLanguage, is.Headers.ContentLanguage},
		{"Expires", p.Headers.Expires, is.Headers.Expires},
		{"website redirect", p.Headers.Redirect, is.Headers.Redirect},
	} {
		if h.was != "" && h.was != h.is {
			return h.name
		}
	}
	return ""
}
