package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	yaml "go.yaml.in/yaml/v4"
	"go.yaml.in/yaml/v4/plugin/loaderlimits"

	"cooper"
)

// What a file may be at most. An association takes some 150 bytes; what people write
// nests five deep.
const (
	maxSize   = 1 << 20
	maxDepth  = 32
	maxFaults = 50
)

type node = yaml.Node

const (
	scalar  = yaml.ScalarNode
	list    = yaml.SequenceNode
	mapping = yaml.MappingNode
)

// reader turns nodes into values, and keeps what is wrong with them.
type reader struct {
	file   string
	faults []fault
	root   *node
	taken  int // by expressions
	// bare: there may be no associations yet.
	bare bool
}

// field is a key of a block, and how its value is read.
type field struct {
	key  string
	must bool
	// empty: the key may stand without a value.
	empty bool
	read  func(*node)
}

func quote(s string) string {
	if r := []rune(s); len(r) > 80 {
		s = string(r[:79]) + "…"
	}
	return cooper.Quote(s)
}

func pos(n *node) Pos {
	if n == nil {
		return Pos{}
	}
	return Pos{n.Line, n.Column}
}

func (r *reader) placed(n *node) Place { return Place{file: r.file, own: pos(n)} }

func (r *reader) fault(n *node, remedy, format string, args ...any) {
	if len(r.faults) == maxFaults {
		return
	}
	r.add(pos(n), remedy, fmt.Sprintf(format, args...))
}

func (r *reader) faultAt(p *Place, key, remedy, format string, args ...any) {
	r.add(p.PosOf(key), remedy, fmt.Sprintf(format, args...))
}

func (r *reader) add(at Pos, remedy, message string) {
	said := slices.ContainsFunc(r.faults, func(f fault) bool { return f.at == at && f.err.Message == message })
	if !said && len(r.faults) < maxFaults {
		r.faults = append(r.faults, fault{at, &cooper.Error{Kind: cooper.KindUsage, Where: place(r.file, at), Message: message, Remedy: remedy}})
	}
}

// faulted tells whether something is wrong at a place already: one error is enough.
func (r *reader) faulted(at Pos) bool {
	return slices.ContainsFunc(r.faults, func(f fault) bool { return f.at == at })
}

// document reads text as one YAML document without aliases; nil for none.
func (r *reader) document(src []byte) *node {
	if at, what, remedy := unreadable(src); what != "" {
		r.add(at, remedy, what)
		return nil
	}
	l, err := yaml.NewLoader(bytes.NewReader(src), yaml.WithUniqueKeys(false),
		yaml.WithPlugin(loaderlimits.New(loaderlimits.DepthValue(maxDepth))))
	if err != nil {
		r.add(Pos{}, "", err.Error())
		return nil
	}
	var doc, more node
	switch err := l.Load(&doc); {
	case errors.Is(err, io.EOF):
		return nil
	case err != nil:
		r.syntax(err)
		return nil
	}
	switch err := l.Load(&more); {
	case err == nil:
		r.add(pos(&more), "Keep one: remove the line ---.", "a second document begins here")
	case !errors.Is(err, io.EOF):
		r.syntax(err)
	}
	if len(r.faults) == 0 {
		r.vet(&doc)
	}
	if len(r.faults) > 0 || len(doc.Content) != 1 {
		return nil
	}
	return doc.Content[0]
}

// unreadable finds what no text file has: a wrong encoding, control characters.
func unreadable(src []byte) (at Pos, what, remedy string) {
	if len(src) > maxSize {
		return Pos{}, fmt.Sprintf("a file of more than %d bytes is none of a person's", maxSize), "Tables of one form are one association: table: '/pattern/'."
	}
	at = Pos{1, 1}
	for i, c := range string(src) {
		switch {
		case c == utf8.RuneError && !utf8.FullRune(src[i:]), c == utf8.RuneError && src[i] != 0xef:
			return at, "this is no UTF-8", "Save the file as UTF-8 text."
		case c == '\n':
			at = Pos{at.Line + 1, 1}
			continue
		case c < ' ' && c != '\t' && c != '\r', c == 0x7f, unicode.Is(unicode.Bidi_Control, c), c == 0xfeff && i > 0:
			return at, fmt.Sprintf("a character that nobody sees: U+%04X", c), `Remove it, or write it as an escape in double quotes: "\u202E".`
		}
		at.Column++
	}
	return at, "", ""
}

// syntax says where the text is no YAML.
func (r *reader) syntax(err error) {
	var e *yaml.LoadError
	if !errors.As(err, &e) {
		r.add(Pos{}, "", "this is no YAML: "+err.Error())
		return
	}
	at := Pos{e.Mark.Line, e.Mark.Column}
	what := e.Message
	if e.ContextMsg != "" && e.ContextMark.Line > 0 {
		what = fmt.Sprintf("%s, %s that begins at %d:%d", what, e.ContextMsg, e.ContextMark.Line, e.ContextMark.Column)
	}
	remedy := "Look at indentation and brackets; texts with : or # in them, or with one of @ ` % * & ! at their beginning, need quotes."
	switch {
	case strings.Contains(what, "depth"), strings.Contains(what, "anchor"):
		remedy = "Write it out."
	case strings.Contains(what, "incompatible"):
		remedy = "Leave the line %YAML out."
	}
	r.add(at, remedy, "this is no YAML: "+what)
}

// vet refuses what YAML has and this file does not: anchors, merges, tags, keys that
// are no texts, keys that stand twice. Nothing deeper is looked at once something is found.
func (r *reader) vet(n *node) {
	switch {
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		r.fault(n, "Write the value out in each place.", "anchors and aliases are not read")
	case n.Style&yaml.TaggedStyle != 0:
		r.fault(n, "Leave it out; a value in quotes is a text.", "tags such as %s are not read", quote(n.Tag))
	}
	if n.Kind == mapping {
		r.vetKeys(n)
	}
	for _, c := range n.Content {
		r.vet(c)
	}
}

func (r *reader) vetKeys(n *node) {
	seen := map[string]*node{}
	for k := range pairs(n) {
		first := seen[k.Value]
		switch {
		case k.Kind != scalar:
			r.fault(k, "Texts in braces that are no map need quotes.", "a key is a word")
		case k.Value == "<<":
			r.fault(k, "Write the values out in each place.", "merge keys are not read")
		case first != nil:
			r.fault(k, "Keep one of them.", "%s stands twice; first in line %d", quote(k.Value), first.Line)
		default:
			seen[k.Value] = k
		}
	}
}

func pairs(n *node) iter.Seq2[*node, *node] {
	return func(yield func(k, v *node) bool) {
		for i := 0; i+1 < len(n.Content); i += 2 {
			if !yield(n.Content[i], n.Content[i+1]) {
				return
			}
		}
	}
}

func child(n *node, key string) *node {
	for k, v := range pairs(n) {
		if k.Value == key {
			return v
		}
	}
	return nil
}

func has(n *node, key string) bool { return child(n, key) != nil }

func null(n *node) bool { return n.Kind == scalar && n.Tag == "!!null" }

// called is how a node is called in errors.
func called(n *node) string {
	switch {
	case n.Kind == mapping:
		return "a map"
	case n.Kind == list:
		return "a list"
	case null(n):
		return "nothing"
	}
	return quote(n.Value)
}

func (r *reader) isMap(n *node, what string) bool {
	if n.Kind == mapping {
		return true
	}
	r.fault(n, "Write KEY: VALUE, a line each, or {KEY: VALUE, …}.", "%s is a map, not %s", what, called(n))
	return false
}

// block reads a map whose keys are known.
func (r *reader) block(n *node, p *Place, what string, fields []field) bool {
	*p = r.placed(n)
	if !r.isMap(n, what) {
		return false
	}
	for k, v := range pairs(n) {
		if slices.ContainsFunc(fields, func(f field) bool { return f.key == k.Value }) {
			continue
		}
		remedy := r.known(k.Value, what, fields)
		if null(v) && n.Style&yaml.FlowStyle != 0 {
			remedy = "In braces, a text with a comma in it needs quotes."
		}
		r.fault(k, remedy, "%s has no key %s", what, quote(k.Value))
	}
	// In an order of our own: that of the file says nothing.
	for _, f := range fields {
		switch v := child(n, f.key); {
		case v == nil && f.must:
			r.fault(n, fmt.Sprintf("Write %s: ….", f.key), "%s is missing", f.key)
		case v == nil:
		case null(v) && !f.empty:
			r.fault(v, "Give it a value, or leave it out.", "%s has no value", f.key)
		default:
			p.put(f.key, pos(v))
			f.read(v)
		}
	}
	return true
}

func (r *reader) known(key, what string, fields []field) string {
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.key
	}
	if key == "location" && what == "an association" {
		return "Write value: COLUMN, as: [addresses]."
	}
	return suggest(key, names)
}

// suggest is the remedy for a word that is not known.
func suggest(word string, known []string) string {
	best, far := "", 1+len(word)/3
	for _, k := range known {
		if d := distance(strings.ToLower(word), strings.ToLower(k)); d <= far {
			best, far = k, d-1
		}
	}
	if best != "" {
		return "Did you mean " + best + "?"
	}
	return "Known are " + strings.Join(known, ", ") + "."
}

// distance counts the letters to change, to add, to leave out or to swap between two words.
func distance(a, b string) int {
	if len(a) > 40 || len(b) > 40 {
		return 40
	}
	before, last := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		row := make([]int, len(b)+1)
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(last[j]+cost, last[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}
