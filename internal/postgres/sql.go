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
	picked := strings.Replace(strings.Join(s.names, ", "), "created_on", "min(created_on) OVER (PARTITION BY path)", 1)
	s.upsert = fmt.Sprintf(`INSERT INTO %s AS t (%s) SELECT DISTINCT ON (path) %s FROM pg_temp.%s ORDER BY path, last_updated DESC, run DESC
		ON CONFLICT (path) DO UPDATE SET %s WHERE %s OR excluded.created_on < t.created_on`,
		table, strings.Join(s.names, ", "), picked, batchTable, strings.Join(sets, ", "), newer)
	return s
}
