// Package s3report reads and writes S3 Inventory reports.
//
// Open finds a report (in a bucket or on a local disk), reads its manifest and
// gives an inventory.Source with one part for each data file, CSV, Parquet or
// ORC, with whatever columns it was configured to have. Nothing is believed that a
// checksum contradicts: a part whose bytes do not match the manifest fails,
// whatever it delivered before. A row that makes no sense is set aside and
// never ends a part. Nothing outside of the location it was given is opened,
// whatever a manifest says. Write makes CSV and Parquet files for stores that have
// no inventories of their own.
//
// Sorting, counting and keeping what was read is left to package inventory.
package s3report

import (
	"context"
	"path"
	"path/filepath"
	"runtime"
	"strings"

	"cooper"
	"cooper/internal/inventory"
)

// Options say which report to open.
type Options struct {
	// Date is a day (2026-11-20: its last report), an instant as reports are
	// named by (2026-11-20T01-00Z), or empty for the newest report.
	Date string
	// Bucket is the source bucket the report must be about; empty: any.
	Bucket string
	// TempDir is where data files of a bucket are kept while they are read:
	// one file for each part being read. Empty: the system's.
	TempDir string
	// Memory is what the process is to stay within, in bytes; 2 GiB if 0. A quarter
	// of it is for the data files being read, Workers of them at once; one for each
	// CPU if 0.
	Memory  int64
	Workers int
}

func (o *Options) fill() {
	if o.Memory <= 0 {
		o.Memory = 2 << 30
	}
	if o.Workers <= 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
}

// Report is one report, checked as far as that can be done without reading its
// data files: they are all there and have the right sizes.
type Report struct {
	meta  inventory.Meta
	parts []inventory.Part
}

// Meta gives Source, Bucket, TakenAt, Scope and Columns. A report does not say
// whether it was configured for a prefix only: the scope's prefix is the
// caller's to know.
func (r *Report) Meta() inventory.Meta { return r.meta }

// Parts are the data files, in the manifest's order.
func (r *Report) Parts() []inventory.Part { return r.parts }

// Open finds a report and reads its manifest. The prefix is the beginning of a
// configuration's names (PREFIX/SOURCE/CONFIG/), one dated folder of it, or a
// manifest.json; empty for a location that is one of these itself.
//
// A report without manifest.checksum is still being written. It is never taken
// unless it is asked for by name, or lies on a local disk where no report has
// one: a person may have fetched the manifest and its data files alone. What
// the manifest says of the data files is checked in any case.
func Open(ctx context.Context, loc Location, prefix string, opt Options) (*Report, error) {
	opt.fill()
	if err := checkDate(opt.Date); err != nil {
		return nil, err
	}
	name, err := findManifest(ctx, loc, prefix, opt.Date)
	if err != nil {
		return nil, err
	}
	m, err := readManifest(ctx, loc, name, opt.Memory)
	if err != nil {
		return nil, err
	}
	where := full(loc, name)
	if err := m.answers(loc, name, opt); err != nil {
		return nil, err
	}
	sch, err := m.schema(where)
	if err != nil {
		return nil, err
	}
	files, err := locate(ctx, loc, name, m)
	if err != nil {
		return nil, err
	}
	r := &Report{meta: inventory.Meta{
		Source:  where,
		Bucket:  m.SourceBucket,
		TakenAt: m.taken,
		Scope:   inventory.Scope{CurrentOnly: sch.currentOnly},
		Columns: sch.names,
	}}
	for _, f := range files {
		r.parts = append(r.parts, &part{file: f, schema: sch, bucket: m.SourceBucket, format: m.FileFormat, tempDir: opt.TempDir, memory: opt.Memory / 4 / int64(opt.Workers)})
	}
	return r, nil
}

// answers tells whether the manifest is the one that was asked for.
func (m *manifest) answers(loc Location, name string, opt Options) error {
	if opt.Bucket != "" && m.SourceBucket != opt.Bucket {
		return &cooper.Error{
			Kind: cooper.KindUsage, Where: full(loc, name),
			Message: "this is the inventory of bucket " + cooper.Quote(m.SourceBucket) + ", not of " + cooper.Quote(opt.Bucket),
			Remedy:  "Name the bucket that the report is about, or another report.",
		}
	}
	date := path.Base(path.Dir(filepath.ToSlash(full(loc, name))))
	if !isDateName(date) {
		date = m.taken.Time().Format(dateLayout)
	}
	if opt.Date != "" && !strings.HasPrefix(date, opt.Date) {
		return &cooper.Error{
			Kind: cooper.KindUsage, Where: full(loc, name),
			Message: "this is the report of " + date + ", not of " + opt.Date,
			Remedy:  "Name the folder that holds the dated ones, or leave the date away.",
		}
	}
	return nil
}
