// Package adopt takes over a backup that s3invsync made: it becomes a tree of the
// inline layout.
//
// It goes by names, sizes, times and s3invsync's JSON files. It promises not to
// read, move or change a single file of the backup, and to claim nothing that it
// has not seen: every version it adds is unverified, shown by no snapshot, and
// superseded, if it was, no earlier than now. What it cannot tell the version of
// stays where it is, and is reported. Memory grows with the largest directory,
// not with the tree. Whether the names are true is left to the first backup,
// which compares them with an inventory, and to verify.
package adopt

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"cooper"
	"cooper/internal/progress"
	"cooper/internal/tree"
	"cooper/internal/tree/catalog"
	"cooper/internal/tree/safefs"
)

// Reason is why something was left out.
type Reason string

// The reasons.
const (
	Unlisted   Reason = "unlisted"   // a file that s3invsync's JSON says nothing of: an interrupted download, or somebody else's
	Temporary  Reason = "temporary"  // what s3invsync was downloading or writing
	OddName    Reason = "odd-name"   // no key of this layout could have the name
	NoFile     Reason = "no-file"    // neither a regular file nor a directory
	Unreadable Reason = "unreadable" // a directory one has no right to look into, or of another file system
	Broken     Reason = "broken"     // a JSON file that makes no sense
	Twice      Reason = "twice"      // the same version once more
	Absent     Reason = "absent"     // the JSON names it, and there is no such file
)

// Left is something that was left out.
type Left struct {
	Reason Reason `json:"reason"`
	Path   string `json:"path"` // relative to the directory; ends with '/' for all below
}

// Options say how to adopt.
type Options struct {
	// Look: write nothing.
	Look bool
	// Left is called for all that is left out; an error of it ends everything.
	Left func(Left) error
	// Progress counts versions.
	Progress *progress.Counters
	// Tree opens the directory; its Clock says when older versions count as
	// superseded.
	Tree tree.Options
}

// Tally counts versions.
type Tally struct {
	Count int64 `json:"count"`
	Bytes int64 `json:"bytes"`
}

func (t *Tally) add(size int64) { t.Count, t.Bytes = t.Count+1, t.Bytes+size }

// Result counts what was found.
type Result struct {
	Latest Tally            `json:"latest"`
	Older  Tally            `json:"older"`
	Left   map[Reason]int64 `json:"left"`
	// Started and Finished are when s3invsync last began a backup, and when it
	// last ended one well; 0 if it does not say.
	Started  cooper.Instant `json:"last_started"`
	Finished cooper.Instant `json:"last_finished"`
	// Stateless: there is no file that tells the top of a backup from the
	// directories in it, as older releases of s3invsync wrote none.
	Stateless bool `json:"stateless,omitempty"`
}

// Run adopts the backup at dir. Errors as tree.TakeOver, and KindUsage if there is
// no backup of s3invsync's, or no version in it, or if it is not its top, by the
// state files above and below: every key would be another.
func Run(ctx context.Context, dir string, opt Options) (Result, error) {
	res := Result{Left: map[Reason]int64{}}
	if opt.Tree.Clock == nil {
		opt.Tree.Clock = time.Now
	}
	if opt.Progress == nil {
		opt.Progress = progress.New(opt.Tree.Clock, nil)
	}
	do := tree.TakeOver
	if opt.Look {
		do = tree.LookOver
	}
	if err := tree.LookOver(dir, opt.Tree, func(fsys safefs.FS, _ func(*catalog.Row) error) error {
		return recognise(ctx, dir, fsys, opt.Tree.FS == nil)
	}); err != nil {
		return res, err
	}
	err := do(dir, opt.Tree, func(fsys safefs.FS, add func(*catalog.Row) error) error {
		s := &scan{root: dir, fs: fsys, add: add, opt: &opt, res: &res, now: cooper.InstantOf(opt.Tree.Clock())}
		if err := s.state(); err != nil {
			return err
		}
		if err := s.dir(ctx, "."); err != nil {
			return err
		}
		if res.Latest.Count+res.Older.Count == 0 {
			return &cooper.Error{Kind: cooper.KindUsage, Where: dir, Message: "there is nothing to adopt here: no file has a version that s3invsync knew",
				Remedy: "check the path; `cooper backup run` makes a tree in a new or empty directory"}
		}
		return nil
	})
	return res, err
}

// recognise wants a sign of s3invsync, before anything is written, and none that
// the backup's top is elsewhere. above says that the file system is the machine's.
func recognise(ctx context.Context, dir string, fsys safefs.FS, above bool) error {
	_, err := fsys.Lstat(tree.TheirState)
	if err == nil {
		return nil
	} else if cooper.KindOf(err) != cooper.KindMissing {
		return err
	}
	if above {
		if top := topAbove(dir); top != "" {
			return &cooper.Error{Kind: cooper.KindUsage, Where: dir, Message: "this is a part of the backup at " + top + ", which has " + tree.TheirState,
				Remedy: "adopt " + top}
		}
	}
	found, err := hasVersions(ctx, dir, fsys, ".")
	if err == nil && !found {
		err = &cooper.Error{Kind: cooper.KindUsage, Where: dir, Message: "this is no backup of s3invsync's: there is neither " + tree.TheirState + " nor any " + tree.TheirVersions,
			Remedy: "name the directory that s3invsync backed up to"}
	}
	return err
}

// topAbove is the nearest directory above dir that s3invsync backed up to; empty
// if there is none.
func topAbove(dir string) string {
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
	}
	for {
		parent := filepath.Dir(dir)
		if parent == dir {
			return ""
		}
		if _, err := os.Lstat(filepath.Join(parent, tree.TheirState)); err == nil {
			return parent
		}
		dir = parent
	}
}

// notTop is for a directory below root that is the top of a backup.
func notTop(root, below string) error {
	top := filepath.Join(root, below)
	return &cooper.Error{Kind: cooper.KindUsage, Where: root, Message: "s3invsync backed up to a directory in this one, " + top + ", which has " + tree.TheirState,
		Remedy: "adopt " + top + "; if that is no backup of its own, move its " + tree.TheirState + " away"}
}

// hasVersions looks for s3invsync's JSON; older releases write no other file. It
// looks everywhere, as that of a whole backup may be below.
func hasVersions(ctx context.Context, root string, fsys safefs.FS, dir string) (found bool, err error) {
	if ctx.Err() != nil {
		return false, context.Cause(ctx)
	}
	entries, err := fsys.ReadDir(dir)
	if dir != "." && isClosed(err) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	for _, e := range entries {
		switch {
		case e.Name == tree.TheirState && e.IsFile():
			return false, notTop(root, dir)
		case e.Name == tree.TheirVersions && e.IsFile():
			found = true
		case e.IsDir():
			in, err := hasVersions(ctx, root, fsys, below(dir, e.Name))
			if err != nil {
				return false, err
			}
			found = found || in
		}
	}
	return found, nil
}

// isClosed tells whether a directory cannot be looked into, by right or because
// it is a link or another file system by now.
func isClosed(err error) bool {
	var e *cooper.Error
	if !errors.As(err, &e) {
		return false
	}
	return e.Kind == cooper.KindDenied || e.Kind == cooper.KindConflict
}

func below(dir, name string) string {
	if dir == "." {
		return name
	}
	return dir + "/" + name
}
