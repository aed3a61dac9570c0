package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"text/tabwriter"
)

const floorName = "floor"

// figure is one run of one program.
type figure struct {
	Part     string  `json:"part"`
	Run      string  `json:"run"`
	Objects  int     `json:"objects"`
	PerDir   int     `json:"per_dir"`
	Program  string  `json:"program"`
	Round    int     `json:"round"` // from 1
	Seconds  float64 `json:"seconds"`
	CPU      float64 `json:"cpu_seconds,omitempty"`
	Peak     int64   `json:"peak_bytes,omitempty"`
	Requests int64   `json:"requests"`
	Stopped  bool    `json:"stopped,omitempty"` // it took longer: this is when it was stopped
	Files    int     `json:"files"`             // latest versions in its tree then
}

// table collects the figures of a part.
type table struct {
	figures []figure
	file    *os.File
}

// newTable makes a table that also writes its figures to a file, unless the
// name is empty.
func newTable(name string) (*table, error) {
	t := &table{}
	if name == "" {
		return t, nil
	}
	var err error
	t.file, err = os.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	return t, err
}

func (t *table) close() error {
	if t.file == nil {
		return nil
	}
	return t.file.Close()
}

// add keeps a figure, and says it at once: a part takes minutes.
func (t *table) add(f figure) error {
	t.figures = append(t.figures, f)
	note := ""
	if f.Stopped {
		note = fmt.Sprintf(", stopped at %d files", f.Files)
	}
	fmt.Printf("%-15s round %d  %-10s %.1f s%s\n", f.Run, f.Round, f.Program, f.Seconds, note)
	if t.file == nil {
		return nil
	}
	return json.NewEncoder(t.file).Encode(f)
}

// of gives the figures of a program's runs of one kind.
func (t *table) of(run, program string) (fs []figure) {
	for _, f := range t.figures {
		if f.Run == run && f.Program == program {
			fs = append(fs, f)
		}
	}
	return fs
}

// ratio is the median, over the rounds that both have, of how much longer a takes
// than b; 0 if there are none.
func ratio(a, b []figure) float64 {
	var rs []float64
	for _, x := range a {
		for _, y := range b {
			if x.Round == y.Round {
				rs = append(rs, x.Seconds/y.Seconds)
			}
		}
	}
	if len(rs) == 0 {
		return 0
	}
	return median(rs)
}

// print writes the table: a line for each program and kind of run, medians of
// the rounds. Cooper is compared with the floor, the others with Cooper.
func (t *table) print(to io.Writer) {
	w := tabwriter.NewWriter(to, 0, 0, 1, ' ', tabwriter.Debug)
	fmt.Fprintln(w, "\t run\t program\t wall\t CPU\t peak memory\t requests\t compared\t")
	fmt.Fprintln(w, "\t ---\t ---\t ---\t ---\t ---\t ---\t ---\t")
	var seen []string
	for _, f := range t.figures {
		if name := f.Run + "\x00" + f.Program; !slices.Contains(seen, name) {
			seen = append(seen, name)
			t.line(w, f.Run, f.Program)
		}
	}
	_ = w.Flush() // a broken terminal spoils no measurement
}

func (t *table) line(w io.Writer, run, program string) {
	fs := t.of(run, program)
	middle := func(value func(figure) float64) float64 {
		var xs []float64
		for _, f := range fs {
			xs = append(xs, value(f))
		}
		return median(xs)
	}
	wall := fmt.Sprintf("%.1f s", middle(func(f figure) float64 { return f.Seconds }))
	last := fs[len(fs)-1]
	more := ""
	if last.Stopped {
		wall, more = fmt.Sprintf("> %.0f s, stopped", last.Seconds), "> "
		if run == firstRun {
			wall += " at " + strconv.Itoa(last.Files) + " files"
		}
	}
	cpu, peak, compared := "", "", ""
	if program != floorName {
		cpu = fmt.Sprintf("%.1f s", middle(func(f figure) float64 { return f.CPU }))
		peak = fmt.Sprintf("%.0f MB", middle(func(f figure) float64 { return float64(f.Peak) / 1e6 }))
	}
	switch program {
	case floorName:
	case oursName:
		if r := ratio(t.of(run, floorName), fs); r > 0 {
			compared = fmt.Sprintf("%.0f %% of the floor's rate", 100*r)
		}
	default:
		if r := ratio(fs, t.of(run, oursName)); r > 0 {
			compared = fmt.Sprintf("%s%.3g times as long as Cooper", more, r)
		}
	}
	requests := strconv.FormatInt(int64(middle(func(f figure) float64 { return float64(f.Requests) })), 10)
	fmt.Fprintf(w, "\t %s\t %s\t %s\t %s\t %s\t %s\t %s\t\n", run, program, wall, cpu, peak, requests, compared)
}
