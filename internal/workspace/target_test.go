package workspace

import (
	"path/filepath"
	"strings"
	"testing"

	"cooper"
)

func TestLockTarget(t *testing.T) {
	w := open(t, t.TempDir())
	unlock, err := w.LockTarget("lab", "r-1", "purge run")
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.LockTarget("lab", "r-2", "purge run")
	if cooper.KindOf(err) != cooper.KindLocked || !strings.Contains(err.Error(), "purge run (run r-1), process ") {
		t.Errorf("taken twice: %v", err)
	}
	other, err := w.LockTarget("lab2", "r-2", "purge run")
	if err != nil {
		t.Errorf("another bucket: %v", err)
	} else if err := other(); err != nil {
		t.Error(err)
	}
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
	again, err := w.LockTarget("lab", "r-2", "purge run")
	if err != nil {
		t.Fatal(err)
	}
	if err := again(); err != nil {
		t.Error(err)
	}
	held, err := w.LockTarget("database:abc", "r-3", "gc scan")
	if err != nil {
		t.Fatal(err)
	}
	if _, err = w.LockTarget("database:abc", "r-4", "gc scan"); err == nil || strings.Contains(err.Error(), "s3://") || strings.Contains(err.Error(), "bucket") {
		t.Errorf("a database: %v", err)
	}
	if err := held(); err != nil {
		t.Error(err)
	}
	for _, bucket := range []string{"..", "a/../../b", "."} {
		if dir := w.TargetDir(bucket); filepath.Dir(dir) != filepath.Join(w.Dir(), "target") {
			t.Errorf("%q is kept at %s", bucket, dir)
		}
	}
}
