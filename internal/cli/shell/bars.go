package shell

import (
	"fmt"
	"math"
	"strings"

	"cooper/internal/term"
	"cooper/internal/words"
)

const (
	// shortestName is what long names are cut to at most.
	shortestName = 14
	// LongestBar is how wide the bar of the whole is, at most.
	LongestBar = 30
	// Tables that line up have names of one width, and room for a bar.
	longestName = 44
	barInRow    = 13
)

// Bars is a table of names, figures, and a bar of each row's share. Names are cut
// so that a line fits the screen; what is left of it is for the bars.
type Bars struct {
	Out   term.Out
	Heads []string // of the name and the figures
	rows  []barRow
	// Like has figures that are no narrower than those of other tables, so that
	// all of them line up; nil for a table that stands alone.
	Like []string
	// Measures says what the bars are the share of, if it is not clear.
	Measures string
}

type barRow struct {
	level int // of the name in a tree
	name  string
	cells []string
	share float64 // < 0 for no bar
	faint bool
	heads bool // the name is that of a part, and the heads come again
}

// Row adds one of a tree; share < 0 is for no bar.
func (b *Bars) Row(level int, name string, share float64, cells ...string) {
	b.rows = append(b.rows, barRow{level: level, name: name, cells: cells, share: share})
}

// More adds a row that sums up others.
func (b *Bars) More(level int, name string, cells ...string) {
	b.rows = append(b.rows, barRow{level: level, name: name, cells: cells, share: -1, faint: true})
}

// Part begins one with heads of its own; its figures line up with the others.
func (b *Bars) Part(name string) {
	b.rows = append(b.rows, barRow{name: name, cells: b.Heads[1:], share: -1, heads: true})
}

// Flush writes the table after two blanks.
func (b *Bars) Flush() {
	widths := make([]int, len(b.Heads)-1)
	name := Runes(b.Heads[0])
	for i, h := range b.Heads[1:] {
		widths[i] = Runes(h)
	}
	for i := range b.rows {
		r := &b.rows[i]
		r.name = strings.Repeat("  ", r.level) + term.Clean(r.name)
		name = max(name, Runes(r.name))
		for k, c := range r.cells {
			widths[k] = max(widths[k], Runes(c))
		}
	}
	for i, c := range b.Like {
		widths[i] = max(widths[i], Runes(c))
	}
	left := b.Out.Width() - 1 - 2
	for _, w := range widths {
		left -= w + 2
	}
	if b.Like != nil {
		name = min(left-2-barInRow, longestName)
	}
	name = min(name, max(shortestName, left))
	bar := min(LongestBar, left-name-2)
	line := func(first string, cells []string, style, tail string) {
		text := Pad(term.Shorten(first, name+2), name+2)
		for k, w := range widths {
			c := ""
			if k < len(cells) {
				c = cells[k]
			}
			text += "  " + strings.Repeat(" ", w-Runes(c)) + c
		}
		if style != "" {
			text = b.Out.Style(style, strings.TrimRight(text, " "))
		}
		fmt.Fprintln(b.Out, strings.TrimRight(text+tail, " "))
	}
	head := term.Faint
	if b.Like != nil {
		head = term.Bold
	}
	measures := ""
	if bar >= max(4, Runes(b.Measures)) {
		measures = "  " + b.Out.Style(head, b.Measures)
	} else if b.Measures != "" {
		bar = 0 // a bar of nobody knows what
	}
	line(b.Heads[0], b.Heads[1:], head, measures)
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
			tail = "  " + b.Out.Style(term.Cyan, Bar(r.share, bar))
		}
		line("  "+r.name, r.cells, style, tail)
	}
}

// Bar is a bar of at most width columns; what is not nothing can be seen.
func Bar(share float64, width int) string {
	halves := int(math.Round(min(share, 1) * float64(2*width)))
	if halves == 0 && share > 0 {
		halves = 1
	}
	return strings.Repeat("█", halves/2) + strings.Repeat("▌", halves%2)
}

// Pad fills s up with blanks.
func Pad(s string, width int) string { return s + strings.Repeat(" ", max(0, width-Runes(s))) }

// Price writes an amount so that one can compare it with others: cents below a
// thousand, none above.
func Price(usd float64) string {
	switch {
	case usd < 0:
		return "-" + Price(-usd)
	case usd == 0:
		return "$0"
	case usd < 0.005:
		return "<$0.01"
	case usd < 1000:
		return fmt.Sprintf("$%.2f", usd)
	}
	return "$" + words.Count(int64(math.Round(usd)))
}
