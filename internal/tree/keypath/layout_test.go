package keypath

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"cooper"
)

var layouts = []Layout{Sidecar, Inline}

func TestInlineMirror(t *testing.T) {
	long := strings.Repeat("x", 255)
	for _, c := range []struct{ key, plain, displaced string }{
		{"a", "a", ".%a%="},
		{"a/b.txt", "a/b.txt", "a/.%b.txt%="},
		{"100%", "100%", ".%100%25%="},
		{"a%41%=", "a%41%=", ".%a%2541%25=%="},
		{"a\nb\x7f", "a\nb\x7f", ".%a%0Ab%7F%="},
		{"a\x00b", ".%a%00b", ".%a%00b%="},
		{"", ".%", ".%%="},
		{"a//b/", "a/.%/b/.%", "a/.%/b/.%%="},
		{".", ".%.", ".%.%="},
		{"../x", ".%../x", ".%../.%x%="},
		{".cooper/lock", ".%.cooper/lock", ".%.cooper/.%lock%="},
		{"x/.s3invsync.versions.json", "x/.%.s3invsync.versions.json", "x/.%.s3invsync.versions.json%="},
		{".cooperation", ".cooperation", ".%.cooperation%="},
		{".%a", ".%.%25a", ".%.%25a%="},
		{".hidden", ".hidden", ".%.hidden%="},
		{"a.old.v.e", ".%a.old.v.e", ".%a.old.v.e%="},
		{"a.old.v.e/b", ".%a.old.v.e/b", ".%a.old.v.e/.%b%="},
		{"a.old.v", "a.old.v", ".%a.old.v%="},
		{".old.v.e", ".old.v.e", ".%.old.v.e%="},
		{"a.old..e", "a.old..e", ".%a.old..e%="},
		{"a.old..b.c", ".%a.old..b.c", ".%a.old..b.c%="},
		{long, long, ".%" + long[:198] + "%~/.%" + long[198:] + "%="},
		{long + "x", ".%" + long[:198] + "%~/.%" + long[197:], ".%" + long[:198] + "%~/.%" + long[197:] + "%="},
	} {
		if got := Inline.Mirror(c.key); got != c.plain {
			t.Errorf("Mirror(%q) = %q, want %q", c.key, got, c.plain)
		}
		if got := Inline.Displaced(c.key); got != c.displaced {
			t.Errorf("Displaced(%q) = %q, want %q", c.key, got, c.displaced)
		}
	}
	for _, p := range []string{"", "/a", "a/", "a//b", ".", "..", "a/..", ".cooper/lock", ".cooper", ".s3invsync.state.json", "a.old.v.e", ".%a", ".%a%", ".%%41", ".%a%~", ".%a%=/b",
		"a\x00", strings.Repeat("x", 256), ".%" + strings.Repeat("x", 197) + "%~/xxxxx", ".%..%@v"} {
		if key, _, ok := Inline.ParseMirror(p); ok {
			t.Errorf("ParseMirror(%q) = %q, want none", p, key)
		}
	}
}

func TestInlineHistory(t *testing.T) {
	const etag = "9e107d9d372bb6826bd81d3542a419d6"
	id := cooper.Identity{Key: "a/b", VersionID: "3HL4kqtJvjVBH40Nrjfkd.5DnmqzLNl_", ETag: etag, Size: 7, LastModified: 1767323045006}
	with := func(f func(*cooper.Identity)) cooper.Identity { x := id; f(&x); return x }
	for _, c := range []struct {
		id   cooper.Identity
		want string
	}{
		{id, "a/b.old.3HL4kqtJvjVBH40Nrjfkd.5DnmqzLNl_." + etag},
		{with(func(i *cooper.Identity) { i.Key = "b.tar.gz"; i.ETag += "-12" }), "b.tar.gz.old.3HL4kqtJvjVBH40Nrjfkd.5DnmqzLNl_." + etag + "-12"},
		{with(func(i *cooper.Identity) { i.VersionID = "null" }), "a/b.old.null-1767323045006." + etag},
		{with(func(i *cooper.Identity) { i.VersionID = ""; i.LastModified = -5 }), "a/b.old.null-b5." + etag},
		{with(func(i *cooper.Identity) { i.VersionID = "null-1" }), "a/.%b%@%6Eull-1"},
		{with(func(i *cooper.Identity) { i.VersionID = "x/y" }), "a/.%b%@x%2Fy"},
		{with(func(i *cooper.Identity) { i.VersionID = "v.old.w" }), "a/.%b%@v.old.w"},
		{with(func(i *cooper.Identity) { i.VersionID = "old.w" }), "a/.%b%@old.w"},
		{with(func(i *cooper.Identity) { i.ETag = "" }), "a/.%b%@" + id.VersionID},
		{with(func(i *cooper.Identity) { i.ETag = "e.f" }), "a/.%b%@" + id.VersionID},
		{with(func(i *cooper.Identity) { i.ETag = ""; i.VersionID = "" }), "a/.%b%@null--1767323045006"},
		{with(func(i *cooper.Identity) { i.Key = ".." }), ".%..%@" + id.VersionID},
		{with(func(i *cooper.Identity) { i.Key = "x.old.v.e" }), ".%x.old.v.e%@" + id.VersionID},
		{with(func(i *cooper.Identity) { i.Key = "x.old.v" }), "x.old.v.old." + id.VersionID + "." + etag},
		{with(func(i *cooper.Identity) { i.Key = ".old.x" }), ".old.x.old." + id.VersionID + "." + etag},
		{with(func(i *cooper.Identity) { i.Key = "x.old." }), "x.old..old." + id.VersionID + "." + etag},
		{with(func(i *cooper.Identity) { i.VersionID = ".Y.21Qh1pqG55E.4zE." }), "a/b.old..Y.21Qh1pqG55E.4zE.." + etag},
		{with(func(i *cooper.Identity) { i.Key = strings.Repeat("k", 190) }), ".%" + strings.Repeat("k", 190) + "%@" + id.VersionID},
		{with(func(i *cooper.Identity) { i.Key = strings.Repeat("k", 200); i.VersionID = strings.Repeat("v", 60) }),
			".%" + strings.Repeat("k", 200) + "%@" + hashToken(cooper.Identity{Key: strings.Repeat("k", 200), VersionID: strings.Repeat("v", 60), ETag: etag, Size: 7, LastModified: id.LastModified})},
	} {
		got := Inline.History(c.id, 5)
		if got != c.want {
			t.Errorf("History(%+v) = %q, want %q", c.id, got, c.want)
		}
		if key, ok := Inline.ParseHistory(got); !ok || key != c.id.Key {
			t.Errorf("ParseHistory(%q) = %q, %v", got, key, ok)
		}
	}
	for _, p := range []string{"", "a", "a.old.v", "a.old.null-x.e", "a.old.null-01.e", "x/../a.old.v.e", "a.old.v.e/b", ".%a.old.v.e", ".%a%@", ".%a%@null-e-1", ".%a%@null", ".%a%@%~abc",
		".cooper.old.v.e", ".s3invsync.old.v.e", "/a.old.v.e", "a//b.old.v.e", strings.Repeat("x", 250) + ".old.v.e"} {
		if k, ok := Inline.ParseHistory(p); ok {
			t.Errorf("ParseHistory(%q) = %q; want none", p, k)
		}
	}
}

func TestFormerNames(t *testing.T) {
	null := cooper.Identity{Key: "a/b", VersionID: "null", ETag: "e", LastModified: 5}
	p, ok := Inline.Former(null)
	if !ok || p != "a/b.old.null.e" {
		t.Errorf("%q, %v", p, ok)
	}
	if key, ok := Inline.ParseHistory(p); !ok || key != "a/b" {
		t.Errorf("ParseHistory(%q) = %q, %v", p, key, ok)
	}
	null.VersionID = "v"
	if p, ok := Inline.Former(null); ok {
		t.Errorf("%q for a version with an id of its own", p)
	}
	null.VersionID = ""
	if p, ok := Sidecar.Former(null); ok {
		t.Errorf("%q in a sidecar tree", p)
	}
}

// oddKey draws keys that come near what either layout reserves.
func oddKey() *rapid.Generator[string] {
	piece := rapid.OneOf(rapid.SampledFrom([]string{"@", "=", "~", ".old.", ".old", "old.", ".", "null", "null-1", "v", "e", ".%", ".cooper", ".s3invsync", "%=", "%@", "%~", "/", "\x00", "a"}),
		rapid.Map(rapid.IntRange(190, 260), func(n int) string { return strings.Repeat("y", n) }))
	near := rapid.Map(rapid.SliceOfN(piece, 0, 12), func(p []string) string { return strings.Join(p, "") })
	return rapid.OneOf(near, anyKey())
}

func TestLayoutsRoundTrip(t *testing.T) {
	for _, l := range layouts {
		t.Run(string(l), rapid.MakeCheck(func(t *rapid.T) {
			owner := map[string]string{} // of every path
			for _, key := range []string{oddKey().Draw(t, "a"), oddKey().Draw(t, "b")} {
				id := cooper.Identity{Key: key, VersionID: oddKey().Draw(t, "version"), ETag: oddKey().Draw(t, "etag"), LastModified: cooper.Instant(rapid.Int64Range(-3, 3).Draw(t, "ms"))}
				paths := []string{l.Mirror(key), l.Displaced(key), l.History(id, 5)}
				if former, ok := l.Former(id); ok {
					paths = append(paths, former)
				}
				for i, p := range paths {
					checkNames(t, p)
					if other, had := owner[p]; had && other != key {
						t.Fatalf("%q and %q share the path %q", other, key, p)
					}
					owner[p] = key
					if slices.Index(paths, p) != i {
						t.Fatalf("%q has a path twice: %q", key, paths)
					}
					back, displaced, ok := l.ParseMirror(p)
					if i < 2 && (!ok || back != key || displaced != (i == 1)) || i >= 2 && ok {
						t.Fatalf("ParseMirror(%q) = %q, %v, %v; %q", p, back, displaced, ok, key)
					}
					back, ok = l.ParseHistory(p)
					if i >= 2 && (!ok || back != key) || i < 2 && ok {
						t.Fatalf("ParseHistory(%q) = %q, %v; %q", p, back, ok, key)
					}
					if utf8.ValidString(id.Key+id.VersionID+id.ETag) && !utf8.ValidString(p) {
						t.Fatalf("%q is not UTF-8", p)
					}
				}
			}
		}))
	}
}

// checkNames fails unless every name in p can be made on a file system.
func checkNames(t interface{ Fatalf(string, ...any) }, p string) {
	for n := range strings.SplitSeq(p, "/") {
		if n == "" || n == "." || n == ".." || len(n) > 255 || strings.ContainsRune(n, 0) {
			t.Fatalf("%q holds the name %q", p, n)
		}
	}
}

func TestInlineHistoryTellsIdentitiesApart(t *testing.T) {
	identity := rapid.Custom(func(t *rapid.T) cooper.Identity {
		return cooper.Identity{
			Key:          rapid.SampledFrom([]string{"a", "a.old", "a.old.", "a.old.v", "..", strings.Repeat("z", 200), strings.Repeat("z", 230)}).Draw(t, "key"),
			VersionID:    rapid.OneOf(rapid.SampledFrom([]string{"null", "v", "v.w", "old.v", "null-", "null-1", "null-e-1", strings.Repeat("v", 60)}), oddKey()).Draw(t, "version"),
			ETag:         rapid.OneOf(rapid.SampledFrom([]string{"e", "e-1", "w.e", "", "-1", strings.Repeat("e", 60)}), oddKey()).Draw(t, "etag"),
			LastModified: cooper.Instant(rapid.Int64Range(-2, 2).Draw(t, "ms")),
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
		}
		if (a == b) != (Inline.History(a, 5) == Inline.History(b, 5)) {
			t.Fatalf("%+v and %+v: %q, %q", a, b, Inline.History(a, 5), Inline.History(b, 5))
		}
	})
}

// TestTheLongestPaths: a path must not exceed what Linux takes, 4,096 bytes,
// also aside and relative to the tree.
func TestTheLongestPaths(t *testing.T) {
	for _, l := range layouts {
		for _, unit := range []string{"/", "./", "\x00/", "\x01", "%=", ".old.", "a.old.b.c/", ".%", "é"} {
			id := cooper.Identity{Key: strings.Repeat(unit, 1024/len(unit)), VersionID: strings.Repeat("/", 1024), ETag: "e"}
			for _, p := range []string{l.Mirror(id.Key), l.Displaced(id.Key), l.History(id, 5)} {
				if len(p) > 4096-len(".cooper/aside/~999") {
					t.Errorf("%s: %q gives a path of %d bytes", l, unit, len(p))
				}
			}
		}
	}
}

func FuzzInlinePaths(f *testing.F) {
	for _, s := range []string{"a/b", ".%a%=", ".%/.%..", "a.old.v.e", "a.old.null-1.e", "a.old.null.e", ".%a%@null-e.f-1", ".%x%~/.%y%@v"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, p string) {
		key, displaced, inMirror := Inline.ParseMirror(p)
		if inMirror {
			want := Inline.Mirror(key)
			if displaced {
				want = Inline.Displaced(key)
			}
			if want != p {
				t.Fatalf("ParseMirror accepts %q as %q, whose path is %q", p, key, want)
			}
		}
		if _, ok := Inline.ParseHistory(p); ok {
			checkNames(t, p)
			if inMirror {
				t.Fatalf("%q is in mirror and history", p)
			}
		}
	})
}

func BenchmarkInlineMirror(b *testing.B) {
	key := "zarr/dataset-0001/0/12/34/5678"
	for b.Loop() {
		Inline.Mirror(key)
	}
}
