package safefs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"cooper"
)

// both runs a test with openat2 and with the walk that replaces it.
func both(t *testing.T, test func(t *testing.T, fsys *dirFS, dir string)) {
	for _, walk := range []bool{false, true} {
		t.Run(map[bool]string{false: "openat2", true: "walk"}[walk], func(t *testing.T) {
			dir := t.TempDir()
			f, err := open(dir, walk)
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := f.Close(); err != nil {
					t.Error(err)
				}
			}()
			test(t, f, dir)
		})
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

func write(t *testing.T, fsys FS, name, content string) {
	t.Helper()
	f := must(fsys.Create(name))(t)
	must(f.Write([]byte(content)))(t)
	check(t, f.Close())
}

func TestFilesAndDirectories(t *testing.T) {
	both(t, func(t *testing.T, d *dirFS, dir string) {
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
		if info.Size != 5 || !info.IsFile() || !info.ModifiedAt(at) || info.ModifiedAt(at+1) || info.Name != "c" || info.Mode != 0o644&^umask() {
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
		if n, err := r.ReadAt(part, 2); n != 3 || err != io.EOF {
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
	})
}

func umask() os.FileMode {
	m := syscall.Umask(0)
	syscall.Umask(m)
	return os.FileMode(m)
}

func TestBadPaths(t *testing.T) {
	both(t, func(t *testing.T, d *dirFS, dir string) {
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
	})
}

func TestSymbolicLinksAreNeverFollowed(t *testing.T) {
	both(t, func(t *testing.T, d *dirFS, dir string) {
		outside := t.TempDir()
		check(t, os.WriteFile(filepath.Join(outside, "secret"), []byte("secret"), 0o600))
		check(t, d.MkdirAll("real"))
		write(t, d, "real/file", "mine")
		check(t, os.Symlink(outside, filepath.Join(dir, "link")))
		check(t, os.Symlink("real", filepath.Join(dir, "inner")))
		check(t, os.Symlink(filepath.Join(outside, "secret"), filepath.Join(dir, "real/leaf")))
		check(t, os.Symlink(filepath.Join(outside, "new"), filepath.Join(dir, "real/dangling")))
		for what, err := range map[string]error{
			"Create link/new":       second(d.Create("link/new")),
			"Open link/secret":      second(d.Open("link/secret")),
			"Open inner/file":       second(d.Open("inner/file")),
			"Open real/leaf":        second(d.Open("real/leaf")),
			"OpenWrite dangling":    second(d.OpenWrite("real/dangling")),
			"Create dangling":       second(d.Create("real/dangling")),
			"Lstat link/secret":     second(d.Lstat("link/secret")),
			"MkdirAll link/d":       d.MkdirAll("link/d"),
			"MkdirAll link":         d.MkdirAll("link"),
			"Move into link":        d.Move("real/file", "link/file"),
			"Move out of link":      d.Move("link/secret", "real/stolen"),
			"Replace into link":     d.Replace("real/file", "link/file"),
			"Remove link/secret":    d.Remove("link/secret"),
			"ReadDir link":          second(d.ReadDir("link")),
			"SyncDir link":          d.SyncDir("link"),
			"Move over a link":      d.Move("real/file", "real/dangling"),
			"Create in deeper link": second(d.Create("link/a/b/c")),
		} {
			if err == nil {
				t.Errorf("%s: no error", what)
			}
		}
		left := must(os.ReadDir(outside))(t)
		if len(left) != 1 || string(must(os.ReadFile(filepath.Join(outside, "secret")))(t)) != "secret" {
			t.Errorf("outside was touched: %v", left)
		}
		if info := must(d.Lstat("link"))(t); info.Mode.Type() != fs.ModeSymlink {
			t.Errorf("Lstat of a link: %v", info.Mode)
		}
	})
}

func second[T any](_ T, err error) error { return err }

func TestADirectorySwappedForALinkIsNoticedAfterSyncAll(t *testing.T) {
	both(t, func(t *testing.T, d *dirFS, dir string) {
		outside := t.TempDir()
		check(t, d.MkdirAll("a"))
		write(t, d, "a/one", "") // its handle is cached now
		check(t, os.Rename(filepath.Join(dir, "a"), filepath.Join(dir, "b")))
		check(t, os.Symlink(outside, filepath.Join(dir, "a")))
		check(t, d.SyncAll())
		if _, err := d.Create("a/two"); cooper.KindOf(err) != cooper.KindConflict {
			t.Errorf("Create through the swapped component: %v", err)
		}
		if left := must(os.ReadDir(outside))(t); len(left) != 0 {
			t.Errorf("outside was touched: %v", left)
		}
	})
}

func TestPipesDoNotHang(t *testing.T) {
	both(t, func(t *testing.T, d *dirFS, dir string) {
		check(t, syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600))
		if _, err := d.Open("pipe"); cooper.KindOf(err) != cooper.KindConflict {
			t.Errorf("Open of a pipe: %v", err)
		}
	})
}

func TestLock(t *testing.T) {
	both(t, func(t *testing.T, d *dirFS, dir string) {
		a := must(d.OpenWrite("lock"))(t)
		b := must(d.OpenWrite("lock"))(t)
		if ok := must(a.(Locker).TryLock())(t); !ok {
			t.Error("the first cannot lock")
		}
		if ok := must(b.(Locker).TryLock())(t); ok {
			t.Error("the second can lock")
		}
		check(t, a.Close())
		if ok := must(b.(Locker).TryLock())(t); !ok {
			t.Error("the lock did not end with Close")
		}
		check(t, b.Close())
	})
}

func TestManyDirectoriesFromManyGoroutines(t *testing.T) {
	both(t, func(t *testing.T, d *dirFS, dir string) {
		d.cache.limit = 3
		var wg sync.WaitGroup
		for g := range 8 {
			wg.Go(func() {
				for i := range 50 {
					name := fmt.Sprintf("d%d", (g+i)%10)
					if err := d.MkdirAll(name); err != nil {
						t.Error(err)
						return
					}
					f, err := d.Create(fmt.Sprintf("%s/%d-%d", name, g, i))
					if err != nil {
						t.Error(err)
						return
					}
					if err := f.Close(); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		n := 0
		for i := range 10 {
			n += len(must(d.ReadDir(fmt.Sprintf("d%d", i)))(t))
		}
		if n != 400 {
			t.Errorf("%d files, want 400", n)
		}
		if open := d.cache.order.Len(); open > 3 {
			t.Errorf("%d handles cached", open)
		}
	})
}

func TestModifiedAt(t *testing.T) {
	ns := time.Date(2026, 1, 2, 3, 4, 5, 678_900_000, time.UTC).UnixNano()
	for _, c := range []struct {
		mtime int64
		at    cooper.Instant
		want  bool
	}{
		{ns, cooper.Instant(ns / 1e6), true},
		{ns, cooper.Instant(ns/1e6) + 1, false},
		{ns, 0, true},
		{ns / 1e9 * 1e9, cooper.Instant(ns / 1e6), true}, // whole seconds only
		{ns / 1e9 * 1e9, cooper.Instant(ns/1e6) + 1000, false},
		{-1_500_000, -2, true},
		{-1_000_000_000, -1, true},
	} {
		if got := (Info{MTime: c.mtime}).ModifiedAt(c.at); got != c.want {
			t.Errorf("mtime %d, instant %d: %v", c.mtime, c.at, got)
		}
	}
}
