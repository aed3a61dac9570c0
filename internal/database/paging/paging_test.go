package paging

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"cooper"
	"cooper/internal/database"
)

var ctx = context.Background()

// fake is a server with one table, whose key and values are the numbers 0 … rows-1; it
// tells what was asked of it.
type fake struct {
	rows   int
	loads  func(n int) database.Load // the n-th answer
	asked  int
	log    []string
	errs   []error // of the statements to come
	passes bool
}

func (f *fake) Open(context.Context) (Session, error) { return f, nil }
func (f *fake) From(t *database.Table, _ *database.Key) string {
	return t.Table
}
func (f *fake) Columns(*database.Table, *database.Key) ([]Column, error) {
	return []Column{{Name: "k", Order: "k", Bound: "k", Literal: func(b []byte) (string, error) { return string(b), nil }}}, nil
}
func (f *fake) Tuples() bool                        { return false }
func (f *fake) Syntax() Syntax                      { return Syntax{} }
func (f *fake) Passes(error) bool                   { return f.passes }
func (f *fake) Failed(what string, err error) error { return fmt.Errorf("%s: %w", what, err) }

func (f *fake) Begin(context.Context, bool) (database.Snapshot, error) {
	f.log = append(f.log, "begin")
	return database.Snapshot{}, nil
}
func (f *fake) End(context.Context) { f.log = append(f.log, "end") }
func (f *fake) Broken() bool        { return false }
func (f *fake) Close() error        { return nil }

func (f *fake) Load(context.Context) (database.Load, error) {
	f.asked++
	return f.loads(f.asked), nil
}

func (f *fake) Stream(_ context.Context, sql string, row func([]database.Value) error) error {
	if len(f.errs) > 0 {
		err := f.errs[0]
		if f.errs = f.errs[1:]; err != nil {
			return err
		}
	}
	from, n := 0, f.rows
	if _, after, ok := strings.Cut(sql, "k > "); ok {
		if _, err := fmt.Sscanf(after, "%d", &from); err != nil {
			return err
		}
		from++
	}
	if _, limit, ok := strings.Cut(sql, "LIMIT "); ok {
		if _, err := fmt.Sscanf(limit, "%d", &n); err != nil {
			return err
		}
	}
	for i := from; i < min(f.rows, from+n); i++ {
		b := []byte(strconv.Itoa(i))
		if err := row([]database.Value{{Class: database.Integer, Data: b}, {Class: database.Integer, Data: b}}); err != nil {
			return err
		}
	}
	return nil
}

type counted struct{ begins, rows int }

func (c *counted) Begin(database.Snapshot) error  { c.begins, c.rows = c.begins+1, 0; return nil }
func (c *counted) Rows(rows []database.Row) error { c.rows += len(rows); return nil }

var source = &database.Source{Table: &database.Table{Name: database.Name{Table: "t"}, Keys: []database.Key{{Columns: []string{"k"}}}}, Columns: []string{"k"}}

// reader reads with a clock that runs a second at each look.
func reader(f *fake, l database.Limits) (*Reader, *[]string) {
	now := time.Unix(0, 0)
	return New(f, database.Options{
		Limits: l, Now: func() time.Time { now = now.Add(time.Second); return now },
		Wait: func(context.Context, time.Duration) error { f.log = append(f.log, "wait"); return nil },
	}.WithDefaults()), &f.log
}

// TestPauses: the server is left alone while it is busy, until it has less than half
// to do; not for long within a transaction.
func TestPauses(t *testing.T) {
	key := database.Range{Key: []string{"k"}}
	for name, c := range map[string]struct {
		running []int // one look after another, then 0
		want    string
		begins  int
	}{
		"calm":              {[]int{20, 20, 20}, "begin end", 1},
		"before":            {[]int{21, 20, 11, 10, 9}, "wait wait wait wait begin end", 1},
		"within":            {[]int{0, 21, 20, 10, 9}, "begin wait wait wait end", 1},
		"within, for long":  {append([]int{0}, slices.Repeat([]int{21}, 35)...), "begin" + strings.Repeat(" wait", 30) + " end" + strings.Repeat(" wait", 4) + " begin end", 2},
		"a replica, behind": {[]int{-31, -20, -14}, "wait wait begin end", 1},
	} {
		f := &fake{rows: 10}
		f.loads = func(n int) (l database.Load) {
			if n <= len(c.running) {
				l.Running = c.running[n-1]
			}
			if l.Running < 0 {
				l = database.Load{Lag: time.Duration(-l.Running) * time.Second}
			}
			return l
		}
		r, log := reader(f, database.Limits{PageRows: 4, RowsPerSecond: 1e9})
		k := &counted{}
		if err := r.Read(ctx, source, key, k); err != nil || k.rows != 10 || k.begins != c.begins {
			t.Errorf("%s: %v, %+v", name, err, k)
		}
		if got := strings.Join(*log, " "); got != c.want {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// TestLag: what was read from a replica that is too far behind, or has stopped, does
// not count.
func TestLag(t *testing.T) {
	for lag, want := range map[time.Duration]string{0: "", 29 * time.Second: "", 6 * time.Minute: "is 6m0s behind", -1: "has stopped"} {
		f := &fake{rows: 3}
		f.loads = func(n int) database.Load {
			if n == 1 {
				return database.Load{Replica: database.IsReplica}
			}
			return database.Load{Replica: database.IsReplica, Lag: lag}
		}
		r, _ := reader(f, database.Limits{})
		err := r.Read(ctx, source, database.Range{}, &counted{})
		if (err == nil) != (want == "") || err != nil && (cooper.KindOf(err) != cooper.KindRefused || !strings.Contains(err.Error(), want)) {
			t.Errorf("%v: %v", lag, err)
		}
	}
}

// TestErrors: those that pass are tried again, with the range from its beginning, and
// not for ever; others are not.
func TestErrors(t *testing.T) {
	bad := errors.New("bad")
	for name, c := range map[string]struct {
		errs   []error
		passes bool
		begins int
		ends   string
	}{
		"none":                {nil, true, 1, ""},
		"two that pass":       {[]error{bad, nil, bad}, true, 3, ""},
		"too many":            {slices.Repeat([]error{bad}, 9), true, 6, "t cannot be read, tried 6 times: bad"},
		"one that lasts":      {[]error{nil, bad}, false, 1, "t cannot be read: bad"},
		"on the second page":  {[]error{nil, bad}, true, 2, ""},
		"busy, again, anyway": {slices.Repeat([]error{errBusy}, 20), true, 21, ""},
	} {
		f := &fake{rows: 10, errs: c.errs, passes: c.passes, loads: func(int) database.Load { return database.Load{} }}
		r, _ := reader(f, database.Limits{PageRows: 4, RowsPerSecond: 1e9})
		k := &counted{}
		err := r.Read(ctx, source, database.Range{Key: []string{"k"}}, k)
		if fmt.Sprint(err) != c.ends && (err != nil || c.ends != "" || k.rows != 10) || k.begins != c.begins {
			t.Errorf("%s: %v, %+v", name, err, k)
		}
	}
}

func TestSizes(t *testing.T) {
	s := newSize(database.Limits{Page: 2 * time.Second, PageRows: 10_000, PageBytes: 1 << 20})
	for i, c := range []struct {
		bytes int
		took  time.Duration
		want  int
	}{
		{2000, time.Millisecond, 4000}, {4000, time.Millisecond, 8000}, {8000, time.Millisecond, 10_000}, {10_000, 4 * time.Second, 5000}, {5000, 2 * time.Second, 5000},
		{5000, 1100 * time.Millisecond, 9090}, {100 << 20, time.Millisecond, 90}, {90 << 20, time.Hour, 1}, {1, time.Millisecond, 2}, {0, time.Hour, 1},
	} {
		if s.learn(s.rows, c.bytes, c.took); s.rows != c.want {
			t.Errorf("%d: %d rows, not %d", i, s.rows, c.want)
		}
	}
}

func TestPace(t *testing.T) {
	p, at := pace{rate: 1000}, time.Unix(100, 0)
	for i, c := range []struct {
		after time.Duration
		rows  int
		want  time.Duration
	}{{0, 500, 500 * time.Millisecond}, {0, 500, time.Second}, {time.Second, 100, 100 * time.Millisecond}, {time.Hour, 2000, 2 * time.Second}} {
		at = at.Add(c.after)
		if d := p.after(at, c.rows); d != c.want {
			t.Errorf("%d: %v", i, d)
		}
	}
}

func TestBind(t *testing.T) {
	now := func(time.Time) string { return "NOW" }
	maria, postgres := Syntax{Backslash: true, Hash: true, Backtick: true, Now: now}, Syntax{Dollar: true, Nested: true, Now: now}
	for _, c := range []struct{ sql, maria, postgres string }{ // empty: refused
		{"a > :now", "a > NOW", "a > NOW"},
		{":now - :nowhere", "NOW - :nowhere", "NOW - :nowhere"},
		{"':now' || \":now\" || a", "':now' || \":now\" || a", "':now' || \":now\" || a"},
		{"a::now", "a::now", "a::now"},
		{"a::text = :now::text", "a::text = NOW::text", "a::text = NOW::text"},
		{`'\' = :now`, "", `'\' = NOW`},
		{`'\'' = :now`, `'\'' = NOW`, ""},
		{`E'\'' = :now`, `E'\'' = NOW`, `E'\'' = NOW`},
		{`'it''s :now'`, `'it''s :now'`, `'it''s :now'`},
		{"`:now(` = :now", "`:now(` = NOW", ""},
		{"$$ :now ( ' $$ = :now", "", "$$ :now ( ' $$ = NOW"},
		{"$a$ $b$ :now $a$ = :now", "$a$ $b$ NOW $a$ = NOW", "$a$ $b$ :now $a$ = NOW"},
		{"$1 = :now", "$1 = NOW", "$1 = NOW"},
		{"a -- :now (\n = :now", "a -- :now (\n = NOW", "a -- :now (\n = NOW"},
		{"a --:now", "a --NOW", "a --:now"},
		{"a # :now (", "a # :now (", ""},
		{"a /* :now ( */ = :now", "a /* :now ( */ = NOW", "a /* :now ( */ = NOW"},
		{"a /* /* */ :now */", "a /* /* */ NOW */", "a /* /* */ :now */"},
		{"a /*! ) */", "", "a /*! ) */"},
		{"f(a[1], (b))", "f(a[1], (b))", "f(a[1], (b))"},
		{"a) OR (b", "", ""}, {"(a", "", ""}, {"(a]", "", ""}, {"a; b", "", ""}, {"'a", "", ""}, {"/* a", "", ""}, {"';'", "';'", "';'"},
	} {
		for i, s := range []Syntax{maria, postgres} {
			got, err := s.Bind(c.sql, time.Unix(1, 0))
			if want := []string{c.maria, c.postgres}[i]; got != want || (err == nil) != (want != "") {
				t.Errorf("%q in %d: %q, %v", c.sql, i, got, err)
			}
		}
	}
	if _, err := maria.Bind(":now", time.Time{}); cooper.KindOf(err) != cooper.KindUsage {
		t.Errorf("%v", err)
	}
}

func TestCompare(t *testing.T) {
	literal := func(b []byte) (string, error) { return string(b), nil }
	key := []Column{{Order: "a", Literal: literal}, {Order: "b", Literal: literal}, {Order: "c", Literal: literal}}
	bound := database.Bound{[]byte("1"), []byte("2"), []byte("3")}
	for tuples, want := range map[bool]string{true: "(a, b, c) <= (1, 2, 3)", false: "a < 1 OR (a = 1 AND (b < 2 OR (b = 2 AND (c <= 3))))"} {
		if got, err := compare(key, bound, "<", "<=", tuples); got != want || err != nil {
			t.Errorf("%s, %v", got, err)
		}
	}
	if _, err := compare(key, bound[:2], "<", "<=", true); cooper.KindOf(err) != cooper.KindInvalid {
		t.Errorf("%v", err)
	}
}
