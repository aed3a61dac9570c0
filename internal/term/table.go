package term

import (
	"io"
	"strings"
	"unicode/utf8"
)

// Table lines up rows under headings. A heading that ends in ">" belongs to a
// column of numbers, set flush right. The last column is never padded.
type Table struct {
	out   Out
	heads []string
	right []bool
	rows  [][]string
}

// NewTable begins a table for out.
func NewTable(out Out, heads ...string) *Table {
	t := &Table{out: out, right: make([]bool, len(heads))}
	for i, h := range heads {
		t.right[i] = strings.HasSuffix(h, ">")
		t.heads = append(t.heads, strings.TrimSuffix(h, ">"))
	}
	return t
}

// Row adds a row; missing cells are empty.
func (t *Table) Row(cells ...string) {
	row := make([]string, len(t.heads))
	for i := range row {
		if i < len(cells) {
			row[i] = Clean(cells[i])
		}
	}
	t.rows = append(t.rows, row)
}

// Len is the number of rows.
func (t *Table) Len() int { return len(t.rows) }

// Flush writes the table, each line after indent.
func (t *Table) Flush(indent string) error {
	width := make([]int, len(t.heads))
	for _, row := range append([][]string{t.heads}, t.rows...) {
		for i, c := range row {
			width[i] = max(width[i], utf8.RuneCountInString(c))
		}
	}
	var b strings.Builder
	line := func(row []string, style string) {
		b.WriteString(indent)
		n := len(row)
		for n > 0 && row[n-1] == "" && !t.right[n-1] {
			n-- // nothing but blanks would follow
		}
		for i, c := range row[:n] {
			pad := strings.Repeat(" ", width[i]-utf8.RuneCountInString(c))
			last := i == n-1
			if t.right[i] {
				b.WriteString(pad)
			}
			if style != "" {
				c = t.out.Style(style, c)
			}
			b.WriteString(c)
			if !t.right[i] && !last {
				b.WriteString(pad)
			}
			if !last {
				b.WriteString("  ")
			}
		}
		b.WriteByte('\n')
	}
	if strings.Join(t.heads, "") != "" {
		line(t.heads, Faint)
	}
	for _, row := range t.rows {
		line(row, "")
	}
	_, err := io.WriteString(t.out, b.String())
	return err
}
