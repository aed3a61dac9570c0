package main

import (
	"fmt"

	"cooper/internal/report"
	"cooper/internal/term"
	"cooper/internal/words"
)

// showRows shows a distribution in full.
func (a *app) showRows(r *report.Report, by string) {
	rows, head := r.Classes, "CLASS"
	switch by {
	case "age":
		rows, head = r.Ages, "AGE"
	case "size":
		rows, head = r.Sizes, "SIZE"
	case "suffix":
		rows, head = r.Suffixes, "SUFFIX"
	}
	t := &bars{out: a.stdout, heads: append([]string{head}, fullHeads...)}
	for i := range rows {
		t.row(0, rowName(&rows[i]), share(&rows[i].Part, &r.Total), fullCells(&rows[i].Part)...)
	}
	t.more(0, "total", fullCells(&r.Total)...)
	t.flush()
}

func (a *app) showDuplicates(d *report.Duplicates) {
	if d.Groups == 0 {
		a.say("no duplicates: no two versions have ETag and size in common")
		return
	}
	exist := "contents exist"
	if d.Groups == 1 {
		exist = "content exists"
	}
	a.say("%s %s more than once; copies beyond the first are", words.Count(d.Groups), exist)
	t := &bars{out: a.stdout, heads: append([]string{""}, briefHeads...)}
	for _, x := range []struct {
		name string
		report.Amount
	}{{"of all versions", d.Extra}, {"of latest versions", d.Current}} {
		t.row(0, x.name, -1, words.Count(x.Count), words.Bytes(x.Bytes), dollars(x.Cost))
	}
	t.flush()
	a.title("largest")
	for _, g := range d.Largest {
		a.say("  %s", a.stdout.Style(term.Faint, fmt.Sprintf("%s × %s  %s", words.Count(g.Copies), words.Bytes(g.Size), term.Clean(g.ETag))))
		for _, k := range g.Keys {
			a.say("    %s", term.Shorten(term.Clean(k), a.stdout.Width()-5))
		}
	}
}

// showSavings shows every rule, with what it takes.
func (a *app) showSavings(r *report.Report) {
	if len(r.Savings) == 0 {
		a.say("no common rule would save anything")
		return
	}
	a.say("%s", a.stdout.Style(term.Faint, "What each rule would save by itself. Rules overlap: do not add them up."))
	for i := range r.Savings {
		s := &r.Savings[i]
		a.say("%9s a month  %s", dollars(s.PerMonth), a.stdout.Style(term.Bold, a.fold(term.Clean(s.Title), 20, 20)))
		what := "version"
		if s.ID == "abort-uploads-7d" {
			what = "upload"
		}
		text := fmt.Sprintf("%s of %s", words.Plural(s.Affects.Count, what), words.Bytes(s.Affects.Bytes))
		if s.Affects.Bytes == 0 {
			text = words.Count(s.Affects.Count)
		}
		if s.Once > 0 {
			text += fmt.Sprintf("; costs %s once", dollars(s.Once))
		}
		if s.Loses {
			text += "; deletes versions"
		}
		a.say("%20s%s", "", a.fold(text+". "+term.Clean(s.Basis), 20, 20))
	}
}

// showCompare shows what has changed since another snapshot.
func (a *app) showCompare(r *report.Report) {
	const most = 8
	c := r.Compare
	a.title("since " + c.With.TakenAt.String() + " (" + c.With.ID + ")")
	t := term.NewTable(a.stdout, "", "COUNT>", "BYTES>")
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
	a.say("  %s of latest versions; all together cost %s a month", signed(c.Grown, words.Bytes), signedDollars(c.Cost))
	if len(c.Prefixes) == 0 {
		return
	}
	b := &bars{out: a.stdout, heads: []string{"", "ADDED", "REMOVED", "REPLACED", "CHANGED", "GROWN"}}
	for i := range c.Prefixes[:min(most, len(c.Prefixes))] {
		p := &c.Prefixes[i]
		name := p.Prefix
		if name == "" {
			name = "(no prefix)"
		}
		b.row(0, name, -1, words.Count(p.Added.Count), words.Count(p.Removed.Count), words.Count(p.Replaced.Count),
			words.Bytes(p.Added.Bytes+p.Removed.Bytes+p.Replaced.Bytes), signed(p.Grown, words.Bytes))
	}
	if n := len(c.Prefixes) - most; n > 0 {
		b.more(0, words.Count(int64(n))+" more")
	}
	b.flush()
}

func signedDollars(usd float64) string {
	if usd > 0 {
		return "+" + dollars(usd)
	}
	return dollars(usd)
}
