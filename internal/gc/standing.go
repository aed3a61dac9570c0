package gc

import (
	"fmt"
	"time"

	"cooper"
	"cooper/internal/config"
)

// FreshFor is how old the newest of the scans that count may be.
const FreshFor = 14 * 24 * time.Hour

// Standing is how far the count of complete scans has come. A scan that is not complete
// neither counts nor ends the row: what links it has found count as links all the same. One
// of another declaration ends it.
type Standing struct {
	Counted []string // the scans that count, the newest first
	Wanted  int
	// Waits says what the count waits for; empty if it waits for nothing.
	Waits string
	// Next is when the next scan counts, at the earliest; 0: at once.
	Next cooper.Instant
	// Warnings are for a person: what has kept the count back for two scans.
	Warnings []string
}

// Ready tells whether enough scans stand in a row.
func (s *Standing) Ready() bool { return len(s.Counted) >= s.Wanted }

// Stand counts the complete scans in a row: of this database and declaration, Detect.Apart
// from each other, the newest less than 14 days old. A server and a schema that are not known, as
// nobody has asked the database, are those of the last scan.
func Stand(h *History, server string, d Digests, detect config.Detect, now cooper.Instant) Standing {
	st := Standing{Wanted: detect.Scans}
	if last := h.Last(); server == "" && last != nil {
		server = last.Server
	}
	scans := h.of(server)
	kept := "" // why the newest scans do not count
	keeps := func(format string, args ...any) {
		if kept == "" {
			kept = fmt.Sprintf(format, args...)
		}
	}
	var newest, last *Scan
	for _, s := range scans {
		if d.Schema == "" {
			d.Schema = s.Digests.Schema
		}
		switch {
		case s.Digests.Configuration != d.Configuration:
			keeps("the configuration is another one than that of the scan %s", s.ID)
		case s.Digests.Schema != d.Schema:
			keeps("declared tables, or foreign keys to handles, are others than those of the scan %s", s.ID)
		case !s.Complete():
			keeps("the scan %s is not complete: %s", s.ID, why(s.Open, s.Unread))
			continue
		case last != nil && last.Began.Time().Sub(s.Began.Time()) < detect.Apart:
			keeps("the scan %s began less than %s before the next", s.ID, detect.Apart)
			continue
		case len(st.Counted) < detect.Scans:
			if newest == nil {
				newest = s
			}
			last = s
			st.Counted = append(st.Counted, s.ID)
			continue
		}
		break
	}
	if newest != nil {
		st.Next = cooper.InstantOf(newest.Began.Time().Add(detect.Apart))
		if st.Next <= now {
			st.Next = 0
		}
		if age := now.Time().Sub(newest.Ended.Time()); age > FreshFor {
			keeps("the newest scan that counts, %s, is more than 14 days old", newest.ID)
			st.Counted, st.Next = nil, 0
		}
	}
	if st.Ready() {
		return st
	}
	st.Waits = fmt.Sprintf("%d more complete scans", st.Wanted-len(st.Counted))
	if st.Wanted-len(st.Counted) == 1 {
		st.Waits = "one more complete scan"
	}
	if st.Next > now {
		st.Waits += ", the next not before " + st.Next.String()
	}
	if kept != "" {
		st.Waits += "; " + kept
	}
	if len(scans) > 1 && len(st.Counted) < 2 && kept != "" {
		st.Warnings = append(st.Warnings, fmt.Sprintf("after %d scans the count stands at %d: %s", len(scans), len(st.Counted), kept))
	}
	return st
}
