package listing

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"cooper"
	"cooper/internal/inventory"
	"cooper/internal/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeLister lists versions as S3 does, a few on a page.
type fakeLister struct {
	versions []cooper.Version // in S3's order
	page     int
	// before, if any, is called before each page.
	before func() error

	mu       sync.Mutex
	requests int
}

func (f *fakeLister) Versioning(context.Context) (string, error) { return "Enabled", nil }

func (f *fakeLister) List(ctx context.Context, q store.ListQuery, page func([]cooper.Version, []string) error) error {
	var vs []cooper.Version
	var prefixes []string
	flush := func() error {
		f.mu.Lock()
		f.requests++
		f.mu.Unlock()
		if f.before != nil {
			if err := f.before(); err != nil {
				return err
			}
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		err := page(vs, prefixes)
		vs, prefixes = nil, nil
		return err
	}
	last := ""
	for i := range f.versions {
		v := f.versions[i]
		rest, ok := strings.CutPrefix(v.Key, q.Prefix)
		if !ok || v.Key <= q.After || (q.Current && (!v.Latest || v.DeleteMarker)) {
			continue
		}
		if dir, _, ok := strings.Cut(rest, q.Delimiter); ok && q.Delimiter != "" {
			if p := q.Prefix + dir + q.Delimiter; p != last {
				last = p
				prefixes = append(prefixes, p)
			}
		} else {
			vs = append(vs, v)
		}
		if len(vs)+len(prefixes) == f.page {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return flush()
}

// newFake makes a bucket with some versions of each key.
func newFake(page int, keys ...string) *fakeLister {
	keys = slices.Compact(slices.Sorted(slices.Values(keys)))
	f := &fakeLister{page: page}
	for _, key := range keys {
		n := len(key)%3 + 1
		for i := range n {
			f.versions = append(f.versions, cooper.Version{
				Identity: cooper.Identity{Key: key, VersionID: fmt.Sprintf("v%d", n-i), ETag: "e", Size: int64(len(key)), LastModified: cooper.Instant(n - i)},
				Latest:   i == 0,
			})
		}
	}
	return f
}

type sink struct {
	versions []cooper.Version
	rejected []inventory.Rejected
	err      error
}

func (s *sink) Version(v *cooper.Version) error {
	s.versions = append(s.versions, *v)
	return s.err
}

func (s *sink) Reject(r inventory.Rejected) error {
	s.rejected = append(s.rejected, r)
	return s.err
}

func read(ctx context.Context, f *fakeLister, opt Options) (*sink, error) {
	l, err := New(ctx, f, "b", opt)
	if err != nil {
		return nil, err
	}
	got := &sink{}
	for _, p := range l.Parts() {
		if err := p.Read(ctx, got); err != nil {
			return got, err
		}
	}
	sort.SliceStable(got.versions, func(i, j int) bool { return got.versions[i].Compare(&got.versions[j]) < 0 })
	return got, nil
}

// want is what a listing in one piece gives.
func (f *fakeLister) want(prefix string, current bool) []cooper.Version {
	var want []cooper.Version
	for _, v := range f.versions {
		if !cooper.HasPrefix(v.Key, prefix) || (current && (!v.Latest || v.DeleteMarker)) {
			continue
		}
		if current {
			v.VersionID = ""
		}
		want = append(want, v)
	}
	sort.SliceStable(want, func(i, j int) bool { return want[i].Compare(&want[j]) < 0 })
	return want
}

// However a listing is divided, it gives every version once.
func TestEveryVersionOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		piece := rapid.OneOf(
			rapid.SampledFrom([]string{"a", "b", "/", "//", "ab", "~", "\x7f", " ", "é", "日", "\U0010FFFF", "\x00", "..", "\ud7ff", "\ue000"}),
			rapid.StringN(1, 3, -1),
		)
		key := rapid.Map(rapid.SliceOfN(piece, 1, 6), func(p []string) string { return strings.Join(p, "") })
		keys := rapid.SliceOfN(key, 0, 120).Draw(t, "keys")
		if len(keys) > 0 && rapid.Bool().Draw(t, "nested") {
			for _, k := range keys[:len(keys)/2] {
				keys = append(keys, k+"/", k+"/x", k+k)
			}
		}
		f := newFake(rapid.IntRange(1, 7).Draw(t, "page"), keys...)
		opt := Options{Workers: rapid.IntRange(1, 8).Draw(t, "workers"), Current: rapid.Bool().Draw(t, "current")}
		if len(keys) > 0 && rapid.Bool().Draw(t, "scoped") {
			opt.Prefix = rapid.SampledFrom(append(keys, "a", "a/", "b", "é")).Draw(t, "prefix")
		}
		got, err := read(context.Background(), f, opt)
		if err != nil {
			t.Fatal(err)
		}
		if want := f.want(opt.Prefix, opt.Current); len(want)+len(got.versions) > 0 && !cmp.Equal(want, got.versions) {
			t.Fatal(cmp.Diff(want, got.versions))
		}
	})
}

// Any point, however odd, divides a span without loss: the choice of points is
// about speed alone. Points themselves must lie within, and be UTF-8.
func TestPointsLieWithinTheirSpan(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		str := rapid.StringOf(rapid.OneOf(rapid.RuneFrom([]rune("ab/~\x00\x7f")), rapid.Rune()))
		s := span{after: str.Draw(t, "after")}
		if s.bounded = rapid.Bool().Draw(t, "bounded"); s.bounded {
			s.until = s.after + str.Draw(t, "more")
			if rapid.Bool().Draw(t, "other") {
				s.until = str.Draw(t, "until")
			}
		}
		folder := ""
		if i := strings.LastIndexByte(s.after, '/'); i >= 0 && rapid.Bool().Draw(t, "folder") {
			folder = s.after[:i+1]
		}
		if m := between(s, folder); m != "" && (!s.holds(m) || strings.ToValidUTF8(m, "?") != m) {
			t.Fatalf("%q is not within %+v", m, s)
		}
	})
}

func hierarchical() (keys []string) {
	for i := range 40 {
		for j := range 50 {
			keys = append(keys, fmt.Sprintf("data/sub-%02d/ses/%03d.bin", i, j))
		}
	}
	return keys
}

func flat() (keys []string) {
	for i := range 3000 {
		keys = append(keys, fmt.Sprintf("chunks/%08x", uint32(i)*2654435761))
	}
	return keys
}

func deep() (keys []string) {
	for i := range 2000 {
		keys = append(keys, fmt.Sprintf("one/only/chain/of/folders/zarr/%d/%d/%d", i%7, i/7%13, i))
	}
	return keys
}

// Large prefixes are listed in several ranges at once, whether they have folders
// or are flat, and dividing them costs few requests.
func TestLargePrefixesAreDivided(t *testing.T) {
	const latency, workers, page = 50 * time.Millisecond, 8, 10
	for name, keys := range map[string][]string{"hierarchical": hierarchical(), "flat": flat(), "deep": deep()} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // in which waiting takes no time
				f := newFake(page, keys...)
				f.before = func() error { time.Sleep(latency); return nil }
				begun := time.Now()
				got, err := read(t.Context(), f, Options{Workers: workers})
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(f.want("", false), got.versions); diff != "" {
					t.Error(diff)
				}
				pages := (len(f.versions) + page - 1) / page
				faster := float64(time.Duration(pages)*latency) / float64(time.Since(begun))
				t.Logf("%d requests for %d pages, %.1f times as fast as one by one", f.requests, pages, faster)
				if f.requests > pages+pages/2+20 || faster < workers/2 {
					t.Error("too many requests, or too slow")
				}
			})
		})
	}
}

func TestASmallBucketCostsNoRequestMore(t *testing.T) {
	f := newFake(1000, "a", "b/c", "b/d")
	if _, err := read(context.Background(), f, Options{}); err != nil || f.requests != 2 {
		t.Errorf("%d requests, %v", f.requests, err)
	}
}

func TestPrefixesHaveBoundaries(t *testing.T) {
	f := newFake(2, "a/b", "a/b-c", "a/b/", "a/b/c", "a/bc", "a/b0")
	for _, workers := range []int{1, 3} {
		got, err := read(context.Background(), f, Options{Prefix: "a/b", Workers: workers})
		if err != nil {
			t.Fatal(err)
		}
		var keys []string
		for _, v := range got.versions {
			keys = append(keys, v.Key)
		}
		if diff := cmp.Diff([]string{"a/b", "a/b/", "a/b/c"}, slices.Compact(keys)); diff != "" {
			t.Error(diff)
		}
	}
}

func TestMeta(t *testing.T) {
	now := time.Date(2026, 11, 20, 1, 2, 3, 0, time.UTC)
	l, err := New(context.Background(), newFake(1), "b", Options{Prefix: "p/", Current: true, Clock: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	want := inventory.Meta{
		Source: "listing of s3://b/p/", Bucket: "b", TakenAt: cooper.InstantOf(now),
		Scope: inventory.Scope{Prefix: "p/", CurrentOnly: true},
	}
	if diff := cmp.Diff(want, l.Meta()); diff != "" {
		t.Error(diff)
	}
}

func TestNormalising(t *testing.T) {
	f := &fakeLister{page: 10, versions: []cooper.Version{
		{Identity: cooper.Identity{Key: "a", ETag: `"e"`, Size: 1}, Latest: true},
		{Identity: cooper.Identity{Key: "b", VersionID: "v", ETag: "x", Size: 9}, DeleteMarker: true},
		{Identity: cooper.Identity{Key: "c\xff", VersionID: "v"}},
	}}
	got, err := read(context.Background(), f, Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := []cooper.Version{
		{Identity: cooper.Identity{Key: "a", VersionID: "null", ETag: "e", Size: 1}, Latest: true},
		{Identity: cooper.Identity{Key: "b", VersionID: "v"}, DeleteMarker: true},
	}
	if diff := cmp.Diff(want, got.versions); diff != "" {
		t.Error(diff)
	}
	if len(got.rejected) != 1 || string(got.rejected[0].Key) != "c\xff" || got.rejected[0].Row != 3 {
		t.Errorf("%+v", got.rejected)
	}
}

func TestErrors(t *testing.T) {
	ctx := context.Background()
	denied := &cooper.Error{Kind: cooper.KindDenied, Message: "no"}
	f := newFake(3, hierarchical()...)
	f.before = func() error { return denied }
	_, err := New(ctx, f, "b", Options{})
	if cooper.KindOf(err) != cooper.KindDenied || !strings.Contains(err.Error(), "s3://b: listing all versions") {
		t.Errorf("%v", err)
	}

	broken := errors.New("broken")
	n := 0
	var mu sync.Mutex
	f.before = func() error {
		mu.Lock()
		defer mu.Unlock()
		if n++; n > 20 {
			return broken
		}
		return nil
	}
	if _, err := read(ctx, f, Options{Workers: 4}); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}

	f.before = nil
	l, err := New(ctx, f, "b", Options{Workers: 4})
	if err != nil {
		t.Fatal(err)
	}
	full := errors.New("full")
	got := &sink{err: full}
	if err := l.Parts()[0].Read(ctx, got); !errors.Is(err, full) || len(got.versions) != 1 {
		t.Errorf("%v after %d versions", err, len(got.versions))
	}

	cancelled, cancel := context.WithCancel(ctx)
	n = 0
	f.before = func() error {
		mu.Lock()
		defer mu.Unlock()
		if n++; n > 20 {
			cancel()
		}
		return nil
	}
	if _, err := read(cancelled, f, Options{Workers: 4}); cooper.KindOf(err) != cooper.KindInterrupted {
		t.Errorf("%v", err)
	}
}

// A store that does not list in order would lose keys silently.
func TestAStoreOutOfOrder(t *testing.T) {
	f := newFake(2, "a", "b", "c", "d")
	slices.Reverse(f.versions)
	_, err := read(context.Background(), f, Options{Workers: 2})
	if cooper.KindOf(err) != cooper.KindInvalid || !strings.Contains(err.Error(), "out of order") {
		t.Errorf("%v", err)
	}
	got, err := read(context.Background(), f, Options{Workers: 1})
	if err != nil || len(got.versions) != len(f.versions) {
		t.Errorf("%d versions, %v", len(got.versions), err)
	}
}

func TestProgress(t *testing.T) {
	f := newFake(3, hierarchical()...)
	var seen []int64
	if _, err := read(context.Background(), f, Options{Progress: func(n int64) { seen = append(seen, n) }}); err != nil {
		t.Fatal(err)
	}
	if !slices.IsSorted(seen) || seen[len(seen)-1] != int64(len(f.versions)) {
		t.Errorf("%v", seen)
	}
}

// untold is a lister some of whose keys cannot be believed; they come apart, and twice.
type untold struct{ *fakeLister }

func (u untold) List(ctx context.Context, q store.ListQuery, page func([]cooper.Version, []string) error) error {
	if q.Garbled != nil && q.Delimiter == "" {
		for range 2 {
			err := q.Garbled([]cooper.Version{
				{Identity: cooper.Identity{Key: "\ufffdz", VersionID: "v1", ETag: "e", LastModified: 1}, Latest: true},
				{Identity: cooper.Identity{Key: "a\ufffd", VersionID: "v1", ETag: "e", LastModified: 1}, Latest: true},
			})
			if err != nil {
				return err
			}
		}
	}
	return u.fakeLister.List(ctx, q, page)
}

type counting struct {
	sink
	unnamed int64
}

func (c *counting) Unnamed(n int64) { c.unnamed += n }

// Keys that cannot be believed are counted, and end no range of others.
func TestKeysThatAreNotTold(t *testing.T) {
	var keys []string
	for i := range 500 {
		keys = append(keys, fmt.Sprintf("d%d/k%03d", i%7, i))
	}
	f := untold{newFake(5, keys...)}
	l, err := New(t.Context(), f, "b", Options{Workers: 8})
	if err != nil {
		t.Fatal(err)
	}
	got := &counting{}
	for _, p := range l.Parts() {
		if err := p.Read(t.Context(), got); err != nil {
			t.Fatal(err)
		}
	}
	believed := slices.DeleteFunc(slices.Clone(got.versions), func(v cooper.Version) bool { return strings.Contains(v.Key, "\ufffd") })
	if len(believed) != len(f.versions) || got.unnamed != 2 || len(got.versions) < len(believed)+2 {
		t.Errorf("%d versions of %d, %d in all, %d keys not told", len(believed), len(f.versions), len(got.versions), got.unnamed)
	}
}
