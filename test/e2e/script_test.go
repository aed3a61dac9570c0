package e2e

import (
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"cooper/internal/store/mem"
	"cooper/test/e2etest"
)

// TestScripts runs the scripts in testdata: what a person types, and what they
// see. Each has an S3 server of its own with the bucket lab, which the command s3
// changes, and the bucket reports.
func TestScripts(t *testing.T) {
	p := scriptParams()
	p.Dir = "testdata"
	testscript.Run(t, p)
}

// scriptParams gives each script its server.
func scriptParams() testscript.Params {
	return testscript.Params{
		Setup: func(e *testscript.Env) error {
			stage, steady := &stage{}, e2etest.NewClock()
			server := mem.New(mem.Options{Clock: func() time.Time {
				if stage.now.Load() {
					return time.Now()
				}
				return steady()
			}})
			stage.Server = server
			h := httptest.NewServer(stage)
			e.Defer(h.Close)
			server.CreateBucket("lab", "Enabled")
			server.CreateBucket("reports", "")
			e.Values["server"] = stage
			e.Vars = append(e.Vars, e2etest.Env(h.URL, filepath.Join(e.WorkDir, "ws"))...)
			files, err := filepath.Abs("../../internal/inventory/s3report/orc/testdata")
			e.Setenv("ORC", files) // files of real writers
			e.Setenv("PATH", filepath.Dir(e2etest.Binary())+string(os.PathListSeparator)+os.Getenv("PATH"))
			return err
		},
		Condition: postgresIsThere,
		Cmds:      map[string]func(*testscript.TestScript, bool, []string){"s3": s3Cmd, "code": codeCmd, "invsync": invsyncCmd, "invsync-mislabel": mislabelCmd, "report": reportCmd, "incomplete": incompleteCmd, "orcreport": orcCmd, "postgres": postgresCmd},
	}
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
