package xmlpath

import (
	"fmt"
	"strings"
)

// A token of XPath.
type token struct {
	kind tokenKind
	s    string
	at   int
}

type tokenKind int

const (
	end    tokenKind = iota
	name             // a name, with its prefix; * and p:* too
	oper             // and or mod div and all signs
	axis             // NAME before ::
	call             // NAME before (
	text1            // a literal
	number           // digits
)

// tokens cuts a path into tokens, by the rules of XPath 1.0, 3.7.
func tokens(s string) (ts []token, err error) {
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case strings.IndexByte(" \t\r\n", c) >= 0:
			i++
		case c == '\'' || c == '"':
			n := strings.IndexByte(s[i+1:], c)
			if n < 0 {
				return nil, fmt.Errorf("a text that does not end, at %d", i)
			}
			ts = append(ts, token{text1, s[i+1 : i+1+n], i})
			i += n + 2
		case c >= '0' && c <= '9' || c == '.' && i+1 < len(s) && s[i+1] >= '0' && s[i+1] <= '9':
			j := i
			for j < len(s) && (s[j] >= '0' && s[j] <= '9' || s[j] == '.') {
				j++
			}
			ts = append(ts, token{number, s[i:j], i})
			i = j
		case c == '*' && !operand(ts):
			ts = append(ts, token{name, "*", i})
			i++
		case strings.HasPrefix(s[i:], "//") || strings.HasPrefix(s[i:], "..") || strings.HasPrefix(s[i:], "!=") || strings.HasPrefix(s[i:], "<=") || strings.HasPrefix(s[i:], ">="):
			ts = append(ts, token{oper, s[i : i+2], i})
			i += 2
		case strings.IndexByte("/@.()[],|+-=<>*", c) >= 0:
			ts = append(ts, token{oper, s[i : i+1], i})
			i++
		case c == '$':
			return nil, fmt.Errorf("a variable, at %d: there are none", i)
		case !nameEnds[c] && c != ':' && c != '-':
			j := i
			for j < len(s) && !nameEnds[s[j]] && s[j] != ':' {
				j++
			}
			if j+1 < len(s) && s[j] == ':' && (s[j+1] == '*' || !nameEnds[s[j+1]] && s[j+1] != ':') {
				j++
				if s[j] == '*' {
					j++
				} else {
					for j < len(s) && !nameEnds[s[j]] && s[j] != ':' {
						j++
					}
				}
			}
			t := token{name, s[i:j], i}
			rest := strings.TrimLeft(s[j:], " \t\r\n")
			switch {
			case operand(ts) && (t.s == "and" || t.s == "or" || t.s == "mod" || t.s == "div"):
				t.kind = oper
			case strings.HasPrefix(rest, "::"):
				t.kind = axis
				j = len(s) - len(rest) + 2
			case strings.HasPrefix(rest, "("):
				t.kind = call
			}
			ts = append(ts, t)
			i = j
		default:
			return nil, fmt.Errorf("%q, at %d", c, i)
		}
	}
	return append(ts, token{end, "the end", len(s)}), nil
}

// operand tells whether an operator may follow: what came last is a value.
func operand(ts []token) bool {
	if len(ts) == 0 {
		return false
	}
	t := ts[len(ts)-1]
	switch t.kind {
	case name, text1, number:
		return true
	case oper:
		return t.s == ")" || t.s == "]" || t.s == "." || t.s == ".."
	}
	return false
}
