package paging

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"cooper"
	"cooper/internal/database"
)

// reading is one attempt at a range.
type reading struct {
	r       *Reader
	session Session
	source  *database.Source
	sink    database.Sink
	handing *handing
	list    string   // of what is selected, the condition aside
	key     []Column // none: one statement for all
	shared  []int    // for each column of the source, which of the key it is; -1 for none
	values  []database.Value
	from    string
	where   string
	query   string
	to      database.Bound
	size    size
	batch   batch
	given   int // rows that the sink has
}

// Read implements database.Database.
func (r *Reader) Read(ctx context.Context, s *database.Source, rng database.Range, sink database.Sink) error {
	p, err := r.plan(s, rng)
	if err != nil {
		return err
	}
	if err := r.calm(ctx); err != nil {
		return err
	}
	return r.Do(ctx, s.String()+" cannot be read", func(ctx context.Context, session Session) error {
		again := *p
		again.session, again.sink = session, sink
		return again.all(ctx, rng.After)
	})
}

// plan writes what does not change between attempts.
func (r *Reader) plan(s *database.Source, rng database.Range) (p *reading, err error) {
	p = &reading{r: r, source: s, to: rng.To, size: newSize(r.opts.Limits)}
	bind := func(sql string) string {
		var out string
		if err == nil {
			out, err = r.engine.Syntax().Bind(sql, s.Now)
		}
		return out
	}
	columns := make([]string, len(s.Columns))
	for i, c := range s.Columns {
		columns[i] = closed(bind(c))
	}
	query, where := bind(s.Query), bind(s.Where)
	switch {
	case err != nil:
		return nil, err
	case s.Table == nil:
		p.list, p.from, p.where, p.query = strings.Join(columns, ", "), paren(query)+" AS q", where, query
		return p, nil
	case len(columns) == 0:
		return nil, &cooper.Error{Kind: cooper.KindInternal, Message: "nothing of " + s.String() + " is to be read"}
	}
	k, err := keyOf(s.Table, rng.Key)
	if err != nil {
		return nil, err
	}
	p.from, p.where = r.engine.From(s.Table, k), where
	if k == nil {
		p.list = strings.Join(columns, ", ")
		return p, nil
	}
	if p.key, err = r.engine.Columns(s.Table, k); err != nil {
		return nil, err
	}
	p.choose(k, columns)
	return p, nil
}

// choose lists what is selected: the key, with what its bounds are made of, then the
// source's columns that are not in it, and whether a row is wanted.
func (p *reading) choose(k *database.Key, columns []string) {
	var list []string
	for _, c := range p.key {
		list = append(list, c.Name)
		if c.Bound != c.Name {
			list = append(list, c.Bound)
		}
	}
	for i, c := range columns {
		shared := slices.IndexFunc(p.key, func(of Column) bool { return c == of.Name })
		if shared < 0 && c == strings.ToLower(c) {
			shared = slices.Index(k.Columns, c)
		}
		p.shared = append(p.shared, shared)
		switch {
		case shared >= 0:
		case p.where != "":
			// Rows that are not wanted are passed over, and not looked for: a page ends
			// after so many rows either way.
			list = append(list, "CASE WHEN "+paren(p.where)+" THEN "+columns[i]+" END")
		default:
			list = append(list, columns[i])
		}
	}
	if p.where != "" {
		list = append(list, "CASE WHEN "+paren(p.where)+" THEN 1 ELSE 0 END")
	}
	p.list = strings.Join(list, ", ")
	p.values = make([]database.Value, len(columns))
}

// paren encloses a condition.
func paren(sql string) string { return "(" + closed(sql) + ")" }

// closed ends a comment that SQL may end with.
func closed(sql string) string {
	if strings.Contains(sql, "--") || strings.Contains(sql, "#") {
		sql += "\n"
	}
	return sql
}

// keyOf finds the key of a range in a table: the one it was cut by.
func keyOf(t *database.Table, columns []string) (*database.Key, error) {
	if len(columns) == 0 {
		return nil, nil
	}
	for i := range t.Keys {
		if k := &t.Keys[i]; k.Unusable == "" && slices.Equal(k.Columns, columns) {
			return k, nil
		}
	}
	return nil, &cooper.Error{Kind: cooper.KindRefused, Where: t.String(), Message: "the key " + strings.Join(columns, ", ") + " that it was to be read by is gone",
		Remedy: "Scan anew: the table has changed since the scan was planned."}
}

// all reads the range in one snapshot.
func (p *reading) all(ctx context.Context, after database.Bound) error {
	began, err := p.session.Begin(ctx, p.key == nil)
	if err != nil {
		return err
	}
	defer p.session.End(ctx)
	if err := p.sink.Begin(began); err != nil {
		return ownError{err}
	}
	p.handing = handTo(p.sink)
	if p.key == nil {
		err = p.stream(ctx)
	} else {
		err = p.pages(ctx, after)
	}
	if own := p.handing.end(); own != nil {
		return ownError{own}
	}
	if err != nil {
		return err
	}
	return p.r.lagged(ctx, p.session)
}

// stream reads all in one statement.
func (p *reading) stream(ctx context.Context) error {
	list := p.list
	if list == "" {
		list = "*"
	}
	sql := "SELECT " + list + " FROM " + p.from
	if p.list == "" && p.where == "" && p.source.Limit == 0 {
		sql = p.query // names of its columns need not differ
	}
	if p.where != "" {
		sql += " WHERE " + paren(p.where)
	}
	if p.source.Limit > 0 {
		sql += " LIMIT " + strconv.Itoa(p.source.Limit)
	}
	err := p.session.Stream(ctx, sql, func(v []database.Value) error {
		p.batch.add(nil, v, nil)
		return p.flush(ctx, false)
	})
	if err != nil {
		return err
	}
	return p.flush(ctx, true)
}

// pages reads page after page.
func (p *reading) pages(ctx context.Context, after database.Bound) error {
	looked := p.r.opts.Now()
	for {
		began, waited := p.r.opts.Now(), p.batch.waited
		n := p.size.rows
		last, read, bytes, err := p.page(ctx, after, n)
		if err != nil {
			return err
		}
		if read < n || p.enough() {
			return p.flush(ctx, true)
		}
		if again(after, last) {
			return stuck(p.source)
		}
		after = last
		now := p.r.opts.Now()
		p.size.learn(read, bytes, now.Sub(began)-(p.batch.waited-waited))
		if now.Sub(looked) < between {
			continue
		}
		if err := p.r.breathe(ctx, p.session); err != nil {
			return err
		}
		looked = p.r.opts.Now()
	}
}

func (p *reading) enough() bool {
	return p.source.Limit > 0 && p.given+len(p.batch.rows) >= p.source.Limit
}

// page reads n rows of the table at most. last is the key of the last, whether it
// was wanted or not.
func (p *reading) page(ctx context.Context, after database.Bound, n int) (last database.Bound, read, bytes int, err error) {
	conditions, err := p.r.within(p.key, after, p.to)
	if err != nil {
		return nil, 0, 0, ownError{err}
	}
	sql := "SELECT " + p.list + " FROM " + p.from + conditions + orderBy(p.key, "") + " LIMIT " + strconv.Itoa(n)
	key := make([]database.Value, len(p.key))
	last = make(database.Bound, len(p.key))
	err = p.session.Stream(ctx, sql, func(v []database.Value) error {
		read++
		for i, c := range p.key {
			key[i] = v[0]
			if c.Bound != c.Name {
				v = v[1:]
			}
			last[i] = append(last[i][:0], v[0].Data...)
			bytes += len(v[0].Data)
			v = v[1:]
		}
		if p.where != "" {
			wanted := string(v[len(v)-1].Data) == "1"
			if v = v[:len(v)-1]; !wanted {
				return p.passed(ctx)
			}
		}
		if p.enough() {
			return nil
		}
		for i, shared := range p.shared {
			if shared >= 0 {
				p.values[i] = key[shared]
				continue
			}
			p.values[i], v = v[0], v[1:]
		}
		bytes += p.batch.add(key, p.values, p.shared)
		return p.flush(ctx, false)
	})
	return last, read, bytes, err
}

// passed counts a row that was read and not wanted.
func (p *reading) passed(ctx context.Context) error {
	p.batch.passed++
	return p.flush(ctx, false)
}

// flush gives the batch to the sink, once it is large enough or the last, and keeps
// the pace.
func (p *reading) flush(ctx context.Context, last bool) error {
	b := &p.batch
	if !last && len(b.rows)+b.passed < batchRows && b.bytes < batchBytes {
		return nil
	}
	began := p.r.opts.Now()
	count := len(b.rows) + b.passed
	if rows := b.take(); len(rows) > 0 {
		p.given += len(rows)
		if err := p.handing.give(rows); err != nil {
			return ownError{err}
		}
	}
	if d := p.r.pace.after(p.r.opts.Now(), count); d > pause {
		if err := p.r.opts.Wait(ctx, d); err != nil {
			return err
		}
	}
	b.waited += p.r.opts.Now().Sub(began)
	return nil
}

// pause is the shortest that is worth it.
const pause = 50 * time.Millisecond
