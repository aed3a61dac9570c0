package job

import (
	"cooper/internal/query"
	"cooper/internal/query/duckdb"
)

// DuckDB is the engine in the process.
func DuckDB(opt EngineOptions) (query.Engine, error) {
	return duckdb.Open(duckdb.Options{Memory: opt.Memory, TempDir: opt.TempDir})
}
