package config

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	yaml "go.yaml.in/yaml/v4"

	"cooper"
)

// Render writes a whole file. What is as it would be anyway is left out. Comments
// stand above the keys they are for: of the top, or associations.NAME and handles.KIND.
func Render(c *Config, comments map[string]string) ([]byte, error) {
	var out bytes.Buffer
	for i, e := range c.tree() {
		if _, ok := e.value.(tree); i > 0 && (ok || comments[e.key] != "") {
			out.WriteByte('\n')
		}
		text, err := section(e, comments)
		if err != nil {
			return nil, err
		}
		out.WriteString(text)
	}
	again, err := parse("cooper.yaml", out.Bytes())
	if err != nil {
		return nil, &cooper.Error{Kind: cooper.KindInternal, Message: "this configuration cannot be written so that it could be read", Err: err}
	}
	return out.Bytes(), same(c, again)
}

// same: what was written is read as what was meant.
func same(c, again *Config) error {
	want, err := c.Canonical()
	if err != nil {
		return err
	}
	got, err := again.Canonical()
	if err != nil {
		return err
	}
	if !bytes.Equal(want, got) {
		return &cooper.Error{Kind: cooper.KindInternal, Message: "this configuration would be read as another one"}
	}
	return nil
}

func (c *Config) tree() (t tree) {
	d := defaults()
	t = tree{{"version", 1}}
	t.add("database", c.Database.Text)
	if c.Replica != nil {
		t.add("replica", c.Replica.Text)
	}
	if c.Lag != d.Lag {
		t.add("lag", durationText(c.Lag))
	}
	t.add("buckets", buckets(c.Buckets))
	if len(c.Reads) > 0 {
		t.add("reads", buckets(c.Reads))
	}
	t.add("addresses", addresses(c.Addresses))
	var handles, derived, associations tree
	for _, h := range c.Handles {
		if h.Kind == "" {
			handles = h.tree()
		} else {
			handles = append(handles, entry{h.Kind, h.tree()})
		}
	}
	for _, d := range c.Derived {
		derived = append(derived, entry{d.Name, d.tree()})
	}
	for _, a := range c.declared() {
		associations = append(associations, entry{a.Name, a.tree()})
	}
	var waive []string
	for _, w := range c.Waive {
		waive = append(waive, w.Table.Text+"."+w.Column)
	}
	t.add("handles", handles)
	t.add("derived", derived)
	t.add("protect", guards(c.Protect))
	t.add("in_flight", guards(c.InFlight))
	t.add("waive", waive)
	t.add("associations", associations)
	if c.Registry != nil {
		if len(associations) == 0 {
			t = append(t, entry{"associations", associations})
		}
		t.add("registry", c.Registry.tree())
	}
	return append(t, c.rest(d)...)
}

// rest are the blocks of figures, as far as they are not those that hold anyway.
func (c *Config) rest(d *Config) (t tree) {
	var limits, busy, detect, archive tree
	text := func(t *tree, key, value, common string) {
		if value != common {
			t.add(key, value)
		}
	}
	text(&limits, "unpacked", sizeText(c.Limits.Unpacked), sizeText(d.Limits.Unpacked))
	text(&limits, "connections", strconv.Itoa(c.Limits.Connections), strconv.Itoa(d.Limits.Connections))
	text(&limits, "rows_per_second", strconv.Itoa(c.Limits.RowsPerSecond), strconv.Itoa(d.Limits.RowsPerSecond))
	text(&busy, "threads_running", strconv.Itoa(c.Busy.ThreadsRunning), strconv.Itoa(d.Busy.ThreadsRunning))
	text(&busy, "active_backends", strconv.Itoa(c.Busy.ActiveBackends), strconv.Itoa(d.Busy.ActiveBackends))
	text(&busy, "replica_lag", durationText(c.Busy.ReplicaLag), durationText(d.Busy.ReplicaLag))
	text(&detect, "scans", strconv.Itoa(c.Detect.Scans), strconv.Itoa(d.Detect.Scans))
	text(&detect, "unmodified", durationText(c.Detect.Unmodified), durationText(d.Detect.Unmodified))
	text(&detect, "jump", strconv.FormatFloat(c.Detect.Jump, 'f', -1, 64)+"x", strconv.FormatFloat(d.Detect.Jump, 'f', -1, 64)+"x")
	text(&detect, "apart", durationText(c.Detect.Apart), durationText(d.Detect.Apart))
	text(&detect, "settle", durationText(c.Detect.Settle), durationText(d.Detect.Settle))
	if a := c.Archive; a != nil {
		archive = tree{{"bucket", a.Bucket}, {"class", a.Class}, {"after", durationText(a.After)}, {"smallest", sizeText(a.Smallest)}}
		if a.Keep > 0 {
			archive.add("keep", durationText(a.Keep))
		}
		if a.Locked {
			archive.add("links", "locked")
		}
	}
	t.add("limits", limits)
	t.add("busy", busy)
	t.add("detect", detect)
	t.add("archive", archive)
	if c.Acknowledge.For != d.Acknowledge.For {
		t.add("acknowledge", tree{{"for", durationText(c.Acknowledge.For)}})
	}
	return t
}

// section writes a key of the top. Maps of maps have a line for each of them.
func section(e entry, comments map[string]string) (string, error) {
	t, block := e.value.(tree)
	if !block {
		line, err := flow(tree{e})
		return comment(comments[e.key], "") + line + "\n", err
	}
	out := comment(comments[e.key], "") + e.key + ":\n"
	for _, f := range t {
		line, err := flow(tree{f})
		if err != nil {
			return "", err
		}
		out += comment(comments[e.key+"."+f.key], "  ") + "  " + line + "\n"
	}
	return out, nil
}

// comment is a text as lines of comment.
func comment(text, indent string) (out string) {
	if text == "" {
		return ""
	}
	for line := range strings.SplitSeq(strings.ReplaceAll(text, "\r", ""), "\n") {
		line = strings.Map(printable, line)
		for len(line) > widest {
			at := strings.LastIndexByte(line[:widest], ' ')
			if at <= 0 || strings.TrimLeft(line[:at], " ") == "" {
				break
			}
			out += strings.TrimRight(indent+"# "+line[:at], " ") + "\n"
			line = line[at+1:]
		}
		out += strings.TrimRight(indent+"# "+line, " ") + "\n"
	}
	return out
}

// widest is how long a line of a comment may be.
const widest = 96

func printable(c rune) rune {
	if c != '\t' && !strconv.IsPrint(c) {
		return '?'
	}
	return c
}

// flow is KEY: VALUE in one line.
func flow(t tree) (string, error) {
	n := &node{Kind: mapping, Content: []*node{text(t[0].key), nodeOf(t[0].value)}}
	out, err := yaml.Dump(n, yaml.WithLineWidth(-1), yaml.WithQuotePreference(yaml.QuoteSingle))
	line := strings.TrimSuffix(string(out), "\n")
	if err != nil || strings.Contains(line, "\n") {
		return "", &cooper.Error{Kind: cooper.KindInternal, Where: t[0].key, Message: "does not fit into one line", Err: err}
	}
	return line, nil
}

func text(s string) *node {
	n := &node{Kind: scalar, Value: s, Tag: "!!str"}
	if strings.ContainsAny(s, "\n") {
		n.Style = yaml.DoubleQuotedStyle
	}
	return n
}

func nodeOf(value any) *node {
	switch v := value.(type) {
	case tree:
		n := &node{Kind: mapping, Style: yaml.FlowStyle}
		for _, e := range v {
			n.Content = append(n.Content, text(e.key), nodeOf(e.value))
		}
		return n
	case []string:
		n := &node{Kind: list, Style: yaml.FlowStyle}
		for _, s := range v {
			n.Content = append(n.Content, text(s))
		}
		return n
	case []any:
		n := &node{Kind: list, Style: yaml.FlowStyle}
		for _, s := range v {
			n.Content = append(n.Content, nodeOf(s))
		}
		return n
	case string:
		if v == "0" || plainNumber(v) {
			return &node{Kind: scalar, Value: v}
		}
		return text(v)
	}
	return &node{Kind: scalar, Value: fmt.Sprint(value)}
}

// plainNumber: figures need no quotes; they are read as they are written.
func plainNumber(s string) bool {
	return s != "" && s[0] != '0' && len(s) < 16 && strings.Trim(s, "0123456789") == ""
}
