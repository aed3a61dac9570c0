// Package duckdb is the query engine in the process: DuckDB, in memory, over
// Parquet and JSON files.
//
// It promises to stay within its memory limit by spilling to a directory of
// its own, to reach no network, and to write nothing else. Only cmd imports it.
package duckdb

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
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

type engine struct{ db *sql.DB }

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
	r := &rows{ctx: ctx, conn: conn}
	if err := r.start(text, args); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

// parse lets DuckDB's own parser say whether text is one statement that reads,
// without running any of it. describes tells of a DESCRIBE, SUMMARIZE or SHOW.
// It must have args parameters.
func parse(ctx context.Context, conn *sql.Conn, text string, args int) (describes bool, err error) {
	var tree string
	if err := conn.QueryRowContext(ctx, "SELECT CAST(json_serialize_sql(CAST(? AS VARCHAR)) AS VARCHAR)", text).Scan(&tree); err != nil {
		return false, failed(ctx, err)
	}
	var parsed struct {
		Error      bool   `json:"error"`
		Type       string `json:"error_type"`
		Message    string `json:"error_message"`
		Statements []struct {
			Params []struct{} `json:"named_param_map"`
			Node   struct {
				From struct {
					Type string `json:"type"`
				} `json:"from_table"`
			} `json:"node"`
		} `json:"statements"`
	}
	if err := json.Unmarshal([]byte(tree), &parsed); err != nil {
		return false, failed(ctx, err)
	}
	switch {
	case parsed.Error && parsed.Type == "parser":
		return false, &cooper.Error{Kind: cooper.KindUsage, Message: "the SQL has a mistake: " + parsed.Message, Remedy: sqlRemedy}
	case parsed.Error:
		return false, refused("only queries that read are allowed")
	case len(parsed.Statements) == 0:
		return false, &cooper.Error{Kind: cooper.KindUsage, Message: "there is no SQL", Remedy: sqlRemedy}
	case len(parsed.Statements) > 1:
		return false, refused(fmt.Sprintf("only one query at a time is allowed, not %d", len(parsed.Statements)))
	}
	s := &parsed.Statements[0]
	if len(s.Params) != args {
		return false, &cooper.Error{Kind: cooper.KindUsage, Message: fmt.Sprintf("the SQL has %d parameters, and %d values are given for them", len(s.Params), args)}
	}
	return s.Node.From.Type == "SHOW_REF", nil
}

func refused(message string) error {
	return &cooper.Error{Kind: cooper.KindRefused, Message: message,
		Remedy: "Write one SELECT, WITH, FROM, VALUES, DESCRIBE, SUMMARIZE or SHOW. To change or export data, open the files with an SQL engine of your own."}
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
