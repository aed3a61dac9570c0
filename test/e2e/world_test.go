package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cooper/internal/store/mem"
)

// binary is the program under test: COOPER_BINARY, or built for this run.
var binary string

func TestMain(m *testing.M) {
	os.Exit(testMain(m))
}

func testMain(m *testing.M) int {
	if binary = os.Getenv("COOPER_BINARY"); binary == "" {
		dir, err := os.MkdirTemp("", "cooper-e2e-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		binary = filepath.Join(dir, "cooper")
		build := exec.Command("go", "build", "-o", binary, "cooper/cmd/cooper")
		build.Stdout, build.Stderr = os.Stderr, os.Stderr
		if err := build.Run(); err != nil {
			fmt.Fprintln(os.Stderr, "building the binary:", err)
			return 1
		}
	}
	return m.Run()
}

// world is a server with a bucket, and reports of it on the disk.
type world struct {
	t       *testing.T
	server  *mem.Server
	url     string
	reports string
}

func newWorld(t *testing.T, versioning string) *world {
	t.Helper()
	clock := newClock()
	w := &world{t: t, server: mem.New(mem.Options{Clock: clock}), reports: t.TempDir()}
	h := httptest.NewServer(w.server)
	t.Cleanup(h.Close)
	w.url = h.URL
	w.server.CreateBucket("lab", versioning)
	return w
}

// newClock gives times a second apart, so that no two writes share one.
func newClock() func() time.Time {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var mu = make(chan struct{}, 1)
	return func() time.Time {
		mu <- struct{}{}
		defer func() { <-mu }()
		now = now.Add(time.Second)
		return now
	}
}

// fill puts n objects with contents that follow from seed.
func (w *world) fill(n int, seed uint64) {
	for i := range n {
		w.server.Put("lab", key(i), content(seed, i), mem.PutOptions{})
	}
}

func key(i int) string { return fmt.Sprintf("zarr/%02d/%03d/%d", i%7, i/70, i) }

func content(seed uint64, i int) []byte {
	r := rand.New(rand.NewPCG(seed, uint64(i)))
	b := make([]byte, r.IntN(3000))
	for j := range b {
		b[j] = byte(r.Uint32())
	}
	return b
}

// change overwrites, deletes and adds about a fifth of n objects.
func (w *world) change(n int, seed uint64) {
	for i := range n {
		switch {
		case i%11 == 0:
			w.server.Put("lab", key(i), content(seed, i), mem.PutOptions{})
		case i%29 == 3:
			w.server.Delete("lab", key(i))
		case i%17 == 5:
			w.server.Put("lab", key(i)+"-more", content(seed, i), mem.PutOptions{})
		case i%101 == 7:
			// A file becomes a directory.
			w.server.Delete("lab", key(i))
			w.server.Put("lab", key(i)+"/now/a/directory", content(seed, i), mem.PutOptions{})
		}
	}
}

// env is the environment of every command: nothing of the machine's own
// configuration gets in.
func env(url, workspace string) []string {
	return []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + workspace, "TMPDIR=" + os.TempDir(),
		"AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=secret-key", "AWS_REGION=us-east-1",
		"AWS_CONFIG_FILE=" + os.DevNull, "AWS_SHARED_CREDENTIALS_FILE=" + os.DevNull,
		"AWS_EC2_METADATA_DISABLED=true",
		"AWS_ENDPOINT_URL_S3=" + url, "COOPER_WORKSPACE=" + workspace,
	}
}

// result is how a command ended.
type result struct {
	code           int
	stdout, stderr string
}

func (r result) String() string {
	return fmt.Sprintf("exit code %d\n%s%s", r.code, r.stdout, r.stderr)
}

// cooper runs the binary to its end.
func cooper(t *testing.T, url, workspace string, args ...string) result {
	t.Helper()
	cmd := command(t.Context(), url, workspace, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return result{cmd.ProcessState.ExitCode(), out.String(), errs.String()}
}

func command(ctx context.Context, url, workspace string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Env = env(url, workspace)
	cmd.Dir = filepath.Dir(workspace)
	return cmd
}

// must runs a command that has to succeed.
func must(t *testing.T, url, workspace string, args ...string) result {
	t.Helper()
	r := cooper(t, url, workspace, args...)
	if r.code != 0 {
		t.Fatalf("cooper %s: %v", strings.Join(args, " "), r)
	}
	return r
}

// report writes an inventory report of the bucket as it is, below a directory
// of its own, and gives that directory.
func (w *world) report(name string) string {
	w.t.Helper()
	dir := filepath.Join(w.reports, name)
	must(w.t, w.url, filepath.Join(w.t.TempDir(), "ws"), "inventory", "write", "s3://lab", dir)
	return filepath.Join(dir, "lab", "cooper")
}

// object decodes the last line of JSON a command wrote.
func object(t *testing.T, r result) map[string]any {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(r.stdout), "\n")
	var m map[string]any
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &m); err != nil {
		t.Fatalf("not JSON: %v\n%v", err, r)
	}
	return m
}
