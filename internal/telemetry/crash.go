package telemetry

import (
	"bufio"
	"context"
	"io"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/getsentry/sentry-go"
)

// A crash is told by another process: the one that crashes cannot any more, and no
// code of its own can catch what any goroutine may do. See docs/decisions/background.md.

// maxCrash is how much of a crash's text is read.
const maxCrash = 1 << 20

// Crash is where in the program a crash was.
type Crash struct {
	// What is the runtime's own words, or only "panic": what the program says in a
	// panic may quote anything.
	What   string
	Frames []Frame // the innermost first
}

// Frame is one call.
type Frame struct {
	Function string
	File     string // its path in the source, or its name
	Line     int
}

// ReadCrash reads what Go's runtime writes when a program crashes, up to the end. It is
// nil where there is nothing.
func ReadCrash(in io.Reader) (*Crash, error) {
	s := bufio.NewScanner(io.LimitReader(in, maxCrash))
	s.Buffer(nil, maxCrash)
	var c *Crash
	function, done := "", false
	for s.Scan() {
		line := s.Text()
		switch {
		case c == nil:
			c = &Crash{What: what(line)}
		case done:
		case strings.HasPrefix(line, "goroutine ") && len(c.Frames) > 0:
			done = true // only the first one crashed
		case strings.HasPrefix(line, "\t"):
			if m := fileLine.FindStringSubmatch(line); m != nil && function != "" {
				n, _ := strconv.Atoi(m[2]) // digits, by the pattern
				c.Frames = append(c.Frames, Frame{Function: function, File: shortened(m[1]), Line: n})
			}
			function = ""
		default:
			function = ""
			if m := call.FindStringSubmatch(line); m != nil {
				function = m[1]
			}
		}
	}
	_, err := io.Copy(io.Discard, in) // who crashes must not wait for us
	if s.Err() != nil {
		err = s.Err()
	}
	return c, err
}

var (
	fileLine = regexp.MustCompile(`^\t(\S+\.(?:go|s|c)):(\d+)`)
	call     = regexp.MustCompile(`^(?:created by )?([\w./*()\[\]·…{}-]+?)(?:\([^()]*\)| in goroutine \d+)?$`)
	// Of the runtime's own errors; they name types and numbers at most.
	known = regexp.MustCompile(`^(panic: runtime error: |fatal error: |SIG[A-Z]+: )[\w ,:.\[\]()*/'-]*`)
)

func what(line string) string {
	if m := known.FindString(line); m != "" {
		return m
	}
	return "panic"
}

// shortened is a path without the directories of the machine it was built on.
func shortened(path string) string {
	for _, root := range []string{"/internal/", "/cmd/"} {
		if i := strings.LastIndex(path, root); i >= 0 {
			return path[i+1:]
		}
	}
	return filepath.Base(path)
}

// Crashed tells of a crash.
func (r *Reporter) Crashed(ctx context.Context, c *Crash) error {
	e := r.event(sentry.LevelFatal, "crashed", "{{ default }}")
	e.Tags["kind"] = "crash"
	stack := &sentry.Stacktrace{}
	for i := len(c.Frames) - 1; i >= 0; i-- { // Sentry wants the outermost first
		f := c.Frames[i]
		stack.Frames = append(stack.Frames, sentry.Frame{Function: f.Function, Filename: f.File, Lineno: f.Line, InApp: strings.HasPrefix(f.Function, "cooper/") || strings.HasPrefix(f.Function, "main.")})
	}
	e.Exception = []sentry.Exception{{Type: "crash", Value: c.What, Stacktrace: stack}}
	return r.send(ctx, e)
}
