// Package term decides how things look to a person: numbers, tables, colours
// and live progress.
//
// Colours and redrawing happen only on a terminal; in a file or a pipe the
// same content comes as plain lines. What is shown is left to the commands.
package term

import (
	"io"
	"os"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"
)

// Out is a stream that knows whether a person looks at it.
type Out struct {
	io.Writer
	// Live tells that lines may be redrawn.
	Live bool
	// Sparse tells that it is kept for weeks: progress comes now and then, with
	// the time of day.
	Sparse bool
	color  bool
	fd     int
}

// New looks at f. Colours are off without a terminal, when NO_COLOR is set
// (https://no-color.org) and when TERM is dumb.
func New(f *os.File) Out {
	tty := term.IsTerminal(int(f.Fd())) && os.Getenv("TERM") != "dumb"
	return Out{Writer: f, Live: tty, color: tty && os.Getenv("NO_COLOR") == "", fd: int(f.Fd())}
}

// Plain is an Out without colours or redrawing.
func Plain(w io.Writer) Out { return Out{Writer: w, fd: -1} }

// Person tells whether somebody at a terminal can be asked on r.
func Person(r io.Reader) bool {
	f, ok := r.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// Width is the width of the terminal in columns, 80 if unknown.
func (o Out) Width() int {
	if o.Live {
		if w, _, err := term.GetSize(o.fd); err == nil && w > 0 {
			return w
		}
	}
	return 80
}

// The styles: SGR parameters.
const (
	Bold   = "1"
	Faint  = "2"
	Red    = "31"
	Green  = "32"
	Yellow = "33"
	Cyan   = "36"
)

// Style puts s into a style where colours are on.
func (o Out) Style(style, s string) string {
	if !o.color || s == "" {
		return s
	}
	return "\x1b[" + style + "m" + s + "\x1b[0m"
}

// Clean makes s safe for a terminal: what cannot be printed comes as an escape.
func Clean(s string) string {
	ok := utf8.ValidString(s)
	for _, r := range s {
		ok = ok && strconv.IsPrint(r)
	}
	if ok {
		return s
	}
	q := strconv.Quote(s)
	return q[1 : len(q)-1]
}

// Shorten cuts s in its middle so that it takes at most width columns.
func Shorten(s string, width int) string {
	n := utf8.RuneCountInString(s)
	if n <= width || width < 5 {
		return s
	}
	rs := []rune(s)
	head := (width - 1) / 2
	return string(rs[:head]) + "…" + string(rs[n-(width-1-head):])
}

// Wrap breaks a sentence at blanks so that it fits a terminal; lines but the
// first, which begins at the column indent, are indented. What goes to a file or
// a pipe stays as it is.
func (o Out) Wrap(s string, indent int) string {
	if !o.Live {
		return s
	}
	return wrap(s, o.Width(), indent)
}

func wrap(s string, width, indent int) string {
	var b strings.Builder
	at := indent
	for i, word := range strings.Fields(s) {
		n := utf8.RuneCountInString(word)
		switch {
		case i == 0:
		case at+1+n >= width:
			b.WriteString("\n" + strings.Repeat(" ", indent))
			at = indent
		default:
			b.WriteByte(' ')
			at++
		}
		b.WriteString(word)
		at += n
	}
	return b.String()
}
