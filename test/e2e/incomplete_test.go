package e2e

import (
	"os"
	"path/filepath"
	"regexp"

	"github.com/rogpeppe/go-internal/testscript"

	"cooper/internal/seal"
)

var completeField = regexp.MustCompile(`"complete": *true`)

// incompleteCmd makes all snapshots of a workspace incomplete, as a listing that ended
// early would: incomplete ws.
func incompleteCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: incomplete WORKSPACE")
	}
	names, err := filepath.Glob(filepath.Join(ts.MkAbs(args[0]), "snapshot", "*", "meta.json"))
	ts.Check(err)
	for _, name := range names {
		text, err := os.ReadFile(name)
		ts.Check(err)
		object, err := seal.Open(text)
		ts.Check(err)
		sealed, err := seal.Document(completeField.ReplaceAll(object, []byte(`"complete": false`)))
		ts.Check(err)
		ts.Check(os.WriteFile(name, sealed, 0o600))
	}
}
