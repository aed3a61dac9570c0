package transact

import (
	"context"
	"strconv"
	"strings"

	"cooper"
	"cooper/internal/database"
	"cooper/internal/ownerwrite"
)

// statuses implements ownerwrite.Statuses.
type statuses struct {
	w                       *Writer
	table                   *database.Table
	name, id, status, touch string // quoted; touch sets when it was changed
	whole                   bool   // ids are numbers
}

// Statuses sees that a table has such columns, and that they may be written.
func (w *Writer) Statuses(ctx context.Context, name database.Name, c ownerwrite.StatusColumns) (ownerwrite.Statuses, error) {
	t, err := w.read.Describe(ctx, name)
	if err != nil {
		return nil, err
	}
	ident := func(name string) string { return database.Ident(w.d.Name, name) }
	s := &statuses{w: w, table: t, name: ident(t.Schema) + "." + ident(t.Table)}
	columns := map[*string]string{&s.id: c.ID, &s.status: c.Status}
	if c.Changed != "" {
		columns[&s.touch] = c.Changed
	}
	for to, text := range columns {
		column := t.Named(w.d.Name, text)
		if column == nil {
			return nil, &cooper.Error{Kind: cooper.KindUsage, Where: t.String(), Message: cooper.Quote(text) + " is no column of it, and an expression cannot be written", Remedy: "Name the columns under handles: id and status have to be columns for status.write."}
		}
		if *to = ident(column.Name); to == &s.id {
			s.whole = column.Class == database.Integer
			if !unique(t, column.Name) {
				return nil, &cooper.Error{Kind: cooper.KindRefused, Where: t.String(), Message: "its column " + cooper.Quote(column.Name) + " is no primary or unique key: several rows could be one handle", Remedy: "Leave status.write away; Cooper then keeps statuses itself."}
			}
		}
	}
	if t.View || t.NoSnapshot {
		return nil, &cooper.Error{Kind: cooper.KindRefused, Where: t.String(), Message: "it is a view, or its engine has no transactions: a status in it cannot be compared and set", Remedy: "Leave status.write away; Cooper then keeps statuses itself."}
	}
	if s.touch != "" {
		s.touch = ", " + s.touch + " = " + ownerwrite.Now(w.d.Engine, c.Unit)
	}
	return s, s.may(ctx)
}

func unique(t *database.Table, column string) bool {
	for i := range t.Keys {
		if k := &t.Keys[i]; len(k.Columns) == 1 && k.Columns[0] == column {
			return true
		}
	}
	return false
}

// may sees that the status may be written: it is explained, and not done.
func (s *statuses) may(ctx context.Context) error {
	err := s.w.within(ctx, "the status cannot be written", func(tx Tx) error {
		return tx.Exec(ctx, "EXPLAIN UPDATE "+s.name+" SET "+s.status+" = "+s.status+s.touch+" WHERE 1 = 0")
	})
	if cooper.KindOf(err) == cooper.KindDenied {
		return &cooper.Error{Kind: cooper.KindDenied, Where: s.table.String(), Message: "the status cannot be written", Err: err, Remedy: "Grant the user SELECT on " + s.name + " and UPDATE on its columns of status and of when that was changed, and nothing more."}
	}
	return err
}

// Set compares and sets, all of them in one transaction.
func (s *statuses) Set(ctx context.Context, ids []string, from, to int, known []string) (stand []int, err error) {
	if from < 0 || to < 0 || from >= len(known) || to >= len(known) {
		return nil, &cooper.Error{Kind: cooper.KindInternal, Where: s.table.String(), Message: "a status is set to nothing that is known"}
	}
	err = s.w.within(ctx, "statuses cannot be written", func(tx Tx) error {
		stand = make([]int, len(ids))
		for at := 0; at < len(ids); at += Most {
			end := min(at+Most, len(ids))
			if err := s.set(ctx, tx, ids[at:end], from, to, known, stand[at:end]); err != nil {
				return err
			}
		}
		return nil
	})
	return stand, err
}

func (s *statuses) set(ctx context.Context, tx Tx, ids []string, from, to int, known []string, stand []int) error {
	b := &binding{d: &s.w.d}
	// As texts: a number, or a type with few values, may take another value for one of its own.
	status := s.w.d.Text(s.status)
	if from != to {
		set := b.bind(known[to])
		is := b.bind(known[from])
		in, err := s.in(b, ids)
		if err != nil {
			return err
		}
		if err := tx.Exec(ctx, "UPDATE "+s.name+" SET "+s.status+" = "+set+s.touch+" WHERE "+status+" = "+is+" AND "+in, b.args...); err != nil {
			return err
		}
		b = &binding{d: &s.w.d}
	}
	// What stands, and nobody changes before the end of this transaction.
	var cases strings.Builder
	for i, value := range known {
		cases.WriteString(" WHEN " + status + " = " + b.bind(value) + " THEN " + strconv.Itoa(i))
	}
	in, err := s.in(b, ids)
	if err != nil {
		return err
	}
	at := map[string]int{}
	for i, id := range ids {
		at[id], stand[i] = i, -1
	}
	return tx.Each(ctx, "SELECT "+s.w.d.Text(s.id)+", CASE"+cases.String()+" ELSE -1 END FROM "+s.name+" WHERE "+in+s.w.d.Lock, func(id string, n int64) {
		if i, is := at[id]; is {
			stand[i] = int(n)
		}
	}, b.args...)
}

// in is a condition: a row is one of some handles.
func (s *statuses) in(b *binding, ids []string) (string, error) {
	list := make([]string, len(ids))
	for i, id := range ids {
		if !s.whole {
			list[i] = b.bind(id)
			continue
		}
		n, err := strconv.ParseInt(id, 10, 64)
		if err != nil {
			return "", &cooper.Error{Kind: cooper.KindInvalid, Where: s.table.String(), Message: cooper.Quote(id) + " is no number, and its handles have numbers", Err: err}
		}
		list[i] = strconv.FormatInt(n, 10)
	}
	return s.id + " IN (" + strings.Join(list, ", ") + ")", nil
}

// binding is what is bound in a statement.
type binding struct {
	d    *Dialect
	args []any
}

func (b *binding) bind(v string) string {
	b.args = append(b.args, v)
	return b.d.Bind(len(b.args))
}
