package main

import "bufio"

// buffer gathers what is written to stdout, for lists of millions of lines, until
// flush; not on a terminal, where a person wants each line at once.
func (a *app) buffer() (flush func() error) {
	if a.stdout.Live {
		return func() error { return nil }
	}
	out := a.stdout.Writer
	w := bufio.NewWriterSize(out, 64<<10)
	a.stdout.Writer = w
	return func() error {
		a.stdout.Writer = out
		return w.Flush()
	}
}
