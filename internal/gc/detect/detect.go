// Package detect looks at what complete scans have read, at inventories, at the state and at what
// persons have said, and finds which handles nothing links to, and what else does not fit together: the
// second half of the mission gc. It finds, and says why it would not mark; marking is another plan.
//
// It promises, by the mission's first rule (a link too many costs money, one too few costs data):
//
//   - A candidate was there, AVAILABLE and without any link in each of the scans that count. Links of
//     every other scan of the same database that was under way since the oldest of these count as well,
//     complete or not, and links by hand; by id and by key, each reading of a value.
//   - A handle without a link that is no candidate is listed with the first reason that holds (Reasons). What
//     is not known is never a reason to take one: a time that nobody knows is young.
//   - Handles made from others live while one of their sources does, through any number of steps; one that
//     is its own source, or whose sources are gone, stands by itself; so does one whose sources have all been proven in the
//     archive: it goes after them.
//   - An object is missing only if its handle was last written long enough before the inventory, and
//     without a handle only if the handles were read long enough after it. Without an inventory of a bucket both are
//     unknown, which is said, and never empty. What Cooper made of an object is that object:
//     by the ledger, by what its store has noted with it, or else by its name, which is said (MadeOf).
//   - Keys are bytes, ids are in their normal form: nothing is compared by a database's idea of equal.
//     Ages are counted by the database's clock, at the time of the newest scan that counts.
//   - Everything found is handed to the Sink, whatever is refused; of one look over the same facts,
//     and the same answers of stores, the same comes out.
//
// It changes nothing: facts are asked for through query.Engine, answers are handed on row by row, so that memory does
// not depend on their number. Which scans count is left to gc.Stand, to write down what was found to
// gcfacts, to ask a person and to mark to job.
package detect

import (
	"context"

	"cooper"
	"cooper/internal/config"
	"cooper/internal/gc"
	"cooper/internal/gcstate"
	"cooper/internal/inventory"
	"cooper/internal/ledger/gcfacts"
	"cooper/internal/query"
)

// Inputs are what a detection rests on. They must not change meanwhile: whoever calls holds the facts of
// scans (gcfacts.Store.Hold), and keeps others from changing the state.
type Inputs struct {
	// Engine has the workspace (query.Sources.Workspace), and all of its snapshots.
	Engine query.Engine
	Config *config.Config
	// ID is that of the detection, Scope that of the handles (gcstate.ScopeOf).
	ID, Scope string
	// Server is the identity of the database. Standing says which of its scans count: at least one.
	Server   string
	Standing gc.Standing
	// Snapshots are those that are looked at, one a bucket at most, each of a whole bucket; of a bucket
	// without one it is unknown what is missing and what has no handle. That of the archive's bucket says which
	// copies are there.
	Snapshots []*inventory.Snapshot
	// State is that of the handles; nil: each is what its owner says.
	State gcstate.State
	// Incomplete tells of a handle, by its kind and when it was made (0: unknown), that it may have a link
	// that no scan could see, as a registry had not begun. nil: none has.
	Incomplete func(kind string, created cooper.Instant) bool
	// Asked tells of a handle that a guard was asked for it since the newest scan that counts began: it may not be
	// archived. nil: none was.
	Asked func(kind, id string) bool
	// Made asks the store of a bucket which objects Cooper made of others by what is noted with them, of each in
	// turn: false where nothing is noted, or nobody can tell. nil: no store is at hand, and names alone tell.
	Made func(ctx context.Context, bucket string, objects []Object) ([]bool, error)
	// TempDir is where the state is handed to the engine; empty: the system's.
	TempDir string
	// Past are the earlier detections (gcfacts.Store.Detections), of whatever scope.
	Past []gcfacts.Detection
}

// Object is one that a store is asked about.
type Object struct {
	Key, Version string // Version is its id; empty where the inventory has none
}

// Sink takes what was found: of each list in the order of kind and id (numbers, UUIDs, then others), or of bucket
// and key, as bytes.
type Sink interface {
	Candidate(gcfacts.Candidate) error
	Kept(gcfacts.Kept) error
	Relinked(gcfacts.Relinked) error
	Missing(gcfacts.Missing) error
	Unindexed(gcfacts.Unindexed) error
	UnindexedKept(gcfacts.UnindexedKept) error
	NearMiss(gcfacts.NearMiss) error
	// Ripe are rows of the objects that handles are ripe for the archive of: one for each handle of the object.
	Ripe(gcfacts.Ripe) error
}

// The reasons of a handle without a link that is no candidate, in the order in which they are asked
// for.
const (
	NotAnObject     = "not-an-object"                // no object in a bucket, or `where` leaves it out
	OtherBucket     = "other-bucket"                 // than those of `buckets`
	Held            = "held"                         // by a row of a table of `protect` or `in_flight`, in any of the scans
	ProtectedPrefix = "protected-prefix"             // below a prefix of `protect`
	DerivedLives    = "derived-of-living"            // one of its sources has a link, or is held
	DerivedGoes     = "derived-goes-with-its-source" // none has, and not all are in the archive
	TimeUnknown     = "time-unknown"                 // it is not known when it was modified
	Young           = "young"                        // it, or its object, was written lately, or it was restored or relinked
	KeptByHand      = "kept-by-hand"
	RegistryLacks   = "registry-incomplete" // it is older than the registry of links
	NotInAllScans   = "not-in-all-scans"    // it was not there, or had a link, in one of the scans that count
)

// Reasons are all of them, in their order.
var Reasons = []string{NotAnObject, OtherBucket, Held, ProtectedPrefix, DerivedLives, DerivedGoes, TimeUnknown, Young, KeptByHand, RegistryLacks, NotInAllScans}

// The reasons of an object without a handle that is left alone, in their order; ProtectedPrefix is the
// first, Young the third.
const (
	InFlightPrefix = "in-flight-prefix" // below a prefix of `in_flight`
	Ours           = "ours"             // Cooper's own: probes, leases, workspaces
	MadeOf         = "made-of"          // by its name alone Cooper made it of a handle's object
	Ambiguous      = "ambiguous"        // the inventory contradicts itself about which version is the latest
)

// NoHandleHere is gcfacts.Unindexed.How of an object in a folder at the top of its bucket in which no handle
// lives at all: it may be somebody else's, and goes only if the folder is named.
const NoHandleHere = "no-handle-here"

// Contradicted is why a handle is not archived of which the owner says, in a column that Cooper writes, that it is AVAILABLE.
const Contradicted = "available-by-its-owner"

// AskedFor is why a handle is not archived that a guard was asked for since the newest scan began; a later one will judge it, or a person.
const AskedFor = "asked-for"

// What a refusal is about, in gcfacts.Refusal.What.
const (
	Overlap = "overlap" // two sides do not speak of the same things
	Lost    = "missing" // too many handles have no object
	Jump    = "jump"    // more is new than ever
	First   = "first"   // nothing was ever marked
)

// Confirmable tells whether a person may have marked what was refused, with the digest of the plan.
// The others say that something is wrong with what was looked at.
func Confirmable(r *gcfacts.Refusal) bool { return r.What == Jump || r.What == First }

// The names of figures, in gcfacts.Figure.Name.
const (
	FigureHandles    = "handles"  // of the newest scan; the bytes are those in owned buckets
	FigureUnlinked   = "unlinked" // AVAILABLE and without a link: the rows of candidates and kept
	FigureCandidates = "candidates"
	FigureNew        = "new"                // candidates that the last detection, whose were let through, did not have
	FigureUnsettled  = "unsettled"          // handles written too lately for the inventory to tell whether their object is missing
	FigureStrange    = "status-unknown"     // handles whose status the configuration does not know: they are left alone
	FigureNear       = "near-misses"        // their list has 100,000 at most
	FigureGone       = "linked-and-deleted" // handles that are DELETED, and have a link
	FigureAsked      = "origins-asked"      // objects of which stores were asked what they were made of, 1,000 at most
	FigureTold       = "origins-told"       // those of them that Cooper made of a handle's object, by what stores said
)

// Detect looks, and hands what it finds to the sink. What it gives lacks Run, Made, Words and the counts of
// lists, which are those who write it down know.
func Detect(ctx context.Context, in *Inputs, to Sink) (*gcfacts.Detection, error) {
	d := &detection{Inputs: in, to: to}
	if err := d.run(ctx); err != nil {
		return nil, err
	}
	return &d.found, nil
}
