package inventory_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"cooper"
	"cooper/internal/inventory"
	"cooper/internal/inventory/invtest"
)

func TestPrefixSelectsAsHasPrefixDoes(t *testing.T) {
	const n = 150_000 // more than a row group
	s := build(t, invtest.Synthetic(n, 3, invtest.Options{}), inventory.BuildOptions{})
	every := mustAll(t, s.Versions(t.Context(), inventory.IterOptions{}))
	if len(every) != n {
		t.Fatalf("%d rows", len(every))
	}
	mid := every[n/2].Key
	for _, prefix := range []string{
		"", "zarr", "zarr/", "zar", "a", "zzz", mid, mid[:len("zarr/00000000-0000-0000-0000-000000000000")],
		mid[:len(mid)-1], every[0].Key, every[n-1].Key, mid[:len("zarr/")+2],
	} {
		var want []cooper.Version
		for _, v := range every {
			if cooper.HasPrefix(v.Key, prefix) {
				want = append(want, v)
			}
		}
		got := mustAll(t, s.Versions(t.Context(), inventory.IterOptions{Prefix: prefix}))
		if !slices.Equal(got, want) {
			t.Errorf("prefix %q: %d rows, want %d", prefix, len(got), len(want))
		}
	}
}

// "a-b" sorts between "a" and "a/b": selecting "a" must not stop there.
func TestPrefixGoesOnBehindNeighbours(t *testing.T) {
	rows := []cooper.Version{version("a", "1", 1, true), version("a-b", "1", 1, true), version("a/b", "1", 1, true), version("b", "1", 1, true)}
	s := build(t, &rowSource{parts: [][]cooper.Version{rows}}, inventory.BuildOptions{})
	got := mustAll(t, s.Versions(t.Context(), inventory.IterOptions{Prefix: "a"}))
	if want := []cooper.Version{rows[0], rows[2]}; !slices.Equal(got, want) {
		t.Errorf("got %+v", got)
	}
}

func TestGroupsGathersTheVersionsOfEachKey(t *testing.T) {
	var rows []cooper.Version
	for i := range 700 {
		for k := range i % 5 {
			rows = append(rows, version(fmt.Sprintf("%04d", i), fmt.Sprint(k), int64(100-k), k == 0))
		}
	}
	for k := range 3000 { // more than a batch
		rows = append(rows, version("many", fmt.Sprintf("%04d", k), int64(9000-k), k == 0))
	}
	s := build(t, &rowSource{parts: [][]cooper.Version{rows}}, inventory.BuildOptions{})
	it := s.Versions(t.Context(), inventory.IterOptions{})
	groups := inventory.Groups(it)
	var got []cooper.Version
	seen := map[string]bool{}
	for {
		group, err := groups.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if seen[group[0].Key] {
			t.Errorf("key %s came twice", group[0].Key)
		}
		seen[group[0].Key] = true
		got = append(got, group...)
	}
	if !slices.Equal(got, rows) {
		t.Errorf("%d rows, want %d", len(got), len(rows))
	}
	if _, err := groups.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("after the end: %v", err)
	}
	if err := it.Close(); err != nil {
		t.Error(err)
	}
}

// broken is an Iterator that fails after some versions.
type broken struct{ rows []cooper.Version }

var errBroken = errors.New("broken")

func (b *broken) Next() (*cooper.Version, error) {
	if len(b.rows) == 0 {
		return nil, errBroken
	}
	v := b.rows[0]
	b.rows = b.rows[1:]
	return &v, nil
}

func (b *broken) Close() error { return nil }

// A key whose versions may not all have come is not given.
func TestGroupsStopsWhereTheIteratorFails(t *testing.T) {
	groups := inventory.Groups(&broken{[]cooper.Version{version("a", "1", 1, true), version("b", "1", 1, true)}})
	group, err := groups.Next()
	if err != nil || len(group) != 1 || group[0].Key != "a" {
		t.Errorf("first %+v, %v", group, err)
	}
	for range 2 {
		if group, err := groups.Next(); !errors.Is(err, errBroken) || group != nil {
			t.Errorf("then %+v, %v", group, err)
		}
	}
}

// Strings stay good after the iterator has gone on.
func TestStringsOutliveTheIterator(t *testing.T) {
	s := build(t, invtest.Synthetic(20_000, 3, invtest.Options{}), inventory.BuildOptions{})
	got := mustAll(t, s.Versions(t.Context(), inventory.IterOptions{})) // keeps strings, reads on
	again := mustAll(t, s.Versions(t.Context(), inventory.IterOptions{}))
	if !slices.Equal(got, again) || !slices.IsSortedFunc(got, func(v, w cooper.Version) int { return v.Compare(&w) }) {
		t.Error("what was read changed")
	}
}

func TestClosedAndCancelledIterators(t *testing.T) {
	s := build(t, invtest.Synthetic(100_000, 3, invtest.Options{}), inventory.BuildOptions{})
	it := s.Versions(t.Context(), inventory.IterOptions{})
	if _, err := it.Next(); err != nil {
		t.Fatal(err)
	}
	if err := it.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := it.Next(); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("a closed iterator gave %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	it = s.Versions(ctx, inventory.IterOptions{})
	cancel()
	if _, err := all(it); cooper.KindOf(err) != cooper.KindInterrupted {
		t.Errorf("a cancelled iterator gave %v", err)
	}
}

// A byte that is not as it was written is noticed by Verify, and by
// reading, or else makes no difference to what is read.
func TestDamagedFile(t *testing.T) {
	s := build(t, &rowSource{
		parts:   [][]cooper.Version{{version("a", "1", 1, true), version("b", "0123456789abcdef0123456789abcdef", 2, true)}},
		rejects: []inventory.Rejected{{File: "f", Row: 1, Key: []byte("k"), Reason: "r"}},
	}, inventory.BuildOptions{})
	want := mustAll(t, s.Versions(t.Context(), inventory.IterOptions{}))
	for _, name := range []string{s.Meta().Files[0].Name, s.Meta().RejectedFile.Name} {
		path := filepath.Join(s.Dir(), name)
		good, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(good); i += 11 {
			bad := slices.Clone(good)
			bad[i] ^= 1 << (i % 8)
			overwrite(t, path, bad)
			if err := s.Verify(t.Context()); cooper.KindOf(err) != cooper.KindCorrupt {
				t.Fatalf("%s, byte %d: Verify gave %v", name, i, err)
			}
			got, err := all(s.Versions(t.Context(), inventory.IterOptions{}))
			if err == nil && !slices.Equal(got, want) || err != nil && cooper.KindOf(err) != cooper.KindCorrupt {
				t.Fatalf("%s, byte %d: reading gave %+v, %v", name, i, got, err)
			}
			l := s.RejectedKeys(t.Context())
			for err = nil; err == nil; {
				_, err = l.Next()
			}
			if !errors.Is(err, io.EOF) && cooper.KindOf(err) != cooper.KindCorrupt {
				t.Fatalf("%s, byte %d: rejected keys gave %v", name, i, err)
			}
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
		}
		for _, n := range []int{0, 4, len(good) / 2, len(good) - 1} {
			overwrite(t, path, good[:n])
			if err := s.Verify(t.Context()); cooper.KindOf(err) != cooper.KindCorrupt {
				t.Errorf("%s, cut to %d: Verify gave %v", name, n, err)
			}
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if err := s.Verify(t.Context()); cooper.KindOf(err) != cooper.KindMissing {
			t.Errorf("%s gone: Verify gave %v", name, err)
		}
		overwrite(t, path, good)
	}
	if got := mustAll(t, s.Versions(t.Context(), inventory.IterOptions{})); !slices.Equal(got, want) {
		t.Errorf("got %+v", got)
	}
}

func overwrite(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestOpenRefusesWhatItDoesNotKnow(t *testing.T) {
	for name, c := range map[string]struct {
		meta string
		kind cooper.Kind
	}{
		"newer":            {`{"format": 3, "files": "quite different"}`, cooper.KindUsage},
		"no seal":          {`{"format": 2, "id": "s"}`, cooper.KindCorrupt},
		"an unknown field": {`{"format": 1, "seal": "none"}`, cooper.KindCorrupt},
		"no format":        {`{}`, cooper.KindCorrupt},
		"not JSON":         {`{"format": 1`, cooper.KindCorrupt},
		"leads elsewhere":  {`{"format": 1, "files": [{"name": "../x"}]}`, cooper.KindCorrupt},
		"rejected as well": {`{"format": 1, "rejected_file": {"name": "/etc/passwd"}}`, cooper.KindCorrupt},
	} {
		dir := t.TempDir()
		overwrite(t, filepath.Join(dir, "meta.json"), []byte(c.meta))
		if _, err := inventory.Open(dir); cooper.KindOf(err) != c.kind {
			t.Errorf("%s: got %v", name, err)
		}
	}
	var e *cooper.Error
	if _, err := inventory.Open(t.TempDir()); !errors.As(err, &e) || e.Kind != cooper.KindMissing || e.Remedy == "" {
		t.Errorf("no snapshot: got %v", err)
	}
}

// meta.json is what `snapshot show --json` prints: its names are a promise.
func TestMetaNames(t *testing.T) {
	s := build(t, invtest.Synthetic(100, 1, invtest.Options{}), inventory.BuildOptions{})
	text, err := os.ReadFile(filepath.Join(s.Dir(), "meta.json"))
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"format", "id", "source", "taken_at", "created", "versions", "delete_markers", "bytes", "rejected", "scope", "complete"} {
		if _, ok := got[name]; !ok {
			t.Errorf("no %s in %s", name, text)
		}
	}
}
