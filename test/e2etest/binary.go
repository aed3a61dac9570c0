// Package e2etest is what end-to-end tests of the built binary have in common: the
// binary, built once for a package or given as COOPER_BINARY; commands of it, to their
// end or beside the test; an S3 server with a bucket whose contents follow from a seed,
// and reports of it; gates that hold a command in the middle of its work; and all that
// is to be compared of a tree.
//
// Nothing of the machine's own configuration gets into a command. What a test starts
// ends with it, but for runs in the background. What is tried, and what must come of it,
// is left to the tests.
package e2etest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

var binary string

// Binary is the path of the program under test.
func Binary() string { return binary }

// Main runs a package's tests on the binary that COOPER_BINARY names, or on one built
// for them, and gives the exit code. TestMain of each package is nothing else.
func Main(m *testing.M) int {
	if binary = os.Getenv("COOPER_BINARY"); binary != "" {
		return m.Run()
	}
	dir, err := os.MkdirTemp("", "cooper-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir) //nolint:errcheck // what is left of it is of no use to anybody
	binary = filepath.Join(dir, "cooper")
	build := exec.Command("go", "build", "-o", binary, "cooper/cmd/cooper")
	build.Stdout, build.Stderr = os.Stderr, os.Stderr
	if err := build.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "building the binary:", err)
		return 1
	}
	return m.Run()
}
