package facts

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/big"
	"time"

	"github.com/spf13/cobra"

	"cooper"
	"cooper/internal/cli/shell"
	"cooper/internal/job"
	"cooper/internal/query"
	"cooper/internal/term"
)

func (a family) ledgerCmd() *cobra.Command {
	cmd := &cobra.Command{Use: "ledger", Short: "Ask the facts",
		Example: `  cooper ledger sql "SELECT verb, status, count(*) FROM outcome GROUP BY ALL"`}
	var trees []string
	sql := &cobra.Command{
		Use:   `sql "SELECT …"`,
		Short: "Run SQL over the workspace, with DuckDB",
		Long: `Runs one SQL statement over the facts. There is a view for each table:

  outcome   one row for each action of each run: what came of it
  content   what was learnt of each version that was compressed or measured
  run       one row for each run
  snapshot  one row for each snapshot of the workspace
  version   every version in every snapshot of the workspace
  plan      one row for each plan of the workspace
  action    every action of every plan of the workspace
  catalog   with --tree: every version a backup tree knows

Nothing can be written; the files are ordinary Parquet, so any engine reads them.`,
		Example: `  cooper ledger sql "SELECT verb, status, count(*), sum(bytes) FROM outcome GROUP BY ALL"
  cooper ledger sql "SELECT key, kind, message FROM outcome WHERE status = 'failed'" --json
  cooper ledger sql --tree /data/backup "SELECT place, count(*) FROM catalog GROUP BY ALL"`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.sql(cmd.Context(), args[0], trees)
		},
	}
	sql.Flags().StringArrayVar(&trees, "tree", nil, "a backup tree whose catalog is wanted (may be repeated)")
	cmd.AddCommand(sql)
	return shell.Group(cmd)
}

func (a family) sql(ctx context.Context, statement string, trees []string) error {
	return a.ask(ctx, job.Question{Trees: trees}, func(db query.Engine) (err error) {
		rows, err := db.Query(ctx, statement)
		if err != nil {
			return err
		}
		defer shell.Finally(&err, rows.Close)
		if a.JSON {
			return a.sqlJSON(rows)
		}
		return a.sqlTable(rows)
	})
}

// ask asks a question of the workspace.
func (a family) ask(ctx context.Context, q job.Question, f func(query.Engine) error) error {
	e, err := a.Env()
	if err != nil {
		return err
	}
	return job.Ask(ctx, e, q, f)
}

func (a family) sqlJSON(rows query.Rows) error {
	cols := rows.Columns()
	for {
		vals, err := rows.Next()
		if errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		m := make(map[string]any, len(cols))
		for i, c := range cols {
			m[c.Name] = jsonValue(vals[i])
		}
		if err := a.Emit(m); err != nil {
			return err
		}
	}
}

// mostRows is how many rows a table on a screen is held back for, to line up.
const mostRows = 10_000

func (a family) sqlTable(rows query.Rows) error {
	cols := rows.Columns()
	heads := make([]string, len(cols))
	for i, c := range cols {
		heads[i] = term.Clean(c.Name)
	}
	var table *term.Table
	for {
		vals, err := rows.Next()
		end := errors.Is(err, io.EOF)
		if err != nil && !end {
			return err
		}
		if table == nil {
			// The first row tells which columns are numbers.
			for i := range heads {
				if !end && isNumber(vals[i]) {
					heads[i] += ">"
				}
			}
			table = term.NewTable(a.Stdout, heads...)
		}
		if end {
			return table.Flush("")
		}
		cells := make([]string, len(vals))
		for i, v := range vals {
			cells[i] = cell(v)
		}
		table.Row(cells...)
		if table.Len() == mostRows {
			if err := table.Flush(""); err != nil {
				return err
			}
			table = term.NewTable(a.Stdout, heads...)
		}
	}
}

func isNumber(v any) bool {
	switch v.(type) {
	case int64, float64, *big.Int, json.Number:
		return true
	}
	return false
}

func cell(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case []byte:
		return hex.EncodeToString(v)
	case time.Time:
		return cooper.InstantOf(v).String()
	case float64:
		return fmt.Sprintf("%.6g", v)
	case []any, map[string]any:
		if b, err := json.Marshal(jsonValue(v)); err == nil {
			return string(b)
		}
	}
	return fmt.Sprint(v)
}

// jsonValue is a value as JSON can hold it. Infinities and NaN, which it has no
// numbers for, become text.
func jsonValue(v any) any {
	switch v := v.(type) {
	case float64:
		switch {
		case math.IsNaN(v):
			return "NaN"
		case math.IsInf(v, 1):
			return "Infinity"
		case math.IsInf(v, -1):
			return "-Infinity"
		}
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = jsonValue(v[i])
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for k := range v {
			out[k] = jsonValue(v[k])
		}
		return out
	case []byte:
		return hex.EncodeToString(v)
	case time.Time:
		return cooper.InstantOf(v)
	}
	return v
}
