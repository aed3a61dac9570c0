package gcfacts

import "cooper"

// Words of persons. They are facts, as they have to survive the loss of everything else; the last
// about a handle counts: the one with the greatest number.

// KeptByHand says that a person keeps a handle from becoming garbage, or no longer does.
type KeptByHand struct {
	Scope, Kind, ID string
	Keep            bool // false: released
	Person, Reason  string
	Made            cooper.Instant
}

// LinkedByHand says that an object has a link to a handle, or no longer has.
type LinkedByHand struct {
	Scope, Association, Object string
	Kind, ID                   string
	Linked                     bool // false: unlinked
	Person, Reason             string
	Made                       cooper.Instant
}
