package main

import (
	"fmt"
	"time"

	"cooper"
	"cooper/internal/inventory"
	"cooper/internal/store/s3"
	"cooper/internal/words"
)

const (
	// skewed is by how much the clocks of store and machine may differ without
	// one of them counting for more.
	skewed = time.Minute
	// datedAhead is how far ahead of the clock a report may be dated.
	datedAhead = 15 * time.Minute
	// absurd: neither of two clocks that differ by so much can be believed.
	absurd = 24 * time.Hour
)

// setClock remembers by how much the clock is off, as a store tells.
func (a *app) setClock(b *s3.Bucket) {
	_, ahead, ok := b.Date()
	if ok && ahead.Abs() >= skewed && ahead.Abs() <= absurd {
		a.ahead = ahead
	}
}

// storeNow is the time by the store's clock, as far as one was asked.
func (a *app) storeNow() cooper.Instant { return cooper.InstantOf(a.clock().Add(-a.ahead)) }

// notFromTheFuture refuses a source of a time that has not come. A tree that
// followed it would take every later one for older.
func (a *app) notFromTheFuture(m inventory.Meta) error {
	now := a.storeNow()
	if !m.TakenAt.Time().After(now.Time().Add(datedAhead)) {
		return nil
	}
	return &cooper.Error{Kind: cooper.KindRefused, Where: m.Source,
		Message: fmt.Sprintf("it says that it was taken at %s, and it is %s", m.TakenAt, now),
		Remedy:  "Set this machine's clock if it is wrong; else the report is: take another one, with --date, or --list."}
}

// aheadOf says how far a clock is off.
func aheadOf(d time.Duration) string {
	if d < 0 {
		return words.Duration(-d) + " behind"
	}
	return words.Duration(d) + " ahead of"
}
