package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"cooper"
	"cooper/internal/look"
	"cooper/internal/plan"
	"cooper/internal/term"
	"cooper/internal/words"
)

// offer shows a plan that deletes versions, all of them. It ends the command if
// a plan was all that was wanted, or if there is nothing to delete.
func (a *app) offer(h plan.Header, all plan.Tally, planOnly bool) (ended bool, err error) {
	if planOnly {
		return true, a.planned(ran{Plan: &h})
	}
	if !a.json {
		if err := a.showPlan(h); err != nil {
			return true, err
		}
	}
	if all.Count > 0 {
		return false, nil
	}
	if a.json {
		return true, a.emit(ran{Plan: &h})
	}
	a.say("Nothing is to be deleted.")
	return true, nil
}

// canLook finds out before anything is planned whether the bucket can be looked
// at as its versions are removed.
func canLook(ctx context.Context, b look.Bucket, prefix, versioning string) error {
	_, err := look.Eyes(ctx, b, prefix, versioning)
	return err
}

// mayDelete asks whether the versions of a plan may be deleted.
func (a *app) mayDelete(ctx context.Context, h plan.Header, all plan.Tally) (bool, error) {
	if h.Share.Exceeded() {
		return true, nil
	}
	return a.may(ctx, h, fmt.Sprintf("Delete %s (%s) for good?", words.Plural(all.Count, "version"), words.Bytes(all.Bytes)), "nothing was deleted")
}

// may asks whether a plan may be carried out; nothing is what happens otherwise.
func (a *app) may(ctx context.Context, h plan.Header, question, nothing string) (bool, error) {
	if a.json || !term.Person(a.stdin) {
		err := error(&cooper.Error{Kind: cooper.KindRefused, Where: "plan " + h.ID, Message: nothing + ", as there is nobody to ask",
			Remedy: fmt.Sprintf("Carry the plan out with: cooper apply %s. In scripts, give --yes.", h.ID)})
		if a.json {
			err = errors.Join(err, a.emit(ran{Plan: &h}))
		}
		return false, err
	}
	yes, err := a.ask(ctx, question)
	if err == nil && !yes {
		a.note("%s; cooper apply %s would do it", nothing, h.ID)
	}
	return yes, err
}

// ask wants a yes or a no; anything but a yes is a no.
func (a *app) ask(ctx context.Context, question string) (bool, error) {
	fmt.Fprintf(a.stderr, "%s [y/N] ", question)
	type reply struct {
		line string
		err  error
	}
	answer := make(chan reply, 1)
	// Nothing ends a read from a terminal early; the process does, if a person
	// interrupts instead of answering.
	go func() {
		line, err := bufio.NewReader(a.stdin).ReadString('\n')
		answer <- reply{line, err}
	}()
	select {
	case <-ctx.Done():
		fmt.Fprintln(a.stderr)
		return false, context.Cause(ctx)
	case r := <-answer:
		if r.err != nil && !errors.Is(r.err, io.EOF) && !errors.Is(r.err, os.ErrClosed) {
			return false, &cooper.Error{Kind: cooper.KindInternal, Message: "the answer cannot be read", Err: r.err, Remedy: "give --yes"}
		}
		word := strings.ToLower(strings.TrimSpace(r.line))
		return word == "y" || word == "yes", nil
	}
}
