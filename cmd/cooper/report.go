package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"cooper"
	"cooper/internal/inventory"
	"cooper/internal/price"
	"cooper/internal/progress"
	"cooper/internal/report"
	"cooper/internal/report/page"
	"cooper/internal/term"
	"cooper/internal/words"
	"cooper/internal/workspace"
)

// reportFlags say what to report and how.
type reportFlags struct {
	by, prefix, html, compare, prices string
	depth                             int // < 0: as suits what is shown
	offline                           bool
	newest                            bool // nobody said which snapshot
}

// reportViews are what --by takes.
var reportViews = []string{"prefix", "class", "age", "size", "suffix", "duplicates", "savings"}

func (a *app) reportCmd() *cobra.Command {
	f := reportFlags{}
	cmd := &cobra.Command{
		Use:   "report [SNAPSHOT]",
		Short: "What is in a bucket, what it costs a month, and what would cost less",
		Long: `Reads a snapshot once and tells what the bucket holds: by prefix, storage class,
age, size and suffix; what old versions cost; what lifecycle rules, cheaper
classes and compression would save; what changed since another snapshot.
SNAPSHOT may be a unique beginning of an id, or latest, which is the default.

Figures are counted, not sampled; costs are list prices unless --prices names
others. Unfinished multipart uploads are in no inventory: the bucket itself is
asked for them, for half a minute at most, unless --offline.`,
		Example: `  # one screen about the newest snapshot
  cooper report

  # drill down
  cooper report latest --prefix images/
  cooper report latest --by suffix
  cooper report latest --by prefix --depth 3 | less

  # a page to look at in a browser, and to send around
  cooper report latest --html report.html

  # what changed since last week?
  cooper report latest --compare s-20261113

  # for scripts
  cooper report latest --json | jq .total.noncurrent.cost_per_month`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			name := workspace.Latest
			f.newest = len(args) == 0
			if !f.newest {
				name = args[0]
			}
			return a.takeReport(cmd.Context(), name, &f)
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&f.by, "by", "", "one view in full: "+strings.Join(reportViews, ", "))
	fl.IntVar(&f.depth, "depth", -1, "levels of prefixes to tell apart (default 2 on the screen, all that are large elsewhere)")
	fl.Lookup("depth").DefValue = "0" // which help does not show
	fl.StringVar(&f.prefix, "prefix", "", "only keys below this prefix")
	fl.StringVar(&f.html, "html", "", "write a page for browsers to this file (- for stdout)")
	fl.StringVar(&f.compare, "compare", "", "an older snapshot of the bucket: tell what has changed since")
	fl.StringVar(&f.prices, "prices", "", "table of prices (JSON; see docs/formats/prices.md)")
	fl.BoolVar(&f.offline, "offline", false, "do not ask the bucket for unfinished uploads")
	return cmd
}

func (f *reportFlags) check(json bool) error {
	if f.by != "" && !slices.Contains(reportViews, f.by) {
		return usage(fmt.Sprintf("--by %s: there is no such view", cooper.Quote(f.by)), "Choose one of "+strings.Join(reportViews, ", ")+".")
	}
	if f.depth < -1 {
		return usage(fmt.Sprintf("--depth %d: depths begin at 0", f.depth), "0 is the bucket as a whole, 1 its topmost prefixes.")
	}
	if f.html == "-" && json {
		return usage("--html - and --json both write to stdout", "Give --html a file name.")
	}
	if f.html != "" && f.by != "" {
		return usage("--html shows all views, --by one of them", "Leave out one of the two.")
	}
	return nil
}

func (a *app) takeReport(ctx context.Context, name string, f *reportFlags) (err error) {
	if err := f.check(a.json); err != nil {
		return err
	}
	prices, err := price.Load(f.prices)
	if err != nil {
		return err
	}
	ws, err := a.openWorkspace()
	if err != nil {
		return err
	}
	defer finally(&err, ws.Close)
	s, err := a.openSnapshot(ws, name)
	if err != nil {
		return err
	}
	then := s
	if f.compare != "" {
		if then, err = a.openSnapshot(ws, f.compare); err != nil {
			return err
		}
	}
	r, err := a.countReport(ctx, ws, s, then, &prices, f)
	if err != nil {
		return err
	}
	switch {
	case f.html != "":
		if err := a.writePage(f.html, r); err != nil || !a.json {
			return err
		}
		return a.emit(r)
	case a.json:
		return a.emit(r)
	}
	return a.showReport(r, f)
}

// countReport reads the snapshots, and asks the bucket meanwhile. then is s itself
// where nothing is to be compared.
func (a *app) countReport(ctx context.Context, ws *workspace.Workspace, s, then *inventory.Snapshot, prices *price.Table, f *reportFlags) (r *report.Report, err error) {
	opt := report.Options{Prefix: f.prefix, Depth: f.depth, Prices: *prices}
	if f.depth < 0 && !a.json && f.html == "" {
		opt.Depth = screenDepth
	}
	memory, err := a.memoryBytes()
	if err != nil {
		return nil, err
	}
	if opt.Duplicates = f.by == "duplicates" || f.html != ""; opt.Duplicates {
		if opt.TempDir, err = ws.TempDir(); err != nil {
			return nil, err
		}
		defer removeAll(opt.TempDir)
		opt.Memory = memory / 4
	}
	count := progress.New(a.clock, nil)
	count.Phase("report")
	count.Expect(rowsToRead(s, then, &opt), 0)
	opt.Progress = func(n int64) { count.Skip(n, 0) }
	stop := a.follow(count)
	defer stop()

	uploads := a.startUploads(ctx, s.Meta().Bucket, cmp.Or(f.prefix, s.Meta().Scope.Prefix), prices, f.offline)
	defer uploads.stop()
	if r, err = report.Take(ctx, s, opt); err != nil {
		return nil, err
	}
	if then != s {
		count.Phase("compare")
		var notes []string
		if r.Compare, notes, err = report.Compare(ctx, then, s, opt); err != nil {
			return nil, err
		}
		r.Notes = append(r.Notes, notes...)
	}
	metas, note := a.metas(ws)
	if note != "" {
		r.Notes = append(r.Notes, note)
	}
	bucket := s.Meta().Bucket
	if f.newest && slices.ContainsFunc(metas, func(m inventory.Meta) bool { return m.Bucket != bucket }) {
		r.Notes = append(r.Notes, fmt.Sprintf("This is the newest snapshot, of s3://%s; there are snapshots of other buckets, too: see cooper snapshot ls.", bucket))
	}
	r.Growth = report.Growth(metas, s.Meta())
	count.Phase("uploads")
	r.SetUploads(uploads.wait())
	return r, nil
}

// rowsToRead is how many versions there are to read; 0 if a prefix makes that
// unknown.
func rowsToRead(s, then *inventory.Snapshot, opt *report.Options) int64 {
	if opt.Prefix != "" {
		return 0
	}
	m := s.Meta()
	n := m.Versions + m.DeleteMarkers
	passes := int64(1)
	if opt.Duplicates {
		passes++
	}
	if then != s {
		passes++
	}
	return n * passes
}

// metas describes the snapshots of the workspace. One that cannot be read is no
// reason to tell nothing of the others.
func (a *app) metas(ws *workspace.Workspace) (metas []inventory.Meta, note string) {
	ids, err := ws.Snapshots()
	if err != nil {
		return nil, "Growth is not known: " + err.Error()
	}
	for _, id := range ids {
		s, err := inventory.Open(ws.SnapshotDir(id))
		if err != nil {
			note = fmt.Sprintf("Growth leaves out snapshot %s, which cannot be read.", id)
			continue
		}
		metas = append(metas, s.Meta())
	}
	return metas, note
}

// writePage writes the page under another name first: whoever looks at the file
// finds the old one or the new one.
func (a *app) writePage(path string, r *report.Report) (err error) {
	if path == "-" {
		return pageTo(a.stdout, r)
	}
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, "."+filepath.Base(path)+".*")
	if err != nil {
		return pageError(path, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(pageError(path, err), os.Remove(f.Name()))
		}
	}()
	w := bufio.NewWriterSize(f, 1<<16)
	err = page.Write(w, r)
	if err == nil {
		err = w.Flush()
	}
	if err == nil {
		err = f.Chmod(0o644)
	}
	info, statErr := f.Stat()
	if err = errors.Join(err, statErr, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	a.note("wrote %s, %s", term.Clean(path), words.Bytes(info.Size()))
	return nil
}

func pageTo(out term.Out, r *report.Report) error {
	w := bufio.NewWriterSize(out, 1<<16)
	return errors.Join(page.Write(w, r), w.Flush())
}

func pageError(path string, err error) error {
	return &cooper.Error{Kind: cooper.KindInternal, Where: path, Message: "the page cannot be written", Err: err, Remedy: "Give --html a file in a directory that can be written to."}
}
