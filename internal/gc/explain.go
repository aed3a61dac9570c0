package gc

import (
	"strings"

	"cooper/internal/config"
	"cooper/internal/gcop"
)

// Explain says in a sentence what a part is taken for, so that a person can see whether it
// is what was meant.
func (p *Part) Explain(c *config.Config) string {
	var b strings.Builder
	switch {
	case p.Handles != nil:
		h := p.Handles
		b.WriteString("handles, an id in " + h.ID + " of " + p.from() + ", the object in ")
		if h.Location != "" {
			b.WriteString(h.Location)
		} else {
			b.WriteString(operand(h.Bucket) + " and " + h.Key)
		}
		where(&b, "candidates", h.Where)
	case p.What == gcop.Derived:
		b.WriteString("handles that live while the one does that they were made from, by a query")
	case p.Hold != nil:
		b.WriteString("ids of " + kindName(c.Kind(p.Hold.Of).Kind) + " in " + p.Hold.Handle + " of " + p.from() + ", which are never garbage")
		where(&b, "rows", p.Hold.Where)
	case p.Association != nil:
		p.explain(&b, c)
	}
	return b.String()
}

func (p *Part) explain(b *strings.Builder, c *config.Config) {
	a := p.Association
	var kinds []string
	for _, h := range c.Kinds(a) {
		kinds = append(kinds, kindName(h.Kind))
	}
	what := "ids of "
	switch {
	case a.Addresses():
		what = "addresses of "
	case a.Holds == config.Key:
		what = "keys of "
	}
	b.WriteString(what + strings.Join(kinds, " or ") + " in ")
	switch f := a.Fetch; {
	case f == nil:
		b.WriteString(a.Column)
	case f.Location != "":
		b.WriteString("the objects at " + f.Location)
	default:
		b.WriteString("the objects " + operand(f.Bucket) + " and " + f.Key)
	}
	b.WriteString(" of " + p.from())
	if u := &a.Unpack; u.Given() {
		var steps []string
		if u.Find != nil {
			steps = append(steps, "found by "+u.Find.String())
		}
		for _, s := range u.As {
			steps = append(steps, strings.Join(append([]string{s.Name}, s.Args...), " "))
		}
		if len(u.At) > 0 {
			steps = append(steps, "at "+strings.Join(u.At, " and "))
		}
		if u.Split != nil {
			steps = append(steps, "split by "+u.Split.String())
		}
		if u.Match != nil {
			steps = append(steps, "matching "+u.Match.String())
		}
		b.WriteString(", unpacked: " + strings.Join(steps, ", "))
	}
	where(b, "rows", a.Where)
}

func (p *Part) from() string {
	if p.Query != "" {
		return "a query"
	}
	return p.Declared
}

func where(b *strings.Builder, what, condition string) {
	if condition != "" {
		b.WriteString("; " + what + " where " + condition)
	}
}

// operand is a column, or a constant in quotes.
func operand(o config.Operand) string {
	if o.Constant != "" {
		return "'" + o.Constant + "'"
	}
	return o.SQL
}
