package e2e

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cooper/internal/store/mem"
	"cooper/internal/store/storetest"
	"cooper/test/e2etest"
	"cooper/test/versity"
)

// TestPurgeOf100000 is the size that is promised to take less than a minute.
func TestPurgeOf100000(t *testing.T) {
	if testing.Short() {
		t.Skip("fills a bucket with 100,000 versions")
	}
	w := e2etest.NewWorld(t, "Enabled")
	for i := range 100_000 {
		w.Server.Put("lab", fmt.Sprintf("p/%06d", i%50_000), []byte(fmt.Sprint(i)), mem.PutOptions{})
	}
	w.Server.Put("lab", "q", []byte("kept"), mem.PutOptions{})
	_, ws := e2etest.Pair(t)
	list := filepath.Join(t.TempDir(), "deleted.jsonl")
	e2etest.Must(t, w.URL, ws, "purge", "run", "s3://lab/p/", "--list", "--share-stop", "100%", "--yes", "--quiet", "--deleted", list)
	b, err := os.ReadFile(list)
	if n := bytes.Count(b, []byte("\n")); err != nil || n != 100_000 {
		t.Errorf("%d lines, %v", n, err)
	}
	if n := len(w.Server.Versions("lab")); n != 1 {
		t.Errorf("%d versions are left", n)
	}
	if n := w.Server.Counts()["DeleteObjects"]; n > 240 {
		t.Errorf("%d requests to remove 100,000 versions", n)
	}
}

// TestPurgeOnARealServer purges where others wrote the server: one with versions,
// and one without, which takes conditions and does not heed them.
func TestPurgeOnARealServer(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("a real server takes a while")
	}
	endpoint := versity.Start(t)
	_, ws := e2etest.Pair(t)
	run := func(code int, args ...string) string {
		t.Helper()
		cmd := e2etest.Command(t.Context(), endpoint, ws, args...)
		cmd.Env = append(cmd.Env, "AWS_ACCESS_KEY_ID="+versity.AccessKey, "AWS_SECRET_ACCESS_KEY="+versity.SecretKey)
		out, err := cmd.CombinedOutput()
		if got := cmd.ProcessState.ExitCode(); got != code {
			t.Errorf("cooper %s: exit code %d, want %d: %v\n%s", strings.Join(args, " "), got, code, err, out)
		}
		return string(out)
	}
	for _, versioning := range []string{"Enabled", ""} {
		bucket := "lab" + strings.ToLower(versioning)
		lab := storetest.NewClient(endpoint, versity.AccessKey, versity.SecretKey, bucket)
		lab.CreateBucket(t)
		if versioning != "" {
			lab.SetVersioning(t, versioning)
		}
		lab.Put(t, "q/kept", []byte("one"))
		for i := range 30 {
			lab.Put(t, fmt.Sprintf("p/%d/ü +%%", i%20), []byte(fmt.Sprint(i)))
		}
		if versioning != "" {
			lab.Delete(t, "p/3/ü +%")
		}
		args := []string{"purge", "run", "s3://" + bucket + "/p/", "--list", "--share-stop", "100%", "--yes"}
		if versioning == "" {
			if out := run(4, args...); !strings.Contains(out, "although its ETag was another") {
				t.Errorf("a store that heeds no conditions: %s", out)
			}
			args = append(args, "--unguarded")
		}
		want := map[string]string{"Enabled": "31 remove done", "": "20 remove done"}[versioning]
		if out := run(0, args...); !strings.Contains(out, want) {
			t.Errorf("versioning %q: %s", versioning, out)
		}
		if out := run(0, "snapshot", "s3://"+bucket, "--list", "--json"); !strings.Contains(out, `"versions":1,"delete_markers":0`) {
			t.Errorf("versioning %q: %s", versioning, out)
		}
	}
}
