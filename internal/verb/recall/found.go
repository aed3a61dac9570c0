package recall

import (
	"cmp"
	"context"
	"net/url"
	"slices"
	"strings"

	"cooper"
	"cooper/internal/gcop"
	"cooper/internal/manifest"
	"cooper/internal/store"
)

// Found is an object of which the archive tells.
type Found struct {
	Bucket, Key string // as its handles name it
	Bytes       int64
	// Handles are those that its manifest has; of one that no manifest tells of, the one that its metadata has.
	Handles []FoundHandle
	// Scope is that of the handles; empty where no manifest tells of them.
	Scope string
	// At is when it was archived, as far as that is known.
	At cooper.Instant
}

// FoundHandle is a handle of an object.
type FoundHandle struct{ Kind, ID string }

// Find gives the objects that an archive bucket has, by bucket and key, from its manifests and from what the copies say of
// themselves. wants tells which of them are wanted, so that no more is kept in memory; nil: all. What has no
// manifest has not gone from its place, or its manifest is lost: its copy tells of it.
//
// A manifest that cannot be read is an error: nobody knows of which handles it tells.
func Find(ctx context.Context, from manifest.Bucket, wants func(bucket, key string) bool) ([]Found, error) {
	if wants == nil {
		wants = func(string, string) bool { return true }
	}
	told, err := manifests(ctx, from, wants)
	if err != nil {
		return nil, err
	}
	var all []Found
	var last string
	each := func(v *cooper.Version) error {
		bucket, key, ok := strings.Cut(v.Key, "/")
		if v.DeleteMarker || v.Key == last || !ok || strings.HasPrefix(v.Key, gcop.Internal) {
			return nil
		}
		last = v.Key
		if f, known := told[v.Key]; known {
			f.Bytes = v.Size
			all = append(all, *f)
			return nil
		}
		if !wants(bucket, key) && !wants(bucket, strings.TrimSuffix(key, compressedSuffix)) {
			return nil
		}
		got, err := from.Head(ctx, store.Ref{Key: v.Key, VersionID: v.VersionID}, 0)
		if err != nil {
			return err
		}
		c := copied{Object: got}
		if !c.isCopyOf(bucket, key) {
			return nil // not ours
		}
		f := Found{Bucket: bucket, Key: key, Bytes: v.Size, At: v.LastModified}
		if h := c.Metadata[gcop.NoteHandle]; h != "" {
			h, _, _ = strings.Cut(h, " ") // how many more there are
			name, err := url.QueryUnescape(h)
			if err != nil {
				return &cooper.Error{Kind: cooper.KindInvalid, Where: cooper.Quote(v.Key), Message: "its handle cannot be read", Err: err}
			}
			f.Handles = []FoundHandle{{ID: name}}
			if kind, id, ok := strings.Cut(name, ":"); ok {
				f.Handles[0] = FoundHandle{kind, id}
			}
		}
		all = append(all, f)
		return nil
	}
	err = from.List(ctx, store.ListQuery{}, func(vs []cooper.Version, _ []string) error {
		for i := range vs {
			if err := each(&vs[i]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(all, func(a, b Found) int { return cmp.Or(cmp.Compare(a.Bucket, b.Bucket), cmp.Compare(a.Key, b.Key)) })
	return merged(all), nil
}

// merged puts together what was archived as KEY and as KEY.zst.
func merged(all []Found) (some []Found) {
	for _, f := range all {
		n := len(some)
		if n == 0 || some[n-1].Bucket != f.Bucket || some[n-1].Key != f.Key {
			some = append(some, f)
			continue
		}
		if f.At > some[n-1].At {
			some[n-1], f = f, some[n-1]
		}
		for _, h := range f.Handles {
			if !slices.Contains(some[n-1].Handles, h) {
				some[n-1].Handles = append(some[n-1].Handles, h)
			}
		}
	}
	return some
}

// manifests reads all that there are, by the key in the archive.
func manifests(ctx context.Context, from manifest.Bucket, wants func(bucket, key string) bool) (map[string]*Found, error) {
	told := map[string]*Found{}
	err := manifest.Each(ctx, from, func(_ string, head *manifest.Head, m *manifest.Line) error {
		key := m.Version.Key
		if m.For != "" {
			key = m.For
		}
		if !wants(m.Bucket, key) && !wants(m.Bucket, m.Version.Key) {
			return nil
		}
		at := gcop.ArchiveKey(m.Bucket, m.Version.Key)
		f := told[at]
		if f == nil {
			f = &Found{Bucket: m.Bucket, Key: key, Scope: head.Scope, At: head.Time}
			told[at] = f
		}
		if len(m.Handles) > 0 && (len(f.Handles) == 0 || head.Time >= f.At) {
			f.Handles, f.Scope, f.At = nil, head.Scope, head.Time
			for _, h := range m.Handles {
				f.Handles = append(f.Handles, FoundHandle{h.Kind, h.ID})
			}
		}
		f.Key = key
		return nil
	})
	return told, err
}
