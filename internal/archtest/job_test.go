package archtest

import (
	"bytes"
	"go/parser"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestWiring: what job knows of a mission stands in files with the mission's name, and in
// the table.
func TestWiring(t *testing.T) {
	for _, p := range packages(t) {
		if p.ImportPath != in+"job" {
			continue
		}
		for _, f := range p.GoFiles {
			file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, f), nil, parser.ImportsOnly)
			if err != nil {
				t.Fatal(err)
			}
			for _, i := range file.Imports {
				imp, err := strconv.Unquote(i.Path.Value)
				if err != nil {
					t.Fatal(err)
				}
				if of := missionOf(imp); of != "" && !wires(f, of) {
					t.Errorf("job/%s imports %s; that is for %s.go and for %s", f, imp, path.Base(imp), missionTable)
				}
			}
		}
		return
	}
	t.Fatal("there is no package job")
}

// missionOf is the mission that a package is of, or a part of; empty for none.
func missionOf(imp string) string {
	for _, m := range missions {
		if under(imp, m) {
			return m
		}
	}
	return ""
}

// wires tells whether a file of job is one that may know a mission.
func wires(file, mission string) bool {
	name := strings.TrimSuffix(file, ".go")
	return file == missionTable || name == path.Base(mission) || strings.HasPrefix(name, path.Base(mission)+"_")
}

// TestWires: missions that are to come have files of their own, too.
func TestWires(t *testing.T) {
	for file, want := range map[string]bool{"gc.go": true, "gc_parts.go": true, missionTable: true, "observe.go": false, "gcs.go": false, "run.go": false} {
		if wires(file, in+"gc") != want {
			t.Errorf("%s: may know gc: %v", file, !want)
		}
	}
}

// mostOfCommand is how many lines cmd/cooper may have, but for tests.
const mostOfCommand = 600

// TestCommandIsSmall: cmd/cooper has signals, the version and the exit; everything else
// can be called by others, too.
func TestCommandIsSmall(t *testing.T) {
	for _, p := range packages(t) {
		if !under(p.ImportPath, "cooper/cmd") {
			continue
		}
		lines := 0
		for _, f := range p.GoFiles {
			text, err := os.ReadFile(filepath.Join(p.Dir, f))
			if err != nil {
				t.Fatal(err)
			}
			lines += bytes.Count(text, []byte("\n"))
		}
		if lines > mostOfCommand {
			t.Errorf("%s has %d lines; %d are the most", p.ImportPath, lines, mostOfCommand)
		}
		for _, imp := range p.Imports {
			standard := !strings.Contains(strings.SplitN(imp, "/", 2)[0], ".") && !under(imp, "cooper")
			if !standard && imp != in+"cli" {
				t.Errorf("%s imports %s; what needs it belongs in internal/cli", p.ImportPath, imp)
			}
		}
	}
}
