package e2e

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"cooper/internal/store/mem"
	"cooper/internal/tree/adopt/adopttest"
)

// invsyncCmd writes a backup of the bucket lab as s3invsync would have made it:
// invsync DIR.
func invsyncCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: invsync DIR")
	}
	s := ts.Value("server").(*stage)
	var all []adopttest.Version
	for _, v := range s.Versions("lab") {
		if v.DeleteMarker {
			continue
		}
		body, ok := s.Body("lab", v.Key, v.VersionID)
		if !ok {
			ts.Fatalf("%s %s has no body", v.Key, v.VersionID)
		}
		all = append(all, adopttest.Version{Key: v.Key, ID: &v.VersionID, ETag: v.ETag, Content: string(body), Time: v.LastModified.Time(), Latest: v.Latest})
	}
	ts.Check(adopttest.Write(ts.MkAbs(args[0]), all))
}

// mislabelCmd gives the latest version of a key at the root of a backup the label
// of the version before, as s3invsync leaves it when it is killed in between:
// invsync-mislabel DIR KEY.
func mislabelCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: invsync-mislabel DIR KEY")
	}
	s := ts.Value("server").(*stage)
	i := slices.IndexFunc(s.Versions("lab"), func(v version) bool { return v.Key == args[1] && !v.Latest && !v.DeleteMarker })
	if i < 0 {
		ts.Fatalf("%s has no older version", args[1])
	}
	older := s.Versions("lab")[i]
	path := filepath.Join(ts.MkAbs(args[0]), ".s3invsync.versions.json")
	b, err := os.ReadFile(path)
	ts.Check(err)
	var entries map[string]map[string]string
	ts.Check(json.Unmarshal(b, &entries))
	entries[args[1]] = map[string]string{"version_id": older.VersionID, "etag": older.ETag}
	b, err = json.Marshal(entries)
	ts.Check(err)
	ts.Check(os.WriteFile(path, b, 0o600))
}

// theirs finds the real s3invsync, which `make` can install; empty if there is none.
func theirs() string {
	if path := os.Getenv("COOPER_S3INVSYNC"); path != "" {
		return path
	}
	path, err := filepath.Abs("../../build/tools/bin/s3invsync")
	if err == nil {
		if _, err = os.Stat(path); err == nil {
			return path
		}
	}
	return ""
}

// TestAdoptWhatTheyMade lets the real s3invsync make a backup, and update it;
// adopts it; and lets Cooper go on. Not a byte of it may change, and only what is
// new is asked for.
func TestAdoptWhatTheyMade(t *testing.T) {
	program := theirs()
	if program == "" {
		t.Skip("s3invsync is not installed: cargo install s3invsync --version 0.2.0 --locked --root build/tools")
	}
	w := newWorld(t, "Suspended")
	w.server.CreateBucket("reports", "")
	w.server.Put("lab", "null/one", []byte("null one"), mem.PutOptions{})
	w.server.Put("lab", "null/two", []byte("null two"), mem.PutOptions{})
	w.server.SetVersioning("lab", "Enabled")
	w.fill(300, 1)
	w.server.Put("lab", "null/two", []byte("no longer null"), mem.PutOptions{})
	w.server.Put("lab", "big", []byte(strings.Repeat("0123456789", 600_000)), mem.PutOptions{PartSize: 5 << 20})
	dir := filepath.Join(t.TempDir(), "tree")
	ws := filepath.Join(filepath.Dir(dir), "ws")
	invsync := func() {
		must(t, w.url, ws, "inventory", "write", "s3://lab", "s3://reports/inv/")
		cmd := exec.CommandContext(t.Context(), program, "-J", "4", "-l", "WARN", "s3://reports/inv/lab/cooper/", dir)
		cmd.Env = append(env(w.url, ws), "AWS_ENDPOINT_URL="+w.url)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	invsync()
	for i := range 60 {
		w.server.Put("lab", key(i*5), content(2, i), mem.PutOptions{})
	}
	w.server.Delete("lab", key(7))
	invsync()
	before := filesOf(t, dir)

	adopted := object(t, must(t, w.url, ws, "backup", "adopt", dir, "--json"))
	if left, ok := adopted["left"].(map[string]any); !ok || len(left) > 0 {
		t.Errorf("left out: %v", adopted)
	}
	w.server.ResetCounts()
	must(t, w.url, ws, "backup", "run", "s3://lab", dir, "--list")
	if n := w.server.Counts()["GetObject"]; n != 0 {
		t.Errorf("%d objects were fetched, and nothing was new", n)
	}
	if got := filesOf(t, dir); !slices.Equal(got, before) {
		t.Errorf("the backup changed")
	}
	r := must(t, w.url, ws, "backup", "verify", dir, "--content")
	if !strings.Contains(r.stdout, "sound") || strings.Contains(r.stdout, "unverifiable") && !strings.Contains(r.stdout, " 0 unverifiable") {
		t.Errorf("%v", r)
	}
	w.server.Put("lab", key(0), []byte("new at last"), mem.PutOptions{})
	w.server.Put("lab", "null/one", []byte("replaced"), mem.PutOptions{})
	must(t, w.url, ws, "backup", "run", "s3://lab", dir, "--list")
	if n := w.server.Counts()["GetObject"]; n != 2 {
		t.Errorf("%d objects were fetched for two that are new", n)
	}
	must(t, w.url, ws, "backup", "verify", dir, "--content")
}

// TestAdoptWhatTheyLeftHalfDone kills s3invsync again and again, in the middle of
// a first backup and of an update, and adopts what is there. After one run the tree
// must show the bucket, and hold all its history.
func TestAdoptWhatTheyLeftHalfDone(t *testing.T) {
	program := theirs()
	if program == "" {
		t.Skip("s3invsync is not installed: cargo install s3invsync --version 0.2.0 --locked --root build/tools")
	}
	kills := 6
	if os.Getenv("COOPER_SOAK") != "" {
		kills = 300
	}
	const objects = 400
	w := newWorld(t, "Enabled")
	w.server.CreateBucket("reports", "")
	w.fill(objects, 1)
	ws := filepath.Join(t.TempDir(), "ws")
	r := rand.New(rand.NewPCG(3, 0))
	sync := func(dir string, at int64) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), program, "-J", "4", "-l", "ERROR", "s3://reports/inv/lab/cooper/", dir)
		cmd.Env = append(env(w.url, ws), "AWS_ENDPOINT_URL="+w.url)
		err := watch(cmd, func(calls int64) bool { return at > 0 && calls >= at })
		if cmd.ProcessState == nil || at == 0 && err != nil {
			t.Fatal(err)
		}
	}
	whole := filepath.Join(t.TempDir(), "whole")
	must(t, w.url, ws, "inventory", "write", "s3://lab", "s3://reports/inv/")
	sync(whole, 0)
	for i := range objects {
		if i%3 == 0 { // often of the size it had, so that size alone tells nothing
			body, _ := w.server.Body("lab", key(i), "")
			w.server.Put("lab", key(i), bytes.ToUpper(append([]byte("x"), body...))[:len(body)], mem.PutOptions{})
		}
	}
	must(t, w.url, ws, "inventory", "write", "s3://lab", "s3://reports/inv/")
	for n := range kills {
		dir := filepath.Join(t.TempDir(), "tree")
		if n%2 == 0 { // else a first backup
			if out, err := exec.CommandContext(t.Context(), "cp", "-a", whole, dir).CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
		}
		sync(dir, 20+r.Int64N(2500))
		own := filepath.Join(t.TempDir(), "ws")
		got := cooper(t, w.url, own, "backup", "adopt", dir, "--json")
		if got.code == 1 { // killed before there was anything
			continue
		}
		t.Logf("kill %d: %v", n, object(t, got)["left"])
		got = cooper(t, w.url, own, "backup", "run", "s3://lab", dir, "--list", "--share-stop", "100%")
		if got.code == 3 { // files without an entry in the JSON stand in the way
			must(t, w.url, own, "backup", "verify", dir, "--repair")
			got = cooper(t, w.url, own, "backup", "run", "s3://lab", dir, "--list", "--share-stop", "100%")
		}
		if got.code != 0 {
			t.Fatalf("kill %d: %v", n, got)
		}
		if left := cooper(t, w.url, own, "backup", "verify", dir, "--content", "--repair"); left.code != 0 {
			t.Errorf("kill %d: %v", n, left)
		}
		for _, v := range w.server.Versions("lab") {
			want, _ := w.server.Body("lab", v.Key, v.VersionID)
			path := filepath.Join(dir, v.Key)
			if !v.Latest {
				path += ".old." + v.VersionID + "." + v.ETag
			}
			if b, err := os.ReadFile(path); err != nil || !bytes.Equal(b, want) {
				t.Fatalf("kill %d: %s is not what the bucket has: %v", n, path, err)
			}
		}
	}
}
