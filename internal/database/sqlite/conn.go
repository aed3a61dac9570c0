package sqlite

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"strconv"
	"strings"

	"modernc.org/libc"
	_ "modernc.org/sqlite" // it makes the library ready
	lite "modernc.org/sqlite/lib"

	"cooper"
	"cooper/internal/database"
)

// conn is a connection of the library itself: the driver for database/sql makes times of
// texts, by which they are no longer what stands in the file, and does not end a statement
// between two rows.
type conn struct {
	tls *libc.TLS
	db  uintptr
}

// failure is an error of the library's.
type failure struct {
	code int32 // extended
	text string
}

func (f *failure) Error() string { return f.text }

// primary is the code without what extends it.
func (f *failure) primary() int32 { return f.code & 0xff }

// pointer is memory for one that the library gives.
type pointer uintptr

const pointerSize = bits.UintSize / 8

func (c *conn) pointer() pointer { return pointer(libc.Xmalloc(c.tls, pointerSize)) }

func (p pointer) value() uintptr {
	b := libc.GoBytes(uintptr(p), pointerSize)
	if pointerSize == 4 {
		return uintptr(binary.NativeEndian.Uint32(b))
	}
	return uintptr(binary.NativeEndian.Uint64(b))
}

// connect opens a file, to be read.
func connect(path string) (c *conn, err error) {
	c = &conn{tls: libc.NewTLS()}
	name, err := libc.CString(path)
	if err != nil {
		c.tls.Close()
		return nil, err
	}
	defer libc.Xfree(c.tls, name)
	p := c.pointer()
	defer libc.Xfree(c.tls, uintptr(p))
	rc := lite.Xsqlite3_open_v2(c.tls, name, uintptr(p), lite.SQLITE_OPEN_READONLY|lite.SQLITE_OPEN_FULLMUTEX, 0)
	c.db = p.value()
	if rc == lite.SQLITE_OK {
		rc = c.settings()
	}
	if rc != lite.SQLITE_OK {
		return nil, errors.Join(c.failed(rc), c.close())
	}
	for _, sql := range []string{"PRAGMA query_only = 1", "PRAGMA trusted_schema = 0", "PRAGMA cell_size_check = 1"} {
		if err := c.exec(sql); err != nil {
			return nil, errors.Join(err, c.close())
		}
	}
	return c, nil
}

// busy is how long a statement waits for one who writes, before it is tried again later.
const busy = 500 // ms

// settings: a name in quotes that there is no column of is no text, nothing else can be
// attached, and what would harm a file does not run.
func (c *conn) settings() int32 {
	lite.Xsqlite3_extended_result_codes(c.tls, c.db, 1)
	lite.Xsqlite3_busy_timeout(c.tls, c.db, busy)
	lite.Xsqlite3_limit(c.tls, c.db, lite.SQLITE_LIMIT_ATTACHED, 0)
	list := libc.Xmalloc(c.tls, 16)
	defer libc.Xfree(c.tls, list)
	for op, on := range map[int32]int32{lite.SQLITE_DBCONFIG_DQS_DDL: 0, lite.SQLITE_DBCONFIG_DQS_DML: 0, lite.SQLITE_DBCONFIG_DEFENSIVE: 1} {
		if rc := lite.Xsqlite3_db_config(c.tls, c.db, op, libc.VaList(list, on, uintptr(0))); rc != lite.SQLITE_OK {
			return rc
		}
	}
	return lite.SQLITE_OK
}

func (c *conn) failed(rc int32) error {
	f := &failure{code: rc, text: libc.GoString(lite.Xsqlite3_errstr(c.tls, rc))}
	if c.db != 0 && lite.Xsqlite3_extended_errcode(c.tls, c.db) == rc {
		f.text = libc.GoString(lite.Xsqlite3_errmsg(c.tls, c.db))
	}
	return f
}

func (c *conn) close() error {
	defer c.tls.Close()
	if c.db == 0 {
		return nil
	}
	db := c.db
	c.db = 0
	if rc := lite.Xsqlite3_close_v2(c.tls, db); rc != lite.SQLITE_OK {
		return fmt.Errorf("the file cannot be closed: %s", libc.GoString(lite.Xsqlite3_errstr(c.tls, rc)))
	}
	return nil
}

// inside tells whether a transaction is under way.
func (c *conn) inside() bool { return lite.Xsqlite3_get_autocommit(c.tls, c.db) == 0 }

// prepare makes a statement of the whole of an SQL text.
func (c *conn) prepare(sql string) (statement uintptr, err error) {
	if strings.IndexByte(sql, 0) >= 0 {
		return 0, wrong(sql, "it has a NUL")
	}
	text, err := libc.CString(sql)
	if err != nil {
		return 0, err
	}
	defer libc.Xfree(c.tls, text)
	p, tail := c.pointer(), c.pointer()
	defer libc.Xfree(c.tls, uintptr(p))
	defer libc.Xfree(c.tls, uintptr(tail))
	if rc := lite.Xsqlite3_prepare_v2(c.tls, c.db, text, -1, uintptr(p), uintptr(tail)); rc != lite.SQLITE_OK {
		return 0, c.failed(rc)
	}
	statement = p.value()
	switch rest := libc.GoString(tail.value()); {
	case statement == 0:
		err = wrong(sql, "there is nothing in it")
	case strings.TrimSpace(rest) != "":
		err = wrong(sql, "it is more than one statement")
	case lite.Xsqlite3_bind_parameter_count(c.tls, statement) > 0:
		// It would be NULL, and a condition with it leave rows out.
		err = wrong(sql, "it has a parameter, of which nobody knows the value")
	}
	if err != nil {
		lite.Xsqlite3_finalize(c.tls, statement)
	}
	return statement, err
}

func wrong(sql, why string) error {
	return &cooper.Error{Kind: cooper.KindUsage, Message: "SQL that cannot be used: " + why, Where: cooper.Quote(sql), Remedy: "Write one expression, or one query without a semicolon."}
}

// exec runs a statement of our own.
func (c *conn) exec(sql string) error {
	statement, err := c.prepare(sql)
	if err != nil {
		return err
	}
	for {
		if rc := lite.Xsqlite3_step(c.tls, statement); rc != lite.SQLITE_ROW {
			if rc == lite.SQLITE_DONE {
				lite.Xsqlite3_finalize(c.tls, statement)
				return nil
			}
			err := c.failed(rc)
			lite.Xsqlite3_finalize(c.tls, statement)
			return err
		}
	}
}

// query runs one that selects, and gives its rows as they come. A context that ends ends it,
// wherever it is.
func (c *conn) query(ctx context.Context, sql string, row func([]database.Value) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if !selects(sql) {
		return &cooper.Error{Kind: cooper.KindRefused, Message: "databases are read only, and this does not select", Where: cooper.Quote(sql), Remedy: "Write a query that begins with SELECT, WITH or VALUES."}
	}
	statement, err := c.prepare(sql)
	if err != nil {
		return err
	}
	defer lite.Xsqlite3_finalize(c.tls, statement)
	if lite.Xsqlite3_stmt_readonly(c.tls, statement) == 0 {
		return &cooper.Error{Kind: cooper.KindRefused, Message: "databases are read only, and this writes", Where: cooper.Quote(sql), Remedy: "Write SQL that changes nothing."}
	}
	over := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(over)
		tls := libc.NewTLS() // c's is in use
		defer tls.Close()
		lite.Xsqlite3_interrupt(tls, c.db)
	})
	defer func() {
		if !stop() { // nothing that comes later may be interrupted
			<-over
		}
	}()
	columns := c.columns(statement)
	values := make([]database.Value, len(columns))
	for {
		switch rc := lite.Xsqlite3_step(c.tls, statement); rc {
		case lite.SQLITE_DONE:
			return nil
		case lite.SQLITE_ROW:
			if err := ctx.Err(); err != nil {
				return err
			}
			for i := range columns {
				if values[i], err = c.value(statement, int32(i), columns[i]); err != nil {
					return err
				}
			}
			if err := row(values); err != nil {
				return err
			}
		default:
			if err := ctx.Err(); err != nil {
				return err
			}
			return c.failed(rc)
		}
	}
}

// selects tells whether a statement begins as one that gives rows and does nothing else.
func selects(sql string) bool {
	for {
		sql = strings.TrimLeft(sql, " \t\r\n\f")
		switch {
		case strings.HasPrefix(sql, "--"):
			_, sql, _ = strings.Cut(sql, "\n")
		case strings.HasPrefix(sql, "/*"):
			_, sql, _ = strings.Cut(sql[2:], "*/")
		default:
			n := 0
			for n < len(sql) && database.NameByte(sql[n]) {
				n++
			}
			word := strings.ToUpper(sql[:n])
			return word == "SELECT" || word == "WITH" || word == "VALUES"
		}
	}
}

// declared is what is known of a column before a value is seen.
type declared int

const (
	anything   declared = iota
	expression          // nothing was declared: it is no column, or one of no type
	moment              // a date, or a date and time
)

func (c *conn) columns(statement uintptr) []declared {
	d := make([]declared, lite.Xsqlite3_column_count(c.tls, statement))
	for i := range d {
		if p := lite.Xsqlite3_column_decltype(c.tls, statement, int32(i)); p == 0 {
			d[i] = expression
		} else if classOf(libc.GoString(p)) == database.Time {
			d[i] = moment
		}
	}
	return d
}

// whole is the most that a float counts in ones.
const whole = 1 << 53

// value reads one, which is good until the next step. What it is, it is by itself, whatever
// its column was declared as.
func (c *conn) value(statement uintptr, i int32, d declared) (v database.Value, err error) {
	switch lite.Xsqlite3_column_type(c.tls, statement, i) {
	case lite.SQLITE_INTEGER:
		return database.Value{Class: database.Integer, Data: strconv.AppendInt(nil, lite.Xsqlite3_column_int64(c.tls, statement, i), 10)}, nil
	case lite.SQLITE_FLOAT:
		return database.Value{Class: database.Number, Data: number(lite.Xsqlite3_column_double(c.tls, statement, i))}, nil
	case lite.SQLITE_TEXT:
		v.Class = database.Text
		if v.Data, err = c.bytes(statement, i, lite.Xsqlite3_column_text(c.tls, statement, i)); err != nil {
			return v, err
		}
		if d == moment && isTime(v.Data) || d == expression && len(v.Data) >= len("2006-01-02 15:04:05") && isTime(v.Data) {
			v.Class = database.Time
		}
		return v, nil
	case lite.SQLITE_BLOB:
		v.Class = database.Bytes
		v.Data, err = c.bytes(statement, i, lite.Xsqlite3_column_blob(c.tls, statement, i))
		return v, err
	}
	return database.Value{Class: database.Null}, nil
}

// number writes a float: one that is whole, and surely was meant as it is, without a point.
func number(f float64) []byte {
	if f == math.Trunc(f) && math.Abs(f) < whole {
		return strconv.AppendInt(nil, int64(f), 10)
	}
	return strconv.AppendFloat(nil, f, 'g', -1, 64)
}

// bytes are those of a text or blob that the library has at p.
func (c *conn) bytes(statement uintptr, i int32, p uintptr) ([]byte, error) {
	n := lite.Xsqlite3_column_bytes(c.tls, statement, i)
	switch {
	case p == 0 && lite.Xsqlite3_extended_errcode(c.tls, c.db) == lite.SQLITE_NOMEM:
		return nil, c.failed(lite.SQLITE_NOMEM)
	case p == 0 || n == 0:
		return []byte{}, nil
	}
	return libc.GoBytes(p, int(n)), nil
}

// isTime tells whether a text is a time as SQLite's own functions read it.
func isTime(text []byte) bool {
	if len(text) < len("2006-01-02") || text[4] != '-' || text[7] != '-' {
		return false
	}
	v := database.Value{Class: database.Time, Data: text}
	_, known := v.Time()
	return known
}
