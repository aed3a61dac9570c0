package gcop

import (
	"encoding/json"
	"maps"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cooper"
	"cooper/internal/bucketop"
	"cooper/internal/plan"
)

func original() cooper.Version {
	return cooper.Version{Identity: cooper.Identity{Key: "files/7.zst", VersionID: "v1", ETag: "e", Size: 5}}
}

// TestArchival: what is written is read back.
func TestArchival(t *testing.T) {
	marker := cooper.Version{Identity: cooper.Identity{Key: "files/7.zst"}, DeleteMarker: true}
	for _, c := range []struct {
		v    cooper.Version
		want Archival
	}{
		{original(), Archival{Bucket: "data", To: "data/files/7.zst", Class: "STANDARD_IA", Proof: ByETag, Versions: 2, Handles: []Holder{
			{ID: "7", Status: "UNLINKED", Since: 5}, {Kind: "ä", ID: `"`, Status: "ARCHIVING", Since: 6, Scanned: true},
		}, For: "files/7", Reason: "unlinked"}},
		{original(), Archival{Bucket: "data", To: "data/files/7.zst", Class: "GLACIER", Proof: ByReading, Last: true, Guard: bucketop.ByETag, Reason: "unlinked"}},
		{marker, Archival{Bucket: "data", To: "data/files/7.zst", Class: "GLACIER", Proof: Unneeded, Guard: bucketop.ByLook, Reason: "unindexed"}},
	} {
		a, err := c.want.Action(c.v)
		if err != nil {
			t.Fatal(err)
		}
		got, err := ArchivalOf(&a)
		if d := cmp.Diff(c.want, got); d != "" || err != nil || a.Version != c.v {
			t.Errorf("%v\n%s", err, d)
		}
	}
}

// TestForeignArchival: what cannot have been written is not taken for another archival.
func TestForeignArchival(t *testing.T) {
	good := Archival{Bucket: "data", To: "data/files/7.zst", Class: "STANDARD_IA", Proof: ByETag, Last: true, Versions: 1, Handles: []Holder{{ID: "7", Status: "UNLINKED"}}, Reason: "x"}
	for why, set := range map[string][2]string{
		"unknown argument":  {"more", "x"},
		"no bucket":         {"bucket", "-"},
		"another bucket":    {"bucket", "other"},
		"another place":     {"target", "data/files/8"},
		"no class":          {"class", "-"},
		"no proof":          {"proof", "-"},
		"unknown proof":     {"proof", "trust"},
		"no copy":           {"proof", "none"},
		"last":              {"last", "no"},
		"unknown guard":     {"guard", "none"},
		"less than nothing": {"versions", "-1"},
		"not the first":     {"versions", "-"},
		"no number":         {"versions", "one"},
		"no list":           {"handles", "7"},
		"no id":             {"handles", `[{"status":"UNLINKED","since":""}]`},
		"no status":         {"handles", `[{"id":"7","since":""}]`},
		"more of it":        {"handles", `[{"id":"7","status":"UNLINKED","since":"","linked":true}]`},
		"two lists":         {"handles", `[][]`},
		"no reason":         {"reason", "-"},
		"other verb":        {},
		"no ETag":           {"", "etag"},
	} {
		a, err := good.Action(original())
		if err != nil {
			t.Fatal(err)
		}
		a.Args = maps.Clone(a.Args)
		switch {
		case set[1] == "etag" && set[0] == "":
			a.Version.ETag = ""
		case set[0] == "":
			a.Verb = Mark
		case set[1] == "-":
			delete(a.Args, set[0])
		default:
			a.Args[set[0]] = set[1]
		}
		if x, err := ArchivalOf(&a); cooper.KindOf(err) != cooper.KindInvalid {
			t.Errorf("%s: %+v, %v", why, x, err)
		}
	}
}

func TestArchiving(t *testing.T) {
	marking := Marking{Config: "/etc/cooper.yaml", Declared: "c0", Scope: "uuid/db", Server: "uuid/db", Detection: "d-1", Read: Reads{"p-1": {Ranges: 2, Ended: true}}, Words: 3}
	want := Archiving{Marking: marking, Bucket: "archive", Versioning: map[string]string{"data": "Enabled", "archive": ""}, Unfenced: true}
	of := func(a Archiving) *plan.Header {
		policy, err := json.Marshal(map[string]any{"archiving": a})
		if err != nil {
			t.Fatal(err)
		}
		return &plan.Header{ID: "p-2", Target: plan.Target{Kind: ArchiveKind, Path: "s3://archive/"}, Policy: policy}
	}
	got, err := ArchivingOf(of(want))
	if d := cmp.Diff(want, got); d != "" || err != nil {
		t.Errorf("%v\n%s", err, d)
	}
	for why, change := range map[string]func(*Archiving, *plan.Header){
		"no detection":   func(a *Archiving, _ *plan.Header) { a.Detection = "" },
		"nothing read":   func(a *Archiving, _ *plan.Header) { a.Read = nil },
		"no archive":     func(a *Archiving, _ *plan.Header) { a.Bucket = "" },
		"another":        func(a *Archiving, _ *plan.Header) { a.Bucket = "other" },
		"another target": func(_ *Archiving, h *plan.Header) { h.Target.Path = "s3://other/" },
		"another kind":   func(_ *Archiving, h *plan.Header) { h.Target.Kind = bucketop.TargetKind },
		"nothing":        func(_ *Archiving, h *plan.Header) { h.Policy = json.RawMessage(`{}`) },
	} {
		a := want
		change(&a, &plan.Header{})
		h := of(a)
		change(&a, h)
		if _, err := ArchivingOf(h); cooper.KindOf(err) != cooper.KindInvalid || cooper.RemedyOf(err) == "" {
			t.Errorf("%s: %v", why, err)
		}
	}
}
