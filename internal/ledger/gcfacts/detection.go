package gcfacts

import (
	"cooper"
)

// A detection is one look at complete scans, inventories and the state: what it has found. What
// follows from it (marks) are transitions.

// Detection is what a detection rests on, and what it comes to. How many rows its lists have, the
// writer counts.
type Detection struct {
	ID          string // d-, UTC time, four hex digits
	Scope       string // which collection of handles
	Run         string // that looked; empty if none
	Made, Clock cooper.Instant
	Scans       []string // that count, the newest first
	Waits       string   // why these are not enough to mark; empty if they are
	// Configuration and Schema are digests of what was declared and of what it was declared upon.
	Configuration, Schema string
	// Words is the number of the last word of a person's that was taken into account: Words of the
	// store, asked before anything was read.
	Words     int
	Snapshots []Inventoried
	Unknown   []Unknown
	Refusals  []Refusal
	Figures   []Figure
	Lists     []List // counted by the writer
}

// Inventoried is the snapshot of a bucket that a detection rests on.
type Inventoried struct {
	Bucket, Snapshot string
	Taken            cooper.Instant
}

// Unknown says that a list tells nothing of a bucket: it is not empty, but unknown.
type Unknown struct{ List, Bucket, Why string }

// Refusal is a reason for which nothing is marked, or not unasked: a jump, sides that do not speak of
// the same things.
type Refusal struct{ What, Why string }

// Figure is a number that a detection comes to, under a name of its choice: all handles, those that are
// linked, what is new since the last. Bytes is negative where it has none.
type Figure struct {
	Name         string
	Count, Bytes int64
}

// List is how many rows a list has, under the name of its table, and the bytes that they tell of; of
// candidates these are what they hold alone.
type List struct {
	Name        string
	Rows, Bytes int64
}

// Candidate is a handle that becomes UNLINKED, or is to.
type Candidate struct {
	Kind, ID, Bucket, Key string
	Size                  int64          // negative: unknown
	Modified              cooper.Instant // the later of the handle's and its object's
	Alone                 int64          // bytes that no other handle holds; negative: unknown
}

// Kept is a handle without a link that is no candidate.
type Kept struct{ Kind, ID, Reason string }

// Relinked is a handle that has a link, and a status other than AVAILABLE.
type Relinked struct {
	Kind, ID, Status string
	Scan             string // one that has seen the link
}

// Missing is a handle without its object.
type Missing struct{ Kind, ID, Bucket, Key string }

// Unindexed is an object that no handle names. How says what it is told apart by
// (no-handle-here: where no handle lives); empty for others.
type Unindexed struct {
	Bucket, Key string
	Version     string // its id; empty where the inventory has none
	Size        int64  // negative: unknown
	Modified    cooper.Instant
	How         string
}

// UnindexedKept is an object that no handle names, and that is left alone.
type UnindexedKept struct{ Bucket, Key, Reason string }

// NearMiss is a handle whose object is not where it says, while its key is in another bucket.
type NearMiss struct{ Kind, ID, Bucket, Key, Other string }

// Ripe is a handle of an object of which at least one handle may be archived. All handles of the object have a row.
type Ripe struct {
	Kind, ID, Bucket, Key string
	Verdict               string // on the object: archive, delayed, small, missing or unknown; delete or delete-delayed of one that is in the archive
	Size                  int64  // the greatest of the handles of the object; negative: unknown
	// Status is what the handle is, Since since when; empty and 0 for one that delays the object.
	Status string
	Since  cooper.Instant
	Delays bool
	// Cleared: it is ARCHIVING, or ARCHIVED, and a complete scan that began after that has seen no link.
	Cleared bool
}
