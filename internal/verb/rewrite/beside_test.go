package rewrite

import (
	"context"
	"strings"
	"testing"

	"cooper"
	"cooper/internal/bucketop"
	"cooper/internal/codec/codectest"
	"cooper/internal/store"
	"cooper/internal/store/mem"
)

// nameless is a store that knows no version "null" where tags and ACLs are
// asked for.
type nameless struct {
	Bucket
	asked func() // before it answers about the current version
}

func (n nameless) Tags(ctx context.Context, ref store.Ref) (map[string]string, error) {
	if ref.VersionID == cooper.NullVersion {
		return nil, &cooper.Error{Kind: cooper.KindMissing, Message: "NoSuchVersion"}
	}
	if n.asked != nil {
		n.asked()
	}
	return n.Bucket.Tags(ctx, ref)
}

// TestTagsOfNullVersions are those of the current version, if it is the one that
// was read; of another they are not taken.
func TestTagsOfNullVersions(t *testing.T) {
	for _, mode := range []bucketop.Mode{bucketop.Suffix, bucketop.InPlace} {
		for _, overwritten := range []bool{false, true} {
			w := newWorld(t, "")
			v := w.putWith("a/b", csv, mem.PutOptions{Tags: map[string]string{"study": "1"}})
			n := nameless{Bucket: w.bucket}
			if overwritten {
				n.asked = func() { w.putWith("a/b", csv, mem.PutOptions{Tags: map[string]string{"study": "2"}}) }
			}
			w.bucket = n
			r := rewriting("")
			r.Mode = mode
			o := w.do(w.verb(r), v)
			if overwritten {
				if o.Status != cooper.Failed || o.Kind != cooper.KindMissing || !strings.Contains(o.Message, "its tags cannot be read") {
					t.Errorf("%s, overwritten: %+v", mode, o)
				}
				continue
			}
			if o.Status != cooper.Done || o.Content.State != cooper.Rewritten {
				t.Fatalf("%s: %+v", mode, o)
			}
			if tags, err := w.bucket.Tags(t.Context(), store.Ref{Key: r.Replacement("a/b")}); err != nil || tags["study"] != "1" {
				t.Errorf("%s: %v, %v", mode, tags, err)
			}
		}
	}
}

// TestOurs: what an earlier run has compressed in-place is found, with what it
// holds, and not read as if it were another program's; unless it does not hold
// what it says.
func TestOurs(t *testing.T) {
	for _, size := range []int{5000, wholeMost + 1<<20} {
		w := newWorld(t, "Enabled")
		r := rewriting("Enabled")
		r.Mode = bucketop.InPlace
		plain := codectest.CSV(1, size)
		if size > wholeMost {
			r.MinSaving = -10 // noise, that stays large
			plain = append(codectest.CSV(1, 2<<20), codectest.Noise(1, size)...)
		}
		o := w.do(w.verb(r), w.put("a/b", plain))
		if o.Status != cooper.Done || o.Content.State != cooper.Rewritten {
			t.Fatalf("%d: %+v %+v", size, o, o.Content)
		}
		was := *o.Content
		for _, mode := range []bucketop.Mode{bucketop.InPlace, bucketop.Suffix} {
			r.Mode = mode
			v := w.Latest("a/b")
			o = w.do(w.verb(r), v)
			c := o.Content
			if o.Status != cooper.Done || c == nil || c.State != cooper.Found || c.PlainSize != int64(len(plain)) || string(c.SHA256) != string(was.SHA256) || c.Stored != v.Identity || c.Codec != was.Codec {
				t.Errorf("%d, %s: %+v %+v", size, mode, o, c)
			}
		}
	}
	w := newWorld(t, "Enabled")
	note := Origin{PlainSize: int64(len(csv)), Codec: zstd3}
	for _, c := range []struct {
		name string
		body []byte
		kind cooper.Kind
	}{
		{"another", encode(t, zstd3, csv[:100], 1), cooper.KindCorrupt},
		{"longer", encode(t, zstd3, append([]byte("1"), csv...), 1), cooper.KindInvalid},
		{"nothing", csv, cooper.KindInvalid},
	} {
		v := w.putWith(c.name, c.body, mem.PutOptions{Headers: store.Headers{ContentEncoding: "zstd"}, Metadata: map[string]string{OriginName: note.String()}})
		if o := w.do(w.verb(rewriting("Enabled")), v); o.Status != cooper.Failed || o.Kind != c.kind {
			t.Errorf("%s: %+v %+v", c.name, o, o.Content)
		}
	}
}

// TestDamagedOnTheWay: a replacement that is there already arrives damaged. That
// passes, and is not taken for something else in the way.
func TestDamagedOnTheWay(t *testing.T) {
	for _, times := range []int{1, 2, 100} {
		for _, at := range []int{0, 9, 40, 1 << 20} { // in the header, in the content, at the end
			w := newWorld(t, "Enabled")
			v := w.put("a/b", csv)
			r := rewriting("Enabled")
			if o := w.do(w.verb(r), v); o.Status != cooper.Done {
				t.Fatalf("%+v", o)
			}
			n := 0
			w.Bodies = func(op string, b []byte) []byte {
				if op != "GetObject" || len(b) == len(csv) || n == times {
					return b
				}
				n++
				b = append([]byte(nil), b...)
				b[min(at, len(b)-1)] ^= 0x55
				return b
			}
			o := w.do(w.verb(r), v)
			switch {
			case times <= again && (o.Status != cooper.Done || o.Content.State != cooper.Rewritten || n != times):
				t.Errorf("%d times, at %d: %+v", times, at, o)
			case times > again && (o.Status != cooper.Failed || o.Kind != cooper.KindStore || !strings.Contains(o.Message, "damaged")):
				t.Errorf("%d times, at %d: %+v", times, at, o)
			}
		}
	}
	// What is really something else still is.
	w := newWorld(t, "Enabled")
	v := w.put("a/b", csv)
	w.put("a/b.zst", []byte("something else"))
	if o := w.do(w.verb(rewriting("Enabled")), v); o.Kind != cooper.KindConflict {
		t.Errorf("%+v", o)
	}
}
