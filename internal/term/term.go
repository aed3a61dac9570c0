// Package term decides how things look to a person: numbers, tables, colours
// and live progress.
//
// Colours and redrawing happen only on a terminal; in a file or a pipe the
// same content comes as plain lines. What is shown is left to the commands.
package term

import (
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"strings"
	"time"
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

// Count writes n with thousands separators: 1,234,567.
func Count(n int64) string {
	s := strconv.FormatInt(n, 10)
	neg := strings.HasPrefix(s, "-")
	s = strings.TrimPrefix(s, "-")
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	if neg {
		return "-" + s
	}
	return s
}

// Bytes writes n with a decimal unit and three figures: 1.24 GB.
func Bytes(n int64) string {
	if n == math.MaxInt64 {
		return "≥ 9.22 EB" // where sums end
	}
	if n > -1000 && n < 1000 {
		return strconv.FormatInt(n, 10) + " B"
	}
	f, unit := float64(n), 0
	for f >= 999.5 || f <= -999.5 {
		f /= 1000
		unit++
	}
	digits := 2
	if f >= 99.95 || f <= -99.95 {
		digits = 0
	} else if f >= 9.995 || f <= -9.995 {
		digits = 1
	}
	return strconv.FormatFloat(f, 'f', digits, 64) + " " + string(" kMGTPE"[unit]) + "B"
}

// Duration writes d with two units at most: 3d 4h, 5m 12s, 0.8s.
func Duration(d time.Duration) string {
	switch {
	case d < 0:
		return "-" + Duration(-d)
	case d < 10*time.Second:
		return fmt.Sprintf("%.1fs", d.Seconds())
	case d < time.Minute:
		return fmt.Sprintf("%.0fs", d.Seconds())
	case d < time.Hour:
		return fmt.Sprintf("%dm %02ds", int(d.Minutes()), int(d.Seconds())%60)
	case d < 24*time.Hour:
		return fmt.Sprintf("%dh %02dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%dd %02dh", int(d.Hours())/24, int(d.Hours())%24)
}

// Clock writes a time of day: 22:00.
func Clock(t time.Time) string { return t.Format("15:04") }

// Dollars writes an amount in US dollars: cents where they matter.
func Dollars(usd float64) string {
	switch {
	case usd == 0:
		return "$0"
	case usd < 0.01:
		return fmt.Sprintf("$%.4f", usd)
	}
	return fmt.Sprintf("$%.2f", usd)
}

// Plural writes n and the word, with an s unless n is one.
func Plural(n int64, word string) string {
	if n != 1 {
		word += "s"
	}
	return Count(n) + " " + word
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
