// Package versity runs a real S3 server that keeps versions, versitygw, for
// tests.
//
// It builds the command in test/s3server the first time, which takes minutes
// and needs the network, and keeps it among the user's caches. Each Start is a
// process of its own on an empty directory, which ends with the test, or with
// the test binary if that is killed. Where the server cannot be built the test is
// skipped, and says why; a server that was built and does not start is a
// failure. Buckets are left to the caller.
package versity

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// The credentials of the only account.
const (
	AccessKey = "cooper-access"
	SecretKey = "cooper-secret"
)

// How long the parts may take before the test fails.
const (
	buildPatience = 8 * time.Minute
	startPatience = 30 * time.Second
	stopPatience  = 15 * time.Second
)

// Start runs a server for the length of the test and gives its endpoint, such
// as http://127.0.0.1:40123. In short mode it never builds.
func Start(t testing.TB) string {
	t.Helper()
	binary, err := server(t.Context(), testing.Short())
	if err != nil {
		t.Skipf("no real S3 server to test with: %v", err)
	}
	// Not the test's context: that would kill the server instead of ending it.
	cmd := exec.CommandContext(context.Background(), binary, "--dir", t.TempDir(), "--access-key", AccessKey, "--secret-key", SecretKey)
	cmd.SysProcAttr = dieWithParent()
	complaints := &tail{}
	cmd.Stderr = complaints
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("starting the S3 server: %v", err)
	}
	t.Cleanup(func() { stop(t, cmd, complaints) })
	endpoint, err := announced(out)
	if err != nil {
		t.Fatalf("the S3 server does not start: %v\n%s", err, complaints)
	}
	return endpoint
}

// announced waits for the line that says where the server listens.
func announced(out io.Reader) (string, error) {
	type answer struct {
		line string
		err  error
	}
	got := make(chan answer, 1)
	go func() {
		line, err := bufio.NewReader(out).ReadString('\n')
		got <- answer{line, err}
	}()
	select {
	case a := <-got:
		endpoint, ok := strings.CutPrefix(strings.TrimSpace(a.line), "listening on ")
		if !ok {
			return "", fmt.Errorf("it said %q: %w", a.line, a.err)
		}
		return endpoint, nil
	case <-time.After(startPatience):
		return "", fmt.Errorf("it said nothing in %v", startPatience)
	}
}

// stop ends the server as a service manager would.
func stop(t testing.TB, cmd *exec.Cmd, complaints *tail) {
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("ending the S3 server: %v", err)
	}
	killer := time.AfterFunc(stopPatience, func() { _ = cmd.Process.Kill() }) // Wait tells
	defer killer.Stop()
	if err := cmd.Wait(); err != nil {
		t.Errorf("the S3 server did not end cleanly: %v\n%s", err, complaints)
	}
}

// tail keeps the last of what the server complained about.
type tail struct {
	mu sync.Mutex
	b  []byte
}

const tailSize = 8 << 10

func (l *tail) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.b = append(l.b, p...)
	if n := len(l.b) - tailSize; n > 0 {
		l.b = l.b[n:]
	}
	return len(p), nil
}

func (l *tail) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.b)
}

// built makes one test binary try only once.
var built struct {
	sync.Mutex
	done bool
	path string
	err  error
}

// server gives the path of the built server; it builds unless cachedOnly.
func server(ctx context.Context, cachedOnly bool) (string, error) {
	built.Lock()
	defer built.Unlock()
	if !built.done {
		built.path, built.err = build(ctx, cachedOnly)
		built.done = true
	}
	return built.path, built.err
}

// build finds the server of these very sources in the cache, or makes it.
func build(ctx context.Context, cachedOnly bool) (string, error) {
	source, err := sources()
	if err != nil {
		return "", err
	}
	name, err := fingerprint(source)
	if err != nil {
		return "", err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	cache = filepath.Join(cache, "cooper-test")
	path := filepath.Join(cache, "s3server-"+name)
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	if cachedOnly {
		return "", errors.New("it is not built yet, which short mode does not do")
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", err
	}
	unlock, err := lock(filepath.Join(cache, "lock")) // other test binaries want it too
	if err != nil {
		return "", err
	}
	defer unlock()
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	return path, compile(ctx, source, path)
}

// compile builds the server; it appears under its name only when it is whole.
func compile(ctx context.Context, source, path string) error {
	ctx, cancel := context.WithTimeout(ctx, buildPatience)
	defer cancel()
	partial := path + ".partial"
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", partial, ".")
	cmd.Dir = source
	cmd.Env = append(os.Environ(), "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build in %s: %w\n%s", source, err, bytes.TrimSpace(out[max(0, len(out)-tailSize):]))
	}
	return os.Rename(partial, path)
}

// sources finds test/s3server above the working directory, which for a test is
// its package's.
func sources() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		candidate := filepath.Join(dir, "test", "s3server")
		if _, err := os.Stat(filepath.Join(candidate, "go.mod")); err == nil {
			return candidate, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("its source, test/s3server, is not above the working directory")
		}
		dir = parent
	}
}

// fingerprint names a build by what goes into it.
func fingerprint(source string) (string, error) {
	files, err := filepath.Glob(filepath.Join(source, "*"))
	if err != nil {
		return "", err
	}
	slices.Sort(files)
	h := sha256.New()
	fmt.Fprintln(h, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			return "", err
		}
		fmt.Fprintln(h, filepath.Base(file), len(b))
		h.Write(b)
	}
	return hex.EncodeToString(h.Sum(nil))[:16], nil
}
