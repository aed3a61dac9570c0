package e2e

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"cooper/test/e2etest"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestCommands compares every command with a golden file: its help with all flags,
// and what a shell is offered for its arguments and for the values of its flags. What
// a change of the commands' code adds, drops or renames is seen there.
func TestCommands(t *testing.T) {
	t.Parallel()
	ws := filepath.Join(t.TempDir(), "ws")
	var text strings.Builder
	for _, path := range commandPaths(t, ws, nil) {
		help := e2etest.Must(t, "http://127.0.0.1:1", ws, append(path, "--help")...).Stdout
		own, _, _ := strings.Cut(help, "\nGlobal Flags:\n") // the first command has them
		fmt.Fprintf(&text, "===== cooper %s\n%s\n", strings.Join(path, " "), strings.TrimRight(own, "\n"))
		fmt.Fprintf(&text, "----- completes: %s\n", offered(t, ws, append(path, "")))
		for _, m := range valueFlag.FindAllStringSubmatch(own, -1) {
			fmt.Fprintf(&text, "----- --%s completes: %s\n", m[1], offered(t, ws, append(path, "--"+m[1], "")))
		}
		text.WriteString("\n")
	}
	golden := filepath.Join("testdata", "commands.golden")
	if *update {
		if err := os.WriteFile(golden, []byte(text.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got := text.String(); got != string(want) {
		t.Errorf("the commands are not those of %s (write it anew with -update):\n%s", golden, firstDifference(string(want), got))
	}
}

// valueFlag finds flags that take text.
var valueFlag = regexp.MustCompile(`(?m)^ +(?:-\w, )?--([a-z-]+) (?:string|strings|stringArray)\b`)

// listed finds the commands that a help names.
var listed = regexp.MustCompile(`(?m)^  ([a-z-]+) {2,}`)

// commandPaths lists a command and all below it, but for what cobra adds.
func commandPaths(t *testing.T, ws string, path []string) [][]string {
	paths := [][]string{path}
	help := e2etest.Must(t, "http://127.0.0.1:1", ws, append(path, "--help")...).Stdout
	_, rest, found := strings.Cut(help, "Available Commands:\n")
	if !found {
		return paths
	}
	names, _, _ := strings.Cut(rest, "\n\n")
	for _, m := range listed.FindAllStringSubmatch(names, -1) {
		if m[1] != "completion" && m[1] != "help" {
			paths = append(paths, commandPaths(t, ws, append(slices.Clone(path), m[1]))...)
		}
	}
	return paths
}

// offered is what a shell is offered, without descriptions, and the directive.
func offered(t *testing.T, ws string, args []string) string {
	var words []string
	for line := range strings.Lines(e2etest.Must(t, "http://127.0.0.1:1", ws, append([]string{"__complete"}, args...)...).Stdout) {
		word, _, _ := strings.Cut(strings.TrimRight(line, "\n"), "\t")
		words = append(words, word)
	}
	return strings.Join(words, " ")
}

// firstDifference shows the first line that differs, with what stands around it.
func firstDifference(want, got string) string {
	a, b := strings.Split(want, "\n"), strings.Split(got, "\n")
	i := 0
	for i < len(a) && i < len(b) && a[i] == b[i] {
		i++
	}
	around := func(lines []string) string {
		return strings.Join(lines[min(len(lines), max(0, i-3)):min(len(lines), i+4)], "\n")
	}
	return fmt.Sprintf("line %d\n--- want\n%s\n--- got\n%s", i+1, around(a), around(b))
}
