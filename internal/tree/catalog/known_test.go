package catalog

import (
	"reflect"
	"testing"
	"time"

	"cooper"
	"cooper/internal/checksum"
)

func TestPrunedOn(t *testing.T) {
	at := cooper.InstantOf(time.Date(2026, 11, 22, 23, 59, 0, 0, time.UTC))
	row := Row{Place: Nowhere, Reason: Pruned, Method: MethodPruned(at)}
	if day := row.PrunedOn(); day != "2026-11-22" || row.Method != "pruned 2026-11-22" {
		t.Errorf("pruned on %q, %q", day, row.Method)
	}
	for _, r := range []Row{{}, {Place: History, Reason: Older}, {Method: "md5"}} {
		if day := r.PrunedOn(); day != "" || r.Pruned() {
			t.Errorf("%+v was pruned on %q", r, day)
		}
	}
}

// TestKnown: what another program said of bytes that nobody verified since counts
// as uncompared.
func TestKnown(t *testing.T) {
	id := cooper.Identity{Key: "k", VersionID: "v", ETag: "e", Size: 3, LastModified: 4}
	for name, c := range map[string]struct {
		check      cooper.Check
		method     string
		uncompared bool
	}{
		"fetched":                  {cooper.Verified, "md5", false},
		"adopted":                  {cooper.Unverified, Adopted, true},
		"adopted, and wrong":       {cooper.Corrupt, Adopted + ": does not match its ETag as an MD5", true},
		"adopted, verified since":  {cooper.Verified, Adopted, false},
		"without anything to know": {"", "", false},
	} {
		r := Row{Identity: id, Check: c.check, Method: c.method, Hash: []byte("hash")}
		want := checksum.Known{ETag: "e", Size: 3, Check: c.check, Method: c.method, Hash: []byte("hash"), Uncompared: c.uncompared}
		if got := r.Known(); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, not %+v", name, got, want)
		}
	}
}

// TestDoubtful: what stands for the ETag of doubtful bytes is of one version alone.
func TestDoubtful(t *testing.T) {
	id := cooper.Identity{Key: "k", VersionID: "v", ETag: "e", Size: 3, LastModified: 4}
	seen := map[string]bool{}
	for _, x := range []cooper.Identity{id, {Key: "k", VersionID: "v", ETag: "f", Size: 3, LastModified: 4}, {Key: "k", VersionID: "ve", ETag: "", Size: 3, LastModified: 4}} {
		etag := DoubtfulETag(&x)
		r := Row{Identity: cooper.Identity{Key: "k", ETag: etag, Size: 3, LastModified: 4}}
		if seen[etag] || !r.Doubtful() {
			t.Errorf("%+v: %q, doubtful %v", x, etag, r.Doubtful())
		}
		seen[etag] = true
	}
	if r := (Row{Identity: id}); r.Doubtful() {
		t.Error("a version with an id is doubtful")
	}
}
