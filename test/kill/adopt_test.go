package kill

import (
	"bytes"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"cooper/internal/store/mem"
	"cooper/test/e2etest"
)

// TestAdoptWhatTheyLeftHalfDone kills s3invsync again and again, in the middle of
// a first backup and of an update, and adopts what is there. After one run the tree
// must show the bucket, and hold all its history.
func TestAdoptWhatTheyLeftHalfDone(t *testing.T) {
	program := e2etest.S3invsync(t)
	kills := 6
	if os.Getenv("COOPER_SOAK") != "" {
		kills = 300
	}
	const objects = 400
	w := e2etest.NewWorld(t, "Enabled")
	w.Server.CreateBucket("reports", "")
	w.Fill(objects, 1)
	ws := filepath.Join(t.TempDir(), "ws")
	r := rand.New(rand.NewPCG(3, 0))
	sync := func(dir string, at int64) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), program, "-J", "4", "-l", "ERROR", "s3://reports/inv/lab/cooper/", dir)
		cmd.Env = append(e2etest.Env(w.URL, ws), "AWS_ENDPOINT_URL="+w.URL)
		err := watch(cmd, func(calls int64) bool { return at > 0 && calls >= at })
		if cmd.ProcessState == nil || at == 0 && err != nil {
			t.Fatal(err)
		}
	}
	whole := filepath.Join(t.TempDir(), "whole")
	e2etest.Must(t, w.URL, ws, "inventory", "write", "s3://lab", "s3://reports/inv/")
	sync(whole, 0)
	for i := range objects {
		if i%3 == 0 { // often of the size it had, so that size alone tells nothing
			body, _ := w.Server.Body("lab", e2etest.Key(i), "")
			w.Server.Put("lab", e2etest.Key(i), bytes.ToUpper(append([]byte("x"), body...))[:len(body)], mem.PutOptions{})
		}
	}
	e2etest.Must(t, w.URL, ws, "inventory", "write", "s3://lab", "s3://reports/inv/")
	for n := range kills {
		dir := filepath.Join(t.TempDir(), "tree")
		if n%2 == 0 { // else a first backup
			if out, err := exec.CommandContext(t.Context(), "cp", "-a", whole, dir).CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
		}
		sync(dir, 20+r.Int64N(2500))
		own := filepath.Join(t.TempDir(), "ws")
		got := e2etest.Run(t, w.URL, own, "backup", "adopt", dir, "--json")
		if got.Code == 1 { // killed before there was anything
			continue
		}
		t.Logf("kill %d: %v", n, got.Object(t)["left"])
		got = e2etest.Run(t, w.URL, own, "backup", "run", "s3://lab", dir, "--list", "--share-stop", "100%")
		if got.Code == 3 { // files without an entry in the JSON stand in the way
			e2etest.Must(t, w.URL, own, "backup", "verify", dir, "--repair")
			got = e2etest.Run(t, w.URL, own, "backup", "run", "s3://lab", dir, "--list", "--share-stop", "100%")
		}
		if got.Code != 0 {
			t.Fatalf("kill %d: %v", n, got)
		}
		if left := e2etest.Run(t, w.URL, own, "backup", "verify", dir, "--content", "--repair"); left.Code != 0 {
			t.Errorf("kill %d: %v", n, left)
		}
		for _, v := range w.Server.Versions("lab") {
			want, _ := w.Server.Body("lab", v.Key, v.VersionID)
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
