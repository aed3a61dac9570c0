package database

import "testing"

// TestExpress: the name of a column is quoted however it is written, and nothing else is.
func TestExpress(t *testing.T) {
	table := &Table{Columns: []Column{{Name: "order"}, {Name: "Owner Id"}, {Name: "größe"}}}
	for _, c := range []struct{ engine, of, text, want string }{
		{PostgreSQL, "t", "order", `"order"`},
		{PostgreSQL, "t", "ORDER", `"order"`},
		{PostgreSQL, "t", `"ORDER"`, "(\"ORDER\"\n)"},
		{"MariaDB", "t", "ORDER", "`order`"},
		{"MariaDB", "t", "`Owner Id`", "`Owner Id`"},
		{"MariaDB", "t", "owner id", "`Owner Id`"},
		{"MariaDB", "t", "größe", "`größe`"},
		{"MariaDB", "t", "size -- bytes", "(size -- bytes\n)"},
		{"MariaDB", "t", "a`b", "(a`b\n)"},
		// Of a query the columns are not known.
		{"MariaDB", "", "key", "`key`"},
		{"MariaDB", "", "größe", "`größe`"},
		{"MariaDB", "", "TRUE", "(TRUE\n)"},
		{"MariaDB", "", "null", "(null\n)"},
		{PostgreSQL, "", "key", "(key\n)"},
	} {
		of := table
		if c.of == "" {
			of = nil
		}
		if got := Express(c.engine, of, c.text); got != c.want {
			t.Errorf("%s, %s: %q, want %q", c.engine, c.text, got, c.want)
		}
	}
	if got := Ident("MySQL", "a`b"); got != "`a``b`" {
		t.Error(got)
	}
}
