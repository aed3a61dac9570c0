package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"cooper"
	"cooper/internal/store/mem"
	"cooper/internal/tree/adopt/adopttest"
	"cooper/test/e2etest"
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
	i := slices.IndexFunc(s.Versions("lab"), func(v cooper.Version) bool { return v.Key == args[1] && !v.Latest && !v.DeleteMarker })
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

// TestAdoptWhatTheyMade lets the real s3invsync make a backup, and update it;
// adopts it; and lets Cooper go on. Not a byte of it may change, and only what is
// new is asked for.
func TestAdoptWhatTheyMade(t *testing.T) {
	program := e2etest.S3invsync(t)
	w := e2etest.NewWorld(t, "Suspended")
	w.Server.CreateBucket("reports", "")
	w.Server.Put("lab", "null/one", []byte("null one"), mem.PutOptions{})
	w.Server.Put("lab", "null/two", []byte("null two"), mem.PutOptions{})
	w.Server.SetVersioning("lab", "Enabled")
	w.Fill(300, 1)
	w.Server.Put("lab", "null/two", []byte("no longer null"), mem.PutOptions{})
	w.Server.Put("lab", "big", []byte(strings.Repeat("0123456789", 600_000)), mem.PutOptions{PartSize: 5 << 20})
	dir := filepath.Join(t.TempDir(), "tree")
	ws := filepath.Join(filepath.Dir(dir), "ws")
	invsync := func() {
		e2etest.Must(t, w.URL, ws, "inventory", "write", "s3://lab", "s3://reports/inv/")
		cmd := exec.CommandContext(t.Context(), program, "-J", "4", "-l", "WARN", "s3://reports/inv/lab/cooper/", dir)
		cmd.Env = append(e2etest.Env(w.URL, ws), "AWS_ENDPOINT_URL="+w.URL)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	invsync()
	for i := range 60 {
		w.Server.Put("lab", e2etest.Key(i*5), e2etest.Content(2, i), mem.PutOptions{})
	}
	w.Server.Delete("lab", e2etest.Key(7))
	invsync()
	before := e2etest.FilesOf(t, dir)

	adopted := e2etest.Must(t, w.URL, ws, "backup", "adopt", dir, "--json").Object(t)
	if left, ok := adopted["left"].(map[string]any); !ok || len(left) > 0 {
		t.Errorf("left out: %v", adopted)
	}
	w.Server.ResetCounts()
	e2etest.Must(t, w.URL, ws, "backup", "run", "s3://lab", dir, "--list")
	if n := w.Server.Counts()["GetObject"]; n != 0 {
		t.Errorf("%d objects were fetched, and nothing was new", n)
	}
	if got := e2etest.FilesOf(t, dir); !slices.Equal(got, before) {
		t.Errorf("the backup changed")
	}
	r := e2etest.Must(t, w.URL, ws, "backup", "verify", dir, "--content")
	if !strings.Contains(r.Stdout, "sound") || strings.Contains(r.Stdout, "unverifiable") && !strings.Contains(r.Stdout, " 0 unverifiable") {
		t.Errorf("%v", r)
	}
	w.Server.Put("lab", e2etest.Key(0), []byte("new at last"), mem.PutOptions{})
	w.Server.Put("lab", "null/one", []byte("replaced"), mem.PutOptions{})
	e2etest.Must(t, w.URL, ws, "backup", "run", "s3://lab", dir, "--list")
	if n := w.Server.Counts()["GetObject"]; n != 2 {
		t.Errorf("%d objects were fetched for two that are new", n)
	}
	e2etest.Must(t, w.URL, ws, "backup", "verify", dir, "--content")
}
