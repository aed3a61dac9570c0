package job

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"cooper"
	"cooper/internal/config"
	"cooper/internal/database"
	"cooper/internal/gcstate"
	"cooper/internal/ownerwrite"
)

// column is the status of handles as their owner keeps it.
type column interface {
	// Set writes a status where another stands, and gives what stands for each handle then, empty for what is
	// none of ours; what is set to what it is set from is only looked at.
	Set(ctx context.Context, hs []gcstate.Handle, from, to gcstate.Status) ([]gcstate.Status, error)
	Close() error
}

// ownerColumn is that of all kinds whose status may be written.
type ownerColumn struct {
	writer ownerwrite.Writer
	kinds  map[string]*kindColumn
}

// kindColumn is the column of a kind.
type kindColumn struct {
	ownerwrite.Statuses
	// known are the statuses that the column has a value for, values what it is called there.
	known  []gcstate.Status
	values []string
}

// writable tells whether a status of any kind may be written.
func writable(c *config.Config) bool {
	return slices.ContainsFunc(c.Handles, func(h *config.Handles) bool { return h.Status != nil && h.Status.Write })
}

// openColumn opens the columns in which the owner keeps what handles are: on the primary, which has to be
// the server.
func (w *work) openColumn(ctx context.Context, c *config.Config, server string) (_ column, err error) {
	o := &ownerColumn{kinds: map[string]*kindColumn{}}
	// Before anybody reads: of a file, it takes back what a writer has left half done that was killed.
	if o.writer, err = w.writeTo(ctx, c, &c.Database); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, o.Close())
		}
	}()
	answers, err := o.writer.Server(ctx)
	if err != nil {
		return nil, err
	}
	refused := func(message, remedy string) error {
		return &cooper.Error{Kind: cooper.KindRefused, Where: c.Database.PlaceOf(""), Message: message + ", and no status was written", Remedy: remedy}
	}
	switch {
	case server != "" && answers.Identity != server && c.Replica == nil:
		return nil, refused("it leads to another database than was scanned: "+cooper.Quote(answers.Identity)+", not "+cooper.Quote(server), "Scan it first: cooper gc scan")
	case answers.Replica == database.IsReplica:
		return nil, refused("this is a replica", "Name the primary under database; scans may read a replica.")
	case answers.Replica != database.Primary:
		return nil, refused("the server does not tell whether it is a replica", "Grant its user REPLICATION CLIENT, on MariaDB REPLICA MONITOR.")
	}
	db, err := w.openAt(ctx, c, &c.Database)
	if err != nil {
		return nil, err
	}
	defer finally(&err, db.Close)
	for _, h := range c.Handles {
		if h.Status == nil || !h.Status.Write {
			continue
		}
		k, err := o.open(ctx, db, answers.Engine, h)
		if err != nil {
			return nil, err
		}
		o.kinds[h.Kind] = k
	}
	return o, nil
}

// open opens the column of a kind.
func (o *ownerColumn) open(ctx context.Context, db database.Database, engine string, h *config.Handles) (*kindColumn, error) {
	s := h.Status
	if h.Query != "" {
		return nil, s.Fault("write", "the handles come from a query, and a status in it cannot be written", "Name a table, or leave write away.")
	}
	spec, _ := h.Table.Spec()
	p, err := database.ParsePattern(spec)
	if err != nil {
		return nil, err
	}
	list, err := db.Tables(ctx, p)
	if err != nil {
		return nil, err
	}
	if len(list.Tables) != 1 {
		return nil, h.Fault("table", "there is no such table any more", "See what has changed: cooper gc check")
	}
	name := list.Tables[0].Name
	table, err := db.Describe(ctx, name)
	if err != nil {
		return nil, err
	}
	columns := ownerwrite.StatusColumns{ID: h.ID, Status: s.Column}
	if s.Changed != nil {
		columns.Changed, columns.Unit = s.Changed.Column, s.Changed.Unit
	}
	writer, ok := o.writer.(ownerwrite.StatusWriter)
	if !ok {
		return nil, &cooper.Error{Kind: cooper.KindInternal, Where: name.String(), Message: "no status can be written there"}
	}
	k := &kindColumn{}
	if k.Statuses, err = writer.Statuses(ctx, name, columns); err != nil {
		return nil, err
	}
	may, err := values(ctx, db, engine, table.Named(engine, s.Column))
	if err != nil {
		return nil, err
	}
	for _, status := range gcstate.Statuses {
		if v := s.Value(string(status)); may(v) {
			k.known, k.values = append(k.known, status), append(k.values, v)
		}
	}
	for _, must := range []gcstate.Status{gcstate.Available, gcstate.Unlinked, gcstate.Archived} {
		if !slices.Contains(k.known, must) {
			return nil, s.Fault("column", "the column has no value for "+string(must)+": "+cooper.Quote(s.Value(string(must)))+" cannot stand in it", "Name it under values, or let the column have it.")
		}
	}
	return k, nil
}

// values tells which values can stand in a column: of a type with few of them, those; in one of numbers, numbers.
func values(ctx context.Context, db database.Database, engine string, c *database.Column) (func(string) bool, error) {
	switch {
	case c == nil:
	case c.Class == database.Integer:
		return func(v string) bool { _, err := strconv.ParseInt(v, 10, 64); return err == nil }, nil
	case strings.HasPrefix(strings.ToLower(c.Type), "enum("):
		return func(v string) bool { return strings.Contains(c.Type, "'"+strings.ReplaceAll(v, "'", "''")+"'") }, nil
	case engine == database.PostgreSQL && c.Class != database.Text && c.Class != database.Bool:
		var of labels
		err := db.Read(ctx, &database.Source{Query: "SELECT CAST(unnest(enum_range(NULL::" + c.Type + ")) AS text)"}, database.Range{Rows: -1}, &of)
		if err != nil {
			return nil, &cooper.Error{Kind: cooper.KindUsage, Where: c.Name, Message: "it is not known which values can stand in a column of type " + c.Type, Err: err, Remedy: "Let the status be a text, a number or an enum."}
		}
		return func(v string) bool { return slices.Contains(of, v) }, nil
	}
	return func(string) bool { return true }, nil
}

// labels are the values of a type.
type labels []string

// Begin forgets what came before.
func (l *labels) Begin(database.Snapshot) error {
	*l = nil
	return nil
}

// Rows takes them.
func (l *labels) Rows(rows []database.Row) error {
	for i := range rows {
		*l = append(*l, rows[i].Values[0].String())
	}
	return nil
}

// Close ends it.
func (o *ownerColumn) Close() error { return o.writer.Close() }

// Set writes a status where another stands.
func (o *ownerColumn) Set(ctx context.Context, hs []gcstate.Handle, from, to gcstate.Status) ([]gcstate.Status, error) {
	all := make([]gcstate.Status, len(hs))
	places := map[string][]int{}
	for i, h := range hs {
		places[h.Kind] = append(places[h.Kind], i)
	}
	for kind, at := range places {
		k := o.kinds[kind]
		if k == nil {
			return nil, &cooper.Error{Kind: cooper.KindRefused, Where: kind, Message: "the status of these handles may not be written", Remedy: "Declare it: status: {column: …, write: true}"}
		}
		ids := make([]string, len(at))
		for n, i := range at {
			ids[n] = hs[i].ID
		}
		stand, err := k.Set(ctx, ids, k.of(from), k.of(to), k.values)
		if err != nil {
			return nil, err
		}
		if len(stand) != len(at) {
			return nil, &cooper.Error{Kind: cooper.KindInternal, Where: kind, Message: fmt.Sprintf("of %d handles, %d are told of", len(at), len(stand))}
		}
		for n, i := range at {
			all[i] = k.status(stand[n], from, to)
		}
	}
	return all, nil
}

// of is the place of a status. One for which the column has no value is written as ARCHIVED: it may not be linked
// then either.
func (k *kindColumn) of(s gcstate.Status) int {
	if i := slices.Index(k.known, s); i >= 0 {
		return i
	}
	return slices.Index(k.known, gcstate.Archived)
}

// status is what a value stands for: of several, the one that was asked for.
func (k *kindColumn) status(at int, from, to gcstate.Status) gcstate.Status {
	switch at {
	case -1:
		return ""
	case k.of(to):
		return to
	case k.of(from):
		return from
	}
	return k.known[at]
}
