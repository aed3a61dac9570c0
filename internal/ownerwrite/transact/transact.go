// Package transact is what the writers of all engines have in common: transactions that are begun
// anew where what ended them may pass, and the rows of a registry in them. It knows no engine: each
// hands in its Dialect.
package transact

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"cooper"
	"cooper/internal/database"
	"cooper/internal/ownerwrite"
)

// Reader is the same database, by the same user, to be asked: it writes nothing.
type Reader interface {
	Server(ctx context.Context) (*database.Server, error)
	Describe(ctx context.Context, name database.Name) (*database.Table, error)
	// Failed makes an error one for a person, without the password.
	Failed(what string, err error) error
	// Passes tells whether an error may be gone when the same is tried again.
	Passes(err error) bool
	Close() error
}

// Conn is a connection that writes; one that broke is made anew by Begin.
type Conn interface {
	Begin(ctx context.Context) (Tx, error)
	Close() error
}

// Tx is a transaction.
type Tx interface {
	Exec(ctx context.Context, sql string, args ...any) error
	// Number gives the one number that a query gives; there is false if it gives none.
	Number(ctx context.Context, sql string, args ...any) (n int64, there bool, err error)
	// Each gives the rows of a query for a text and a number.
	Each(ctx context.Context, sql string, row func(text string, n int64), args ...any) error
	Commit(ctx context.Context) error
	// Undo takes back what was done; whether it could makes no difference, as a connection that ends undoes it, too.
	Undo()
}

// Dialect is what is particular to an engine.
type Dialect struct {
	Engine string // as ownerwrite has it
	// Name is what package database calls it.
	Name string
	// Settings begin each transaction: what it depends on it sets itself.
	Settings []string
	// Lock ends a SELECT of a row that is about to be written.
	Lock string
	// Bind is the n-th thing that is bound, from 1 on.
	Bind func(n int) string
	// Text is an expression as a text.
	Text func(sql string) string
	// Suits says why a table is no registry that can be written to; nil if it is.
	Suits func(t *database.Table, c *ownerwrite.Columns) error
	// Odd is a condition on rows that cannot be compared with those that are written; empty: there are none.
	// {linked} and {unlinked} are the columns.
	Odd string
	// Denied is what a person does about a right that is missing; {table} is the table.
	Denied string
}

// attempts is how often a transaction is begun.
const attempts = 6

// Writer implements ownerwrite.Writer.
type Writer struct {
	read Reader
	conn Conn
	d    Dialect
	wait func(ctx context.Context, attempt int) error
}

var (
	_ ownerwrite.Writer       = (*Writer)(nil)
	_ ownerwrite.StatusWriter = (*Writer)(nil)
)

// New makes one, which closes both.
func New(read Reader, conn Conn, d Dialect) *Writer {
	return &Writer{read: read, conn: conn, d: d, wait: backOff}
}

func backOff(ctx context.Context, attempt int) error {
	timer := time.NewTimer(100 * time.Millisecond << (2 * (attempt - 1)))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// Server tells who answers.
func (w *Writer) Server(ctx context.Context) (*database.Server, error) { return w.read.Server(ctx) }

// Close ends the connections. Where the server has ended them already there is nothing to tell: what was
// committed is.
func (w *Writer) Close() error {
	_, _ = w.conn.Close(), w.read.Close()
	return nil
}

// within is one transaction; whether a commit was heard of or not makes no difference: it is done again.
func (w *Writer) within(ctx context.Context, what string, f func(Tx) error) (err error) {
	for attempt := 1; ; attempt++ {
		err = w.try(ctx, f)
		if err == nil || ctx.Err() != nil || attempt == attempts || !w.read.Passes(err) {
			break
		}
		if err := w.wait(ctx, attempt); err != nil {
			return err
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err == nil {
		return nil
	}
	return w.read.Failed(what, err)
}

func (w *Writer) try(ctx context.Context, f func(Tx) error) error {
	tx, err := w.conn.Begin(ctx)
	if err != nil {
		return err
	}
	for _, set := range w.d.Settings {
		if err == nil {
			err = tx.Exec(ctx, set)
		}
	}
	if err == nil {
		err = f(tx)
	}
	if err != nil {
		tx.Undo()
		return err
	}
	return tx.Commit(ctx)
}

// Registry sees that a table is one, and that it may be written to.
func (w *Writer) Registry(ctx context.Context, name database.Name, c ownerwrite.Columns) (ownerwrite.Registry, error) {
	t, err := w.read.Describe(ctx, name)
	if err != nil {
		return nil, err
	}
	r := &registry{w: w, table: t}
	for to, text := range map[*string]string{&r.c.Handle: c.Handle, &r.c.Type: c.Type, &r.c.Object: c.Object, &r.c.Linked: c.Linked, &r.c.Unlinked: c.Unlinked} {
		column := t.Named(w.d.Name, text)
		if column == nil {
			return nil, &cooper.Error{Kind: cooper.KindUsage, Where: t.String(), Message: "there is no column " + cooper.Quote(text), Remedy: "Name the columns of the registry in cooper.yaml."}
		}
		*to = column.Name
	}
	if err := suits(t, &r.c); err != nil {
		return nil, err
	}
	if err := w.d.Suits(t, &r.c); err != nil {
		return nil, err
	}
	ident := func(name string) string { return database.Ident(w.d.Name, name) }
	quoted := ownerwrite.Columns{Handle: ident(r.c.Handle), Type: ident(r.c.Type), Object: ident(r.c.Object), Linked: ident(r.c.Linked), Unlinked: ident(r.c.Unlinked)}
	r.whole = t.Column(r.c.Handle).Class == database.Integer
	r.name = ident(t.Schema) + "." + ident(t.Table)
	r.c = quoted
	if r.sql, err = ownerwrite.StatementsFor(w.d.Engine, r.name, quoted); err != nil {
		return nil, err
	}
	return r, r.may(ctx)
}

// suits sees that a row is what it is taken for: a handle, a type and an object, with two times.
func suits(t *database.Table, c *ownerwrite.Columns) error {
	refused := func(why string) error {
		return &cooper.Error{Kind: cooper.KindRefused, Where: t.String(), Message: "this is no registry that can be written to: " + why,
			Remedy: "Make the table as this prints it: cooper gc registry ddl"}
	}
	key := []string{c.Handle, c.Type, c.Object}
	unique := false
	for _, k := range t.Keys {
		switch in := has(k.Columns, key); {
		case in == len(key) && len(k.Columns) == len(key) && !nullable(t, key):
			unique = true
		case in == len(key):
		case in > 0 || has(k.Columns, []string{c.Linked, c.Unlinked}) > 0:
			return refused("its key " + cooper.Quote(k.Name) + " takes different links for the same")
		}
	}
	switch handle := t.Column(c.Handle).Class; {
	case t.View:
		return refused("it is a view")
	case !unique:
		return refused("no primary or unique key is of its handle, type and object alone, without NULL")
	case handle == database.Bytes:
		return refused("the column of handles has bytes")
	}
	return nil
}

// has counts those of some names that are among others.
func has(among, names []string) (n int) {
	for _, name := range names {
		for _, a := range among {
			if a == name {
				n++
			}
		}
	}
	return n
}

func nullable(t *database.Table, names []string) bool {
	for _, name := range names {
		if t.Column(name).Nullable {
			return true
		}
	}
	return false
}

// registry implements ownerwrite.Registry.
type registry struct {
	w     *Writer
	table *database.Table
	name  string             // quoted
	c     ownerwrite.Columns // first as the server has them, then quoted
	whole bool               // handles are numbers
	sql   ownerwrite.Statements
}

// may sees that all that writing takes is allowed: it is explained, and not done.
func (r *registry) may(ctx context.Context) error {
	failed := ""
	err := r.w.within(ctx, "the registry cannot be written to", func(tx Tx) error {
		var handle any
		if r.whole {
			handle = int64(0)
		}
		for _, statement := range []string{r.sql.Fill, r.sql.Unlink} {
			text, args := r.bound(statement, nil, time.Unix(0, 0), handle, "", "")
			if err := tx.Exec(ctx, "EXPLAIN "+text, args...); err != nil {
				return err
			}
		}
		if r.w.d.Odd == "" {
			return nil
		}
		odd := strings.NewReplacer("{linked}", r.c.Linked, "{unlinked}", r.c.Unlinked).Replace(r.w.d.Odd)
		n, _, err := tx.Number(ctx, "SELECT COUNT(*) FROM "+r.name+" WHERE "+odd)
		if err != nil {
			return err
		}
		if n > 0 {
			failed = fmt.Sprintf("times of another form than those that are written stand in it, in %d rows", n)
		}
		return nil
	})
	if failed != "" {
		return &cooper.Error{Kind: cooper.KindRefused, Where: r.table.String(), Message: "this is no registry that can be written to: " + failed, Remedy: "Bring them into the form of what this prints: cooper gc registry ddl"}
	}
	return r.failed(err)
}

// failed says of a right that is missing how it is granted.
func (r *registry) failed(err error) error {
	var e *cooper.Error
	if !errors.As(err, &e) {
		return err
	}
	told := *e
	switch e.Kind {
	case cooper.KindDenied:
		told.Remedy = strings.ReplaceAll(r.w.d.Denied, "{table}", r.name)
	case cooper.KindRefused:
		told.Remedy = "See that registry.database leads to the primary, and that it takes writes."
	default:
		return err
	}
	return &told
}

// bound writes a statement, with what is bound in it behind what is bound already.
func (r *registry) bound(sql string, args []any, at time.Time, values ...any) (string, []any) {
	var names []string
	for i, name := range []string{":handle", ":type", ":object"} {
		if i < len(values) {
			args = append(args, values[i])
			names = append(names, name, r.w.d.Bind(len(args)))
		}
	}
	return strings.NewReplacer(append(names, ":at", ownerwrite.Moment(r.w.d.Engine, at))...).Replace(sql), args
}
