package workspace

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// What a store lacks is believed for a day, of one bucket at one endpoint.
func TestLacks(t *testing.T) {
	dir := t.TempDir()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	note := func(endpoint, bucket, name string, at time.Time) {
		t.Helper()
		if err := NoteLack(dir, endpoint, bucket, name, at); err != nil {
			t.Fatal(err)
		}
	}
	want := func(endpoint, bucket string, at time.Time, want ...string) {
		t.Helper()
		if got := Lacks(dir, endpoint, bucket, at); !slices.Equal(got, want) {
			t.Errorf("%q %s at %s: %q, want %q", endpoint, bucket, at, got, want)
		}
	}
	note("http://h", "b", "acl", now)
	want("http://h", "b", now) // there is no workspace
	w, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	note("http://h", "b", "acl", now)
	note("", "b", "object-lock", now)
	note("http://h", "b", "tagging", now.Add(time.Hour))
	note("http://h", "b", "tagging", now.Add(2*time.Hour))
	want("http://h", "b", now.Add(23*time.Hour), "acl", "tagging")
	want("http://h", "b", now.Add(25*time.Hour), "tagging")
	want("http://h", "b", now.Add(26*time.Hour))
	want("http://h", "b", now.Add(-time.Hour)) // the clock was set back
	want("http://h", "other", now)
	want("", "b", now, "object-lock")

	// One bit that is flipped makes all of it unknown.
	name := filepath.Join(dir, storesName)
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for i := range b {
		b[i] ^= 1
		if err := os.WriteFile(name, b, 0o644); err != nil {
			t.Fatal(err)
		}
		if got := Lacks(dir, "", "b", now); len(got) > 0 {
			t.Fatalf("byte %d flipped: %q", i, got)
		}
		b[i] ^= 1
	}
	note("http://h", "b", "acl", now)
	want("http://h", "b", now, "acl")
	if left, _ := filepath.Glob(filepath.Join(dir, "*.tmp-*")); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}
