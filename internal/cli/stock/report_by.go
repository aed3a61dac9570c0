package stock

import (
	"fmt"

	"cooper/internal/cli/shell"
	"cooper/internal/report"
	"cooper/internal/term"
	"cooper/internal/words"
)

// showRows shows a distribution in full.
func (a family) showRows(r *report.Report, by string) {
	rows, head := r.Classes, "CLASS"
	switch by {
	case "age":
		rows, head = r.Ages, "AGE"
	case "size":
		rows, head = r.Sizes, "SIZE"
	case "suffix":
		rows, head = r.Suffixes, "SUFFIX"
	}
	t := &shell.Bars{Out: a.Stdout, Heads: append([]string{head}, fullHeads...)}
	for i := range rows {
		t.Row(0, rowName(&rows[i]), share(&rows[i].Part, &r.Total), fullCells(&rows[i].Part)...)
	}
	t.More(0, "total", fullCells(&r.Total)...)
	t.Flush()
}

func (a family) showDuplicates(d *report.Duplicates) {
	if d.Groups == 0 {
		a.Say("no duplicates: no two versions have ETag and size in common")
		return
	}
	exist := "contents exist"
	if d.Groups == 1 {
		exist = "content exists"
	}
	a.Say("%s %s more than once; copies beyond the first are", words.Count(d.Groups), exist)
	t := &shell.Bars{Out: a.Stdout, Heads: append([]string{""}, briefHeads...)}
	for _, x := range []struct {
		name string
		report.Amount
	}{{"of all versions", d.Extra}, {"of latest versions", d.Current}} {
		t.Row(0, x.name, -1, words.Count(x.Count), words.Bytes(x.Bytes), shell.Price(x.Cost))
	}
	t.Flush()
	a.Title("largest")
	for _, g := range d.Largest {
		a.Say("  %s", a.Stdout.Style(term.Faint, fmt.Sprintf("%s × %s  %s", words.Count(g.Copies), words.Bytes(g.Size), term.Clean(g.ETag))))
		for _, k := range g.Keys {
			a.Say("    %s", term.Shorten(term.Clean(k), a.Stdout.Width()-5))
		}
	}
}

// showSavings shows every rule, with what it takes.
func (a family) showSavings(r *report.Report) {
	if len(r.Savings) == 0 {
		a.Say("no common rule would save anything")
		return
	}
	a.Say("%s", a.Stdout.Style(term.Faint, "What each rule would save by itself. Rules overlap: do not add them up."))
	for i := range r.Savings {
		s := &r.Savings[i]
		a.Say("%9s a month  %s", shell.Price(s.PerMonth), a.Stdout.Style(term.Bold, a.Fold(term.Clean(s.Title), 20, 20)))
		what := "version"
		if s.ID == "abort-uploads-7d" {
			what = "upload"
		}
		text := fmt.Sprintf("%s of %s", words.Plural(s.Affects.Count, what), words.Bytes(s.Affects.Bytes))
		if s.Affects.Bytes == 0 {
			text = words.Count(s.Affects.Count)
		}
		if s.Once > 0 {
			text += fmt.Sprintf("; costs %s once", shell.Price(s.Once))
		}
		if s.Loses {
			text += "; deletes versions"
		}
		a.Say("%20s%s", "", a.Fold(text+". "+term.Clean(s.Basis), 20, 20))
	}
}

// showCompare shows what has changed since another snapshot.
func (a family) showCompare(r *report.Report) {
	const most = 8
	c := r.Compare
	a.Title("since " + c.With.TakenAt.String() + " (" + c.With.ID + ")")
	t := term.NewTable(a.Stdout, "", "COUNT>", "BYTES>")
	for _, x := range []struct {
		name string
		report.Delta
	}{
		{"objects added", c.Added}, {"objects removed", c.Removed}, {"objects replaced", c.Replaced},
		{"versions that are new", c.NewVersions}, {"versions that are gone", c.GoneVersions},
	} {
		t.Row(x.name, words.Count(x.Count), words.Bytes(x.Bytes))
	}
	if err := t.Flush("  "); err != nil {
		return // stdout is gone: there is nobody to tell
	}
	a.Say("  %s of latest versions; all together cost %s a month", signed(c.Grown, words.Bytes), signedDollars(c.Cost))
	if len(c.Prefixes) == 0 {
		return
	}
	b := &shell.Bars{Out: a.Stdout, Heads: []string{"", "ADDED", "REMOVED", "REPLACED", "CHANGED", "GROWN"}}
	for i := range c.Prefixes[:min(most, len(c.Prefixes))] {
		p := &c.Prefixes[i]
		name := p.Prefix
		if name == "" {
			name = "(no prefix)"
		}
		b.Row(0, name, -1, words.Count(p.Added.Count), words.Count(p.Removed.Count), words.Count(p.Replaced.Count),
			words.Bytes(p.Added.Bytes+p.Removed.Bytes+p.Replaced.Bytes), signed(p.Grown, words.Bytes))
	}
	if n := len(c.Prefixes) - most; n > 0 {
		b.More(0, words.Count(int64(n))+" more")
	}
	b.Flush()
}

func signedDollars(usd float64) string {
	if usd > 0 {
		return "+" + shell.Price(usd)
	}
	return shell.Price(usd)
}
