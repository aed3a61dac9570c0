//go:build unix

package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cooper"
)

// TestTrust: commands are run from a file alone that nobody else can have put there
// or written.
func TestTrust(t *testing.T) {
	src := []byte(strings.Replace(based("lag: 5m\n"), "mysql:env:DSN", "mysql:exec:./secret show", 1))
	write := func(path string, perm os.FileMode) {
		t.Helper()
		if err := os.WriteFile(path, src, 0o600); err != nil {
			t.Fatal(err)
		}
		chmod(t, path, perm)
	}
	for name, c := range map[string]struct {
		make func(dir string) string
		want string // of the error; empty for none
	}{
		"mine": {func(dir string) string {
			write(dir+"/f", 0o644)
			return dir + "/f"
		}, ""},
		"written by the group": {func(dir string) string {
			write(dir+"/f", 0o664)
			return dir + "/f"
		}, "f can be written by others"},
		"written by all": {func(dir string) string {
			write(dir+"/f", 0o602)
			return dir + "/f"
		}, "f can be written by others"},
		"folder of all": {func(dir string) string {
			write(dir+"/f", 0o600)
			chmod(t, dir, 0o777)
			return dir + "/f"
		}, "can be written by others"},
		"folder like /tmp": {func(dir string) string {
			write(dir+"/f", 0o600)
			chmod(t, dir, 0o777|os.ModeSticky)
			return dir + "/f"
		}, ""},
		"link": {func(dir string) string {
			write(dir+"/f", 0o600)
			link(t, "f", dir+"/l")
			return dir + "/l"
		}, ""},
		"links by folders": {func(dir string) string {
			mkdir(t, dir+"/a")
			write(dir+"/a/f", 0o600)
			link(t, "../a", dir+"/a/up")
			link(t, dir+"/a/up/../a/./f", dir+"/l")
			return dir + "/l"
		}, ""},
		"link to a folder of all": {func(dir string) string {
			mkdir(t, dir+"/open")
			write(dir+"/open/f", 0o600)
			chmod(t, dir+"/open", 0o777)
			link(t, "open/f", dir+"/l")
			return dir + "/l"
		}, "open can be written by others"},
		"link in a folder of all": {func(dir string) string {
			mkdir(t, dir+"/open")
			write(dir+"/f", 0o600)
			link(t, dir+"/f", dir+"/open/l")
			chmod(t, dir+"/open", 0o777)
			return dir + "/open/l"
		}, "open can be written by others"},
		"far folder of all": {func(dir string) string {
			mkdir(t, dir+"/open")
			mkdir(t, dir+"/open/b")
			mkdir(t, dir+"/open/b/c")
			write(dir+"/open/b/c/f", 0o600)
			chmod(t, dir+"/open", 0o777)
			return dir + "/open/b/c/f"
		}, "open can be written by others"},
	} {
		t.Run(name, func(t *testing.T) {
			dir, err := os.MkdirTemp("", "trust") // t.TempDir has folders above that a umask may open
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = os.RemoveAll(dir) })
			chmod(t, dir, 0o700)
			path := c.make(dir)
			got, err := Load(path)
			if c.want == "" {
				if err != nil || len(got.Commands()) != 1 {
					t.Errorf("%s", said(err))
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.want) || cooper.KindOf(err) != cooper.KindUsage {
				t.Errorf("%v", err)
			}
			if !strings.Contains(cooper.RemedyOf(err), "chmod go-w "+dir) {
				t.Errorf("remedy: %s", cooper.RemedyOf(err))
			}
			if !strings.Contains(err.Error(), ":3:11: the command ./secret") {
				t.Errorf("place: %v", err)
			}
		})
	}
}

// TestTrustOwner needs root, who alone can give files away.
func TestTrustOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give a file away")
	}
	dir := t.TempDir()
	const somebody = 12345
	f, l := filepath.Join(dir, "f"), filepath.Join(dir, "l")
	if err := os.WriteFile(f, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	link(t, f, l)
	check := func(path string) error {
		open, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer open.Close()
		return trusted(path, open)
	}
	if err := check(l); err != nil {
		t.Error(err)
	}
	for _, path := range []string{l, f, dir} {
		if err := os.Lchown(path, somebody, -1); err != nil {
			t.Fatal(err)
		}
		if err := check(l); err == nil || !strings.Contains(err.Error(), path+" belongs to user 12345") {
			t.Errorf("%s of somebody else's: %v", path, err)
		}
		if err := os.Lchown(path, 0, -1); err != nil {
			t.Fatal(err)
		}
	}
	other := filepath.Join(dir, "other")
	if err := os.WriteFile(other, []byte("y"), 0o600); err != nil {
		t.Fatal(err)
	}
	open, err := os.Open(other)
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	if err := trusted(f, open); err == nil || !strings.Contains(err.Error(), "was replaced") {
		t.Errorf("another file than was read: %v", err)
	}
	link(t, "round", filepath.Join(dir, "round"))
	if _, _, err := walk(filepath.Join(dir, "round")); err == nil {
		t.Error("a link to itself leads somewhere")
	}
}

func chmod(t *testing.T, path string, perm os.FileMode) {
	t.Helper()
	if err := os.Chmod(path, perm); err != nil {
		t.Fatal(err)
	}
}

func link(t *testing.T, to, at string) {
	t.Helper()
	if err := os.Symlink(to, at); err != nil {
		t.Fatal(err)
	}
}

func mkdir(t *testing.T, path string) {
	t.Helper()
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
}
