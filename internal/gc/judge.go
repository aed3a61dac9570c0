package gc

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"cooper"
	"cooper/internal/config"
	"cooper/internal/ledger/gcfacts"
	"cooper/internal/plan"
	"cooper/internal/query"
)

// Why a scan is not believed, in Suspect.What. What is counted of an association (rows, links,
// those that lead to handles, silent values) is held against the last complete scan, and may be
// acknowledged. The others may not.
const (
	SuspectRows   = "rows"
	SuspectLinks  = "links"
	SuspectFound  = "found" // links that lead to handles
	SuspectSilent = "silent"
	// SuspectDangling is of an association that is new: as many links as Now, and none leads to a handle.
	SuspectDangling = "dangling"
	SuspectRanges   = "ranges" // planned and read
	SuspectServer   = "server" // ranges that another server has answered, as Now
	SuspectNewest   = "newest" // the newest handle is older than last time; milliseconds since 1970
	SuspectGone     = "gone"   // handles of last time, and those of them that are gone
)

// acceptable are those that a person may acknowledge with the numbers.
var acceptable = map[string]string{SuspectRows: gcfacts.Shrunk, SuspectLinks: gcfacts.Shrunk, SuspectFound: gcfacts.Shrunk, SuspectDangling: gcfacts.Shrunk, SuspectSilent: gcfacts.Silent}

// A smaller association is suspect below this share, and if more than a few are gone.
const (
	leastPercent = 90
	fewGone      = 20
	// mostGone is the share of handles, one in so many, that may be gone from one scan to the next.
	mostGone = 100
)

// shrunk tells whether fewer are suspiciously fewer.
func shrunk(before, now int64) bool {
	return now < before && (now == 0 || before-now > fewGone && now < before-before*(100-leastPercent)/100)
}

// Read is what the facts of a scan say when its ranges have been read.
type Read struct {
	ID     string // of its plan
	Shards int    // of its plan
	// Began and Ended are by our clock.
	Began, Ended cooper.Instant
	Counts       map[string]Count
	Newest       cooper.Instant // of the handles
	Handles      int64
	Foreign      int64 // ranges that another server than the planned one has answered
	// Unread is how many values could not be read and are not acknowledged.
	Unread int64
	// Gone is how many handles of the last complete scan are not there any more.
	Gone int64
}

// ReadOf reads them. last is the scan that this one is compared with; nil if there is none.
func ReadOf(ctx context.Context, e query.Engine, h *plan.Header, last *Scan, now cooper.Instant) (*Read, error) {
	p, err := PolicyOf(h)
	if err != nil {
		return nil, err
	}
	id := h.ID
	r := &Read{ID: id, Counts: map[string]Count{}}
	for _, phase := range h.Phases {
		r.Shards += phase.Shards
	}
	// A shard has one range, so that one that was done twice is there once.
	err = ask(ctx, e, `SELECT coalesce(association, '') AS of, count(DISTINCT shard), CAST(sum("rows") AS BIGINT), CAST(sum(links) AS BIGINT), CAST(sum(malformed) AS BIGINT), CAST(sum(silent) AS BIGINT),
		CAST(sum(handles) AS BIGINT), min(began), max(ended), CAST(count(*) FILTER (server IS DISTINCT FROM $2) AS BIGINT) FROM gc_range WHERE scan = $1 GROUP BY of`, []any{id, p.Scanning.Server}, func(f *fields) {
		association := f.text()
		r.Counts[association] = Count{Ranges: f.number(), Rows: f.number(), Links: f.number(), Malformed: f.number(), Silent: f.number()}
		r.Handles += f.number()
		if began := f.moment(); r.Began == 0 || began < r.Began {
			r.Began = began
		}
		r.Ended = max(r.Ended, f.moment())
		r.Foreign += f.number()
	})
	if err != nil {
		return nil, err
	}
	found, err := foundOf(ctx, e, id)
	if err != nil {
		return nil, err
	}
	for a, n := range found {
		c := r.Counts[a]
		c.Found = n
		r.Counts[a] = c
	}
	err = ask(ctx, e, `SELECT max(greatest(modified, created)) FROM gc_handle WHERE scan = $1`, []any{id}, func(f *fields) { r.Newest = f.moment() })
	if err != nil {
		return nil, err
	}
	err = ask(ctx, e, `SELECT count(*) FROM gc_malformed m WHERE scan = $2 AND `+unacknowledged, []any{now.Time(), id}, func(f *fields) { r.Unread = f.number() })
	if err != nil || last == nil {
		return r, err
	}
	err = ask(ctx, e, `SELECT count(*) FROM gc_handle h WHERE scan = $1 AND NOT EXISTS (SELECT 1 FROM gc_handle n WHERE n.scan = $2 AND n.kind = h.kind AND n.id = h.id)`, []any{last.ID, id}, func(f *fields) { r.Gone = f.number() })
	return r, err
}

// Judge tells what a scan is worth, by its plan, what was read, and the last complete scan
// of the same database; nil for none.
func Judge(p *Policy, r *Read, last *Scan) gcfacts.Scan {
	s := gcfacts.Scan{
		ID: r.ID, Shards: r.Shards, Began: r.Began, Ended: r.Ended, Clock: p.Scanning.Time, Skew: time.Duration(p.Skew) * time.Millisecond, Engine: p.Scanning.Engine, Server: p.Scanning.Server,
		Configuration: p.Scanning.Configuration, Schema: p.Scanning.Schema, Newest: r.Newest, Found: map[string]int64{},
	}
	suspect := func(association, what string, before, now int64) {
		s.Suspects = append(s.Suspects, gcfacts.Suspect{Association: association, What: what, Before: before, Now: now})
	}
	for _, a := range slices.Sorted(maps.Keys(p.Ranges)) {
		if planned, read := int64(p.Ranges[a]), r.Counts[a].Ranges; read < planned {
			suspect(a, SuspectRanges, planned, read)
		}
	}
	if r.Foreign > 0 {
		suspect("", SuspectServer, 0, r.Foreign)
	}
	if last != nil {
		compare(r, last, suspect)
	}
	for _, a := range slices.Sorted(maps.Keys(r.Counts)) {
		c := r.Counts[a]
		if s.Found[a] = c.Found; a == "" || last != nil && last.Counts[a].Ranges > 0 {
			continue
		}
		// A name, or a spelling, that was never right: nothing before shows it.
		if c.Links == 0 && c.Silent > 0 {
			suspect(a, SuspectSilent, 0, c.Silent)
		}
		if c.Found == 0 && c.Links > fewGone {
			suspect(a, SuspectDangling, 0, c.Links)
		}
	}
	s.Complete = len(s.Suspects) == 0 && r.Unread == 0
	s.Why = why(s.Suspects, r.Unread)
	return s
}

// compare holds a scan against the last complete one.
func compare(r *Read, last *Scan, suspect func(association, what string, before, now int64)) {
	for _, a := range slices.Sorted(maps.Keys(last.Counts)) {
		before, now := last.Counts[a], r.Counts[a]
		if a == "" {
			continue // handles are compared one by one
		}
		// A registry's rows stay when a link ends: one that is gone is a link that nobody ended.
		if shrunk(before.Rows, now.Rows) || a == config.RegistryName && now.Rows < before.Rows {
			suspect(a, SuspectRows, before.Rows, now.Rows)
		}
		if shrunk(before.Links, now.Links) {
			suspect(a, SuspectLinks, before.Links, now.Links)
		}
		// Links that lead nowhere are as good as none: ids of others, keys in another spelling. Those
		// that are gone are told already.
		more := now.Links-now.Found > before.Links-before.Found
		if shrunk(before.Found, now.Found) && (more || !shrunk(before.Links, now.Links)) {
			suspect(a, SuspectFound, before.Found, now.Found)
		}
	}
	for _, a := range slices.Sorted(maps.Keys(r.Counts)) {
		if before, was := last.Counts[a]; was && r.Counts[a].Silent > before.Silent {
			suspect(a, SuspectSilent, before.Silent, r.Counts[a].Silent)
		}
	}
	if r.Newest < last.Newest {
		suspect("", SuspectNewest, int64(last.Newest), int64(r.Newest))
	}
	if r.Gone*mostGone > last.Handles {
		suspect("", SuspectGone, last.Handles, r.Gone)
	}
}

// why says why a scan is not complete; empty if it is.
func why(all []gcfacts.Suspect, unread int64) string {
	var said []string
	for _, s := range all {
		said = append(said, Said(&s))
	}
	if unread > 0 {
		said = append(said, fmt.Sprintf("values that cannot be read and are not acknowledged: %d", unread))
	}
	const most = 5
	if n := len(said); n > most {
		said = append(said[:most], fmt.Sprintf("and %d reasons more", n-most))
	}
	return strings.Join(said, "; ")
}

// Said is a reason in words.
func Said(s *gcfacts.Suspect) string {
	of := s.Association
	if of == "" {
		of = "handles"
	}
	switch s.What {
	case SuspectRanges:
		return fmt.Sprintf("%s: %d of %d ranges were read", of, s.Now, s.Before)
	case SuspectServer:
		return fmt.Sprintf("ranges that another server has answered: %d", s.Now)
	case SuspectNewest:
		return fmt.Sprintf("this database is older than what was seen: its newest handle is of %s, that of the last scan of %s", cooper.Instant(s.Now), cooper.Instant(s.Before))
	case SuspectGone:
		return fmt.Sprintf("this database is older than what was seen, or handles were lost: %d of %d are gone", s.Now, s.Before)
	case SuspectFound:
		return fmt.Sprintf("%s: %d links that lead to handles, and %d in the last complete scan", of, s.Now, s.Before)
	case SuspectDangling:
		return fmt.Sprintf("%s: %d links, and none leads to a handle", of, s.Now)
	case SuspectSilent:
		if s.Before == 0 { // or there was none
			return fmt.Sprintf("%s: values in which an id stands and no link was found: %d", of, s.Now)
		}
		return fmt.Sprintf("%s: values in which an id stands and no link was found: %d, and %d in the last complete scan", of, s.Now, s.Before)
	}
	return fmt.Sprintf("%s: %d %s, and %d in the last complete scan", of, s.Now, s.What, s.Before)
}
