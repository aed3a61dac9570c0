package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"cooper"
)

// Pos is a line and a column of the file, both counted from one.
type Pos struct{ Line, Column int }

// Place is where a block of the file stands, and each value in it. Values are named
// by their keys; those of lists are key[0], key[1], …, those of maps key.NAME.
type Place struct {
	file string
	own  Pos
	of   map[string]Pos
}

// PosOf is the position of a value; that of the block itself where the file has no
// such value. Zero for what no file said.
func (p *Place) PosOf(key string) Pos {
	if at, ok := p.of[key]; ok {
		return at
	}
	return p.own
}

// PlaceOf is PosOf as errors give it: cooper.yaml:12:3.
func (p *Place) PlaceOf(key string) string { return place(p.file, p.PosOf(key)) }

// Fault is the error of a person's who wrote a value that will not do.
func (p *Place) Fault(key, message, remedy string) *cooper.Error {
	return &cooper.Error{Kind: cooper.KindUsage, Where: p.PlaceOf(key), Message: message, Remedy: remedy}
}

func (p *Place) put(key string, at Pos) {
	if p.of == nil {
		p.of = map[string]Pos{}
	}
	p.of[key] = at
}

func place(file string, at Pos) string {
	switch {
	case at.Line == 0:
		return file
	case at.Column == 0:
		return fmt.Sprintf("%s:%d", file, at.Line)
	}
	return fmt.Sprintf("%s:%d:%d", file, at.Line, at.Column)
}

// Faults are all errors of a file, in its order; never empty.
type Faults []*cooper.Error

// Error has a line for each of them, with its remedy; that of the first is the whole's.
func (f Faults) Error() string {
	lines := make([]string, len(f))
	for i, e := range f {
		if lines[i] = e.Error(); i > 0 && e.Remedy != "" {
			lines[i] += " (" + e.Remedy + ")"
		}
	}
	return strings.Join(lines, "\n")
}

// Unwrap gives them all; the first one says kind and remedy of the whole.
func (f Faults) Unwrap() []error {
	errs := make([]error, len(f))
	for i, e := range f {
		errs[i] = e
	}
	return errs
}

// fault is an error with its position, until all are known and sorted.
type fault struct {
	at  Pos
	err *cooper.Error
}

func inOrder(fs []fault) error {
	if len(fs) == 0 {
		return nil
	}
	slices.SortStableFunc(fs, func(a, b fault) int {
		return cmp.Or(cmp.Compare(a.at.Line, b.at.Line), cmp.Compare(a.at.Column, b.at.Column))
	})
	all := make(Faults, len(fs))
	for i, f := range fs {
		all[i] = f.err
	}
	return all
}
