package purge

import (
	"slices"
	"strings"
	"testing"
	"time"

	"cooper"
	"cooper/internal/bucketop"
	"cooper/internal/inventory/invtest"
)

func TestWhatIsChosen(t *testing.T) {
	enabled := func(p Policy) Policy { p.Versioning = "Enabled"; return p }
	days := func(n float64) float64 { return n * day.Seconds() }
	abc := []cooper.Version{version("a", "3", day, "latest"), version("a", "2", 40*day), version("a", "1", 50*day)}
	deleted := []cooper.Version{version("d", "2", 20*day, "latest", "marker"), version("d", "1", 60*day)}
	dead := []cooper.Version{version("m", "2", 20*day, "latest", "marker"), version("m", "1", 60*day, "marker")}
	for name, c := range map[string]struct {
		rows   []cooper.Version
		policy Policy
		from   Choices
		want   string
		skips  string
		guards string
	}{
		"all, the oldest first":               {abc, Policy{}, nil, "a@1 a@2 a@3", "", ""},
		"not current":                         {slices.Concat(abc, deleted), Policy{Versions: Noncurrent}, nil, "a@1 a@2 d@1", "", ""},
		"not current for 30 days":             {slices.Concat(abc, deleted), Policy{Versions: Noncurrent, OlderThan: days(30)}, nil, "a@1", "", ""},
		"for exactly as long":                 {abc, Policy{Versions: Noncurrent, OlderThan: days(40)}, nil, "", "", ""},
		"markers that hide nothing":           {slices.Concat(abc, deleted, dead), Policy{Versions: Markers}, nil, "m@1 m@2", "", ""},
		"old markers":                         {dead, Policy{Versions: Markers, OlderThan: days(30)}, nil, "m@1", "", ""},
		"all that is old":                     {abc, Policy{OlderThan: days(30)}, nil, "a@1 a@2", "", ""},
		"a latest version that is dated old":  {[]cooper.Version{version("a", "2", 50*day, "latest"), version("a", "1", 10*day)}, Policy{OlderThan: days(30)}, nil, "", "1 exposes", ""},
		"superseded by what was begun before": {[]cooper.Version{version("a", "2", 50*day, "latest"), version("a", "1", 10*day)}, Policy{Versions: Noncurrent, OlderThan: days(30)}, nil, "", "", ""},
		// a@m was begun first and ended after a@5 was written: it was current until a@6.
		"an upload in parts beside another": {[]cooper.Version{version("a", "6", 10*day, "latest"), version("a", "5", 60*day-time.Hour), version("a", "m-2", 60*day)}, Policy{Versions: Noncurrent, OlderThan: days(30)}, nil, "", "", ""},
		"an upload in parts long before":    {[]cooper.Version{version("a", "6", 10*day, "latest"), version("a", "5", 40*day), version("a", "m-2", 60*day)}, Policy{Versions: Noncurrent, OlderThan: days(30)}, nil, "a@m-2", "", ""},
		"two uploads in parts":              {[]cooper.Version{version("a", "6", 10*day, "latest"), version("a", "n-2", 60*day-time.Hour), version("a", "m-2", 60*day)}, Policy{Versions: Noncurrent, OlderThan: days(30)}, nil, "", "", ""},
		"chosen keys":                       {slices.Concat(abc, deleted), Policy{}, chosen([]Choice{{Key: "a", Any: true}, {Key: "b", Any: true}}), "a@1 a@2 a@3", "", ""},
		"chosen versions":                   {slices.Concat(abc, deleted), Policy{}, chosen([]Choice{{Key: "a", VersionID: "2"}, {Key: "a", VersionID: "9"}, {Key: "d", VersionID: "2"}}), "a@2", "1 exposes", ""},
		"only below the prefix":             {[]cooper.Version{version("a", "1", day, "latest"), version("a/b", "1", day, "latest"), version("ab", "1", day, "latest")}, Policy{Prefix: "a/"}, chosen([]Choice{{Key: "a", Any: true}, {Key: "a/b", Any: true}, {Key: "ab", Any: true}}), "a/b@1", "", ""},
		"protected":                         {[]cooper.Version{version("s/keys/k", "1", day, "latest"), version("s/keysx", "1", day, "latest")}, Policy{Protect: []string{"*/keys"}}, nil, "s/keysx@1", "1 protected", ""},
		"no latest, or two":                 {[]cooper.Version{version("a", "1", day), version("b", "1", day, "latest"), version("b", "2", day, "latest"), version("c", "1", day, "latest")}, Policy{}, nil, "c@1", "2 ambiguous, 1 hidden", ""},
		"an id that is there twice":         {[]cooper.Version{version("a", "null", day, "latest"), version("a", "null", 2*day), version("b", "1", day, "latest")}, enabled(Policy{}), nil, "b@1", "2 ambiguous", ""},
		"null while enabled":                {[]cooper.Version{version("a", "2", day, "latest"), version("a", "null", day)}, enabled(Policy{}), nil, "a@null a@2", "", "a look"},
		"null without an ETag":              {[]cooper.Version{{Identity: cooper.Identity{Key: "a", VersionID: "null"}, Latest: true}}, enabled(Policy{}), nil, "", "1 overwritable", ""},
		"null that can be compared":         {[]cooper.Version{version("a", "null", day, "latest"), version("b", "2", day, "latest"), version("b", "null", day)}, Policy{Versioning: "Suspended"}, nil, "a@null", "1 exposes, 1 overwritable", "a etag"},
		"null marker":                       {[]cooper.Version{version("a", "null", day, "latest", "marker")}, Policy{Versioning: "Suspended"}, nil, "", "1 overwritable", ""},
		"null after a look alone":           {[]cooper.Version{version("a", "null", day, "latest"), version("b", "null", day, "latest", "marker")}, Policy{Versioning: "Suspended", Unguarded: true}, nil, "a@null b@null", "", "a look, b look"},
		"rejected rows":                     {[]cooper.Version{version("a", "1", day, "latest"), version("r", "1", day, "latest")}, Policy{}, nil, "a@1", "1 rejected", ""},
	} {
		s := snapOf(c.rows...)
		s.Rejected = []string{"Q", "r", "z"}
		r, err := planned(t, s, c.policy, c.from)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got, skips, guards := r.names(), r.Skipped(), r.guards(t); got != c.want || skips != c.skips || guards != c.guards {
			t.Errorf("%s: %q, skipped %q, guards %q; want %q, %q, %q", name, got, skips, guards, c.want, c.skips, c.guards)
		}
		below := 0
		for _, v := range c.rows {
			if cooper.HasPrefix(v.Key, c.policy.Prefix) {
				below++
			}
		}
		if total := r.Accounted(); total != int64(below) {
			t.Errorf("%s: %d versions are accounted for, there are %d", name, total, below)
		}
	}
}

func TestWhatAPlanSays(t *testing.T) {
	s := snapOf(version("a", "2", 10*day, "latest", "DEEP_ARCHIVE"), version("a", "1", 50*day), version("b", "1", day, "latest"), version("c", "null", day, "latest"))
	r, err := planned(t, s, Policy{ShareLimit: 0.5, Versioning: "Suspended"}, chosen([]Choice{{Key: "Z", Any: true}, {Key: "a", Any: true}, {Key: "c", Any: true}, {Key: "nothing", Any: true}}))
	if err != nil {
		t.Fatal(err)
	}
	h := r.Head
	if h.Share.Removed != 3 || h.Share.Scope != 4 || h.Share.RemovedBytes != 30 || h.Share.ScopeBytes != 40 || !h.Share.Deletes || !h.Share.Exceeded() {
		t.Errorf("share %+v", h.Share)
	}
	if h.Target.Path != "s3://lab/" || h.Target.Kind != bucketop.TargetKind || h.Source != "" || h.Reasons[ReasonLatest].Count != 2 || h.Reasons[ReasonNoncurrent].Count != 1 {
		t.Errorf("%+v", h)
	}
	if !bucketop.Probes(h.Estimate) || h.Estimate.Requests["DELETE"] != 1 {
		t.Errorf("estimate %+v", h.Estimate)
	}
	all := strings.Join(h.Warnings, "\n")
	for _, want := range []string{"DEEP_ARCHIVE are charged for 180 days", "a probe must see", "not in the snapshot: 2, such as Z, nothing", "3 of 4"} {
		if !strings.Contains(all, want) {
			t.Errorf("no warning of %q:\n%s", want, all)
		}
	}
	if !SamePolicy(&h, Policy{Versions: All, ShareLimit: 0.5, Versioning: "Suspended"}) || SamePolicy(&h, Policy{Versions: All, ShareLimit: 0.5, Versioning: "Suspended", Unguarded: true}) {
		t.Error("policies are not told apart")
	}
}

// TestProtectionOfNothing: who protects keys/ below another prefix is told so.
func TestProtectionOfNothing(t *testing.T) {
	s := snapOf(version("u/keys/k", "1", day, "latest"), version("u/l", "1", day, "latest"))
	for pattern, warns := range map[string]bool{"keys/": true, "/u/keys/": true, "u/keys/": false, "*/keys/": false} {
		r, err := planned(t, s, Policy{Prefix: "u/", Protect: []string{pattern, "u/keys/k"}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if all := strings.Join(r.Head.Warnings, "\n"); strings.Contains(all, "--protect "+pattern+" covers nothing") != warns || strings.Contains(all, "u/keys/k covers") {
			t.Errorf("%s: %s", pattern, all)
		}
	}
}

func TestWhatIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		change func(s *invtest.Snapshot, p *Policy)
		kind   cooper.Kind
	}{
		"incomplete":           {func(s *invtest.Snapshot, _ *Policy) { s.Info.Complete = false }, cooper.KindRefused},
		"torn":                 {func(s *invtest.Snapshot, _ *Policy) { s.Info.Torn = 1 }, cooper.KindRefused},
		"undated":              {func(s *invtest.Snapshot, _ *Policy) { s.Info.TakenAt = 0 }, cooper.KindRefused},
		"of the future":        {func(s *invtest.Snapshot, _ *Policy) { s.Info.TakenAt = now + cooper.Instant(time.Hour.Milliseconds()) }, cooper.KindRefused},
		"of another prefix":    {func(s *invtest.Snapshot, p *Policy) { s.Info.Scope.Prefix, p.Prefix = "a/b/", "a/" }, cooper.KindRefused},
		"current only":         {func(s *invtest.Snapshot, p *Policy) { s.Info.Scope.CurrentOnly, p.Versioning = true, "Suspended" }, cooper.KindRefused},
		"without a slash":      {func(_ *invtest.Snapshot, p *Policy) { p.Prefix = "a" }, cooper.KindUsage},
		"unknown versions":     {func(_ *invtest.Snapshot, p *Policy) { p.Versions = "old" }, cooper.KindUsage},
		"a share over 1":       {func(_ *invtest.Snapshot, p *Policy) { p.ShareLimit = 1.5 }, cooper.KindUsage},
		"everything protected": {func(_ *invtest.Snapshot, p *Policy) { p.Protect = []string{""} }, cooper.KindUsage},
		"a protected URL":      {func(_ *invtest.Snapshot, p *Policy) { p.Protect = []string{"s3://lab/a/"} }, cooper.KindUsage},
		"a star for letters":   {func(_ *invtest.Snapshot, p *Policy) { p.Protect = []string{"a*/"} }, cooper.KindUsage},
		"a star at the end":    {func(_ *invtest.Snapshot, p *Policy) { p.Protect = []string{"a/*"} }, cooper.KindUsage},
	} {
		s, p := snapOf(version("a/b/c", "1", day, "latest")), Policy{}
		c.change(s, &p)
		if r, err := planned(t, s, p, nil); cooper.KindOf(err) != c.kind || len(r.Actions) > 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCurrentOnlyOfABucketWithoutVersions(t *testing.T) {
	s := snapOf(version("a", "", day), version("b", "", day))
	s.Info.Scope.CurrentOnly = true
	r, err := planned(t, s, Policy{}, chosen([]Choice{{Key: "a", VersionID: "null"}}))
	if err != nil || r.names() != "a@" || r.guards(t) != "a etag" {
		t.Errorf("%q, %q, %v", r.names(), r.guards(t), err)
	}
	if args, _ := bucketop.Decode(r.Actions[0].Args); !args.Last {
		t.Error("it is what a reader gets")
	}
}
