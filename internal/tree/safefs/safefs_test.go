package safefs

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
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

func TestNewFilesHaveTheUsualMode(t *testing.T) {
	both(t, func(t *testing.T, d *dirFS, dir string) {
		write(t, d, "f", "")
		if info := must(d.Lstat("f"))(t); info.Mode != 0o644&^umask() {
			t.Errorf("mode %v", info.Mode)
		}
	})
}

func umask() os.FileMode {
	m := syscall.Umask(0)
	syscall.Umask(m)
	return os.FileMode(m)
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
