package scan

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"cooper"
	"cooper/internal/database"
)

// memory is a database in memory: tables whose first column is their key, a number, in
// order. It knows columns by their names, and no SQL beyond.
type memory struct {
	tables map[string][][]string // the first row has the names of columns
	// on is told what happens; its error ends it.
	on func(line string) error
	// again has each range begun once more, after the rows of a first attempt.
	again bool
	// asked is how often a query was, most how many rows it gives at most.
	asked, most int
}

func (m *memory) Server(context.Context) (*database.Server, error) {
	return &database.Server{Identity: "memory", Engine: "MariaDB", Replica: database.Primary, Clock: now}, nil
}

func (m *memory) Load(context.Context) (database.Load, error) { return database.Load{}, nil }

func (m *memory) Tables(_ context.Context, p database.Pattern) (*database.Listing, error) {
	l := &database.Listing{}
	for name := range m.tables {
		if n := (database.Name{Schema: "s", Table: name}); p.Match(n, true, true) {
			l.Tables = append(l.Tables, database.Listed{Name: n, Readable: true})
		}
	}
	return l, nil
}

func (m *memory) Describe(_ context.Context, n database.Name) (*database.Table, error) {
	rows, ok := m.tables[n.Table]
	if !ok {
		return nil, &cooper.Error{Kind: cooper.KindMissing, Message: "no table"}
	}
	t := &database.Table{Name: database.Name{Schema: "s", Table: n.Table}, Rows: int64(len(rows) - 1), Keys: []database.Key{{Name: "PRIMARY", Primary: true, Columns: rows[0][:1]}}}
	for i, c := range rows[0] {
		t.Columns = append(t.Columns, database.Column{Name: c, Class: classOf(i)})
	}
	return t, nil
}

func classOf(column int) database.Class {
	if column == 0 {
		return database.Integer
	}
	return database.Text
}

func (m *memory) ForeignKeys(context.Context, []database.Name) ([]database.ForeignKey, error) {
	return nil, nil
}

func (m *memory) Ranges(_ context.Context, s *database.Source, rows int64) (all []database.Range, err error) {
	table := m.tables[s.Table.Table]
	r := database.Range{Key: table[0][:1]}
	for chunk := range slices.Chunk(table[1:], int(rows)) {
		if r.Rows > 0 {
			all = append(all, r)
			r.After, r.To = r.To, nil
		}
		r.Rows, r.To = int64(len(chunk)), database.Bound{[]byte(chunk[len(chunk)-1][0])}
	}
	r.To = nil
	return append(all, r), nil
}

func (m *memory) Read(_ context.Context, s *database.Source, r database.Range, sink database.Sink) error {
	if s.Query != "" { // the name of a table, of which another row is there each time
		m.asked++
		if err := sink.Begin(database.Snapshot{}); err != nil {
			return err
		}
		return sink.Rows(m.rows(&database.Source{Table: &database.Table{Name: database.Name{Table: strings.TrimPrefix(s.Query, "SELECT ")}}, Columns: []string{"V"}}, database.Range{})[:min(m.asked, m.most)])
	}
	line := fmt.Sprintf("read %s: %s", s, strings.Join(s.Columns, ", "))
	if s.Where != "" {
		line += " where " + s.Where
	}
	for i, b := range []database.Bound{r.After, r.To} {
		if b != nil {
			line += fmt.Sprintf(" %s %s", []string{"behind", "to"}[i], b[0])
		}
	}
	attempts := 1
	if m.again {
		attempts = 2
	}
	for range attempts {
		if err := m.on(line); err != nil {
			return err
		}
		if err := sink.Begin(database.Snapshot{Clock: now.Add(time.Second)}); err != nil {
			return err
		}
		rows := m.rows(s, r)
		for some := range slices.Chunk(rows, 2) {
			if err := m.on(fmt.Sprintf("  %d rows", len(some))); err != nil {
				return err
			}
			if err := sink.Rows(some); err != nil {
				return err
			}
		}
	}
	return nil
}

func (m *memory) rows(s *database.Source, r database.Range) (rows []database.Row) {
	table := m.tables[s.Table.Table]
	bound := func(b database.Bound, none int) int {
		if b == nil {
			return none
		}
		n, err := strconv.Atoi(string(b[0]))
		if err != nil {
			panic(err)
		}
		return n
	}
	after, to := bound(r.After, -1), bound(r.To, 1<<30)
	for _, values := range table[1:] {
		if n := bound(database.Bound{[]byte(values[0])}, 0); n <= after || n > to {
			continue
		}
		row := database.Row{Key: []database.Value{{Class: database.Integer, Data: []byte(values[0])}}}
		for _, c := range s.Columns {
			i := slices.Index(table[0], strings.Trim(c, "`"))
			v := database.Value{Class: classOf(i), Data: []byte(values[i])}
			if values[i] == "NULL" {
				v = database.Value{Class: database.Null}
			}
			row.Values = append(row.Values, v)
		}
		rows = append(rows, row)
	}
	return rows
}

func (m *memory) Close() error { return nil }
