package backup

import (
	"testing"

	"cooper"
	"cooper/internal/tree/catalog"
)

// What a snapshot saw counts for more than the times that a store gives: what it
// showed was not superseded before.
func TestObservationBeatsTimestamps(t *testing.T) {
	row := func(id string, written, first cooper.Instant, shown ...int64) catalog.Row {
		return catalog.Row{Identity: cooper.Identity{Key: "k", VersionID: id, ETag: id, LastModified: written}, FirstSeen: first, Shown: shown, DeleteMarker: id[0] == 'm'}
	}
	observed := []catalog.Observed{{ID: "s-1", TakenAt: 100, Complete: true, Finished: true}, {ID: "s-2", TakenAt: 200, Complete: true, Finished: true}}
	for name, c := range map[string]struct {
		rows    []catalog.Row
		at      cooper.Instant
		want    string // empty for nothing
		against bool
	}{
		"a marker as old as what it hides":            {[]catalog.Row{row("m2", 50, 200, 200), row("v1", 50, 100, 100, 200)}, 150, "v1", true},
		"a marker that is dated before what was seen": {[]catalog.Row{row("v1", 50, 100, 100, 200), row("m2", 49, 200, 200)}, 150, "v1", true},
		"an upload in parts, by its beginning":        {[]catalog.Row{row("v2", 90, 200, 200), row("v1", 50, 100, 100, 200)}, 150, "v1", true},
		"what was uncovered some time":                {[]catalog.Row{row("v2", 80, 100, 100, 200), row("v1", 50, 100, 200)}, 150, "v2", true},
		"a marker in its time":                        {[]catalog.Row{row("m2", 140, 200, 200), row("v1", 50, 100, 100, 200)}, 150, "m2", false},
		"a marker not there yet":                      {[]catalog.Row{row("m2", 160, 200, 200), row("v1", 50, 100, 100, 200)}, 150, "v1", false},
		"times that were exchanged":                   {[]catalog.Row{row("v2", 145, 200), row("m3", 130, 200, 200), row("v1", 50, 100, 100, 200)}, 140, "v1", true},
		"and later":                                   {[]catalog.Row{row("v2", 145, 200), row("m3", 130, 200, 200), row("v1", 50, 100, 100, 200)}, 150, "v2", true},
		"what came and went":                          {[]catalog.Row{row("v3", 180, 200, 200), row("v2", 130, 200), row("v1", 50, 100, 100, 200)}, 150, "v2", false},
		"equal times of two versions":                 {[]catalog.Row{row("v3", 130, 200, 200), row("v2", 130, 200), row("v1", 50, 100, 100, 200)}, 150, "v3", false},
		"a new key of an old time":                    {[]catalog.Row{row("v1", 50, 200, 200)}, 150, "v1", false},
		"at a snapshot, whatever times say":           {[]catalog.Row{row("m2", 50, 200, 200), row("v1", 50, 100, 100, 200)}, 100, "v1", false},
		"at the next":                                 {[]catalog.Row{row("m2", 50, 200, 200), row("v1", 50, 100, 100, 200)}, 200, "m2", false},
		"behind the last":                             {[]catalog.Row{row("m2", 50, 200, 200), row("v1", 50, 100, 100, 200)}, 300, "m2", false},
		"before the first, a marker as old":           {[]catalog.Row{row("m2", 50, 100, 100), row("v1", 50, 100)}, 60, "v1", true},
	} {
		tl := newTimeline(c.at, observed)
		got, exact, against := tl.at(c.rows)
		id := ""
		if got != nil {
			id = got.VersionID
		}
		if id != c.want || against != c.against || exact != (c.at == 100 || c.at == 200) {
			t.Errorf("%s: %q, exact %v, against %v", name, id, exact, against)
		}
	}
}
