package keypath

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"cooper"
)

func at(s string) cooper.Instant {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		panic(err)
	}
	return cooper.InstantOf(t)
}

func TestMirror(t *testing.T) {
	long := strings.Repeat("x", 300)
	for _, c := range []struct{ key, want string }{
		{"a", "a"},
		{"a/b.txt", "a/b.txt"},
		{"été/日本", "été/日本"},
		{"100%", "100%"},
		{"50% off/x", "50% off/x"},
		{"a%", "a%"},
		{"a%2f", "a%2f"},
		{"a%2F", "a%252F"},
		{"a%~", "a%25~"},
		{"a%=b", "a%25=b"},
		{"a%@b", "a%25@b"},
		{"%", "%25"},
		{"%%41", "%%2541"},
		{"", "%"},
		{"a/", "a/%"},
		{"/a", "%/a"},
		{"a//b", "a/%/b"},
		{".", "%2E"},
		{"../../etc/passwd", "%2E%2E/%2E%2E/etc/passwd"},
		{"...", "..."},
		{".cooper/lock", ".cooper/lock"},
		{"a\x00b\nc\x7f", "a%00b%0Ac%7F"},
		{long, long[:198] + "%~/" + long[198:]},
		{long + "/y", long[:198] + "%~/" + long[198:] + "/y"},
		{strings.Repeat("x", 200), strings.Repeat("x", 200)},
		{strings.Repeat("x", 199) + ".." + "", strings.Repeat("x", 198) + "%~/x.."},
		{strings.Repeat("é", 101), strings.Repeat("é", 99) + "%~/éé"},
		{"x" + strings.Repeat("é", 101), "x" + strings.Repeat("é", 98) + "%~/ééé"},
	} {
		if got := Mirror(c.key); got != c.want {
			t.Errorf("Mirror(%q) = %q, want %q", c.key, got, c.want)
		}
		roundTrip(t, c.key)
	}
}

func roundTrip(t interface{ Fatalf(string, ...any) }, key string) {
	p := Mirror(key)
	if back, displaced, ok := ParseMirror(p); !ok || displaced || back != key {
		t.Fatalf("ParseMirror(%q) = %q, %v, %v; want %q", p, back, displaced, ok, key)
	}
	d := Displaced(key)
	if back, displaced, ok := ParseMirror(d); !ok || !displaced || back != key {
		t.Fatalf("ParseMirror(%q) = %q, %v, %v; want %q displaced", d, back, displaced, ok, key)
	}
	checkPath(t, p)
	checkPath(t, d)
}

// checkPath fails unless every name in p can be made on a file system.
func checkPath(t interface{ Fatalf(string, ...any) }, p string) {
	for _, n := range strings.Split(p, "/") {
		if n == "" || n == "." || n == ".." || len(n) > 255 || strings.ContainsFunc(n, func(r rune) bool { return r < 0x20 || r == 0x7f }) {
			t.Fatalf("%q holds the name %q", p, n)
		}
	}
}

func TestPathsThatAreNoKeys(t *testing.T) {
	for _, p := range []string{"", "/", "a/", "/a", "a//b", ".", "..", "a/../b", "%41", "a%25", "a%7E", "%/", "a%~", "a%~/b",
		"%=", "a/%=", "a%=/b", "a%@v", "a\x00", strings.Repeat("x", 201), strings.Repeat("x", 197) + "%~/xxxxx"} {
		if key, _, ok := ParseMirror(p); ok {
			t.Errorf("ParseMirror(%q) = %q, want none", p, key)
		}
	}
}

func TestHistory(t *testing.T) {
	sup := at("2026-11-20T23:59:59.999Z")
	id := cooper.Identity{Key: "a/b", VersionID: "3HL4kqtJvjVBH40Nrjfkd.5DnmqzLNl_", ETag: "9e107d9d372bb6826bd81d3542a419d6", Size: 7, LastModified: at("2026-01-02T03:04:05.006Z")}
	with := func(f func(*cooper.Identity)) cooper.Identity { x := id; f(&x); return x }
	long := strings.Repeat("k", 200)
	for _, c := range []struct {
		id   cooper.Identity
		sup  cooper.Instant
		want string
	}{
		{id, sup, "2026-11-20/a/b%@3HL4kqtJvjVBH40Nrjfkd.5DnmqzLNl_"},
		{id, 0, "0000-00-00/a/b%@3HL4kqtJvjVBH40Nrjfkd.5DnmqzLNl_"},
		{with(func(i *cooper.Identity) { i.VersionID = "null" }), sup, "2026-11-20/a/b%@null-9e107d9d372bb6826bd81d3542a419d6-1767323045006"},
		{with(func(i *cooper.Identity) { i.VersionID = "" }), sup, "2026-11-20/a/b%@null-9e107d9d372bb6826bd81d3542a419d6-1767323045006"},
		{with(func(i *cooper.Identity) { i.VersionID = "null-x-1" }), sup, "2026-11-20/a/b%@%6Eull-x-1"},
		{with(func(i *cooper.Identity) { i.VersionID = "a/b%\n" }), sup, "2026-11-20/a/b%@a%2Fb%25%0A"},
		{with(func(i *cooper.Identity) { i.Key = long }), sup, "2026-11-20/" + long + "%@3HL4kqtJvjVBH40Nrjfkd.5DnmqzLNl_"},
		{with(func(i *cooper.Identity) { i.Key = long; i.VersionID = "null"; i.ETag += "-1234" }), sup,
			"2026-11-20/" + long + "%@%~" + "" + hashToken(cooper.Identity{Key: long, VersionID: "null", ETag: id.ETag + "-1234", Size: 7, LastModified: id.LastModified})[2:]},
		{with(func(i *cooper.Identity) { i.Key = ".."; i.VersionID = "../../x" }), sup, "2026-11-20/%2E%2E%@..%2F..%2Fx"},
	} {
		got := History(c.id, c.sup)
		if got != c.want {
			t.Errorf("History(%+v) = %q, want %q", c.id, got, c.want)
		}
		checkHistory(t, c.id, got)
	}
}

func checkHistory(t interface{ Fatalf(string, ...any) }, id cooper.Identity, p string) {
	key, token, ok := ParseHistory(p)
	if !ok || key != id.Key || token != Token(id) && token != hashToken(id) {
		t.Fatalf("ParseHistory(%q) = %q, %q, %v", p, key, token, ok)
	}
	checkPath(t, p)
}

func TestHistoryPathsThatAreNone(t *testing.T) {
	for _, p := range []string{"", "2026-11-20", "2026-11-20/a", "2026-13-01/a%@v", "26-1-1/a%@v", "2026-11-20/a%@", "2026-11-20/a%@null", "2026-11-20/a%@null-x",
		"2026-11-20/a%@null-x-01", "2026-11-20/a%@null-x-b0", "2026-11-20/a%@%41", "2026-11-20/a%@%~abc", "2026-11-20/%@v", "2026-11-20/a%@v/b",
		"2026-11-20/a%@%~" + strings.Repeat("A", 32)} {
		if k, tok, ok := ParseHistory(p); ok {
			t.Errorf("ParseHistory(%q) = %q, %q; want none", p, k, tok)
		}
	}
}

// anyKey draws keys in which what is odd is common.
func anyKey() *rapid.Generator[string] {
	piece := rapid.OneOf(rapid.SampledFrom([]string{"", "a", ".", "..", "%", "%%", "%~", "%=", "%@", "%25", "%2", "%41", "%4", "~", "=", "@", "1", "F", "é", "日", "\x00", "\n", "\xff", "/"}),
		rapid.StringN(0, 8, 30), rapid.Map(rapid.IntRange(190, 260), func(n int) string { return strings.Repeat("y", n) }))
	return rapid.Map(rapid.SliceOfN(piece, 0, 12), func(p []string) string { return strings.Join(p, "") })
}

func TestMirrorRoundTrips(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := anyKey().Draw(t, "a"), anyKey().Draw(t, "b")
		roundTrip(t, a)
		seen := map[string]string{}
		for _, k := range []string{a, b} {
			for _, p := range []string{Mirror(k), Displaced(k)} {
				if other, had := seen[p]; had && other != k {
					t.Fatalf("%q and %q share the path %q", other, k, p)
				}
				seen[p] = k
			}
		}
		if utf8.ValidString(a) && !utf8.ValidString(Mirror(a)) {
			t.Fatalf("Mirror(%q) = %q is not UTF-8", a, Mirror(a))
		}
	})
}

func TestHistoryTellsIdentitiesApart(t *testing.T) {
	identity := rapid.Custom(func(t *rapid.T) cooper.Identity {
		return cooper.Identity{
			Key:          rapid.SampledFrom([]string{"a", "a%", "a/", "..", strings.Repeat("z", 200), strings.Repeat("z", 198)}).Draw(t, "key"),
			VersionID:    rapid.OneOf(rapid.SampledFrom([]string{"null", "v", "null-", "null-a-1", "%6Eull-a-1", strings.Repeat("v", 60), "%~"}), anyKey()).Draw(t, "version"),
			ETag:         rapid.OneOf(rapid.SampledFrom([]string{"a", "a-", "a--", "", "-1", strings.Repeat("e", 60)}), anyKey()).Draw(t, "etag"),
			LastModified: cooper.Instant(rapid.Int64Range(-20, 20).Draw(t, "ms")),
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		a, b := identity.Draw(t, "a"), identity.Draw(t, "b")
		for _, id := range []*cooper.Identity{&a, &b} {
			if id.VersionID == "" {
				id.VersionID = cooper.NullVersion // shares its path on purpose
			}
			if id.VersionID != cooper.NullVersion {
				id.ETag, id.LastModified = "e", 1 // the version id alone names it
			}
			checkHistory(t, *id, History(*id, 5))
		}
		if (a == b) != (History(a, 5) == History(b, 5)) {
			t.Fatalf("%+v and %+v: %q, %q", a, b, History(a, 5), History(b, 5))
		}
	})
}

func FuzzParseMirror(f *testing.F) {
	for _, s := range []string{"a/b", "a%=", "%/%2E", "%25~%~/x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, p string) {
		key, displaced, ok := ParseMirror(p)
		if !ok {
			return
		}
		want := Mirror(key)
		if displaced {
			want = Displaced(key)
		}
		if want != p {
			t.Fatalf("ParseMirror accepts %q as %q, whose path is %q", p, key, want)
		}
	})
}

func FuzzParseHistory(f *testing.F) {
	for _, s := range []string{"2026-11-20/a/b%@v", "0000-00-00/%%@null-e-1", "2026-01-01/a%@%6Eull-"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, p string) {
		if key, _, ok := ParseHistory(p); ok {
			checkPath(t, p)
			if _, rest, _ := strings.Cut(p, "/"); !strings.HasPrefix(rest, Mirror(key)+versionMark) {
				t.Fatalf("ParseHistory accepts %q as %q", p, key)
			}
		}
	})
}

func FuzzMirror(f *testing.F) {
	f.Add("a/b")
	f.Fuzz(func(t *testing.T, key string) { roundTrip(t, key) })
}

func BenchmarkMirror(b *testing.B) {
	key := "zarr/dataset-0001/0/12/34/5678"
	for b.Loop() {
		Mirror(key)
	}
}
