// Package config reads cooper.yaml, the one configuration file of the program:
// what a platform's database and buckets hold, and what in them links to a file.
//
// It promises that what it hands on is whole and means one thing: every key is
// known, every value of the right form, short forms are written out and defaults
// filled in, names that refer to something do so, and each value knows its line and
// column. Whatever is doubtful is refused, all of it in one go, as cooper.Errors of
// KindUsage. A file is taken as hostile: its size and depth are bounded, and
// commands count only from a file that nobody else can have written.
//
// It asks no database and no bucket, opens nothing but the file, and runs nothing:
// whether a table has such a column, or an expression of jq or XPath makes sense, is
// for those to say who know them; they do it in the same voice, by Place.Fault.
package config

import (
	"slices"
	"time"
)

// Config is a configuration, as it was read and checked.
type Config struct {
	Place
	// Dir is the folder that the file is in: what it says of paths is relative to it,
	// and commands run there. Empty where no file was read.
	Dir      string
	Version  int
	Database Database
	// Replica is read by scans in place of Database; nil for none. One that is
	// more than Lag behind is not.
	Replica *Database
	Lag     time.Duration
	// Buckets are owned: their objects are judged. Reads are only read.
	Buckets, Reads []*Bucket
	// Handles are the kinds of file handles, in the order of the file: an id whose
	// kind nobody names is of the first. A single one that was not named has no Kind.
	Handles   []*Handles
	Addresses []*Address
	Derived   []*Derived
	// Protect is never a candidate; InFlight never unindexed.
	Protect, InFlight []*Guard
	Waive             []*Waiver
	// Associations end with the one that Registry is read as.
	Associations []*Association
	Registry     *Registry // nil: there is none

	Limits      Limits
	Busy        Busy
	Detect      Detect
	Archive     *Archive // nil: nothing is archived
	Acknowledge Acknowledge

	// Notes are what a person should be told, though it is allowed.
	Notes []Note
}

// Note is a remark about a place of the file.
type Note struct{ Where, Text string }

// Bucket is a bucket that is named in `buckets` or `reads`.
type Bucket struct {
	Place
	Name string
	// Inventory is s3://… or a folder; empty for the newest whole snapshot.
	Inventory string
}

// Address says that a host stands for a bucket, and perhaps a prefix of it.
type Address struct {
	Place
	Host   string // in lower case, perhaps with a port
	Bucket string
	Prefix string // empty, or the beginning of each key, ending in a slash
}

// Derived are handles that are alive while their source is; SQL has the columns
// derived and source.
type Derived struct {
	Place
	Name, Of, SQL string
}

// Guard names handles by a table, or objects by a prefix.
type Guard struct {
	Place
	Table  Table  // none for a prefix
	Handle string // a column of Table
	Of     string // the kind of handle
	Where  string
	Bucket string // of the prefix; empty for every bucket
	Prefix string
}

// Waiver is a foreign key to handles that is no link.
type Waiver struct {
	Place
	Table  Table
	Column string
}

// Limits are what a scan takes at most.
type Limits struct {
	Place
	Unpacked      int64 // bytes of one value, unpacked
	Connections   int
	RowsPerSecond int
}

// Busy is when a database has enough to do: above it a scan pauses.
type Busy struct {
	Place
	ThreadsRunning, ActiveBackends int
	ReplicaLag                     time.Duration
}

// Detect is what makes a handle a candidate.
type Detect struct {
	Place
	Scans      int           // complete ones, in a row
	Unmodified time.Duration // handles changed since then are young
	Jump       float64       // times as many candidates as usual stop
	Apart      time.Duration // from one of the scans to the next
	Settle     time.Duration // between an inventory and the handles
}

// Archive is where objects go that nothing links to.
type Archive struct {
	Place
	Bucket, Class string
	After         time.Duration // of being UNLINKED
	Smallest      int64         // smaller ones cost more there than they save
	// Keep is how long an object stays in the archive before it may be deleted; 0: for ever.
	Keep time.Duration
	// Locked: the owner's program locks a handle's row when it checks the status, in the transaction in
	// which it writes the link. Else what began before a handle was closed is waited for.
	Locked bool
}

// Acknowledge is about values that a person has accepted as unreadable.
type Acknowledge struct {
	Place
	For time.Duration
}

// Reaches tells whether the file names a bucket, so that an object of it may be read.
func (c *Config) Reaches(bucket string) bool { return c.Judged(bucket) || named(c.Reads, bucket) }

// Judged tells whether the file says of a bucket that it is owned.
func (c *Config) Judged(bucket string) bool { return named(c.Buckets, bucket) }

func named(bs []*Bucket, name string) bool {
	return slices.ContainsFunc(bs, func(b *Bucket) bool { return b.Name == name })
}

// Kind finds a kind of handles by its name; the empty name is the first. nil if
// there is none.
func (c *Config) Kind(name string) *Handles {
	for _, h := range c.Handles {
		if name == "" || h.Kind == name {
			return h
		}
	}
	return nil
}
