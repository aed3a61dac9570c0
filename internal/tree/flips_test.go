package tree

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cooper"
	"cooper/internal/tree/safefs/memfs"
)

// copyOf is a file system with the same files, of the same times.
func copyOf(t *testing.T, m *memfs.FS) *memfs.FS {
	t.Helper()
	files, to := m.Files(), memfs.New()
	for _, p := range slices.Sorted(maps.Keys(files)) {
		if dir, isDir := strings.CutSuffix(p, "/"); isDir {
			if dir != "." {
				check(t, to.MkdirAll(dir))
			}
			continue
		}
		info, err := m.Lstat(p)
		check(t, err)
		f, err := to.OpenWrite(p)
		check(t, err)
		_, err = f.Write([]byte(files[p]))
		check(t, err)
		check(t, f.SetTime(cooper.Instant(info.MTime/1e6)))
		check(t, f.Close())
	}
	return to
}

// flip changes one bit of a file.
func flip(t *testing.T, m *memfs.FS, path string, bit int) {
	t.Helper()
	b := []byte(m.Files()[path])
	b[bit/8] ^= 1 << (bit % 8)
	info, err := m.Lstat(path)
	check(t, err)
	put(t, m, path, string(b))
	f, err := m.OpenWrite(path)
	check(t, err)
	check(t, f.SetTime(cooper.Instant(info.MTime/1e6)))
	check(t, f.Close())
}

// answers are what readers of a tree, and then a run, are told; the error is the first that
// any of them gets.
func answers(m *memfs.FS) (told string, err error) {
	var b strings.Builder
	tell := func(what ...any) {
		for _, w := range what {
			text, err := json.Marshal(w)
			fmt.Fprintf(&b, "%s %v\n", text, err)
		}
	}
	tr, err := openMem(m, false)
	if err != nil {
		return "", err
	}
	s := tr.State()
	tell(tr.Layout(), s)
	rows, err := allRows(tr.Catalog())
	if err != nil {
		return "", err
	}
	tell(rows)
	for _, prefix := range []string{"k/", "k/5", "nothing"} {
		it := tr.Catalog().Rows(bg, prefix)
		n := 0
		for {
			r, err := it.Next()
			if errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				return "", errors.Join(err, it.Close())
			}
			n += len(r.Key)
		}
		if err := it.Close(); err != nil {
			return "", err
		}
		one, err := tr.Catalog().Lookup(bg, prefix+"0")
		if err != nil {
			return "", err
		}
		tell(prefix, n, one)
	}
	_, release, err := tr.Lock(bg, Holder{Run: "r-test", Command: "test"})
	if err != nil {
		return "", err
	}
	out, err := tr.Recover(bg, allowed, false)
	if err = errors.Join(err, release()); err != nil {
		return "", err
	}
	rows, err = allRows(tr.Catalog())
	if err != nil {
		return "", err
	}
	tell(out, rows)
	return b.String(), nil
}

// interrupted is a tree with a base, a delta, and a shard that was interrupted half way.
func interrupted(t *testing.T) *memfs.FS {
	t.Helper()
	m, f := newMem(t), facts{}
	var first []Change
	for i := range 100 {
		first = append(first, place(version(fmt.Sprintf("k/%d", i), 1)))
	}
	a, c := version("k/7", 1), version("k/8", 1)
	plans := []plan{{"p-0", [][]Change{first}}, {"p-1", [][]Change{{retire(a, 1), place(version("k/7", 2))}}}, {"p-2", [][]Change{{retire(c, 1), place(version("k/8", 3))}}}}
	check(t, hold(m, false, f, carryOut(plans[:2], f)))
	crash := errors.New("crash")
	m.Before = func(op string, paths ...string) error {
		if op == "move" && strings.HasPrefix(paths[0], stagingDir) {
			return crash
		}
		return nil
	}
	if err := hold(m, false, f, carryOut(plans, f)); !errors.Is(err, crash) {
		t.Fatal(err)
	}
	m.Before = nil
	return copyOf(t, m)
}

// TestNoFlippedBitChangesAnAnswerInSilence: every bit of every kind of file of a tree's own,
// in turn, with COOPER_SOAK; else some of them. What is damaged is an error, or
// there is a second copy and all is as it was; and an error touches nothing.
func TestNoFlippedBitChangesAnAnswerInSilence(t *testing.T) {
	m := interrupted(t)
	want, err := answers(copyOf(t, m))
	check(t, err)
	step := 389
	if os.Getenv("COOPER_SOAK") != "" {
		step = 1
	}
	files := m.Files()
	for _, path := range slices.Sorted(maps.Keys(files)) {
		if !strings.HasPrefix(path, metaDir+"/") || strings.HasSuffix(path, "/") || path == lockPath || strings.HasPrefix(path, stagingDir) {
			continue
		}
		t.Run(path, func(t *testing.T) {
			tried, refused, silent := 0, 0, 0
			for bit := 0; bit < 8*len(files[path]); bit += step {
				c := copyOf(t, m)
				flip(t, c, path, bit)
				before := c.Files()
				got, err := answers(c)
				tried++
				switch {
				case err != nil:
					refused++
					after := c.Files()
					for _, f := range []map[string]string{before, after} {
						delete(f, lockPath)
					}
					if d := cmp.Diff(before, after); d != "" {
						t.Fatalf("bit %d: %v, and yet: %s", bit, err, d)
					}
				case got != want:
					silent++
					t.Errorf("bit %d: answers differ in silence", bit)
				}
			}
			t.Logf("%d flips, %d refused, %d harmless, %d differ in silence", tried, refused, tried-refused-silent, silent)
		})
	}
}
