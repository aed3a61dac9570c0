// Package report takes stock of a snapshot: what is in the bucket, what it
// costs a month, what would cost less, and what has changed since another
// snapshot.
//
// It reads a snapshot once, in memory that does not depend on its size, and
// promises sums that add up: every figure about a part of the bucket is exact
// unless its name or a note says that it is an estimate. How a report looks is
// left to the commands and to package page; live facts (unfinished uploads) are
// handed in by whoever can ask the store.
package report

import "cooper"

// Report is all that is known; it is what `report --json` prints.
type Report struct {
	Snapshot Snapshot `json:"snapshot"`
	// Prefix narrows the report; empty for all of the snapshot.
	Prefix string `json:"prefix,omitempty"`
	// Now is what ages are counted to: the instant the snapshot speaks of.
	Now cooper.Instant `json:"now"`
	// Prices names the table of prices.
	Prices string `json:"prices"`
	Total  Part   `json:"total"`
	// Tree is the tree of prefixes; its root has the name Prefix.
	Tree *Node `json:"tree"`
	// Classes, Ages, Sizes and Suffixes divide Total, each in its own way.
	// Classes and Suffixes have the dearest and the largest first; Ages and
	// Sizes go up, and name empty ranges too. Delete markers have neither class
	// nor size: Classes and Sizes leave them out.
	Classes  []Row `json:"classes"`
	Ages     []Row `json:"ages"`
	Sizes    []Row `json:"sizes"`
	Suffixes []Row `json:"suffixes"`
	// Duplicates is nil if nobody asked for them.
	Duplicates *Duplicates `json:"duplicates,omitempty"`
	Uploads    Uploads     `json:"uploads"`
	Savings    []Saving    `json:"savings"`
	// Growth has a point for each snapshot of the bucket in the workspace, the
	// oldest first, this one among them.
	Growth []Point `json:"growth"`
	// Compare is nil unless another snapshot was given.
	Compare *Comparison `json:"compare,omitempty"`
	// Notes say what the figures leave out, for people.
	Notes []string `json:"notes,omitempty"`
}

// Snapshot says what was looked at.
type Snapshot struct {
	ID          string         `json:"id"`
	Bucket      string         `json:"bucket"`
	Source      string         `json:"source"`
	TakenAt     cooper.Instant `json:"taken_at"`
	Complete    bool           `json:"complete"`
	CurrentOnly bool           `json:"current_only"` // noncurrent versions were not listed
	Prefix      string         `json:"prefix,omitempty"`
	Rejected    int64          `json:"rejected,omitempty"`
}

// Amount is a number of versions, what they hold, and what keeping them costs.
type Amount struct {
	Count int64 `json:"count"`
	Bytes int64 `json:"bytes"`
	// Cost is in US dollars a month, at list prices.
	Cost float64 `json:"cost_per_month"`
}

// Part is what a part of a bucket amounts to.
type Part struct {
	// Current are the latest versions: what a listing without versions shows.
	Current Amount `json:"current"`
	// Noncurrent are all other versions that have bytes.
	Noncurrent Amount `json:"noncurrent"`
	// DeleteMarkers have no bytes; a listing is slower for them.
	DeleteMarkers int64 `json:"delete_markers"`
}

// Node is a prefix and what lies below it.
type Node struct {
	// Name is what this prefix or key adds to its parent's: `images/`, `a.tif`. It is
	// empty for a key that is its parent's prefix: the folder marker `images/`.
	Name string `json:"name"`
	// Key tells that this is all versions of one key, and nothing lies below.
	Key bool `json:"key,omitempty"`
	Part
	// Newest is the newest LastModified below.
	Newest cooper.Instant `json:"newest"`
	// Children are the largest prefixes and keys below, by bytes; Rest sums up
	// those that are too many or too small to be told apart, or too deep for the
	// depth asked for; nil if none. Children and Rest always add up to a prefix.
	Children []*Node `json:"children,omitempty"`
	Rest     *Rest   `json:"rest,omitempty"`
}

// Rest sums up nodes that were not kept apart.
type Rest struct {
	Names int64 `json:"names"` // how many
	Part
}

// Row is one line of a distribution.
type Row struct {
	// Name is a storage class (with its tier, `INTELLIGENT_TIERING/ARCHIVE`), a
	// suffix (`.nii.gz`, empty for none, `other` where Other is set), or a range as people say it (`30-90 d`, `1-16 MiB`).
	Name string `json:"name"`
	// From and To bound a range: days of age, or bytes; To is excluded, 0 has no end.
	From int64 `json:"from,omitempty"`
	To   int64 `json:"to,omitempty"`
	// Other marks the sum of names that were too many to be told apart.
	Other bool `json:"other,omitempty"`
	Part
}

// Duplicates are versions that have ETag and size in common: very likely the
// same bytes (for multipart uploads only if they were cut alike). Empty objects
// do not count.
type Duplicates struct {
	// Groups is how many different contents exist more than once.
	Groups int64 `json:"groups"`
	// Extra is what all copies beyond the first of each group amount to.
	Extra Amount `json:"extra"`
	// Current is the part of Extra among latest versions alone.
	Current Amount `json:"current"`
	// Largest are the groups with the most extra bytes, the largest first.
	Largest []Group `json:"largest"`
}

// Group is one content that exists more than once.
type Group struct {
	ETag   string   `json:"etag"`
	Size   int64    `json:"size"`
	Copies int64    `json:"copies"`
	Keys   []string `json:"keys"` // some of them, in order
}

// Uploads are unfinished multipart uploads, which no inventory lists.
type Uploads struct {
	// Seen tells whether the store was asked; otherwise Why says why not.
	Seen bool   `json:"seen"`
	Why  string `json:"why,omitempty"`
	// Count and the rest; Sized says of how many the bytes are known.
	Count  int64          `json:"count"`
	Sized  int64          `json:"sized"`
	Bytes  int64          `json:"bytes"`
	Cost   float64        `json:"cost_per_month"`
	Oldest cooper.Instant `json:"oldest,omitempty"`
	// Old are those begun more than seven days ago.
	Old     Amount   `json:"old"`
	Largest []Upload `json:"largest,omitempty"`
}

// Upload is one unfinished upload.
type Upload struct {
	Key       string         `json:"key"`
	UploadID  string         `json:"upload_id"`
	Initiated cooper.Instant `json:"initiated"`
	Parts     int            `json:"parts"`
	Bytes     int64          `json:"bytes"`
}

// Saving is something one could do, and what it would bring by itself. Rules
// overlap: their sum is no promise.
type Saving struct {
	// ID names the rule: `noncurrent-30d`, `glacier-ir-90d`, `compress`, ….
	ID string `json:"id"`
	// Title is for people: "Expire noncurrent versions after 30 days".
	Title string `json:"title"`
	// Affects is what the rule would apply to today.
	Affects Amount `json:"affects"`
	// PerMonth is what it saves each month; Once what it costs to get there
	// (requests, transitions); in US dollars.
	PerMonth float64 `json:"saves_per_month"`
	Once     float64 `json:"costs_once"`
	// Loses tells that the rule deletes versions that could be had back now.
	Loses bool `json:"loses"`
	// Basis says how the figure came about: exactly counted, or what was assumed.
	Basis string `json:"basis"`
}

// Point is what a snapshot of the bucket held in all.
type Point struct {
	ID            string         `json:"id"`
	TakenAt       cooper.Instant `json:"taken_at"`
	Versions      int64          `json:"versions"`
	DeleteMarkers int64          `json:"delete_markers"`
	Bytes         int64          `json:"bytes"`
	Latest        int64          `json:"latest"`
	LatestBytes   int64          `json:"latest_bytes"`
}

// Comparison is what has changed from an older snapshot to this one.
type Comparison struct {
	With Snapshot `json:"with"`
	// Changes divides what differs: keys that came, went, or have other bytes.
	Changes
	// Versions that are new, and those that are gone for good, with bytes.
	NewVersions  Delta `json:"new_versions"`
	GoneVersions Delta `json:"gone_versions"`
	// Cost is the difference in US dollars a month, now less then.
	Cost float64 `json:"cost_difference"`
	// Prefixes are those with the most changed bytes, the most first. A change
	// counts below one of them: the deepest there is, two levels down at most
	// unless another depth was asked for.
	Prefixes []PrefixChanges `json:"prefixes"`
}

// Changes count keys by what became of their latest version.
type Changes struct {
	Added    Delta `json:"added"`    // bytes now
	Removed  Delta `json:"removed"`  // bytes then
	Replaced Delta `json:"replaced"` // bytes now
	// Grown is the difference of latest bytes, now less then.
	Grown int64 `json:"grown"`
}

// Delta is a number of keys or versions with their bytes.
type Delta struct {
	Count int64 `json:"count"`
	Bytes int64 `json:"bytes"`
}

// PrefixChanges are the changes below one prefix.
type PrefixChanges struct {
	Prefix string `json:"prefix"`
	Changes
}
