package shell

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"cooper"
	"cooper/internal/job"
	"cooper/internal/term"
)

// The exit codes, as docs/operations.md explains them.
const (
	ExitDone        = 0
	ExitUsage       = 1
	ExitFailed      = 2
	ExitSomeFailed  = 3
	ExitRefused     = 4
	ExitInterrupted = 130
)

// ExitCode is the one map from errors to exit codes.
func ExitCode(err error) int {
	switch {
	case err == nil:
		return ExitDone
	case errors.Is(err, job.ErrSomeFailed):
		return ExitSomeFailed
	}
	switch cooper.KindOf(err) {
	case cooper.KindUsage:
		return ExitUsage
	case cooper.KindRefused, cooper.KindLocked:
		return ExitRefused
	case cooper.KindInterrupted:
		return ExitInterrupted
	}
	return ExitFailed
}

// Usage is an error of how the program was called.
func Usage(message, remedy string) error {
	return &cooper.Error{Kind: cooper.KindUsage, Message: message, Remedy: remedy}
}

// beside is what an error says but that some objects failed, which the result has told.
func beside(err error) error {
	if !errors.Is(err, job.ErrSomeFailed) {
		return err
	}
	var joined interface{ Unwrap() []error }
	if !errors.As(err, &joined) {
		return nil
	}
	var others []error
	for _, e := range joined.Unwrap() {
		others = append(others, beside(e))
	}
	return errors.Join(others...)
}

// Report tells the person, or the program that reads --json, what went wrong.
func (s *Shell) Report(err error) {
	if err = beside(err); err == nil {
		return
	}
	kind := cooper.KindOf(err)
	var where, remedy string
	message := err.Error()
	var e *cooper.Error
	if errors.As(err, &e) {
		where, remedy = e.Where, e.Remedy
	}
	if kind == cooper.KindInterrupted && (e == nil || e.Remedy == "") {
		if errors.Is(err, context.Canceled) && e == nil {
			message = "interrupted"
		}
		remedy = "Run the same command again: it goes on where it stopped."
	}
	if s.JSON {
		// Writing to a closed stderr: there is nobody left to tell.
		_ = json.NewEncoder(s.Stderr).Encode(map[string]any{"error": map[string]string{
			"kind": string(kind), "message": message, "where": where, "remedy": remedy,
		}})
		return
	}
	fmt.Fprintf(s.Stderr, "%s %s\n", s.Stderr.Style(term.Red, "error:"), cleanLines(message))
	if remedy != "" {
		fmt.Fprintf(s.Stderr, "%s %s\n", s.Stderr.Style(term.Cyan, " next:"), cleanLines(remedy))
	}
}

// cleanLines makes text that may quote hostile keys safe for a terminal, line
// by line.
func cleanLines(s string) string {
	lines := strings.Split(strings.TrimRight(s, "\n"), "\n")
	for i, l := range lines {
		lines[i] = term.Clean(l)
	}
	return strings.Join(lines, "\n       ")
}

// KindOfExit is a kind of error that has an exit code.
func KindOfExit(code int) cooper.Kind {
	switch code {
	case ExitUsage:
		return cooper.KindUsage
	case ExitRefused:
		return cooper.KindRefused
	case ExitInterrupted:
		return cooper.KindInterrupted
	}
	return cooper.KindInternal
}
