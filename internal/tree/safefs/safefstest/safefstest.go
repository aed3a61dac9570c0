// Package safefstest tests implementations of safefs.FS.
//
// It holds one suite, which every implementation must pass on an empty root.
// What only one of them can do is left to its own tests.
package safefstest

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"cooper"
	"cooper/internal/tree/safefs"
)

// Test runs the suite on an empty file system, and leaves it empty.
func Test(t *testing.T, d safefs.FS) {
	for _, c := range []struct {
		name string
		test func(*testing.T, safefs.FS)
	}{
		{"files and directories", testFilesAndDirectories},
		{"bad paths", testBadPaths},
		{"what is in the way", testWays},
		{"lock", testLock},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.test(t, d)
			clean(t, d, ".")
		})
	}
}

func clean(t *testing.T, d safefs.FS, dir string) {
	t.Helper()
	for _, i := range must(d.ReadDir(dir))(t) {
		p := strings.TrimPrefix(dir+"/"+i.Name, "./")
		if i.IsDir() {
			clean(t, d, p)
			check(t, d.RemoveDir(p))
		} else {
			check(t, d.Remove(p))
		}
	}
}

func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, d safefs.FS, name, content string) {
	t.Helper()
	f := must(d.Create(name))(t)
	must(f.Write([]byte(content)))(t)
	check(t, f.Close())
}

func testFilesAndDirectories(t *testing.T, d safefs.FS) {
	if _, err := d.Create("a/b/c"); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("Create without its directory: %v", err)
	}
	check(t, d.MkdirAll("a/b"))
	check(t, d.MkdirAll("a/b"))
	f := must(d.Create("a/b/c"))(t)
	must(f.Write([]byte("hello")))(t)
	check(t, f.Truncate(4))
	must(f.Write([]byte("!")))(t)
	at := cooper.Instant(1234567890123)
	check(t, f.SetTime(at))
	check(t, f.Sync())
	check(t, f.Close())
	if err := f.Close(); err == nil {
		t.Error("closed twice without an error")
	}
	info := must(d.Lstat("a/b/c"))(t)
	if info.Size != 5 || !info.IsFile() || !info.ModifiedAt(at) || info.ModifiedAt(at+1) || info.Name != "c" {
		t.Errorf("Lstat: %+v", info)
	}
	if _, err := d.Create("a/b/c"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("Create over a file: %v", err)
	}
	check(t, d.Move("a/b/c", "a/d"))
	write(t, d, "a/e", "other")
	if err := d.Move("a/e", "a/d"); !errors.Is(err, fs.ErrExist) || cooper.KindOf(err) != cooper.KindConflict {
		t.Errorf("Move over a file: %v", err)
	}
	check(t, d.Replace("a/e", "a/d"))
	r := must(d.Open("a/d"))(t)
	if b := must(io.ReadAll(r))(t); string(b) != "other" {
		t.Errorf("content %q", b)
	}
	part := make([]byte, 9)
	if n, err := r.ReadAt(part, 2); n != 3 || !errors.Is(err, io.EOF) {
		t.Errorf("ReadAt: %d, %v", n, err)
	}
	check(t, r.Close())
	if err := d.RemoveDir("a"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("RemoveDir of a full directory: %v", err)
	}
	if _, err := d.Open("a/b"); cooper.KindOf(err) != cooper.KindConflict {
		t.Errorf("Open of a directory: %v", err)
	}
	names := []string{}
	for _, i := range must(d.ReadDir("a"))(t) {
		names = append(names, fmt.Sprintf("%s %v", i.Name, i.IsDir()))
	}
	slices.Sort(names)
	if strings.Join(names, ",") != "b true,d false" {
		t.Errorf("ReadDir: %v", names)
	}
	check(t, d.Remove("a/d"))
	check(t, d.RemoveDir("a/b"))
	check(t, d.RemoveDir("a"))
	check(t, d.MkdirAll("a/b")) // not through a stale handle
	write(t, d, "a/b/x", "")
	check(t, d.SyncDir("a/b"))
	check(t, d.SyncAll())
	if s := must(d.Space())(t); s.Bytes <= 0 || s.Inodes <= 0 {
		t.Errorf("Space: %+v", s)
	}
}

// testWays is about files where directories are needed, and the other way
// round.
func testWays(t *testing.T, d safefs.FS) {
	write(t, d, "file", "")
	check(t, d.MkdirAll("dir/sub"))
	missing, conflict := cooper.KindMissing, cooper.KindConflict
	for what, c := range map[string]struct {
		err  error
		want cooper.Kind
	}{
		"Lstat of nothing":         {second(d.Lstat("none")), missing},
		"Lstat below nothing":      {second(d.Lstat("none/x")), missing},
		"Lstat below a file":       {second(d.Lstat("file/x")), conflict},
		"Open of nothing":          {second(d.Open("none")), missing},
		"Open of a directory":      {second(d.Open("dir")), conflict},
		"Create below a file":      {second(d.Create("file/x")), conflict},
		"OpenWrite of a directory": {second(d.OpenWrite("dir")), conflict},
		"OpenWrite below nothing":  {second(d.OpenWrite("none/x")), missing},
		"MkdirAll over a file":     {d.MkdirAll("file"), conflict},
		"MkdirAll below a file":    {d.MkdirAll("file/x/y"), conflict},
		"Move of nothing":          {d.Move("none", "dir/x"), missing},
		"Move to nowhere":          {d.Move("file", "none/x"), missing},
		"Move over a directory":    {d.Move("file", "dir"), conflict},
		"Remove of nothing":        {d.Remove("none"), missing},
		"RemoveDir of nothing":     {d.RemoveDir("none"), missing},
		"RemoveDir of a file":      {d.RemoveDir("file"), conflict},
		"RemoveDir below a file":   {d.RemoveDir("file/x"), conflict},
		"ReadDir of nothing":       {second(d.ReadDir("none")), missing},
		"ReadDir of a file":        {second(d.ReadDir("file")), conflict},
		"SyncDir of nothing":       {d.SyncDir("none"), missing},
	} {
		if got := cooper.KindOf(c.err); got != c.want {
			t.Errorf("%s: %q (%v), want %q", what, got, c.err, c.want)
		}
	}
	if err := d.RemoveDir("dir"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("RemoveDir of a full directory: %v", err)
	}
}

func second[T any](_ T, err error) error { return err }

func testBadPaths(t *testing.T, d safefs.FS) {
	check(t, d.MkdirAll("x"))
	for _, p := range []string{"", "/", "/etc", "..", "../x", "x/../y", "./x", "x/", "x//y", "x\x00", "x/.", "."} {
		if f, err := d.Create(p); err == nil {
			t.Errorf("Create(%q) = %v", p, f)
		}
		if err := d.MkdirAll(p); err == nil && p != "." {
			t.Errorf("MkdirAll(%q)", p)
		}
		if err := d.Move("x", p); err == nil {
			t.Errorf("Move(x, %q)", p)
		}
	}
}

func testLock(t *testing.T, d safefs.FS) {
	a := must(d.OpenWrite("lock"))(t)
	b := must(d.OpenWrite("lock"))(t)
	if ok := must(a.(safefs.Locker).TryLock())(t); !ok {
		t.Error("the first cannot lock")
	}
	if ok := must(b.(safefs.Locker).TryLock())(t); ok {
		t.Error("the second can lock")
	}
	check(t, a.Close())
	if ok := must(b.(safefs.Locker).TryLock())(t); !ok {
		t.Error("the lock did not end with Close")
	}
	check(t, b.Close())
}
