package linkrule

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"unicode/utf8"

	"cooper/internal/database"
)

// prefix is how the names of what is made begin.
const prefix = "cooper_rule_"

// name is one of at most so many bytes, always the same for a table.
func name(t *database.Table, suffix string, most int) string {
	whole := prefix + t.Name.Table + suffix
	if len(whole) <= most {
		return whole
	}
	sum := sha256.Sum256([]byte(t.String()))
	tail := "_" + hex.EncodeToString(sum[:4]) + suffix
	cut := whole[:most-len(tail)]
	for !utf8.ValidString(cut) {
		cut = cut[:len(cut)-1]
	}
	return cut + tail
}

// text is a text in SQL: readable where nobody can read it in two ways.
func text(engine, s string) string {
	plain := func(r rune) bool { return r < ' ' || r > '~' || r == '\'' || r == '\\' }
	if strings.ContainsFunc(s, plain) {
		return database.Literal(engine, s)
	}
	return "'" + s + "'"
}

// texts are a list of them.
func texts(engine string, all []string) string {
	list := make([]string, len(all))
	for i, s := range all {
		list[i] = text(engine, s)
	}
	return strings.Join(list, ", ")
}

// comment is a line that says something about a link; names may have line ends in them.
func (l *link) comment() string {
	return fmt.Sprintf("-- %q, by column %q", l.association, l.column.Name)
}

// comparable tells whether ids in a column can be compared with those of handles.
func (m *maker) comparable(c, id *database.Column) bool {
	of, ids := c.Class, id.Class
	if m.engine == database.SQLite {
		return of != database.JSON && of != database.Array
	}
	if of == database.Array {
		element, ok := strings.CutSuffix(c.Type, "[]")
		return ok && m.engine == database.PostgreSQL && elements[element] == ids && ids != ""
	}
	switch [2]database.Class{of, ids} {
	case [2]database.Class{database.Integer, database.Integer}, [2]database.Class{database.UUID, database.UUID}, [2]database.Class{database.Text, database.Text},
		[2]database.Class{database.Text, database.Integer}, [2]database.Class{database.Integer, database.Text}:
		return true
	case [2]database.Class{database.Text, database.UUID}:
		return m.engine == database.PostgreSQL
	case [2]database.Class{database.Bytes, database.Bytes}:
		return m.engine != database.PostgreSQL && c.Type == id.Type
	}
	return false
}

// elements are types of arrays.
var elements = map[string]database.Class{
	"smallint": database.Integer, "integer": database.Integer, "bigint": database.Integer, "uuid": database.UUID, "text": database.Text, "character varying": database.Text,
}
