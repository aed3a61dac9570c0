package linkrule

import (
	"fmt"
	"strconv"
	"strings"

	"cooper/internal/database"
)

// postgres writes a function and a trigger. The function has the rights of who makes it: to lock a handle's row takes
// UPDATE on its table, which not everybody has who links.
//
// FOR SHARE, as a foreign key's own lock (FOR KEY SHARE) lets a status be changed.
func (m *maker) postgres(t *database.Table, links []*link) (create, drop []string) {
	function := m.ident(t.Schema) + "." + m.ident(name(t, "", 63))
	trigger := m.ident(name(t, "", 63))
	path := "pg_catalog"
	var declare, body strings.Builder
	for i, l := range links {
		v := "cooper_rule_" + strconv.Itoa(i+1)
		kind, value := wanted(l)
		if l.where != "" && path == "pg_catalog" { // operators of types that are not PostgreSQL's own
			path += ", " + m.ident(t.Schema)
			if m.home != "" && m.home != t.Schema {
				path += ", " + m.ident(m.home)
			}
		}
		fmt.Fprintf(&declare, "  %s %s;\n", v, kind)
		is := "NEW." + m.ident(l.column.Name) + " IS NOT NULL"
		var changed []string
		for _, c := range moved(t, l) {
			changed = append(changed, "NEW."+m.ident(c)+" IS DISTINCT FROM OLD."+m.ident(c))
		}
		fmt.Fprintf(&body, "  %s\n  cooper_rule_is := %s;\n  IF cooper_rule_is AND TG_OP = 'UPDATE' THEN\n    cooper_rule_is := %s;\n  END IF;\n", l.comment(), is, strings.Join(changed, " OR "))
		if l.where != "" {
			fmt.Fprintf(&body, "  IF cooper_rule_is THEN\n    cooper_rule_is := EXISTS (SELECT 1 FROM (SELECT %s) AS %s WHERE (%s\n));\n  END IF;\n", m.row(l), m.ident(t.Name.Table), l.where)
		}
		compare := "= " + v
		if l.column.Class == database.Array {
			compare = "= ANY (" + v + ")"
		}
		fmt.Fprintf(&body, `  IF cooper_rule_is THEN
    %s := %s;
    FOR cooper_rule_id, cooper_rule_status IN SELECT CAST(h.%s AS text), CAST(h.%s AS text) FROM %s AS h WHERE h.%s %s FOR SHARE OF h LOOP
      IF cooper_rule_status IS NULL OR cooper_rule_status NOT IN (%s) THEN
        RAISE EXCEPTION USING ERRCODE = 'integrity_constraint_violation', MESSAGE = 'file ' || cooper_rule_id || ' is ' || COALESCE(cooper_rule_status, 'of no status') || ', and cannot be linked',
          HINT = 'cooper gc restore ' || cooper_rule_id;
      END IF;
    END LOOP;
  END IF;
`, v, fmt.Sprintf(value, "NEW."+m.ident(l.column.Name)), m.ident(l.kind.id.Name), m.ident(l.kind.status.Name), m.named(l.kind.table), m.ident(l.kind.id.Name), compare, texts(m.engine, l.kind.open))
	}
	create = []string{
		"CREATE OR REPLACE FUNCTION " + function + "() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = " + path + ", pg_temp SET row_security = off AS " + dollar(body.String()) + `
#variable_conflict use_column
DECLARE
  cooper_rule_is boolean;
  cooper_rule_id text;
  cooper_rule_status text;
` + declare.String() + "BEGIN\n" + body.String() + "  RETURN NULL;\nEND\n" + dollar(body.String()),
		"DROP TRIGGER IF EXISTS " + trigger + " ON " + m.named(t),
		"CREATE TRIGGER " + trigger + " AFTER INSERT OR UPDATE ON " + m.named(t) + " FOR EACH ROW EXECUTE FUNCTION " + function + "()",
	}
	return create, []string{"DROP TRIGGER IF EXISTS " + trigger + " ON " + m.named(t), "DROP FUNCTION IF EXISTS " + function + "()"}
}

// dollar is a quote that does not stand in a text.
func dollar(s string) string {
	q := "$cooper$"
	for n := 1; strings.Contains(s, q); n++ {
		q = "$cooper" + strconv.Itoa(n) + "$"
	}
	return q
}

// wanted is the type of the ids that a column has, and how they are got out of it.
func wanted(l *link) (kind, value string) {
	switch {
	case l.column.Class == database.Array:
		return l.column.Type, "%s"
	case l.column.Class == database.Text && l.kind.id.Class == database.Integer:
		return "bigint", `CASE WHEN %[1]s <> '' AND %[1]s !~ '[^0-9]' AND lpad(ltrim(%[1]s, '0'), 20, '0') <= '09223372036854775807' AND length(ltrim(%[1]s, '0')) < 20 THEN ('0' || ltrim(%[1]s, '0'))::bigint END`
	case l.column.Class == database.Text && l.kind.id.Class == database.UUID:
		return "uuid", `CASE WHEN %[1]s ~* '^(urn:uuid:)?[{]?([0-9a-f]{4}-?){7}[0-9a-f]{4}[}]?$' THEN translate(replace(lower(%[1]s), 'urn:uuid:', ''), '{}-', '')::uuid END`
	case l.kind.id.Class == database.Integer:
		return "bigint", "%s"
	case l.kind.id.Class == database.UUID:
		return "uuid", "%s"
	}
	return "text", "CAST(%s AS text)"
}

// row is what of the new row a condition uses.
func (m *maker) row(l *link) string {
	list := []string{"1 AS cooper_rule"}
	for _, c := range l.uses {
		list = append(list, "NEW."+m.ident(c)+" AS "+m.ident(c))
	}
	return strings.Join(list, ", ")
}
