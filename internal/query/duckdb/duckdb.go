// Package duckdb is the query engine in the process: DuckDB, in memory, over
// Parquet and JSON files.
//
// It promises to stay within its memory limit by spilling to a directory of
// its own, to reach no network, and to write nothing else. Only cmd imports it.
package duckdb

import (
	"context"
	"database/sql"
	"errors"
	"net/url"
	"os"
	"strconv"
	"strings"

	driver "github.com/duckdb/duckdb-go/v2"

	"cooper"
	"cooper/internal/query"
)

// Options bound what the engine takes. Zero fields leave it to DuckDB: most of
// the memory, all CPUs.
type Options struct {
	// Memory is the limit in bytes. The process needs some more: a quarter to a
	// half should be left free.
	Memory  int64
	Threads int
	// TempDir is where DuckDB spills to; it is made when needed. Empty: the
	// system's directory for temporary files.
	TempDir string
}

type engine struct {
	db    *sql.DB
	guard guard
}

// Open starts an engine.
func Open(opt Options) (query.Engine, error) {
	set := url.Values{}
	// Nothing is loaded over the network, whatever a query mentions.
	set.Set("autoinstall_known_extensions", "false")
	set.Set("autoload_known_extensions", "false")
	set.Set("allow_community_extensions", "false")
	if opt.TempDir == "" {
		opt.TempDir = os.TempDir()
	}
	set.Set("temp_directory", opt.TempDir)
	if opt.Memory > 0 {
		set.Set("memory_limit", strconv.FormatInt(opt.Memory, 10)+"B")
	}
	if opt.Threads > 0 {
		set.Set("threads", strconv.Itoa(opt.Threads))
	}
	connector, err := driver.NewConnector("?"+set.Encode(), nil)
	if err != nil {
		return nil, &cooper.Error{Kind: cooper.KindInternal, Message: "the SQL engine does not start", Err: err}
	}
	e := &engine{db: sql.OpenDB(connector)}
	// Times are shown in UTC; after that no setting can be changed any more.
	for _, s := range []string{"SET GLOBAL TimeZone = 'UTC'", "SET GLOBAL lock_configuration = true"} {
		if _, err := e.db.ExecContext(context.Background(), s); err != nil {
			return nil, errors.Join(&cooper.Error{Kind: cooper.KindInternal, Message: "the SQL engine does not start", Err: err}, e.db.Close())
		}
	}
	return e, nil
}

const sqlRemedy = "`cooper ledger sql --help` lists the tables; DESCRIBE outcome shows the columns of one."

func (e *engine) Close() error {
	if err := e.db.Close(); err != nil {
		return &cooper.Error{Kind: cooper.KindInternal, Message: "the SQL engine does not stop", Err: err}
	}
	return nil
}

// Query first lets the answer become a temporary table, then reads that piece
// by piece: the driver would hold the whole answer in memory, outside of
// DuckDB's limit, while a table is spilled.
func (e *engine) Query(ctx context.Context, text string, args ...any) (query.Rows, error) {
	text = strings.TrimRight(text, "; \t\r\n")
	conn, err := e.db.Conn(ctx)
	if err != nil {
		return nil, failed(ctx, err)
	}
	r := &rows{ctx: ctx, conn: conn, guard: &e.guard}
	if err := r.start(text, args); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

// failed makes an error of DuckDB one that a person can use.
func failed(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var e *driver.Error
	if !errors.As(err, &e) {
		return &cooper.Error{Kind: cooper.KindInternal, Message: "the query failed", Err: err}
	}
	switch e.Type {
	case driver.ErrorTypeParser, driver.ErrorTypeSyntax, driver.ErrorTypeBinder, driver.ErrorTypeCatalog,
		driver.ErrorTypeConversion, driver.ErrorTypeInvalidInput, driver.ErrorTypeMismatchType, driver.ErrorTypeOutOfRange,
		driver.ErrorTypeNotImplemented, driver.ErrorTypeParameterNotResolved, driver.ErrorTypeParameterNotAllowed:
		return &cooper.Error{Kind: cooper.KindUsage, Message: "the SQL has a mistake", Err: err, Remedy: sqlRemedy}
	case driver.ErrorTypeOutOfMemory:
		return &cooper.Error{Kind: cooper.KindFull, Message: "the query needs more memory or disk than it may use", Err: err,
			Remedy: "Raise the memory limit, make room for temporary files, or ask for less."}
	}
	return &cooper.Error{Kind: cooper.KindInternal, Message: "the query failed", Err: err}
}
