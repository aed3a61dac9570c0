package postgres

import (
	"fmt"
	"strings"
)

// batchTable is the temporary table that a batch goes through.
const batchTable = "cooper_batch"

// statements are the SQL for one table.
type statements struct {
	table  string // quoted
	names  []string
	create string
	batch  string // makes the temporary table
	upsert string
}

// statementsFor writes the statements. The upsert does not depend on the order or
// number in which facts come: the youngest of a path counts, and of two as young
// that of the later run; it was created when the oldest became known. A row that
// would stay as it is is not written.
func statementsFor(table string) statements {
	s := statements{table: table}
	var typed, sets []string
	const newer = "(excluded.last_updated, excluded.run) > (t.last_updated, t.run)"
	for _, c := range columns {
		s.names = append(s.names, c.name)
		typed = append(typed, c.name+" "+c.kind)
		switch c.name {
		case "path":
		case "created_on":
			sets = append(sets, "created_on = least(t.created_on, excluded.created_on)")
		default:
			sets = append(sets, fmt.Sprintf("%s = CASE WHEN %s THEN excluded.%[1]s ELSE t.%[1]s END", c.name, newer))
		}
	}
	s.create = fmt.Sprintf("CREATE TABLE IF NOT EXISTS %s (%s)", table, strings.Join(typed, ", "))
	for i := range typed {
		typed[i] = strings.TrimSuffix(typed[i], " PRIMARY KEY")
	}
	s.batch = fmt.Sprintf("CREATE TEMPORARY TABLE %s (%s) ON COMMIT DROP", batchTable, strings.Join(typed, ", "))
	picked := strings.Replace(strings.Join(s.names, ", "), "created_on", "min(created_on) OVER (PARTITION BY path) AS created_on", 1)
	// A conflict locks its row, which writes to it, even if nothing comes of it: what
	// would not change is left out before. What others write meanwhile is the
	// conflict's to compare.
	const changes = newer + " OR excluded.created_on < t.created_on"
	s.upsert = fmt.Sprintf(`INSERT INTO %[1]s AS t (%[2]s)
		SELECT * FROM (SELECT DISTINCT ON (path) %[3]s FROM pg_temp.%[4]s ORDER BY path, last_updated DESC, run DESC) AS excluded
		WHERE NOT EXISTS (SELECT FROM %[1]s AS t WHERE t.path = excluded.path AND NOT (%[5]s))
		ON CONFLICT (path) DO UPDATE SET %[6]s WHERE %[5]s`,
		table, strings.Join(s.names, ", "), picked, batchTable, changes, strings.Join(sets, ", "))
	return s
}
