package mysql

import (
	"fmt"
	"os/exec"
	"testing"

	"cooper/internal/database"
	"cooper/internal/database/mysqltest"
)

// count takes rows and keeps none.
type count struct{ rows int }

func (c *count) Begin(database.Snapshot) error  { c.rows = 0; return nil }
func (c *count) Rows(rows []database.Row) error { c.rows += len(rows); return nil }

// BenchmarkRead reads a million rows of two BIGINTs, by a key of both: a range at a
// time, against the server's own client, which streams the same SELECT to nowhere.
func BenchmarkRead(b *testing.B) {
	const rows = 1_000_000
	s := server(b)
	run(b, s, "CREATE TABLE IF NOT EXISTS bench (a BIGINT, b BIGINT, PRIMARY KEY (a, b))")
	run(b, s, fmt.Sprintf("INSERT IGNORE INTO bench WITH RECURSIVE r AS (SELECT 0 AS i UNION ALL SELECT i + 1 FROM r WHERE i < %d) SELECT i DIV 10, i FROM r", rows-1))
	d := open(b, s.URL(), database.Options{Limits: database.Limits{RowsPerSecond: 1e9, Busy: 1000}})
	table, err := d.Describe(ctx, database.Name{Table: "bench"})
	must(b, err)
	source := &database.Source{Table: table, Columns: []string{"a", "b"}}
	ranges, err := d.Ranges(ctx, source, 3_000_000)
	must(b, err)
	b.Run("cooper", func(b *testing.B) {
		for b.Loop() {
			all := 0
			for _, r := range ranges {
				k := &count{}
				must(b, d.Read(ctx, source, r, k))
				all += k.rows
			}
			if all != rows {
				b.Fatal(all)
			}
		}
		b.ReportMetric(rows*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
	})
	b.Run("ranges", func(b *testing.B) {
		for b.Loop() {
			_, err := d.Ranges(ctx, source, 3_000_000)
			must(b, err)
		}
	})
	b.Run("client", func(b *testing.B) {
		for b.Loop() {
			cmd := exec.Command("mariadb", "--no-defaults", "--quick", "-S", s.Socket(), "-u"+mysqltest.User, "-p"+mysqltest.Password, "--init-command=SET sql_select_limit = 18446744073709551615", "-e", "SELECT a, b FROM bench", mysqltest.Name)
			must(b, cmd.Run()) // its output goes to the null device
		}
		b.ReportMetric(rows*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
	})
}
