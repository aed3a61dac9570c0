package linkrule

import (
	"fmt"
	"strings"

	"cooper/internal/database"
)

// sqlite writes two triggers. Who writes has the file to himself: there is no row to be locked.
func (m *maker) sqlite(t *database.Table, links []*link) (create, drop []string) {
	for _, event := range []string{"INSERT", "UPDATE"} {
		var body strings.Builder
		for _, l := range links {
			v := "NEW." + m.ident(l.column.Name)
			status := "h." + m.ident(l.kind.status.Name)
			fmt.Fprintf(&body, "  %s\n  SELECT RAISE(ABORT, 'the file is neither AVAILABLE nor UNLINKED, and cannot be linked: cooper gc restore') FROM %s AS h WHERE h.%s = CASE typeof(%[4]s) WHEN 'blob' THEN CAST(%[4]s AS TEXT) ELSE %[4]s END AND (%[5]s IS NULL OR CAST(%[5]s AS TEXT) NOT IN (%[6]s))\n    AND %[7]s;\n",
				l.comment(), m.ident(l.kind.table.Name.Table), m.ident(l.kind.id.Name), v, status, texts(m.engine, l.kind.open), m.begins(t, l, event))
		}
		trigger := m.ident(name(t, "_"+strings.ToLower(event), 1<<10))
		gone := "DROP TRIGGER IF EXISTS " + trigger
		create = append(create, gone, "CREATE TRIGGER "+trigger+" AFTER "+event+" ON "+m.ident(t.Name.Table)+" FOR EACH ROW\nBEGIN\n"+body.String()+"END")
		drop = append(drop, gone)
	}
	return create, drop
}
