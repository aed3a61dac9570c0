package listing

import (
	"testing"
	"time"

	"cooper"
)

// dated is a store that tells the time.
type dated struct {
	*fakeLister
	at     time.Time
	ahead  time.Duration
	silent bool
}

func (d *dated) Date() (time.Time, time.Duration, bool) { return d.at, d.ahead, !d.silent }

// A clock here that is wrong makes no snapshot from the future or the past: the
// store's counts where the two differ by minutes. Where they differ by days, none of
// them can be believed.
func TestTakenByTheStoresClock(t *testing.T) {
	now := time.Date(2026, 11, 30, 12, 0, 0, 5e6, time.UTC)
	for name, c := range map[string]struct {
		ahead   time.Duration
		silent  bool
		taken   time.Time
		told    time.Duration
		refused bool
	}{
		"equal":          {ahead: 700 * time.Millisecond, taken: now},
		"within":         {ahead: -59 * time.Second, taken: now},
		"ahead":          {ahead: 5 * time.Minute, taken: now.Add(-5 * time.Minute), told: 5 * time.Minute},
		"behind":         {ahead: -3 * time.Hour, taken: now.Add(3 * time.Hour), told: -3 * time.Hour},
		"years ahead":    {ahead: 20000 * time.Hour, refused: true},
		"years behind":   {ahead: -20000 * time.Hour, refused: true},
		"nobody told it": {ahead: 5 * time.Hour, silent: true, taken: now},
	} {
		l, err := New(t.Context(), &dated{&fakeLister{page: 10}, now.Add(-c.ahead), c.ahead, c.silent}, "lab",
			Options{Clock: func() time.Time { return now }, Store: &cooper.Store{Endpoint: "http://a"}})
		if c.refused {
			if cooper.KindOf(err) != cooper.KindRefused || cooper.RemedyOf(err) == "" {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if m := l.Meta(); m.TakenAt != cooper.InstantOf(c.taken) || l.Ahead() != c.told || m.Store.Endpoint != "http://a" {
			t.Errorf("%s: taken at %s, ahead by %s", name, m.TakenAt, l.Ahead())
		}
	}
}
