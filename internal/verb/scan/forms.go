package scan

import (
	"context"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"cooper"
	"cooper/internal/config"
	"cooper/internal/database"
	"cooper/internal/handleid"
	"cooper/internal/unpack"
)

// forms unpack the values of an association: a form, or several with commands between them.
type forms struct {
	s      *Scan
	stages []stage
	kind   unpack.Kind
	a      *config.Association
	// lookups are the values of its queries.
	lookups map[string][]any
	failed  int // runs of commands that came to nothing
}

// stage is a form, and the command that its values are given to; nil for the last.
type stage struct {
	form    *unpack.Form
	command []string
	// binary: what the command is given was unpacked before, and is no longer a column's text.
	binary bool
}

// compile makes the forms of an association, with the values of its queries as they are now.
func (s *Scan) compile(ctx context.Context, a *config.Association, ids handleid.Type) (*forms, error) {
	f := &forms{s: s, a: a, lookups: map[string][]any{}}
	options := unpack.Options{Limits: unpack.Limits{Unpacked: s.opt.Config.Limits.Unpacked}, Hosts: s.hosts, Lookups: f.lookups}
	for _, q := range a.Lookup {
		rows, err := s.lookup(ctx, q.SQL)
		if err != nil {
			return nil, err
		}
		f.lookups[q.Name] = rows
	}
	var err error
	if f.stages, f.kind, err = stagesOf(a, ids, &options); err != nil {
		return nil, a.Fault("as", "cannot be read: "+err.Error(), "Change it, and see with: cooper gc check")
	}
	if a.Addresses() {
		f.kind = unpack.Address
	}
	return f, nil
}

// Understood calls f with each association whose forms cannot be read, without asking the
// database for anything: lookups have no values, and ids are of any type. Its error is of
// the addresses that are declared.
func Understood(c *config.Config, f func(a *config.Association, err error)) error {
	hosts, _, err := hostsOf(c)
	if err != nil {
		return err
	}
	for _, a := range c.Associations {
		if !a.Unpack.Given() {
			continue
		}
		options := unpack.Options{Hosts: hosts, Lookups: map[string][]any{}}
		for _, q := range a.Lookup {
			options.Lookups[q.Name] = []any{}
		}
		if _, _, err := stagesOf(a, handleid.Any, &options); err != nil {
			f(a, err)
		}
	}
	return nil
}

// stagesOf takes the forms of an association apart, at each command: between commands there
// are bytes, and what the last form gives are values of a kind.
func stagesOf(a *config.Association, ids handleid.Type, options *unpack.Options) (stages []stage, kind unpack.Kind, err error) {
	u := &a.Unpack
	spec := unpack.Spec{Kind: unpack.Key}
	if u.Find != nil {
		spec.Find = u.Find.String()
	}
	add := func(command []string, binary bool) error {
		form, err := unpack.Compile(spec, *options)
		stages = append(stages, stage{form, command, binary})
		spec = unpack.Spec{Kind: unpack.Key}
		return err
	}
	for _, step := range u.As {
		if step.Name == "exec" {
			if err := add(step.Args, len(spec.As) > 0 || a.Holds == config.Fetched); err != nil {
				return nil, kind, err
			}
			continue
		}
		spec.As = append(spec.As, strings.Join(append([]string{step.Name}, step.Args...), " "))
		if step.Name == "json" || step.Name == "xml" || step.Name == "php" {
			spec.At = u.At
		}
	}
	spec.Kind, spec.ID = unpack.ID, ids
	if a.Holds == config.Key {
		spec.Kind = unpack.Key
	}
	if u.Split != nil {
		spec.Split = u.Split.String()
	}
	if u.Match != nil {
		spec.Match = u.Match.String()
	}
	kind = spec.Kind
	err = add(nil, false) // it adds to stages
	return stages, kind, err
}

// lookup reads the rows of a query: texts, whole numbers, and nil.
func (s *Scan) lookup(ctx context.Context, sql string) ([]any, error) {
	all := &lookupRows{}
	err := s.opt.Database.Read(ctx, &database.Source{Query: sql, Now: s.opt.Scanning.Time.Time()}, database.Range{}, all)
	return all.rows, err
}

// stale tells whether queries give values now that they did not give before: they may stand
// in rows that were read since, and were passed by.
func (f *forms) stale(ctx context.Context) (bool, error) {
	for _, q := range f.a.Lookup {
		had := map[string]bool{}
		for _, v := range f.lookups[q.Name] {
			had[fmt.Sprint(v)] = true
		}
		rows, err := f.s.lookup(ctx, q.SQL)
		if err != nil {
			return false, err
		}
		for _, v := range rows {
			if !had[fmt.Sprint(v)] {
				return true, nil
			}
		}
	}
	return false, nil
}

// lookupRows takes the values of a query with one column.
type lookupRows struct{ rows []any }

func (l *lookupRows) Begin(database.Snapshot) error {
	l.rows = []any{}
	return nil
}

func (l *lookupRows) Rows(rows []database.Row) error {
	for i := range rows {
		if len(rows[i].Values) != 1 {
			return &cooper.Error{Kind: cooper.KindUsage, Message: "a lookup gives " + strconv.Itoa(len(rows[i].Values)) + " columns", Remedy: "Have it give one: its rows are the values."}
		}
		v := &rows[i].Values[0]
		switch {
		case v.Class == database.Null:
			l.rows = append(l.rows, nil)
		case v.Class == database.Integer:
			if n, err := strconv.Atoi(string(v.Data)); err == nil {
				l.rows = append(l.rows, n)
			} else if n, ok := new(big.Int).SetString(string(v.Data), 10); ok {
				l.rows = append(l.rows, n)
			}
		default:
			l.rows = append(l.rows, string(v.Data))
		}
	}
	return nil
}

// runs tells whether commands take part.
func (f *forms) runs() bool { return len(f.stages) > 1 }

// read unpacks values, as many as results.
func (f *forms) read(ctx context.Context, values []any, known *unpack.Known) ([]unpack.Result, error) {
	results := make([]unpack.Result, len(values))
	for n := range f.stages {
		last := n == len(f.stages)-1
		ask := known
		if !last {
			ask = nil
		}
		for i, v := range values {
			before := results[i].Malformed
			res, err := f.stages[n].form.Read(ctx, v, ask)
			if err != nil {
				return nil, err
			}
			results[i] = res
			if before != "" { // what is broken remains so; the rest of it counts
				results[i].Malformed, results[i].Silent = before, false
			}
		}
		if last {
			break
		}
		var err error
		if values, err = f.run(ctx, &f.stages[n], values, results); err != nil {
			return nil, err
		}
	}
	return results, nil
}

// ofBytes tells whether a value of a column is bytes.
func ofBytes(v any) bool {
	switch v := v.(type) {
	case []byte:
		return true
	case []any:
		return slices.ContainsFunc(v, ofBytes)
	}
	return false
}
