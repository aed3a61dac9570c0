package bucket

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"cooper/internal/job"
	"cooper/internal/term"
	"cooper/internal/words"
)

// showBecame tells a person; a program has been told with the summary.
func (a family) showBecame(c *job.Became) {
	if a.JSON || c == nil {
		return
	}
	if c.Before.Count > 0 {
		kept := ""
		if c.Kept {
			kept = "; the originals are kept"
		}
		a.Say("  %s in %s became %s%s%s", words.Bytes(c.Before.Bytes), words.Plural(c.Before.Count, "object"), a.Stdout.Style(term.Bold, words.Bytes(c.After)), times(c.Before.Bytes, c.After), kept)
	}
	if c.Stayed.Count > 0 {
		a.Say("  %s", a.Stdout.Wrap(fmt.Sprintf("%s (%s) did not go as planned: they stayed, or somebody wrote or deleted there meanwhile; of the new forms, %s, nothing counts as saved", words.Plural(c.Stayed.Count, "original"), words.Bytes(c.Stayed.Bytes), words.Bytes(c.StayedAs)), 2))
	}
	if c.Found.Count > 0 {
		a.Say("  %s compressed already: %s hold %s%s", words.Plural(c.Found.Count, "object"), words.Bytes(c.Found.Bytes), words.Bytes(c.Plain), times(c.Plain, c.Found.Bytes))
	}
	var left []string
	for _, why := range slices.Sorted(maps.Keys(c.Left)) {
		left = append(left, fmt.Sprintf("%s (%s) %s", words.Plural(c.Left[why].Count, "object"), words.Bytes(c.Left[why].Bytes), term.Clean(why)))
	}
	if len(left) > 0 {
		a.Say("  left as they are: %s", a.Stdout.Wrap(strings.Join(left, ", "), 4))
	}
}

// times is a ratio in words; nothing where there is none.
func times(before, after int64) string {
	if after <= 0 || before <= 0 {
		return ""
	}
	return fmt.Sprintf(" (%.2f times smaller)", float64(before)/float64(after))
}
