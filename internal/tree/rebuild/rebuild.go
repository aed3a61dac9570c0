// Package rebuild makes the catalog of a tree again, where its own was lost.
//
// It goes by the names, sizes and times of the files in mirror and history, by
// what is left of the former catalog, and by what it is handed of snapshots and
// the ledger. It promises to read, move and change no file of a version, to claim
// of none that its bytes were verified, and to leave what was there of the old
// catalog where a person finds it. Memory is that of sorting, and of one key. Whether
// the files are what they are called is left to verify, and what the bucket has to
// the next backup.
package rebuild

import (
	"context"
	"errors"

	"cooper"
	"cooper/internal/inventory/extsort"
	"cooper/internal/permit"
	"cooper/internal/progress"
	"cooper/internal/tree"
	"cooper/internal/tree/catalog"
)

// Source is what told which version a file is.
type Source string

// The sources, the best first.
const (
	FromCatalog  Source = "catalog"  // a file of the former catalog
	FromSnapshot Source = "snapshot" // a snapshot lists the version
	FromLedger   Source = "ledger"   // a run's facts name it
	FromName     Source = "name"     // its name in history alone
	FromNothing  Source = "nothing"  // it has a key, and nothing tells which version it is
)

// Candidate is a version that something beside the tree's files knows.
type Candidate struct {
	cooper.Identity
	DeleteMarker, Latest bool
	Source               Source
	Hash                 []byte
	// Row is what the former catalog said, of a generation; only with FromCatalog.
	Row        *catalog.Row `json:",omitempty"`
	Generation int64        `json:",omitempty"`
}

// Options say how to make a catalog again.
type Options struct {
	// Look: change nothing.
	Look bool
	Now  cooper.Instant
	// Known calls add for versions that snapshots or the ledger know, in any order.
	Known func(ctx context.Context, add func(*Candidate) error) error
	// Agree is asked once everything was looked at, and before anything is changed.
	Agree func(Result) (bool, error)
	// Foreign is called for files that no version could have, or that stand for one
	// that has another file.
	Foreign func(path string) error
	// Sort is where and in how much memory to sort.
	Sort     extsort.Options
	Progress *progress.Counters
}

// Tally counts versions.
type Tally struct {
	Count int64 `json:"count"`
	Bytes int64 `json:"bytes"`
}

func (t *Tally) add(size int64) { t.Count, t.Bytes = t.Count+1, t.Bytes+size }

// Result is what was found.
type Result struct {
	Mirror  Tally `json:"mirror"`
	History Tally `json:"history"`
	// By tells of these which source told what they are.
	By map[Source]int64 `json:"by"`
	// Missing are versions that the former catalog knew with bytes, and whose file is not
	// there; Markers and Pruned those it knew without.
	Missing Tally `json:"missing"`
	Markers int64 `json:"delete_markers"`
	Pruned  int64 `json:"pruned"`
	Foreign int64 `json:"foreign"`
	// Read and Broken count the files of the former catalog.
	Read   int `json:"catalog_files_read"`
	Broken int `json:"catalog_files_broken"`
	// Observed is how many snapshots the new catalog remembers to have followed.
	Observed int  `json:"observed"`
	Done     bool `json:"done"`
}

// errLook ends what only looks.
var errLook = errors.New("nothing is to be changed")

// Run makes the catalog of t again, which tree.OpenBroken opened and the caller has locked.
func Run(ctx context.Context, t *tree.Tree, p permit.Permit, opt Options) (Result, error) {
	res := Result{By: map[Source]int64{}}
	s := extsort.New(opt.Sort)
	defer s.Close() //nolint:errcheck // runs of a file that has no name any more
	g := &gathering{tree: t, opt: &opt, res: &res, feed: s.Feeder()}
	if err := g.gather(ctx); err != nil {
		return res, err
	}
	g.feed.Close()
	m, err := s.Merge(ctx)
	if err != nil {
		return res, err
	}
	out := &judging{layout: t.Layout(), opt: &opt, res: &res}
	done, err := t.Rebuild(p, func(add func(*catalog.Row) error) error {
		out.add = add
		return out.all(ctx, m)
	}, func(was []catalog.Observed) (bool, error) {
		res.Observed = len(was)
		if opt.Look {
			return false, errLook
		}
		return opt.Agree(res)
	})
	if errors.Is(err, errLook) {
		err = nil
	}
	res.Done = done
	return res, err
}
