package paging

import (
	"bytes"
	"context"
	"slices"
	"strconv"
	"strings"

	"cooper"
	"cooper/internal/database"
)

// stride is how many rows of the index one statement counts.
const stride = 50_000

// Ranges implements database.Database: it walks along the key's index. The bounds
// come from the server, and are exact for when it came by.
func (r *Reader) Ranges(ctx context.Context, s *database.Source, rows int64) ([]database.Range, error) {
	var k *database.Key
	if s.Table != nil {
		k = s.Table.Key()
	}
	if k == nil {
		return []database.Range{{Rows: -1}}, nil
	}
	key, err := r.engine.Columns(s.Table, k)
	if err != nil {
		return nil, err
	}
	from := r.engine.From(s.Table, k)
	ranges := []database.Range{{Key: k.Columns}}
	var at database.Bound
	for rows = max(rows, 1); ; {
		last := &ranges[len(ranges)-1]
		next, n, err := r.stride(ctx, s.Table, from, key, at, min(rows-last.Rows, stride))
		if err != nil {
			return nil, err
		}
		if n == 0 {
			break
		}
		if again(at, next) {
			return nil, stuck(s)
		}
		if at, last.Rows = next, last.Rows+n; last.Rows >= rows {
			last.To = at
			ranges = append(ranges, database.Range{Key: k.Columns, After: at})
		}
	}
	// What came last has no end, so that rows to come lie in it; one that would be
	// empty is not made.
	if n := len(ranges); n > 1 && ranges[n-1].Rows == 0 {
		ranges = ranges[:n-1]
		ranges[n-2].To = nil
	}
	return ranges, nil
}

// again tells whether a bound comes behind itself: what the server gave is not what it was
// given back. No rows would be missed by it, but it would never end.
func again(a, b database.Bound) bool { return a != nil && slices.EqualFunc(a, b, bytes.Equal) }

func stuck(s *database.Source) error {
	return &cooper.Error{Kind: cooper.KindInternal, Where: s.String(), Message: "its key does not come back as it went: the same row comes again and again"}
}

// stride finds the key of the last of the n rows behind a bound, or of the last
// that there are.
func (r *Reader) stride(ctx context.Context, t *database.Table, from string, key []Column, after database.Bound, n int64) (last database.Bound, count int64, err error) {
	conditions, err := r.within(key, after, nil)
	if err != nil {
		return nil, 0, err
	}
	var inner, outer []string
	for i, c := range key {
		inner = append(inner, c.Order+" AS o"+strconv.Itoa(i), c.Bound+" AS b"+strconv.Itoa(i))
		outer = append(outer, "b"+strconv.Itoa(i))
	}
	down := make([]Column, len(key))
	for i := range key {
		down[i].Order = "o" + strconv.Itoa(i)
	}
	sql := "SELECT " + strings.Join(outer, ", ") + ", COUNT(*) OVER () AS n FROM (SELECT " + strings.Join(inner, ", ") + " FROM " + from + conditions + orderBy(key, "") +
		" LIMIT " + strconv.FormatInt(n, 10) + ") AS p" + orderBy(down, " DESC") + " LIMIT 1"
	err = r.Do(ctx, t.String()+" cannot be cut into ranges", func(ctx context.Context, s Session) error {
		if _, err := s.Begin(ctx, false); err != nil {
			return err
		}
		defer s.End(ctx)
		last, count = nil, 0
		err := s.Stream(ctx, sql, func(v []database.Value) (err error) {
			for _, b := range v[:len(key)] {
				last = append(last, append([]byte{}, b.Data...))
			}
			count, err = strconv.ParseInt(string(v[len(key)].Data), 10, 64)
			return err
		})
		if err != nil || count == 0 {
			return err
		}
		return r.breathe(ctx, s)
	})
	if err == nil {
		if d := r.pace.after(r.opts.Now(), int(count)); d > pause {
			err = r.opts.Wait(ctx, d)
		}
	}
	return last, count, err
}

func orderBy(key []Column, direction string) string {
	var order []string
	for _, c := range key {
		order = append(order, c.Order+direction)
	}
	return " ORDER BY " + strings.Join(order, ", ")
}

// within writes WHERE with both bounds of a range; nothing if there are none.
func (r *Reader) within(key []Column, after, to database.Bound) (string, error) {
	var conditions []string
	for _, b := range []struct {
		bound            database.Bound
		strict, last, in string
	}{{after, ">", ">", ">="}, {to, "<", "<=", "<="}} {
		if b.bound == nil {
			continue
		}
		c, err := compare(key, b.bound, b.strict, b.last, r.engine.Tuples())
		if err != nil {
			return "", err
		}
		conditions = append(conditions, "("+c+")")
	}
	if conditions == nil {
		return "", nil
	}
	return " WHERE " + strings.Join(conditions, " AND "), nil
}
