package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// usage is what one process took.
type usage struct {
	wall, cpu float64 // seconds
	rss       int64   // peak, bytes
	memory    []int64 // bytes, at equal distances from beginning to end
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
	memory := watchMemory(cmd.Process.Pid)
	err := cmd.Wait()
	u := usage{wall: time.Since(began).Seconds(), out: out.String()}
	u.rss, u.memory = memory()
	if p := cmd.ProcessState; p != nil {
		u.cpu = (p.UserTime() + p.SystemTime()).Seconds()
	}
	if err != nil {
		return u, fmt.Errorf("%s %s: %w\n%s", filepath.Base(cmd.Path), strings.Join(cmd.Args[1:], " "), err, u.out)
	}
	return u, nil
}

// watchMemory follows a process's own account of its memory until the function
// it gives is called, which tells the peak and what there was from time to time.
// What wait4 tells would not do: it begins with the memory that this program has
// when it starts the child.
func watchMemory(pid int) func() (peak int64, all []int64) {
	quit, done := make(chan struct{}), make(chan struct{})
	var peak int64
	var all []int64
	go func() {
		defer close(done)
		look := time.NewTicker(20 * time.Millisecond)
		defer look.Stop()
		for {
			select {
			case <-quit:
				return
			case <-look.C:
				if high, now := memoryOf(pid); now > 0 {
					peak = max(peak, high)
					all = append(all, now)
				}
			}
		}
	}()
	return func() (int64, []int64) {
		close(quit)
		<-done
		return peak, all
	}
}

// memoryOf is the resident memory of a process in bytes, the most there was and
// what there is; 0 if it is gone.
func memoryOf(pid int) (high, now int64) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, 0
	}
	for _, line := range strings.Split(string(b), "\n") {
		name, value, _ := strings.Cut(line, ":")
		kb, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")), 10, 64)
		switch {
		case err != nil:
		case name == "VmHWM":
			high = kb * 1024
		case name == "VmRSS":
			now = kb * 1024
		}
	}
	return high, now
}

// growth is how many bytes a process holds more, by the medians, in the last
// quarter of its time than in the second: the first is for growing up.
func (u usage) growth() int64 {
	n := len(u.memory)
	if n < 8 {
		return 0
	}
	middle := func(from, to int) int64 {
		m := slices.Sorted(slices.Values(u.memory[from:to]))
		return m[len(m)/2]
	}
	return middle(n*3/4, n) - middle(n/4, n/2)
}

// cpuOf is the CPU time in seconds that a process has taken so far; 0 if it is
// gone.
func cpuOf(pid int) float64 {
	const ticks = 100 // a second: what Linux tells programs on every machine
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	// The name stands in brackets, and may hold anything.
	fields := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	var sum float64
	for _, i := range []int{11, 12} { // of user and system
		if n, err := strconv.ParseFloat(fields[i], 64); err == nil {
			sum += n / ticks
		}
	}
	return sum
}

func (u usage) String() string {
	return fmt.Sprintf("%.1f s wall, %.1f s CPU, %d MB peak", u.wall, u.cpu, u.rss/1e6)
}
