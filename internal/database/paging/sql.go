package paging

import (
	"strings"
	"time"

	"cooper"
	"cooper/internal/database"
)

// compare compares a key with a bound. Where tuples are not read by an index it is
// written out: a > x OR (a = x AND b > y).
func compare(key []Column, bound database.Bound, strict, last string, tuples bool) (string, error) {
	if len(bound) != len(key) {
		return "", &cooper.Error{Kind: cooper.KindInvalid, Message: "a range whose bounds do not fit its key", Remedy: "Scan anew."}
	}
	left, right := make([]string, len(key)), make([]string, len(key))
	for i, c := range key {
		literal, err := c.Literal(bound[i])
		if err != nil {
			return "", err
		}
		left[i], right[i] = c.Order, literal
	}
	if tuples && len(key) > 1 {
		return "(" + strings.Join(left, ", ") + ") " + last + " (" + strings.Join(right, ", ") + ")", nil
	}
	n := len(key) - 1
	sql := left[n] + " " + last + " " + right[n]
	for i := n - 1; i >= 0; i-- {
		sql = left[i] + " " + strict + " " + right[i] + " OR (" + left[i] + " = " + right[i] + " AND (" + sql + "))"
	}
	return sql, nil
}

// Syntax is what must be known of a dialect to find the end of its texts.
type Syntax struct {
	Backslash bool // escapes in '…' and "…"
	Dollar    bool // $tag$ … $tag$, and E'…' with backslashes
	Hash      bool // begins a comment
	Nested    bool // comments lie in comments
	Backtick  bool // quotes names
	Bracket   bool // quotes names: [ … ]
	// Now writes a time.
	Now func(time.Time) string
}

// Bind puts the time for :now, outside of texts, names and comments, and refuses
// what is not one expression: brackets that do not match would let a condition leave
// its place, and so read less.
func (s Syntax) Bind(sql string, now time.Time) (string, error) {
	var out strings.Builder
	var open []byte
	for i := 0; i < len(sql); {
		n := s.skip(sql[i:], i > 0 && word(sql[i-1]))
		switch c := sql[i]; {
		case n < 0:
			return "", unbound(sql, "a text, a name or a comment in it does not end, or is run")
		case n > 0:
		case c == '(' || c == '[':
			open = append(open, c)
		case c == ')' || c == ']':
			if len(open) == 0 || (open[len(open)-1] == '(') != (c == ')') {
				return "", unbound(sql, "its brackets do not match")
			}
			open = open[:len(open)-1]
		case c == ';':
			return "", unbound(sql, "it is more than one statement")
		case strings.HasPrefix(sql[i:], "::"):
			n = 2
		case strings.HasPrefix(sql[i:], ":now") && (i+4 == len(sql) || !word(sql[i+4])):
			if now.IsZero() {
				return "", unbound(sql, ":now means nothing here")
			}
			out.WriteString(s.Now(now.UTC()))
			i += 4
			continue
		}
		n = max(n, 1)
		out.WriteString(sql[i : i+n])
		i += n
	}
	if len(open) > 0 {
		return "", unbound(sql, "its brackets do not match")
	}
	return out.String(), nil
}

func unbound(sql, why string) error {
	return &cooper.Error{Kind: cooper.KindUsage, Message: "SQL that cannot be used: " + why, Where: cooper.Quote(sql), Remedy: "Write one expression, or one query without a semicolon."}
}

func word(c byte) bool {
	return c == '_' || c == '$' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}

// skip tells how long the text, name or comment is that sql begins with: 0 if none,
// -1 if it has no end.
func (s Syntax) skip(sql string, inWord bool) int {
	switch c := sql[0]; {
	case c == '\'' || c == '"' || c == '`' && s.Backtick:
		return quoted(sql, c, s.Backslash && c != '`')
	case c == '[' && s.Bracket:
		if n := strings.IndexByte(sql, ']'); n > 0 {
			return n + 1
		}
		return -1
	case s.Dollar && (c == 'E' || c == 'e') && !inWord && strings.HasPrefix(sql[1:], "'"):
		if n := quoted(sql[1:], '\'', true); n > 0 {
			return n + 1
		}
		return -1
	case s.Dollar && c == '$' && !inWord:
		return dollar(sql)
	case strings.HasPrefix(sql, "--") && (!s.Hash || len(sql) == 2 || sql[2] <= ' '), c == '#' && s.Hash:
		if n := strings.IndexByte(sql, '\n'); n >= 0 {
			return n
		}
		return len(sql)
	case s.Hash && (strings.HasPrefix(sql, "/*!") || strings.HasPrefix(sql, "/*M!")):
		return -1 // what stands in it is run, and nothing that was counted here
	case strings.HasPrefix(sql, "/*"):
		return s.comment(sql)
	}
	return 0
}

func (s Syntax) comment(sql string) int {
	depth := 1
	for i := 2; i < len(sql)-1; i++ {
		switch two := sql[i : i+2]; {
		case two == "*/":
			if depth--; depth == 0 {
				return i + 2
			}
			i++
		case two == "/*" && s.Nested:
			depth++
			i++
		}
	}
	return -1
}

func quoted(sql string, quote byte, backslash bool) int {
	for i := 1; i < len(sql); i++ {
		switch {
		case sql[i] == '\\' && backslash:
			i++
		case sql[i] == quote && i+1 < len(sql) && sql[i+1] == quote:
			i++
		case sql[i] == quote:
			return i + 1
		}
	}
	return -1
}

// dollar is $$ … $$ or $tag$ … $tag$; a parameter ($1) is none.
func dollar(sql string) int {
	i := 1
	for i < len(sql) && sql[i] != '$' && word(sql[i]) && (i > 1 || sql[i] < '0' || sql[i] > '9') {
		i++
	}
	if i >= len(sql) || sql[i] != '$' {
		return 0
	}
	tag := sql[:i+1]
	if n := strings.Index(sql[i+1:], tag); n >= 0 {
		return i + 1 + n + len(tag)
	}
	return -1
}
