package catalog

import (
	"cooper"
	"cooper/internal/seal"
)

// State is what the generation pointer says: which files make the catalog, how
// far a run has come, and what was seen before.
type State struct {
	Format int `json:"format"`
	// Generation grows by one with each change of the pointer.
	Generation int64 `json:"generation"`
	// Runs are sorted sequences of rows, the oldest first; where several have
	// a row for one identity, the newest counts.
	Runs []Sorted `json:"runs"`
	// Run is the unfinished run, nil if there is none.
	Run *Progress `json:"run,omitempty"`
	// Observed are the snapshots the tree was brought to, or was on the way
	// to, in the order in which that happened.
	Observed []Observed `json:"observed"`
	// Store is the one that the bucket is in; nil as long as nobody knows.
	Store *cooper.Store `json:"store,omitempty"`
	// Pinned is set by a rollback: a later run refuses until told to go on.
	Pinned *Pin `json:"pinned,omitempty"`
	// Forgotten is the newest instant at which a version was superseded or shown
	// whose row was dropped, as it was pruned and the bucket does not have it any more. What
	// the catalog says of times before is not the whole truth; 0 if it is.
	Forgotten cooper.Instant `json:"forgotten,omitempty"`
}

// Sorted is one sorted sequence of rows: files whose keys do not overlap, in
// order.
type Sorted struct {
	// Level is 0 for what one commit wrote and grows by one with each merge;
	// BaseLevel is the base, which holds no dropped rows.
	Level int    `json:"level"`
	Files []File `json:"files"`
}

// BaseLevel is the level of the base.
const BaseLevel = 1000

// Rows counts the rows of all files.
func (s *Sorted) Rows() int64 {
	var n int64
	for i := range s.Files {
		n += s.Files[i].Rows
	}
	return n
}

// Tells tells whether any row has something that a store told of a version.
func (s *State) Tells() bool {
	for _, run := range s.Runs {
		for i := range run.Files {
			if run.Files[i].Told {
				return true
			}
		}
	}
	return false
}

// File is one Parquet file of the catalog.
type File struct {
	Name     string `json:"name"` // in .cooper/catalog
	Rows     int64  `json:"rows"`
	Bytes    int64  `json:"bytes"`
	FirstKey string `json:"first_key"`
	LastKey  string `json:"last_key"`
	// Sums vouch for every byte of it; zero for a file of format 1.
	Sums seal.Sums `json:"sums,omitzero"`
	// Told: a row has something that a store told of a version.
	Told bool `json:"told,omitempty"`
}

// Progress is how far an unfinished run has come.
type Progress struct {
	Plan    string         `json:"plan"`
	Mission string         `json:"mission"`
	Began   cooper.Instant `json:"began"`
	// Partial: the plan was narrowed and does not bring the tree to Snapshot.
	Partial bool `json:"partial,omitempty"`
	// Snapshot is what the plan leads to, nil if to none.
	Snapshot *Observed `json:"snapshot,omitempty"`
	Shards   int       `json:"shards"`
	Done     Ranges    `json:"done"`
}

// Observed is a snapshot the tree was brought to.
type Observed struct {
	ID      string         `json:"id"`
	TakenAt cooper.Instant `json:"taken_at"`
	Source  string         `json:"source"`
	Bucket  string         `json:"bucket"`
	// Prefix and CurrentOnly are the snapshot's scope.
	Prefix      string `json:"prefix"`
	CurrentOnly bool   `json:"current_only"`
	Complete    bool   `json:"complete"`
	// Finished: every shard of a plan that covered the scope was carried out.
	Finished bool           `json:"finished"`
	At       cooper.Instant `json:"at"` // when the run ended
}

// Pin names the snapshot a rollback went to.
type Pin struct {
	Snapshot string         `json:"snapshot"`
	TakenAt  cooper.Instant `json:"taken_at"`
	At       cooper.Instant `json:"at"`
}
