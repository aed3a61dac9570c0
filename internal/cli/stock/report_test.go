package stock

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"cooper"
	"cooper/internal/cli/shell"
	"cooper/internal/cli/shell/shelltest"
	"cooper/internal/inventory"
	"cooper/internal/job"
	"cooper/internal/price"
	"cooper/internal/report"
	"cooper/internal/term"
)

const reportNow = cooper.Instant(1795136400000) // 2026-11-20T01:00:00Z

// rowsSource is an inventory of given rows.
type rowsSource struct {
	rows  []cooper.Version
	taken cooper.Instant
}

func (s rowsSource) Meta() inventory.Meta {
	return inventory.Meta{Source: "s3://reports/lab/daily/manifest.json", Bucket: "lab", TakenAt: s.taken}
}
func (s rowsSource) Parts() []inventory.Part { return []inventory.Part{s} }
func (s rowsSource) Name() string            { return "rows" }
func (s rowsSource) Read(_ context.Context, to inventory.Sink) error {
	for i := range s.rows {
		if err := to.Version(&s.rows[i]); err != nil {
			return err
		}
	}
	return nil
}

// archive is what a bucket held some days ago: images that grow, tables, logs that
// were deleted, and keys that nobody asked for.
func archive(daysAgo int) rowsSource {
	const day = 24 * 60 * 60 * 1000
	src := rowsSource{taken: reportNow - cooper.Instant(daysAgo*day)}
	add := func(key string, size int64, age int, latest bool, class string) {
		v := cooper.Version{Latest: latest, StorageClass: class, DeleteMarker: class == ""}
		v.Key, v.Size, v.LastModified = key, size, reportNow-cooper.Instant(age*day)-1000
		v.VersionID = fmt.Sprintf("%s-%d", key[:min(3, len(key))], age)
		if !v.DeleteMarker {
			v.ETag = fmt.Sprintf("%032x", size*7919)
		}
		if age >= daysAgo {
			src.rows = append(src.rows, v)
		}
	}
	for i := range 400 {
		add(fmt.Sprintf("images/sub-%02d/scan-%03d.nii.gz", i/20, i), int64(80_000_000+i*12_345), 3*i, true, "STANDARD")
		if i%7 == 0 {
			add(fmt.Sprintf("images/sub-%02d/scan-%03d.nii.gz", i/20, i), int64(70_000_000+i), 3*i+200, false, "STANDARD")
		}
	}
	for i := range 60 {
		add(fmt.Sprintf("tables/2024/part-%d.csv", i), int64(4_000_000+i%5), 100+i, true, "STANDARD_IA")
		add(fmt.Sprintf("archive/tape-%02d.tar", i), 30_000_000_000+int64(i), 2000+i, true, "DEEP_ARCHIVE")
		add(fmt.Sprintf("logs/%d.log", i), 0, 20+i, true, "")
		add(fmt.Sprintf("logs/%d.log", i), 50_000, 60+i, false, "STANDARD")
	}
	for i, key := range []string{
		"evil\x1b[31m/\u202ename", "images/", strings.Repeat("long-", 40) + "/" + strings.Repeat("é", 80), "//", "..", "it's a/file with blanks.txt", "é/ü.JSON",
	} {
		add(key, int64(i*1000), 40, true, "STANDARD")
	}
	return src
}

func buildArchive(t *testing.T, id string, daysAgo int) *inventory.Snapshot {
	t.Helper()
	dir := filepath.Join(t.TempDir(), id)
	if _, err := inventory.Build(t.Context(), dir, archive(daysAgo), inventory.BuildOptions{Memory: 1 << 20}); err != nil {
		t.Fatal(err)
	}
	s, err := inventory.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// someReport is a report with everything in it.
func someReport(t *testing.T) *report.Report {
	t.Helper()
	prices, err := price.Load("")
	if err != nil {
		t.Fatal(err)
	}
	then, s := buildArchive(t, "s-20261113T010000Z-0001", 7), buildArchive(t, "s-20261120T010000Z-0002", 0)
	opt := report.Options{Depth: screenDepth, Prices: prices, Duplicates: true, TempDir: t.TempDir()}
	r, err := report.Take(t.Context(), s, opt)
	if err != nil {
		t.Fatal(err)
	}
	if r.Compare, _, err = report.Compare(t.Context(), then, s, opt); err != nil {
		t.Fatal(err)
	}
	r.Growth = report.Growth([]inventory.Meta{then.Meta(), s.Meta()}, s.Meta())
	c := report.NewUploadCounter(&prices, reportNow)
	c.Add(report.Upload{Key: "x", Initiated: reportNow - 40*24*3600*1000, Parts: 3, Bytes: 24 << 30}, "STANDARD", true)
	c.Add(report.Upload{Key: "y", Initiated: reportNow - 1000}, "STANDARD", false)
	r.SetUploads(c.Uploads(""))
	return r
}

// What a person sees, on 80 columns.
func TestReportOnTheScreen(t *testing.T) {
	r := someReport(t)
	var all strings.Builder
	for _, by := range append([]string{"", "growth"}, reportViews...) {
		var b bytes.Buffer
		a := family{&shell.Shell{Stdout: term.Plain(&b), Stderr: term.Plain(&b), Clock: time.Now}}
		shown := *r
		f := reportFlags{by: by, BucketReport: job.BucketReport{Depth: -1}}
		if by == "growth" {
			f.by, shown.Compare = "", nil
		} else if by != "" {
			shown.Compare = nil
		}
		if err := a.showReport(&shown, &f); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&all, "-- %s --\n%s", by, &b)
		for line := range strings.Lines(b.String()) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 80 {
				t.Errorf("--by %s: %d columns: %s", by, n, line)
			}
			if strings.TrimRight(line, " \n") != strings.TrimSuffix(line, "\n") {
				t.Errorf("--by %s: blanks at the end of %q", by, line)
			}
		}
		if n := bytes.Count(b.Bytes(), []byte("\n")); by == "growth" && n > 45 {
			t.Errorf("the overview has %d lines", n)
		}
		if i := bytes.IndexFunc(b.Bytes(), func(r rune) bool { return r == '\x1b' || r == '\u202e' }); i >= 0 {
			t.Errorf("--by %s: a key got through to the terminal", by)
		}
	}
	shelltest.Golden(t, "report.golden", all.String())
}

func TestReportFlags(t *testing.T) {
	all := job.BucketReport{Depth: -1}
	for _, f := range []reportFlags{{by: "colour", BucketReport: all}, {BucketReport: job.BucketReport{Depth: -2}}, {by: "age", html: "x", BucketReport: all}} {
		if err := f.check(false); cooper.KindOf(err) != cooper.KindUsage {
			t.Errorf("%+v: %v", f, err)
		}
	}
	if err := (&reportFlags{html: "-", BucketReport: all}).check(true); cooper.KindOf(err) != cooper.KindUsage {
		t.Errorf("two things on stdout: %v", err)
	}
}
