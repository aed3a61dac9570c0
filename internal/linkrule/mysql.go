package linkrule

import (
	"fmt"
	"strings"

	"cooper/internal/database"
)

// mysql writes two triggers. The status is read first, and judged then: of a row that a condition does not fit, InnoDB gives
// the lock back under READ COMMITTED.
func (m *maker) mysql(t *database.Table, links []*link) (create, drop []string) {
	schema := m.ident(t.Schema) + "."
	for _, event := range []string{"INSERT", "UPDATE"} {
		var body strings.Builder
		for _, l := range links {
			is := m.begins(t, l, event)
			fmt.Fprintf(&body, `  %[1]s
  IF %[2]s THEN
    SELECT MIN(CASE WHEN h.%[3]s IS NULL OR CAST(h.%[3]s AS CHAR) NOT IN (%[4]s) THEN COALESCE(CAST(h.%[3]s AS CHAR), 'of no status') END) INTO cooper_rule_status
      FROM %[5]s AS h WHERE h.%[6]s = %[7]s LOCK IN SHARE MODE;
    IF cooper_rule_status IS NOT NULL THEN
      SET cooper_rule_says = LEFT(CONCAT('file ', %[8]s, ' is ', cooper_rule_status, ', and cannot be linked: cooper gc restore'), 128);
      SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = cooper_rule_says;
    END IF;
  END IF;
`, l.comment(), is, m.ident(l.kind.status.Name), texts(m.engine, l.kind.open), m.named(l.kind.table), m.ident(l.kind.id.Name), m.converted(l), m.shown(l))
		}
		trigger := schema + m.ident(name(t, "_"+strings.ToLower(event), 64))
		gone := "DROP TRIGGER IF EXISTS " + trigger
		made := "TRIGGER " + trigger + " AFTER " + event + " ON " + m.named(t) + " FOR EACH ROW\nBEGIN\n  DECLARE cooper_rule_status, cooper_rule_says VARCHAR(255) CHARACTER SET utf8mb4;\n" + body.String() + "END"
		if m.engine == "MariaDB" {
			create = append(create, "CREATE OR REPLACE "+made)
		} else {
			create = append(create, gone, "CREATE "+made)
		}
		drop = append(drop, gone)
	}
	if m.engine != "MariaDB" { // nobody writes between the old one and the new one
		create = append(append([]string{"LOCK TABLES " + m.named(t) + " WRITE"}, create...), "UNLOCK TABLES")
	}
	return create, drop
}

// begins is a condition: a link comes to be by an event.
func (m *maker) begins(t *database.Table, l *link, event string) string {
	is := "NEW." + m.ident(l.column.Name) + " IS NOT NULL"
	if event == "UPDATE" {
		var changed []string
		for _, c := range moved(t, l) {
			if m.engine == database.SQLite {
				changed = append(changed, "NEW."+m.ident(c)+" IS NOT OLD."+m.ident(c))
			} else {
				changed = append(changed, "NOT (NEW."+m.ident(c)+" <=> OLD."+m.ident(c)+")")
			}
		}
		is += " AND (" + strings.Join(changed, " OR ") + ")"
	}
	if l.where != "" { // of the row as it stands: what a column is compared by is not lost
		var key []string
		for _, c := range rowKey(t).Columns {
			key = append(key, m.ident(t.Name.Table)+"."+m.ident(c)+" = NEW."+m.ident(c))
		}
		from := m.named(t)
		if m.engine == database.SQLite {
			from = m.ident(t.Name.Table)
		}
		is += " AND EXISTS (SELECT 1 FROM " + from + " AS " + m.ident(t.Name.Table) + " WHERE " + strings.Join(key, " AND ") + " AND (" + l.where + "\n))"
	}
	return is
}

// converted is what stands in a column, to be compared with ids: by their collation, where they are texts.
func (m *maker) converted(l *link) string {
	v, id := "NEW."+m.ident(l.column.Name), l.kind.id
	switch {
	case l.column.Class == database.Text && id.Class == database.Integer:
		return "CASE WHEN " + v + " <> '' AND " + v + " NOT REGEXP '[^0-9]' AND CHAR_LENGTH(TRIM(LEADING '0' FROM " + v + ")) <= 19 THEN CAST(CONCAT('0', TRIM(LEADING '0' FROM " + v + ")) AS UNSIGNED) END"
	case id.Class == database.Text && id.Charset != "" && id.Collation != "":
		return "CONVERT(CAST(" + v + " AS CHAR) USING " + id.Charset + ") COLLATE " + id.Collation
	}
	return v
}

// shown is what stands in a column, for a person.
func (m *maker) shown(l *link) string {
	v := "NEW." + m.ident(l.column.Name)
	if l.column.Class == database.Bytes {
		return "HEX(" + v + ")"
	}
	return "CAST(" + v + " AS CHAR)"
}
