package sqlite

import (
	"encoding/hex"
	"regexp"
	"slices"
	"strings"
	"time"

	"cooper"
	"cooper/internal/database"
	"cooper/internal/database/paging"
)

// Ident quotes a name, so that it can be nothing else.
func Ident(name string) string { return database.Ident(database.SQLite, name) }

func literal(s string) string { return database.Literal(database.SQLite, s) }

// rowid is the name of the key that is the row's own number.
const rowid = "rowid"

// From names a table, and the key's index, which no condition should talk the planner out of.
func (d *Database) From(t *database.Table, k *database.Key) string {
	from := Ident(home) + "." + Ident(t.Name.Table)
	switch {
	case k == nil:
		return from
	case k.Name == rowid:
		return from + " NOT INDEXED" // but by the row's number
	}
	return from + " INDEXED BY " + Ident(k.Name)
}

// Tuples are looked up in an index.
func (d *Database) Tuples() bool { return true }

// Syntax is that of SQLite.
func (d *Database) Syntax() paging.Syntax {
	return paging.Syntax{Backtick: true, Bracket: true, Now: func(t time.Time) string { return "'" + t.Format("2006-01-02 15:04:05") + "'" }}
}

// collations are those whose order the library knows.
var collations = []string{"BINARY", "NOCASE", "RTRIM"}

// Columns writes the columns of a key. A bound has to be of the value's own type: 't' and hex
// digits for a text, whatever is in it; a literal for all others. A float that would not come
// back as it went ends the reading.
func (d *Database) Columns(t *database.Table, k *database.Key) (columns []paging.Column, err error) {
	for i, name := range k.Columns {
		if t.Column(name) == nil {
			return nil, &cooper.Error{Kind: cooper.KindRefused, Where: t.String(), Message: "the column " + cooper.Quote(name) + " of its key is gone", Remedy: "Scan anew."}
		}
		id := Ident(name)
		p := paging.Column{Name: id, Order: id, Literal: bound}
		if i < len(k.Collations) && k.Collations[i] != "" {
			p.Order += " COLLATE " + k.Collations[i]
		}
		p.Bound = "CASE typeof(" + id + ") WHEN 'text' THEN 't' || hex(" + id + ") WHEN 'real' THEN CASE WHEN CAST(quote(" + id + ") AS REAL) = " + id + " THEN quote(" + id + ") ELSE 'inexact' END ELSE quote(" + id + ") END"
		columns = append(columns, p)
	}
	return columns, nil
}

// plain are numbers and blobs, as SQL has them.
var plain = regexp.MustCompile(`^(-?[0-9]+(\.[0-9]+)?(e[-+]?[0-9]+)?|X'[0-9A-F]*')$`)

// bound writes a bound as SQL. A text is put together where it has NULs; none of this has an
// affinity, by which the column's other values would be compared as something else.
func bound(b []byte) (string, error) {
	s := string(b)
	if digits, ok := strings.CutPrefix(s, "t"); ok {
		if text, err := hex.DecodeString(digits); err == nil {
			return joined(string(text)), nil
		}
	}
	if !plain.MatchString(s) {
		return "", &cooper.Error{Kind: cooper.KindInvalid, Message: cooper.Quote(s) + " is no value of a key that can be gone on from", Remedy: "Scan anew; a table whose keys are such floats has to get another unique key."}
	}
	return s, nil
}

func joined(s string) string {
	parts := strings.Split(s, "\x00")
	for i := range parts {
		parts[i] = literal(parts[i])
	}
	if len(parts) == 1 {
		return parts[0]
	}
	return "(" + strings.Join(parts, " || char(0) || ") + ")"
}

// unusable says why a collation is not one to read by.
func unusable(collation string) string {
	if collation == "" || slices.Contains(collations, strings.ToUpper(collation)) {
		return ""
	}
	return "its collation " + collation + " is known to the owner's program alone"
}
