package purge

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"cooper"
	"cooper/internal/query"
)

// FromSQL runs a query and takes its answer for choices: a column key alone, or
// key and version_id, and then other columns are passed over. A key beside others
// that are no version_id is refused: one of them may have been meant for it, and
// without it every version of the key would be chosen. A version_id that is NULL is refused as a
// key is: an outer join that found nothing must not name the version without an id, the
// original of whatever was there before versioning. Close the choices when done.
func FromSQL(ctx context.Context, e query.Engine, sql string) (Choices, error) {
	sql = strings.TrimRight(sql, "; \t\r\n")
	columns, err := columnsOf(ctx, e, sql)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = strings.ToLower(c.Name)
	}
	if !slices.Contains(names, "key") {
		return nil, &cooper.Error{Kind: cooper.KindUsage, Where: "--sql", Message: "the answer has no column called key",
			Remedy: `Let it have one, and version_id where single versions are meant: SELECT key, version_id FROM version WHERE …`}
	}
	wanted := "key"
	switch {
	case slices.Contains(names, "version_id"):
		wanted = "key, version_id"
	case len(names) > 1:
		return nil, &cooper.Error{Kind: cooper.KindUsage, Where: "--sql", Message: "the answer has no column called version_id, but others beside key: every version of the keys would be meant",
			Remedy: `Name the one with single versions, as in SELECT key, max(version_id) AS version_id …; or select key alone.`}
	}
	// Text sorts bytewise in the engine. The line ends keep a comment in the
	// query from swallowing what follows.
	rows, err := e.Query(ctx, fmt.Sprintf("SELECT %s FROM (\n%s\n) ORDER BY ALL", wanted, sql))
	if err != nil {
		return nil, err
	}
	return &answer{rows}, nil
}

func columnsOf(ctx context.Context, e query.Engine, sql string) ([]query.Column, error) {
	rows, err := e.Query(ctx, "SELECT * FROM (\n"+sql+"\n) LIMIT 0")
	if err != nil {
		return nil, err
	}
	columns := rows.Columns()
	return columns, rows.Close()
}

// answer gives the rows of a query as choices.
type answer struct{ rows query.Rows }

func (a *answer) Next() (Choice, error) {
	row, err := a.rows.Next()
	if err != nil {
		return Choice{}, err
	}
	key, ok := row[0].(string)
	if !ok {
		return Choice{}, notText("key", row[0])
	}
	c := Choice{Key: key, Any: len(row) == 1}
	if !c.Any {
		if c.VersionID, ok = row[1].(string); !ok {
			return Choice{}, notText("version_id", row[1])
		}
	}
	return c, nil
}

func notText(column string, v any) error {
	message, remedy := fmt.Sprintf("the column %s has a value that is no text: %v", column, v), "Leave such rows out, with WHERE "+column+" IS NOT NULL or a cast to VARCHAR."
	if v == nil {
		message, remedy = fmt.Sprintf("the column %s is NULL in a row", column), "Leave such rows out, with WHERE "+column+" IS NOT NULL. An outer join has them where it found nothing."
		if column == "version_id" {
			remedy += " The version without an id is called 'null'."
		}
	}
	return &cooper.Error{Kind: cooper.KindUsage, Where: "--sql", Message: message, Err: errNotText, Remedy: remedy}
}

var errNotText = errors.New("nothing is purged on a guess")

func (a *answer) Close() error { return a.rows.Close() }
