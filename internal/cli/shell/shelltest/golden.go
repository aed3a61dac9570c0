// Package shelltest is for the tests of families of commands: it holds what a person sees
// against golden files. go test -update writes them anew.
package shelltest

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files anew")

// Golden compares what is shown with a file of testdata.
func Golden(t *testing.T, name, shown string) {
	t.Helper()
	name = filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(name, []byte(shown), 0o644); err != nil { //nolint:gosec // a file of the repository
			t.Fatal(err)
		}
	}
	file, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	got, want := strings.Split(shown, "\n"), strings.Split(string(file), "\n")
	i := 0
	for i < min(len(got), len(want)) && got[i] == want[i] {
		i++
	}
	if shown != string(file) {
		t.Errorf("line %d of %s differs (go test -update writes it anew):\n%s\nwant:\n%s", i+1, name, strings.Join(got[i:min(i+3, len(got))], "\n"), strings.Join(want[i:min(i+3, len(want))], "\n"))
	}
}
