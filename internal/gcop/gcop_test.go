package gcop

import (
	"encoding/json"
	"maps"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"cooper"
	"cooper/internal/plan"
)

// TestTask: what is written is read back, and is text throughout.
func TestTask(t *testing.T) {
	for name, want := range map[string]Task{
		"kind FILES 0":              {What: Kind, Table: "FILES", Rows: 7, Key: []string{"ID"}, To: [][]byte{[]byte("8")}},
		"kind old 0":                {What: Kind, Name: "old", Rows: -1},
		"derived variant 0":         {What: Derived, Name: "variant", Rows: -1},
		"hold protect s.holds h 2":  {What: Hold, Name: Protect, Schema: "s", Table: "holds", Number: 2, Key: []string{"a,b", `"`}, After: [][]byte{{}, {0, 0xff, ','}}, Column: "h", Where: "x > 'ä'", Of: "blob"},
		"hold in_flight holds h 0":  {What: Hold, Name: InFlight, Table: "holds", Column: "h", Rows: -1},
		"File.Entity s.REVISION 11": {What: Association, Name: "File.Entity", Schema: "s", Table: "REVISION", Number: 11, Key: []string{"A", "B"}, After: [][]byte{[]byte("1"), []byte("a ")}, To: [][]byte{[]byte("1"), []byte("a")}},
	} {
		a := want.Action()
		if a.Version.Key != name || want.String() != name {
			t.Errorf("%s is called %s", name, a.Version.Key)
		}
		for n, v := range a.Args {
			if !utf8.ValidString(v) {
				t.Errorf("%s: %s is no text", name, n)
			}
		}
		got, err := TaskOf(&a)
		if d := cmp.Diff(want, got); d != "" || err != nil {
			t.Errorf("%s: %v\n%s", name, err, d)
		}
	}
}

// TestForeign: what cannot have been written is not taken for a smaller task.
func TestForeign(t *testing.T) {
	good := Task{What: Association, Name: "a", Table: "t", Key: []string{"ID"}, After: [][]byte{{1}}, To: [][]byte{{2}}}
	hold := Task{What: Hold, Name: Protect, Table: "t", Column: "h"}
	for why, c := range map[string]struct {
		of  Task
		set map[string]string // "-" is to leave it out
	}{
		"unknown argument": {good, map[string]string{"more": "x"}},
		"no what":          {good, map[string]string{"what": "-"}},
		"other what":       {good, map[string]string{"what": "links"}},
		"other verb":       {good, map[string]string{"what": "kind"}},
		"no name":          {good, map[string]string{"name": "-"}},
		"no table":         {good, map[string]string{"table": "-"}},
		"number":           {good, map[string]string{"number": "one"}},
		"negative":         {good, map[string]string{"number": "-1"}},
		"no rows":          {good, map[string]string{"rows": "-"}},
		"no key":           {good, map[string]string{"key": "-"}},
		"longer key":       {good, map[string]string{"key": `["a","b"]`}},
		"key":              {good, map[string]string{"key": `ID`}},
		"no base64":        {good, map[string]string{"after": `["%"]`}},
		"null":             {good, map[string]string{"to": `[null]`}},
		"null bound":       {good, map[string]string{"to": `null`}},
		"column":           {good, map[string]string{"column": "x"}},
		"condition":        {good, map[string]string{"where": "x"}},
		"hold of nothing":  {hold, map[string]string{"column": "-"}},
		"unknown hold":     {hold, map[string]string{"name": "keep"}},
	} {
		a := c.of.Action()
		a.Args = maps.Clone(a.Args)
		for n, v := range c.set {
			a.Args[n] = v
			if v == "-" {
				delete(a.Args, n)
			}
		}
		if task, err := TaskOf(&a); cooper.KindOf(err) != cooper.KindInvalid {
			t.Errorf("%s: %+v, %v", why, task, err)
		}
	}
}

func TestScanning(t *testing.T) {
	want := Scanning{Config: "/etc/cooper.yaml", Configuration: "c0", Schema: "50", Server: "uuid/db", Engine: "MariaDB", Time: cooper.InstantOf(time.UnixMilli(1767225600123))}
	policy, err := json.Marshal(map[string]any{"scanning": want, "more": 1})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := ScanningOf(policy); err != nil || got != want {
		t.Errorf("%+v, %v", got, err)
	}
	for _, p := range []string{``, `{}`, `{"scanning":{}}`, `{"scanning":{"config":"c","configuration":"c","server":"s"}}`} {
		if _, err := ScanningOf(json.RawMessage(p)); cooper.KindOf(err) != cooper.KindInvalid {
			t.Errorf("%s: %v", p, err)
		}
	}
	h := plan.Header{ID: "p-1", Target: plan.Target{Kind: TargetKind, Path: "mysql:env:DSN"}, Policy: policy}
	if err := CheckTarget(h, "mysql:env:DSN", "uuid/db", "c0"); err != nil {
		t.Error(err)
	}
	for _, c := range [][3]string{{"mysql:env:OTHER", "uuid/db", "c0"}, {"mysql:env:DSN", "other/db", "c0"}, {"mysql:env:DSN", "uuid/db", "c1"}} {
		if err := CheckTarget(h, c[0], c[1], c[2]); cooper.KindOf(err) != cooper.KindRefused || cooper.RemedyOf(err) == "" {
			t.Errorf("%v: %v", c, err)
		}
	}
	h.Target.Kind = "bucket"
	if err := CheckTarget(h, "mysql:env:DSN", "uuid/db", "c0"); cooper.KindOf(err) != cooper.KindInvalid {
		t.Error(err)
	}
}
