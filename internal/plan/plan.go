// Package plan writes and reads plans: all actions of one run, decided
// beforehand, for a person to read and for apply to carry out.
//
// A plan is a directory: plan.json, the header, and Parquet files of actions
// in which each row group is one shard. It is immutable; its digest covers the
// header and every file, and no byte of either is believed unchecked. A second digest is of the
// decision alone: the same one has the same, however often it is planned. Deciding is left to
// missions, doing to apply.
package plan

import (
	"cmp"
	"encoding/json"

	"cooper"
	"cooper/internal/inventory"
	"cooper/internal/seal"
)

// Header is what plan.json holds.
type Header struct {
	Format  int            `json:"format"`
	ID      string         `json:"id"`
	Mission string         `json:"mission"` // "backup", "rollback", …
	Created cooper.Instant `json:"created"`
	Target  Target         `json:"target"`
	// Store is that of the bucket which the plan reads from or changes; nil if
	// nobody knew.
	Store  *cooper.Store `json:"store,omitempty"`
	Source string        `json:"source"` // the bucket the bytes come from, "s3://NAME"; empty if none is needed
	// Snapshot is the meta of the snapshot the plan leads to, without Files.
	Snapshot *inventory.Meta `json:"snapshot,omitempty"`
	// Policy is the mission's parameters, as it knows them.
	Policy json.RawMessage `json:"policy,omitempty"`
	// Decided is what of Policy belongs to the decision, where Policy tells more than
	// that; nil is all of it. It is handed to Finish, and not written.
	Decided json.RawMessage `json:"-"`
	// Partial: a prefix or match narrowed the plan, so that carrying it out does
	// not bring the target to the snapshot.
	Partial bool             `json:"partial"`
	Phases  []Phase          `json:"phases"`
	Totals  map[string]Tally `json:"totals"`            // by verb
	Reasons map[string]Tally `json:"reasons,omitempty"` // by the mission's reasons ("new", "replaced", "vanished", …)
	// Unchanged counts what was compared and needs nothing; Skipped what was
	// left alone, by why ("ambiguous", "filtered", "archived", …).
	Unchanged Tally            `json:"unchanged"`
	Skipped   map[string]Tally `json:"skipped,omitempty"`
	Ages      []Age            `json:"ages,omitempty"`    // the youngest first, where a mission counts by age
	Largest   []cooper.Action  `json:"largest,omitempty"` // the largest transfers, at most 10
	Estimate  Estimate         `json:"estimate"`
	Share     Share            `json:"share"`
	// Confirm are the mission's own reasons for which the digest must be given to go on.
	Confirm  []string `json:"confirm,omitempty"`
	Warnings []string `json:"warnings,omitempty"`
	Files    []File   `json:"files"`
	// Decision is the SHA-256, in hex, of what is decided: alike for every plan of the
	// same actions for the same target by the same policy, whenever it was made and
	// from whichever snapshot. Empty in plans of older programs.
	Decision string `json:"decision,omitempty"`
	// Digest is the SHA-256, in hex, of the header without it; Files carry the
	// digests of their content.
	Digest string `json:"digest"`
}

// Target is what a plan changes.
type Target struct {
	Kind string `json:"kind"` // "tree", "directory", "bucket"
	Path string `json:"path"` // an absolute path, or s3://bucket/prefix
	// Generation is that of the tree's catalog when the plan was made; apply
	// refuses another one.
	Generation int64 `json:"generation,omitempty"`
	// Layout is what a tree must have, or gets when it is made; empty is any.
	Layout string `json:"layout,omitempty"`
}

// Tally counts actions or versions, and their bytes.
type Tally struct {
	Count int64 `json:"count"`
	Bytes int64 `json:"bytes"`
}

// Add counts one more.
func (t Tally) Add(bytes int64) Tally { return Tally{t.Count + 1, cooper.AddBytes(t.Bytes, bytes)} }

// Plus is what both come to.
func (t Tally) Plus(u Tally) Tally {
	return Tally{t.Count + u.Count, cooper.AddBytes(t.Bytes, u.Bytes)}
}

// Age counts actions on versions of one class of age, such as "1 to 2 years".
type Age struct {
	Age string `json:"age"`
	Tally
}

// Phase is a list of shards; all of them end before the next phase begins.
type Phase struct {
	Name string `json:"name"`
	// Shards are numbered through the whole plan; First is this phase's first.
	First  int   `json:"first"`
	Shards int   `json:"shards"`
	Count  int64 `json:"count"`
	Bytes  int64 `json:"bytes"`
}

// File is a Parquet file of actions; its row groups are the shards First,
// First+1, … up to Shards many.
type File struct {
	Name   string `json:"name"`
	First  int    `json:"first"`
	Shards int    `json:"shards"`
	SHA256 string `json:"sha256"`
	// Sums are of its blocks: no byte of it is believed that does not fit them. Files
	// of format 1 have none, and are read whole for their SHA256 first.
	Sums seal.Sums `json:"sums,omitzero"`
}

// Share is the share stop: how much of what is in scope would be removed or
// retired without a replacement, in objects, and in bytes where these count.
type Share struct {
	// Deletes: what is removed is gone, and not retired to a history.
	Deletes bool `json:"deletes,omitempty"`
	// Of is what is counted where it is not versions: "uploads".
	Of           string  `json:"of,omitempty"`
	Removed      int64   `json:"removed"`
	Scope        int64   `json:"scope"`
	RemovedBytes int64   `json:"removed_bytes,omitempty"`
	ScopeBytes   int64   `json:"scope_bytes,omitempty"`
	Limit        float64 `json:"limit"` // such as 0.1
}

// What names what is counted.
func (s Share) What() string { return cmp.Or(s.Of, "versions") }

// Exceeded tells whether the digest must be given to go on.
func (s Share) Exceeded() bool {
	return float64(s.Removed) > s.Limit*float64(s.Scope) || float64(s.RemovedBytes) > s.Limit*float64(s.ScopeBytes)
}

// Estimate says beforehand what applying will take.
type Estimate struct {
	Requests map[string]int64 `json:"requests"` // by price class: GET, HEAD, PUT, LIST
	Bytes    int64            `json:"bytes"`    // to be transferred
	// Rows are those of a database to be read, as far as their number is known.
	Rows int64   `json:"rows,omitempty"`
	USD  float64 `json:"usd"`
	// SavedUSD is what storage costs less a month afterwards, where that is what a plan is for.
	SavedUSD float64 `json:"saved_usd_a_month,omitempty"`
	Prices   string  `json:"prices"` // which table: region and its date
	Seconds  float64 `json:"seconds"`
	Disk     int64   `json:"disk"`   // additional bytes on the target
	Inodes   int64   `json:"inodes"` // additional files and directories
}
