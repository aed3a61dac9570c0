package look

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"cooper"
	"cooper/internal/store"
)

// shelf is a store that lists what it holds, in pages of a size.
type shelf struct {
	rows  []cooper.Version
	page  int
	lists int
	err   error
	skips bool // the first row behind a marker
}

func (s *shelf) Versioning(context.Context) (string, error) { return "", nil }

func (s *shelf) List(_ context.Context, q store.ListQuery, page func([]cooper.Version, []string) error) error {
	s.lists++
	if s.err != nil {
		return s.err
	}
	var rows []cooper.Version
	for _, v := range s.rows {
		if strings.HasPrefix(v.Key, q.Prefix) && v.Key > q.After {
			rows = append(rows, v)
		}
	}
	if s.skips && q.After != "" && len(rows) > 0 {
		rows = rows[1:]
	}
	for some := range slices.Chunk(rows, s.page) {
		if err := page(slices.Clone(some), nil); err != nil {
			return err
		}
	}
	return nil
}

// odd are keys that are hard to list from.
var odd = []string{
	"p/", "p//", "p/\x00", "p/\x01", "p/a", "p/a/", "p/a\x00", "p/a ", "p/ a", "p/ü", "p/\ue000", "p/\U00010000", "p/\ufffd", "p/\ufffe", "p/..",
	"p/a-b", "p/a.zst", "p/" + strings.Repeat("k", 1022), "p/" + strings.Repeat("k", 1021) + "a", "p/" + strings.Repeat("é", 511),
}

// TestKeys compares with the whole list: every version of every key that was
// asked for is shown, once, in the order of the keys, and nothing else.
func TestKeys(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 0))
		s := &shelf{page: 1 + r.IntN(8)}
		names := slices.Clone(odd)
		for i := range 30 {
			names = append(names, fmt.Sprintf("p/%02d", i))
		}
		for _, key := range names {
			for n := range r.IntN(4) {
				s.rows = append(s.rows, cooper.Version{Identity: cooper.Identity{Key: key, VersionID: []string{"", "1", "2"}[n]}, Latest: n == 0})
			}
		}
		slices.SortStableFunc(s.rows, func(a, b cooper.Version) int { return strings.Compare(a.Key, b.Key) })
		var keys []string
		share := r.Float64()
		for _, key := range names {
			if r.Float64() < share {
				keys = append(keys, key)
			}
		}
		slices.Sort(keys)
		var got, want []string
		for _, v := range s.rows {
			if slices.Contains(keys, v.Key) {
				want = append(want, fmt.Sprintf("%q %s", v.Key, cmp.Or(v.VersionID, "null")))
			}
		}
		prefix := []string{"", "p", "p/"}[r.IntN(3)]
		s.skips = seed%3 == 0
		eyes, err := Eyes(t.Context(), s, prefix, "Enabled")
		if _, each := eyes.(unmarked); err != nil || each != (s.skips && len(s.rows) > 0) {
			t.Fatalf("seed %d: %T, %v", seed, eyes, err)
		}
		requests, err := Keys(context.Background(), eyes, prefix, keys, func(i int, v *cooper.Version) {
			if keys[i] != v.Key {
				t.Errorf("%q is said to be %q", v.Key, keys[i])
			}
			got = append(got, fmt.Sprintf("%q %s", v.Key, v.VersionID))
		})
		if err != nil || !slices.Equal(got, want) {
			t.Fatalf("seed %d, keys %q in pages of %d:\n%v\nwant\n%v, %v", seed, keys, s.page, got, want, err)
		}
		if len(keys) > 0 && requests > int64(len(want)+len(keys)+len(s.rows)/s.page+1) {
			t.Errorf("seed %d: %d requests for %d keys", seed, requests, len(keys))
		}
	}
}

// TestRequests: many keys that lie together take a request a page, few that do
// not take one each.
func TestRequests(t *testing.T) {
	s := &shelf{page: 10}
	var all []string
	for i := range 1000 {
		all = append(all, fmt.Sprintf("p/%04d", i))
		s.rows = append(s.rows, cooper.Version{Identity: cooper.Identity{Key: all[i]}, Latest: true})
	}
	for _, c := range []struct {
		keys []string
		most int64
	}{{all, 101}, {[]string{all[0], all[333], all[666], all[999]}, 4}, {[]string{all[500], all[501], all[509]}, 2}, {nil, 0}} {
		n := 0
		requests, err := Keys(context.Background(), s, "p/", c.keys, func(int, *cooper.Version) { n++ })
		if err != nil || requests > c.most || n != len(c.keys) {
			t.Errorf("%d requests for %d keys, %d found, %v", requests, len(c.keys), n, err)
		}
	}
}

// TestBlind: an error says that nothing is removed for it, and how to go on.
func TestBlind(t *testing.T) {
	for _, err := range []error{&cooper.Error{Kind: cooper.KindStore, Message: "no answer"}, &cooper.Error{Kind: cooper.KindDenied, Err: errors.New("no right")}} {
		_, got := Keys(context.Background(), &shelf{err: err}, "", []string{"a"}, nil)
		var ce *cooper.Error
		if !errors.As(got, &ce) || ce.Kind != cooper.KindOf(err) || ce.Remedy == "" || !strings.HasPrefix(ce.Message, "stopped, as the bucket cannot be looked at") {
			t.Errorf("%v", got)
		}
	}
}

func TestIs(t *testing.T) {
	planned := cooper.Version{Identity: cooper.Identity{VersionID: cooper.NullVersion, ETag: "e", Size: 1, LastModified: 5500}}
	for name, c := range map[string]struct {
		change    func(v *cooper.Version)
		null, own Likeness
	}{
		"itself":          {func(*cooper.Version) {}, Itself, Itself},
		"to the second":   {func(v *cooper.Version) { v.LastModified = 5000 }, Itself, Itself},
		"no ETag told":    {func(v *cooper.Version) { v.ETag = "" }, Itself, Itself},
		"other letters":   {func(v *cooper.Version) { v.ETag = "E" }, Itself, Itself},
		"another second":  {func(v *cooper.Version) { v.LastModified = 6000 }, Redated, Itself},
		"another size":    {func(v *cooper.Version) { v.Size = 2 }, Another, Another},
		"another ETag":    {func(v *cooper.Version) { v.ETag = "f" }, Another, Another},
		"a delete marker": {func(v *cooper.Version) { v.DeleteMarker = true }, Another, Another},
	} {
		now := planned
		c.change(&now)
		if got := Is(&planned, &now); got != c.null {
			t.Errorf("%s, null: %v", name, got)
		}
		now.VersionID = "id"
		if got := Is(&planned, &now); got != c.own {
			t.Errorf("%s, with an id: %v", name, got)
		}
	}
}

// reluctant is a shelf that lists current objects alone, as stores without versions.
type reluctant struct {
	shelf
	current, versions error
}

func (r *reluctant) List(ctx context.Context, q store.ListQuery, page func([]cooper.Version, []string) error) error {
	if r.err = r.versions; q.Current {
		r.err = r.current
	}
	return r.shelf.List(ctx, q, page)
}

// TestEyes: a bucket that has no versions is looked at by what is current, if it
// cannot be otherwise; no other is.
func TestEyes(t *testing.T) {
	no := &cooper.Error{Kind: cooper.KindStore, Message: "501 NotImplemented"}
	for _, c := range []struct {
		versions, current error
		versioning        string
		want              string // the kind of the error
		latest            bool   // what is found is said to be the latest
	}{
		{nil, no, "", "", false},
		{no, nil, "", "", true},
		{no, no, "", "store", false},
		{no, nil, "Suspended", "store", false},
		{no, nil, "Enabled", "store", false},
		{&cooper.Error{Kind: cooper.KindInterrupted}, nil, "", "interrupted", false},
	} {
		r := &reluctant{shelf: shelf{page: 10, rows: []cooper.Version{{Identity: cooper.Identity{Key: "p/k"}}}}, versions: c.versions, current: c.current}
		eyes, err := Eyes(t.Context(), r, "p/", c.versioning)
		if got := string(cooper.KindOf(err)); got != c.want {
			t.Errorf("%+v: %v", c, err)
		}
		if err != nil {
			continue
		}
		if _, err := Keys(t.Context(), eyes, "p/", []string{"p/k"}, func(_ int, v *cooper.Version) {
			if v.Latest != c.latest {
				t.Errorf("%+v: latest is %v", c, v.Latest)
			}
		}); err != nil {
			t.Error(err)
		}
	}
}
