package shell

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"cooper"
	"cooper/internal/job"
	"cooper/internal/term"
	"cooper/internal/words"
)

// ShowsMore has f show, after the summary of each run that went through, what of a result
// its family alone knows; nothing where the result has none of it.
func (s *Shell) ShowsMore(f func(*job.Result) error) { s.more = append(s.more, f) }

// Ended shows what a job has come to, whatever its end, and gives the error that the
// command ends with.
func (s *Shell) Ended(r *job.Result, err error) error {
	switch {
	case r.Refused(err):
		// The plan alone may be of use to a program.
		if s.JSON && r.Plan != nil {
			r.Applied = nil
			return errors.Join(err, s.Emit(r))
		}
		return err
	case r.Applied != nil:
		if shown := s.showSummary(r); err == nil {
			err = shown
		}
	case err != nil || r.Plan == nil:
		return err
	case r.Nothing == "":
		return s.planned(r)
	case s.JSON:
		return s.Emit(r)
	default:
		s.Say("%s", r.Nothing)
		return nil
	}
	if err == nil || errors.Is(err, job.ErrSomeFailed) {
		for _, more := range s.more {
			err = errors.Join(err, more(r))
		}
	}
	for _, n := range r.Notes {
		s.Note("%s", n)
	}
	return err
}

// planned ends a command that made a plan and applies nothing.
func (s *Shell) planned(r *job.Result) error {
	if s.JSON {
		return s.Emit(r)
	}
	if err := s.ShowPlan(*r.Plan); err != nil {
		return err
	}
	if len(r.Plan.Totals) == 0 {
		s.Say("\nThere is nothing to do.")
		return nil
	}
	confirm := ""
	if r.Plan.Stopped() {
		confirm = " --confirm " + r.Plan.Confirmation()
	}
	s.Say("\nApply it with: cooper apply %s%s", r.Plan.ID, confirm)
	return nil
}

// showSummary tells what a run did.
func (s *Shell) showSummary(r *job.Result) error {
	if s.JSON {
		return s.Emit(r)
	}
	sum := r.Applied
	var did []string
	for _, verb := range slices.Sorted(maps.Keys(sum.Verbs)) {
		for _, status := range slices.Sorted(maps.Keys(sum.Verbs[verb])) {
			did = append(did, fmt.Sprintf("%s %s %s", words.Count(sum.Verbs[verb][status]), verb, status))
		}
	}
	took := sum.Ended.Time().Sub(sum.Began.Time())
	word := s.Stdout.Style(term.Green, "done")
	switch {
	case !sum.Finished:
		word = s.Stdout.Style(term.Yellow, "stopped")
	case sum.Count(cooper.Failed) > 0:
		word = s.Stdout.Style(term.Yellow, "done, but some objects failed")
	}
	if len(did) == 0 {
		did = []string{"nothing to do"}
		if !sum.Finished { // a shard counts as a whole
			did = []string{r.Words.Unfinished}
		}
	}
	s.Say("%s in %s: %s", word, words.Duration(took), strings.Join(did, ", "))
	if sum.Bytes > 0 || sum.Requests > 0 {
		rate := ""
		if took > time.Second {
			rate = fmt.Sprintf(" (%s/s)", words.Bytes(int64(float64(sum.Bytes)/took.Seconds())))
		}
		s.Say("  %s with %s%s", words.Bytes(sum.Bytes), words.Plural(sum.Requests, "request"), rate)
	}
	s.showFailures(r)
	return nil
}

// reason is a message without the key it begins with: that has been said.
func reason(source, key, message string) string {
	if rest, ok := strings.CutPrefix(message, source+"/"+key); ok {
		if _, why, ok := strings.Cut(rest, ": "); ok { // the version stands between
			return why
		}
	}
	return strings.TrimPrefix(message, cooper.Quote(key)+": ")
}
