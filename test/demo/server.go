package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/term"
)

// startServer starts the S3 server and waits for it to say where it listens.
func (s *stage) startServer(bin string) (endpoint string, err error) {
	bin, err = filepath.Abs(bin)
	if err != nil {
		return "", err
	}
	cmd := exec.Command(bin, "--dir", filepath.Join(s.dir, "server"), "--addr", "127.0.0.1:0", "--access-key", accessKey, "--secret-key", secretKey)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	log, err := os.Create(filepath.Join(s.dir, "server.log"))
	if err != nil {
		return "", err
	}
	defer log.Close()
	cmd.Stderr = log
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", err
	}
	if err := cmd.Start(); err != nil {
		return "", err
	}
	s.serverCmd = cmd
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if at, ok := strings.CutPrefix(lines.Text(), "listening on "); ok {
			return strings.TrimSpace(at), nil
		}
	}
	return "", fmt.Errorf("the S3 server did not start; see %s", log.Name())
}

func (s *stage) close() error {
	if err := s.serverCmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	// How it ends does not matter any more.
	_ = s.serverCmd.Wait()
	return nil
}

func countFiles(dir string) (n int) {
	// What vanishes while we count is not there: errors do not matter here.
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			n++
		}
		return nil
	})
	return n
}

// firstSnapshot asks for the snapshots and gives the oldest.
func (s *stage) firstSnapshot(ctx context.Context) (id, takenAt string, err error) {
	out, err := exec.CommandContext(ctx, s.bin, "snapshot", "ls", "--json").Output()
	if err != nil {
		return "", "", err
	}
	for _, line := range bytes.Split(bytes.TrimSpace(out), []byte("\n")) {
		var m struct {
			ID      string `json:"id"`
			TakenAt string `json:"taken_at"`
		}
		if err := json.Unmarshal(line, &m); err != nil {
			return "", "", err
		}
		if id == "" || m.TakenAt < takenAt {
			id, takenAt = m.ID, m.TakenAt
		}
	}
	return id, takenAt, nil
}

// compare says whether two files are the same.
func compare(want, got string) error {
	a, err := os.ReadFile(want)
	if err != nil {
		return err
	}
	b, err := os.ReadFile(got)
	if err != nil {
		return err
	}
	if !bytes.Equal(a, b) {
		return fmt.Errorf("%s is not what %s was", got, want)
	}
	fmt.Printf("\nByte for byte what was uploaded: %d bytes.\n", len(b))
	return nil
}

func bold(s string) string {
	if !term.IsTerminal(int(os.Stdout.Fd())) {
		return s
	}
	return "\x1b[1m" + s + "\x1b[0m"
}
