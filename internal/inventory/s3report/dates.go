package s3report

import (
	"context"
	"errors"
	"path"
	"sort"
	"strings"
	"time"

	"cooper"
)

// dateLayout is how S3 names the folder of a report: the moment it began.
const dateLayout = "2006-01-02T15-04Z"

const (
	manifestName = "manifest.json"
	checksumName = "manifest.checksum"
)

// Date is one report of a configuration.
type Date struct {
	Name   string         `json:"date"` // as its folder is named, 2026-11-20T01-00Z
	At     cooper.Instant `json:"at"`
	Folder string         `json:"folder"` // within the location, with a slash at its end
	// Whole tells whether the manifest's checksum is there, which S3 writes
	// last.
	Whole bool `json:"whole"`
}

// Dates lists the reports under a prefix that have a manifest, the newest last.
func Dates(ctx context.Context, loc Location, prefix string) ([]Date, error) {
	prefix = folderOf(prefix)
	dates, err := datesIn(ctx, loc, prefix)
	if err != nil || len(dates) > 0 {
		return dates, err
	}
	return datesBelow(ctx, loc, prefix)
}

// maxNames is how much is listed in search of reports: a century of daily ones
// has less.
const maxNames = 100_000

// datesIn lists the reports right under folder. Folders of all centuries
// worth listing begin with 2, so that neither data/ nor hive/ is gone through.
func datesIn(ctx context.Context, loc Location, folder string) ([]Date, error) {
	found := map[string]*Date{}
	whole := map[string]bool{}
	names := 0
	err := loc.List(ctx, folder+"2", func(name string, _ int64) error {
		if names++; names > maxNames {
			return &cooper.Error{
				Kind: cooper.KindUsage, Where: full(loc, folder), Message: "this is no folder of inventory reports: there is too much in it",
				Remedy: "In a bucket it is s3://DESTINATION/PREFIX/SOURCE/CONFIG/.",
			}
		}
		dir, base := path.Split(strings.TrimPrefix(name, folder))
		day := strings.TrimSuffix(dir, "/")
		at, notDate := time.Parse(dateLayout, day)
		switch {
		case notDate != nil || !isDateName(day):
		case base == manifestName:
			found[day] = &Date{Name: day, At: cooper.InstantOf(at), Folder: folder + dir}
		case base == checksumName:
			whole[day] = true
		}
		return nil //nolint:nilerr // what is named otherwise is no report
	})
	if err != nil {
		return nil, err
	}
	dates := make([]Date, 0, len(found))
	for day, d := range found {
		d.Whole = whole[day]
		dates = append(dates, *d)
	}
	sort.Slice(dates, func(i, j int) bool { return dates[i].Name < dates[j].Name })
	return dates, nil
}

// How far datesBelow looks: PREFIX/SOURCE/CONFIG/ may have lost up to all
// three levels, and a folder of a great many is not one of reports.
const (
	maxLevels  = 3
	maxFolders = 100
)

// datesBelow looks for a folder of reports further down, since people leave
// away the SOURCE/CONFIG/ that S3 adds. There must be one alone.
func datesBelow(ctx context.Context, loc Location, prefix string) ([]Date, error) {
	var found []Date
	var at []string
	level := []string{prefix}
	for depth := 0; depth < maxLevels && len(level) > 0; depth++ {
		var next []string
		for _, folder := range level {
			below, err := loc.Folders(ctx, folder)
			if err != nil {
				return nil, err
			}
			next = append(next, below...)
		}
		if len(next) > maxFolders {
			break
		}
		level = next
		for _, folder := range level {
			dates, err := datesIn(ctx, loc, folder)
			if err != nil {
				return nil, err
			}
			if len(dates) > 0 {
				found, at = dates, append(at, full(loc, folder))
			}
		}
	}
	if len(at) > 1 {
		return nil, &cooper.Error{
			Kind: cooper.KindUsage, Where: full(loc, prefix),
			Message: "several inventory configurations lie here: " + strings.Join(at, ", "),
			Remedy:  "Name one of them.",
		}
	}
	return found, nil
}

// findManifest says which manifest is meant by prefix and date.
func findManifest(ctx context.Context, loc Location, prefix, date string) (string, error) {
	dir, local := loc.(*directory)
	if local && prefix == "" && dir.manifest != "" {
		return dir.manifest, nil
	}
	if strings.HasSuffix(prefix, ".json") {
		return prefix, nil
	}
	folder := folderOf(prefix)
	// A store that hides what is missing answers denied; listing then tells.
	_, err := loc.Stat(ctx, folder+manifestName)
	if kind := cooper.KindOf(err); err == nil || (kind != cooper.KindMissing && kind != cooper.KindDenied) {
		return folder + manifestName, err
	}
	dates, err := Dates(ctx, loc, prefix)
	if err != nil {
		return "", err
	}
	if len(dates) == 0 {
		return "", &cooper.Error{
			Kind: cooper.KindMissing, Where: full(loc, folder), Message: "there is no inventory report here",
			Remedy: "Name the folder with dated folders (2026-11-20T01-00Z) in it, one of these, or a manifest.json. In a bucket it is s3://DESTINATION/PREFIX/SOURCE/CONFIG/.",
		}
	}
	d, err := choose(dates, date, local)
	if err != nil {
		var ce *cooper.Error
		if errors.As(err, &ce) {
			ce.Where = full(loc, folder)
		}
		return "", err
	}
	return d.Folder + manifestName, nil
}

// choose takes the newest whole report of the day asked for, or of all. One
// that is not whole is taken only where a person named its day, or on a local
// disk where none is whole.
func choose(dates []Date, date string, local bool) (Date, error) {
	var newest, whole *Date
	for i := range dates {
		if !strings.HasPrefix(dates[i].Name, date) {
			continue
		}
		newest = &dates[i]
		if dates[i].Whole {
			whole = &dates[i]
		}
	}
	switch {
	case whole != nil:
		return *whole, nil
	case newest == nil:
		return Date{}, &cooper.Error{
			Kind: cooper.KindMissing, Message: "there is no report of " + date + "; the newest is of " + dates[len(dates)-1].Name,
			Remedy: "--list-dates shows which there are.",
		}
	case date != "" || local:
		return *newest, nil
	}
	return Date{}, &cooper.Error{
		Kind: cooper.KindMissing, Message: "no report is whole: that of " + newest.Name + " has no manifest.checksum and may still be being written",
		Remedy: "Wait until it is written, or take it with --date " + newest.Name + ".",
	}
}

// checkDate says whether a person's date is one.
func checkDate(date string) error {
	if _, err := time.Parse(time.DateOnly, date); date == "" || err == nil || isDateName(date) {
		return nil
	}
	return &cooper.Error{
		Kind: cooper.KindUsage, Message: cooper.Quote(date) + " is no date of a report",
		Remedy: "Write a day as 2026-11-20, or an instant as 2026-11-20T01-00Z.",
	}
}

func isDateName(s string) bool {
	_, err := time.Parse(dateLayout, s)
	return err == nil && len(s) == len(dateLayout)
}

// folderOf makes a prefix end with a slash.
func folderOf(prefix string) string {
	if prefix == "" || strings.HasSuffix(prefix, "/") {
		return prefix
	}
	return prefix + "/"
}
