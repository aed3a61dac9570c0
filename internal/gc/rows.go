package gc

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"cooper/internal/config"
	"cooper/internal/database"
)

// How far rows of handles are looked at, from either end of the table, and how many values of
// a column are told apart.
const (
	talliedRows   = 100_000
	talliedValues = 200
	namedValues   = 12
)

// tally is how often a column has which value among rows that were looked at.
type tally struct {
	values []tallied
	whole  bool // all rows were looked at, and all values told
}

// tallied is a value, with how many rows have it: those that name an object, and others.
type tallied struct {
	text       string
	null       bool
	full, bare int64
}

// tally looks at rows of a table of handles. Full is a condition: the row names an object.
func (t *taker) tally(ctx context.Context, table *database.Table, column, full string) (*tally, error) {
	engine := t.survey.Server.Engine
	l := &tally{}
	for _, direction := range []string{"", " DESC"} {
		by := order(table, engine)
		if by != "" {
			by = strings.ReplaceAll(by, ", ", direction+", ") + direction
		}
		rows, err := t.rows(ctx, fmt.Sprintf("SELECT looked.v, looked.f, COUNT(*) FROM (SELECT %s AS v, CASE WHEN %s THEN 1 ELSE 0 END AS f FROM %s.%s%s LIMIT %d) AS looked GROUP BY looked.v, looked.f ORDER BY 3 DESC, 1, 2 LIMIT %d",
			database.Ident(engine, column), full, database.Ident(engine, table.Schema), database.Ident(engine, table.Name.Table), by, talliedRows, talliedValues+1))
		wrong, err := declared(err)
		if err != nil || wrong != nil {
			return &tally{}, err // nothing is proposed of what cannot be looked at
		}
		var seen int64
		for _, r := range rows {
			n, ok := number(r.Values[2])
			if !ok {
				return &tally{}, nil
			}
			seen += n
			l.add(r.Values[0], string(r.Values[1].Data) == "1", n)
		}
		if len(rows) > talliedValues {
			return l, nil
		}
		if seen < talliedRows {
			l.whole = true
			break
		}
		if by == "" {
			break // without a key one end is as good as the other
		}
	}
	slices.SortStableFunc(l.values, func(a, b tallied) int { return cmp.Compare(b.full+b.bare, a.full+a.bare) })
	return l, nil
}

func number(v database.Value) (n int64, ok bool) {
	_, err := fmt.Sscan(string(v.Data), &n)
	return n, err == nil
}

func (l *tally) add(v database.Value, full bool, n int64) {
	null := v.Class == database.Null
	i := slices.IndexFunc(l.values, func(x tallied) bool { return x.text == string(v.Data) && x.null == null })
	if i < 0 {
		i = len(l.values)
		l.values = append(l.values, tallied{text: string(v.Data), null: null})
	}
	if full {
		l.values[i].full += n
	} else {
		l.values[i].bare += n
	}
}

// told is the values for a person.
func (l *tally) told() string {
	var texts []string
	for i := range l.values {
		if i == namedValues {
			texts = append(texts, "…")
			break
		}
		v := &l.values[i]
		name := cmp.Or(v.text, "''")
		if v.null {
			name = "NULL"
		}
		texts = append(texts, fmt.Sprintf("%s (%d)", shown(database.Value{Class: database.Text, Data: []byte(name)}), v.full+v.bare))
	}
	return strings.Join(texts, ", ")
}

// elsewhere are in values that say that a row is no object of S3, and ours in those that say
// that it is one.
var (
	elsewhere = regexp.MustCompile(`(?i)external|google|gcs|gcp|azure|local|disk|proxy|http|url|link|inline|database|ftp|test`)
	ours      = regexp.MustCompile(`(?i)s3|amazon|aws|minio|ceph|bucket|object`)
)

// divided tells which values stand for rows that name an object. It is sure if all rows were
// looked at, and no value stands for rows of either sort.
func (l *tally) divided() (objects []string, sure bool) {
	sure = l.whole
	bare := false
	for _, v := range l.values {
		switch {
		case v.full > 0 && (v.bare > 0 || v.null):
			sure = false
		case v.full > 0 && !elsewhere.MatchString(v.text):
			objects = append(objects, v.text)
		case v.bare > 0:
			bare = true
		}
	}
	slices.Sort(objects)
	return objects, sure && bare && len(objects) > 0 && len(l.values) <= namedValues
}

// stored are values that say by their words that rows are objects of S3, where others are not.
func (l *tally) stored() (objects []string) {
	for _, v := range l.values {
		if !v.null && ours.MatchString(v.text) && !elsewhere.MatchString(v.text) {
			objects = append(objects, v.text)
		}
	}
	if len(l.values) > namedValues || len(objects) == len(l.values) {
		return nil
	}
	slices.Sort(objects)
	return objects
}

// condition is that a column has one of some values.
func condition(engine, column string, values []string) string {
	var texts []string
	for _, v := range values {
		texts = append(texts, quoted(engine, v))
	}
	if len(texts) == 1 {
		return column + " = " + texts[0]
	}
	return column + " IN (" + strings.Join(texts, ", ") + ")"
}

// quoted is a text for a person to read, in SQL.
func quoted(engine, s string) string {
	if database.Folds(engine) && engine != database.SQLite {
		s = strings.ReplaceAll(s, `\`, `\\`)
	}
	return "'" + strings.ReplaceAll(s, "'", "''") + "'"
}

// available are words for a file that is there.
var available = []string{"available", "active", "ok", "ready", "live", "complete", "completed", "uploaded", "stored", "present", "finished", "done"}

// status is what a column's values say of states; nil if none of them says that a file is there.
func (l *tally) status(column string, engine string, c *database.Column) *config.Status {
	words := []string{}
	for _, v := range l.values {
		if !v.null {
			words = append(words, v.text)
		}
	}
	if m := enumerated.FindAllStringSubmatch(c.Type, -1); strings.HasPrefix(c.Type, "enum(") && database.Folds(engine) {
		for _, e := range m {
			words = append(words, strings.ReplaceAll(e[1], "''", "'"))
		}
	}
	s := &config.Status{Column: column, Values: map[string]string{}}
	for _, a := range available { // the likeliest is taken alone: two values cannot mean one state
		i := slices.IndexFunc(words, func(w string) bool { return strings.EqualFold(w, a) })
		if i >= 0 {
			s.Values["AVAILABLE"] = words[i]
			break
		}
	}
	if len(s.Values) == 0 || len(l.values) > namedValues {
		return nil
	}
	for _, state := range config.States[1:] {
		i := slices.IndexFunc(words, func(w string) bool { return strings.EqualFold(w, state) })
		if i >= 0 {
			s.Values[state] = words[i]
		}
	}
	return s
}

var enumerated = regexp.MustCompile(`'((?:[^']|'')*)'`)
