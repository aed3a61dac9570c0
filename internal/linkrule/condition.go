package linkrule

import (
	"slices"
	"strings"

	"cooper/internal/database"
)

// plainWords may stand in a condition that is of the row alone: they ask no other table, and no clock.
var plainWords = strings.Fields("and or not in is null like ilike between true false case when then else end distinct from coalesce nullif lower upper length char_length trim abs")

// columnsIn are the columns that a condition names; whole is false where it may depend on anything but
// a row of the table.
func columnsIn(engine string, t *database.Table, sql string) (uses []string, whole bool) {
	for i := 0; i < len(sql); {
		c := sql[i]
		switch {
		case strings.IndexByte(" \t\r\n()=<>!+-*/%|&,", c) >= 0:
			if strings.HasPrefix(sql[i:], "--") || strings.HasPrefix(sql[i:], "/*") {
				return nil, false
			}
			i++
		case c == '.' || c >= '0' && c <= '9':
			n := i
			for n < len(sql) && (sql[n] == '.' || database.NameByte(sql[n])) {
				n++
			}
			if strings.Trim(sql[i:n], "0123456789.") != "" {
				return nil, false
			}
			i = n
		case c == '\'':
			n := strings.IndexByte(sql[i+1:], '\'')
			if n < 0 || strings.Contains(sql[i:i+1+n], `\`) {
				return nil, false
			}
			i += n + 2
		default:
			name, n := word(sql[i:])
			if n == 0 {
				return nil, false
			}
			i += n
			quoted := n > len(name)
			column := t.Named(engine, sql[i-n:i])
			switch {
			case i < len(sql) && sql[i] == '.' && (name == t.Name.Table || database.Folds(engine) && strings.EqualFold(name, t.Name.Table)):
				i++ // TABLE.COLUMN
			case column != nil:
				uses = append(uses, column.Name)
			case quoted || !slices.Contains(plainWords, strings.ToLower(name)):
				return nil, false
			}
		}
	}
	slices.Sort(uses)
	return slices.Compact(uses), true
}

// word is a name at the beginning of a text, quoted or not, and its length there; 0 if there is none.
func word(s string) (name string, n int) {
	if s[0] == '"' || s[0] == '`' {
		end := strings.IndexByte(s[1:], s[0])
		if end < 1 || strings.HasPrefix(s[end+2:], s[:1]) {
			return "", 0
		}
		return s[1 : end+1], end + 2
	}
	for n < len(s) && database.NameByte(s[n]) {
		n++
	}
	return s[:n], n
}
