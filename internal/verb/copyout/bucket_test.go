package copyout

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"strings"
	"sync"
	"testing"

	"cooper"
	"cooper/internal/plan"
	"cooper/internal/store"
	"cooper/internal/tree"
)

// objects is a bucket in memory that counts requests.
type objects struct {
	mu    sync.Mutex
	by    map[string]object
	heads int
	puts  []string
	deny  bool // every PUT
}

type object struct {
	content string
	etag    string
	parts   int64 // size of its parts, if it has any
	crc     map[string]string
}

func plainObject(content string) object {
	sum := md5.Sum([]byte(content))
	return object{content: content, etag: hex.EncodeToString(sum[:])}
}

func (b *objects) Get(context.Context, store.Ref, store.Range) (store.Object, io.ReadCloser, error) {
	panic("a restore reads nothing from its destination")
}

func (b *objects) Head(_ context.Context, ref store.Ref, part int) (store.Object, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.heads++
	o, ok := b.by[ref.Key]
	if !ok {
		return store.Object{}, &cooper.Error{Kind: cooper.KindMissing, Message: "no such key"}
	}
	out := store.Object{Key: ref.Key, ETag: o.etag, Size: int64(len(o.content)), Checksums: o.crc}
	if part > 0 && o.parts > 0 {
		out.Parts = int((out.Size + o.parts - 1) / o.parts)
		out.Length = min(o.parts, out.Size-int64(part-1)*o.parts)
	}
	return out, nil
}

func (b *objects) Put(_ context.Context, p store.Put) (store.Object, error) {
	body, err := io.ReadAll(p.Body)
	if err != nil || int64(len(body)) != p.Size {
		return store.Object{}, fmt.Errorf("%d bytes of %d: %w", len(body), p.Size, err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.deny {
		return store.Object{}, &cooper.Error{Kind: cooper.KindDenied, Message: "no"}
	}
	if _, there := b.by[p.Key]; there && p.IfNoneMatch {
		return store.Object{}, &cooper.Error{Kind: cooper.KindConflict, Message: "there already"}
	}
	b.by[p.Key] = plainObject(string(body))
	b.puts = append(b.puts, p.Key)
	return store.Object{Key: p.Key}, nil
}

var inBucket = plan.Target{Kind: "bucket", Path: "s3://b/back"}

func TestBucket(t *testing.T) {
	tr := source(t, hard)
	b := &objects{by: map[string]object{"back/plain.txt": plainObject("one")}}
	keys := "../up /lead a a-b a/b a/b/c d/e/f dir/ n\x00ul per%41cent plain.txt x//y"
	c := copiesOf(inBucket, hard, false, keys)
	outs, err := restore(t, c, ToBucket(tr, b, b, "back"))
	if err != nil {
		t.Fatal(err)
	}
	for key, content := range hard {
		o := outs[key]
		want := cooper.Outcome{Bytes: int64(len(content)), Requests: 2}
		if key == "plain.txt" {
			want = cooper.Outcome{Requests: 1}
		}
		if o.Status != cooper.Done || o.Bytes != want.Bytes || o.Requests != want.Requests {
			t.Errorf("%q: %+v", key, o)
		}
		if b.by["back/"+key].content != content {
			t.Errorf("%q holds %q", key, b.by["back/"+key].content)
		}
	}
	if len(b.by) != len(hard) {
		t.Errorf("%d objects, want %d", len(b.by), len(hard))
	}
	// Again: one HEAD each, nothing is written.
	before, heads, puts := maps.Clone(b.by), b.heads, len(b.puts)
	if _, err := restore(t, c, ToBucket(tr, b, b, "back/")); err != nil {
		t.Fatal(err)
	}
	if len(b.puts) != puts || b.heads != heads+len(hard) || len(before) != len(b.by) {
		t.Errorf("again: %d PUTs, %d HEADs", len(b.puts)-puts, b.heads-heads)
	}
}

func TestBucketWithOtherObjects(t *testing.T) {
	files := map[string]string{"parts": strings.Repeat("0123456789", 100), "other": "content", "size": "content", "kms": "content"}
	tr := source(t, files)
	for _, replace := range []bool{false, true} {
		parts := object{content: files["parts"], parts: 400}
		var sums []byte
		for i := 0; i < 1000; i += 400 {
			sum := md5.Sum([]byte(files["parts"][i:min(i+400, 1000)]))
			sums = append(sums, sum[:]...)
		}
		parts.etag = fmt.Sprintf("%x-3", md5.Sum(sums))
		kms := plainObject("content")
		kms.etag, kms.crc = strings.Repeat("1", 32), map[string]string{"SHA256": "7XACtDnprIRfIjV9giusFERzD722AW0+yUMil7nsn3M="}
		b := &objects{by: map[string]object{"parts": parts, "other": plainObject("CONTENT"), "size": plainObject("long content"), "kms": kms}}
		outs, err := restore(t, copiesOf(inBucket, files, replace, "kms other parts size"), ToBucket(tr, b, b, ""))
		if err != nil {
			t.Fatal(err)
		}
		for key, o := range outs {
			same := key == "parts" || key == "kms"
			switch {
			case same && (o.Status != cooper.Done || o.Bytes != 0),
				!same && !replace && (o.Kind != cooper.KindConflict || b.by[key].content == "content"),
				!same && replace && (o.Status != cooper.Done || b.by[key].content != "content"):
				t.Errorf("replace %v: %s: %+v", replace, key, o)
			}
		}
	}
}

func TestBucketFailures(t *testing.T) {
	files := map[string]string{"k": "content"}
	tr := source(t, files)
	b := &objects{by: map[string]object{}, deny: true}
	c := copiesOf(inBucket, files, false, "k")
	outs, err := restore(t, c, ToBucket(tr, b, b, ""))
	if o := outs["k"]; err != nil || o.Status != cooper.Failed || o.Kind != cooper.KindDenied || o.Bytes != 0 {
		t.Errorf("%v, %+v", err, o)
	}
	// Replacing needs a permit, which only a run has.
	b.by["k"] = plainObject("other")
	replacing := copiesOf(inBucket, files, true, "k")
	if o := ToBucket(tr, b, b, "").Do(t.Context(), &replacing.shards[0][0]); o.Kind != cooper.KindInternal {
		t.Errorf("%+v", o)
	}
	// Damaged bytes are not sent.
	delete(b.by, "k")
	b.deny = false
	damage(t, tr, "k")
	outs, err = restore(t, c, ToBucket(tr, b, b, ""))
	if o := outs["k"]; err != nil || o.Kind != cooper.KindCorrupt || len(b.by) > 0 {
		t.Errorf("%v, %+v", err, o)
	}
}

// damage changes a file of the mirror behind the tree's back.
func damage(t *testing.T, tr *tree.Tree, key string) {
	t.Helper()
	write(t, tr.Dir()+"/mirror/"+key, "CONTENT")
}
