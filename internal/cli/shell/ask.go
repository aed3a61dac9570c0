package shell

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"cooper"
)

// ask wants a yes or a no; anything but a yes is a no.
func (s *Shell) ask(ctx context.Context, question string) (bool, error) {
	fmt.Fprintf(s.Stderr, "%s [y/N] ", question)
	type reply struct {
		line string
		err  error
	}
	answer := make(chan reply, 1)
	// Nothing ends a read from a terminal early; the process does, if a person
	// interrupts instead of answering.
	go func() {
		line, err := bufio.NewReader(s.Stdin).ReadString('\n')
		answer <- reply{line, err}
	}()
	select {
	case <-ctx.Done():
		fmt.Fprintln(s.Stderr)
		return false, context.Cause(ctx)
	case r := <-answer:
		if r.err != nil && !errors.Is(r.err, io.EOF) && !errors.Is(r.err, os.ErrClosed) {
			return false, &cooper.Error{Kind: cooper.KindInternal, Message: "the answer cannot be read", Err: r.err, Remedy: "give --yes"}
		}
		word := strings.ToLower(strings.TrimSpace(r.line))
		return word == "y" || word == "yes", nil
	}
}
