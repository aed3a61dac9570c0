package shell

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"cooper"
	"cooper/internal/bucketop"
	"cooper/internal/plan"
	"cooper/internal/term"
	"cooper/internal/words"
)

// ShowPlan is a plan as a person wants to read it before saying yes.
func (s *Shell) ShowPlan(h plan.Header) error {
	if s.JSON {
		return s.Emit(h)
	}
	if err := s.showBrief(h); err != nil {
		return err
	}
	if err := s.showLargest(h.Largest); err != nil {
		return err
	}
	if h.Decision != "" { // plans of older programs have none
		s.Say("  %s", s.Stdout.Style(term.Faint, "decision "+h.Decision))
	}
	s.Say("  %s", s.Stdout.Style(term.Faint, "digest   "+h.Digest))
	return nil
}

// showBrief is a plan as it is shown by a command that carries it out at once.
func (s *Shell) showBrief(h plan.Header) error {
	s.Say("%s  %s of %s", s.Stdout.Style(term.Bold, h.ID), h.Mission, term.Clean(h.Target.Path))
	if h.Snapshot != nil {
		word := "to"
		if h.Target.Kind == bucketop.TargetKind {
			word = "by"
		}
		s.Say("  %s s3://%s as of %s (%s)", word, h.Snapshot.Bucket, h.Snapshot.TakenAt, h.Snapshot.ID)
	}
	t := term.NewTable(s.Stdout, "", ">", ">", "")
	for _, verb := range slices.Sorted(maps.Keys(h.Totals)) {
		t.Row(verb, words.Count(h.Totals[verb].Count), words.Bytes(h.Totals[verb].Bytes))
	}
	t.Row("unchanged", words.Count(h.Unchanged.Count), words.Bytes(h.Unchanged.Bytes))
	for _, why := range slices.Sorted(maps.Keys(h.Skipped)) {
		t.Row("left alone", words.Count(h.Skipped[why].Count), words.Bytes(h.Skipped[why].Bytes), why)
	}
	if err := t.Flush("  "); err != nil {
		return err
	}
	if len(h.Reasons) > 0 {
		var parts []string
		for _, r := range slices.Sorted(maps.Keys(h.Reasons)) {
			parts = append(parts, words.Count(h.Reasons[r].Count)+" "+r)
		}
		s.Say("  because  %s", strings.Join(parts, ", "))
	}
	if err := s.showAges(h.Ages); err != nil {
		return err
	}
	s.showEstimate(h.Estimate)
	s.showShare(h.Share)
	for _, why := range h.Confirm {
		s.Say("  %s %s", s.Stdout.Style(term.Red, "stops:"), s.Stdout.Wrap(term.Clean(why), 9))
	}
	for _, w := range h.Warnings {
		s.Say("  %s %s", s.Stdout.Style(term.Yellow, "warning:"), s.Stdout.Wrap(term.Clean(w), 11))
	}
	return nil
}

func (s *Shell) showAges(ages []plan.Age) error {
	if len(ages) == 0 {
		return nil
	}
	s.Say("  superseded")
	t := term.NewTable(s.Stdout, "", ">", ">")
	for _, x := range ages {
		t.Row(x.Age, words.Count(x.Count), words.Bytes(x.Bytes))
	}
	return t.Flush("    ")
}

func (s *Shell) showShare(x plan.Share) {
	if x.Removed == 0 {
		return
	}
	line := fmt.Sprintf("  retires  %s of %s in the mirror without a replacement", words.Count(x.Removed), words.Count(x.Scope))
	if x.Deletes {
		line = fmt.Sprintf("  deletes  %s of %s %s, %s of %s", words.Count(x.Removed), words.Count(x.Scope), term.Clean(x.What()), words.Bytes(x.RemovedBytes), words.Bytes(x.ScopeBytes))
	}
	if x.Exceeded() {
		line = s.Stdout.Style(term.Red, line)
	}
	s.Say("%s", line)
}

func (s *Shell) showEstimate(e plan.Estimate) {
	var needs []string
	if e.Rows > 0 {
		needs = append(needs, words.Plural(e.Rows, "row"))
	}
	if requests := Requests(e.Requests); requests != "" {
		needs = append(needs, requests)
	}
	if len(needs) == 0 {
		return
	}
	switch {
	case e.Prices == "": // nobody knows what a database's owner pays
	case e.USD > 0 && e.USD < 0.01:
		needs = append(needs, "less than $0.01 ("+term.Clean(e.Prices)+")")
	default:
		needs = append(needs, "about "+words.Dollars(e.USD)+" ("+term.Clean(e.Prices)+")")
	}
	s.Say("  needs    %s, %s", strings.Join(needs, ", "), words.Duration(time.Duration(e.Seconds*float64(time.Second))))
	if e.Disk == 0 && e.Inodes == 0 {
		return
	}
	s.Say("           %s and %s on the disk", words.Bytes(e.Disk), words.Plural(e.Inodes, "inode"))
}

// Requests names requests by their classes; empty if there are none.
func Requests(byClass map[string]int64) string {
	var parts []string
	var all int64
	for _, class := range slices.Sorted(maps.Keys(byClass)) {
		if n := byClass[class]; n > 0 {
			parts = append(parts, words.Count(n)+" "+class)
			all += n
		}
	}
	switch all {
	case 0:
		return ""
	case 1:
		return parts[0] + " request"
	}
	return strings.Join(parts, ", ") + " requests"
}

func (s *Shell) showLargest(actions []cooper.Action) error {
	if len(actions) == 0 {
		return nil
	}
	s.Say("  largest")
	t := term.NewTable(s.Stdout, ">", "")
	for _, x := range actions {
		t.Row(words.Bytes(x.Version.Size), term.Shorten(x.Version.Key, s.Stdout.Width()-20))
	}
	return t.Flush("    ")
}
