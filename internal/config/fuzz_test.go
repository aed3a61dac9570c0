package config

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"cooper"
)

// FuzzParse: whatever stands in a file, it is read, or every error is a person's with a place in
// the file; and what is read can be written, and is then the same.
func FuzzParse(f *testing.F) {
	f.Add([]byte(wide))
	f.Add([]byte(spelled))
	a, err := txtar.ParseFile(filepath.Join("testdata", "errors.txtar"))
	if err != nil {
		f.Fatal(err)
	}
	for i := 0; i < len(a.Files); i += 2 {
		f.Add([]byte(based(string(a.Files[i].Data))))
	}
	for _, set := range []string{"platform", "rails"} {
		if src, err := os.ReadFile(filepath.Join("..", "..", "..", "shared", "gc", set, "cooper.yaml")); err == nil {
			f.Add(src)
		}
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		c, err := parse("cooper.yaml", src)
		if err != nil {
			var all Faults
			if !errors.As(err, &all) || len(all) == 0 {
				t.Fatalf("%T: %v", err, err)
			}
			for _, e := range all {
				if e.Kind != cooper.KindUsage || e.Message == "" || !strings.HasPrefix(e.Where, "cooper.yaml") {
					t.Errorf("%#v", e)
				}
			}
			return
		}
		out, err := Render(c, nil)
		if err != nil {
			t.Fatalf("cannot be written: %v\n%s", err, out)
		}
		added, names, err := Add("cooper.yaml", src, more("zz-added"))
		switch {
		case err != nil && cooper.KindOf(err) != cooper.KindUsage:
			t.Errorf("%v", err)
		case err == nil && len(names) == 1 && len(added) <= len(src):
			t.Error("nothing was added")
		}
	})
}

// TestBounds: what a file is to be read for is bounded, whatever is in it.
func TestBounds(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a second for each")
	}
	half := maxSize / 2
	for name, src := range map[string]string{
		"lists":     strings.Repeat("[", half),
		"maps":      strings.Repeat("{a: ", half/4),
		"nothing":   "a: [" + strings.Repeat(",", half),
		"elements":  "waive: [" + strings.Repeat("a,", half/2) + "a]",
		"keys":      "{" + strings.Repeat("a,", half/2) + "a}",
		"lines":     strings.Repeat("a\n", half),
		"blocks":    strings.Repeat("- ", half),
		"comments":  strings.Repeat("#\n", half),
		"documents": strings.Repeat("---\n", half/4),
		"anchors":   "a: &a [x]\nb: [" + strings.Repeat("*a,", half/3) + "*a]",
		"quotes":    "\"" + strings.Repeat("\\x41", half/4),
		"pattern":   based("associations: {a: {table: '/" + strings.Repeat("(a{1,100}){1,10}", 1000) + "/', object: o, handle: h}}\n"),
		"patterns":  based("waive: [" + strings.Repeat(`/x{1000}{4}|a/.b,`, half/20) + "]\n"),
		"repeated":  based("waive: [" + strings.Repeat(`'/x{1000}y{1000}z{1000}/.b',`, half/30) + "]\n"),
		"too much":  strings.Repeat("a", maxSize+1),
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			if _, err := Parse("cooper.yaml", bytes.TrimSpace([]byte(src))); cooper.KindOf(err) != cooper.KindUsage {
				t.Errorf("%.300v", err)
			} else if len(err.Error()) > 20_000 {
				t.Errorf("an error of %d bytes", len(err.Error()))
			}
			runtime.ReadMemStats(&after)
			if got := (after.TotalAlloc - before.TotalAlloc) >> 20; got > 700 {
				t.Errorf("%d MiB were asked for", got)
			} else {
				t.Logf("%d MiB", got)
			}
		})
	}
}
