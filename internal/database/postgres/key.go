package postgres

import (
	"encoding/hex"
	"regexp"
	"strings"
	"time"

	"cooper"
	"cooper/internal/database"
	"cooper/internal/database/paging"
)

// Ident quotes a name.
func Ident(name string) string { return database.Ident(database.PostgreSQL, name) }

func literal(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// From names a table.
func (d *Database) From(t *database.Table, _ *database.Key) string {
	return Ident(t.Schema) + "." + Ident(t.Table)
}

// Tuples are looked up in an index.
func (d *Database) Tuples() bool { return true }

// Syntax is that of standard_conforming_strings.
func (d *Database) Syntax() paging.Syntax {
	return paging.Syntax{Dollar: true, Nested: true, Now: func(t time.Time) string { return "TIMESTAMPTZ '" + t.Format("2006-01-02 15:04:05.000000") + "+00'" }}
}

// modifier is the length or precision of a type.
var modifier = regexp.MustCompile(`\([0-9, -]+\)`)

// Columns writes the columns of a key.
func (d *Database) Columns(t *database.Table, k *database.Key) (columns []paging.Column, err error) {
	for i, name := range k.Columns {
		c := t.Column(name)
		if c == nil {
			return nil, &cooper.Error{Kind: cooper.KindRefused, Where: t.String(), Message: "the column " + cooper.Quote(name) + " of its key is gone", Remedy: "Scan anew."}
		}
		cast := modifier.ReplaceAllString(c.Type, "")
		switch cast { // without a length these are of one letter
		case "character":
			cast = "bpchar"
		case "bit":
			cast = `"bit"`
		}
		// What CASE … ELSE name END gives is called name, too: to be sorted by is the table's.
		p := paging.Column{Name: Ident(name), Order: Ident(t.Table) + "." + Ident(name), Bound: Ident(name)}
		if i < len(k.Collations) && k.Collations[i] != "" {
			p.Order += " COLLATE " + k.Collations[i]
		}
		p.Literal = func(b []byte) (string, error) { return literal(string(b)) + "::" + cast, nil }
		if c.Class == database.Bytes {
			p.Literal = func(b []byte) (string, error) { return `'\x` + hex.EncodeToString(b) + "'::bytea", nil }
		}
		columns = append(columns, p)
	}
	return columns, nil
}
