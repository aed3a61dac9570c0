package mysql

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"regexp"
	"slices"
	"strconv"
	"strings"

	driver "github.com/go-sql-driver/mysql"

	"cooper"
	"cooper/internal/database"
	"cooper/internal/database/paging"
)

// internals are schemas that are the server's own.
const internals = "('information_schema', 'mysql', 'performance_schema', 'sys')"

// literal writes a text.
func literal(s string) string { return "_utf8mb4 X'" + hex.EncodeToString([]byte(s)) + "'" }

// Tables lists the tables and views that a pattern matches.
func (d *Database) Tables(ctx context.Context, p database.Pattern) (list *database.Listing, err error) {
	err = d.Do(ctx, "the tables cannot be listed", func(ctx context.Context, ps paging.Session) error {
		s := ps.(*session) // Open makes no other
		list = &database.Listing{}
		g, err := s.grants(ctx)
		if err != nil {
			return err
		}
		rows, err := text(ctx, s, "SELECT t.table_schema, t.table_name, t.table_type, COALESCE(c.readable, 0) FROM information_schema.tables t"+
			" LEFT JOIN (SELECT table_schema, table_name, MIN(privileges LIKE '%select%') AS readable FROM information_schema.columns GROUP BY table_schema, table_name) c"+
			" ON c.table_schema = t.table_schema AND c.table_name = t.table_name"+
			" WHERE t.table_schema NOT IN "+internals+" AND t.table_type IN ('BASE TABLE', 'VIEW', 'SYSTEM VERSIONED')")
		if err != nil {
			return err
		}
		seen := map[database.Name]bool{}
		for _, r := range rows {
			l := database.Listed{Name: database.Name{Schema: r[0], Table: r[1]}, View: r[2] == "VIEW", Readable: r[3] == "1"}
			seen[l.Name] = true
			list.Tables = append(list.Tables, l)
		}
		switch {
		case g.all:
		case g.process:
			hidden, unknown, err := s.hidden(ctx, seen)
			if err != nil {
				return err
			}
			if unknown != "" {
				list.Blind = "MySQL does not tell the names of all tables to a user that has no right to them, as of " + unknown + "; with SELECT on all, they would be known"
			}
			for _, n := range hidden {
				list.Tables = append(list.Tables, database.Listed{Name: n})
			}
		default:
			list.Blind = "MariaDB and MySQL show a user no table that it has no right to; with the right PROCESS, or SELECT on all, those would be known"
		}
		list.Tables = slices.DeleteFunc(list.Tables, func(l database.Listed) bool {
			return !p.Match(l.Name, d.same(l.Schema, d.config.DBName), d.fold)
		})
		slices.SortFunc(list.Tables, func(a, b database.Listed) int {
			return cmp.Or(strings.Compare(a.Schema, b.Schema), strings.Compare(a.Table, b.Table))
		})
		return nil
	})
	return list, err
}

func (d *Database) same(a, b string) bool { return a == b || d.fold && strings.EqualFold(a, b) }

// dictionary gives the name of a table in which InnoDB tells of itself.
func (s *session) dictionary(name string) string {
	if s.maria {
		return "information_schema.INNODB_SYS_" + name
	}
	return "information_schema.INNODB_" + name
}

// encoded are characters of a name that InnoDB has by their number, in a file name's letters;
// lettered those that have a code of their own there, which this user cannot look up.
var (
	encoded  = regexp.MustCompile("@[0-9a-f]{4}")
	lettered = regexp.MustCompile("@[0-9A-Za-z]{2}")
)

// decoded gives both parts of a name as InnoDB has it. Where letters with codes are in it,
// like is what the name, of both parts, looks like.
func decoded(file string) (n database.Name, like *regexp.Regexp) {
	part := func(s string) string {
		return encoded.ReplaceAllStringFunc(s, func(code string) string {
			c, err := strconv.ParseInt(code[1:], 16, 32)
			if err != nil {
				return code
			}
			return string(rune(c))
		})
	}
	schema, table, _ := strings.Cut(file, "/")
	if lettered.MatchString(encoded.ReplaceAllString(file, "")) {
		file = regexp.QuoteMeta(part(schema) + "." + part(table))
		like = regexp.MustCompile(`\A` + lettered.ReplaceAllString(file, `[^\x00-\x7f]`) + `\z`)
	}
	return database.Name{Schema: part(schema), Table: part(table)}, like
}

// filename is an expression by which MariaDB writes both parts of such a name. MySQL does not
// let anybody use that character set.
func filename(column string) string {
	part := func(n string) string {
		return "CONVERT(CONVERT(CAST(SUBSTRING_INDEX(" + column + ", '/', " + n + ") AS BINARY) USING filename) USING utf8mb4)"
	}
	return part("1") + ", " + part("-1")
}

// hidden lists tables of InnoDB that the user has no right to. Unknown is one whose name
// cannot be told.
func (s *session) hidden(ctx context.Context, seen map[database.Name]bool) (names []database.Name, unknown string, err error) {
	// Partitions are tables of their own there, and so are parts of indexes.
	name := "SUBSTRING_INDEX(SUBSTRING_INDEX(name, '#P#', 1), '#p#', 1)"
	columns := name + ", ''"
	if s.maria {
		columns = filename(name)
	}
	rows, err := text(ctx, s, "SELECT DISTINCT "+columns+" FROM "+s.dictionary("TABLES")+
		" WHERE name LIKE '%/%' AND name NOT LIKE '%/#sql%' AND name NOT LIKE '%/FTS\\_%' AND name NOT LIKE '%/fts\\_%' AND SUBSTRING_INDEX(name, '/', 1) NOT IN "+internals)
	for _, r := range rows {
		n := database.Name{Schema: r[0], Table: r[1]}
		var like *regexp.Regexp
		if !s.maria {
			n, like = decoded(r[0])
		}
		switch {
		case like != nil && !taken(seen, like):
			unknown = r[0]
		case like == nil && !seen[n]:
			names = append(names, n)
		}
	}
	return names, unknown, err
}

// taken takes a table that was seen for one of which it is known what its name looks like.
func taken(seen map[database.Name]bool, like *regexp.Regexp) bool {
	for n, free := range seen {
		if free && like.MatchString(n.String()) {
			seen[n] = false
			return true
		}
	}
	return false
}

// ForeignKeys lists those that point to one of some tables: what the user may see,
// and, with the right PROCESS, also those of other tables.
func (d *Database) ForeignKeys(ctx context.Context, to []database.Name) (keys []database.ForeignKey, err error) {
	err = d.Do(ctx, "the foreign keys cannot be listed", func(ctx context.Context, ps paging.Session) error {
		s := ps.(*session) // Open makes no other
		found, err := s.foreignKeys(ctx, "referenced_table_name IS NOT NULL")
		if err != nil {
			return err
		}
		g, err := s.grants(ctx)
		if err != nil {
			return err
		}
		if g.process {
			names := []string{filename("f.for_name"), filename("f.ref_name")}
			if !s.maria { // they are not in a file name's letters there
				for i, n := range []string{"f.for_name", "f.ref_name"} {
					names[i] = "SUBSTRING_INDEX(" + n + ", '/', 1), SUBSTRING(" + n + ", LOCATE('/', " + n + ") + 1)"
				}
			}
			hidden, err := text(ctx, s, "SELECT SUBSTRING_INDEX(f.id, '/', -1), "+names[0]+", "+names[1]+", c.for_col_name, c.ref_col_name FROM "+
				s.dictionary("FOREIGN")+" f JOIN "+s.dictionary("FOREIGN_COLS")+" c ON c.id = f.id ORDER BY f.for_name, f.id, c.pos")
			if err != nil {
				return err
			}
			visible := map[database.Name]bool{}
			for _, k := range found {
				visible[k.Table] = true
			}
			for _, k := range paging.ForeignKeys(hidden) {
				if !visible[k.Table] {
					found = append(found, k)
				}
			}
		}
		keys = slices.DeleteFunc(found, func(k database.ForeignKey) bool {
			return !slices.ContainsFunc(to, func(n database.Name) bool {
				return d.same(n.Table, k.To.Table) && d.same(cmp.Or(n.Schema, d.config.DBName), k.To.Schema)
			})
		})
		return nil
	})
	return keys, err
}

func (s *session) foreignKeys(ctx context.Context, where string) ([]database.ForeignKey, error) {
	rows, err := text(ctx, s, "SELECT constraint_name, table_schema, table_name, referenced_table_schema, referenced_table_name, column_name, referenced_column_name"+
		" FROM information_schema.key_column_usage WHERE referenced_table_name IS NOT NULL AND "+where+" ORDER BY table_schema, table_name, constraint_name, ordinal_position")
	return paging.ForeignKeys(rows), err
}

// Describe tells of a table or view.
func (d *Database) Describe(ctx context.Context, name database.Name) (t *database.Table, err error) {
	if name.Schema == "" {
		name.Schema = d.config.DBName
	}
	err = d.Do(ctx, name.String()+" cannot be described", func(ctx context.Context, ps paging.Session) error {
		s := ps.(*session) // Open makes no other
		in := "table_schema = " + literal(name.Schema) + " AND table_name = " + literal(name.Table)
		rows, err := text(ctx, s, "SELECT table_schema, table_name, table_type, engine, COALESCE(table_rows, -1), create_options LIKE '%partitioned%' FROM information_schema.tables WHERE "+in)
		if err != nil {
			return err
		}
		rows = slices.DeleteFunc(rows, func(r []string) bool { return !d.same(r[0], name.Schema) || !d.same(r[1], name.Table) })
		if len(rows) == 0 {
			return &cooper.Error{Kind: cooper.KindMissing, Where: d.shown, Message: "there is no table " + cooper.Quote(name.String()) + " that the user may see"}
		}
		r := rows[0]
		t = &database.Table{Name: database.Name{Schema: r[0], Table: r[1]}, View: r[2] == "VIEW", Engine: r[3], Partitioned: r[5] == "1"}
		t.NoSnapshot = !t.View && !strings.EqualFold(t.Engine, "InnoDB") && !strings.EqualFold(t.Engine, "ROCKSDB")
		if t.Rows, err = strconv.ParseInt(r[4], 10, 64); err != nil {
			return err
		}
		in = "table_schema = " + literal(t.Schema) + " AND table_name = " + literal(t.Table)
		if err := s.columns(ctx, t, in); err != nil {
			return err
		}
		if t.ForeignKeys, err = s.foreignKeys(ctx, in); err != nil || t.View {
			return err
		}
		return s.keys(ctx, t, in)
	})
	return t, err
}

func (s *session) columns(ctx context.Context, t *database.Table, in string) error {
	rows, err := text(ctx, s, "SELECT column_name, column_type, is_nullable, character_set_name, collation_name, privileges LIKE '%select%' FROM information_schema.columns WHERE "+in+" ORDER BY ordinal_position")
	for _, r := range rows {
		c := database.Column{Name: r[0], Type: r[1], Nullable: r[2] == "YES", Charset: r[3], Collation: r[4]}
		base := strings.ToUpper(baseType(c.Type))
		switch c.Class = classes[base]; {
		case base == "UUID":
			c.Class = database.UUID
		case c.Class == "":
			c.Class = database.Other
		}
		t.Columns = append(t.Columns, c)
		if r[5] != "1" {
			t.Unreadable = append(t.Unreadable, c.Name)
		}
	}
	return err
}

// keys are the unique ones.
func (s *session) keys(ctx context.Context, t *database.Table, in string) error {
	ignored := "is_visible = 'NO'"
	if s.maria {
		ignored = "ignored = 'YES'"
	}
	rows, err := text(ctx, s, "SELECT index_name, column_name, sub_part, index_type, nullable, "+ignored+" FROM information_schema.statistics WHERE non_unique = 0 AND "+in+
		" ORDER BY index_name <> 'PRIMARY', index_name, seq_in_index")
	for _, r := range rows {
		n := len(t.Keys)
		if n == 0 || t.Keys[n-1].Name != r[0] {
			t.Keys = append(t.Keys, database.Key{Name: r[0], Primary: r[0] == "PRIMARY"})
			n++
		}
		k := &t.Keys[n-1]
		k.Columns = append(k.Columns, r[1])
		c := t.Column(r[1])
		switch {
		case k.Unusable != "":
		case c == nil:
			k.Unusable = "it is of an expression, or of a column that the user may not see"
		case r[2] != "":
			k.Unusable = "it is of the beginning of " + r[1]
		case r[3] != "BTREE":
			k.Unusable = "its index has no order: " + r[3]
		case r[4] == "YES":
			k.Unusable = r[1] + " may be NULL"
		case r[5] == "1":
			k.Unusable = "the server is told to ignore its index"
		case kindOf(baseType(c.Type)) == unusable:
			k.Unusable = "values of " + r[1] + " do not come back as they went: " + c.Type
		}
	}
	// The primary key first, then those of few columns.
	slices.SortStableFunc(t.Keys, func(a, b database.Key) int {
		if a.Primary != b.Primary {
			return map[bool]int{true: -1, false: 1}[a.Primary]
		}
		return cmp.Compare(len(a.Columns), len(b.Columns))
	})
	var server *driver.MySQLError
	if errors.As(err, &server) && server.Number == 1054 {
		return &cooper.Error{Kind: cooper.KindUsage, Message: "the server is too old", Err: err, Remedy: "MariaDB is read from 10.6 on, MySQL from 8.0 on."}
	}
	return err
}
