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
	yaml "go.yaml.in/yaml/v4"

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
	f.Fuzz(func(t *testing.T, src []byte) { held(t, src) })
}

// TestEveryValue: the same, with each value and key of a file in turn replaced by what does not belong there.
func TestEveryValue(t *testing.T) {
	odd := []string{"''", "~", "[]", "{}", "[[a]]", "{a: {b: c}}", "[~]", "yes", "0", "-1", "1e99", "2026-01-01", "'='", "'= '", "'{'", "'/'", "'//'", "'/./'", "'.'", "'a.'",
		"' a '", "\"a\\nb\"", "\"\\0\"", "é", "'s3://'", "'s3://data'", "'a b'", "key", "'<<'", "exec", "'exec '", "zip", "'$1'", "\"it's\"", "\"a''b\"", "'\\'", "'|'", "'# a'"}
	read, written := 0, 0
	for i := 0; ; i++ {
		var doc node
		if err := yaml.Load([]byte(wide), &doc); err != nil {
			t.Fatal(err)
		}
		at := nth(&doc, i)
		if at == nil {
			break
		}
		for k, o := range odd {
			if testing.Short() && (i+k)%9 != 0 {
				continue
			}
			var value node
			if err := yaml.Load([]byte(o), &value); err != nil {
				t.Fatal(o, err)
			}
			was := *at
			*at = *value.Content[0]
			src, err := yaml.Dump(&doc)
			*at = was
			if err != nil {
				continue
			}
			read++
			if held(t, src) {
				written++
			}
			if t.Failed() {
				t.Fatalf("%s in place of %s", o, was.Value)
			}
		}
	}
	if read < 500 || written < 50 {
		t.Errorf("%d files, %d of them right", read, written)
	}
}

// nth is the n-th node below one, in its order.
func nth(n *node, i int) *node {
	var all []*node
	var walk func(n *node)
	walk = func(n *node) {
		for _, c := range n.Content {
			all = append(all, c)
			walk(c)
		}
	}
	walk(n)
	if i >= len(all) {
		return nil
	}
	return all[i]
}

// held tells whether a file is right; it fails where something else is wrong than the file.
func held(t *testing.T, src []byte) bool {
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
		return false
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
	return true
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
