package sqlite

import (
	"testing"

	"cooper/internal/database"
)

// BenchmarkRead reads a table of two numbers and a text by its key.
func BenchmarkRead(b *testing.B) {
	f := newFile(b, "wal", "CREATE TABLE t (k INTEGER PRIMARY KEY, n INT, s TEXT)",
		"INSERT INTO t WITH RECURSIVE r AS (SELECT 0 AS i UNION ALL SELECT i + 1 FROM r WHERE i < 1000000) SELECT i, i * 7, 'a text of some letters ' || i FROM r")
	d := f.open(b, database.Options{Limits: database.Limits{RowsPerSecond: 1e9}})
	table, err := d.Describe(ctx, database.Name{Table: "t"})
	must(b, err)
	for b.Loop() {
		n := 0
		r := &rows{}
		r.hook = func() { n, r.all = n+len(r.all), r.all[:0] }
		must(b, d.Read(ctx, &database.Source{Table: table, Columns: []string{"k", "n", "s"}}, database.Range{Key: []string{"k"}}, r))
		if n != 1_000_001 {
			b.Fatal(n)
		}
	}
}
