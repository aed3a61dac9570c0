package gc

import (
	"context"
	"time"

	"cooper"
	"cooper/internal/ledger/gcfacts"
	"cooper/internal/query"
)

// Person is who answers for an acknowledgement, and when.
type Person struct {
	Name string
	At   cooper.Instant
}

// Unread lists the values of a scan that could not be read and are not acknowledged. With
// an association, and a key, only theirs.
func Unread(ctx context.Context, e query.Engine, scan, association, key string, now cooper.Instant) (all []gcfacts.Malformed, err error) {
	err = ask(ctx, e, `SELECT DISTINCT association, table_name, key, why, hash FROM gc_malformed m WHERE scan = $2 AND ($3 = '' OR association = $3) AND ($4 = '' OR key = $4) AND `+unacknowledged+` ORDER BY ALL`,
		[]any{now.Time(), scan, association, key}, func(f *fields) {
			all = append(all, gcfacts.Malformed{Association: f.text(), Table: f.text(), Key: f.text(), Why: f.text(), Hash: f.bytes()})
		})
	return all, err
}

// AcknowledgeValues takes note of values that cannot be read, for a time: as long as they
// stay the same, a scan is complete without them.
func AcknowledgeValues(scan string, values []gcfacts.Malformed, by Person, days time.Duration) (all []gcfacts.Acknowledgement) {
	until := cooper.InstantOf(by.At.Time().Add(days))
	for _, m := range values {
		all = append(all, gcfacts.Acknowledgement{What: gcfacts.Value, Scan: scan, Association: m.Association, Key: m.Key, Hash: m.Hash, Person: by.Name, Made: by.At, Until: until})
	}
	return all
}

// AcknowledgeShrunk takes note of all that is suspect about an association in one scan, with
// the numbers: the next time that it is suspect is another one.
func AcknowledgeShrunk(s *Scan, association string, by Person) (all []gcfacts.Acknowledgement, err error) {
	for _, o := range s.Open {
		if what := acceptable[o.What]; what != "" && o.Association == association {
			all = append(all, gcfacts.Acknowledgement{What: what, Scan: s.ID, Association: association, Measure: o.What, Before: o.Before, Now: o.Now, Person: by.Name, Made: by.At})
		}
	}
	if len(all) == 0 {
		return nil, &cooper.Error{Kind: cooper.KindUsage, Where: "--association " + cooper.Quote(association), Message: "there is nothing to acknowledge about it in the scan " + s.ID,
			Remedy: "cooper gc status says what a scan lacks."}
	}
	return all, nil
}

// AcceptDatabase takes note of a database that is another, or older, than what was seen:
// the count of scans begins anew, and what was read before is compared with nothing.
func AcceptDatabase(server string, by Person) gcfacts.Acknowledgement {
	return gcfacts.Acknowledgement{What: gcfacts.Database, Key: server, Person: by.Name, Made: by.At}
}
