package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"cooper/test/e2etest"
)

// TestSystemdUnits has systemd look at the units in docs/operations.md.
func TestSystemdUnits(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("there is no systemd here")
	}
	docs, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)```ini\n# /etc/systemd/system/(\\S+)\n(.*?)```")
	units := block.FindAllStringSubmatch(string(docs), -1)
	if len(units) != 3 {
		t.Fatalf("%d units", len(units))
	}
	dir := t.TempDir()
	args := []string{"verify"}
	for _, u := range units {
		path := filepath.Join(dir, u[1])
		text := strings.ReplaceAll(u[2], "/usr/local/bin/cooper", e2etest.Binary())
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, path)
	}
	out, err := exec.CommandContext(t.Context(), analyze, args...).CombinedOutput()
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, "cooper-") {
			t.Error(line)
		}
	}
	t.Logf("%v\n%s", err, out)
}
