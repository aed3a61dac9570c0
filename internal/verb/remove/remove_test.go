package remove

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"cooper"
	"cooper/internal/bucketop"
	"cooper/internal/bucketop/bucketoptest"
	"cooper/internal/permit"
	"cooper/internal/store"
	"cooper/internal/store/mem"
)

func TestWhatHappensBetweenPlanAndRemoval(t *testing.T) {
	for name, c := range map[string]struct {
		versioning string
		fill       func(w *world)
		meanwhile  func(w *world)
		only       func(a *cooper.Action) bool // nil: all
		want       string                      // the outcomes
		left       string                      // the contents that are current, by key
	}{
		"nothing":            {"Enabled", func(w *world) { w.put("p/k", "1"); w.put("p/k", "2") }, nil, nil, "done done", ""},
		"a newer upload":     {"Enabled", func(w *world) { w.put("p/k", "1"); w.put("p/k", "2") }, func(w *world) { w.put("p/k", "3") }, nil, "done done", "p/k=3"},
		"deleted meanwhile":  {"Enabled", func(w *world) { w.put("p/k", "1"); w.put("p/k", "2") }, func(w *world) { w.Server.Delete("lab", "p/k") }, nil, "done done", ""},
		"a marker and all":   {"Enabled", func(w *world) { w.put("p/k", "1"); w.Server.Delete("lab", "p/k") }, nil, nil, "done done", ""},
		"never versioned":    {"", func(w *world) { w.put("p/k", "1"); w.put("p/l", "2") }, nil, nil, "done done", ""},
		"null overwritten":   {"", func(w *world) { w.put("p/k", "1"); w.put("p/l", "2") }, func(w *world) { w.put("p/k", "new") }, nil, "changed done", "p/k=new"},
		"same content again": {"", func(w *world) { w.put("p/k", "1") }, func(w *world) { w.put("p/k", "1") }, nil, "changed", "p/k=1"},
		"gone already":       {"", func(w *world) { w.put("p/k", "1") }, func(w *world) { w.Server.Delete("lab", "p/k") }, nil, "done", ""},
		"suspended":          {"Suspended", func(w *world) { w.put("p/k", "1") }, func(w *world) { w.put("p/k", "new") }, nil, "changed", "p/k=new"},
		"null while enabled": {"Enabled", func(w *world) {
			w.Server.SetVersioning("lab", "")
			w.put("p/k", "1")
			w.Server.SetVersioning("lab", "Enabled")
			w.put("p/k", "2")
		}, nil, nil, "done done", ""},
		"undeleted meanwhile": {"Enabled", func(w *world) { w.put("p/k", "1"); w.Server.Delete("lab", "p/k") }, func(w *world) {
			vs := w.Server.Versions("lab")
			w.Server.DeleteVersion("lab", "p/k", vs[0].VersionID)
		}, func(a *cooper.Action) bool { return !a.Version.Latest }, "changed", "p/k=1"},
		"an older one the snapshot does not know": {"Enabled", func(w *world) { w.put("p/k", "1"); w.put("p/k", "2") }, nil,
			func(a *cooper.Action) bool { return a.Version.Latest }, "conflict", "p/k=2"},
		"an older one that must stay": {"Enabled", func(w *world) { w.put("p/k", "1"); w.put("p/k", "2"); w.put("p/l", "3") }, func(w *world) { w.Server.Deny("lab", "p/k") },
			nil, "denied conflict done", "p/k=2"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, c.versioning, mem.Options{})
			w.put("q", "kept")
			c.fill(w)
			actions := w.actions("p/", c.versioning)
			if c.only != nil {
				var some []cooper.Action
				for i := range actions {
					if c.only(&actions[i]) {
						some = append(some, actions[i])
					}
				}
				actions = some
			}
			if c.meanwhile != nil {
				c.meanwhile(w)
			}
			outs, err := w.commit(context.Background(), w.target(t.TempDir(), c.versioning), actions)
			if err != nil {
				t.Fatal(err)
			}
			if got := bucketoptest.Statuses(outs); got != c.want {
				t.Errorf("came to %q, want %q: %+v", got, c.want, outs)
			}
			var current []string
			for _, v := range w.Server.Versions("lab") {
				if body, ok := w.Server.Body("lab", v.Key, v.VersionID); ok && v.Latest && !v.DeleteMarker && v.Key != "q" {
					current = append(current, v.Key+"="+string(body))
				}
			}
			if got := strings.Join(current, " "); got != c.left {
				t.Errorf("current is %q, want %q", got, c.left)
			}
			if body, _ := w.Server.Body("lab", "q", ""); string(body) != "kept" {
				t.Error("what is not below the prefix is gone")
			}
		})
	}
}

// TestOddKeys removes keys that are hard to send and hard to list from.
func TestOddKeys(t *testing.T) {
	for _, size := range []int{1, 3, 1000} {
		w := newWorld(t, "Enabled", mem.Options{PageSize: size})
		var kept []string
		for i, key := range []string{
			"p/", "p//", "p/\x00", "p/\x01", "p/a", "p/a/", "p/a\x00", "p/a ", "p/ a", "p/ü", "p/\ue000", "p/\U00010000", "p/\ufffd", "p/\ufffe", "p/&lt;<>\"'", "p/\r\n", "p/..", "p/" + strings.Repeat("k", 1022), "p/" + strings.Repeat("é", 511),
		} {
			w.put(key, fmt.Sprint(i))
			w.put(key, "again")
		}
		for _, key := range []string{"o", "p", "p.", "p0", "q"} {
			kept = append(kept, key+"@"+w.put(key, "kept")+" latest\n")
		}
		outs, err := w.commit(context.Background(), w.target(t.TempDir(), "Enabled"), w.actions("p/", "Enabled"))
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range outs {
			if o.Status != cooper.Done {
				t.Errorf("%q: %+v", o.Key, o)
			}
		}
		if got, want := w.left(), strings.Join(kept, ""); got != want {
			t.Errorf("left:\n%swant:\n%s", got, want)
		}
	}
}

// TestFewKeysOfMany: a look leaps over what does not matter.
func TestFewKeysOfMany(t *testing.T) {
	w := newWorld(t, "Enabled", mem.Options{PageSize: 10})
	for i := range 1000 {
		w.put(fmt.Sprintf("p/%04d", i), "x")
	}
	var few []cooper.Action
	for i, a := range w.actions("p/", "Enabled") {
		if i%333 == 0 {
			few = append(few, a)
		}
	}
	outs, err := w.commit(context.Background(), w.target(t.TempDir(), "Enabled"), few)
	if err != nil || bucketoptest.Statuses(outs) != "done done done done" {
		t.Fatalf("%v, %v", bucketoptest.Statuses(outs), err)
	}
	if n := w.Server.Counts()["ListObjectVersions"]; n > 3*4 {
		t.Errorf("%d listings for four keys", n)
	}
	if n := len(w.Server.Versions("lab")); n != 996 {
		t.Errorf("%d versions left", n)
	}
}

func TestRefusals(t *testing.T) {
	w := newWorld(t, "Enabled", mem.Options{})
	w.put("p/k", "1")
	w.put("other/k", "1")
	good := w.actions("p/", "Enabled")[0]
	other := good
	other.Version.Key = "p/l"
	h := header()
	tg := w.target(t.TempDir(), "Enabled")
	if err := tg.Check(h); err != nil {
		t.Error(err)
	}
	elsewhere := h
	elsewhere.Target.Path = "s3://lab/q/"
	if err := tg.Check(elsewhere); cooper.KindOf(err) != cooper.KindRefused {
		t.Errorf("another target: %v", err)
	}
	changed := New(w.bucket, Options{Path: target, Versioning: "Suspended", Planned: "Enabled"})
	if err := changed.Check(h); cooper.KindOf(err) != cooper.KindRefused {
		t.Errorf("versioning has changed: %v", err)
	}
	for _, places := range [][2]string{{"", "http://other"}, {"http://other", ""}, {"http://one", "http://other"}} {
		other := New(w.bucket, Options{Path: target, Versioning: "Enabled", Planned: "Enabled", Store: cooper.Store{Endpoint: places[0]}, PlannedStore: cooper.Store{Endpoint: places[1]}})
		if err := other.Check(h); cooper.KindOf(err) != cooper.KindRefused {
			t.Errorf("another store: %v", err)
		}
	}
	if _, err := tg.Recover(context.Background(), permit.Permit{}, true); cooper.KindOf(err) != cooper.KindUsage {
		t.Errorf("undo: %v", err)
	}
	for name, a := range map[string]cooper.Action{
		"below another prefix":  w.actions("other/", "Enabled")[0],
		"another verb":          {Verb: "fetch", Version: good.Version, Args: good.Args},
		"an unknown argument":   {Verb: bucketop.Remove, Version: good.Version, Args: map[string]string{"reason": "", "quick": "yes"}},
		"a guard of another id": {Verb: bucketop.Remove, Version: good.Version, Args: bucketop.Args{Guard: bucketop.ByLook}.Encode()},
		"no ETag to compare":    {Verb: bucketop.Remove, Version: cooper.Version{Identity: cooper.Identity{Key: "p/k", VersionID: "null"}}, Args: bucketop.Args{Guard: bucketop.ByETag}.Encode()},
		"null without a guard":  {Verb: bucketop.Remove, Version: cooper.Version{Identity: cooper.Identity{Key: "p/k", VersionID: "null"}}, Args: bucketop.Args{}.Encode()},
	} {
		if _, err := w.commit(context.Background(), w.target(t.TempDir(), "Enabled"), []cooper.Action{a}); cooper.KindOf(err) != cooper.KindInvalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, as := range map[string][]cooper.Action{"twice": {good, good}, "out of order": {other, good}} {
		if _, err := w.commit(context.Background(), w.target(t.TempDir(), "Enabled"), as); cooper.KindOf(err) != cooper.KindInvalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := len(w.Server.Versions("lab")); n != 2 {
		t.Errorf("%d versions left", n)
	}
}

// TestProbe: what cannot be seen to refuse removes nothing.
func TestProbe(t *testing.T) {
	w := newWorld(t, "", mem.Options{})
	w.put("p/k", "1")
	actions := w.actions("p/", "")
	w.Server.Deny("lab", "p/.cooper-probe")
	if _, err := w.commit(context.Background(), w.target(t.TempDir(), ""), actions); cooper.KindOf(err) != cooper.KindRefused {
		t.Errorf("a probe that cannot be written: %v", err)
	}
	w2 := newWorld(t, "", mem.Options{})
	w2.put("p/k", "1")
	ignorant := New(ignoring{w2.bucket}, w2.target(t.TempDir(), "").opt)
	if _, err := w2.commit(context.Background(), ignorant, w2.actions("p/", "")); cooper.KindOf(err) != cooper.KindRefused || !strings.Contains(err.Error(), "although its ETag was another") {
		t.Errorf("a store that ignores conditions: %v", err)
	}
	if got := w2.left(); got != "p/k@null latest\n" {
		t.Errorf("left: %s", got)
	}
}

// TestTwoThatGoLast: of two that wait for each other the current one stays.
func TestTwoThatGoLast(t *testing.T) {
	w := newWorld(t, "Enabled", mem.Options{})
	w.put("p/k", "1")
	w.put("p/k", "2")
	actions := w.actions("p/", "Enabled")
	for i := range actions {
		actions[i].Args = bucketop.Args{Last: true, Reason: "test"}.Encode()
	}
	outs, err := w.commit(context.Background(), w.target(t.TempDir(), "Enabled"), actions)
	if body, _ := w.Server.Body("lab", "p/k", ""); err != nil || bucketoptest.Statuses(outs) != "done conflict" || string(body) != "2" {
		t.Errorf("%+v, %v, current is %q", outs, err, body)
	}
}

// TestAbsent: what was not there is told apart from what was removed.
func TestAbsent(t *testing.T) {
	w := newWorld(t, "Enabled", mem.Options{})
	w.put("p/k", "1")
	gone := w.put("p/l", "1")
	actions := w.actions("p/", "Enabled")
	w.Server.DeleteVersion("lab", "p/l", gone)
	tg := w.target(t.TempDir(), "Enabled")
	outs, err := w.commit(context.Background(), tg, actions)
	if err != nil || bucketoptest.Statuses(outs) != "done done" || outs[0].Method != "" || outs[1].Method != "was not there any more" || tg.Absent() != 1 {
		t.Errorf("%+v, %d, %v", outs, tg.Absent(), err)
	}
}

// TestPassedOver: what a listing passes over, as it compares encoded keys with its
// marker, is removed, and not said to be gone.
func TestPassedOver(t *testing.T) {
	w := newWorld(t, "", mem.Options{})
	w.put("p/a", "1")
	w.put("p/\u00e9 b", "1")
	actions := w.actions("p/", "")
	tg := w.target(t.TempDir(), "")
	tg.opt.Store.Endpoint = "http://not.amazon"
	tg.bucket, tg.probes.Bucket = passing{w.bucket}, passing{w.bucket}
	outs, err := w.commit(context.Background(), tg, actions)
	if err != nil || bucketoptest.Statuses(outs) != "done done" || tg.Absent() != 0 || w.left() != "" {
		t.Errorf("%+v, %d, %v, left: %s", outs, tg.Absent(), err, w.left())
	}
}

// passing compares encoded keys with a marker that is not.
type passing struct{ Bucket }

func (b passing) List(ctx context.Context, q store.ListQuery, page func([]cooper.Version, []string) error) error {
	after := q.After
	q.After = ""
	return b.Bucket.List(ctx, q, func(vs []cooper.Version, prefixes []string) error {
		return page(slices.DeleteFunc(vs, func(v cooper.Version) bool {
			return after != "" && strings.ReplaceAll(url.PathEscape(v.Key), "%2F", "/") <= after
		}), prefixes)
	})
}

// TestGoingOn: a shard whose facts are owed is given again until it is settled,
// and then is done.
func TestGoingOn(t *testing.T) {
	w := newWorld(t, "Enabled", mem.Options{})
	w.put("p/k", "1")
	actions := w.actions("p/", "Enabled")
	dir := t.TempDir()
	if _, err := w.commit(context.Background(), w.target(dir, "Enabled"), actions); err != nil {
		t.Fatal(err)
	}
	tg := w.target(dir, "Enabled")
	found, err := tg.Recover(context.Background(), permit.Permit{}, false)
	if err != nil || len(found) != 1 || found[0].Run != "r-1" || found[0].Path != target || bucketoptest.Statuses(found[0].Outcomes) != "done" {
		t.Fatalf("%+v, %v", found, err)
	}
	if err := tg.Settled(context.Background(), found[0].Plan, found[0].Shard); err != nil {
		t.Fatal(err)
	}
	if found, err := tg.Recover(context.Background(), permit.Permit{}, false); err != nil || len(found) > 0 {
		t.Errorf("%+v, %v", found, err)
	}
	if err := tg.Begin(context.Background(), permit.Issue("r-2"), header()); err != nil || !tg.Done(0) || tg.Done(1) {
		t.Errorf("%v, %v, %v", tg.Done(0), tg.Done(1), err)
	}
}

// TestProbeOfKeysThatGoAlone: that a store compares ETags in removals of many
// says nothing of the request that removes one.
func TestProbeOfKeysThatGoAlone(t *testing.T) {
	for _, key := range []string{"p/k", "p/k\x01"} {
		w := newWorld(t, "", mem.Options{})
		w.put(key, "1")
		tg := New(ignoringAlone{w.bucket}, w.target(t.TempDir(), "").opt)
		outs, err := w.commit(context.Background(), tg, w.actions("p/", ""))
		if store.Alone(key) {
			if cooper.KindOf(err) != cooper.KindRefused || !strings.Contains(err.Error(), "although its ETag was another") || w.left() != key+"@null latest\n" {
				t.Errorf("%q: %v, left: %s", key, err, w.left())
			}
		} else if err != nil || bucketoptest.Statuses(outs) != "done" {
			t.Errorf("%q: %v, %v", key, outs, err)
		}
	}
}

// ignoringAlone heeds conditions of many removals, not of a single one.
type ignoringAlone struct{ Bucket }

func (b ignoringAlone) Remove(ctx context.Context, p permit.Permit, rs []store.Removal) []error {
	rs = slices.Clone(rs)
	for i := range rs {
		if store.Alone(rs[i].Key) {
			rs[i].IfMatch = ""
		}
	}
	return b.Bucket.Remove(ctx, p, rs)
}

// ignoring is a store that heeds no condition.
type ignoring struct{ Bucket }

func (b ignoring) Remove(ctx context.Context, p permit.Permit, rs []store.Removal) []error {
	rs = slices.Clone(rs)
	for i := range rs {
		rs[i].IfMatch = ""
	}
	return b.Bucket.Remove(ctx, p, rs)
}
