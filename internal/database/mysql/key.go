package mysql

import (
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"
	"time"

	"cooper"
	"cooper/internal/database"
	"cooper/internal/database/paging"
)

// Ident quotes a name.
func Ident(name string) string { return database.Ident("MySQL", name) }

// From names a table, and the key's index, which no condition should talk the server
// out of.
func (d *Database) From(t *database.Table, k *database.Key) string {
	from := Ident(t.Schema) + "." + Ident(t.Table)
	if k != nil {
		from += " FORCE INDEX (" + Ident(k.Name) + ")"
	}
	return from
}

// Tuples are not looked up in an index by MariaDB.
func (d *Database) Tuples() bool { return false }

// Syntax is that of an empty SQL mode.
func (d *Database) Syntax() paging.Syntax {
	return paging.Syntax{Backslash: true, Hash: true, Backtick: true, Now: func(t time.Time) string { return "TIMESTAMP'" + t.Format("2006-01-02 15:04:05.000000") + "'" }}
}

// baseType is a type without length and attributes.
func baseType(full string) string {
	t, _, _ := strings.Cut(full, "(")
	t, _, _ = strings.Cut(t, " ")
	return strings.ToLower(t)
}

// Columns writes the columns of a key.
func (d *Database) Columns(t *database.Table, k *database.Key) (columns []paging.Column, err error) {
	for _, name := range k.Columns {
		c := t.Column(name)
		if c == nil {
			return nil, &cooper.Error{Kind: cooper.KindRefused, Where: t.String(), Message: "the column " + cooper.Quote(name) + " of its key is gone", Remedy: "Scan anew."}
		}
		id := Ident(name)
		p := paging.Column{Name: id, Order: id, Bound: id}
		switch kindOf(baseType(c.Type)) {
		case digits:
			p.Literal = pattern(regexp.MustCompile(`^-?[0-9]+(\.[0-9]+)?$`), "")
		case bits:
			p.Bound, p.Literal = "("+id+" + 0)", pattern(regexp.MustCompile(`^[0-9]+$`), "")
		case chars:
			// As bytes, for no conversion to change them, and back into the column's
			// character set and collation, which are those of the index.
			p.Bound = "CAST(" + id + " AS BINARY)"
			p.Literal = func(b []byte) (string, error) {
				return fmt.Sprintf("_%s X'%s' COLLATE %s", c.Charset, hex.EncodeToString(b), c.Collation), nil
			}
		case octets:
			p.Literal = func(b []byte) (string, error) { return "X'" + hex.EncodeToString(b) + "'", nil }
		case quotable:
			p.Literal = pattern(regexp.MustCompile(`^[-0-9A-Za-z:. ]+$`), "'")
		default:
			return nil, &cooper.Error{Kind: cooper.KindInternal, Where: t.String(), Message: "its key cannot be read by: " + c.Type}
		}
		columns = append(columns, p)
	}
	return columns, nil
}

func pattern(re *regexp.Regexp, quote string) func([]byte) (string, error) {
	return func(b []byte) (string, error) {
		if !re.Match(b) {
			return "", &cooper.Error{Kind: cooper.KindInvalid, Message: fmt.Sprintf("%q is no value of a key", b)}
		}
		return quote + string(b) + quote, nil
	}
}

// keyKind is how values of a type are written so that an index finds them.
type keyKind int

const (
	unusable keyKind = iota
	digits
	bits
	chars
	octets
	quotable
)

// kindOf sorts types. Floats do not come back as they went; an ENUM or SET is sorted
// by its numbers and compared by its texts.
func kindOf(base string) keyKind {
	switch base {
	case "tinyint", "smallint", "mediumint", "int", "bigint", "decimal", "year":
		return digits
	case "bit":
		return bits
	case "char", "varchar", "tinytext", "text", "mediumtext", "longtext":
		return chars
	case "binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob":
		return octets
	case "date", "datetime", "timestamp", "time", "uuid", "inet6", "inet4":
		return quotable
	}
	return unusable
}
