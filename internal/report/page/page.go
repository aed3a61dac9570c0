// Package page writes a report as one HTML file that a person opens in a
// browser: a map of the bucket one can zoom, distributions, growth, cost.
//
// The file needs nothing but itself: no network, no server, no other file. Keys
// are hostile, so all data travels as JSON that no parser of HTML can read
// anything into, the script puts it into the page as text alone, and a
// Content-Security-Policy forbids any script but that one and every request.
// The same report gives the same bytes. Counting is left to package report.
package page

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"strings"

	"cooper/internal/report"
)

//go:embed page.html.tmpl page.css js/*.js
var files embed.FS

// scripts in the order in which they build on one another.
var scripts = []string{"number", "dom", "table", "theme", "sections", "bars", "growth", "tree", "squarify", "colour", "tiles", "map", "find", "main"}

// fixed is what does not depend on the report: it is put together once.
var fixed = assemble()

type assembled struct {
	template *template.Template
	css      template.CSS
	js       template.JS
	policy   string
}

// Write writes r as one HTML page. It fails if w does, or if a cost in r is not
// a number.
func Write(w io.Writer, r *report.Report) error {
	data, err := encode(r)
	if err != nil {
		return fmt.Errorf("report page: %w", err)
	}
	err = fixed.template.Execute(w, map[string]any{
		"Policy": fixed.policy,
		"CSS":    fixed.css,
		"Script": fixed.js,
		"Bucket": r.Snapshot.Bucket,
		"Data":   template.JS(data), // encode escapes what HTML could see
	})
	if err != nil {
		return fmt.Errorf("report page: %w", err)
	}
	return nil
}

// encode gives the report as JSON without <, >, & and line separators, in which
// the tree, nearly all of it, is in short form.
func encode(r *report.Report) ([]byte, error) {
	// The shallower of two fields with one name is the one that is encoded.
	short := struct {
		*report.Report
		Tree json.RawMessage `json:"tree"`
	}{r, []byte("null")}
	if r.Tree != nil {
		short.Tree = appendNode(nil, r.Tree)
	}
	var b bytes.Buffer
	err := json.NewEncoder(&b).Encode(short)
	return b.Bytes(), err
}

func assemble() assembled {
	read := func(name string) string {
		b, err := files.ReadFile(name)
		if err != nil {
			panic(err) // it is embedded: only a broken build can do this
		}
		return string(b)
	}
	var js strings.Builder
	js.WriteString("\n(() => {\n'use strict';\n")
	for _, name := range scripts {
		js.WriteString(read("js/" + name + ".js"))
	}
	js.WriteString("})();\n")
	css := read("page.css")
	return assembled{
		template: template.Must(template.New("page").Parse(read("page.html.tmpl"))),
		css:      template.CSS(css),
		js:       template.JS(js.String()),
		policy: fmt.Sprintf("default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'; style-src %s; script-src %s",
			hash(css), hash(js.String())),
	}
}

// hash is what a Content-Security-Policy calls the text of an element by.
func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}
