package config

import (
	"bytes"
	"slices"
	"strings"

	yaml "go.yaml.in/yaml/v4"

	"cooper"
)

// Written is an association that is to be added, and what is said above it.
type Written struct {
	*Association
	Comment string // without #; empty for none
}

// Add writes associations into a file that is there, behind those that it has;
// every byte that was there stays. One whose name is taken, or that is there under
// another name, is left out; added are the names of the others. The file has to be right,
// but may have no associations yet.
func Add(name string, src []byte, more []Written) (out []byte, added []string, err error) {
	r := &reader{file: name, bare: true}
	want := r.config(src)
	if len(r.faults) > 0 {
		return nil, nil, inOrder(r.faults)
	}
	seen := map[string]bool{}
	for _, a := range want.Associations {
		said, err := encode(a.canonical(want).tree())
		if err != nil {
			return nil, nil, err
		}
		seen[a.Name], seen["\x00"+string(said)] = true, true
	}
	var lines []string
	for _, w := range more {
		said, err := encode(w.canonical(want).tree())
		if err != nil {
			return nil, nil, err
		}
		if seen[w.Name] || seen["\x00"+string(said)] {
			continue
		}
		line, err := flow(tree{{w.Name, w.tree()}})
		if err != nil {
			return nil, nil, err
		}
		if c := comment(w.Comment, ""); c != "" {
			lines = append(lines, strings.Split(strings.TrimSuffix(c, "\n"), "\n")...)
		}
		lines = append(lines, line)
		seen[w.Name], seen["\x00"+string(said)] = true, true
		want.Associations, added = append(want.Associations, w.Association), append(added, w.Name)
	}
	if len(added) == 0 {
		return src, nil, nil
	}
	out = insert(src, r.root, lines)
	got, err := parse(name, out)
	if err == nil {
		err = same(want, got)
	}
	if err != nil {
		return nil, nil, &cooper.Error{Kind: cooper.KindUsage, Where: name, Err: err, Message: "associations cannot be added to the file as it is written",
			Remedy: "Write associations: as the last key of the file, with an association a line; then do this again."}
	}
	return out, added, nil
}

// insert puts lines to the associations of a file. Where they go is seen from where
// the nodes begin; whether that was right, from what is read afterwards.
func insert(src []byte, root *node, lines []string) []byte {
	end := "\n"
	if bytes.Contains(src, []byte("\r\n")) {
		end = "\r\n"
	}
	block := func(indent int) (s string) {
		for _, l := range lines {
			s += strings.Repeat(" ", indent) + l + end
		}
		return s
	}
	var value *node
	line, next := 0, 0 // of the key, and of what follows on it
	for k, v := range pairs(root) {
		if line > 0 && next == 0 {
			next = k.Line
		}
		if k.Value == "associations" {
			value, line = v, k.Line
		}
	}
	rows := bytes.SplitAfter(src, []byte("\n"))
	switch {
	case value == nil:
		gap := end
		if len(src) > 0 && src[len(src)-1] != '\n' {
			gap += end
		}
		return append(slices.Clone(src), gap+"associations:"+end+block(2)...)
	case value.Style&yaml.FlowStyle != 0:
		return into(rows, value, lines)
	case null(value):
		return between(rows, line, block(2), end)
	}
	indent := value.Content[0].Column - 1
	if next == 0 {
		next = len(rows) + 1
	}
	at := next - 1
	for at > line && outside(rows[at-1], indent) {
		at--
	}
	return between(rows, at, block(indent), end)
}

// outside: an empty line, or a comment that stands further to the left, belongs to
// what follows.
func outside(row []byte, indent int) bool {
	text := bytes.TrimLeft(row, " ")
	said := bytes.TrimSpace(text)
	return len(said) == 0 || string(said) == "..." || said[0] == '#' && len(row)-len(text) < indent
}

// between puts a text behind so many rows.
func between(rows [][]byte, n int, text, end string) []byte {
	before := bytes.Join(rows[:n], nil)
	if len(before) > 0 && before[len(before)-1] != '\n' {
		text = end + text
	}
	return slices.Concat(before, []byte(text), bytes.Join(rows[n:], nil))
}

// into puts associations behind the brace that opens a map in braces; comments have no
// place there.
func into(rows [][]byte, value *node, lines []string) []byte {
	text := ""
	for _, l := range lines {
		if !strings.HasPrefix(l, "#") {
			text += l + ", "
		}
	}
	row := []rune(string(rows[value.Line-1]))
	if value.Column > len(row) {
		return nil
	}
	line := string(row[:value.Column]) + text + string(row[value.Column:])
	return slices.Concat(bytes.Join(rows[:value.Line-1], nil), []byte(line), bytes.Join(rows[value.Line:], nil))
}
