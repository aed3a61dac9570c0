package runs

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"cooper"
	"cooper/internal/background"
	"cooper/internal/cli/shell"
	"cooper/internal/term"
)

// now is when all tests are.
var now = cooper.InstantOf(time.Date(2026, 11, 20, 1, 0, 0, 0, time.UTC))

// TestRunsFit: no line is longer than the screen, and each tells id, state and
// what was run.
func TestRunsFit(t *testing.T) {
	var runs []*background.Run
	for i, status := range []background.Status{background.Running, background.Stopped, background.Failed} {
		runs = append(runs, &background.Run{Status: status, State: background.State{ID: fmt.Sprintf("b-20261120T010000Z-000%d", i), Began: now, Args: strings.Fields("compress run s3://a-bucket/with/a/long/prefix/ --list --yes --match " + strings.Repeat("é", 90))}})
	}
	for width, want := range map[int]string{0: "BEGAN", 80: "cooper compress", 120: "PROGRESS"} {
		var out bytes.Buffer
		a := family{Shell: &shell.Shell{Stdout: term.Plain(&out)}}
		if err := a.showRuns(runs, now.Time(), width); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(out.String(), want) || width == 0 && strings.Contains(out.String(), "…") {
			t.Errorf("%d columns:\n%s", width, out.String())
		}
		for _, line := range strings.Split(out.String(), "\n") {
			if width > 0 && utf8.RuneCountInString(line) >= width {
				t.Errorf("%d columns: %s", width, line)
			}
		}
	}
}

// TestOfStopped: a run that came to its end before it could stop has not been stopped.
func TestOfStopped(t *testing.T) {
	for want, state := range map[string]background.Run{
		"b-1 is stopped: cooper resume b-1 goes on":                                                                        {Status: background.Stopped},
		"b-1 is finished: it came to its end before it could stop, and nothing is left to go on with":                      {Status: background.Finished},
		"b-1 is failed (exit code 2): cooper logs b-1 says why, cooper resume b-1 goes on":                                 {Status: background.Failed, State: background.State{Exit: 2}},
		"b-1 is finished, some objects failed: it came to its end before it could stop, and nothing is left to go on with": {Status: background.Finished, State: background.State{Exit: 3, Ended: cooper.Instant(1)}},
	} {
		state.ID = "b-1"
		if got := ofStopped(&state, now.Time()); got != want {
			t.Errorf("%s\nwant %s", got, want)
		}
	}
}
