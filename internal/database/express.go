package database

import (
	"fmt"
	"slices"
	"strings"
)

// PostgreSQL is Server.Engine of servers whose names of columns care for case, and are
// quoted by ". All others quote by `, and do not care: SQLite, which would take what stands in
// " for a text where there is no such column, among them.
const (
	PostgreSQL = "PostgreSQL"
	SQLite     = "SQLite"
)

// Folds tells whether an engine's names of columns do not care for case.
func Folds(engine string) bool { return engine != PostgreSQL }

// Ident quotes a name for an engine.
func Ident(engine, name string) string {
	q := "`"
	if !Folds(engine) {
		q = `"`
	}
	return q + strings.ReplaceAll(name, q, q+q) + q
}

// Literal writes a text for an engine; SQLite and PostgreSQL can hold no NUL in one.
func Literal(engine, s string) string {
	if Folds(engine) && engine != SQLite {
		return fmt.Sprintf("_utf8mb4 X'%x'", s)
	}
	return "'" + strings.ReplaceAll(s, "'", "''") + "'"
}

// Home is a query for the schema in which names without one are looked for first.
func Home(engine string) string {
	switch engine {
	case PostgreSQL:
		return "SELECT current_schema() AS home"
	case SQLite:
		return "SELECT 'main' AS home"
	}
	return "SELECT DATABASE() AS home"
}

// Named finds the column that a text of the owner's is the name of, quoted or not; nil if
// the text is an expression, or there is no table.
func (t *Table) Named(engine, text string) *Column {
	if t == nil {
		return nil
	}
	if c := t.Column(text); c != nil {
		return c
	}
	for _, q := range []string{`"`, "`"} {
		if inner, ok := strings.CutPrefix(text, q); ok && len(inner) > 1 && strings.IndexByte(inner, q[0]) == len(inner)-1 {
			return t.Column(inner[:len(inner)-1])
		}
	}
	fold := Folds(engine)
	for i := range t.Columns {
		if c := &t.Columns[i]; fold && strings.EqualFold(c.Name, text) || !fold && c.Name == strings.ToLower(text) {
			return c
		}
	}
	return nil
}

// Express writes a column or an expression of the owner's as SQL over a table: the name of a
// column is quoted, as it may be a word of SQL, too. t is nil for a query, whose columns are
// not known; there names that PostgreSQL would fold stay as they are.
func Express(engine string, t *Table, text string) string {
	if c := t.Named(engine, text); c != nil {
		return Ident(engine, c.Name)
	}
	if t == nil && Folds(engine) && PlainName(text) {
		return Ident(engine, text)
	}
	return "(" + text + "\n)" // the line's end ends a comment in it
}

// constants are words that look like columns, and are none.
var constants = []string{"true", "false", "null", "current_user", "current_date", "current_timestamp"}

// PlainName tells whether an expression can be nothing but the name of a column.
func PlainName(text string) bool {
	for i := range len(text) {
		if c := text[i]; !NameByte(c) || i == 0 && c >= '0' && c <= '9' {
			return false
		}
	}
	return text != "" && !slices.Contains(constants, strings.ToLower(text))
}

// NameByte tells whether a byte may stand in a name that is not quoted.
func NameByte(c byte) bool {
	return c == '_' || c == '$' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}
