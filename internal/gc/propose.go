package gc

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"cooper/internal/config"
	"cooper/internal/database"
)

// Proposal is what a configuration should have besides.
type Proposal struct {
	Associations []config.Written
	// Protect is what holds handles, with what a person is told of each.
	Protect []Held
}

// Held is a table of holds that is proposed.
type Held struct {
	*config.Guard
	Comment string
}

// Propose says what a configuration should have besides: an association for each foreign
// key to handles, for each pair of type and id whose types name a kind of handles, and for
// columns in which ids of handles were found. What is declared is left alone, and so is a
// column of which too few values are ids: a check tells of it. Tables that are called after
// holds are what protects, where holds can be declared; else they are associations as well.
func Propose(c *config.Config, s *Survey, schema *Schema, holds bool) *Proposal {
	p := &proposer{holds: holds, config: c, survey: s, schema: schema, check: &checker{config: c, survey: s, around: &Around{}, home: home(c, s)}, done: map[string]bool{}, taken: map[string]bool{}}
	for _, a := range c.Associations {
		p.taken[a.Name] = true
		if h := c.Kind(a.Of); h != nil {
			p.done[keyOf(a, h.Kind)] = true
		}
	}
	for i := range s.Foreign {
		if f := &s.Foreign[i]; !p.check.declared(f) {
			p.foreign(f)
		}
	}
	for i := range schema.Pairs {
		p.pair(&schema.Pairs[i])
	}
	for i := range s.Hits {
		p.hit(&s.Hits[i])
	}
	return &p.Proposal
}

type proposer struct {
	Proposal
	holds  bool // they may be declared
	config *config.Config
	survey *Survey
	schema *Schema
	check  *checker
	done   map[string]bool // columns, of tables or patterns, that are proposed
	taken  map[string]bool // names
}

// place is where a proposed association finds its links.
type place struct {
	table         database.Name
	column, where string
	form          config.Form
	of            string
	why           string
}

// foreign proposes what a foreign key tells: by the column that leads to ids, or to keys.
func (p *proposer) foreign(f *database.ForeignKey) {
	for _, part := range p.survey.Parts {
		if part.Handles == nil || !part.reads(f.To) {
			continue
		}
		for i, target := range f.Targets {
			at := place{table: f.Table, of: part.Handles.Kind, why: fmt.Sprintf("foreign key %s to %s.", cmp.Or(f.Name, strings.Join(f.Columns, ", ")), p.schema.name(f.To))}
			switch {
			case i >= len(f.Columns):
				continue
			case strings.EqualFold(target, p.unquoted(part.Handles.ID)):
				at.form = config.Handle
			case strings.EqualFold(target, p.unquoted(part.Handles.Key)):
				at.form = config.Key
			default:
				continue
			}
			at.column = f.Columns[i]
			at.why += p.made(f.Table.Table, f.Columns[i])
			p.add(&at)
		}
	}
}

// holding are words in names of tables whose rows keep a file, whatever else is so.
var holding = []string{"hold", "holds", "retention", "retentions", "retain", "retained", "litigation", "protected", "protection", "protections", "freeze", "frozen"}

// holds tells whether a table is called after holds, as legal_hold is; a household is not.
func isHold(table string) bool {
	words := regexp.MustCompile(`[A-Z]?[a-z]+|[A-Z]+`).FindAllString(table, -1)
	return slices.ContainsFunc(words, func(w string) bool { return slices.Contains(holding, strings.ToLower(w)) })
}

// made tells of tables that are called after files made of others.
func (p *proposer) made(table, column string) string {
	name := strings.ToLower(table)
	if !slices.ContainsFunc([]string{"variant", "derivative", "thumbnail", "rendition", "preview", "conversion", "transcod"}, func(w string) bool { return strings.Contains(name, w) }) {
		return ""
	}
	return "\nIf its rows say what a file was made of, and use it for nothing else, write derived in place of this, and\nwaive: " + p.schema.name(database.Name{Schema: p.schema.Home, Table: table}) + "." + column + "."
}

func (p *proposer) unquoted(sql string) string { return strings.Trim(sql, "`\"") }

// pair proposes ids beside a type that names a kind of handles.
func (p *proposer) pair(x *Pair) {
	t := p.schema.table(x.Table)
	for _, part := range p.survey.Parts {
		if part.Handles == nil || len(part.Tables) != 1 || t == nil {
			continue
		}
		id, c := part.Tables[0].Table.Named(p.schema.Engine, part.Handles.ID), t.Column(x.ID)
		if id == nil || c == nil || !fits(c, id) || p.covered(x.Table, x.ID) {
			continue
		}
		var are, others []string
		for _, name := range x.Types {
			if speaksOf(name, part) {
				are = append(are, quoted(p.schema.Engine, name))
			} else {
				others = append(others, name)
			}
		}
		if len(are) == 0 {
			continue
		}
		why := fmt.Sprintf("%s and %s name a thing by type and id. If such a row derives a file from another and is no link, use derived and remove this.", x.Type, x.ID)
		if x.More {
			why += "\nNot all types were seen: look for others that are files."
		}
		if len(others) > 0 {
			why += "\nNot taken for files: " + strings.Join(others[:min(len(others), 20)], ", ")
		}
		p.add(&place{table: x.Table, column: x.ID, form: config.Handle, of: part.Handles.Kind, why: why, where: database.Ident(p.schema.Engine, x.Type) + " IN (" + strings.Join(are, ", ") + ")"})
	}
}

func (p *proposer) covered(table database.Name, column string) bool {
	return covered(p.config, p.survey, table, column, nil)
}

// speaksOf tells whether a type, as ActiveStorage::Blob, means a kind of handles.
func speaksOf(name string, of *Part) bool {
	bare := func(s string) string {
		return strings.TrimSuffix(strings.Map(func(r rune) rune {
			if r == '_' || r >= 0x80 || !database.NameByte(byte(r)) {
				return -1
			}
			return r
		}, strings.ToLower(s)), "s")
	}
	last := name[strings.LastIndexAny(name, `:.\/`)+1:]
	for _, n := range []string{of.Tables[0].Name.Table, of.Name} {
		if b := bare(n); b != "" && (bare(name) == b || bare(last) == b) {
			return true
		}
	}
	return false
}

// hit proposes a column in which ids were found: where its name speaks of files, if they
// are half of its values; else if nearly all are, and it is no part of the rows' own key. Of
// texts nearly all have to be, for others cannot be read then. A check tells of the rest.
func (p *proposer) hit(h *Hit) {
	t := p.schema.table(h.Table)
	if t == nil || p.covered(h.Table, h.Column) {
		return
	}
	c := t.Column(h.Column)
	if c == nil || strings.HasPrefix(strings.ToLower(c.Type), "tinyint") {
		return
	}
	named := slices.ContainsFunc(fileWords, func(w string) bool { return strings.Contains(strings.ToLower(h.Column), w) })
	key := slices.ContainsFunc(t.Keys, func(k database.Key) bool { return k.Primary && slices.Contains(k.Columns, h.Column) })
	nearly := h.Found*10 >= h.Values*9
	if !nearly && (!named || c.Class == database.Text) || !named && (h.Common || key) || h.Found*2 < h.Values {
		return
	}
	why := fmt.Sprintf("no foreign key; %d of %d values looked at are ids of %s. Look whether it links.", h.Found, h.Values, kindName(h.Kind))
	if c.Class == database.Text {
		why += "\nValues that are no ids cannot be read then: leave their rows out by where."
	}
	p.add(&place{table: h.Table, column: h.Column, form: config.Handle, of: h.Kind, why: why})
	// Of tables that are alike only some are looked into; of few no pattern is made.
	for i := range p.schema.Tables {
		like := &p.schema.Tables[i]
		if like.Name.Table == t.Name.Table && like.Name != t.Name && shapeOf(like) == shapeOf(t) && !p.covered(like.Name, h.Column) {
			p.add(&place{table: like.Name, column: h.Column, form: config.Handle, of: h.Kind, why: "like " + p.schema.name(t.Name) + ": " + why})
		}
	}
}

// fileWords are in names of columns that speak of files: numbers there are meant, though any
// numbers of their size would be ids.
var fileWords = []string{"file", "blob", "attachment", "upload", "image", "picture", "photo", "avatar", "media", "thumb"}

// keyOf is what no two proposals have in common: what is proposed once is not again, though
// it should not count as declared.
func keyOf(a *config.Association, kind string) string {
	return a.Table.Text + "\n" + a.Column + "\n" + kind
}

func (p *proposer) add(at *place) {
	table, many := p.of(at)
	a := &config.Association{Table: table, Object: p.object(at, &table), Where: at.where, Holds: at.form, Column: p.schema.column(at.column)}
	if p.done[keyOf(a, at.of)] {
		return
	}
	p.done[keyOf(a, at.of)] = true
	if len(p.config.Handles) > 1 {
		a.Of = at.of
	}
	if many {
		at.why += "\nA pattern, of all tables of that form, also of those to come."
	}
	if isHold(at.table.Table) && at.form == config.Handle && at.where == "" {
		if p.holds {
			p.Protect = append(p.Protect, Held{Guard: &config.Guard{Table: table, Handle: a.Column, Of: a.Of},
				Comment: p.schema.name(at.table) + ": " + at.why + " By its name it holds files: they are never candidates.\nIf it is no hold, make an association of it. If some of its rows no longer hold, say so by where."})
			return
		}
		at.why += "\nIf it is a legal hold, move it to protect."
	}
	a.Name = p.named(at, many)
	p.Associations = append(p.Associations, config.Written{Association: a, Comment: at.why})
}

// named gives an association a name that no other has.
func (p *proposer) named(at *place, many bool) string {
	name := p.schema.name(at.table)
	if many {
		name = strings.Trim(digits.ReplaceAllString(at.table.Table, ""), "_")
	}
	name = strings.Join(strings.Fields(name+"."+at.column), "_")
	for next, i := name, 2; ; i++ {
		if !p.taken[next] {
			p.taken[next] = true
			return next
		}
		next = fmt.Sprintf("%s-%d", name, i)
	}
}

// fewest is how many tables make a pattern: two may be alike by chance.
const fewest = 3

var digits = regexp.MustCompile(`[0-9]+`)

// of is the table; or a pattern, if it is one of several of equal shape: of the same name in
// other schemas, or with other numbers in the name.
func (p *proposer) of(at *place) (t config.Table, many bool) {
	one := config.Table{Text: p.schema.name(at.table), Name: at.table.Table, Schema: at.table.Schema}
	if at.table.Schema == p.schema.Home {
		one.Schema = ""
	}
	like := p.schema.table(at.table)
	if like == nil {
		return one, false
	}
	shape := shapeOf(like)
	var schemas, names []string
	for i := range p.schema.Tables {
		t := &p.schema.Tables[i]
		switch {
		case shapeOf(t) != shape:
		case t.Name.Table == at.table.Table && t.Schema != p.schema.Home && at.table.Schema != p.schema.Home:
			schemas = append(schemas, t.Schema)
		case t.Schema == at.table.Schema && digits.MatchString(t.Name.Table) && digits.ReplaceAllString(t.Name.Table, "0") == digits.ReplaceAllString(at.table.Table, "0"):
			names = append(names, t.Name.Table)
		}
	}
	var text string
	switch {
	case len(schemas) >= fewest:
		text = p.alike(schemas) + `\.` + regexp.QuoteMeta(at.table.Table)
	case len(names)+1 >= fewest && digits.MatchString(at.table.Table):
		text = regexp.QuoteMeta(at.table.Schema) + `\.` + digits.ReplaceAllString(regexp.QuoteMeta(at.table.Table), `\d+`)
	default:
		return one, false
	}
	re, err := regexp.Compile(`\A(?:` + text + `)\z`)
	if err != nil {
		return one, false
	}
	for i := range p.schema.Tables {
		if t := &p.schema.Tables[i]; re.MatchString(t.String()) && t.Column(at.column) == nil {
			return one, false // a check would refuse it
		}
	}
	return config.Table{Text: "/" + text + "/", Pattern: re}, true
}

// alike is an expression for the names of schemas: how they all begin, or else each of them.
func (p *proposer) alike(schemas []string) string {
	slices.Sort(schemas)
	if prefix := common(schemas[0], schemas[len(schemas)-1]); len(prefix) > 2 {
		return regexp.QuoteMeta(prefix) + ".*"
	}
	text := regexp.QuoteMeta(schemas[0])
	for _, s := range schemas[1:] {
		text += "|" + regexp.QuoteMeta(s)
	}
	return "(" + text + ")"
}

// common is how two texts begin.
func common(a, b string) string {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return a[:n]
}

var simple = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_$]*$`)

// object says what it is that links: the thing that type and id name, or else the row's
// key as far as it is not the link itself.
func (p *proposer) object(at *place, table *config.Table) (o config.Object) {
	t := p.schema.table(at.table)
	var columns []string
	if t != nil {
		for _, x := range p.schema.Pairs {
			if x.Table == at.table && x.ID != at.column {
				columns = []string{x.Type, x.ID}
			}
		}
		if k := t.Key(); k != nil && columns == nil {
			for _, c := range k.Columns {
				if c != at.column || len(k.Columns) == 1 {
					columns = append(columns, c)
				}
			}
		}
	}
	if slices.ContainsFunc(columns, func(c string) bool { return !simple.MatchString(c) || c == "schema" || c == "table" }) || len(columns) == 0 {
		columns = []string{at.column}
		if !simple.MatchString(at.column) {
			return config.Object{SQL: p.schema.column(at.column)}
		}
	}
	if len(columns) == 1 && table.Pattern == nil {
		return config.Object{SQL: columns[0]}
	}
	if table.Pattern != nil {
		numbered := !strings.HasSuffix(table.Text, `\.`+regexp.QuoteMeta(at.table.Table)+"/")
		o.Text = append(o.Text, config.Part{Schema: !numbered, Table: numbered}, config.Part{Literal: "/"})
	}
	for i, c := range columns {
		if i > 0 {
			o.Text = append(o.Text, config.Part{Literal: "/"})
		}
		o.Text = append(o.Text, config.Part{Column: c})
	}
	return o
}
