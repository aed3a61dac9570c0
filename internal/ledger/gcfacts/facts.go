package gcfacts

import (
	"time"

	"cooper"
)

// Ids are texts in normal form: what is written in several ways (leading zeros, spellings of a
// UUID) is made one by whoever reads it, in handles and links alike. Decimal numbers and UUIDs are
// stored as such, and come out as the same text.

// Handle is a row of the owner's index of files.
type Handle struct {
	Kind, ID    string // Kind is empty where the owner has but one, without a name
	Bucket, Key string // Key is bytes; both are empty where the row is no object in a bucket
	Size        int64  // negative: unknown
	Modified    cooper.Instant
	Created     cooper.Instant
	Status      string
	Candidate   bool // `where` takes it: it may become garbage
}

// Derived says that a handle is made from another of its kind and lives while that does: by the
// preview that a handle names, by the source that a preview names, or by a query of the owner's.
type Derived struct {
	Name       string // of the rule
	Kind       string
	ID, Source string
}

// The values of Hold.Role.
const (
	Protected = "protect"
	InFlight  = "in_flight"
)

// Hold says that a handle is held by a row of a table: it is no candidate, whatever the links say.
type Hold struct {
	Role, Table string
	Kind, ID    string
}

// Target is what a link leads to: the id of a handle, or else bucket and key.
type Target struct {
	Kind        string // of the handle; empty with a key: of any kind
	ID          string
	Bucket, Key string // Key is bytes
}

// Malformed is a value that cannot be read.
type Malformed struct {
	Association, Table string
	Key                string // the columns of the primary key
	Why                string
	Hash               []byte // of the value: it is acknowledged as long as it is the same
}

// The values of Range.What: what is read.
const (
	OfKind        = "kind"
	OfDerived     = "derived"
	OfHold        = "hold"
	OfAssociation = "association"
)

// Range is a part of a table that was read to its end, in one snapshot of the database. How many
// handles, links and malformed values there were, the writer counts.
type Range struct {
	What         string // OfKind, OfDerived, OfHold or OfAssociation
	Name         string // of the kind, the rule, the hold, the association
	Table        string
	Number       int    // among those of the same What, Name and Table
	Lower, Upper string // bounds, as one says them; empty: none
	Rows         int64
	Silent       int64 // values in which a handle's id stands although none was found
	Began, Ended cooper.Instant
	Clock        cooper.Instant // the database's, when it was begun
	Server       string         // its own identity
	Replica      bool
	Lag          time.Duration // of a replica at the end; negative: unknown
}

// Scan is what came of a scan as a whole. How many rows there are, by association, is counted from
// its ranges.
type Scan struct {
	ID           string // of its plan
	Shards       int    // of its plan
	Began, Ended cooper.Instant
	Clock        cooper.Instant // the database's, at the beginning: the scan's time
	Skew         time.Duration  // of our clock: ours less the database's
	Engine       string         // mysql, postgres, …
	Server       string         // its own identity
	// Configuration and Schema are digests of what was declared and of what it was declared upon.
	Configuration, Schema string
	Newest                cooper.Instant // of the handles
	// Complete: all was read, nothing is suspect, nothing unread that nobody has acknowledged. Else
	// Why says why not, in words.
	Complete bool
	Why      string
	Suspects []Suspect
	// Found is how many links of each association lead to handles of this scan; those of one that is
	// not in it lead nowhere.
	Found map[string]int64
}

// Suspect is a reason not to believe an association.
type Suspect struct {
	Association string
	What        string // rows, links, found, silent
	Before, Now int64
}

// The values of Acknowledgement.What.
const (
	Value    = "value"    // one value that cannot be read: by association, key and hash
	Shrunk   = "shrunk"   // an association has become smaller: with the numbers
	Silent   = "silent"   // more values are silent than before: with the numbers
	Database = "database" // a database that is older than what was seen; Key is its identity
)

// Acknowledgement is what a person has taken note of and answers for.
type Acknowledgement struct {
	What        string
	Scan        string // the plan of the scan that it is about
	Association string
	Key         string
	Hash        []byte
	Before, Now int64  // of Shrunk and Silent
	Measure     string // what is counted: rows, links, found, silent
	Person      string
	Made, Until cooper.Instant // Until: 0 is for ever
}
