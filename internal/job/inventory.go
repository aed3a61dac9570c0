package job

import (
	"context"
	"path/filepath"
	"strings"

	"cooper"
	"cooper/internal/inventory"
	"cooper/internal/inventory/listing"
	"cooper/internal/inventory/s3report"
	"cooper/internal/progress"
)

// WriteInventory lists a bucket and writes an S3 Inventory report of what is there.
type WriteInventory struct {
	Bucket, Prefix string
	// Current lists current objects alone.
	Current bool
	// To is where the report goes: s3://DST/PREFIX/, or a directory.
	To string
	// Config is the name of the configuration, a folder of the report.
	Config string
	// Format of the data files is s3report.CSV or s3report.Parquet.
	Format string
}

// Written is a report that was written.
type Written struct {
	Bytes         int64          `json:"bytes"`
	DeleteMarkers int64          `json:"delete_markers"`
	Format        string         `json:"format"`
	Manifest      string         `json:"manifest"` // its address or path
	TakenAt       cooper.Instant `json:"taken_at"`
	Versions      int64          `json:"versions"`
}

// Run lists the bucket, and writes the report.
func (x *WriteInventory) Run(ctx context.Context, e *Env) (r Written, err error) {
	err = e.begin(func(w *work) (err error) {
		b, err := w.Stores.Open(ctx, e, x.Bucket, 0)
		if err != nil {
			return err
		}
		defer finally(&err, b.Close)
		src, err := w.listing(ctx, b, listing.Options{Prefix: x.Prefix, Current: x.Current})
		if err != nil {
			return err
		}
		// Reports are written from sorted rows, which a snapshot has; it is not kept.
		snap, err := w.build(ctx, src, progress.New(e.Clock, nil))
		if err != nil {
			return err
		}
		m := snap.Meta()
		defer finally(&err, func() error { return w.ws.RemoveSnapshot(m.ID) })
		r = Written{Format: x.Format, TakenAt: m.TakenAt, Versions: m.Versions, DeleteMarkers: m.DeleteMarkers, Bytes: m.Bytes}
		return w.tempDir(func(temp string) (err error) {
			r.Manifest, err = x.write(ctx, w, snap, s3report.WriteOptions{
				SourceBucket: x.Bucket, ConfigID: x.Config, Format: x.Format, TakenAt: m.TakenAt, TempDir: temp, CurrentOnly: x.Current,
			})
			return err
		})
	})
	return r, err
}

// write writes a snapshot as a report, and says where its manifest is.
func (x *WriteInventory) write(ctx context.Context, w *work, snap *inventory.Snapshot, opt s3report.WriteOptions) (manifest string, err error) {
	rows := snap.Versions(ctx, inventory.IterOptions{})
	defer finally(&err, rows.Close)
	if !strings.HasPrefix(x.To, "s3://") {
		abs, err := filepath.Abs(x.To)
		if err != nil {
			return "", err
		}
		name, err := s3report.WriteDir(ctx, abs, opt, rows)
		return filepath.Join(abs, filepath.FromSlash(name)), err
	}
	bucket, prefix, err := cooper.ParseURL(x.To)
	if err != nil {
		return "", err
	}
	to, err := w.Stores.Open(ctx, w.Env, bucket, 0)
	if err != nil {
		return "", err
	}
	defer finally(&err, to.Close)
	opt.DestinationBucket, opt.Prefix = bucket, prefix
	key, err := s3report.Write(ctx, to, opt, rows)
	return "s3://" + bucket + "/" + key, err
}
