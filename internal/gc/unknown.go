package gc

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"cooper/internal/database"
)

// lookedRows is how many rows at either end of a table a condition is tried on.
const lookedRows = 5000

// unknown counts rows for which the condition is NULL, at the end of a table that has more of
// them: no link of theirs is read, and no hold.
func (t *taker) unknown(ctx context.Context, p *Part, table *Table) error {
	where := p.where()
	if where == "" || t.now.IsZero() {
		return nil
	}
	engine := t.survey.Server.Engine
	by := []string{order(&table.Table, engine)}
	if by[0] != "" {
		by = append(by, strings.ReplaceAll(by[0], ",", " DESC,")+" DESC")
	}
	for _, by := range by {
		rows, err := t.rows(ctx, fmt.Sprintf("SELECT count(*), count(CASE WHEN looked.unknown THEN 1 END) FROM (SELECT ((%s\n) IS NULL) AS unknown FROM %s.%s%s LIMIT %d) AS looked",
			where, database.Ident(engine, table.Schema), database.Ident(engine, table.Name.Table), by, lookedRows))
		wrong, err := declared(err)
		if err != nil || wrong != nil || len(rows) != 1 || len(rows[0].Values) != 2 {
			return err // it is a sample, no more
		}
		looked, unknown := natural(&rows[0].Values[0]), natural(&rows[0].Values[1])
		if unknown >= table.Unknown {
			table.Looked, table.Unknown = looked, unknown
		}
		if looked < lookedRows {
			return nil // it was all of it
		}
	}
	return nil
}

// natural is a count.
func natural(v *database.Value) int64 {
	n, err := strconv.ParseInt(string(v.Data), 10, 64)
	if err != nil {
		return 0
	}
	return n
}
