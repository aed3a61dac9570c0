// Package page writes what is known as one HTML file that a person opens in a
// browser: of a bucket, a map one can zoom, distributions, growth, cost; of a file
// handle, what scans saw of it, what it is taken for, and why.
//
// The file needs nothing but itself: no network, no server, no other file. Keys
// are hostile, so all data travels as JSON that no parser of HTML can read
// anything into, the script puts it into the page as text alone, and a
// Content-Security-Policy forbids any script but that one and every request.
// The same data gives the same bytes. Counting and looking up is left to others.
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

//go:embed page.html.tmpl *.css js/*.js
var files embed.FS

// The scripts of each page, in the order in which they build on one another.
var (
	reportPage = assemble("cooper report", []string{"page"}, "number", "dom", "table", "theme", "sections", "bars", "growth", "tree", "squarify", "colour", "tiles", "map", "find", "main")
	handlePage = assemble("cooper gc explain", []string{"page", "handle"}, "number", "dom", "table", "theme", "handle")
)

// assembled is what of a page does not depend on the data: it is put together once.
type assembled struct {
	template *template.Template
	command  string // which says the same in a terminal
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
	return reportPage.write(w, r.Snapshot.Bucket+" · Cooper report", data)
}

// WriteHandle writes what is known of the file handle called name as one HTML page.
// told is what `cooper gc explain --json` tells of it.
func WriteHandle(w io.Writer, name string, told any) error {
	var data bytes.Buffer
	if err := json.NewEncoder(&data).Encode(told); err != nil {
		return fmt.Errorf("page of a file handle: %w", err)
	}
	return handlePage.write(w, name+" · Cooper file handle", data.Bytes())
}

// write writes a page with data, JSON in which HTML sees nothing: the encoder escapes
// <, >, & and line separators.
func (a *assembled) write(w io.Writer, title string, data []byte) error {
	err := a.template.Execute(w, map[string]any{
		"Policy": a.policy, "CSS": a.css, "Script": a.js, "Command": a.command, "Title": title,
		"Data": template.JS(data),
	})
	if err != nil {
		return fmt.Errorf("page: %w", err)
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

func assemble(command string, styles []string, scripts ...string) *assembled {
	read := func(name string) string {
		b, err := files.ReadFile(name)
		if err != nil {
			panic(err) // it is embedded: only a broken build can do this
		}
		return string(b)
	}
	var css, js strings.Builder
	for _, name := range styles {
		css.WriteString(read(name + ".css"))
	}
	js.WriteString("\n(() => {\n'use strict';\n")
	for _, name := range scripts {
		js.WriteString(read("js/" + name + ".js"))
	}
	js.WriteString("})();\n")
	return &assembled{
		template: template.Must(template.New("page").Parse(read("page.html.tmpl"))),
		command:  command,
		css:      template.CSS(css.String()),
		js:       template.JS(js.String()),
		policy: fmt.Sprintf("default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'; style-src %s; script-src %s",
			hash(css.String()), hash(js.String())),
	}
}

// hash is what a Content-Security-Policy calls the text of an element by.
func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}
