package duckdb

import (
	"context"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/big"
	"time"

	driver "github.com/duckdb/duckdb-go/v2"

	"cooper/internal/query"
)

const (
	// result is the temporary table that holds an answer. It is visible to its
	// connection alone.
	result = "temp.main.cooper_result"
	// pageRows is how many rows are read at once: one of DuckDB's row groups.
	pageRows = 122880
)

// rows reads the table result, page by page, on a connection of its own.
type rows struct {
	ctx     context.Context
	conn    *sql.Conn
	guard   *guard
	columns []query.Column
	made    bool      // the table is there
	page    *sql.Rows // nil before the first and between pages
	next    int64     // the first row id of the following page
	got     int       // rows of this page
	done    bool
}

// start runs text into the table result.
func (r *rows) start(text string, args []any) (err error) {
	describes, tree, err := parse(r.ctx, r.conn, text, len(args))
	if err != nil {
		return err
	}
	if describes { // not allowed there as it is
		text = "FROM (" + text + "\n)"
	}
	release, err := r.guard.holds(r.ctx, tree)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, release()) }() // the answer needs the files no more
	if err := r.guard.remake(r.ctx, tree); err != nil {
		return err
	}
	if err := r.guard.check(r.ctx, r.conn, tree, text, args); err != nil {
		return err
	}
	if _, err := r.conn.ExecContext(r.ctx, "CREATE OR REPLACE TEMP TABLE cooper_result AS "+text, args...); err != nil {
		return failed(r.ctx, err)
	}
	r.made = true
	return r.turn()
}

// turn opens the next page.
func (r *rows) turn() error {
	page, err := r.conn.QueryContext(r.ctx, fmt.Sprintf("SELECT * FROM %s WHERE rowid >= %d AND rowid < %d ORDER BY rowid", result, r.next, r.next+pageRows))
	if err != nil {
		return failed(r.ctx, err)
	}
	r.page, r.got = page, 0
	r.next += pageRows
	if r.columns == nil {
		types, err := page.ColumnTypes()
		if err != nil {
			return failed(r.ctx, err)
		}
		for _, t := range types {
			r.columns = append(r.columns, query.Column{Name: t.Name(), Type: t.DatabaseTypeName()})
		}
	}
	return nil
}

func (r *rows) Columns() []query.Column { return r.columns }

func (r *rows) Next() ([]any, error) {
	for !r.done {
		if err := r.ctx.Err(); err != nil {
			return nil, err
		}
		if r.page.Next() {
			r.got++
			return r.scan()
		}
		err := errors.Join(r.page.Err(), r.page.Close())
		r.page = nil
		if err != nil {
			r.done = true
			return nil, failed(r.ctx, err)
		}
		if r.got < pageRows {
			r.done = true
		} else if err := r.turn(); err != nil {
			r.done = true
			return nil, err
		}
	}
	return nil, io.EOF
}

func (r *rows) scan() ([]any, error) {
	values := make([]any, len(r.columns))
	into := make([]any, len(r.columns))
	for i := range values {
		into[i] = &values[i]
	}
	if err := r.page.Scan(into...); err != nil {
		return nil, failed(r.ctx, err)
	}
	for i, v := range values {
		values[i] = plain(v, r.columns[i].Type)
	}
	return values, nil
}

// Close frees the answer; the connection serves other queries.
func (r *rows) Close() error {
	if r.conn == nil {
		return nil
	}
	r.done = true
	var errs []error
	if r.page != nil {
		errs = append(errs, r.page.Close())
		r.page = nil
	}
	if r.made { // also after the query was cancelled
		_, err := r.conn.ExecContext(context.WithoutCancel(r.ctx), "DROP TABLE "+result)
		errs = append(errs, err)
	}
	errs = append(errs, r.conn.Close())
	r.conn = nil
	if err := errors.Join(errs...); err != nil {
		return failed(context.WithoutCancel(r.ctx), err)
	}
	return nil
}

// plain turns a value of the driver into one of those that query.Rows names.
// kind is the column's type, empty within lists and structures.
func plain(v any, kind string) any {
	switch v := v.(type) {
	case int8:
		return int64(v)
	case int16:
		return int64(v)
	case int32:
		return int64(v)
	case uint8:
		return int64(v)
	case uint16:
		return int64(v)
	case uint32:
		return int64(v)
	case uint64:
		if v > math.MaxInt64 {
			return new(big.Int).SetUint64(v)
		}
		return int64(v)
	case float32:
		return float64(v)
	case *big.Int:
		if v.IsInt64() {
			return v.Int64()
		}
		return v
	case time.Time:
		return v.UTC()
	case []byte:
		if kind == "UUID" && len(v) == 16 {
			return uuid(v)
		}
		return v
	case []any:
		for i := range v {
			v[i] = plain(v[i], "")
		}
		return v
	case map[string]any:
		for k := range v {
			v[k] = plain(v[k], "")
		}
		return v
	}
	return plainVendor(v)
}

// plainVendor is plain for the types that only this driver has.
func plainVendor(v any) any {
	switch v := v.(type) {
	case driver.Decimal:
		return json.Number(v.String())
	case driver.UUID:
		return uuid(v[:])
	case driver.Interval:
		const day = 24 * time.Hour
		months := fmt.Sprintf("%d months ", v.Months)
		if v.Months == 0 {
			months = ""
		}
		return months + (time.Duration(v.Days)*day + time.Duration(v.Micros)*time.Microsecond).String()
	case driver.OrderedMap:
		keys, values := v.Keys(), v.Values()
		m := make(map[string]any, len(keys))
		for i, k := range keys {
			m[fmt.Sprint(plain(k, ""))] = plain(values[i], "")
		}
		return m
	case driver.Union:
		return plain(v.Value, "")
	case driver.Map:
		m := make(map[string]any, len(v))
		for k, value := range v {
			m[fmt.Sprint(plain(k, ""))] = plain(value, "")
		}
		return m
	}
	return v
}

func uuid(b []byte) string {
	h := hex.EncodeToString(b)
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}
