package e2e

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// sidecarOnly are scripts about what an inline tree has not: what stands beside
// a sidecar tree's directories, or the day in a path.
var sidecarOnly = map[string]string{
	"clock_of_the_store_is_ahead.txtar":       "the day is in the path",
	"old_file_replaced_yesterday.txtar":       "the day is in the path",
	"keys_that_look_like_our_own_files.txtar": "has keys that begin with mirror/ on purpose",
	"ls_and_history.txtar":                    "shows paths in history",
	"symlink_planted_in_the_mirror.txtar":     "moves the mirror",
	"hard_keys.txtar":                         "has one of its own",
	"file_becomes_directory_and_back.txtar":   "history keeps the directory: inline.txtar",
	"nul_in_a_key.txtar":                      "names the escaped key",
}

// inlined turns a script about a sidecar tree into one about an inline tree: new
// trees get that layout, and what is looked for stands where it does there.
var inlined = []struct {
	from *regexp.Regexp
	to   string
}{
	{regexp.MustCompile(`(backup (?:run|plan) s3://lab \S+)`), "$1 --layout inline"},
	{regexp.MustCompile(`/history/\*/(\S*?)%@\*`), "/$1.old.*"},
	{regexp.MustCompile(`find tree/history -type f`), "find tree -type f -name '*.old.*'"},
	{regexp.MustCompile(`(tree|moved)/mirror/(\S*?)([^/\s]+)%=`), "$1/$2.%$3%="},
	{regexp.MustCompile(`(tree|moved)/mirror/`), "$1/"},
	{regexp.MustCompile(`( \+)mirror/`), "$1"},
	{regexp.MustCompile(`^(stdout '[^']*)bytes     mirror/`), "${1}bytes     "},
}

// TestScriptsOnInlineTrees runs the scripts once more, on trees of the other
// layout.
func TestScriptsOnInlineTrees(t *testing.T) {
	if testing.Short() {
		t.Skip("each script has run on a sidecar tree")
	}
	scripts, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	n := 0
	for _, path := range scripts {
		name := filepath.Base(path)
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		script := string(b)
		if sidecarOnly[name] != "" || !strings.Contains(script, "backup run s3://lab") || strings.Contains(script, "--layout") || strings.Contains(script, "backup adopt") {
			continue
		}
		for _, r := range inlined {
			script = r.from.ReplaceAllString(script, r.to)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(script), 0o600); err != nil {
			t.Fatal(err)
		}
		n++
	}
	if n < 30 {
		t.Errorf("only %d scripts", n)
	}
	p := scriptParams()
	p.Dir = dir
	testscript.Run(t, p)
}
