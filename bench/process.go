package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
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
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + s.dir, "TMPDIR=" + s.dir,
		"AWS_ACCESS_KEY_ID=bench", "AWS_SECRET_ACCESS_KEY=bench-secret", "AWS_REGION=us-east-1",
		"AWS_CONFIG_FILE=" + os.DevNull, "AWS_SHARED_CREDENTIALS_FILE=" + os.DevNull,
		"AWS_ENDPOINT_URL_S3=" + url, "COOPER_WORKSPACE=" + filepath.Join(s.dir, ws),
	}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	began := time.Now()
	err := cmd.Run()
	u := usage{wall: time.Since(began).Seconds(), out: out.String()}
	if p := cmd.ProcessState; p != nil {
		u.cpu = (p.UserTime() + p.SystemTime()).Seconds()
		if r, ok := p.SysUsage().(*syscall.Rusage); ok {
			u.rss = r.Maxrss * 1024
		}
	}
	if err != nil {
		return u, fmt.Errorf("cooper %s: %w\n%s", strings.Join(args, " "), err, u.out)
	}
	return u, nil
}

func (u usage) String() string {
	return fmt.Sprintf("%.1f s wall, %.1f s CPU, %d MB peak", u.wall, u.cpu, u.rss/1e6)
}
