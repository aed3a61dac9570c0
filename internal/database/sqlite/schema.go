package sqlite

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

	"cooper"
	"cooper/internal/database"

	lite "modernc.org/sqlite/lib"
)

// owners are what is the owner's, and neither the library's nor within what is another's.
const owners = "SELECT name, type, wr, strict FROM pragma_table_list WHERE schema = 'main' AND type IN ('table', 'view', 'virtual') AND name NOT LIKE 'sqlite^_%' ESCAPE '^'"

// Tables lists the tables and views that a pattern matches. What this library cannot read, such
// as a table of a module that only the owner's program has, is not readable.
func (d *Database) Tables(ctx context.Context, p database.Pattern) (list *database.Listing, err error) {
	err = d.within(ctx, "the tables cannot be listed", func(ctx context.Context, s *session) error {
		list = &database.Listing{}
		rows, err := s.text(ctx, owners+" ORDER BY name COLLATE BINARY")
		if err != nil {
			return err
		}
		for _, r := range rows {
			name := database.Name{Schema: home, Table: r[0]}
			if !p.Match(name, true, true) {
				continue
			}
			readable, err := s.readable(ctx, r[0])
			if err != nil {
				return err
			}
			list.Tables = append(list.Tables, database.Listed{Name: name, View: r[1] == "view", Readable: readable})
		}
		return nil
	})
	return list, err
}

// readable tries.
func (s *session) readable(ctx context.Context, table string) (bool, error) {
	_, err := s.text(ctx, "SELECT 1 FROM "+Ident(home)+"."+Ident(table)+" LIMIT 0")
	var f *failure
	if errors.As(err, &f) && !s.db.Passes(err) && f.primary() == lite.SQLITE_ERROR {
		return false, nil
	}
	return err == nil, err
}

// ForeignKeys lists those that point to one of some tables.
func (d *Database) ForeignKeys(ctx context.Context, to []database.Name) (keys []database.ForeignKey, err error) {
	err = d.within(ctx, "the foreign keys cannot be listed", func(ctx context.Context, s *session) error {
		keys = nil
		rows, err := s.text(ctx, owners+" AND type = 'table' ORDER BY name COLLATE BINARY")
		if err != nil {
			return err
		}
		for _, r := range rows {
			of, err := s.foreign(ctx, r[0])
			if err != nil {
				return err
			}
			keys = append(keys, slices.DeleteFunc(of, func(k database.ForeignKey) bool {
				return !slices.ContainsFunc(to, func(n database.Name) bool {
					return (n.Schema == "" || strings.EqualFold(n.Schema, home)) && strings.EqualFold(n.Table, k.To.Table)
				})
			})...)
		}
		return nil
	})
	return keys, err
}

// foreign are the foreign keys of a table, as they were declared. They have no names. A target
// that is not said is the primary key.
func (s *session) foreign(ctx context.Context, table string) (keys []database.ForeignKey, err error) {
	rows, err := s.text(ctx, `SELECT f.id, f."table", f."from", f."to", COALESCE((SELECT t.name FROM pragma_table_list t WHERE t.schema = 'main' AND t.name = f."table" COLLATE NOCASE), f."table"),
		(SELECT c.name FROM pragma_table_xinfo(f."table") c WHERE CASE WHEN f."to" IS NULL THEN c.pk = f.seq + 1 ELSE c.name = f."to" COLLATE NOCASE END)
		FROM pragma_foreign_key_list(`+literal(table)+`) f ORDER BY f.id DESC, f.seq`)
	id := ""
	for _, r := range rows {
		if r[0] != id {
			id = r[0]
			keys = append(keys, database.ForeignKey{Table: database.Name{Schema: home, Table: table}, To: database.Name{Schema: home, Table: r[4]}})
		}
		k := &keys[len(keys)-1]
		target := r[5]
		if target == "" {
			target = r[3] // of a table, or a column, that is not there
		}
		k.Columns, k.Targets = append(k.Columns, r[2]), append(k.Targets, target)
	}
	return keys, err
}

// Describe tells of a table or view.
func (d *Database) Describe(ctx context.Context, name database.Name) (t *database.Table, err error) {
	err = d.within(ctx, name.String()+" cannot be described", func(ctx context.Context, s *session) error {
		var rows [][]string
		if name.Schema == "" || strings.EqualFold(name.Schema, home) {
			if rows, err = s.text(ctx, owners+" AND name = "+literal(name.Table)+" COLLATE NOCASE"); err != nil {
				return err
			}
		}
		if len(rows) == 0 {
			return &cooper.Error{Kind: cooper.KindMissing, Where: d.path, Message: "there is no table " + cooper.Quote(name.String())}
		}
		r := rows[0]
		t = &database.Table{Name: database.Name{Schema: home, Table: r[0]}, View: r[1] == "view", Rows: -1}
		if readable, err := s.readable(ctx, r[0]); err != nil {
			return err
		} else if !readable {
			return &cooper.Error{Kind: cooper.KindDenied, Where: d.path, Message: cooper.Quote(name.String()) + " cannot be read: it is made by what only the owner's program has"}
		}
		own, err := s.columns(ctx, t)
		if err != nil {
			return err
		}
		if r[1] == "table" {
			if err := s.keys(ctx, t, own, r[2] == "1" || r[3] == "1"); err != nil {
				return err
			}
			if t.ForeignKeys, err = s.foreign(ctx, r[0]); err != nil {
				return err
			}
		}
		return s.count(ctx, t)
	})
	return t, err
}

// columns reads those of a table; primary are those of its primary key, in its order.
func (s *session) columns(ctx context.Context, t *database.Table) (primary []string, err error) {
	// Hidden columns of a virtual table are arguments, and generated ones are columns.
	rows, err := s.text(ctx, `SELECT name, type, "notnull", pk FROM pragma_table_xinfo(`+literal(t.Name.Table)+`) WHERE hidden <> 1 ORDER BY cid`)
	if err != nil {
		return nil, err
	}
	places := map[int]string{}
	for _, r := range rows {
		t.Columns = append(t.Columns, database.Column{Name: r[0], Type: r[1], Class: classOf(r[1]), Nullable: r[2] == "0"})
		place, err := strconv.Atoi(r[3])
		if err != nil {
			return nil, err
		}
		places[place] = r[0]
	}
	for i := 1; places[i] != ""; i++ {
		primary = append(primary, places[i])
	}
	return primary, nil
}

// classOf is what a column was declared for. Values may be of other classes.
func classOf(declared string) database.Class {
	d := strings.ToUpper(declared)
	has := func(parts ...string) bool {
		return slices.ContainsFunc(parts, func(p string) bool { return strings.Contains(d, p) })
	}
	switch {
	case d == "":
		return database.Other
	case strings.HasPrefix(d, "UUID"), strings.HasPrefix(d, "GUID"):
		return database.UUID
	case strings.HasPrefix(d, "JSON"):
		return database.JSON
	case strings.HasPrefix(d, "BOOL"):
		return database.Bool
	case strings.HasPrefix(d, "DATE"), strings.HasPrefix(d, "TIMESTAMP"):
		return database.Time
	// From here on as SQLite itself finds a column's affinity.
	case has("INT"):
		return database.Integer
	case has("CHAR", "CLOB", "TEXT"):
		return database.Text
	case has("BLOB", "BINARY"):
		return database.Bytes
	case has("REAL", "FLOA", "DOUB", "DECIMAL", "NUMERIC", "NUMBER"): //nolint:misspell // SQLite looks for these letters
		return database.Number
	}
	return database.Other
}

// keys are the unique ones. A primary key may hold NULLs, unless the table has no row numbers
// or is strict: full tells so.
func (s *session) keys(ctx context.Context, t *database.Table, primary []string, full bool) error {
	rows, err := s.text(ctx, `SELECT i.name, i.origin, i.partial, x.cid, COALESCE(x.name, ''), x.desc, COALESCE(x.coll, '')
		FROM pragma_index_list(`+literal(t.Name.Table)+`) i JOIN pragma_index_xinfo(i.name) x WHERE i."unique" AND x.key
		ORDER BY i.origin <> 'pk', (SELECT COUNT(*) FROM pragma_index_xinfo(i.name) n WHERE n.key), i.name COLLATE BINARY, x.seqno`)
	if err != nil {
		return err
	}
	if len(primary) == 1 && !slices.ContainsFunc(rows, func(r []string) bool { return r[1] == "pk" }) {
		t.Keys = append(t.Keys, database.Key{Name: rowid, Primary: true, Columns: primary})
		t.Column(primary[0]).Nullable = false
	}
	encoding, err := s.text(ctx, "SELECT encoding FROM pragma_encoding")
	if err != nil {
		return err
	}
	var down string
	for _, r := range rows {
		own := r[1] == "pk"
		n := len(t.Keys)
		if n == 0 || t.Keys[n-1].Name != r[0] {
			t.Keys = append(t.Keys, database.Key{Name: r[0], Primary: own})
			n++
			down = r[5]
		}
		k := &t.Keys[n-1]
		k.Columns, k.Collations = append(k.Columns, r[4]), append(k.Collations, r[6])
		c := t.Column(r[4])
		if c != nil && own && full {
			c.Nullable = false
		}
		switch {
		case k.Unusable != "":
		case encoding[0][0] != "UTF-8":
			k.Unusable = "texts of the file are in " + encoding[0][0] + ", of which not every one comes back as it went"
		case c == nil:
			k.Unusable = "it is of an expression"
		case r[2] == "1":
			k.Unusable = "it is of some rows only"
		case c.Nullable:
			k.Unusable = r[4] + " may be NULL"
		case r[5] != down:
			k.Unusable = "its index goes up and down"
		default:
			k.Unusable = unusable(r[6])
		}
	}
	return nil
}

// counted is how many rows are counted where nobody has.
const counted = 100_000

// count tells how many rows there are, as far as that costs little.
func (s *session) count(ctx context.Context, t *database.Table) error {
	if t.View {
		return nil
	}
	rows, err := s.text(ctx, "SELECT COUNT(*) FROM (SELECT 1 FROM "+Ident(home)+"."+Ident(t.Name.Table)+" LIMIT "+strconv.Itoa(counted+1)+")")
	if err != nil {
		return err
	}
	n, err := strconv.ParseInt(rows[0][0], 10, 64)
	if err != nil || n <= counted {
		t.Rows = n
		return err
	}
	// ANALYZE leaves the number of rows at the beginning of what it writes of an index.
	if rows, err = s.text(ctx, "SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_stat1'"); err != nil || len(rows) == 0 {
		return err
	}
	rows, err = s.text(ctx, "SELECT MAX(CAST(stat AS INTEGER)) FROM sqlite_stat1 WHERE tbl = "+literal(t.Name.Table))
	if err == nil && len(rows) == 1 && rows[0][0] != "" {
		t.Rows, err = strconv.ParseInt(rows[0][0], 10, 64)
	}
	return err
}
