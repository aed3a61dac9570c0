package gcfacts

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestEachHandle: handles come out as they went in, whatever their ids and keys are, and
// those of one scan alone.
func TestEachHandle(t *testing.T) {
	s := Open(filepath.Join(t.TempDir(), "ledger"))
	want := []Handle{
		{ID: "0", Bucket: "b", Key: "a", Size: 0, Modified: 1, Created: 2, Status: "NEW", Candidate: true},
		{Kind: "k", ID: "00000000-0000-0000-0000-000000000000", Bucket: "b", Key: "a/\xff", Size: -1},
		{Kind: "k", ID: "007", Size: 5},
		{Kind: "k", ID: "9223372036854775807", Size: 1 << 40},
		{Kind: "k", ID: "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", Size: -1},
	}
	for _, scan := range []string{scan1, scan2} {
		for shard := range 2 {
			w, err := s.Shard(ctx, scan, shard)
			must(t, err)
			for i := shard; i < len(want); i += 2 {
				if scan == scan1 {
					must(t, w.Handle(want[i]))
				}
			}
			must(t, w.Range(Range{What: OfKind, Table: "files", Number: shard}))
			must(t, w.Commit(ctx))
		}
	}
	got := map[string]Handle{}
	must(t, s.EachHandle(ctx, scan1, func(h *Handle) error {
		got[h.ID] = *h
		return nil
	}))
	for _, h := range want {
		if d := cmp.Diff(h, got[h.ID]); d != "" {
			t.Error(d)
		}
	}
	for scan, n := range map[string]int64{scan1: 5, scan2: 0} {
		if is, err := s.CountHandles(scan); err != nil || is != n {
			t.Error(is, err)
		}
	}
	stop := fmt.Errorf("enough")
	if err := s.EachHandle(ctx, scan1, func(*Handle) error { return stop }); err == nil {
		t.Error("an error was dropped")
	}
	if err := s.EachHandle(ctx, "../x", nil); err == nil {
		t.Error("any name will do")
	}
}
