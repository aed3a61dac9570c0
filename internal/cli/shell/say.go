package shell

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"

	"cooper"
	"cooper/internal/job"
	"cooper/internal/plan"
	"cooper/internal/progress"
	"cooper/internal/term"
)

// Say writes a line for a person.
func (s *Shell) Say(format string, args ...any) {
	fmt.Fprintf(s.Stdout, format+"\n", args...)
}

// Title begins a section.
func (s *Shell) Title(text string) { s.Say("%s", s.Stdout.Style(term.Bold, text)) }

// warn tells what a person, or a program, should know though nothing fails over it.
func (s *Shell) warn(message string) {
	if s.JSON {
		b, err := json.Marshal(map[string]map[string]string{"warning": {"message": message}})
		if err == nil {
			fmt.Fprintln(s.Stderr, string(b))
		}
		return
	}
	fmt.Fprintln(s.Stderr, s.Stderr.Style(term.Yellow, "warning:"), term.Clean(message))
}

// Caution writes a warning beside the output, also for who wants no progress. In
// JSON the output itself has what is to be known.
func (s *Shell) Caution(format string, args ...any) {
	if !s.JSON {
		s.warn(fmt.Sprintf(format, args...))
	}
}

// Note writes a line beside the output: progress of a kind.
func (s *Shell) Note(format string, args ...any) {
	if !s.Quiet && !s.JSON {
		fmt.Fprintf(s.Stderr, format+"\n", args...)
	}
}

// NoneYet says that a list is empty, to a person.
func (s *Shell) NoneYet(n int, what, next string) {
	if n == 0 && !s.JSON {
		s.Note("No %s yet. See %s.", what, next)
	}
}

// Buffer gathers what is written to stdout, for lists of millions of lines, until
// flush; not on a terminal, where a person wants each line at once.
func (s *Shell) Buffer() (flush func() error) {
	if s.Stdout.Live {
		return func() error { return nil }
	}
	out := s.Stdout.Writer
	w := bufio.NewWriterSize(out, 64<<10)
	s.Stdout.Writer = w
	return func() error {
		s.Stdout.Writer = out
		return w.Flush()
	}
}

// ToStderr sends what is said to stderr until the returned function is called: stdout is
// for something else.
func (s *Shell) ToStderr() (back func()) {
	out := s.Stdout
	s.Stdout = s.Stderr
	return func() { s.Stdout = out }
}

// Follow shows progress, unless that is not wanted, and notes it for those who ask
// for it from elsewhere.
func (s *Shell) Follow(c *progress.Counters) (stop func()) {
	s.watch.count.Store(c)
	noted, shown := func() {}, func() {}
	if s.Session != nil {
		noted = s.Session.Watch(c.Snapshot)
	}
	if !s.Quiet && !s.JSON {
		shown = term.Follow(s.Stderr, c.Snapshot)
	}
	return func() { shown(); noted() }
}

// Fold breaks a sentence that begins at column at so that it fits the screen;
// the lines after the first are indented.
func (s *Shell) Fold(text string, at, indent int) string {
	var b strings.Builder
	width := s.Stdout.Width()
	for i, word := range strings.Fields(text) {
		word = term.Shorten(word, max(20, width-1-indent))
		switch n := Runes(word); {
		case i == 0:
			at += n
		case at+1+n >= width:
			b.WriteString("\n" + strings.Repeat(" ", indent))
			at = indent + n
		default:
			b.WriteByte(' ')
			at += 1 + n
		}
		b.WriteString(word)
	}
	return b.String()
}

// Runes is how many characters s has.
func Runes(s string) int { return utf8.RuneCountInString(s) }

// ShortTime is a time as tables show it: to the second, in UTC.
func ShortTime(i cooper.Instant) string {
	if i == 0 {
		return ""
	}
	return i.Time().Format("2006-01-02 15:04:05")
}

// listener is the Shell as jobs know it.
type listener struct{ *Shell }

func (l listener) Tell(level job.Level, text string) {
	switch level {
	case job.Aside:
		l.Note("%s", l.Stderr.Style(term.Faint, term.Clean(text)))
	case job.Note:
		l.Note("%s", term.Clean(text))
	case job.Caution:
		l.Caution("%s", text)
	default:
		l.warn(text)
	}
}

// Begun notes a plan, for the metrics and so that a run in the background can be taken
// up again.
func (l listener) Begun(id string) {
	l.watch.plan.Store(&id)
	if l.Session != nil {
		l.Session.Plan(id)
	}
}

func (l listener) ShowPlan(h *plan.Header, whole bool) error {
	switch {
	case l.JSON: // it comes with the result
		return nil
	case whole:
		return l.Shell.ShowPlan(*h)
	}
	return l.showBrief(*h)
}

func (l listener) Ask(ctx context.Context, question string) (yes, there bool, err error) {
	if l.JSON || !term.Person(l.Stdin) {
		return false, false, nil
	}
	yes, err = l.ask(ctx, question)
	return yes, true, err
}

func (l listener) Doubt() { l.doubtful.Store(true) }
