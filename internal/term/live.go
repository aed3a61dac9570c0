package term

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"cooper/internal/progress"
	"cooper/internal/words"
)

// How often progress is shown: on a terminal so that it moves, in a log so
// that it does not fill the disk.
const (
	redrawEvery = 200 * time.Millisecond
	logEvery    = 30 * time.Second
	// lookEvery is how often a log is looked after for a standstill.
	lookEvery = 10 * time.Second
)

// sparse is how long after the last line of a log that is kept for weeks the next
// one comes: their number grows with the logarithm of the time, up to an hour each.
func sparse(elapsed time.Duration) time.Duration {
	return min(max(time.Minute, elapsed/10), time.Hour)
}

// Follow shows the progress of a run on out until the returned function is
// called, which clears a live view.
func Follow(out Out, snapshot func() progress.Snapshot) (stop func()) {
	every := logEvery
	switch {
	case out.Live:
		every = redrawEvery
	case out.Sparse:
		every = sparse(0)
	}
	tick := time.NewTicker(every)
	look := time.NewTicker(lookEvery)
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		lines := 0
		var now time.Time
		var told time.Duration
		for {
			select {
			case <-quit:
				out.erase(lines)
				return
			case now = <-look.C:
				s := snapshot()
				if said := stalled(&s); !out.Live && said != "" && s.Stalled >= 2*told {
					if told = s.Stalled; out.Sparse {
						said = now.Format(time.DateTime) + " " + said
					}
					fmt.Fprintln(out, said)
				} else if said == "" {
					told = 0
				}
				continue
			case now = <-tick.C:
			}
			s := snapshot()
			if out.Sparse {
				fmt.Fprintln(out, now.Format(time.DateTime), LogLine(&s))
				tick.Reset(sparse(s.Elapsed))
				continue
			}
			if !out.Live {
				fmt.Fprintln(out, LogLine(&s))
				continue
			}
			out.erase(lines)
			view := liveView(out, &s)
			lines = len(view)
			fmt.Fprint(out, strings.Join(view, "\n")+"\n")
		}
	}()
	var once sync.Once
	return func() {
		once.Do(func() {
			tick.Stop()
			look.Stop()
			close(quit)
			<-done
		})
	}
}

// erase takes back the last n lines.
func (o Out) erase(n int) {
	if n > 0 {
		fmt.Fprintf(o, "\x1b[%dA\r\x1b[J", n)
	}
}

// liveView is what a person sees: a bar, then figures, then what goes wrong.
func liveView(out Out, s *progress.Snapshot) []string {
	width := out.Width()
	share := 0.0
	switch {
	case s.TotalBytes > 0:
		// Small objects are bound by their number, large ones by their bytes:
		// the bar shows whichever is further from the end.
		share = min(ratio(s.Bytes, s.TotalBytes), ratio(s.Objects, s.TotalObjects))
	case s.TotalObjects > 0:
		share = ratio(s.Objects, s.TotalObjects)
	}
	lines := []string{}
	if s.TotalObjects > 0 {
		cells := max(10, min(40, width-40))
		full := int(share * float64(cells))
		bar := out.Style(Green, strings.Repeat("█", full)) + out.Style(Faint, strings.Repeat("░", cells-full))
		lines = append(lines, fmt.Sprintf("%s %3.0f %%  %s", bar, 100*share, eta(s)))
	}
	head := fmt.Sprintf("%s  %s objects", Clean(s.Phase), of(words.Count(s.Objects), words.Count(s.TotalObjects), s.TotalObjects))
	if s.TotalBytes > 0 || s.Bytes > 0 {
		head += "  " + of(words.Bytes(s.Bytes), words.Bytes(s.TotalBytes), s.TotalBytes)
	}
	head += fmt.Sprintf("  %s/s", words.Count(int64(s.ObjectRate)))
	if s.ByteRate >= 1 {
		head += fmt.Sprintf("  %s/s", words.Bytes(int64(s.ByteRate)))
	}
	if s.InFlight > 0 {
		head += fmt.Sprintf("  %d in flight", s.InFlight)
	}
	lines = append(lines, Shorten(strings.TrimSpace(head), width-1))
	if t := troubles(s); t != "" {
		lines = append(lines, out.Style(Yellow, Shorten(t, width-1)))
	}
	for i, l := range standstill(s) {
		if i > 0 {
			l = "  " + l
		}
		lines = append(lines, out.Style(Yellow, Shorten(Clean(l), width-1)))
	}
	return lines
}

// mostWaits is how many of the things that a run waits for are told.
const mostWaits = 3

// standstill says, line by line, that nothing moves and what is waited for; nil while
// something does.
func standstill(s *progress.Snapshot) []string {
	if s.Stalled == 0 {
		return nil
	}
	lines := []string{"nothing has moved for " + words.Duration(s.Stalled.Truncate(time.Second))}
	if len(s.Waits) == 0 {
		return append(lines, fmt.Sprintf("no request is under way; %s worked on", words.Plural(s.InFlight, "object")))
	}
	for i, w := range s.Waits {
		if i == mostWaits {
			return append(lines, fmt.Sprintf("and for %d more", len(s.Waits)-i))
		}
		lines = append(lines, "waiting for "+w.For+", since "+w.Since.Format(time.TimeOnly))
	}
	return lines
}

// stalled is the same in one line.
func stalled(s *progress.Snapshot) string {
	lines := standstill(s)
	if len(lines) == 0 {
		return ""
	}
	return Clean(lines[0] + ": " + strings.Join(lines[1:], "; "))
}

// LogLine is the same for a log: one line that stands by itself.
func LogLine(s *progress.Snapshot) string {
	parts := []string{
		strings.TrimSpace(s.Phase + " " + of(words.Count(s.Objects), words.Count(s.TotalObjects), s.TotalObjects) + " objects"),
		of(words.Bytes(s.Bytes), words.Bytes(s.TotalBytes), s.TotalBytes),
		words.Count(int64(s.ObjectRate)) + "/s",
		words.Bytes(int64(s.ByteRate)) + "/s",
		"elapsed " + words.Duration(s.Elapsed),
	}
	if e := eta(s); e != "" {
		parts = append(parts, e)
	}
	if t := troubles(s); t != "" {
		parts = append(parts, t)
	}
	return strings.Join(parts, ", ")
}

func troubles(s *progress.Snapshot) string {
	var parts []string
	if !s.Until.IsZero() {
		parts = append(parts, "waiting until "+words.Clock(s.Until))
	}
	for _, k := range slices.Sorted(maps.Keys(s.Failed)) {
		parts = append(parts, fmt.Sprintf("%s failed (%s)", words.Count(s.Failed[k]), k))
	}
	for _, x := range []struct {
		n    int64
		word string
	}{{s.Deferred, "deferred"}, {s.Ignored, "ignored"}, {s.Retries, "retries"}, {s.Throttled, "throttled"}} {
		if x.n > 0 {
			parts = append(parts, words.Count(x.n)+" "+x.word)
		}
	}
	return strings.Join(parts, ", ")
}

func of(part, whole string, total int64) string {
	if total <= 0 {
		return part
	}
	return part + " of " + whole
}

func eta(s *progress.Snapshot) string {
	if s.ETA <= 0 {
		return ""
	}
	return "ETA " + words.Duration(s.ETA)
}

func ratio(part, whole int64) float64 {
	if whole <= 0 {
		return 1
	}
	return min(1, float64(part)/float64(whole))
}
