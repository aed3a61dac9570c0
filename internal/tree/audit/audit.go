// Package audit compares a tree with its catalog: what is missing, changed,
// corrupt, or foreign.
//
// It looks at every version the catalog says has bytes, and at every file that
// stands in mirror and history; it changes nothing. Memory does not grow with
// the tree. Mending what it finds is left to a plan, and to the person.
package audit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"
	"sync/atomic"
	"syscall"

	"golang.org/x/sync/errgroup"

	"cooper"
	"cooper/internal/checksum"
	"cooper/internal/progress"
	"cooper/internal/tree"
	"cooper/internal/tree/catalog"
)

// Problem is what is wrong with a file.
type Problem string

// The problems.
const (
	Missing Problem = "missing" // in the catalog, not on the disk
	Changed Problem = "changed" // its size or time is not that of the version
	Corrupt Problem = "corrupt" // its bytes are not those of the version
	Foreign Problem = "foreign" // on the disk, not in the catalog
	// Shared: the file stands for another version of the key as well; it cannot
	// be both.
	Shared Problem = "shared"
	// Unreadable files may be sound: whoever looks has no right to read them.
	Unreadable Problem = "unreadable"
)

// Finding is one thing that is wrong.
type Finding struct {
	Problem Problem `json:"problem"`
	// Path is relative to the tree; empty if the file is missing.
	Path   string `json:"path,omitempty"`
	Detail string `json:"detail"`
	// Row is the version concerned; nil for foreign files.
	Row *catalog.Row `json:"-"`
	// Sound: the bytes were compared and are right; the time alone is not.
	Sound bool `json:"-"`
}

// Options say how to look.
type Options struct {
	// Content reads every byte and hashes it; Doubtful those of files whose
	// time is not that of the version.
	Content, Doubtful bool
	// Prefix narrows the audit to keys below it.
	Prefix  string
	Workers int
	// Judged, if given, tells whether a row's bytes were read a moment ago, so that
	// its Check says how they are. It is called in the order of rows.
	Judged func(row *catalog.Row) bool
	// Progress counts what was looked at.
	Progress *progress.Counters
}

// Result counts what was looked at.
type Result struct {
	Files int64 `json:"files"`
	Bytes int64 `json:"bytes"` // of the files looked at; all of them were read if the content was compared
	// Verified, Unverifiable: how the content compared.
	Verified     int64             `json:"verified"`
	Unverifiable int64             `json:"unverifiable"`
	Problems     map[Problem]int64 `json:"problems"`
}

// Run audits the tree and calls found, one call at a time, for everything that
// is wrong; an error of found ends it.
func Run(ctx context.Context, t *tree.Tree, opt Options, found func(Finding) error) (Result, error) {
	a := &auditor{tree: t, opt: opt, found: found, paths: newPaths(), res: Result{Problems: map[Problem]int64{}}}
	if err := a.rows(ctx); err != nil {
		return a.res, err
	}
	a.res.Files, a.res.Bytes = a.files.Load(), a.bytes.Load()
	a.res.Verified, a.res.Unverifiable = a.verified.Load(), a.unverifiable.Load()
	err := a.foreign(ctx)
	return a.res, err
}

type auditor struct {
	tree  *tree.Tree
	opt   Options
	found func(Finding) error

	mu  sync.Mutex
	res Result

	files, bytes, verified, unverifiable atomic.Int64
	paths                                *paths
}

func (a *auditor) report(f Finding) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.res.Problems[f.Problem]++
	return a.found(f)
}

// rows looks at the file of every row.
func (a *auditor) rows(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	work := make(chan task, 64)
	g.Go(func() (err error) {
		defer close(work)
		it := a.tree.Catalog().Rows(ctx, a.opt.Prefix)
		defer func() { err = errors.Join(err, it.Close()) }()
		claims := claims{of: a.tree}
		for {
			row, err := it.Next()
			if errors.Is(err, io.EOF) {
				return nil
			} else if err != nil {
				return err
			}
			if row.Place == catalog.Nowhere {
				continue
			}
			if path, taken := claims.add(row); taken {
				r := clone(row)
				if err := a.report(Finding{Problem: Shared, Path: path, Detail: "two versions of the key have this file, and it cannot be both", Row: &r}); err != nil {
					return err
				}
				continue
			}
			select {
			case work <- task{clone(row), a.opt.Judged != nil && a.opt.Judged(row)}:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	})
	for range max(1, a.opt.Workers) {
		g.Go(func() error {
			for t := range work {
				if err := a.row(ctx, &t); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}

// claims finds rows that claim one path: in history, where an older program may
// have given two versions of a key the same. It holds what is in history of one
// key.
type claims struct {
	of    *tree.Tree
	key   string
	first string // path, as most keys have but one
	more  map[string]bool
}

func (c *claims) add(row *catalog.Row) (path string, taken bool) {
	if row.Key != c.key {
		c.key, c.first, c.more = row.Key, "", nil
	}
	if row.Place != catalog.History {
		return "", false
	}
	path = c.of.PathOf(row)
	if c.first == "" {
		c.first = path
		return path, false
	}
	if path == c.first || c.more[path] {
		return path, true
	}
	if c.more == nil {
		c.more = map[string]bool{}
	}
	c.more[path] = true
	return path, false
}

// task is one row to look at.
type task struct {
	row    catalog.Row
	judged bool
}

// clone copies what an iterator may overwrite.
func clone(r *catalog.Row) catalog.Row {
	c := *r
	c.Shown = append([]int64(nil), r.Shown...)
	c.Hash = append([]byte(nil), r.Hash...)
	return c
}

func (a *auditor) row(ctx context.Context, t *task) error {
	row := &t.row
	a.opt.Progress.Begin()
	defer a.opt.Progress.End(row.Size)
	info, path, err := a.tree.StatRow(row)
	a.files.Add(1)
	if cooper.KindOf(err) == cooper.KindMissing {
		return a.report(Finding{Problem: Missing, Detail: "not on the disk", Row: row})
	} else if err != nil {
		return err
	}
	a.bytes.Add(info.Size)
	a.paths.expected(row.Key, path)
	timeFits := info.ModifiedAt(row.LastModified)
	switch {
	case !info.IsFile():
		return a.report(Finding{Problem: Changed, Path: path, Detail: "no regular file (" + info.Mode.Type().String() + ")", Row: row})
	case info.Size != row.Size:
		return a.report(Finding{Problem: Changed, Path: path, Detail: fmt.Sprintf("%d bytes; the version has %d", info.Size, row.Size), Row: row})
	case t.judged || row.Check == cooper.Corrupt: // which the catalog says of what was read before
		return a.judge(row, path, timeFits, checksum.Result{Check: row.Check, Method: row.Method, Hash: row.Hash})
	case a.opt.Content || a.opt.Doubtful && !timeFits:
		return a.content(ctx, row, path, timeFits)
	case !timeFits:
		return a.report(Finding{Problem: Changed, Path: path, Detail: "modified after it was placed; --content tells whether the bytes are", Row: row})
	}
	return nil
}

// content hashes a file.
func (a *auditor) content(ctx context.Context, row *catalog.Row, path string, timeFits bool) (err error) {
	f, err := a.tree.OpenRow(row)
	if errors.Is(err, fs.ErrPermission) {
		// The others are still to be looked at.
		return a.report(Finding{Problem: Unreadable, Path: path, Detail: "no right to read it", Row: row})
	} else if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	res, err := checksum.Recheck(ctx, counted{f, a.opt.Progress}, row.Known())
	if errors.Is(err, syscall.EIO) {
		// The others are still to be looked at.
		return a.report(Finding{Problem: Corrupt, Path: path, Detail: "the disk cannot read it", Row: row})
	} else if err != nil {
		return err
	}
	return a.judge(row, path, timeFits, res)
}

// judge tells what came of hashing a file. A wrong time with right bytes is still a
// change: the mirror shows times.
func (a *auditor) judge(row *catalog.Row, path string, timeFits bool, res checksum.Result) error {
	switch res.Check {
	case cooper.Corrupt:
		return a.report(Finding{Problem: Corrupt, Path: path, Detail: res.Method, Row: row})
	case cooper.Verified:
		a.verified.Add(1)
	default:
		a.unverifiable.Add(1)
	}
	switch {
	case timeFits:
		return nil
	case res.Check == cooper.Unverifiable && len(res.Hash) == 0:
		return a.report(Finding{Problem: Changed, Path: path, Detail: "modified after it was placed, and nothing to compare the bytes with", Row: row})
	}
	return a.report(Finding{Problem: Changed, Path: path, Detail: "the bytes are right, the time is not", Row: row, Sound: true})
}

// counted tells the progress what is read.
type counted struct {
	io.Reader
	to *progress.Counters
}

func (c counted) Read(b []byte) (int, error) {
	n, err := c.Reader.Read(b)
	c.to.Moved(int64(n))
	return n, err
}
