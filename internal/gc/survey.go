package gc

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"cooper"
	"cooper/internal/config"
	"cooper/internal/database"
	"cooper/internal/gcop"
)

// Survey is what is known of a database before anything is decided about a scan.
type Survey struct {
	Server database.Server
	Load   database.Load
	// Parts are what the configuration declares, in the order in which a scan reads it:
	// kinds of handles, what is derived from them, what holds them, associations.
	Parts []*Part
	// Foreign are the foreign keys to tables of handles. Suspected are those to tables
	// that a query for handles reads beside others: they may be meant, or not.
	Foreign, Suspected []database.ForeignKey
	// Hits are columns that nobody declared, in which ids of handles were found.
	Hits []Hit
	// Unsampled says why columns were not looked into for ids of handles; empty if all were.
	Unsampled string
}

// Take surveys a database for a configuration. What is wrong with the one or the other is
// in the survey; an error is that the database does not answer. now is the time that
// conditions mean by :now.
func Take(ctx context.Context, a Asker, c *config.Config, now time.Time) (*Survey, error) {
	s := &Survey{}
	server, err := a.Server(ctx)
	if err != nil {
		return nil, err
	}
	s.Server = *server
	if s.Load, err = a.Load(ctx); err != nil {
		return nil, err
	}
	t := &taker{asker: a, config: c, survey: s, now: now, asks: behind(&s.Load, c.Lag) == ""}
	s.Parts = partsOf(c)
	for _, p := range s.Parts {
		if err := t.part(ctx, p); err != nil {
			return nil, err
		}
	}
	if err := t.foreign(ctx); err != nil {
		return nil, err
	}
	if t.asks {
		err = t.hits(ctx)
	}
	return s, err
}

// SchemaNow is the digest of the declared tables and foreign keys as they are at this moment:
// no row is read for it.
func SchemaNow(ctx context.Context, a Asker, c *config.Config, server *database.Server) (string, error) {
	t := &taker{asker: a, config: c, survey: &Survey{Server: *server, Parts: partsOf(c)}}
	for _, p := range t.survey.Parts {
		if err := t.part(ctx, p); err != nil {
			return "", err
		}
	}
	if err := t.foreign(ctx); err != nil {
		return "", err
	}
	d, err := DigestsOf(c, t.survey)
	return d.Schema, err
}

// taker takes a survey.
type taker struct {
	asker  Asker
	config *config.Config
	survey *Survey
	now    time.Time
	asks   bool // rows may be read: the replica, if it is one, is not behind
}

// part finds the tables of a part, and has the database work out what is declared of them.
func (t *taker) part(ctx context.Context, p *Part) error {
	if table := p.table(); table != nil {
		name, except := table.Spec()
		want, err := database.ParsePattern(name, except...)
		if p.Wrong, err = declared(err); err != nil || p.Wrong != nil {
			return err
		}
		list, err := t.asker.Tables(ctx, want)
		if err != nil {
			return err
		}
		p.Blind = list.Blind
		for _, l := range list.Tables {
			if err := t.table(ctx, p, l); err != nil {
				return err
			}
		}
	}
	if !t.asks {
		return nil
	}
	for _, sql := range t.queries(p) {
		_, err := t.rows(ctx, sql+" WHERE 1 = 0")
		if p.Wrong, err = declared(err); err != nil || p.Wrong != nil {
			return err
		}
	}
	return nil
}

// queries are those of a part, as they are read.
func (t *taker) queries(p *Part) (all []string) {
	if p.Handles != nil && p.Query != "" {
		all = append(all, "SELECT "+strings.Join(p.expressions().list(nil, t.survey.Server.Engine), ", ")+" FROM ("+p.Query+"\n) AS handles")
	}
	if p.What == gcop.Derived {
		all = append(all, "SELECT derived, source FROM ("+p.Query+"\n) AS derivations")
	}
	if p.Association != nil {
		for _, q := range p.Association.Lookup {
			all = append(all, "SELECT 1 FROM ("+q.SQL+"\n) AS looked")
		}
	}
	return all
}

// table describes a table, tries what is declared of it, and takes samples.
func (t *taker) table(ctx context.Context, p *Part, l database.Listed) error {
	table := &Table{Table: database.Table{Name: l.Name, View: l.View, Rows: -1}, Readable: l.Readable}
	p.Tables = append(p.Tables, table)
	described, err := t.asker.Describe(ctx, l.Name)
	if wrong, err := declared(err); err != nil || wrong != nil {
		table.Readable = false // it was listed, and nothing may be known of it
		return err
	}
	table.Table = *described
	es := p.expressions()
	table.Missing = es.missing(described, t.survey.Server.Engine)
	if !t.asks || described.RowSecurity || len(table.Missing) > 0 || !l.Readable && !t.readable(described, es) {
		return nil
	}
	table.Readable = true
	if err := t.count(ctx, table); err != nil {
		return err
	}
	if err := t.try(ctx, p, table, es); err != nil || table.Wrong != nil {
		return err
	}
	return t.unknown(ctx, p, table)
}

// countedRows is how many rows are counted of a table whose size the database does not tell,
// as PostgreSQL of those that were never analysed.
const countedRows = 100_000

// count counts them, as far as that is cheap.
func (t *taker) count(ctx context.Context, table *Table) error {
	if table.Rows >= 0 || table.View {
		return nil
	}
	engine := t.survey.Server.Engine
	rows, err := t.rows(ctx, fmt.Sprintf("SELECT COUNT(*) FROM (SELECT 1 AS one FROM %s.%s LIMIT %d) AS counted", database.Ident(engine, table.Schema), database.Ident(engine, table.Name.Table), countedRows+1))
	if wrong, err := declared(err); err != nil || wrong != nil {
		return err // it is for a person, no more
	}
	if len(rows) != 1 {
		return nil
	}
	if n, ok := number(rows[0].Values[0]); ok {
		table.Rows, table.AtLeast = min(n, countedRows), n > countedRows
	}
	return nil
}

// readable tells whether the user may read what is declared of a table, if not all of it.
func (t *taker) readable(table *database.Table, es expressions) bool {
	return len(table.Columns) > 0 && len(table.Unreadable) < len(table.Columns) && !slices.ContainsFunc(table.Unreadable, func(c string) bool { return es.names(c) })
}

// try has the database work out expressions, of no row, and shows three rows of an
// association: of the first few by key, so that a condition which nothing fulfils does
// not read all.
func (t *taker) try(ctx context.Context, p *Part, table *Table, es expressions) error {
	engine := t.survey.Server.Engine
	list, from := es.list(&table.Table, engine), database.Ident(engine, table.Schema)+"."+database.Ident(engine, table.Name.Table)
	_, err := t.rows(ctx, "SELECT "+strings.Join(list, ", ")+" FROM "+from+" WHERE 1 = 0")
	if table.Wrong, err = declared(err); err != nil || table.Wrong != nil || p.Association == nil {
		return err
	}
	sql := "SELECT " + strings.Join(es.shown(&table.Table, engine), ", ") + " FROM (SELECT * FROM " + from + order(&table.Table, engine) + " LIMIT 200) AS " + database.Ident(engine, table.Name.Table)
	if w := p.Association.Where; w != "" {
		sql += " WHERE (" + w + "\n)"
	}
	rows, err := t.rows(ctx, sql+" LIMIT 3")
	wrong, err := declared(err)
	if err != nil || wrong != nil {
		return err // it is a sample, no more; the scan itself reads the table as it is
	}
	for _, r := range rows {
		s := Sample{Object: p.object(&table.Table, r.Values)}
		for _, v := range r.Values[es.object():] {
			s.Values = append(s.Values, shown(v))
		}
		table.Samples = append(table.Samples, s)
	}
	return nil
}

// order sorts by the key, so that it is the key by which the first rows are found.
func order(t *database.Table, engine string) string {
	k := t.Key()
	if k == nil {
		return ""
	}
	var by []string
	for _, c := range k.Columns {
		by = append(by, database.Ident(engine, c))
	}
	return " ORDER BY " + strings.Join(by, ", ")
}

// longest is how many bytes of a value are shown.
const longest = 200

// shown is a value for a person.
func shown(v database.Value) string {
	s := v.String()
	if len(s) <= longest {
		return s
	}
	return strings.ToValidUTF8(s[:longest], "") + "…"
}

// collect takes the rows of a query.
type collect struct{ rows []database.Row }

func (c *collect) Begin(database.Snapshot) error {
	c.rows = nil
	return nil
}

func (c *collect) Rows(rows []database.Row) error {
	c.rows = append(c.rows, rows...)
	return nil
}

func (t *taker) rows(ctx context.Context, sql string) ([]database.Row, error) {
	var c collect
	err := t.asker.Read(ctx, &database.Source{Query: sql, Now: t.now}, database.Range{Rows: -1}, &c)
	return c.rows, err
}

// declared tells errors that are about what was declared, or about rights, from those of a
// database that does not answer.
func declared(err error) (wrong *cooper.Error, other error) {
	var e *cooper.Error
	if errors.As(err, &e) && slices.Contains([]cooper.Kind{cooper.KindUsage, cooper.KindDenied, cooper.KindMissing, cooper.KindInvalid, cooper.KindRefused}, e.Kind) {
		return e, nil
	}
	return nil, err
}

// foreign finds the foreign keys to handles.
func (t *taker) foreign(ctx context.Context) (err error) {
	var to, beside []database.Name
	for _, p := range t.survey.Parts {
		if p.What != gcop.Kind {
			continue
		}
		for _, table := range p.Tables {
			to = append(to, table.Name)
		}
		if p.Query == "" {
			continue
		}
		named, err := t.named(ctx, p.Query)
		if err != nil {
			return err
		}
		if len(named) == 1 {
			to = append(to, named[0])
		} else {
			beside = append(beside, named...)
		}
	}
	if t.survey.Foreign, err = t.keys(ctx, to); err != nil {
		return err
	}
	t.survey.Suspected, err = t.keys(ctx, slices.DeleteFunc(beside, func(n database.Name) bool { return slices.Contains(to, n) }))
	return err
}

func (t *taker) keys(ctx context.Context, to []database.Name) ([]database.ForeignKey, error) {
	if len(to) == 0 {
		return nil, nil
	}
	keys, err := t.asker.ForeignKeys(ctx, to)
	slices.SortFunc(keys, func(a, b database.ForeignKey) int {
		return cmp.Or(strings.Compare(a.Table.String(), b.Table.String()), slices.Compare(a.Columns, b.Columns), strings.Compare(a.Name, b.Name))
	})
	return keys, err
}

// named are the tables that a query has the names of.
func (t *taker) named(ctx context.Context, sql string) (names []database.Name, err error) {
	all, err := t.tables(ctx)
	if err != nil {
		return nil, err
	}
	in := wordsOf(sql)
	for _, l := range all {
		if in.has(l.Name.Table) {
			names = append(names, l.Name)
		}
	}
	return names, nil
}

func (t *taker) tables(ctx context.Context) ([]database.Listed, error) {
	every, err := database.ParsePattern("/.*/")
	if err != nil {
		return nil, err
	}
	list, err := t.asker.Tables(ctx, every)
	if err != nil {
		return nil, err
	}
	return list.Tables, nil
}
