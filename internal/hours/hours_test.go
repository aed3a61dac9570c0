package hours

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
	_ "time/tzdata" // the machine may have none

	"cooper"
	"cooper/internal/store/retry"
)

func berlin(t *testing.T) *time.Location {
	t.Helper()
	l, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestParse(t *testing.T) {
	for _, s := range []string{"22-06", "22:00", "25:00-26:00", "22:60-23:00", "24:00-06:00", "06:00-24:01", "12:00-12:00", "22:00-06:00,", "x", " "} {
		if _, err := Parse(s, time.UTC); cooper.KindOf(err) != cooper.KindUsage {
			t.Errorf("%q: %v", s, err)
		}
	}
	if h, err := Parse("", time.UTC); err != nil || !h.Always() || !h.Open(time.Now()) {
		t.Error(err)
	}
}

func TestOpenAndNext(t *testing.T) {
	for _, c := range []struct{ hours, at, next string }{
		{"22:00-06:00", "2026-11-20 21:59:59", "2026-11-20 22:00:00"},
		{"22:00-06:00", "2026-11-20 22:00:00", ""},
		{"22:00-06:00", "2026-11-21 05:59:59", ""},
		{"22:00-06:00", "2026-11-21 06:00:00", "2026-11-21 22:00:00"},
		{"09:30-10:00, 22:00-24:00", "2026-11-20 09:00:30", "2026-11-20 09:30:00"},
		{"09:30-10:00, 22:00-24:00", "2026-11-20 10:00:00", "2026-11-20 22:00:00"},
		{"09:30-10:00, 22:00-24:00", "2026-11-20 23:59:59", ""},
		{"09:30-10:00, 22:00-24:00", "2026-11-20 00:00:00", "2026-11-20 09:30:00"},
		{"00:00-24:00", "2026-11-20 00:00:00", ""},
		// In the night of 2026-03-29 the clock jumps from 2:00 to 3:00: a window that lies
		// within that hour comes a day later, one that begins in it at 3:00.
		{"02:10-02:50", "2026-03-29 01:00:00", "2026-03-30 02:10:00"},
		{"02:30-05:00", "2026-03-29 01:00:00", "2026-03-29 03:00:00"},
		{"22:00-06:00", "2026-03-29 06:00:00", "2026-03-29 22:00:00"},
	} {
		l := berlin(t)
		h, err := Parse(c.hours, l)
		if err != nil {
			t.Fatal(err)
		}
		at, err := time.ParseInLocation(time.DateTime, c.at, l)
		if err != nil {
			t.Fatal(err)
		}
		if h.Open(at) != (c.next == "") {
			t.Errorf("%s at %s: open %v", c.hours, c.at, h.Open(at))
		}
		if got := h.Next(at).Format(time.DateTime); c.next != "" && got != c.next {
			t.Errorf("%s at %s: opens %s, want %s", c.hours, c.at, got, c.next)
		}
	}
}

// TestHourTwice: in the night of 2026-10-25 the clock goes from 3:00 back to
// 2:00, and a window that had closed opens again.
func TestHourTwice(t *testing.T) {
	h, err := Parse("22:00-02:30", berlin(t))
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 10, 25, 0, 45, 0, 0, time.UTC) // 2:45 for the first time
	if next := h.Next(at); h.Open(at) || !next.Equal(at.Add(15*time.Minute)) {
		t.Errorf("open %v, next %s", h.Open(at), next)
	}
}

func TestGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, err := Parse("06:00-07:00", time.UTC)
		if err != nil {
			t.Fatal(err)
		}
		var told []time.Time
		g := Gate{Hours: h, Clock: time.Now, Sleep: retry.Sleep, Waiting: func(u time.Time) { told = append(told, u) }}
		if err := g.Wait(t.Context()); err != nil { // made-up time begins at midnight, UTC
			t.Fatal(err)
		}
		if now := time.Now().UTC(); now.Format("15:04:05") != "06:00:00" {
			t.Errorf("it went on at %s", now)
		}
		if len(told) < 2 || told[0].Format("15:04") != "06:00" || !told[len(told)-1].IsZero() {
			t.Errorf("told %v", told)
		}
		if told = nil; g.Wait(t.Context()) != nil || told != nil {
			t.Error("it waits although it is open")
		}
		time.Sleep(2 * time.Hour)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		began := time.Now()
		if err := g.Wait(ctx); !errors.Is(err, context.Canceled) || time.Since(began) != time.Second {
			t.Errorf("%v after %s", err, time.Since(began))
		}
	})
}

// TestClockIsSet: a clock that jumps forward opens the gate within a minute.
func TestClockIsSet(t *testing.T) {
	h, err := Parse("06:00-07:00", time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var slept time.Duration
	g := Gate{Hours: h, Clock: func() time.Time { return now }, Waiting: func(time.Time) {}, Sleep: func(_ context.Context, d time.Duration) error {
		slept += d
		now = now.Add(6*time.Hour + 5*time.Minute)
		return nil
	}}
	if err := g.Wait(t.Context()); err != nil || slept > time.Minute {
		t.Errorf("%v after %s", err, slept)
	}
}

func TestSpan(t *testing.T) {
	for _, c := range []struct {
		hours, at  string
		work, want time.Duration
	}{
		{"", "12:00", 5 * time.Hour, 5 * time.Hour},
		{"22:00-06:00", "22:00", 8 * time.Hour, 8 * time.Hour},
		{"22:00-06:00", "23:00", 90 * time.Second, 90 * time.Second},
		{"22:00-06:00", "20:00", time.Hour, 3 * time.Hour},
		{"22:00-06:00", "05:00", 2 * time.Hour, 18 * time.Hour},
		{"22:00-06:00", "22:00", 24 * time.Hour, 56 * time.Hour},
		{"22:00-06:00", "22:00", 80 * time.Hour, 9*24*time.Hour + 8*time.Hour},
		{"00:00-24:00", "12:00", 100 * time.Hour, 100 * time.Hour},
		{"22:00-06:00", "20:00", 0, 0},
	} {
		h, err := Parse(c.hours, time.UTC)
		if err != nil {
			t.Fatal(err)
		}
		at, err := time.Parse("15:04", c.at)
		if err != nil {
			t.Fatal(err)
		}
		if got := h.Span(at, c.work); got != c.want {
			t.Errorf("%s of work at %s from %s on: %s, want %s", c.work, c.hours, c.at, got, c.want)
		}
	}
}
