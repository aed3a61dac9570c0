package shell

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"cooper"
	"cooper/internal/apply"
	"cooper/internal/job"
	"cooper/internal/term"
	"cooper/internal/words"
)

// mostReasons is how many a screen shows.
const mostReasons = 15

// showFailures tells what failed: how many of each kind, why, and what can be
// done about it.
func (s *Shell) showFailures(r *job.Result) {
	sum := r.Applied
	if len(sum.Reasons) == 0 {
		return
	}
	kinds := map[cooper.Kind]int64{}
	for _, x := range sum.Reasons {
		kinds[x.Kind] += x.Count
	}
	byCount := slices.SortedFunc(maps.Keys(kinds), func(x, y cooper.Kind) int {
		return cmp.Or(cmp.Compare(kinds[y], kinds[x]), cmp.Compare(x, y))
	})
	var counts []string
	for _, k := range byCount {
		counts = append(counts, words.Count(kinds[k])+" "+string(k))
	}
	s.Say("  failed: %s", strings.Join(counts, ", "))
	shown := sum.Reasons[:min(len(sum.Reasons), mostReasons)]
	hidden := false
	for i := range shown {
		x := &shown[i]
		text := term.Clean(x.Key) + ": " + term.Clean(reason(r.Plan.Source, x.Key, x.Message))
		switch {
		case x.Message == "":
			text, hidden = words.Plural(x.Count, "object")+", for other reasons", true
		case x.Count > 1:
			below := ""
			if x.Below != "" {
				below = " below " + term.Clean(x.Below)
			}
			text, hidden = words.Plural(x.Count, "object")+below+", first "+text, true
		}
		s.Say("  %s %s", s.Stdout.Style(term.Red, string(x.Kind)), text)
	}
	for i := range sum.Reasons {
		if x := &sum.Reasons[i]; x.All {
			s.Say("  %s", s.Stdout.Wrap(fmt.Sprintf("all %s failed alike, and nothing else was done with them: that is rather the store, or the way to it, than the objects", words.Plural(x.Count, "object")), 2))
		}
	}
	for _, next := range nextSteps(r, byCount) {
		s.Say("  %s %s", s.Stdout.Style(term.Cyan, "next:"), s.Stdout.Wrap(term.Clean(next), 8))
	}
	if hidden || len(shown) < len(sum.Reasons) {
		s.Say("  all of them: cooper ledger sql \"SELECT key, kind, message FROM outcome WHERE run = '%s' AND status = 'failed'\"", sum.Run)
	}
}

// nextSteps are what can be done about failures: what they say themselves, else
// what holds for their kind. What a flag does, the command knows best.
func nextSteps(r *job.Result, kinds []cooper.Kind) (steps []string) {
	for _, k := range kinds {
		own := false
		for _, x := range r.Applied.Reasons {
			// Of the other kinds it is not the next snapshot that is to help.
			again := x.Again > 0 && (k == cooper.KindChanged || k == cooper.KindMissing)
			if x.Kind == k && again {
				own = own || x.Again == x.Count
				steps = append(steps, string(k)+": "+failedAgain(&x))
			}
			if x.Kind != k || x.Remedy == "" || again && x.Again == x.Count || r.Words.Next[k] != "" {
				continue
			}
			own = true
			if step := string(k) + ": " + x.Remedy; !slices.Contains(steps, step) {
				steps = append(steps, step)
			}
		}
		if step := cmp.Or(r.Words.Next[k], usual(k)); !own && step != "" {
			steps = append(steps, string(k)+": "+step)
		}
	}
	return steps
}

// failedAgain says of failures that were so before what no other plan would change.
func failedAgain(x *apply.Reason) string {
	who := "This very version has"
	if x.Count > 1 {
		who = fmt.Sprintf("%s of the %s: these very versions have", words.Count(x.Again), words.Count(x.Count))
	}
	return who + " failed in the same way before, so that another snapshot and plan will not help. The message says what the store does, or what differs: take that up with those who run it, or leave the objects out."
}

// usual is the next step about failures of a kind.
func usual(k cooper.Kind) string {
	switch k {
	case cooper.KindChanged, cooper.KindMissing:
		return "A new snapshot and plan take up what is there now."
	case cooper.KindDenied:
		return "Ask for the right to do this (in a bucket perhaps with another --profile), then plan again."
	case cooper.KindConflict:
		return "Look at what is there; move it away if it is not wanted, and plan again."
	case cooper.KindStore, cooper.KindTimeout:
		return "Try again later with a new plan; ask those who run the store if it goes on."
	}
	return ""
}
