package config

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"cooper"
)

var update = flag.Bool("update", false, "write what is said of wrong files anew")

// base is a file with nothing wrong, key by key.
var base = []struct{ key, text string }{
	{"version", "version: 1\n"},
	{"database", "database: mysql:env:DSN\n"},
	{"buckets", "buckets: [data]\n"},
	{"handles", "handles: {table: FILES, id: ID, key: KEY}\n"},
	{"associations", "associations: {x: {table: T, object: o, handle: h}}\n"},
}

// based is a text and below it the keys that it has not.
func based(text string) string {
	if rest := strings.Replace(text, "NOBASE\n", "", 1); rest != text {
		return rest
	}
	if strings.TrimSpace(text) == "" || text[0] == '#' || text[0] == '-' || !strings.Contains(text, ":") {
		return text
	}
	for _, b := range base {
		if !strings.HasPrefix(text, b.key+":") && !strings.Contains(text, "\n"+b.key+":") {
			text += b.text
		}
	}
	return text
}

// said is all that a person would read of an error.
func said(err error) string {
	if err == nil {
		return "nothing is wrong\n"
	}
	var all Faults
	var one *cooper.Error
	switch {
	case errors.As(err, &all):
	case errors.As(err, &one):
		all = Faults{one}
	default:
		return "NO ERROR OF OURS: " + err.Error()
	}
	var b strings.Builder
	for _, e := range all {
		if e.Kind != cooper.KindUsage {
			b.WriteString("KIND " + string(e.Kind) + " ")
		}
		b.WriteString(e.Error() + "\n")
		if e.Remedy != "" {
			b.WriteString("    " + e.Remedy + "\n")
		}
	}
	return b.String()
}

// TestErrors: what is said of wrong files, word for word.
func TestErrors(t *testing.T) {
	golden := filepath.Join("testdata", "errors.txtar")
	a, err := txtar.ParseFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(a.Files); i += 2 {
		name, _ := strings.CutSuffix(a.Files[i].Name, ".yaml")
		t.Run(name, func(t *testing.T) {
			_, err := Parse("cooper.yaml", []byte(based(string(a.Files[i].Data))))
			if err == nil {
				t.Error("nothing is wrong with it")
			}
			got := said(err)
			if strings.Contains(got, "secret") {
				t.Errorf("a password is shown: %s", got)
			}
			if diff := cmp.Diff(string(a.Files[i+1].Data), got); diff != "" && !*update {
				t.Errorf("what is said (-want +got):\n%s", diff)
			}
			a.Files[i+1].Data = []byte(got)
		})
	}
	if *update {
		if err := os.WriteFile(golden, txtar.Format(a), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
