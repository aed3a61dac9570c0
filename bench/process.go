package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// usage is what one process took.
type usage struct {
	wall, cpu float64 // seconds
	rss       int64   // peak, bytes
	out       string
}

// cooperRun runs the binary with a workspace of its own and measures it.
func (s *setup) cooperRun(ctx context.Context, url, ws string, args ...string) (usage, error) {
	cmd := exec.CommandContext(ctx, s.cooper, append(args, "--quiet")...)
	cmd.Env = append(s.environment(url), "COOPER_WORKSPACE="+filepath.Join(s.dir, ws))
	return measured(cmd)
}

// environment is what every program measured finds: nothing of this user's, and
// the server at url.
func (s *setup) environment(url string) []string {
	return []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + s.dir, "TMPDIR=" + s.dir,
		"AWS_ACCESS_KEY_ID=bench", "AWS_SECRET_ACCESS_KEY=bench-secret", "AWS_REGION=us-east-1",
		"AWS_CONFIG_FILE=" + os.DevNull, "AWS_SHARED_CREDENTIALS_FILE=" + os.DevNull,
		"AWS_ENDPOINT_URL_S3=" + url,
	}
}

// measured runs a command and measures it.
func measured(cmd *exec.Cmd) (usage, error) {
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return usage{}, err
	}
	peak := watchPeak(cmd.Process.Pid)
	err := cmd.Wait()
	u := usage{wall: time.Since(began).Seconds(), rss: peak(), out: out.String()}
	if p := cmd.ProcessState; p != nil {
		u.cpu = (p.UserTime() + p.SystemTime()).Seconds()
	}
	if err != nil {
		return u, fmt.Errorf("%s %s: %w\n%s", filepath.Base(cmd.Path), strings.Join(cmd.Args[1:], " "), err, u.out)
	}
	return u, nil
}

// watchPeak follows a process's own account of its peak memory until the
// function it gives is called. What wait4 tells would not do: it begins with
// the memory that this program has when it starts the child.
func watchPeak(pid int) func() int64 {
	quit, result := make(chan struct{}), make(chan int64)
	go func() {
		look := time.NewTicker(20 * time.Millisecond)
		defer look.Stop()
		var peak int64
		for {
			select {
			case <-quit:
				result <- peak
				return
			case <-look.C:
				peak = max(peak, highWater(pid))
			}
		}
	}()
	return func() int64 { close(quit); return <-result }
}

// highWater is VmHWM of a process in bytes, 0 if it is gone.
func highWater(pid int) int64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for _, line := range strings.Split(string(b), "\n") {
		if kb, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			n, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(kb), "kB")), 10, 64)
			if err != nil {
				return 0
			}
			return n * 1024
		}
	}
	return 0
}

func (u usage) String() string {
	return fmt.Sprintf("%.1f s wall, %.1f s CPU, %d MB peak", u.wall, u.cpu, u.rss/1e6)
}
