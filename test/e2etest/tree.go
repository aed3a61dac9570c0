package e2etest

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"cooper/internal/tree"
)

// Canonical is everything about a tree that must not depend on how it came
// about: the catalog's rows, and every file of mirror and history with its bytes
// and time. What is staged, journaled and held back must be gone.
func Canonical(t *testing.T, dir string) []string {
	t.Helper()
	var lines []string
	tr, err := tree.Open(dir, tree.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close() //nolint:errcheck // it was only read
	it := tr.Catalog().Rows(t.Context(), "")
	defer it.Close() //nolint:errcheck // likewise
	for {
		row, err := it.Next()
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, fmt.Sprintf("row %+v", *row))
	}
	lines = append(lines, FilesOf(t, dir)...)
	for _, dir := range []string{filepath.Join(dir, ".cooper", "staging"), filepath.Join(dir, ".cooper", "journal"), filepath.Join(dir, ".cooper", "held")} {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				lines = append(lines, "left "+path)
			}
			return err
		})
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
	}
	slices.Sort(lines)
	return lines
}

// FilesOf is every file of a tree outside of .cooper, with its bytes and time.
func FilesOf(t *testing.T, dir string) (lines []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path == filepath.Join(dir, ".cooper"):
			return fs.SkipDir
		case d.IsDir():
			return nil
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		lines = append(lines, fmt.Sprintf("file %s %s %x", rel, info.ModTime().UTC(), sha256.Sum256(b)))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(lines)
	return lines
}

// Same compares two trees' canonical lines and shows the first differences.
func Same(t *testing.T, got, want []string) {
	t.Helper()
	if slices.Equal(got, want) {
		return
	}
	in := func(list []string) map[string]bool {
		m := map[string]bool{}
		for _, l := range list {
			m[l] = true
		}
		return m
	}
	g, w := in(got), in(want)
	var diff []string
	for _, l := range want {
		if !g[l] {
			diff = append(diff, "- "+l)
		}
	}
	for _, l := range got {
		if !w[l] {
			diff = append(diff, "+ "+l)
		}
	}
	t.Errorf("the tree differs from an undisturbed one in %d lines:\n%s", len(diff), strings.Join(diff[:min(len(diff), 10)], "\n"))
}

// Staged counts the versions whose bytes are staged in a tree, whole.
func Staged(t *testing.T, dir string) int {
	t.Helper()
	n := 0
	err := filepath.WalkDir(filepath.Join(dir, ".cooper", "staging"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		// One being written has the time of now.
		if err == nil && time.Since(info.ModTime()) > time.Hour {
			n++
		}
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return n
}

// Pair is a tree of its own, with a workspace beside it.
func Pair(t *testing.T) (dir, ws string) {
	t.Helper()
	base := t.TempDir()
	return filepath.Join(base, "tree"), filepath.Join(base, "ws")
}

// BackupArgs are those of a backup of lab to a tree, by a report.
func BackupArgs(dir, report string, more ...string) []string {
	return append([]string{"backup", "run", "s3://lab", dir, "--inventory", report, "--share-stop", "20%"}, more...)
}
