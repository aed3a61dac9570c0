package backup

import (
	"fmt"
	"regexp"

	"cooper"
)

// What to do with versions whose class cannot be read as it is.
const (
	ArchivedDefer   = "defer"   // list them and go on
	ArchivedRestore = "restore" // ask for readable copies; a later run fetches them
)

// Policy holds the parameters of a backup. Begin with a preset.
type Policy struct {
	// Prefix and Match narrow what is looked at; Match is a regular expression
	// (RE2) found anywhere in the key. What they leave out stays as it is.
	Prefix string `json:"prefix,omitempty"`
	Match  string `json:"match,omitempty"`
	// Archived is ArchivedDefer or ArchivedRestore.
	Archived string `json:"archived"`
	// ShareLimit is the share of the mirror's versions in scope that a plan may
	// retire without a replacement before a person must confirm it: 0 to 1.
	ShareLimit float64 `json:"share_limit"`
	// Forward goes on from a tree that a rollback has pinned.
	Forward bool `json:"forward,omitempty"`
	// Older accepts a snapshot older than the last one the tree followed. With
	// it nothing ever looks absent.
	Older bool `json:"older,omitempty"`
	// Moved accepts a snapshot of another store than the tree's.
	Moved bool `json:"moved,omitempty"`
	// Rates are what time is estimated from.
	Rates Rates `json:"rates"`
}

// Rates are assumptions about the world, per second. They decide nothing.
type Rates struct {
	Requests float64 `json:"requests"` // answered by the store
	Bytes    float64 `json:"bytes"`    // through the network
	Changes  float64 `json:"changes"`  // moves and catalog rows on the target
}

// Careful is the default preset.
func Careful() Policy {
	return Policy{
		Archived:   ArchivedDefer,
		ShareLimit: 0.1,
		// Small objects from one machine in the store's region over a 1 Gbit/s
		// line; see the benchmarks in bench/.
		Rates: Rates{Requests: 1500, Bytes: 110e6, Changes: 20e3},
	}
}

// Fast is for trees one could afford to lose: it asks less often.
func Fast() Policy {
	p := Careful()
	p.ShareLimit = 0.5
	return p
}

// Other parameters that no person needs to set.
const (
	// tiedActions is how many actions in a row may be kept in one shard because
	// their keys could stand in each other's way. Beyond it the shard may end
	// all the same: the tree makes room for keys also across shards.
	tiedActions = 20_000
	// blockSize is what disk estimates round up to; directories take a block.
	blockSize = 4096
	// catalogRow is about what a row of the catalog takes on disk, in bytes.
	catalogRow = 120
	// daysTracked bounds the days of history whose directories are estimated
	// at one time.
	daysTracked = 4096
	// pollEvery is after how many keys a cancelled context is noticed.
	pollEvery = 4096
)

// filter is the compiled form of what narrows a plan.
type filter struct {
	prefix string
	match  *regexp.Regexp
}

func newFilter(prefix, match string) (filter, error) {
	f := filter{prefix: prefix}
	if match == "" {
		return f, nil
	}
	re, err := regexp.Compile(match)
	if err != nil {
		return f, &cooper.Error{Kind: cooper.KindUsage, Where: "--match " + match, Message: "not a regular expression", Err: err,
			Remedy: `Write it as RE2 has it (https://github.com/google/re2/wiki/Syntax), such as '\.csv$'; what stands for itself takes a backslash: \( \. \[`}
	}
	f.match = re
	return f, nil
}

func (f filter) keeps(key string) bool {
	return cooper.HasPrefix(key, f.prefix) && (f.match == nil || f.match.MatchString(key))
}

// Check looks at all that a person may have got wrong, so that it can be said
// before anything is made.
func (p *Policy) Check() error {
	if _, err := newFilter(p.Prefix, p.Match); err != nil {
		return err
	}
	return p.check()
}

func (p *Policy) check() error {
	if p.Archived != ArchivedDefer && p.Archived != ArchivedRestore {
		return &cooper.Error{Kind: cooper.KindUsage, Where: "--archived " + cooper.Quote(p.Archived), Message: "unknown way to treat archived versions",
			Remedy: fmt.Sprintf("use %s or %s", ArchivedDefer, ArchivedRestore)}
	}
	// Written so that a limit which is no number is refused, too.
	if !(p.ShareLimit >= 0 && p.ShareLimit <= 1) {
		return &cooper.Error{Kind: cooper.KindUsage, Where: fmt.Sprintf("share limit %g", p.ShareLimit), Message: "not a share",
			Remedy: "give a number from 0 to 1, such as 0.1"}
	}
	return nil
}
