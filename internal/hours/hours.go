// Package hours knows the times of day at which a run may work.
//
// Times are those of the wall clock of a location, so that they follow summer
// time; windows may go over midnight. A Gate waits until one is open. Stopping
// what is under way when a window closes is left to nobody: it is finished.
package hours

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"cooper"
)

// Hours are the windows of a day; none means that it is always open.
type Hours struct {
	windows []window
	where   *time.Location
}

// window is from the minute of the day from up to the minute to; over midnight
// if from is the later one.
type window struct{ from, to int }

const day = 24 * 60

var pattern = regexp.MustCompile(`^(\d{1,2}):(\d{2})-(\d{1,2}):(\d{2})$`)

// Parse reads windows such as "22:00-06:00,12:00-13:30". Empty is always open.
// The error is KindUsage.
func Parse(s string, where *time.Location) (Hours, error) {
	h := Hours{where: where}
	if s == "" {
		return h, nil
	}
	for part := range strings.SplitSeq(s, ",") {
		m := pattern.FindStringSubmatch(strings.TrimSpace(part))
		if m == nil {
			return h, wrong(part, "is not a time of day")
		}
		from, ok1 := minute(m[1], m[2])
		to, ok2 := minute(m[3], m[4])
		switch {
		case !ok1 || !ok2 || from == day:
			return h, wrong(part, "is not a time of day")
		case from == to:
			return h, wrong(part, "is no time at all")
		}
		h.windows = append(h.windows, window{from, to})
	}
	return h, nil
}

func minute(hours, minutes string) (int, bool) {
	h, _ := strconv.Atoi(hours) // two digits, by the pattern
	m, _ := strconv.Atoi(minutes)
	n := h*60 + m
	return n, m < 60 && n <= day
}

func wrong(part, what string) error {
	return &cooper.Error{Kind: cooper.KindUsage, Message: fmt.Sprintf("%s %s", cooper.Quote(part), what),
		Remedy: "Give hours like 22:00-06:00, several with commas between; 24:00 is the end of a day."}
}

// Always tells whether there are no windows to wait for.
func (h Hours) Always() bool { return len(h.windows) == 0 }

// Open tells whether work may begin at t.
func (h Hours) Open(t time.Time) bool {
	if h.Always() {
		return true
	}
	t = t.In(h.where)
	m := t.Hour()*60 + t.Minute()
	for _, w := range h.windows {
		if w.from < w.to && w.from <= m && m < w.to || w.from > w.to && (m >= w.from || m < w.to) {
			return true
		}
	}
	return false
}

// Next is the first moment from t on at which it is open, to the minute. It
// looks at the clock of each minute to come: where summer time begins or ends
// there is no shorter way that is right.
func (h Hours) Next(t time.Time) time.Time {
	if h.Open(t) {
		return t
	}
	t = t.Truncate(time.Minute)
	for range 3 * day { // a window within an hour that is skipped comes a day later
		if t = t.Add(time.Minute); h.Open(t) {
			return t.In(h.where)
		}
	}
	return t.In(h.where)
}

// Span is how long work takes that begins at t and goes on at these hours alone. Days
// in between count as 24 hours.
func (h Hours) Span(t time.Time, work time.Duration) time.Duration {
	if h.Always() || work <= 0 {
		return work
	}
	each := int64(0) // minutes of a day
	for m := range day {
		if h.Open(time.Date(2026, 1, 1, 0, m, 0, 0, h.where)) {
			each++
		}
	}
	days := (int64(work) - 1) / (each * int64(time.Minute)) // that are worked to their end; the last is not one
	work -= time.Duration(days*each) * time.Minute
	span := time.Duration(days*day) * time.Minute
	for range 2 * day {
		if span += time.Minute; !h.Open(t.Add(span - time.Minute)) {
			continue
		}
		if work -= time.Minute; work <= 0 {
			return span + work
		}
	}
	return span
}

// Gate holds a run back outside of its hours.
type Gate struct {
	Hours Hours
	Clock func() time.Time
	Sleep func(ctx context.Context, d time.Duration) error
	// Waiting is told until when the run waits, and the zero time when it goes
	// on; it may be called from several goroutines.
	Waiting func(until time.Time)
}

// look is how long a Gate sleeps at most: a computer that was asleep itself, or
// whose clock was set, is noticed.
const look = time.Minute

// Wait returns when work may begin, or with ctx's error.
func (g *Gate) Wait(ctx context.Context) error {
	now := g.Clock()
	if g.Hours.Open(now) {
		return nil
	}
	defer g.Waiting(time.Time{})
	for !g.Hours.Open(now) {
		next := g.Hours.Next(now)
		g.Waiting(next)
		if err := g.Sleep(ctx, min(next.Sub(now), look)); err != nil {
			return err
		}
		now = g.Clock()
	}
	return nil
}
