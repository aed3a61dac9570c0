package job

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"cooper/internal/inventory"
	"cooper/internal/price"
	"cooper/internal/progress"
	"cooper/internal/report"
	"cooper/internal/workspace"
)

// BucketReport tells what a bucket holds, what that costs, and what would cost less.
type BucketReport struct {
	// Snapshot is what is read. Newest takes the newest in its stead, and notes where
	// there are snapshots of other buckets.
	Snapshot string
	Newest   bool
	// Compare is an older one of the bucket: what has changed since; empty for none.
	Compare string
	// Prices is a file of prices; empty for the built-in ones.
	Prices string
	// Prefix, Depth and Duplicates are those of report.Options.
	Prefix     string
	Depth      int
	Duplicates bool
	// Offline does not ask the bucket for its unfinished uploads.
	Offline bool
}

// Run reads the snapshots, and asks the bucket meanwhile.
func (b *BucketReport) Run(ctx context.Context, e *Env) (r *report.Report, err error) {
	prices, err := price.Load(b.Prices)
	if err != nil {
		return nil, err
	}
	err = e.begin(func(w *work) error {
		name := b.Snapshot
		if b.Newest {
			name = workspace.Latest
		}
		s, err := OpenSnapshot(w.ws, name)
		if err != nil {
			return err
		}
		var then *inventory.Snapshot
		if b.Compare != "" {
			if then, err = OpenSnapshot(w.ws, b.Compare); err != nil {
				return err
			}
		}
		opt := report.Options{Prefix: b.Prefix, Depth: b.Depth, Prices: prices, Duplicates: b.Duplicates}
		if !b.Duplicates {
			r, err = b.take(ctx, w, s, then, &opt)
			return err
		}
		return w.tempDir(func(temp string) (err error) {
			opt.TempDir, opt.Memory = temp, e.Memory/4
			r, err = b.take(ctx, w, s, then, &opt)
			return err
		})
	})
	return r, err
}

// take reports on s; then is nil where nothing is to be compared.
func (b *BucketReport) take(ctx context.Context, w *work, s, then *inventory.Snapshot, opt *report.Options) (r *report.Report, err error) {
	count := progress.New(w.Clock, nil)
	count.Phase("report")
	count.Expect(rowsToRead(s, then, opt), 0)
	opt.Progress = func(n int64) { count.Skip(n, 0) }
	stop := w.Listener.Follow(count)
	defer stop()

	m := s.Meta()
	uploads := w.askUploads(ctx, m.Bucket, cmp.Or(b.Prefix, m.Scope.Prefix), &opt.Prices, b.Offline)
	defer uploads.stop()
	if r, err = report.Take(ctx, s, *opt); err != nil {
		return nil, err
	}
	if then != nil {
		count.Phase("compare")
		var notes []string
		if r.Compare, notes, err = report.Compare(ctx, then, s, *opt); err != nil {
			return nil, err
		}
		r.Notes = append(r.Notes, notes...)
	}
	metas, note := w.metas()
	if note != "" {
		r.Notes = append(r.Notes, note)
	}
	if b.Newest && slices.ContainsFunc(metas, func(x inventory.Meta) bool { return x.Bucket != m.Bucket }) {
		r.Notes = append(r.Notes, fmt.Sprintf("This is the newest snapshot, of s3://%s; there are snapshots of other buckets, too: see cooper snapshot ls.", m.Bucket))
	}
	r.Growth = report.Growth(metas, m)
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
	if then != nil {
		passes++
	}
	return n * passes
}

// metas describes the snapshots of the workspace. One that cannot be read is no
// reason to tell nothing of the others.
func (w *work) metas() (metas []inventory.Meta, note string) {
	ids, err := w.ws.Snapshots()
	if err != nil {
		return nil, "Growth is not known: " + err.Error()
	}
	for _, id := range ids {
		s, err := inventory.Open(w.ws.SnapshotDir(id))
		if err != nil {
			note = fmt.Sprintf("Growth leaves out snapshot %s, which cannot be read.", id)
			continue
		}
		metas = append(metas, s.Meta())
	}
	return metas, note
}
