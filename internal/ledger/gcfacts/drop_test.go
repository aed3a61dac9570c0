package gcfacts

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cooper"
	"cooper/internal/ledger"
)

func TestDrop(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "ledger")
	s := Open(dir)
	must(t, s.Drop(ctx, scan1)) // nothing there
	release, err := s.Hold(ctx)
	must(t, err)
	must(t, release())
	write(t, s, scan1, 0, 1)
	write(t, s, scan2, 0)
	must(t, s.Finish(ctx, complete))
	var releases []func() error
	for range 2 { // another process would open the file as well
		release, err := Open(dir).Hold(ctx)
		must(t, err)
		releases = append(releases, release)
	}
	for _, release := range releases {
		if err := s.Drop(ctx, scan1); cooper.KindOf(err) != cooper.KindLocked {
			t.Errorf("while it is read: %v", err)
		}
		must(t, release())
	}
	must(t, s.alone(func() error { // a Hold waits no longer than its context
		c, cancel := context.WithCancel(ctx)
		cancel()
		if _, err := s.Hold(c); cooper.KindOf(err) != cooper.KindInterrupted {
			t.Errorf("held: %v", err)
		}
		return nil
	}))
	must(t, s.Drop(ctx, scan1))
	if got := linksSeen(t, s); len(got) != 4 {
		t.Errorf("%v", got)
	}
	if all, err := s.Scans(ctx); err != nil || len(all) != 0 {
		t.Error(all, err)
	}
	if left, err := os.ReadDir(filepath.Join(dir, droppedDir)); err != nil || len(left) != 0 {
		t.Error(left, err)
	}
	// The lock is gone, but facts are there.
	must(t, os.Remove(filepath.Join(dir, lockName)))
	release, err = s.Hold(ctx)
	must(t, err)
	if err := s.Drop(ctx, scan2); cooper.KindOf(err) != cooper.KindLocked {
		t.Errorf("while it is read: %v", err)
	}
	must(t, release())
}

// TestOthersLeaveThemAlone: what the ledger does with its own files.
func TestOthersLeaveThemAlone(t *testing.T) {
	s := Open(filepath.Join(t.TempDir(), "ledger"))
	write(t, s, scan1, 0)
	l := ledger.Open(s.dir)
	want := linksSeen(t, s)
	must(t, l.WriteRun(ctx, ledger.RunFact{ID: "r-1"}))
	must(t, l.Compact(ctx))
	must(t, l.Recover(ctx))
	if d := cmp.Diff(want, linksSeen(t, s)); d != "" {
		t.Error(d)
	}
}
