package config

import (
	"regexp"
	"strings"
)

// SQL of the file's goes into larger statements, between parentheses. The database
// says whether it is right; here it is only seen that it stays within them.

var selects = regexp.MustCompile(`(?i)^(select|with)\b`)

// sql is a column or an SQL expression.
func (r *reader) sql(n *node) string {
	s := strings.TrimSpace(r.some(n))
	if what := astray(s); what != "" {
		r.fault(n, "Write an expression that can stand in parentheses.", "%s in %s", what, quote(s))
	}
	return s
}

// query is an SQL query.
func (r *reader) query(n *node) string {
	s := r.sql(n)
	if s != "" && !selects.MatchString(s) && !r.faulted(pos(n)) {
		r.fault(n, "Write SELECT …; nothing of this file's changes a database.", "a query begins with SELECT or WITH, not with %s", quote(s))
	}
	return s
}

// operand is a column or an expression; behind an equals sign, a constant.
func (r *reader) operand(n *node) Operand {
	if s := strings.TrimSpace(r.some(n)); strings.HasPrefix(s, "=") {
		c := strings.TrimSpace(s[1:])
		r.bucketName(n, c)
		return Operand{Constant: c}
	}
	return Operand{SQL: r.sql(n)}
}

// comments are how those of SQL begin, and end.
var comments = map[string]string{"--": "\n", "/*": "*/"}

// pieces are what stands inside of quotes and comments, and outside; whole tells whether the
// last of them ends. There are none where databases differ: backslashes in quotes, quotes of dollars.
func pieces(s string) (in []bool, whole bool) {
	in = make([]bool, len(s))
	var quote byte
	for i := 0; i < len(s); i++ {
		c := s[i]
		if end := comments[s[i:min(i+2, len(s))]]; end != "" && quote == 0 {
			n := strings.Index(s[i+2:], end)
			if n < 0 {
				return in, false
			}
			for range n + len(end) + 2 {
				in[i] = true
				i++
			}
			i--
			continue
		}
		switch {
		case quote != 0:
			in[i] = true
			if c == '\\' {
				return nil, false
			}
			if c == quote {
				quote = 0
			}
		case c == '\'' || c == '"' || c == '`':
			in[i], quote = true, c
		case c == '$' && i+1 < len(s) && !(s[i+1] >= '0' && s[i+1] <= '9'):
			return nil, false
		}
	}
	return in, quote == 0
}

// astray says what in an expression would reach beyond the parentheses around it.
func astray(s string) string {
	in, whole := pieces(s)
	if in == nil {
		return ""
	}
	if !whole {
		return "a quote or a comment does not end"
	}
	depth := 0
	for i := range len(s) {
		if in[i] {
			continue
		}
		switch c := s[i]; {
		case c == '(':
			depth++
		case c == ')':
			if depth--; depth < 0 {
				return "a parenthesis is closed that was not opened"
			}
		case c == ';':
			return "a semicolon"
		}
	}
	if depth > 0 {
		return "a parenthesis is not closed"
	}
	return ""
}

// oneLine is SQL with single spaces, where it is sure which spaces say nothing.
func oneLine(s string) string {
	in, whole := pieces(s)
	if in == nil || !whole || strings.Contains(s, "--") || strings.Contains(s, "/*") {
		return s
	}
	var b strings.Builder
	for i := range len(s) {
		space := !in[i] && strings.IndexByte(" \t\r\n", s[i]) >= 0
		if !space {
			b.WriteByte(s[i])
		} else if t := b.String(); !strings.HasSuffix(t, " ") || i > 0 && in[i-1] {
			b.WriteByte(' ')
		}
	}
	return b.String()
}
