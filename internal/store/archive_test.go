package store_test

import (
	"testing"

	"cooper"
	"cooper/internal/store"
)

func TestAccess(t *testing.T) {
	const now = cooper.Instant(1700000000000) // 14 November 2023
	later := `ongoing-request="false", expiry-date="Fri, 15 Dec 2023 00:00:00 GMT"`
	for name, c := range map[string]struct {
		o     store.Object
		want  store.Access
		until string
	}{
		"plain":                   {store.Object{}, store.Readable, ""},
		"at once":                 {store.Object{StorageClass: "GLACIER_IR"}, store.Readable, ""},
		"tiering":                 {store.Object{StorageClass: "INTELLIGENT_TIERING"}, store.Readable, ""},
		"archive tier":            {store.Object{StorageClass: "INTELLIGENT_TIERING", ArchiveStatus: "ARCHIVE_ACCESS"}, store.Archived, ""},
		"an unknown tier":         {store.Object{StorageClass: "INTELLIGENT_TIERING", ArchiveStatus: "NEW_ACCESS"}, store.Archived, ""},
		"out of a tier":           {store.Object{StorageClass: "INTELLIGENT_TIERING", ArchiveStatus: "DEEP_ARCHIVE_ACCESS", Restore: `ongoing-request="true"`}, store.Underway, ""},
		"archived":                {store.Object{StorageClass: "GLACIER"}, store.Archived, ""},
		"deep":                    {store.Object{StorageClass: "DEEP_ARCHIVE"}, store.Archived, ""},
		"under way":               {store.Object{StorageClass: "GLACIER", Restore: `ongoing-request="true"`}, store.Underway, ""},
		"restored":                {store.Object{StorageClass: "GLACIER", Restore: later}, store.Restored, "2023-12-15T00:00:00Z"},
		"was restored":            {store.Object{StorageClass: "GLACIER", Restore: `ongoing-request="false", expiry-date="Fri, 03 Nov 2023 00:00:00 GMT"`}, store.Archived, ""},
		"nonsense":                {store.Object{StorageClass: "GLACIER", Restore: `ongoing-request="no"`}, store.Underway, ""},
		"nonsense for a date":     {store.Object{StorageClass: "GLACIER", Restore: `ongoing-request="false", expiry-date="soon"`}, store.Archived, ""},
		"restored without a date": {store.Object{StorageClass: "GLACIER", Restore: `ongoing-request="false"`}, store.Underway, ""},
	} {
		a, until := c.o.Access(now)
		if a != c.want || c.until == "" && until != 0 || c.until != "" && until.String() != c.until {
			t.Errorf("%s: %d until %s, want %d until %q", name, a, until, c.want, c.until)
		}
	}
}

func TestFilters(t *testing.T) {
	tags := map[string]string{"a": "1", "b": ""}
	for name, c := range map[string]struct {
		f    store.Filter
		want bool
	}{
		"all":             {store.Filter{}, true},
		"prefix":          {store.Filter{Prefix: "dir/k"}, true},
		"another":         {store.Filter{Prefix: "dir/l"}, false},
		"a tag":           {store.Filter{Tags: map[string]string{"b": ""}}, true},
		"both tags":       {store.Filter{Prefix: "dir", Tags: tags}, true},
		"another value":   {store.Filter{Tags: map[string]string{"a": "2"}}, false},
		"a missing tag":   {store.Filter{Tags: map[string]string{"c": ""}}, false},
		"above the bound": {store.Filter{Above: 9}, true},
		"at the bound":    {store.Filter{Above: 10}, false},
		"below the bound": {store.Filter{Above: 9, Below: 11}, true},
		"at the upper":    {store.Filter{Below: 10}, false},
	} {
		if got := c.f.Matches("dir/key", 10, tags); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}
