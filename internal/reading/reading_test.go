package reading

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"

	"cooper"
	"cooper/internal/store"
)

// fake is a store with one object. Each Get may be changed by the next fault.
type fake struct {
	body   []byte
	object store.Object
	faults []func(o *store.Object, body []byte) ([]byte, error)
	asked  []store.Range
	ids    []string // of versions that were asked for
	// matched are the conditions; unconditional: they are not minded.
	matched       []string
	unconditional bool
}

var errCut = errors.New("cut")

func (f *fake) Get(_ context.Context, ref store.Ref, r store.Range) (store.Object, io.ReadCloser, error) {
	f.asked, f.ids = append(f.asked, r), append(f.ids, ref.VersionID)
	f.matched = append(f.matched, ref.IfMatch)
	if ref.IfMatch != f.object.ETag && !f.unconditional {
		return store.Object{}, nil, &cooper.Error{Kind: cooper.KindChanged}
	}
	body := f.body[r.From:]
	if r.Length > 0 {
		body = body[:r.Length]
	}
	o := f.object
	o.Length = int64(len(body))
	var err error
	if len(f.faults) > 0 {
		fault := f.faults[0]
		f.faults = f.faults[1:]
		body, err = fault(&o, bytes.Clone(body))
	}
	if err != nil && !errors.Is(err, errCut) {
		return o, nil, err
	}
	var rd io.Reader = bytes.NewReader(body)
	if err != nil {
		rd = io.MultiReader(rd, iotest.ErrReader(err))
	}
	return o, io.NopCloser(rd), nil
}

func (f *fake) Head(_ context.Context, _ store.Ref, part int) (store.Object, error) {
	return store.Object{Parts: 3, Length: int64(part)}, nil
}

func cut(n int) func(*store.Object, []byte) ([]byte, error) {
	return func(_ *store.Object, b []byte) ([]byte, error) { return b[:min(n, len(b))], errCut }
}

func flip(at int) func(*store.Object, []byte) ([]byte, error) {
	return func(_ *store.Object, b []byte) ([]byte, error) { b[at] ^= 1; return b, nil }
}

func sound(_ *store.Object, b []byte) ([]byte, error) { return b, nil }

func newFake(size int, etag string) (*fake, *cooper.Version) {
	body := bytes.Repeat([]byte("0123456789"), size/10+1)[:size]
	if etag == "" {
		sum := md5.Sum(body)
		etag = hex.EncodeToString(sum[:])
	}
	f := &fake{body: body, object: store.Object{Key: "k", VersionID: "v", ETag: etag, Size: int64(size), LastModified: 5000}}
	return f, &cooper.Version{Identity: cooper.Identity{Key: "k", VersionID: "v", ETag: etag, Size: int64(size), LastModified: 5123}}
}

func at(opt Options) Options {
	opt.Pause = func(ctx context.Context, _ int) error { return ctx.Err() }
	return opt
}

// However it is cut, the bytes come whole and once.
func TestCut(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		size := rapid.IntRange(0, 300).Draw(rt, "size")
		f, v := newFake(size, "")
		limit := rapid.IntRange(0, 400).Draw(rt, "limit")
		for range rapid.IntRange(0, resumes).Draw(rt, "cuts") {
			f.faults = append(f.faults, cut(rapid.IntRange(0, 100).Draw(rt, "at")))
		}
		var moved, want int64 = 0, int64(size)
		if limit > 0 && limit < size {
			want = int64(limit)
		}
		var tally Tally
		b, err := Open(t.Context(), f, v, at(Options{Limit: int64(limit), Streamed: true, Moved: func(n int64) { moved += n }, Tally: &tally}))
		if err != nil {
			rt.Fatal(err)
		}
		defer b.Close()
		got, err := io.ReadAll(b)
		if err != nil || !bytes.Equal(got, f.body[:want]) || moved != want || tally.Bytes != want || int(tally.Requests) != len(f.asked) {
			rt.Fatalf("%d bytes of %d: %v", len(got), want, err)
		}
		if sum := sha256.Sum256(got); !bytes.Equal(b.SHA256(), sum[:]) {
			rt.Fatal("another hash")
		}
		if want < int64(size) {
			if _, err := b.Check(t.Context(), got); cooper.KindOf(err) != cooper.KindInternal {
				rt.Fatalf("a part passes for checked: %v", err)
			}
		} else if res, err := b.Check(t.Context(), nil); err != nil || res.Check != cooper.Verified {
			rt.Fatalf("%+v, %v", res, err)
		}
	})
}

func TestCutTooOften(t *testing.T) {
	f, v := newFake(100, "")
	for range resumes + 1 {
		f.faults = append(f.faults, cut(1))
	}
	b, err := Open(t.Context(), f, v, at(Options{}))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(b); cooper.KindOf(err) != cooper.KindStore || !errors.Is(err, errCut) {
		t.Error(err)
	}
}

// Answers about another version are refused, also in the middle.
func TestAnotherVersion(t *testing.T) {
	other := func(change func(o *store.Object)) func(*store.Object, []byte) ([]byte, error) {
		return func(o *store.Object, b []byte) ([]byte, error) { change(o); return b, nil }
	}
	for name, change := range map[string]func(o *store.Object){
		"ETag":                 func(o *store.Object) { o.ETag = "x" },
		"size":                 func(o *store.Object) { o.Size++ },
		"version id":           func(o *store.Object) { o.VersionID = "w" },
		"time of modification": func(o *store.Object) { o.LastModified, o.ETag = 9000, "" },
		"length of the answer": func(o *store.Object) { o.Length-- },
	} {
		for _, first := range []bool{true, false} {
			f, v := newFake(100, "")
			if name == "time of modification" {
				v.VersionID, f.object.VersionID = cooper.NullVersion, cooper.NullVersion
			}
			f.faults = append(f.faults, other(change))
			if !first {
				f.faults = append([]func(*store.Object, []byte) ([]byte, error){cut(50)}, f.faults...)
			}
			b, err := Open(t.Context(), f, v, at(Options{}))
			if err == nil {
				_, err = io.ReadAll(b)
			}
			if cooper.KindOf(err) != cooper.KindChanged || !strings.Contains(err.Error(), name+" (found ") || !strings.Contains(err.Error(), ", planned ") {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	// The same ETag and size under another time is noted, and no other version.
	f, v := newFake(100, "")
	v.VersionID, f.object.VersionID, v.ETag, f.object.ETag = cooper.NullVersion, cooper.NullVersion, "e", "e"
	f.object.LastModified = 99_000
	if b, err := Open(t.Context(), f, v, at(Options{})); err != nil || !b.Redated {
		t.Error(err)
	}
	// A store that gave an id of its own may date the version anew.
	f, v = newFake(100, "")
	f.object.LastModified = 99_000
	if _, err := Open(t.Context(), f, v, at(Options{})); err != nil {
		t.Error(err)
	}
}

// What is current is asked for by its key alone, and must tell which version it
// is; it goes on by version.
func TestCurrent(t *testing.T) {
	f, v := newFake(100, "")
	f.faults = append(f.faults, cut(10))
	b, err := Open(t.Context(), f, v, at(Options{Current: true}))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(b); err != nil || strings.Join(f.ids, ",") != ",v" {
		t.Errorf("%q, %v", f.ids, err)
	}
	f.object.VersionID, f.ids = "newer", nil
	if _, err := Open(t.Context(), f, v, at(Options{Current: true})); cooper.KindOf(err) != cooper.KindChanged {
		t.Error(err)
	}
	f.object.VersionID, f.ids = "", nil // a store that does not tell
	if _, err := Open(t.Context(), f, v, at(Options{Current: true})); err != nil || strings.Join(f.ids, ",") != ",v" {
		t.Errorf("%q, %v", f.ids, err)
	}
}

// What nothing vouches for is read twice, unless it is secure, and what is
// read again must be what was read first.
func TestReadTwice(t *testing.T) {
	type faults = []func(*store.Object, []byte) ([]byte, error)
	for _, c := range []struct {
		name     string
		etag     string
		streamed bool
		secure   bool
		faults   faults
		check    cooper.Check
		gets     int
	}{
		{"an MD5", "", true, false, nil, cooper.Verified, 1},
		{"opaque", "opaque", false, false, nil, cooper.Unverifiable, 2},
		{"opaque, streamed", "opaque", true, false, nil, cooper.Unverifiable, 2},
		{"opaque, secure", "opaque", true, true, nil, cooper.Unverifiable, 1},
		{"the second time cut", "opaque", true, false, faults{sound, cut(10)}, cooper.Unverifiable, 3},
		{"the first time otherwise", "opaque", true, false, faults{flip(3)}, cooper.Corrupt, 2},
		{"the second time otherwise", "opaque", false, false, faults{sound, flip(3)}, cooper.Corrupt, 2},
		{"an MD5, flipped", "", true, false, faults{flip(3)}, cooper.Corrupt, 2},
	} {
		f, v := newFake(100, c.etag)
		f.faults = c.faults
		b, err := Open(t.Context(), f, v, at(Options{Streamed: c.streamed, Secure: c.secure}))
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(b)
		if err != nil {
			t.Fatal(err)
		}
		held := got
		if c.streamed {
			held = nil
		}
		res, err := b.Check(t.Context(), held)
		if err != nil || res.Check != c.check || len(f.asked) != c.gets {
			t.Errorf("%s: %+v, %v, read %d times", c.name, res, err, len(f.asked))
		}
	}
}

// A checksum of the store's is settled by a second look at what was streamed.
func TestCompositeAgain(t *testing.T) {
	f, v := newFake(100, "0123456789abcdef0123456789abcdef-3")
	whole := sha256.New()
	for _, n := range [][2]int{{0, 40}, {40, 80}, {80, 100}} {
		sum := sha256.Sum256(f.body[n[0]:n[1]])
		whole.Write(sum[:])
	}
	f.object.Checksums = map[string]string{"SHA256": base64.StdEncoding.EncodeToString(whole.Sum(nil)) + "-3"}
	f.object.ChecksumType = "COMPOSITE"
	b, err := Open(t.Context(), f, v, at(Options{Streamed: true}))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, struct{ io.Reader }{b}); err != nil {
		t.Fatal(err)
	}
	res, err := b.Check(t.Context(), nil)
	if err != nil || res.Check == cooper.Corrupt || len(f.asked) < 2 {
		t.Errorf("%+v, %v, read %d times", res, err, len(f.asked))
	}
}

func TestFailure(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	o := Failure(ctx, "a b", &cooper.Error{Kind: cooper.KindArchived, Message: "away"})
	if o.Status != cooper.Deferred || o.Message != "a b: away" {
		t.Errorf("%+v", o)
	}
	cancel()
	if o := Failure(ctx, "k", errors.New("x")); o.Status != cooper.Failed || o.Kind != cooper.KindInterrupted {
		t.Errorf("%+v", o)
	}
}

// An ETag that the plan does not know contradicts nothing; what is read on must have
// the one that was answered first.
func TestAnETagThatWasNotPlanned(t *testing.T) {
	f, v := newFake(100, "")
	v.ETag = ""
	f.faults = append(f.faults, cut(40))
	f.unconditional = true
	b, err := Open(t.Context(), f, v, at(Options{}))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(b); err != nil || !bytes.Equal(got, f.body) {
		t.Fatal(len(got), err)
	}
	if len(f.matched) != 2 || f.matched[0] != "" || f.matched[1] != f.object.ETag {
		t.Errorf("conditions: %q", f.matched)
	}
	f.object.ETag = "" // nor does one that the store does not tell
	v.ETag = "planned"
	if _, err := Open(t.Context(), f, v, at(Options{})); err != nil {
		t.Error(err)
	}
}

// What is missing under a name that a listing could not tell is not gone.
func TestMissingUnderAGarbledName(t *testing.T) {
	f, v := newFake(100, "")
	v.Key = "a\ufffd"
	missing := func(*store.Object, []byte) ([]byte, error) { return nil, &cooper.Error{Kind: cooper.KindMissing} }
	f.faults = append(f.faults, missing)
	if _, err := Open(t.Context(), f, v, at(Options{})); cooper.KindOf(err) != cooper.KindInvalid {
		t.Error(err)
	}
}
