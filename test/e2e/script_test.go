package e2e

import (
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"cooper/internal/store/mem"
)

// TestScripts runs the scripts in testdata: what a person types, and what they
// see. Each has an S3 server of its own with the bucket lab, which the command s3
// changes, and the bucket reports.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(e *testscript.Env) error {
			server := mem.New(mem.Options{Clock: newClock()})
			h := httptest.NewServer(server)
			e.Defer(h.Close)
			server.CreateBucket("lab", "Enabled")
			server.CreateBucket("reports", "")
			e.Values["server"] = server
			e.Vars = append(e.Vars, env(h.URL, filepath.Join(e.WorkDir, "ws"))...)
			e.Setenv("PATH", filepath.Dir(binary)+string(os.PathListSeparator)+os.Getenv("PATH"))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"s3": s3Cmd, "code": codeCmd},
	})
}

// codeCmd runs a command and wants an exit code: code 4 cooper …
func codeCmd(ts *testscript.TestScript, neg bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	if err != nil {
		if _, scanErr := fmt.Sscanf(err.Error(), "exit status %d", &got); scanErr != nil {
			ts.Fatalf("%v", err)
		}
	}
	if neg || got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// s3Cmd changes the bucket:
//
//	s3 put KEY CONTENT [class=C] [sse=E] [parts=N]
//	s3 delete KEY | erase KEY | class KEY CLASS | restored KEY | deny PREFIX
//	s3 corrupt KEY | versioning STATE | reset | counts OPERATION N
func s3Cmd(ts *testscript.TestScript, neg bool, args []string) {
	s := ts.Value("server").(*mem.Server)
	if neg || len(args) < 1 {
		ts.Fatalf("usage: s3 put|delete|erase|class|restored|deny|corrupt|versioning|reset|counts …")
	}
	latest := func(key string) string {
		for _, v := range s.Versions("lab") {
			if v.Key == key && v.Latest {
				return v.VersionID
			}
		}
		ts.Fatalf("no latest version of %q", key)
		return ""
	}
	key := ""
	if len(args) > 1 {
		key = unquote(ts, args[1])
	}
	switch args[0] {
	case "put":
		var o mem.PutOptions
		for _, a := range args[3:] {
			name, value, _ := strings.Cut(a, "=")
			switch name {
			case "class":
				o.Class = value
			case "sse":
				o.Encryption = value
			case "parts":
				n, err := strconv.ParseInt(value, 10, 64)
				ts.Check(err)
				o.PartSize = n
			default:
				ts.Fatalf("unknown option %s", a)
			}
		}
		s.Put("lab", key, []byte(args[2]), o)
	case "delete":
		s.Delete("lab", key)
	case "erase":
		for _, v := range s.Versions("lab") {
			if v.Key == key {
				s.DeleteVersion("lab", key, v.VersionID)
			}
		}
	case "class":
		s.SetClass("lab", key, latest(key), args[2], "")
	case "restored":
		s.CompleteRestore("lab", key, latest(key))
	case "deny":
		s.Deny("lab", key)
	case "corrupt":
		s.Corrupt("lab", key, latest(key))
	case "versioning":
		s.SetVersioning("lab", args[1])
	case "reset":
		s.ResetCounts()
	case "counts":
		want, err := strconv.ParseInt(args[2], 10, 64)
		ts.Check(err)
		if got := s.Counts()[args[1]]; got != want {
			ts.Fatalf("the server counted %d %s requests, want %d: %v", got, args[1], want, s.Counts())
		}
	default:
		ts.Fatalf("unknown: s3 %s", args[0])
	}
}

// unquote lets scripts write keys as Go strings.
func unquote(ts *testscript.TestScript, s string) string {
	if !strings.HasPrefix(s, `"`) {
		return s
	}
	k, err := strconv.Unquote(s)
	ts.Check(err)
	return k
}
