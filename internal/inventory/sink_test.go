package inventory_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"

	"cooper"
	"cooper/internal/inventory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// discard is a Sink that wants nothing.
type discard struct{}

func (discard) Version(*cooper.Version) error   { return nil }
func (discard) Reject(inventory.Rejected) error { return nil }

// rowSource is a Source of rows held in memory, part by part.
type rowSource struct {
	meta    inventory.Meta
	parts   [][]cooper.Version
	rejects []inventory.Rejected // delivered by the first part
	failure error                // of the last part, after its rows
}

func (s *rowSource) Meta() inventory.Meta { return s.meta }

func (s *rowSource) Parts() (parts []inventory.Part) {
	for i := range s.parts {
		parts = append(parts, &rowPart{s, i})
	}
	return parts
}

type rowPart struct {
	s *rowSource
	i int
}

func (p *rowPart) Name() string { return fmt.Sprintf("part %d", p.i) }

// Read delivers the rows through one Version that is used again, as sources
// may.
func (p *rowPart) Read(_ context.Context, to inventory.Sink) error {
	var v cooper.Version
	for _, row := range p.s.parts[p.i] {
		v = row
		if err := to.Version(&v); err != nil {
			return err
		}
	}
	if p.i == 0 {
		for _, r := range p.s.rejects {
			if err := to.Reject(r); err != nil {
				return err
			}
		}
	}
	if p.i == len(p.s.parts)-1 {
		return p.s.failure
	}
	return nil
}

// clock is when every snapshot of the tests is made.
func clock() time.Time { return time.Date(2026, 11, 20, 1, 0, 0, 0, time.UTC) }

// build makes a snapshot and opens it.
func build(t testing.TB, src inventory.Source, opt inventory.BuildOptions) *inventory.Snapshot {
	t.Helper()
	parent, err := os.MkdirTemp("", "inventory")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(parent); err != nil {
			t.Error(err)
		}
	})
	return buildAt(t, filepath.Join(parent, "s"), src, opt)
}

// fataler is what testing.TB and rapid.T have in common.
type fataler interface{ Fatal(args ...any) }

func buildAt(t fataler, dir string, src inventory.Source, opt inventory.BuildOptions) *inventory.Snapshot {
	opt.Clock = clock
	built, err := inventory.Build(context.Background(), dir, src, opt)
	if err != nil {
		t.Fatal(err)
	}
	s, err := inventory.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprint(s.Meta()), fmt.Sprint(built); s.Meta().RejectedFile == nil && got != want {
		t.Fatal("opened as", got, "built as", want)
	}
	return s
}

// all reads an iterator to its end and closes it.
func all(it inventory.Iterator) (vs []cooper.Version, err error) {
	for {
		v, err := it.Next()
		if errors.Is(err, io.EOF) {
			return vs, it.Close()
		}
		if err != nil {
			return vs, errors.Join(err, it.Close())
		}
		vs = append(vs, *v)
	}
}

func mustAll(t fataler, it inventory.Iterator) []cooper.Version {
	vs, err := all(it)
	if err != nil {
		t.Fatal(err)
	}
	return vs
}

func keys(t fataler, l *inventory.KeyList) (keys []string) {
	for {
		k, err := l.Next()
		if errors.Is(err, io.EOF) {
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			return keys
		}
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, k)
	}
}

// files gives the names in a directory.
func files(t testing.TB, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	slices.Sort(names)
	return names
}

// version makes a row for tests that care about few of its fields.
func version(key, id string, at int64, latest bool) cooper.Version {
	return cooper.Version{
		Identity: cooper.Identity{Key: key, VersionID: id, ETag: "d41d8cd98f00b204e9800998ecf8427e", Size: 7, LastModified: cooper.Instant(at)},
		Latest:   latest, StorageClass: "STANDARD",
	}
}
