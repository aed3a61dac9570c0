package cli

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"cooper/internal/cli/shell"
	"cooper/internal/term"
)

// TestMistakes: what is wrong with a command line is said in sentences, with a
// next step.
func TestMistakes(t *testing.T) {
	for line, want := range map[string][]string{
		"apply":     {"cooper apply needs more: ID", "Write cooper apply ID. See cooper apply --help."},
		"plan show": {"cooper plan show needs more: ID", "Write cooper plan show ID."},
		"apply a b": {"cooper apply takes ID, and 2 arguments were given", "See cooper apply --help."},
		"runs x":    {"x", "See cooper runs --help."},
		"compress plan s3://b --list --snapshot latest":  {"--list and --snapshot exclude each other", "Give one of them."},
		"compress run s3://b --list --jobs many":         {`--jobs "many": such a value`, "See cooper compress run --help."},
		"compress plan s3://b --list --match (":          {"--match", "RE2"},
		"compress plan s3://b --list --codec gzip":       {"zstd:1 to zstd:19", "--codec"},
		"compress plan s3://b --list --codec brotli":     {"zstd:1 to zstd:19", "--codec"},
		"backup plan s3://b /tmp/nowhere --nothing-like": {"unknown flag: --nothing-like", "See cooper backup plan --help."},
	} {
		var out, errs bytes.Buffer
		sh := &shell.Shell{Stdin: strings.NewReader(""), Stdout: term.Plain(&out), Stderr: term.Plain(&errs)}
		code, _ := run(context.Background(), sh, append([]string{"--workspace", t.TempDir()}, strings.Fields(line)...))
		for _, w := range append(want, "next:") {
			if code != shell.ExitUsage || !strings.Contains(errs.String(), w) {
				t.Errorf("%s: exit code %d, %q is not in\n%s", line, code, w, errs.String())
			}
		}
	}
}
