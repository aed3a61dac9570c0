package e2e

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"cooper/internal/store/storetest"
	"cooper/test/e2etest"
	"cooper/test/versity"
)

// TestCompressOnARealServer compresses where others wrote the server: one with
// versions, and one without, which takes conditions on removals and does not heed them.
func TestCompressOnARealServer(t *testing.T) {
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
		for i := range 20 {
			lab.Put(t, fmt.Sprintf("p/%d/ü +%%", i), e2etest.Text("first", i))
		}
		lab.Put(t, "p/large", bytes.Repeat(e2etest.Text("large", 1), 20<<20/len(e2etest.Text("large", 1))))
		args := []string{"compress", "run", "s3://" + bucket + "/p/", "--list", "--yes", "--verify", "readback"}
		if versioning == "" {
			if out := run(4, args...); !strings.Contains(out, "although its ETag was another") {
				t.Errorf("a store that heeds no conditions: %s", out)
			}
			args = append(args, "--unguarded")
		}
		if out := run(0, args...); !strings.Contains(out, "21 rewrite done") {
			t.Errorf("versioning %q: %s", versioning, out)
		}
		if out := run(0, args...); !strings.Contains(out, "unchanged  21") {
			t.Errorf("versioning %q, again: %s", versioning, out)
		}
		// Another workspace knows nothing, and decodes what is there.
		if out := run(0, append(args, "--workspace", t.TempDir())...); !strings.Contains(out, "21 measure done") || !strings.Contains(out, "hold 21") {
			t.Errorf("versioning %q, by another workspace: %s", versioning, out)
		}
		if out := run(0, "snapshot", "s3://"+bucket, "--list", "--json"); !strings.Contains(out, `"versions":21,"delete_markers":0`) {
			t.Errorf("versioning %q: %s", versioning, out)
		}
	}
}
