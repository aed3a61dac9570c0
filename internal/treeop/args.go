package treeop

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"

	"cooper"
	"cooper/internal/tree/catalog"
)

// Show says whether the snapshot changed its mind on a version being the
// latest of its key. Empty: it did not.
type Show string

// The values of Show.
const (
	On  Show = "on"  // the version has become the latest
	Off Show = "off" // it has ceased to be
)

// Absence says what the snapshot makes of a version being listed or not.
// Empty: nothing new.
type Absence string

// The values of Absence.
const (
	Noted   Absence = "noted"   // not listed, for the first time
	Gone    Absence = "gone"    // not listed for the second time
	Cleared Absence = "cleared" // listed again
)

// Args are the arguments of an action on a tree.
type Args struct {
	// To is where the bytes shall be: for Fetch, Unarchive, Retire, Promote, and
	// for Defer where they will belong once they can be had.
	To catalog.Place
	// Reason is why: one of the catalog's reasons where To is History, and then
	// it goes to the catalog; otherwise the mission's word, for readers.
	Reason string
	// Superseded goes to the catalog where To is History.
	Superseded cooper.Instant
	// At is the instant of the snapshot that the plan follows. What Show and
	// Absent say is so as of then.
	At     cooper.Instant
	Show   Show
	Absent Absence
	// NeedsReplacement holds back a Retire until the action of the same key
	// that brings another version to the mirror is done: see Settle.
	NeedsReplacement bool
	// Replace allows CopyOut to overwrite another content at the destination.
	Replace bool
	// Damaged allows CopyOut to copy bytes that are not those of the version; its
	// outcome is a failure all the same.
	Damaged bool
	// Was is the version's row before; nil if the catalog did not know it.
	Was *Facts
}

// Facts are what a catalog row says beyond the identity of its version.
type Facts struct {
	// VersionID is given where the row had another one than the action's
	// version: none.
	VersionID *string `json:"version_id,omitempty"`
	// ETag likewise: what it had was not true.
	ETag        *string        `json:"etag,omitempty"`
	Place       catalog.Place  `json:"place"`
	Reason      string         `json:"reason,omitempty"`
	Superseded  cooper.Instant `json:"-"`
	Shown       []int64        `json:"shown,omitempty"`
	FirstSeen   cooper.Instant `json:"-"`
	AbsentSince cooper.Instant `json:"-"`
	Gone        cooper.Instant `json:"-"`
	Check       cooper.Check   `json:"check,omitempty"`
	Method      string         `json:"method,omitempty"`
	Hash        []byte         `json:"hash,omitempty"`
}

// FactsOf takes from a row what Args.Was needs, for an action on version v.
func FactsOf(row *catalog.Row, v *cooper.Version) *Facts {
	f := &Facts{
		Place: row.Place, Reason: row.Reason, Superseded: row.Superseded,
		Shown:     slices.Clone(row.Shown),
		FirstSeen: row.FirstSeen, AbsentSince: row.AbsentSince, Gone: row.Gone,
		Check: row.Check, Method: row.Method, Hash: slices.Clone(row.Hash),
	}
	if row.VersionID != v.VersionID {
		id := row.VersionID
		f.VersionID = &id
	}
	if row.ETag != v.ETag {
		etag := row.ETag
		f.ETag = &etag
	}
	return f
}

// The names of the arguments. Instants are milliseconds since 1970.
const (
	argTo         = "to"
	argReason     = "reason"
	argSuperseded = "superseded"
	argAt         = "at"
	argShow       = "show"
	argAbsent     = "absent"
	argNeeds      = "needs"
	argReplace    = "replace"
	argDamaged    = "damaged"
	argWas        = "was"
)

// Circumstances names the arguments that say what an action followed from, not
// what it does: they differ between any two plans.
func Circumstances() []string { return []string{argAt, argWas} }

// Circumstance tells whether an argument says when, or from what, the plan as of at
// was made, and not what is to happen: those of Circumstances, and being superseded
// at no other time than that of the plan.
func Circumstance(at cooper.Instant) func(name, value string) bool {
	now := strconv.FormatInt(int64(at), 10)
	return func(name, value string) bool {
		return name == argAt || name == argWas || name == argSuperseded && value == now
	}
}

const (
	needsReplacement = "replacement"
	yes              = "yes"
)

var placeNames = map[catalog.Place]string{
	catalog.Nowhere: "nowhere",
	catalog.Mirror:  "mirror",
	catalog.History: "history",
}

var placesByName = map[string]catalog.Place{
	"nowhere": catalog.Nowhere,
	"mirror":  catalog.Mirror,
	"history": catalog.History,
}

// factsJSON is Facts on the wire, with instants in milliseconds (an Instant
// marshals to text, which loses years beyond 9999) and the place by name.
type factsJSON struct {
	Facts
	Place       string `json:"place"`
	Superseded  int64  `json:"superseded,omitempty"`
	FirstSeen   int64  `json:"first_seen,omitempty"`
	AbsentSince int64  `json:"absent_since,omitempty"`
	Gone        int64  `json:"gone,omitempty"`
}

// Encode writes the arguments that are not empty.
func (a Args) Encode() map[string]string {
	m := make(map[string]string, 6)
	set := func(name, value string) {
		if value != "" {
			m[name] = value
		}
	}
	setInstant := func(name string, i cooper.Instant) {
		if i != 0 {
			m[name] = strconv.FormatInt(int64(i), 10)
		}
	}
	if a.To != catalog.Nowhere {
		m[argTo] = placeNames[a.To]
	}
	set(argReason, a.Reason)
	setInstant(argSuperseded, a.Superseded)
	setInstant(argAt, a.At)
	set(argShow, string(a.Show))
	set(argAbsent, string(a.Absent))
	if a.NeedsReplacement {
		m[argNeeds] = needsReplacement
	}
	if a.Replace {
		m[argReplace] = yes
	}
	if a.Damaged {
		m[argDamaged] = yes
	}
	if a.Was != nil {
		m[argWas] = a.Was.encode()
	}
	return m
}

func (f *Facts) encode() string {
	b, err := json.Marshal(factsJSON{
		Facts: *f, Place: placeNames[f.Place],
		Superseded: int64(f.Superseded), FirstSeen: int64(f.FirstSeen),
		AbsentSince: int64(f.AbsentSince), Gone: int64(f.Gone),
	})
	if err != nil {
		panic(err) // strings, numbers and bytes always marshal
	}
	return string(b)
}

// Decode reads what Encode writes. It refuses names and values it does not
// know: passing over an argument could cost data.
func Decode(m map[string]string) (Args, error) {
	var a Args
	for _, name := range slices.Sorted(maps.Keys(m)) {
		if !a.set(name, m[name]) {
			return Args{}, &cooper.Error{
				Kind: cooper.KindInvalid, Where: "argument " + cooper.Quote(name),
				Message: "unknown name or malformed value " + cooper.Quote(m[name]),
				Remedy:  "make a new plan with this version of cooper",
			}
		}
	}
	return a, nil
}

func (a *Args) set(name, value string) (ok bool) {
	switch name {
	case argTo:
		a.To, ok = placesByName[value]
	case argReason:
		a.Reason, ok = value, true
	case argSuperseded:
		ok = parseInstant(value, &a.Superseded)
	case argAt:
		ok = parseInstant(value, &a.At)
	case argShow:
		a.Show = Show(value)
		ok = a.Show == On || a.Show == Off
	case argAbsent:
		a.Absent = Absence(value)
		ok = a.Absent == Noted || a.Absent == Gone || a.Absent == Cleared
	case argNeeds:
		a.NeedsReplacement, ok = true, value == needsReplacement
	case argReplace:
		a.Replace, ok = true, value == yes
	case argDamaged:
		a.Damaged, ok = true, value == yes
	case argWas:
		a.Was, ok = decodeFacts(value)
	}
	return ok
}

func parseInstant(s string, i *cooper.Instant) bool {
	n, err := strconv.ParseInt(s, 10, 64)
	*i = cooper.Instant(n)
	return err == nil
}

func decodeFacts(s string) (*Facts, bool) {
	var w factsJSON
	if err := json.Unmarshal([]byte(s), &w); err != nil {
		return nil, false
	}
	f := w.Facts
	place, ok := placesByName[w.Place]
	f.Place = place
	f.Superseded, f.FirstSeen = cooper.Instant(w.Superseded), cooper.Instant(w.FirstSeen)
	f.AbsentSince, f.Gone = cooper.Instant(w.AbsentSince), cooper.Instant(w.Gone)
	return &f, ok
}
