package replace

import (
	"bytes"
	"context"
	"crypto/sha256"
	"io"
	"strings"

	"cooper"
	"cooper/internal/apply"
	"cooper/internal/bucketop"
	"cooper/internal/store"
)

// magic begins what the verb of these tests has compressed.
const magic = "Z:"

func plainOf(b []byte) string { return strings.TrimPrefix(string(b), magic) }

// verb is a verb rewrite in small: it compresses by a prefix.
func (w *world) verb(b Bucket) apply.Verb { return small{w, b} }

type small struct {
	*world
	b Bucket
}

const originName = "cooper-origin"

func (s small) Do(ctx context.Context, a *cooper.Action) cooper.Outcome {
	v := &a.Version
	plain, _, err := s.get(ctx, store.Ref{Key: v.Key, VersionID: v.VersionID, IfMatch: v.ETag})
	origin := v.VersionID + " " + v.ETag + " " + v.LastModified.String()
	key := s.rw.Replacement(v.Key)
	if err != nil {
		if now, o, err := s.get(ctx, store.Ref{Key: key}); err == nil && o.Metadata[originName] == origin {
			return rewritten(now, o)
		}
		return failed(err)
	}
	if bytes.HasPrefix([]byte(plain), []byte(magic)) {
		return cooper.Outcome{Status: cooper.Done, Content: &cooper.Content{State: cooper.Left, Reason: "compressed already"}}
	}
	p := store.Put{Key: key, Size: int64(len(magic) + len(plain)), Body: strings.NewReader(magic + plain), Metadata: map[string]string{originName: origin}}
	if s.rw.Mode == bucketop.InPlace {
		p.IfMatch = v.ETag
	} else {
		p.IfNoneMatch = true
	}
	if s.versioning == "Suspended" {
		hidden := false
		if err := s.b.List(ctx, store.ListQuery{Prefix: key}, func(vs []cooper.Version, _ []string) error {
			for _, x := range vs {
				hidden = hidden || x.Key == key && x.VersionID == cooper.NullVersion && !x.Latest
			}
			return nil
		}); err != nil || hidden {
			return cooper.Outcome{Status: cooper.Failed, Kind: cooper.KindConflict, Message: "a null version behind would be overwritten"}
		}
	}
	o, err := s.b.Put(ctx, p)
	if kind := cooper.KindOf(err); kind == cooper.KindConflict || kind == cooper.KindChanged {
		now, there, err2 := s.get(ctx, store.Ref{Key: key})
		switch {
		case err2 == nil && kind == cooper.KindConflict && strings.TrimPrefix(now, magic) == plain,
			err2 == nil && kind == cooper.KindChanged && there.Metadata[originName] == origin:
			return rewritten(now, there)
		}
	}
	if err != nil {
		return failed(err)
	}
	o.Size = p.Size
	o.Key = key
	return rewritten(magic+plain, o)
}

func (s small) get(ctx context.Context, ref store.Ref) (string, store.Object, error) {
	o, body, err := s.b.Get(ctx, ref, store.Range{})
	if err != nil {
		return "", o, err
	}
	defer body.Close()
	b, err := io.ReadAll(body)
	return string(b), o, err
}

func rewritten(stored string, o store.Object) cooper.Outcome {
	plain := plainOf([]byte(stored))
	sum := sha256.Sum256([]byte(plain))
	return cooper.Outcome{Status: cooper.Done, Check: cooper.Verified, Content: &cooper.Content{
		State: cooper.Rewritten, PlainSize: int64(len(plain)), StoredSize: o.Size, SHA256: sum[:], Codec: "test",
		Stored: cooper.Identity{Key: o.Key, VersionID: o.VersionID, ETag: o.ETag, Size: o.Size, LastModified: o.LastModified},
	}}
}

func failed(err error) cooper.Outcome {
	return cooper.Outcome{Status: cooper.Failed, Kind: cooper.KindOf(err), Message: err.Error()}
}
