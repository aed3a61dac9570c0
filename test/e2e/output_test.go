package e2e

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"cooper/test/e2etest"
)

// TestJSON runs every command with --json: one object, or one a line, on
// stdout, and nothing else anywhere.
func TestJSON(t *testing.T) {
	t.Parallel()
	w := e2etest.NewWorld(t, "Enabled")
	w.Server.CreateBucket("reports", "")
	w.Fill(20, 1)
	before := w.Report("before")
	dir, ws := e2etest.Pair(t)
	first := e2etest.Must(t, w.URL, ws, e2etest.BackupArgs(dir, before, "--json")...)
	oneObject(t, first, "snapshot", "plan", "applied")
	w.Change(20, 2)
	after := w.Report("after")
	snapshot := func(r e2etest.Result) string { return r.Object(t)["snapshot"].(map[string]any)["id"].(string) }

	for _, c := range []struct {
		args string
		want []string // fields of the object; none: lines
	}{
		{"snapshot --inventory " + before + " --list-dates", nil},
		{"snapshot s3://lab --inventory " + before, []string{"id", "source", "taken_at", "versions", "delete_markers", "bytes", "rejected", "scope", "complete"}},
		{"snapshot s3://lab --list", []string{"id", "source", "taken_at", "versions", "delete_markers", "bytes", "rejected", "scope", "complete"}},
		{"snapshot ls", nil},
		{"report", []string{"snapshot", "now", "prices", "total", "tree", "classes", "ages", "sizes", "suffixes", "uploads", "savings", "growth"}},
		{"report --by duplicates --compare latest", []string{"duplicates"}},
		{"snapshot show latest --verify", []string{"id", "versions", "bytes"}},
		{"snapshot rm latest", []string{"removed"}},
		{"inventory write s3://lab s3://reports/x/", []string{"manifest", "versions", "bytes", "format"}},
		{"backup plan s3://lab DIR --inventory " + after, []string{"snapshot", "plan"}},
		{"plan ls", nil},
		{"plan show latest", []string{"id", "totals", "estimate", "digest"}},
		{"plan show latest --actions", nil},
		{"apply latest --undo", nil},
		{"apply latest", []string{"plan", "applied"}},
		{"backup status DIR", []string{"tree", "complete", "age", "observed", "contents", "last_run"}},
		{"backup status DIR --quick", []string{"tree", "complete"}},
		{"backup verify DIR", []string{"files", "bytes"}},
		{"backup verify DIR --content", []string{"files", "verified"}},
		{"backup restore DIR --to OUT --plan-only", []string{"plan"}},
		{"backup restore DIR --to OUT", []string{"plan", "applied"}},
		{"backup restore DIR --to s3://reports/back/", []string{"plan", "applied"}},
		{"backup rollback DIR --to " + snapshot(first) + " --plan-only", []string{"plan"}},
		{"backup rollback DIR --to " + snapshot(first), []string{"plan", "applied"}},
		{"backup run s3://lab DIR --forward --plan-only --inventory " + after, []string{"snapshot", "plan"}},
		{"ledger sql SELECT+count(*)+AS+n+FROM+outcome", []string{"n"}},
		{"ledger sql SELECT+verb+FROM+outcome --tree DIR", nil},
	} {
		args := strings.Fields(strings.NewReplacer("DIR", dir, "OUT", filepath.Join(filepath.Dir(dir), "out")).Replace(c.args))
		for i := range args {
			args[i] = strings.ReplaceAll(args[i], "+", " ")
		}
		r := e2etest.Must(t, w.URL, ws, append(args, "--json")...)
		if r.Stderr != "" {
			t.Errorf("%s: on stderr: %s", c.args, r.Stderr)
		}
		if c.want != nil {
			oneObject(t, r, c.want...)
			continue
		}
		for line := range strings.Lines(r.Stdout) {
			if err := json.Unmarshal([]byte(line), new(map[string]any)); err != nil {
				t.Errorf("%s: a line is no object: %v: %s", c.args, err, line)
			}
		}
	}
}

func oneObject(t *testing.T, r e2etest.Result, fields ...string) {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(r.Stdout), &m); err != nil {
		t.Errorf("not one object: %v: %v", err, r)
		return
	}
	for _, f := range fields {
		if _, ok := m[f]; !ok {
			t.Errorf("no %q in %s", f, r.Stdout)
		}
	}
}

// TestErrors: each exit code, and the error as JSON on stderr, with nothing on
// stdout that could pass for what was done.
func TestErrors(t *testing.T) {
	t.Parallel()
	w := e2etest.NewWorld(t, "Enabled")
	w.Fill(5, 1)
	report := w.Report("now")
	dir, ws := e2etest.Pair(t)
	e2etest.Must(t, w.URL, ws, e2etest.BackupArgs(dir, report)...)
	empty := t.TempDir()
	file := filepath.Join(empty, "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args string
		code int
		kind string
	}{
		{"nonsense", 1, "usage"},
		{"backup nonsense", 1, "usage"},
		{"backup run", 1, "usage"},
		{"backup run s3://lab DIR", 1, "usage"},
		{"backup run s3://lab DIR --list --inventory x", 1, "usage"},
		{"backup run s3://lab DIR --list --nonsense", 1, "usage"},
		{"backup run s3://lab DIR --list --jobs many", 1, "usage"},
		{"backup run s3://lab DIR --list --jobs 0", 1, "usage"},
		{"backup run s3://lab DIR --list --jobs -3", 1, "usage"},
		{"backup run s3://lab DIR --list --share-stop lots", 1, "usage"},
		{"backup run s3://lab DIR --list --share-stop 200%", 1, "usage"},
		{"backup run s3://lab DIR --list --match (", 1, "usage"},
		{"backup run s3://lab DIR --list --archived melt", 1, "usage"},
		{"backup run s3://lab DIR --list --preset reckless", 1, "usage"},
		{"backup run s3://lab DIR --list --prices " + file, 1, "usage"},
		{"backup run s3://lab DIR --inventory " + report + " --date yesterday", 1, "usage"},
		{"backup run s3://lab FILE --list", 1, "usage"},
		{"backup run lab DIR --list", 1, "usage"},
		{"backup run s3://lab/prefix DIR --list", 1, "usage"},
		{"backup status EMPTY", 1, "usage"},
		{"backup verify EMPTY/none", 1, "usage"},
		{"backup restore DIR", 1, "usage"},
		{"backup restore DIR --to x --at whenever", 1, "usage"},
		{"backup rollback DIR --to s-1999", 1, "usage"},
		{"snapshot show s-1999", 1, "usage"},
		{"snapshot show ../../etc", 1, "usage"},
		{"report s-1999", 1, "usage"},
		{"report --by colour", 1, "usage"},
		{"report --prefix none", 1, "usage"},
		{"report --prices " + file, 1, "usage"},
		{"report --compare s-1999", 1, "usage"},
		{"report --html EMPTY/none/r.html --offline", 2, "internal"},
		{"plan show p-1999", 1, "usage"},
		{"apply p-1999", 1, "usage"},
		{"ledger sql SELEC", 1, "usage"},
		{"snapshot s3://lab --list --endpoint-url nonsense", 1, "usage"},
		{"snapshot s3://lab --list --profile nobody", 1, "usage"},
		{"snapshot s3://nowhere --list", 2, "missing"},
		{"snapshot --inventory EMPTY", 2, "missing"},
		{"snapshot s3://lab --list --endpoint-url http://127.0.0.1:1", 2, "store"},
		{"apply latest", 4, "refused"},
		{"backup run s3://lab DIR --list --workspace DIR/.cooper", 1, "usage"},
		{"snapshot ls --workspace FILE", 1, "usage"},
	} {
		args := strings.Fields(strings.NewReplacer("DIR", dir, "EMPTY", empty, "FILE", file).Replace(c.args))
		r := e2etest.Run(t, w.URL, ws, append(args, "--json")...)
		var got struct {
			Error map[string]string `json:"error"`
		}
		err := json.Unmarshal([]byte(r.Stderr), &got)
		if err == nil && (len(got.Error) != 4 || got.Error["message"] == "") {
			err = errors.New("not the fields kind, message, where, remedy")
		}
		if err != nil || r.Code != c.code || got.Error["kind"] != c.kind || strings.Contains(r.Stdout, `"applied"`) {
			t.Errorf("cooper %s: want code %d and kind %s (%v): %v", c.args, c.code, c.kind, err, r)
		} else if got.Error["remedy"] == "" {
			t.Errorf("cooper %s: no remedy: %s", c.args, r.Stderr)
		}
	}
}

// TestHelp walks all commands: each explains itself, with examples where it
// takes arguments, in lines that fit a terminal.
func TestHelp(t *testing.T) {
	t.Parallel()
	ws := filepath.Join(t.TempDir(), "ws")
	name := regexp.MustCompile(`^  ([a-z]+) +\S`)
	flag := regexp.MustCompile(`^ +(-\w, )?--`)
	var walk func(path []string)
	seen := 0
	walk = func(path []string) {
		seen++
		args := append(slices.Clone(path), "--help")
		r := e2etest.Must(t, "", ws, args...)
		commands, found := strings.CutPrefix(r.Stdout, r.Stdout[:max(0, strings.Index(r.Stdout, "Available Commands:"))])
		if !strings.Contains(r.Stdout, "Examples:") && !slices.Contains(path, "completion") {
			t.Errorf("cooper %s has no example", strings.Join(args, " "))
		}
		for line := range strings.Lines(r.Stdout) {
			if n := len([]rune(line)); n > 100 && !flag.MatchString(line) {
				t.Errorf("cooper %s: %d columns: %s", strings.Join(args, " "), n, line)
			}
		}
		if !found || !strings.HasPrefix(commands, "Available Commands:") {
			return
		}
		for line := range strings.Lines(commands) {
			if line == "\n" {
				break
			}
			if m := name.FindStringSubmatch(line); m != nil && m[1] != "help" {
				walk(append(slices.Clone(path), m[1]))
			}
		}
	}
	walk(nil)
	if seen < 20 {
		t.Errorf("only %d commands were found", seen)
	}
	if _, err := os.Stat(ws); err == nil {
		t.Error("asking for help made a workspace")
	}
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		if r := e2etest.Must(t, "", ws, "completion", shell); !strings.Contains(r.Stdout, "cooper") {
			t.Errorf("completion %s: %v", shell, r)
		}
	}
	r := e2etest.Must(t, "", ws, "__complete", "backup", "")
	for _, sub := range []string{"run", "plan", "status", "verify", "restore", "rollback"} {
		if !strings.Contains(r.Stdout, sub) {
			t.Errorf("backup is not completed with %s: %v", sub, r)
		}
	}
}
