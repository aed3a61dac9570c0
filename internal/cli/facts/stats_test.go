package facts

import (
	"bytes"
	"testing"

	"cooper"

	"cooper/internal/cli/shell"
	"cooper/internal/cli/shell/shelltest"
	"cooper/internal/stats"
	"cooper/internal/term"
)

// TestStatsAddUp: what stands in a row follows from what stands in it, and the
// rows of a part add up to the total.
func TestStatsAddUp(t *testing.T) {
	compressed := stats.Part{Contents: 3000, Known: 3000, Plain: 207e6, Stored: 60e6, KnownStored: 60e6, Saved: 147e6}
	left := stats.Part{Contents: 205, Stored: 32e6}
	total := compressed
	total.Add(&left)
	s := &stats.Stats{Buckets: []string{"lab"}, Total: total, By: "suffix", AsOf: cooper.Instant(1795136400000),
		States: []stats.Row{{Name: "rewritten", Part: compressed}, {Name: "left", Part: left}},
		Left:   []stats.Row{{Name: "does not shrink: png", Part: left}},
		Rows:   []stats.Row{{Name: ".csv", Part: compressed}, {Name: ".png", Part: left}}}
	var out bytes.Buffer
	a := family{&shell.Shell{Stdout: term.Plain(&out)}}
	a.showStats(s)
	shelltest.Golden(t, "stats.golden", out.String())

	s.Total, s.States, s.Left, s.Rows = compressed, s.States[:1], nil, s.Rows[:1]
	out.Reset()
	a.showStats(s)
	shelltest.Golden(t, "stats_known.golden", out.String())
}
