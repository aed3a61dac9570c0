package main

import (
	"fmt"
	"math"
	"strings"
	"unicode/utf8"

	"cooper/internal/report"
	"cooper/internal/term"
	"cooper/internal/words"
)

const (
	// screenDepth is how deep a tree of prefixes goes on the screen.
	screenDepth = 2
	// shortestName is what long names are cut to at most.
	shortestName = 14
	longestBar   = 30
	// Tables that line up have names of one width, and room for a bar.
	longestName = 44
	barInRow    = 13
)

// bars is a table of names, figures, and a bar of each row's share. Names are cut
// so that a line fits the screen; what is left of it is for the bars.
type bars struct {
	out   term.Out
	heads []string // of the name and the figures
	rows  []barRow
	// like has figures that are no narrower than those of other tables, so that
	// all of them line up; nil for a table that stands alone.
	like []string
	// measures says what the bars are the share of, if it is not clear.
	measures string
}

type barRow struct {
	level int // of the name in a tree
	name  string
	cells []string
	share float64 // < 0 for no bar
	faint bool
	heads bool // the name is that of a part, and the heads come again
}

func (b *bars) row(level int, name string, share float64, cells ...string) {
	b.rows = append(b.rows, barRow{level: level, name: name, cells: cells, share: share})
}

// more adds a row that sums up others.
func (b *bars) more(level int, name string, cells ...string) {
	b.rows = append(b.rows, barRow{level: level, name: name, cells: cells, share: -1, faint: true})
}

// part begins one with heads of its own; its figures line up with the others.
func (b *bars) part(name string) {
	b.rows = append(b.rows, barRow{name: name, cells: b.heads[1:], share: -1, heads: true})
}

// flush writes the table after two blanks.
func (b *bars) flush() {
	widths := make([]int, len(b.heads)-1)
	name := runes(b.heads[0])
	for i, h := range b.heads[1:] {
		widths[i] = runes(h)
	}
	for i := range b.rows {
		r := &b.rows[i]
		r.name = strings.Repeat("  ", r.level) + term.Clean(r.name)
		name = max(name, runes(r.name))
		for k, c := range r.cells {
			widths[k] = max(widths[k], runes(c))
		}
	}
	for i, c := range b.like {
		widths[i] = max(widths[i], runes(c))
	}
	left := b.out.Width() - 1 - 2
	for _, w := range widths {
		left -= w + 2
	}
	if b.like != nil {
		name = min(left-2-barInRow, longestName)
	}
	name = min(name, max(shortestName, left))
	bar := min(longestBar, left-name-2)
	line := func(first string, cells []string, style, tail string) {
		text := pad(term.Shorten(first, name+2), name+2)
		for k, w := range widths {
			c := ""
			if k < len(cells) {
				c = cells[k]
			}
			text += "  " + strings.Repeat(" ", w-runes(c)) + c
		}
		if style != "" {
			text = b.out.Style(style, strings.TrimRight(text, " "))
		}
		fmt.Fprintln(b.out, strings.TrimRight(text+tail, " "))
	}
	head := term.Faint
	if b.like != nil {
		head = term.Bold
	}
	measures := ""
	if bar >= max(4, runes(b.measures)) {
		measures = "  " + b.out.Style(head, b.measures)
	} else if b.measures != "" {
		bar = 0 // a bar of nobody knows what
	}
	line(b.heads[0], b.heads[1:], head, measures)
	for _, r := range b.rows {
		style, tail := "", ""
		if r.heads {
			line(r.name, r.cells, head, measures)
			continue
		}
		if r.faint {
			style = term.Faint
		}
		if bar >= 4 && r.share >= 0 {
			tail = "  " + b.out.Style(term.Cyan, barOf(r.share, bar))
		}
		line("  "+r.name, r.cells, style, tail)
	}
}

// barOf is a bar of at most width columns; what is not nothing can be seen.
func barOf(share float64, width int) string {
	halves := int(math.Round(min(share, 1) * float64(2*width)))
	if halves == 0 && share > 0 {
		halves = 1
	}
	return strings.Repeat("█", halves/2) + strings.Repeat("▌", halves%2)
}

func runes(s string) int { return utf8.RuneCountInString(s) }

func pad(s string, width int) string { return s + strings.Repeat(" ", max(0, width-runes(s))) }

// share is how much of the whole a part is: of its bytes, or where there are
// none of its versions.
func share(part, whole *report.Part) float64 {
	p, w := part.All(), whole.All()
	switch {
	case w.Bytes > 0:
		return float64(p.Bytes) / float64(w.Bytes)
	case w.Count > 0:
		return float64(p.Count) / float64(w.Count)
	}
	return 0
}

// dollars writes an amount so that one can compare it with others: cents below a
// thousand, none above.
func dollars(usd float64) string {
	switch {
	case usd < 0:
		return "-" + dollars(-usd)
	case usd == 0:
		return "$0"
	case usd < 0.005:
		return "<$0.01"
	case usd < 1000:
		return fmt.Sprintf("$%.2f", usd)
	}
	return "$" + words.Count(int64(math.Round(usd)))
}

// signed writes a difference.
func signed(n int64, as func(int64) string) string {
	if n > 0 {
		return "+" + as(n)
	}
	return as(n)
}

// cellsOf are the figures of a part in brief.
func cellsOf(p *report.Part) []string {
	all := p.All()
	return []string{words.Count(all.Count), words.Bytes(all.Bytes), dollars(all.Cost)}
}

var briefHeads = []string{"VERSIONS", "BYTES", "A MONTH"}

// brief is a table of figures in brief, in line with all others about r.
func (a *app) brief(title string, r *report.Report) *bars {
	return &bars{out: a.stdout, heads: append([]string{title}, briefHeads...), like: append(cellsOf(&r.Total)[:1:1], "000 GB", cellsOf(&r.Total)[2])}
}

// fullCells are the figures of a part, latest and noncurrent versions apart.
func fullCells(p *report.Part) []string {
	return []string{words.Count(p.Current.Count), words.Bytes(p.Current.Bytes), words.Bytes(p.Noncurrent.Bytes), words.Count(p.DeleteMarkers), dollars(p.All().Cost)}
}

var fullHeads = []string{"LATEST", "BYTES", "NONCURRENT", "MARKERS", "A MONTH"}
