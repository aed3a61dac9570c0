package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cooper/internal/store/storetest"
	"cooper/test/e2etest"
	"cooper/test/versity"
)

// TestOnARealServer goes the main way on an S3 server that others wrote: a
// report written and read in both formats, backup, changes, backup, a look at
// every byte, restore, rollback.
func TestOnARealServer(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("a real server takes a while")
	}
	endpoint := versity.Start(t)
	lab := storetest.NewClient(endpoint, versity.AccessKey, versity.SecretKey, "lab")
	lab.CreateBucket(t)
	lab.SetVersioning(t, "Enabled")
	storetest.NewClient(endpoint, versity.AccessKey, versity.SecretKey, "reports").CreateBucket(t)
	dir, ws := e2etest.Pair(t)
	run := func(args ...string) e2etest.Result {
		t.Helper()
		cmd := e2etest.Command(t.Context(), endpoint, ws, args...)
		cmd.Env = append(cmd.Env, "AWS_ACCESS_KEY_ID="+versity.AccessKey, "AWS_SECRET_ACCESS_KEY="+versity.SecretKey)
		var r e2etest.Result
		out, errs := new(strings.Builder), new(strings.Builder)
		cmd.Stdout, cmd.Stderr = out, errs
		if err := cmd.Run(); err != nil {
			t.Fatalf("cooper %s: %v\n%s%s", strings.Join(args, " "), err, out, errs)
		}
		r.Stdout, r.Stderr = out.String(), errs.String()
		return r
	}
	show := func(path, want string) {
		t.Helper()
		b, err := os.ReadFile(path)
		if got := string(b); got != want {
			t.Errorf("%s holds %d bytes, %.20q, want %d, %.20q (%v)", path, len(got), got, len(want), want, err)
		}
	}
	mirror := filepath.Join(dir, "mirror")

	lab.Put(t, "a.txt", []byte("one"))
	lab.Put(t, "dir/b ü+%.txt", []byte("two"))
	lab.Put(t, "dir/c.txt", []byte("three"))
	run("inventory", "write", "s3://lab", "s3://reports/csv/")
	run("backup", "run", "s3://lab", dir, "--inventory", "s3://reports/csv/lab/cooper/")
	show(filepath.Join(mirror, "a.txt"), "one")
	first := run("backup", "status", dir, "--json").Object(t)["complete"].(map[string]any)["id"].(string)

	lab.PutParts(t, "a.txt", make([]byte, 5<<20), []byte("ONE"))
	lab.Put(t, "new.txt", []byte("four"))
	lab.Delete(t, "dir/c.txt")
	run("inventory", "write", "s3://lab", "s3://reports/parquet/", "--format", "Parquet")
	r := run("backup", "run", "s3://lab", dir, "--inventory", "s3://reports/parquet/lab/cooper/", "--share-stop", "50%", "--json").Object(t)
	if got := r["applied"].(map[string]any)["requests"].(float64); got != 2 {
		t.Errorf("%v requests for two new versions", got)
	}
	show(filepath.Join(mirror, "a.txt"), strings.Repeat("\x00", 5<<20)+"ONE")
	show(filepath.Join(mirror, "new.txt"), "four")
	if _, err := os.Lstat(filepath.Join(mirror, "dir/c.txt")); err == nil {
		t.Error("what was deleted is in the mirror still")
	}
	if r := run("backup", "verify", dir, "--content"); !strings.Contains(r.Stdout, "5 verified") {
		t.Errorf("%v", r)
	}
	r = run("backup", "run", "s3://lab", dir, "--list", "--json").Object(t)
	if got := r["plan"].(map[string]any)["totals"].(map[string]any); len(got) != 0 {
		t.Errorf("a listing of the same plans %v", got)
	}

	run("backup", "restore", dir, "--prefix", "dir", "--to", "s3://reports/back/")
	if n := run("snapshot", "s3://reports", "--list", "--prefix", "back", "--json").Object(t)["versions"]; n != 1.0 {
		t.Errorf("%v versions were restored, want 1", n)
	}
	run("backup", "rollback", dir, "--to", first, "--plan-only")
	digest := run("plan", "show", "latest", "--json").Object(t)["digest"].(string)
	run("apply", "latest", "--confirm", digest)
	show(filepath.Join(mirror, "a.txt"), "one")
	show(filepath.Join(mirror, "dir/c.txt"), "three")
	if _, err := os.Lstat(filepath.Join(mirror, "new.txt")); err == nil {
		t.Error("what came later is in the mirror still")
	}
	if r := run("backup", "verify", dir, "--content"); !strings.Contains(r.Stdout, "5 verified") {
		t.Errorf("%v", r)
	}
}
