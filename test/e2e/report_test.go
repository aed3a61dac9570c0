package e2e

import (
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"cooper/test/e2etest"
)

// reportCmd writes a CSV report of lab as Amazon would:
//
//	report DIR [date=2026-01-02T01-00Z] [files=N] [shuffle=SEED] [columns=A,B] [more=FILE] [current]
//
// Rows are dealt out to the files one after the other; more adds raw rows.
func reportCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: report DIR [option…]")
	}
	s := ts.Value("server").(*stage)
	r := e2etest.NewReport("2026-01-02T01-00Z")
	for _, a := range args[1:] {
		name, value, _ := strings.Cut(a, "=")
		switch name {
		case "date":
			r.Date = value
		case "files":
			r.Files = int(number(ts, value))
		case "shuffle":
			r.Seed = number(ts, value)
		case "columns":
			r.Columns = strings.ReplaceAll(value, ",", ", ")
		case "current":
			r.Current = true
		case "more":
			r.More = ts.ReadFile(value)
		default:
			ts.Fatalf("unknown option %s", a)
		}
	}
	ts.Check(r.Write(ts.MkAbs(args[0]), s.Versions("lab")))
}
