package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"cooper"
	"cooper/internal/term"
)

// The exit codes, as docs/operations.md explains them.
const (
	exitDone        = 0
	exitUsage       = 1
	exitFailed      = 2
	exitSomeFailed  = 3
	exitRefused     = 4
	exitInterrupted = 130
)

// errSomeFailed ends a run that went through although objects failed; what
// failed has been shown already.
var errSomeFailed = errors.New("some objects failed")

// exitCode is the one map from errors to exit codes.
func exitCode(err error) int {
	switch {
	case err == nil:
		return exitDone
	case errors.Is(err, errSomeFailed):
		return exitSomeFailed
	}
	switch cooper.KindOf(err) {
	case cooper.KindUsage:
		return exitUsage
	case cooper.KindRefused, cooper.KindLocked:
		return exitRefused
	case cooper.KindInterrupted:
		return exitInterrupted
	}
	return exitFailed
}

// usage is an error of how the program was called.
func usage(message, remedy string) error {
	return &cooper.Error{Kind: cooper.KindUsage, Message: message, Remedy: remedy}
}

// report tells the person, or the program that reads --json, what went wrong.
func (a *app) report(err error) {
	if errors.Is(err, errSomeFailed) {
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
	if a.json {
		// Writing to a closed stderr: there is nobody left to tell.
		_ = json.NewEncoder(a.stderr).Encode(map[string]any{"error": map[string]string{
			"kind": string(kind), "message": message, "where": where, "remedy": remedy,
		}})
		return
	}
	fmt.Fprintf(a.stderr, "%s %s\n", a.stderr.Style(term.Red, "error:"), cleanLines(message))
	if remedy != "" {
		fmt.Fprintf(a.stderr, "%s %s\n", a.stderr.Style(term.Cyan, " next:"), cleanLines(remedy))
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
