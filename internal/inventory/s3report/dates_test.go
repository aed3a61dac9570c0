package s3report

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cooper"
)

// dated are the files of a configuration: three reports, the newest unfinished.
func dated(t *testing.T, prefix string) map[string][]byte {
	t.Helper()
	data := gzipped(t, rowOf("x"))
	m := aManifest(t, CSV, allColumns, map[string][]byte{prefix + "data/f.csv.gz": data})
	sum := []byte(md5Hex(m))
	return map[string][]byte{
		prefix + "data/f.csv.gz":                        data,
		prefix + "hive/dt=2026-11-20-01-00/symlink.txt": nil,
		prefix + "2026-11-19T01-00Z/manifest.json":      m,
		prefix + "2026-11-19T01-00Z/manifest.checksum":  sum,
		prefix + "2026-11-20T01-00Z/manifest.json":      m,
		prefix + "2026-11-20T01-00Z/manifest.checksum":  sum,
		prefix + "2026-11-20T13-00Z/manifest.json":      m,
		prefix + "2026-11-21T01-00Z/manifest.checksum":  sum, // no manifest: no report
		prefix + "2026-11-2/manifest.json":              m,
		prefix + "2026-11-20T1-00Z/manifest.json":       m,
	}
}

func TestDatesAndChoice(t *testing.T) {
	ctx := context.Background()
	for name, c := range map[string]struct {
		loc    func() Location
		prefix string
		under  string
	}{
		"disk":                    {func() Location { return Dir(writeFiles(t, dated(t, ""))) }, "", ""},
		"disk, with a prefix":     {func() Location { return Dir(writeFiles(t, dated(t, "P/src/C/"))) }, "P/src/C", "P/src/C/"},
		"disk, further up":        {func() Location { return Dir(writeFiles(t, dated(t, "src/C/"))) }, "", "src/C/"},
		"bucket":                  {func() Location { s := newFakeStore(); s.objects = dated(t, "P/src/C/"); return s.location() }, "P/src/C/", "P/src/C/"},
		"bucket, without a slash": {func() Location { s := newFakeStore(); s.objects = dated(t, "P/src/C/"); return s.location() }, "P/src/C", "P/src/C/"},
		"bucket, further up":      {func() Location { s := newFakeStore(); s.objects = dated(t, "P/src/C/"); return s.location() }, "", "P/src/C/"},
	} {
		t.Run(name, func(t *testing.T) {
			loc := c.loc()
			got, err := Dates(ctx, loc, c.prefix)
			if err != nil {
				t.Fatal(err)
			}
			want := []Date{
				{"2026-11-19T01-00Z", at(t, "2026-11-19T01:00:00Z"), c.under + "2026-11-19T01-00Z/", true},
				{"2026-11-20T01-00Z", at(t, "2026-11-20T01:00:00Z"), c.under + "2026-11-20T01-00Z/", true},
				{"2026-11-20T13-00Z", at(t, "2026-11-20T13:00:00Z"), c.under + "2026-11-20T13-00Z/", false},
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatal(diff)
			}
			for date, want := range map[string]string{
				"":                  "2026-11-20T01-00Z",
				"2026-11-19":        "2026-11-19T01-00Z",
				"2026-11-20":        "2026-11-20T01-00Z", // the last whole one
				"2026-11-20T13-00Z": "2026-11-20T13-00Z", // asked for by name
			} {
				r, err := Open(ctx, loc, c.prefix, Options{Date: date})
				if err != nil {
					t.Fatal(err)
				}
				if got, want := r.Meta().Source, full(loc, c.under+want+"/manifest.json"); got != want {
					t.Errorf("%q: %s, want %s", date, got, want)
				}
			}
		})
	}
}

func TestAReportBeingWrittenIsNotTaken(t *testing.T) {
	ctx := context.Background()
	files := dated(t, "C/")
	for name := range files {
		if len(name) > 9 && name[len(name)-8:] == "checksum" {
			delete(files, name)
		}
	}
	s := newFakeStore()
	s.objects = files
	_, err := Open(ctx, s.location(), "C/", Options{})
	wantError(t, err, cooper.KindMissing, "no report is whole: that of 2026-11-20T13-00Z")
	if _, err := Open(ctx, s.location(), "C/", Options{Date: "2026-11-20"}); err != nil {
		t.Error(err)
	}
	// On a disk a person may have fetched just what is needed.
	r, err := Open(ctx, Dir(writeFiles(t, files)), "C/", Options{})
	if err != nil || r.Meta().TakenAt != at(t, "2026-11-20T01:00:00Z") {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestSeveralConfigurations(t *testing.T) {
	files := dated(t, "src/daily/")
	for name, b := range dated(t, "src/weekly/") {
		files[name] = b
	}
	_, err := Dates(context.Background(), Dir(writeFiles(t, files)), "")
	wantError(t, err, cooper.KindUsage, "src/daily/")
}

// A prefix full of data must not be listed to its end.
func TestAFolderOfOtherThings(t *testing.T) {
	s := newFakeStore()
	for i := range maxNames + 1 {
		s.objects[fmt.Sprintf("data/2%06d", i)] = nil
	}
	_, err := Dates(context.Background(), s.location(), "data")
	wantError(t, err, cooper.KindUsage, "no folder of inventory reports")
}

func TestAPipeIsNotOpened(t *testing.T) {
	if _, _, err := Dir("/dev").Open(context.Background(), "null"); cooper.KindOf(err) != cooper.KindInvalid {
		if _, serr := os.Stat("/dev/null"); serr == nil {
			t.Errorf("%v", err)
		}
	}
}
