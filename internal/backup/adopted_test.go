package backup

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cooper"
	"cooper/internal/inventory"
	"cooper/internal/tree/catalog"
)

// TestAfterAnAdoption: what another program said of a file is believed where the
// inventory bears it out, and costs a download where not; the file stays.
func TestAfterAnAdoption(t *testing.T) {
	id := func(version, etag string, size, at int) cooper.Identity {
		return cooper.Identity{Key: "k", VersionID: version, ETag: etag, Size: int64(size), LastModified: cooper.Instant(at)}
	}
	listed := func(vs ...cooper.Identity) []cooper.Version { // the latest first
		var out []cooper.Version
		for i, v := range vs {
			out = append(out, cooper.Version{Identity: v, Latest: i == 0})
		}
		return out
	}
	mirror := func(v cooper.Identity) catalog.Row {
		return catalog.Row{Identity: v, Place: catalog.Mirror, Check: cooper.Unverified, Method: catalog.Adopted}
	}
	history := func(v cooper.Identity) catalog.Row {
		r := mirror(v)
		r.Place, r.Reason, r.Superseded = catalog.History, catalog.Older, 5000
		return r
	}
	proven := func(r catalog.Row) catalog.Row {
		r.Check, r.Method = cooper.Verified, "md5"
		return r
	}
	v1, v2 := id("v1", "e1", 3, 100), id("v2", "e2", 3, 200)
	for name, c := range map[string]struct {
		known  []catalog.Row
		listed []cooper.Version
		want   string // of the first plan
	}{
		"all fits": {
			[]catalog.Row{mirror(v2), history(v1)}, listed(v2, v1), "record v2"},
		"only what is new is fetched": {
			[]catalog.Row{mirror(v1)}, listed(v2, v1), "fetch v2 mirror, retire v1 history"},
		"v2's bytes under v1's id": {
			[]catalog.Row{mirror(id("v1", "e1", 3, 200))}, listed(v2, v1), "retire  history, fetch v2 mirror, fetch v1 history"},
		"another size under its id": {
			[]catalog.Row{mirror(id("v2", "e2", 4, 200))}, listed(v2), "retire  history, fetch v2 mirror"},
		"in history, v2's bytes under v1's id": {
			[]catalog.Row{mirror(v2), history(id("v1", "e1", 3, 200))}, listed(v2, v1), "record , record v2, fetch v1 history"},
		"times that are all the same": {
			[]catalog.Row{mirror(id("v2", "e2", 3, 999)), history(id("v1", "e1", 3, 999)), history(id("v0", "e0", 3, 999))}, listed(v2, v1, id("v0", "e0", 3, 50)),
			"record , record , retire  history, fetch v2 mirror, fetch v1 history, fetch v0 history"},
		"the time is that of the download": {
			[]catalog.Row{mirror(id("v2", "e2", 3, 999))}, listed(v2), "retire  history, fetch v2 mirror"},
		"the time is that of the download, but the bytes were verified": {
			[]catalog.Row{proven(mirror(id("v2", "e2", 3, 999)))}, listed(v2), "record v2"},
		"a null version": {
			[]catalog.Row{mirror(id("", "e1", 3, 100)), history(id("", "e0", 3, 50))}, listed(id("null", "e1", 3, 100), id("null-is-not-once", "e0", 3, 50)), "record null, record null-is-not-once"},
		"another null version": {
			[]catalog.Row{mirror(id("null", "e1", 3, 100))}, listed(id("null", "e1", 3, 150)), "fetch null mirror, retire null history"},
		"v2's bytes as the null version": {
			[]catalog.Row{mirror(id("null", "e1", 3, 200))}, listed(v2, id("null", "e1", 3, 100)), "retire  history, fetch v2 mirror, fetch null history"},
		"v2's bytes as a version without id": {
			[]catalog.Row{mirror(id("", "e1", 3, 200))}, listed(v2, id("null", "e1", 3, 100)), "retire  history, fetch v2 mirror, fetch null history"},
		"v2's bytes as a null version that is gone": {
			[]catalog.Row{mirror(id("null", "e1", 3, 200))}, listed(v2), "retire  history, fetch v2 mirror"},
		"in history, v2's bytes as the null version": {
			[]catalog.Row{mirror(v2), history(id("", "e1", 3, 200))}, listed(v2, id("null", "e1", 3, 100)), "record , record v2, fetch null history"},
		"v2's bytes under the id of a version that is gone": {
			[]catalog.Row{mirror(id("v1", "e1", 3, 200))}, listed(v2), "retire  history, fetch v2 mirror"},
		"of the second of another version": {
			[]catalog.Row{mirror(v2), history(id("v1", "e1", 3, 200))}, listed(v2), "record v2, record v1"},
		"a latest version that is a delete marker now": {
			[]catalog.Row{mirror(id("v1", "e1", 9, 100))}, append([]cooper.Version{{Identity: cooper.Identity{Key: "k", VersionID: "m", LastModified: 300}, Latest: true, DeleteMarker: true}}, cooper.Version{Identity: v1}),
			"retire  history, record m, fetch v1 history"},
	} {
		t.Run(name, func(t *testing.T) {
			tree := newModel()
			for _, r := range c.known {
				tree.rows[r.Identity] = r
			}
			s := &snap{meta: inventory.Meta{ID: "s-1", Bucket: "b", TakenAt: 10_000, Complete: true}, versions: c.listed}
			var got []string
			for _, a := range planned(t, s, tree) {
				if a.Verb == "retire" && a.Args["superseded"] != "10000" { // it is not known since when it was in the mirror
					t.Errorf("%s of %+v: superseded at %s", a.Verb, a.Version, a.Args["superseded"])
				}
				got = append(got, strings.TrimRight(fmt.Sprintf("%s %s %s", a.Verb, a.Version.VersionID, a.Args["to"]), " "))
			}
			want := strings.Split(strings.ReplaceAll(c.want, "  ", " "), ", ")
			for i := range got {
				got[i] = strings.ReplaceAll(got[i], "  ", " ")
			}
			for i := range want {
				want[i] = strings.TrimSpace(want[i])
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Error(d)
			}
			// Every listed version has its bytes, and every file that was there has a row.
			for _, v := range c.listed {
				ok := slices.ContainsFunc(tree.sorted(""), func(r catalog.Row) bool {
					return r.ETag == v.ETag && r.Size == v.Size && (r.Place != catalog.Nowhere || v.DeleteMarker)
				})
				if !ok {
					t.Errorf("%+v has no bytes", v)
				}
			}
			for _, r := range c.known {
				ok := slices.ContainsFunc(tree.sorted(""), func(n catalog.Row) bool {
					return (n.ETag == r.ETag || n.Doubtful()) && n.Size == r.Size && n.LastModified == r.LastModified && n.Place != catalog.Nowhere
				})
				if !ok {
					t.Errorf("%+v was lost", r)
				}
			}
			// Once and for all.
			later := *s
			later.meta.ID, later.meta.TakenAt = "s-2", 20_000
			for _, a := range planned(t, &later, tree) {
				if a.Verb != "record" {
					t.Errorf("the second time: %s %+v", a.Verb, a.Version)
				}
			}
		})
	}
}

func TestPlanVerify(t *testing.T) {
	tree := newModel()
	for i, r := range []catalog.Row{
		{Place: catalog.Mirror, Check: cooper.Unverified}, {Place: catalog.History, Check: cooper.Corrupt}, {Place: catalog.Mirror, Check: cooper.Verified},
		{Place: catalog.Mirror, Check: cooper.Unverifiable}, {Place: catalog.Nowhere, Check: cooper.Unverified},
	} {
		r.Key, r.VersionID = fmt.Sprint("a/", i), "v"
		tree.rows[r.Identity] = r
	}
	other := catalog.Row{Identity: cooper.Identity{Key: "ab"}, Place: catalog.Mirror, Check: cooper.Unverified}
	tree.rows[other.Identity] = other
	for prefix, want := range map[string]string{"": "a/0 a/1 ab", "a": "a/0 a/1", "b": ""} {
		var rec recorder
		h, err := PlanVerify(t.Context(), Verify{Catalog: tree, Dir: "/tree", Prefix: prefix, ID: "p-1", Now: 1}, &rec)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, a := range rec.actions {
			if a.Verb != "verify" {
				t.Errorf("%+v", a)
			}
			got = append(got, a.Version.Key)
		}
		if strings.Join(got, " ") != want || (h.ID == "") != (want == "") || want != "" && !h.Partial {
			t.Errorf("prefix %q: %v, %+v", prefix, got, h)
		}
	}
}

// TestTheNullVersionIsTheOneASnapshotListed: what another program called so is
// given out only if there is no other.
func TestTheNullVersionIsTheOneASnapshotListed(t *testing.T) {
	row := func(etag string, at cooper.Instant, method string) catalog.Row {
		return catalog.Row{Identity: cooper.Identity{Key: "k", VersionID: cooper.NullVersion, ETag: etag, LastModified: at}, Place: catalog.History, Check: cooper.Unverified, Method: method}
	}
	said, listed := row("e9", 900, catalog.Adopted), row("e1", 100, "")
	for want, rows := range map[string][]catalog.Row{"e1": {said, listed}, "e9": {said}} {
		if got := ofID(rows, cooper.NullVersion); got == nil || got.ETag != want {
			t.Errorf("%+v, want %s", got, want)
		}
	}
	if got := ofID([]catalog.Row{said}, "v1"); got != nil {
		t.Errorf("%+v", got)
	}
}
