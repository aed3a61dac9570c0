package tree

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cooper"
	"cooper/internal/tree/catalog"
	"cooper/internal/tree/safefs/memfs"
)

// unpack brings a tree of format 1 to a file system in memory.
func unpack(t *testing.T, name string) *memfs.FS {
	t.Helper()
	b, err := os.ReadFile("testdata/format1/" + name + ".tar.gz")
	check(t, err)
	z, err := gzip.NewReader(bytes.NewReader(b))
	check(t, err)
	m := memfs.New()
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		check(t, err)
		p := path.Clean(h.Name)
		if h.Typeflag == tar.TypeDir {
			check(t, m.MkdirAll(p))
			continue
		}
		content, err := io.ReadAll(r)
		check(t, err)
		f, err := m.OpenWrite(p)
		check(t, err)
		_, err = f.Write(content)
		check(t, err)
		check(t, f.SetTime(cooper.InstantOf(h.ModTime)))
		check(t, f.Close())
	}
	check(t, m.SyncAll())
	return m
}

// told are the rows of a tree as the former program told them, but for the many.
func told(t *testing.T, m *memfs.FS) (text string, many int) {
	t.Helper()
	c, err := catalog.OpenFS(m)
	check(t, err)
	rows, err := allRows(c)
	check(t, err)
	var b strings.Builder
	for _, r := range rows {
		if strings.HasPrefix(r.Key, "f/") {
			many++
			continue
		}
		var shown []string
		for _, at := range r.Shown {
			shown = append(shown, fmt.Sprint(at))
		}
		fmt.Fprintf(&b, "%s|%s|%s|%d|%d|%t|%s|%s|%d|%s|%d|%s|%s\n", r.Key, r.VersionID, r.ETag, r.Size, r.LastModified, r.DeleteMarker, r.Place, r.Reason,
			r.Superseded, strings.Join(shown, ","), r.FirstSeen, r.Check, r.Method)
	}
	return b.String(), many
}

func samples(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/format1/*.tar.gz")
	check(t, err)
	if len(files) < 7 {
		t.Fatalf("%d samples", len(files))
	}
	var names []string
	for _, f := range files {
		names = append(names, strings.TrimSuffix(filepath.Base(f), ".tar.gz"))
	}
	return names
}

// bringUp is what a run does first with a tree.
func bringUp(m *memfs.FS, f facts) error {
	return hold(m, false, f, func(*Tree) error { return nil })
}

// isUp compares a tree with what it must be once it was brought to the present format.
func isUp(t *testing.T, m *memfs.FS, name string, was catalog.State) error {
	t.Helper()
	want, err := os.ReadFile("testdata/format1/" + name + ".txt")
	check(t, err)
	got, many := told(t, m)
	if d := cmp.Diff(string(want), got); d != "" {
		return fmt.Errorf("rows: %s", d)
	}
	if full := 90; name != "adopted" && many != full {
		return fmt.Errorf("%d of %d rows", many, full)
	}
	tr, err := openMem(m, false)
	if err != nil {
		return err
	}
	s := tr.State()
	if s.Format != 2 || tr.format != 2 {
		return fmt.Errorf("the catalog has format %d, the tree %d", s.Format, tr.format)
	}
	for _, run := range s.Runs {
		for _, f := range run.Files {
			if f.Sums.IsZero() {
				return fmt.Errorf("nothing vouches for %s", f.Name)
			}
		}
	}
	if d := cmp.Diff(was.Observed, s.Observed); d != "" {
		return fmt.Errorf("observed: %s", d)
	}
	if d := cmp.Diff(was.Pinned, s.Pinned); d != "" {
		return fmt.Errorf("pinned: %s", d)
	}
	if was.Run != nil && (s.Run == nil || s.Run.Plan != was.Run.Plan || s.Run.Done.Count() != 1) {
		return fmt.Errorf("the interrupted run: %+v", s.Run)
	}
	return nil
}

// TestTreesOfTheFormerFormatAreBroughtUp: they are read as they are, and the first run brings
// them up, wherever it is killed.
func TestTreesOfTheFormerFormatAreBroughtUp(t *testing.T) {
	for _, name := range samples(t) {
		t.Run(name, func(t *testing.T) {
			m := unpack(t, name)
			was := stateOf(t, m)
			if was.Format != 1 {
				t.Fatalf("the sample has format %d", was.Format)
			}
			if was.Run == nil { // as it is
				want, err := os.ReadFile("testdata/format1/" + name + ".txt")
				check(t, err)
				if got, _ := told(t, m); got != string(want) {
					t.Error(cmp.Diff(string(want), got))
				}
			}
			total, f := dieAt(m, -1), facts{}
			check(t, bringUp(m, f))
			if err := isUp(t, m, name, was); err != nil {
				t.Fatal(err)
			}
			m.Before = nil
			check(t, bringUp(m, f)) // nothing is left to do
			for k := 1; k <= *total; k++ {
				r := rand.New(rand.NewPCG(5, uint64(k)))
				m, f := unpack(t, name), facts{}
				dieAt(m, k)
				if err := bringUp(m, f); !errors.Is(err, errDead) && err != nil {
					t.Fatalf("operation %d: %v", k, err)
				}
				m = after(m, r)
				if refused, newer := versionOf(m), anyPointer(m); newer && !refused {
					t.Fatalf("operation %d: the former program would go on with a catalog of the present format", k)
				}
				if err := bringUp(m, f); err != nil {
					t.Fatalf("operation %d: %v", k, err)
				}
				if err := isUp(t, m, name, was); err != nil {
					t.Fatalf("operation %d: %v", k, err)
				}
			}
		})
	}
}

// versionOf tells whether the tree's version file is of the present format,
// anyPointer whether a pointer is.
func versionOf(m *memfs.FS) bool { return strings.HasPrefix(m.Files()[versionPath], `{"format":2,`) }

func anyPointer(m *memfs.FS) bool {
	files := m.Files()
	for _, name := range []string{"CURRENT.json", "CURRENT.second.json"} {
		if strings.Contains(files[catalog.Dir+"/"+name], `"format": 2,`) {
			return true
		}
	}
	return false
}
